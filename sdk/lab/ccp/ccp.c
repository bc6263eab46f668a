// The lab's container platform.
#include "../lab.h"

int lab_ccp_start(struct lab *lab)
{
    (void)lab;
    return 0;
}
