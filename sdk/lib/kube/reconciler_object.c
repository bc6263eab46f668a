// Compact records of what is in a cluster: found by kind and name, kept by key, and the heap of due keys.
#include "reconciler.h"

#include <stdlib.h>
#include <string.h>

static struct rec_object tombstone = {.kind = REC_KINDS}; // of no kind
#define DEAD (&tombstone)

// ---- versions ----

uint64_t rec_version(const char *text)
{
    char *end = NULL;
    if (!text || !*text)
        return 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (end != text && *end == '\0' && number < (1ull << 63))
        return number;
    uint64_t hash = 14695981039346656037ull;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 1099511628211ull;
    return hash | (1ull << 63);
}

int rec_version_older(uint64_t a, uint64_t b)
{
    return !((a | b) >> 63) && a < b;
}

// ---- objects ----

static uint32_t hash_of(size_t kind, const char *ns, const char *name)
{
    uint32_t hash = 2166136261u ^ (uint32_t)kind;
    for (; *ns; ns++)
        hash = (hash ^ (unsigned char)*ns) * 16777619u;
    hash = (hash ^ '/') * 16777619u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash ^ hash >> 15;
}

const char *rec_object_ns(const struct rec_object *object)
{
    return object->name;
}

const char *rec_object_name(const struct rec_object *object)
{
    return object->name + strlen(object->name) + 1;
}

struct rec_object *rec_find(struct rec_cluster *cluster, size_t kind, const char *ns, const char *name)
{
    struct rec_table *table = &cluster->table;
    ns = ns ? ns : "";
    if (!table->room || !name)
        return NULL;
    uint32_t hash = hash_of(kind, ns, name);
    for (size_t i = hash & (table->room - 1); table->slots[i]; i = (i + 1) & (table->room - 1)) {
        struct rec_object *object = table->slots[i];
        if (object != DEAD && object->hash == hash && object->kind == kind &&
            !strcmp(rec_object_ns(object), ns) && !strcmp(rec_object_name(object), name))
            return object;
    }
    return NULL;
}

static void place(struct rec_table *table, struct rec_object *object)
{
    size_t i = object->hash & (table->room - 1);
    while (table->slots[i])
        i = (i + 1) & (table->room - 1);
    table->slots[i] = object;
}

static void grow(struct rec_table *table)
{
    struct rec_object **old = table->slots;
    size_t room = table->room;
    table->room = 64;
    while (table->room < 2 * (table->count + 1))
        table->room *= 2;
    table->slots = ist_calloc(table->room, sizeof *table->slots);
    table->dead = 0;
    for (size_t i = 0; i < room; i++)
        if (old[i] && old[i] != DEAD)
            place(table, old[i]);
    ist_free(old);
}

struct rec_object *rec_add(struct rec_cluster *cluster, size_t kind, const char *ns, const char *name,
                           const char *uid)
{
    struct rec_table *table = &cluster->table;
    size_t ns_len = strlen(ns ? ns : ""), name_len = strlen(name);
    if (4 * (table->count + table->dead + 1) > 3 * table->room)
        grow(table);
    struct rec_object *object = ist_calloc(1, sizeof *object + ns_len + name_len + 2);
    memcpy(object->name, ns ? ns : "", ns_len + 1);
    memcpy(object->name + ns_len + 1, name, name_len + 1);
    object->kind = (uint8_t)kind;
    object->hash = hash_of(kind, object->name, name);
    object->uid = ist_strdup(uid ? uid : "");
    place(table, object);
    table->count++;
    return object;
}

static void object_free(struct rec_object *object)
{
    ist_free(object->uid);
    ist_free(object);
}

void rec_remove(struct rec_cluster *cluster, struct rec_object *object)
{
    struct rec_table *table = &cluster->table;
    rec_set_key(cluster, object, NULL);
    for (size_t i = object->hash & (table->room - 1); table->slots[i]; i = (i + 1) & (table->room - 1)) {
        if (table->slots[i] != object)
            continue;
        table->slots[i] = DEAD;
        table->count--;
        table->dead++;
        break;
    }
    object_free(object);
}

void rec_set_uid(struct rec_object *object, const char *uid)
{
    if (uid && strcmp(object->uid, uid) != 0) {
        ist_free(object->uid);
        object->uid = ist_strdup(uid);
    }
}

void rec_set_key(struct rec_cluster *cluster, struct rec_object *object, struct rec_key *key)
{
    struct rec_key *before = object->key;
    if (before == key)
        return;
    if (before)
        for (struct rec_object **at = &before->objects; *at; at = &(*at)->next)
            if (*at == object) {
                *at = object->next;
                break;
            }
    object->key = key;
    object->next = NULL;
    if (key) {
        object->next = key->objects;
        key->objects = object;
    }
    if (before)
        rec_key_drop(cluster, before);
}

// ---- what is expected ----

static uint64_t *slot_of(const struct rec_expected *expected, uint64_t digest)
{
    size_t i = digest & (expected->room - 1);
    while (expected->slots[i] && expected->slots[i] != digest)
        i = (i + 1) & (expected->room - 1);
    return &expected->slots[i];
}

void rec_expect(struct rec_expected *expected, uint64_t digest)
{
    if (2 * (expected->count + 1) > expected->room) {
        struct rec_expected before = *expected;
        expected->room = before.room ? 2 * before.room : 256;
        expected->slots = ist_calloc(expected->room, sizeof *expected->slots);
        for (size_t i = 0; i < before.room; i++)
            if (before.slots[i])
                *slot_of(expected, before.slots[i]) = before.slots[i];
        ist_free(before.slots);
    }
    uint64_t *slot = slot_of(expected, digest);
    expected->count += *slot == 0;
    *slot = digest;
}

int rec_is_expected(const struct rec_expected *expected, uint64_t digest)
{
    return expected->room && digest && *slot_of(expected, digest) == digest;
}

void rec_expected_free(struct rec_expected *expected)
{
    ist_free(expected->slots);
    *expected = (struct rec_expected){0};
}

// ---- keys ----

static uint32_t key_hash(const char *text)
{
    return hash_of(0, "", text);
}

struct rec_key *rec_key(struct rec_cluster *cluster, const char *text, int make)
{
    struct rec_keys *keys = &cluster->keys;
    uint32_t hash = key_hash(text);
    struct rec_key *key = keys->room ? keys->slots[hash & (keys->room - 1)] : NULL;
    while (key && (key->hash != hash || strcmp(key->text, text) != 0))
        key = key->chain;
    if (key || !make)
        return key;
    if (keys->count >= keys->room) {
        struct rec_key **old = keys->slots;
        size_t room = keys->room;
        keys->room = room ? 2 * room : 64;
        keys->slots = ist_calloc(keys->room, sizeof *keys->slots);
        for (size_t i = 0; i < room; i++)
            for (struct rec_key *moved = old[i], *next; moved; moved = next) {
                next = moved->chain;
                moved->chain = keys->slots[moved->hash & (keys->room - 1)];
                keys->slots[moved->hash & (keys->room - 1)] = moved;
            }
        ist_free(old);
    }
    size_t len = strlen(text);
    key = ist_calloc(1, sizeof *key + len + 1);
    memcpy(key->text, text, len + 1);
    key->hash = hash;
    key->due = REC_NEVER;
    key->chain = keys->slots[hash & (keys->room - 1)];
    keys->slots[hash & (keys->room - 1)] = key;
    keys->count++;
    return key;
}

static void key_free(struct rec_key *key)
{
    json_decref(key->notes);
    ist_free(key);
}

void rec_key_drop(struct rec_cluster *cluster, struct rec_key *key)
{
    struct rec_keys *keys = &cluster->keys;
    if (key->objects || key->job || key->heap || key->notes || cluster->run->holding)
        return;
    if (cluster->run->wanted_key == key)
        rec_stale(cluster->run);
    for (struct rec_key **at = &keys->slots[key->hash & (keys->room - 1)]; *at; at = &(*at)->chain)
        if (*at == key) {
            *at = key->chain;
            break;
        }
    keys->count--;
    key_free(key);
}

// ---- the heap of due keys ----

static void put(struct rec_keys *keys, size_t at, struct rec_key *key)
{
    keys->heap[at - 1] = key;
    key->heap = at;
}

static void sift(struct rec_keys *keys, size_t at, struct rec_key *key)
{
    while (at > 1 && keys->heap[at / 2 - 1]->due > key->due) {
        put(keys, at, keys->heap[at / 2 - 1]);
        at /= 2;
    }
    for (size_t child = 2 * at; child <= keys->due; child = 2 * at) {
        if (child < keys->due && keys->heap[child]->due < keys->heap[child - 1]->due)
            child++;
        if (keys->heap[child - 1]->due >= key->due)
            break;
        put(keys, at, keys->heap[child - 1]);
        at = child;
    }
    put(keys, at, key);
}

void rec_key_due(struct rec_cluster *cluster, struct rec_key *key, int64_t due)
{
    struct rec_keys *keys = &cluster->keys;
    if (due == REC_NEVER) {
        size_t at = key->heap;
        key->due = REC_NEVER;
        key->heap = 0;
        if (!at)
            return;
        struct rec_key *last = keys->heap[--keys->due];
        if (last != key)
            sift(keys, at, last);
        return;
    }
    key->due = due;
    if (!key->heap) {
        if (keys->due == keys->heap_room) {
            keys->heap_room = keys->heap_room ? 2 * keys->heap_room : 64;
            keys->heap = ist_realloc(keys->heap, keys->heap_room, sizeof *keys->heap);
        }
        keys->due++;
        key->heap = keys->due;
    }
    sift(keys, key->heap, key);
}

struct rec_key *rec_key_next_due(struct rec_cluster *cluster, int64_t now)
{
    const struct rec_keys *keys = &cluster->keys;
    return keys->due && keys->heap[0]->due <= now ? keys->heap[0] : NULL;
}

void rec_keys_hurry(struct rec_cluster *cluster, int64_t now)
{
    for (size_t i = 0; i < cluster->keys.due; i++) // which leaves them in their order
        if (cluster->keys.heap[i]->due > now)
            cluster->keys.heap[i]->due = now;
}

void rec_records_free(struct rec_cluster *cluster)
{
    for (size_t i = 0; i < cluster->table.room; i++)
        if (cluster->table.slots[i] && cluster->table.slots[i] != DEAD)
            object_free(cluster->table.slots[i]);
    ist_free(cluster->table.slots);
    for (size_t i = 0; i < cluster->keys.room; i++)
        for (struct rec_key *key = cluster->keys.slots[i], *next; key; key = next) {
            next = key->chain;
            key_free(key);
        }
    ist_free(cluster->keys.slots);
    ist_free(cluster->keys.heap);
    rec_expected_free(&cluster->expected);
    cluster->table = (struct rec_table){0};
    cluster->keys = (struct rec_keys){0};
}
