// Which services of a cluster are mirrored, and whither.
#ifndef SVCMIRROR_SELECTION_H
#define SVCMIRROR_SELECTION_H

#include <isthmus/kube_clusters.h>

#define CLUSTERS_MAX 64 // a bit each

struct selection; // the rules of one cluster

// The rules of the cluster of that index: its clusters[].services of the inputs (borrowed, for as long). IST_ERR_INPUT:
// a target that is none of `clusters`.
int32_t selection_new(const json_t *inputs, const ist_clusters *clusters, size_t index,
                      struct selection **selection, ist_error *err);
void selection_free(struct selection *selection);
// Might a Service of that namespace be chosen? (Else nothing of that namespace need be kept.)
int selection_has_namespace(const struct selection *selection, const char *ns);
// The clusters (bits) that one of that name might be chosen for, its labels unknown.
uint64_t selection_possible(const struct selection *selection, const char *ns, const char *name);
// The clusters (bits) that this Service is chosen for. default/kubernetes is never; kube-system only by its name.
uint64_t selection_of(const struct selection *selection, const json_t *service);

// Was this Service, EndpointSlice or Endpoints written by somebody who mirrors services: any Isthmus, Linkerd,
// Submariner, Cilium's cluster mesh, an implementation of the MCS API? That is nobody's source, or two would mirror
// each other.
int is_mirrored(const json_t *object);

#endif
