// Open addressing, linear probing; a removal moves what follows back, so that no graves are left.
#include "table.h"

#include <isthmus/alloc.h>

uint32_t hash_bytes(uint32_t hash, const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ p[i]) * 16777619u;
    return hash;
}

uint32_t hash_pointer(uint32_t hash, const void *pointer)
{
    uint64_t value = (uint64_t)(uintptr_t)pointer * 0x9e3779b97f4a7c15u;
    return (hash ^ (uint32_t)(value >> 32)) * 16777619u;
}

// FNV's low bits are poor where keys differ in their last bytes only.
static size_t home(const struct table *table, uint32_t hash)
{
    uint64_t spread = (uint64_t)hash * 0x9e3779b97f4a7c15u;
    return (size_t)(spread >> 32) & (table->room - 1);
}

static void place(struct table *table, uint32_t hash, void *record)
{
    size_t i = home(table, hash);
    while (table->slots[i].record)
        i = (i + 1) & (table->room - 1);
    table->slots[i] = (struct table_slot){record, hash};
}

void *table_find(const struct table *table, uint32_t hash, table_same *same, const void *key)
{
    if (!table->room)
        return NULL;
    for (size_t i = home(table, hash); table->slots[i].record; i = (i + 1) & (table->room - 1))
        if (table->slots[i].hash == hash && same(table->slots[i].record, key))
            return table->slots[i].record;
    return NULL;
}

static void grow(struct table *table)
{
    struct table larger = {.room = table->room ? table->room * 2 : 16, .count = table->count};
    larger.slots = ist_calloc(larger.room, sizeof(*larger.slots));
    for (size_t i = 0; i < table->room; i++)
        if (table->slots[i].record)
            place(&larger, table->slots[i].hash, table->slots[i].record);
    ist_free(table->slots);
    *table = larger;
}

void table_add(struct table *table, uint32_t hash, void *record)
{
    if (table->count * 4 >= table->room * 3)
        grow(table);
    place(table, hash, record);
    table->count++;
}

void table_remove(struct table *table, uint32_t hash, const void *record)
{
    const size_t mask = table->room - 1;
    if (!table->room)
        return;
    size_t i = home(table, hash);
    while (table->slots[i].record && table->slots[i].record != record)
        i = (i + 1) & mask;
    if (!table->slots[i].record)
        return;
    table->count--;
    for (size_t next = (i + 1) & mask; table->slots[next].record; next = (next + 1) & mask) {
        // May the one at `next` stand at `i`? Only if its home is not between the two.
        if (((next - home(table, table->slots[next].hash)) & mask) >= ((next - i) & mask)) {
            table->slots[i] = table->slots[next];
            i = next;
        }
    }
    table->slots[i] = (struct table_slot){0};
}

void table_free(struct table *table)
{
    ist_free(table->slots);
    *table = (struct table){0};
}
