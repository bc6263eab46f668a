// What the clusters ask of AWS and of the routers while those are not there: weak, the real ones replace
// them.
#include "../aws/aws.h"
#include "../router/router.h"

#include <stdio.h>

#define WEAK __attribute__((weak))

WEAK const char *lab_aws_token_arn(struct lab *lab, const char *cluster, const char *token)
{
    (void)lab;
    (void)cluster;
    (void)token;
    return NULL;
}

WEAK bool lab_aws_path_out(struct lab *lab, uint32_t src, uint32_t dst, int proto, int port, char *why,
                           size_t size)
{
    (void)lab;
    (void)src;
    (void)dst;
    (void)proto;
    (void)port;
    snprintf(why, size, "the lab has no AWS");
    return false;
}

WEAK bool lab_aws_path_in(struct lab *lab, uint32_t src, uint32_t dst, int proto, int port, char *why,
                          size_t size)
{
    return lab_aws_path_out(lab, src, dst, proto, port, why, size);
}

WEAK bool lab_aws_path_tunnel(struct lab *lab, char *why, size_t size)
{
    return lab_aws_path_out(lab, 0, 0, 0, 0, why, size);
}

WEAK uint32_t lab_aws_snat(struct lab *lab, const char *cluster, uint32_t address, uint32_t dst)
{
    (void)lab;
    (void)cluster;
    (void)dst;
    return address;
}

WEAK uint32_t lab_aws_pod_address(struct lab *lab, const char *cluster, const char *node)
{
    (void)lab;
    (void)cluster;
    (void)node;
    return 0;
}

WEAK void lab_aws_pod_release(struct lab *lab, uint32_t address)
{
    (void)lab;
    (void)address;
}

WEAK bool lab_router_tunnel_up(struct lab *lab, char *why, size_t size)
{
    (void)lab;
    snprintf(why, size, "the lab has no routers");
    return false;
}

WEAK bool lab_router_spoke_routes(struct lab *lab, uint32_t dst, char *why, size_t size)
{
    (void)dst;
    return lab_router_tunnel_up(lab, why, size);
}

WEAK bool lab_router_hub_routes(struct lab *lab, uint32_t dst, char *why, size_t size)
{
    (void)dst;
    return lab_router_tunnel_up(lab, why, size);
}
