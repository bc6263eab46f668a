// isthmus/kube_namespaces.h: which namespace of one cluster is the same as which of another. Without a map those of
// the same name are. Plugins that take the input read it from one row of their tables, IST_NAMESPACES_INPUT, so that
// one map serves services and policies.
#ifndef ISTHMUS_KUBE_NAMESPACES_H
#define ISTHMUS_KUBE_NAMESPACES_H

#include <isthmus/kube_clusters.h>

#ifdef __cplusplus
extern "C" {
#endif

// namespaces: {shop: {aws: shop-prod}}: the namespace `shop` everywhere is `shop-prod` in cluster aws. Then a namespace
// of aws that is called shop is none of it, and has no counterpart.
#define IST_NAMESPACES_INPUT                                                                                 \
    {                                                                                                        \
        "namespaces", "map(map(string))", "{}", 0, "0.1",                                                    \
            "Namespaces that are called differently: common name -> {cluster: name there}"                   \
    }

typedef struct ist_namespaces ist_namespaces;

// `map`: the input (borrowed, may be NULL). IST_ERR_INPUT: a cluster that is none of `clusters` (borrowed, and outlives
// it), or two common names for one namespace of a cluster.
IST_EXPORT int32_t ist_namespaces_new(const json_t *map, const ist_clusters *clusters,
                                      ist_namespaces **namespaces, ist_error *err);
IST_EXPORT void ist_namespaces_free(ist_namespaces *namespaces);
// What `name` of cluster `from` (an index of `clusters`) is called in cluster `to`; NULL: it has no counterpart.
// Borrowed: from the map, or `name` itself.
IST_EXPORT const char *ist_namespaces_in(const ist_namespaces *namespaces, size_t from, const char *name,
                                         size_t to);

#ifdef __cplusplus
}
#endif
#endif
