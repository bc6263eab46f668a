// The two programs of the Stars application, as their REST APIs are (github.com/mesosphere/star): star-probe tries
// URLs and tells which it reached; star-collect asks the probes.
#ifndef LAB_KUBE_STARS_H
#define LAB_KUBE_STARS_H

#include "cluster.h"

// What the program in `pod` answers to GET `path` ("/status", "/responses", ...): new reference, or NULL when the pod
// runs neither program or the program knows no such path.
json_t *kube_stars_answer(struct lab_cluster *cluster, const json_t *pod, const char *path);

#endif
