// A node of configuration: YAML with its place, so that every message can show the line.
#ifndef CORE_CONFIG_NODE_H
#define CORE_CONFIG_NODE_H

#include "config/diag.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum node_kind { NODE_NULL, NODE_BOOL, NODE_INT, NODE_REAL, NODE_STRING, NODE_LIST, NODE_MAP };

struct node {
    enum node_kind kind;
    struct place place; // of the value
    struct place key_place;
    char *key;           // within a map; owned by the arena
    char *text;          // scalars: as written; owned by the arena
    bool quoted;         // a quoted scalar is a string whatever it looks like
    struct node **items; // children of a list or map
    size_t count;
    const struct node *overrides; // what stood here before a later mapping; NULL: nothing
};

struct arena; // all nodes of a run; freed at once
struct arena *arena_new(void);
void *arena_alloc(struct arena *arena, size_t size); // zeroed
char *arena_strndup(struct arena *arena, const char *text, size_t len);
void arena_free(struct arena *arena);

// Reads one file (0 or -1 with diagnostics): !include resolved relative to the file; depth 64, aliases 10,000
// nodes, size 4 MiB, includes 16 deep, 1,000 in number and 64 MiB in all; a cycle shows its chain.
int node_read(struct arena *arena, struct diags *diags, const char *path, struct node **root);
int node_read_text(struct arena *arena, struct diags *diags, const char *name, const char *text, size_t len,
                   struct node **root);
// A shallow copy that is a child named `key` (NULL: none): children are shared, nodes are not changed once
// read.
struct node *node_as(struct arena *arena, const struct node *node, const char *key, struct place key_place);
struct node *node_new(struct arena *arena, enum node_kind kind, struct place place);
void node_add(struct arena *arena, struct node *parent, struct node *child); // while a node is being made
// `over` wins: maps merge, scalars and lists replace. Neither is changed; children are shared.
struct node *node_merge(struct arena *arena, const struct node *base, const struct node *over);
struct node *node_get(const struct node *map, const char *key); // borrowed, NULL when absent
const char *node_kind_name(enum node_kind kind);                // "a list"
json_t *node_json(const struct node *node); // new reference; scalars by YAML 1.2's core schema

#endif
