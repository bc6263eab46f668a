// aws-routes: the way between the pods of a VPC and the networks on premises.
#include "operations.h"

#include <isthmus/check.h>

#include <stddef.h>

#define ROW(name, type, def, flags, doc)                                                                     \
    {                                                                                                        \
        name, type, def, flags, "0.1.0", doc                                                                 \
    }

static const ist_field inputs[] = {
    ROW("region", "string", NULL, IST_FORCES_REPLACE,
        "AWS region; without it, the one AWS's own tools would use."),
    ROW("profile", "string", NULL, 0, "Profile in AWS's shared files whose credentials are used."),
    ROW("vpc_id", "string", NULL, 0, "VPC in which a next hop that is an address is looked up."),
    ROW("vpc_cidr", "cidr", NULL, 0,
        "Addresses of the VPC, where they are known beforehand: networks on premises are apart from them."),
    ROW("route_tables", "list(string)", NULL, IST_REQUIRED,
        "Route tables that get a route to each network on premises."),
    ROW("security_groups", "list(string)", "[]", 0,
        "Security groups that let each network on premises in, all protocols."),
    ROW("next_hop", "next-hop", NULL, IST_REQUIRED,
        "Where the routes lead: the router's interface, or an address that an interface has."),
    ROW("onPremCidr", "cidr", NULL, IST_REQUIRED, "Network of the nodes on premises."),
    ROW("onPremPodCidr", "cidr", NULL, 0, "Network of the pods on premises."),
    ROW("extra_cidrs", "set(cidr)", "[]", 0, "Further networks on premises."),
    ROW("adopt", "bool", "false", 0, "Take over routes of these networks that lead elsewhere."),
};

static const ist_field outputs[] = {
    ROW("routes", "list(string)", NULL, 0, "Table and network of each route."),
    ROW("cidrs", "list(cidr)", NULL, 0, "Every network on premises."),
};

static const char *const permissions[] = {
    "ec2:DescribeRouteTables", "ec2:DescribeSecurityGroups", "ec2:DescribeSecurityGroupRules",
    "ec2:DescribeNetworkInterfaces",
    // Where a route or a rule names a prefix list:
    "ec2:DescribeManagedPrefixLists", "ec2:GetManagedPrefixListEntries",
    // Where there would be more than every account may have:
    "servicequotas:GetServiceQuota", "ec2:CreateRoute", "ec2:ReplaceRoute", "ec2:DeleteRoute",
    "ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress", NULL};

IST_CHECKED_PLAN(checked_plan, routes_check, routes_plan)

IST_PLUGIN(.name = "aws-routes", .version = "0.1.0",
           .doc = "Routes and ingress rules between a VPC and the networks on premises", IST_INPUTS(inputs),
           IST_OUTPUTS(outputs), .observe = routes_observe, .plan = checked_plan, .apply = routes_apply,
           .destroy = routes_destroy, .verify = routes_verify, .permissions = permissions,
           .check = routes_check);
