// What runs in the pods that k8s-probe makes, as far as a cluster can see it.
//
// A listener's container has the environment variable ISTHMUS_PROBE_LISTEN=PORT. A client's has
// ISTHMUS_PROBE_TARGETS="name=tcp:ADDRESS:PORT name2=icmp:ADDRESS ...": it tries each once and ends; its
// termination message has a line a target, `name ok source=ADDRESS` (the source that the listener saw) or
// `name fail REASON`.
#ifndef LAB_KUBE_PROBE_H
#define LAB_KUBE_PROBE_H

#include "cluster.h"

bool kube_probe_is_client(const json_t *pod);
// The termination message, malloc'd. For each target that fails, `annotations` gets lab.isthmus.dev/why-NAME:
// what is missing in the lab.
char *kube_probe_run(struct lab_cluster *cluster, const json_t *pod, json_t *annotations);
// Does something in this pod listen on a TCP port: a declared containerPort, ISTHMUS_PROBE_LISTEN, or
// star-probe's and star-collect's --http-port?
bool kube_pod_listens(const json_t *pod, int port);

#endif
