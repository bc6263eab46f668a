// Documents as records.
#ifndef SVCMIRROR_READ_H
#define SVCMIRROR_READ_H

#include "records.h"
#include "selection.h"

// Fills in all but what ties a record to others (table, place, slices, name). What it holds is the caller's.
// `inputs`: the lists `labels` and `annotations` of what is copied.
void read_service(struct pool *pool, const struct selection *selection, const json_t *inputs,
                  const json_t *object, struct service *read);
int same_service(const struct service *a, const struct service *b);

// The same of an EndpointSlice, or of an Endpoints object. Addresses outside the cluster's pod CIDRs are counted.
void read_slice(struct pool *pool, const ist_cluster *cluster, const json_t *object, int is_endpoints,
                struct slice *read);
int same_slice(const struct slice *a, const struct slice *b);

#endif
