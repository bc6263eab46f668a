// What a plugin's list of permissions (plugin.h) means to those who grant them.
#ifndef CORE_CLI_PERMISSIONS_H
#define CORE_CLI_PERMISSIONS_H

#include "host/catalog.h"

// An IAM policy on stdout. 0, or 1 when the plugin names none, which it has said.
int permissions_policy(const struct plugin_info *info);
// ClusterRoles, and Roles where one namespace is enough, on stdout: YAML documents for "text", else JSON. 0, or 1 when the
// plugin names none, which it has said.
int permissions_rbac(const struct plugin_info *info, const char *format);

#endif
