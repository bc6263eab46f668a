// What is wrong with the inputs of k8s-probe, before any cluster is asked.
#ifndef K8S_PROBE_CHECK_H
#define K8S_PROBE_CHECK_H

#include <isthmus/plugin.h>

int32_t probe_check(const ist_host *host, ist_call *call);

#endif
