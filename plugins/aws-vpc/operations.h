// The operations of plugin aws-vpc.
#ifndef AWS_VPC_OPERATIONS_H
#define AWS_VPC_OPERATIONS_H

#include <isthmus/plugin.h>

ist_operation vpc_observe, vpc_plan, vpc_apply, vpc_destroy, vpc_verify, vpc_check;

#endif
