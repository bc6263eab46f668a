// The operations of plugin aws-eks.
#ifndef AWS_EKS_OPERATIONS_H
#define AWS_EKS_OPERATIONS_H

#include <isthmus/plugin.h>

ist_operation eks_observe, eks_plan, eks_apply, eks_destroy, eks_verify, eks_check;

#endif
