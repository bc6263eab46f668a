// What a person may turn in a cluster while the lab runs: `isthmus lab set`.
#include "ctl.h"

#include "../aws/aws.h"

#include <stdlib.h>
#include <string.h>

// One word of on, off (and `third`, unless NULL): 1, 0, 2; -1 with *why.
static int state_of(const char *key, const char *value, const char *third, char **why)
{
    if (strcmp(value, "on") == 0 || strcmp(value, "off") == 0)
        return value[1] == 'n';
    if (third && strcmp(value, third) == 0)
        return 2;
    *why = lab_format("%s=%s: on%s%s or off is wanted", key, value, third ? ", " : "", third ? third : "");
    return -1;
}

// on, off: by the CNI's own settings, where all can read them. hidden: by rules of the nodes that no object tells of.
static char *set_snat(struct lab_cluster *cluster, const char *value)
{
    char *why = NULL;
    int state = state_of("snat", value, "hidden", &why);
    if (state < 0)
        return why;
    if (cluster->eks && lab_aws_cni_is_addon(cluster->lab, cluster->name) && state != 2)
        return lab_format("the VPC CNI of %s is a managed add-on: `aws eks update-addon` changes it",
                          cluster->name);
    cluster->masquerade = state == 2;
    if (!cluster->masquerade)
        kube_system_snat(cluster, state == 1);
    return NULL;
}

static char *set_dual_stack(struct lab_cluster *cluster, const char *value)
{
    char *why = NULL;
    int state = state_of("dual-stack", value, NULL, &why);
    if (state >= 0)
        cluster->dual_stack = state == 1;
    return why;
}

static const struct {
    const char *key;
    char *(*set)(struct lab_cluster *cluster, const char *value);
} switches[] = {{"snat", set_snat}, {"dual-stack", set_dual_stack}};

static char *set_one(struct lab_cluster *cluster, const char *key, const char *value)
{
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
        if (strcmp(switches[i].key, key) == 0)
            return switches[i].set(cluster, value);
    return lab_format("unknown switch %s: a cluster has snat and dual-stack", key);
}

char *lab_kube_set(struct lab *lab, const char *name, const json_t *values)
{
    struct lab_cluster *cluster = lab_kube_find(lab, name);
    const char *key;
    json_t *value;
    char *why = cluster ? NULL : lab_format("the lab has no cluster %s", name);
    json_object_foreach((json_t *)values, key, value)
    {
        if (!why)
            why = set_one(cluster, key, json_is_string(value) ? json_string_value(value) : "");
    }
    return why;
}
