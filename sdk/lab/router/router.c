// The IOS-XE routers of the lab.
#include "router.h"

int lab_router_start(struct lab *lab)
{
    (void)lab;
    return 0;
}
