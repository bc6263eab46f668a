// What is wrong with the inputs of k8s-apply, before any cluster is asked.
#ifndef K8S_APPLY_CHECK_H
#define K8S_APPLY_CHECK_H

#include <isthmus/plugin.h>

int32_t apply_check(const ist_host *host, ist_call *call);

#endif
