// The scalar types of the tables: one row each, so that checking, comparing and the JSON Schema cannot
// disagree about which there are.
#ifndef ISTHMUS_LIB_TYPES_H
#define ISTHMUS_LIB_TYPES_H

#include <isthmus/schema.h>

// Hands back the normal form (new reference) or IST_ERR_INPUT with err->text saying what was expected.
typedef int32_t ist_scalar_fn(const json_t *value, json_t **normal, ist_error *err);

typedef struct ist_scalar_type {
    const char *name;
    ist_scalar_fn *normalise;
    const char *json_type; // of JSON Schema; NULL: any
    const char *pattern;   // of JSON Schema; NULL: none
    const char *example;   // for people: "a CIDR such as 10.1.0.0/16"
} ist_scalar_type;

// NULL when there is none of this name (`len` bytes).
const ist_scalar_type *ist_scalar_type_of(const char *name, size_t len);
// "expected WHAT, found VALUE" plus ": why" unless why is NULL; returns IST_ERR_INPUT.
int32_t ist_expected(ist_error *err, const char *what, const json_t *found, const char *why);

#endif
