// Services without a selector, mirrored ones among them: which ClusterIP leads to which addresses. What the VPC CNI has
// to be told.
#ifndef NETPOL_MIRRORED_H
#define NETPOL_MIRRORED_H

#include "companion.h"

struct mirrored;
struct mirrored *mirrored_new(void);
void mirrored_free(struct mirrored *mirrored);

// A Service or EndpointSlice of `cluster`, whoever wrote it: beside the slices that were mirrored its user may have put
// his own, and what leads there must be allowed as well. 1 when a ClusterIP leads elsewhere than before.
int mirrored_service(struct mirrored *mirrored, size_t cluster, const json_t *service, int gone);
int mirrored_slice(struct mirrored *mirrored, size_t cluster, const json_t *slice, int gone);

// Every port of every ClusterIP of the cluster's Services without a selector, with all that it leads to. Borrowed until
// the next change.
const struct vip *mirrored_vips(struct mirrored *mirrored, size_t cluster, size_t *count);
int mirrored_leads_to(struct mirrored *mirrored, size_t cluster, const struct ip *ip); // does one of them?

#endif
