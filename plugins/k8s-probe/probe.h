// What the files of k8s-probe share.
#ifndef K8S_PROBE_H
#define K8S_PROBE_H

#include <isthmus/alloc.h>
#include <isthmus/kube_clusters.h>
#include <isthmus/kube_set.h>

// Every pod made here carries it, with ist_kube_owner() as value: the one label under which verify may write.
#define PROBE_LABEL "isthmus.dev/probe"

#define CHECK_PING   0x1u
#define CHECK_TCP    0x2u
#define CHECK_SOURCE 0x4u

struct probe {
    ist_env env;
    json_t *inputs;
    char *owner;
    const char *ns, *image; // borrowed from inputs
    int port;
    unsigned checks;
    int64_t timeout_ms;
    ist_clusters *clusters;
    json_t *pairs;     // array of [from, to]: indices of clusters
    json_t *listeners; // array by cluster: its listener pod as it runs
    json_t *clients;   // array by cluster: its client pod as it ended
};

int64_t duration_of(const json_t *inputs, const char *name, int64_t otherwise);

// pods.c
// Removes what an earlier run left, makes the pods, waits until the clients have ended.
int32_t pods_run(struct probe *probe, ist_error *err);
// Removes every pod of this step, also after a cancel or a deadline. Failures are logged: nothing else can be done.
void pods_remove(struct probe *probe);
char *target_name(const char *what,
                  size_t to); // "tcp-1": of a line of the termination message. The caller's.

// judge.c: the clients' termination messages as checks.
void judge(const struct probe *probe);

// snat.c: which setting of a cluster translates its pods' addresses, as far as it can be read. The caller's.
char *snat_settings(ist_kube *kube);

// picture.c: what Stars' management-ui has collected, as checks.
int32_t picture_verify(const ist_env *env, const json_t *inputs, const ist_clusters *clusters,
                       ist_error *err);
// What `responses` and `resources` (star-collect's answers; the second may be NULL) show, as {nodes: [name],
// seen: {name: true}, edges: {"a -> b": true|false}}. New reference.
json_t *picture_read(const json_t *responses, const json_t *resources);
// Compares with what is expected: array of {name, ok, evidence}. New reference.
json_t *picture_judge(const json_t *picture, const json_t *expect, const char *ui);
// "client -> frontend -> backend": the longest way along the edges that are reachable. The caller's.
char *picture_path(const json_t *picture);

#endif
