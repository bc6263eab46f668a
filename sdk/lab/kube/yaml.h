// YAML documents as JSON: what an apply patch may be written in, and what manifests are.
#ifndef LAB_KUBE_YAML_H
#define LAB_KUBE_YAML_H

#include <jansson.h>
#include <stddef.h>

// All documents of a text, empty ones left out: new array; NULL with *why (malloc'd) on a syntax error.
json_t *kube_yaml(const char *text, size_t len, char **why);

#endif
