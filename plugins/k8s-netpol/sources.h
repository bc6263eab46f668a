// Where the world of `isthmus policy` comes from: folders of manifests, the standard input, clusters.
#ifndef NETPOL_SOURCES_H
#define NETPOL_SOURCES_H

#include "world.h"

#include <isthmus/kube.h>

struct sources {
    const ist_env *env;
    struct world *world;
    uint32_t flags;   // WORLD_EXTENDED
    size_t objects;   // counted while reading
    json_t *warnings; // array of sentences: what is not modelled, what was not understood
    void (*seen)(void *arg, size_t cluster, const json_t *object); // NULL, or shown each object; borrowed
    void *arg;
    int deep; // clusters: DaemonSets and EndpointSlices are read too, for seen() alone
};

// Reads SOURCE into `cluster`: "-" (the standard input), a folder (its .yaml, .yml and .json files and those below it, in
// the order of their names), a file of manifests, or a kubeconfig, with "#CONTEXT" behind it for one of its contexts.
int32_t source_read(struct sources *sources, size_t cluster, const char *source, ist_error *err);
// One text of manifests.
int32_t source_text(struct sources *sources, size_t cluster, const char *text, size_t len, const char *name,
                    ist_error *err);
// Everything that policies speak of, from a cluster: page by page, each object dropped after it was seen.
int32_t source_cluster(struct sources *sources, size_t cluster, ist_kube *kube, ist_error *err);
// What is to be said of a cluster as it stands now becomes warnings.
void sources_warn(struct sources *sources, size_t cluster);

#endif
