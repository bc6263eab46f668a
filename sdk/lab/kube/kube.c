// The Kubernetes clusters of the lab.
#include "kube.h"

int lab_kube_start(struct lab *lab)
{
    (void)lab;
    return 0;
}
