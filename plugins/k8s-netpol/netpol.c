// k8s-netpol: network policies whose peers are pods of other clusters, by the addresses those have now.
#include "policy.h"

#include <isthmus/alloc.h>

#include <string.h>

static const ist_field input_table[] = {
    {"kubeconfigs", "map(kubeconfig)", NULL, IST_REQUIRED | IST_SECRET, "0.1", "Kubeconfigs by cluster name"},
    {"pod_cidrs", "map(list(network))", "{}", 0, "0.1",
     "Each cluster's pod addresses; others are never let in"},
    {"policies", "list(object)", "[]", 0, "0.1", "NetworkPolicies whose peers may name a cluster"},
    {"policies[].name", "string", NULL, IST_REQUIRED, "0.1", "Name of the NetworkPolicy"},
    {"policies[].cluster", "string", NULL, IST_REQUIRED, "0.1", "Where it is enforced"},
    {"policies[].namespace", "string", NULL, IST_REQUIRED, "0.1", "Namespace of the pods it selects"},
    {"policies[].podSelector", "any", "{}", 0, "0.1", "Which pods; empty: all of the namespace"},
    {"policies[].policyTypes", "list(enum(Ingress|Egress))", "[]", 0, "0.1",
     "As in a NetworkPolicy; unset likewise"},
    {"policies[].ingress", "any", "[]", 0, "0.1",
     "Rules {from, ports}; a peer with `cluster` is of that cluster"},
    {"policies[].egress", "any", "[]", 0, "0.1", "Rules {to, ports}"},
};

static const ist_field output_table[] = {
    {"policies", "list(string)", NULL, 0, "0.1", "What is kept: namespace/name in its cluster"},
};

static const char *const policy_defaults[] = {NULL};

static const ist_kube_kind_name written[] = {
    {"networking.k8s.io/v1", "NetworkPolicy", policy_defaults},
    {NULL, NULL, NULL},
};

static const ist_kube_kind_name watched[] = {
    {"v1", "Pod", NULL},     {"v1", "Namespace", NULL},
    {"v1", "Service", NULL}, {"networking.k8s.io/v1", "NetworkPolicy", NULL},
    {NULL, NULL, NULL},
};

static void append_for(json_t *wanted, const char *cluster, json_t *object)
{
    json_t *list = json_object_get(wanted, cluster);
    if (!list) {
        list = json_array();
        json_object_set_new(wanted, cluster, list);
    }
    json_array_append_new(list, object);
}

static int32_t generate_all(const json_t *given, const ist_clusters *clusters, const struct view *views,
                            json_t *wanted, json_t *notes, json_t *names, ist_error *err)
{
    size_t i;
    json_t *policy;
    int32_t rc = IST_OK;
    json_array_foreach(json_object_get(given, "policies"), i, policy)
    {
        const char *cluster = ist_json_str_or(policy, "cluster", "");
        json_t *object = NULL;
        if (rc != IST_OK)
            break;
        if (!ist_clusters_find(clusters, cluster))
            return ist_fail(err, IST_ERR_INPUT, ist_json_str_or(policy, "name", "?"),
                            "is for the cluster %s, which has no kubeconfig here", cluster);
        rc = policy_generate(policy, views, clusters->count, &object, notes, err);
        if (rc == IST_OK) {
            append_for(wanted, cluster, object);
            char *name = ist_printf("%s/%s in %s", ist_json_str_or(policy, "namespace", ""),
                                    ist_json_str_or(policy, "name", ""), cluster);
            json_array_append_new(names, json_string(name));
            ist_free(name);
        }
    }
    return rc;
}

static int32_t generate(const ist_env *env, const json_t *given, const ist_clusters *clusters, json_t *wanted,
                        json_t *notes, json_t *outputs, ist_error *err)
{
    (void)env;
    struct view *views = ist_calloc(clusters->count, sizeof(*views));
    json_t *names = json_array();
    int32_t rc = IST_OK;
    // Never from half of the picture: a cluster that cannot be read stops the round, and what is written
    // stays.
    for (size_t i = 0; i < clusters->count && rc == IST_OK; i++)
        rc = view_read(&clusters->items[i], &views[i], err);
    if (rc == IST_OK)
        rc = generate_all(given, clusters, views, wanted, notes, names, err);
    json_object_set_new(outputs, "policies", names);
    for (size_t i = 0; i < clusters->count; i++)
        view_free(&views[i]);
    ist_free(views);
    return rc;
}

static const ist_keeper keeper = {
    .what = "network policies", .kinds = written, .watched = watched, .generate = generate};

IST_KEEPER_OPERATION(observe, keeper)
IST_KEEPER_OPERATION(plan, keeper)
IST_KEEPER_OPERATION(apply, keeper)
IST_KEEPER_OPERATION(destroy, keeper)
IST_KEEPER_OPERATION(verify, keeper)
IST_KEEPER_OPERATION(watch, keeper)

IST_PLUGIN(.name = "k8s-netpol", .version = "0.1.0",
           .doc = "Keeps network policies whose peers are pods of other clusters", IST_INPUTS(input_table),
           IST_OUTPUTS(output_table), .observe = observe, .plan = plan, .apply = apply, .destroy = destroy,
           .verify = verify, .watch = watch);
