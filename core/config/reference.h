// References in text: "${steps.vpc.route_tables[0]}", "${env.X:-default}", "a ${var.x} b", "$${" for "${".
#ifndef CORE_CONFIG_REFERENCE_H
#define CORE_CONFIG_REFERENCE_H

#include "config/node.h"

enum reference_kind { REF_STEP, REF_ENV, REF_FILE, REF_CMD, REF_VAR, REF_EACH };

// Literal text, or one reference. Strings belong to the arena.
struct part {
    const char *literal; // NULL: a reference
    enum reference_kind kind;
    const char *inner;    // between the braces: "steps.vpc.route_tables[0]"
    const char *name;     // step, variable's path, environment variable, file, command, "key" or "value"
    const char *key;      // of a step made by for_each: "eu" of steps.net[eu].id; else NULL
    const char *output;   // of a step; else NULL
    const char *path;     // into the output or each.value: ".a[0]", or ""
    const char *fallback; // behind ":-", may hold references itself; NULL: none
    size_t offset;        // where it begins in the text
};

struct text {
    struct part *parts;
    size_t count;
};

// Is there a reference (or an escaped one) in it at all?
bool text_has_reference(const char *text);
// 0; or -1 with what is wrong in `why` (size bytes) and where in *offset.
int text_parse(struct arena *arena, const char *text, struct text *parsed, size_t *offset, char *why,
               size_t size);

// One part of a path such as a.b[0]['c.d']: a key, or an index (*index >= 0). Moves *path behind it.
// 1: one was taken; 0: the end; -1: malformed.
int path_next(const char **path, char *key, size_t size, long *index);
// Borrowed; NULL when the path leads nowhere.
const json_t *path_json(const json_t *json, const char *path);
const struct node *path_node(const struct node *node, const char *path);
// Appends a key to a path: "a" + "b" -> "a.b", "b.c" -> "a['b.c']". The caller's (ist_free).
char *path_join(const char *path, const char *key);

#endif
