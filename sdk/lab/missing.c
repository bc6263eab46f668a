// What a lab without clusters or routers answers: the real functions take the place of these at link time.
#include "kube/kube.h"
#include "router/router.h"

#define WEAK __attribute__((weak))

WEAK struct lab_cluster *lab_kube_create(struct lab *lab, const struct lab_cluster_spec *spec)
{
    (void)lab, (void)spec;
    return NULL;
}
WEAK void lab_kube_delete(struct lab *lab, const char *name)
{
    (void)lab, (void)name;
}
WEAK struct lab_cluster *lab_kube_find(struct lab *lab, const char *name)
{
    (void)lab, (void)name;
    return NULL;
}
WEAK const char *lab_kube_url(const struct lab_cluster *cluster)
{
    (void)cluster;
    return "";
}
WEAK char *lab_kube_admin_kubeconfig(struct lab_cluster *cluster)
{
    (void)cluster;
    return NULL;
}
WEAK const json_t *lab_kube_get(struct lab_cluster *cluster, const char *resource, const char *ns,
                                const char *name)
{
    (void)cluster, (void)resource, (void)ns, (void)name;
    return NULL;
}
WEAK void lab_router_boot(struct lab *lab, const char *id, const char *user_data, const char *public_key,
                          uint32_t private_outside, uint32_t private_inside)
{
    (void)lab, (void)id, (void)user_data, (void)public_key, (void)private_outside, (void)private_inside;
}
WEAK void lab_router_address(struct lab *lab, const char *id, uint32_t public_address)
{
    (void)lab, (void)id, (void)public_address;
}
WEAK void lab_router_shutdown(struct lab *lab, const char *id)
{
    (void)lab, (void)id;
}
