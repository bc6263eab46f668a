// Label and field selectors: as text in a query, and as LabelSelector objects in a spec. Pure functions.
#ifndef LAB_KUBE_SELECTOR_H
#define LAB_KUBE_SELECTOR_H

#include <jansson.h>
#include <stdbool.h>

// Parses "a=b,c!=d,e in (f,g),h notin (i),j,!k" into an array of {key, operator, values} as matchExpressions
// have them (also =, == and != as In and NotIn). New reference; NULL with *why (malloc'd) when it is no
// selector.
json_t *kube_selector_parse(const char *text, char **why);
// Do labels (an object, NULL: none) meet all expressions (borrowed; NULL: everything)? An In or NotIn on a
// missing label: In fails, NotIn holds.
bool kube_expressions_match(const json_t *expressions, const json_t *labels);
// A LabelSelector {matchLabels, matchExpressions}; an empty one matches everything, NULL nothing.
bool kube_selector_match(const json_t *selector, const json_t *labels);
// A plain map (a Service's or ReplicationController's selector); an empty or missing one matches nothing.
bool kube_map_match(const json_t *map, const json_t *labels);

// "metadata.name=a,status.phase!=Running" as an array of {path, equal, value}; NULL with *why.
json_t *kube_fields_parse(const char *text, char **why);
bool kube_fields_match(const json_t *fields, const json_t *object); // NULL fields: everything

#endif
