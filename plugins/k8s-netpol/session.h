// What the commands of `isthmus policy` share: their options, and the world that those ask for.
#ifndef NETPOL_SESSION_H
#define NETPOL_SESSION_H

#include "cni.h"
#include "companion.h"
#include "mirrored.h"
#include "reach.h"
#include "sources.h"

#include <isthmus/alloc.h>

struct session {
    ist_env env;
    json_t *args; // as the command got them
    struct world *world;
    struct sources sources;
    json_t *warnings;
    uint32_t mode; // REACH_...
    // Where SESSION_WRITES is set: by cluster the NetworkPolicy objects as they were read (array), its network plugin, and
    // its Services without a selector; the policies of the step's inputs (array).
    json_t *policies, *given;
    struct cni *cnis;
    struct mirrored *mirrored;
};

// The rows that all commands have, for their tables.
#define SESSION_OPTIONS                                                                                      \
    {"--cluster", "NAME=SOURCE",                                                                             \
     "A cluster, once for each: a folder or file of manifests, `-`, or a kubeconfig with its #CONTEXT",      \
     IST_ALONE},                                                                                             \
        {"--federate", NULL, "Take every policy as annotated isthmus.dev/clusters: \"*\"", 0},               \
        {"--pod-cidr", "NAME=CIDR",                                                                          \
         "The addresses of a cluster's pods; those outside never count in others", 0},                       \
    {                                                                                                        \
        "--namespace", "NAME/NS=COMMON",                                                                     \
            "A namespace of a cluster that is called differently in the others", 0                           \
    }

#define SESSION_WRITES 1u // reads what policies that are written depend on, too

// A command: reads everything (the clusters of --cluster, or those of the step's inputs), logs the warnings, and has
// `run` do what is asked. Its error is reported.
int32_t session_command(const ist_host *host, ist_call *call, const ist_value *args, uint32_t flags,
                        int32_t (*run)(const struct session *session, ist_error *err));

const char *session_option(const struct session *session,
                           const char *name); // the last value; NULL: not given
int session_has(const struct session *session, const char *name);

// "ns/name[Kind]", with "cluster:" before it where there are several. The caller's (ist_free).
char *session_name(const struct session *session, size_t cluster, const struct workload *workload);

// Output in pieces, so that a long one is neither a copy in memory nor a frame too large.
struct printer {
    const ist_env *env;
    ist_buf text;
};
void print_text(struct printer *printer, const char *text);
void print_format(struct printer *printer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void print_end(struct printer *printer); // what is left

#endif
