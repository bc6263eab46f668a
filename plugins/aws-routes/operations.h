// The operations of plugin aws-routes.
#ifndef AWS_ROUTES_OPERATIONS_H
#define AWS_ROUTES_OPERATIONS_H

#include <isthmus/plugin.h>

ist_operation routes_observe, routes_plan, routes_apply, routes_destroy, routes_verify, routes_check;

#endif
