// The tree of configuration: memory, merging, and what scalars are.
#include "config/node.h"

#include <isthmus/alloc.h>
#include <isthmus/yaml.h>

#include <stdint.h>
#include <string.h>

#define CHUNK ((size_t)64 << 10)

struct chunk {
    struct chunk *next;
    size_t used, size;
    max_align_t data[];
};

struct arena {
    struct chunk *chunks;
};

struct arena *arena_new(void)
{
    return ist_calloc(1, sizeof(struct arena));
}

void arena_free(struct arena *arena)
{
    if (!arena)
        return;
    for (struct chunk *chunk = arena->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        // Secrets may have been written in the configuration.
        explicit_bzero(chunk->data, chunk->used);
        ist_free(chunk);
    }
    ist_free(arena);
}

void *arena_alloc(struct arena *arena, size_t size)
{
    size_t unit = sizeof(max_align_t), need = (size + unit - 1) / unit * unit;
    struct chunk *chunk = arena->chunks;
    if (!chunk || chunk->size - chunk->used < need) {
        size_t room = need > CHUNK ? need : CHUNK;
        chunk = ist_malloc(sizeof(struct chunk) + room);
        *chunk = (struct chunk){.next = arena->chunks, .size = room};
        arena->chunks = chunk;
    }
    void *memory = (char *)chunk->data + chunk->used;
    chunk->used += need;
    return memset(memory, 0, need);
}

char *arena_strndup(struct arena *arena, const char *text, size_t len)
{
    char *copy = arena_alloc(arena, len + 1);
    memcpy(copy, text, len);
    return copy;
}

struct node *node_new(struct arena *arena, enum node_kind kind, struct place place)
{
    struct node *node = arena_alloc(arena, sizeof(*node));
    node->kind = kind;
    node->place = place;
    return node;
}

struct node *node_as(struct arena *arena, const struct node *node, const char *key, struct place key_place)
{
    struct node *copy = arena_alloc(arena, sizeof(*copy));
    *copy = *node;
    copy->key = key ? arena_strndup(arena, key, strlen(key)) : NULL;
    copy->key_place = key_place;
    return copy;
}

// Room grows in powers of two, so that count alone says when it is full.
void node_add(struct arena *arena, struct node *parent, struct node *child)
{
    size_t n = parent->count;
    if ((n & (n - 1)) == 0) {
        struct node **items = arena_alloc(arena, (n ? n * 2 : 1) * sizeof(*items));
        if (n)
            memcpy(items, parent->items, n * sizeof(*items));
        parent->items = items;
    }
    parent->items[parent->count++] = child;
}

struct node *node_get(const struct node *map, const char *key)
{
    if (!map || map->kind != NODE_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->items[i]->key, key) == 0)
            return map->items[i];
    return NULL;
}

struct node *node_merge(struct arena *arena, const struct node *base, const struct node *over)
{
    const char *key = over->key ? over->key : base->key;
    struct place key_place = over->key ? over->key_place : base->key_place;
    if (base->kind != NODE_MAP || over->kind != NODE_MAP) {
        struct node *wins = node_as(arena, over, key, key_place);
        wins->overrides = base;
        return wins;
    }
    struct node *merged = node_new(arena, NODE_MAP, over->place);
    merged->overrides = base;
    merged->key = key ? arena_strndup(arena, key, strlen(key)) : NULL;
    merged->key_place = key_place;
    for (size_t i = 0; i < base->count; i++) {
        const struct node *wins = node_get(over, base->items[i]->key);
        node_add(arena, merged, wins ? node_merge(arena, base->items[i], wins) : base->items[i]);
    }
    for (size_t i = 0; i < over->count; i++)
        if (!node_get(base, over->items[i]->key))
            node_add(arena, merged, over->items[i]);
    return merged;
}

const char *node_kind_name(enum node_kind kind)
{
    static const char *const names[] = {"nothing", "true or false", "an integer", "a number",
                                        "text",    "a list",        "a map"};
    return names[kind];
}

json_t *node_json(const struct node *node)
{
    json_t *json;
    switch (node->kind) {
    case NODE_MAP:
        json = json_object();
        for (size_t i = 0; i < node->count; i++)
            json_object_set_new(json, node->items[i]->key, node_json(node->items[i]));
        return json;
    case NODE_LIST:
        json = json_array();
        for (size_t i = 0; i < node->count; i++)
            json_array_append_new(json, node_json(node->items[i]));
        return json;
    case NODE_STRING:
        return json_string(node->text);
    default:
        return ist_yaml_scalar(node->text ? node->text : "");
    }
}
