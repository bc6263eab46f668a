// What is wrong with the inputs, before AWS is asked; what only its answers tell is in check.c.
#include "operations.h"

#include <isthmus/check.h>

#include <stdio.h>
#include <string.h>

// The interface, or an address that one in the VPC has.
static void check_next_hop(ist_checking *c)
{
    const char *kind = ist_checking_text(c, "next_hop.kind"), *id = ist_checking_text(c, "next_hop.id");
    ist_net4 vpc, hop;
    if (kind == NULL || id == NULL)
        return;
    if (strcmp(kind, "eni") == 0) {
        ist_check_aws_id(c, "next_hop.id", "eni-");
        return;
    }
    if (ist_check_unicast(c, "next_hop.id") && ist_checking_net(c, "vpc_cidr", &vpc) &&
        ist_checking_net(c, "next_hop.id", &hop) && !ist_net4_contains(vpc, hop.address))
        ist_wrong(c, "next_hop.id", "%s is no address of the VPC (`vpc_cidr`: %s): no interface there has it",
                  id, ist_checking_text(c, "vpc_cidr"));
}

int32_t routes_check(const ist_host *host, ist_call *call)
{
    static const char *const why =
        "networks on both sides of the tunnel must be apart: nothing could be routed "
        "between them";
    char paths[66][40] = {"onPremCidr", "onPremPodCidr"};
    ist_checking *c = ist_checking_new(&(ist_env){host, call});
    size_t count = 2;
    ist_checking_shows(c, "vpc_cidr");
    for (size_t i = 0; i < json_array_size(ist_checking_at(c, "extra_cidrs")) && count < 66; i++)
        snprintf(paths[count++], sizeof(paths[0]), "extra_cidrs[%zu]", i);
    for (size_t i = 0; i < count; i++)
        ist_checking_shows(c, paths[i]);
    for (size_t i = 0; i < count; i++) {
        ist_check_hosts_net(c, paths[i]);
        ist_check_apart(c, "vpc_cidr", paths[i], why);
        if (i == 1)
            ist_check_on_prem(c, "name the wider one only, or keep them apart");
        // Of those in one list it is said where the list is read, unless some of it is not known yet.
        for (size_t k = 0; k < (ist_is_known(c, "extra_cidrs") ? 2 : i) && i > 1; k++)
            ist_check_apart(c, paths[k], paths[i], "name the wider one only, or keep them apart");
    }
    const json_t *tables = ist_checking_at(c, "route_tables");
    if (json_is_array(tables) && json_array_size(tables) == 0)
        ist_wrong(c, "route_tables", "names no route table: nothing would lead on premises");
    static const char *const names[] = {"profile", "vpc_id", "route_tables", "security_groups"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        ist_check_names(c, names[i]);
    check_next_hop(c);
    ist_check_region(c, "region");
    ist_check_vpc(c, "vpc_cidr");
    ist_check_aws_id(c, "vpc_id", "vpc-");
    ist_check_aws_id(c, "route_tables", "rtb-");
    ist_check_aws_id(c, "security_groups", "sg-");
    return ist_checking_end(c);
}
