// What is wrong with the inputs of k8s-netpol, before any cluster is asked.
#ifndef NETPOL_CHECK_H
#define NETPOL_CHECK_H

#include <isthmus/plugin.h>

int32_t netpol_check(const ist_host *host, ist_call *call);

#endif
