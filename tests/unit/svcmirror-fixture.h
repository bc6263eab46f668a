// Three clusters and a model of their services; documents are written with ' in place of ".
#ifndef TEST_SVCMIRROR_FIXTURE_H
#define TEST_SVCMIRROR_FIXTURE_H

#include "fake-reconciler.h"
#include "k8s-svcmirror/model.h"

#define CCP 0 // pods 192.168.0.0/16, fd00:1::/48
#define AWS 1 // pods 10.0.0.0/16
#define GCP 2 // pods 10.8.0.0/16

struct world {
    struct ist_reconciler run;
    struct ist_wanted wanted;
    ist_cluster items[3];
    ist_clusters clusters;
    ist_net ccp_nets[2], aws_net, gcp_net;
    struct model *model; // NULL: the inputs were refused
    ist_error err;
};

// With the namespaces stars and shop in every cluster. Services of `stars` in all clusters are chosen where `inputs` is
// NULL.
void world_open(struct world *w, const char *inputs);
void world_close(struct world *w);
json_t *json_of(const char *text);
void see(struct world *w, size_t cluster, size_t kind, const char *text);
void see_gone(struct world *w, size_t cluster, size_t kind, const char *ns, const char *name);
// A Service stars/NAME created on that day of 2026, with `spec` ("'ports':[...]") and one slice NAME-1 of these
// addresses (comma-separated), its ports `slice_ports`.
void see_service(struct world *w, size_t cluster, const char *name, int day, const char *spec);
void see_addresses(struct world *w, size_t cluster, const char *service, const char *slice, const char *ports,
                   const char *addresses);
// What is wanted of a key, in w->wanted.
void want(struct world *w, size_t cluster, const char *key);
// What stands: says what want() said last is written.
void wrote(struct world *w, size_t cluster, const char *key);
// The text of a part of the i-th wanted object of that kind, "" when there is none; borrowed until the next call.
const char *wanted_text(const struct world *w, const char *kind, size_t i, const char *path);
size_t wanted_count(const struct world *w, const char *kind);

#define HTTP "'ports':[{'port':80,'protocol':'TCP'}]"

#endif
