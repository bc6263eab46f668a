// The operations of plugin ccp.
#ifndef CCP_OPERATIONS_H
#define CCP_OPERATIONS_H

#include <isthmus/plugin.h>

ist_operation ccp_observe, ccp_plan, ccp_apply, ccp_destroy, ccp_verify, ccp_check;

#endif
