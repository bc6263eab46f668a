// The mirrored Services of the clusters: which ClusterIP leads to which addresses. What the VPC CNI has to be told.
#ifndef NETPOL_MIRRORED_H
#define NETPOL_MIRRORED_H

#include "companion.h"

struct mirrored;
struct mirrored *mirrored_new(void);
void mirrored_free(struct mirrored *mirrored);

// A Service or EndpointSlice of `cluster`; only Services without a selector and slices that some Isthmus wrote are kept.
// 1 when something that is kept has changed.
int mirrored_service(struct mirrored *mirrored, size_t cluster, const json_t *service, int gone);
int mirrored_slice(struct mirrored *mirrored, size_t cluster, const json_t *slice, int gone);

// Every port of every ClusterIP of the cluster's mirrored Services with all that it leads to. Borrowed until the next
// change.
const struct vip *mirrored_vips(struct mirrored *mirrored, size_t cluster, size_t *count);

#endif
