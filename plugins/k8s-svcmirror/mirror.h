// What a mirrored service looks like in the other clusters.
#ifndef SVCMIRROR_MIRROR_H
#define SVCMIRROR_MIRROR_H

#include <isthmus/kube_keeper.h>

// One cluster as a source: its services that were chosen, and the endpoints behind them.
struct source {
    const ist_cluster *cluster; // borrowed
    json_t *services;           // array of Service
    json_t *slices;             // "namespace/service" -> array of EndpointSlice; empty where none are served
    json_t *endpoints;          // the same of Endpoints; read only where EndpointSlice v1 is not served
};

// Reads what `rules` (clusters[].services: array of {namespace, nameMatches}) choose in a cluster. What any
// Isthmus, Linkerd, Submariner or MCS wrote is never a source.
// An empty source of that cluster, and putting a slice or Endpoints object under its service (borrowed).
void source_init(struct source *source, const ist_cluster *cluster);
void source_file(json_t *by_service, const char *service, json_t *object);
int32_t source_read(const ist_cluster *cluster, const json_t *rules, struct source *source, json_t *notes,
                    ist_error *err);
void source_free(struct source *source);

// Appends to `wanted` what stands for `source` in `target`: namespaces (if asked), Services without a
// selector, and EndpointSlices, or Endpoints where `target` serves no EndpointSlice v1. `notes` says what was
// left out and why.
struct mirror_options {
    int create_namespaces;
    int slices;               // does the target serve EndpointSlice v1?
    const json_t *namespaces; // array of the target's Namespace objects
    const json_t *services;   // "namespace/name" -> its Services that Isthmus wrote: the owners of slices
};
// `names` (object) holds what is wanted already, by "Kind namespace/name"; it grows with `wanted`.
void mirror_into(const struct source *source, const struct mirror_options *options, json_t *wanted,
                 json_t *names, json_t *notes);

// An EndpointSlice goes with its Service: the ownerReference of one whose Service is made in the same run.
void mirror_finish(void *arg, json_t *object, const json_t *applied);

#endif
