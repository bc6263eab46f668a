// A hash table of records that are kept elsewhere.
#ifndef NETPOL_TABLE_H
#define NETPOL_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct table_slot {
    void *record; // NULL: free
    uint32_t hash;
};

struct table { // zero-initialised
    struct table_slot *slots;
    size_t room, count; // room is a power of two
};

typedef int table_same(const void *record, const void *key);                                   // 1 or 0
void *table_find(const struct table *table, uint32_t hash, table_same *same, const void *key); // NULL: none
void table_add(struct table *table, uint32_t hash, void *record); // one that is not there
void table_remove(struct table *table, uint32_t hash, const void *record);
void table_free(struct table *table); // the records stay

#define HASH_START 2166136261u
uint32_t hash_bytes(uint32_t hash, const void *bytes, size_t len); // FNV-1a, goes on from `hash`
uint32_t hash_pointer(uint32_t hash, const void *pointer);

#endif
