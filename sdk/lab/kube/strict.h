// Fields that a kind does not have. A real server leaves them out, refuses them (fieldValidation=Strict), or, applied,
// fails on them; so do we for the kinds and places that the table in strict.c knows.
#ifndef LAB_KUBE_STRICT_H
#define LAB_KUBE_STRICT_H

#include <jansson.h>

// Takes unknown fields out of `object` and lists them: new array of [path as an apply names it, path as a decoder names
// it] (".spec.ports[port=80,protocol=\"TCP\"].prot", "spec.ports[0].prot").
json_t *kube_strip_unknown(const char *kind, json_t *object);

#endif
