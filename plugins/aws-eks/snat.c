// Source NAT on the nodes. Pods keep their addresses towards the other cluster when the VPC CNI is told to
// leave all SNAT to somebody else (AWS_VPC_K8S_CNI_EXTERNALSNAT, what the walk-through sets), or towards some
// prefixes only (AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS, VPC CNI 1.6 and later).
#include "eks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXTERNAL  "AWS_VPC_K8S_CNI_EXTERNALSNAT"
#define EXCLUDED  "AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS"
#define NAMESPACE "kube-system"
#define DAEMONSET "aws-node"

// What is wanted: a variable and its value, or no variable at all.
struct snat {
    const char *variable;
    char *value; // owned
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// Sorted, so that the order in which they are given makes no difference. The caller's.
static char *joined(const json_t *cidrs)
{
    const size_t count = json_array_size(cidrs);
    const char **sorted = ist_calloc(count + 1, sizeof(*sorted));
    ist_buf text = {0};
    for (size_t i = 0; i < count; i++)
        sorted[i] =
            json_is_string(json_array_get(cidrs, i)) ? json_string_value(json_array_get(cidrs, i)) : "";
    qsort(sorted, count, sizeof(*sorted), by_text);
    for (size_t i = 0; i < count; i++)
        ist_buf_printf(&text, "%s%s", i > 0 ? "," : "", sorted[i]);
    ist_free(sorted);
    return ist_buf_take(&text);
}

// ---- how it is now ----

static const json_t *container_of(const json_t *daemonset)
{
    json_t *container;
    size_t i;
    json_array_foreach(ist_json_at(daemonset, "spec.template.spec.containers"), i, container)
    {
        if (strcmp(ist_json_str_or(container, "name", ""), DAEMONSET) == 0)
            return container;
    }
    return NULL;
}

// The caller's; NULL when it is not set.
static char *daemonset_value(const json_t *daemonset, const char *variable)
{
    json_t *entry;
    size_t i;
    json_array_foreach(json_object_get(container_of(daemonset), "env"), i, entry)
    {
        if (strcmp(ist_json_str_or(entry, "name", ""), variable) == 0)
            return ist_strdup(ist_json_str_or(entry, "value", ""));
    }
    return NULL;
}

static int32_t daemonset_of(struct step *s, json_t **daemonset, ist_error *err)
{
    ist_error failed = {0};
    const int32_t rc =
        ist_kube_get(s->kube, "apps/v1", "DaemonSet", NAMESPACE, DAEMONSET, daemonset, &failed);
    if (rc == IST_ERR_NOT_FOUND)
        return ist_fail(err, rc, "VPC CNI", "the cluster has no DaemonSet " NAMESPACE "/" DAEMONSET);
    if (rc != IST_OK && err != NULL)
        *err = failed;
    return rc;
}

// ---- what is wanted ----

// Can the VPC CNI leave single prefixes out: "v1.18.1-eksbuild.3", or an image with such a tag? One whose version cannot
// be told is newer than that.
static int knows_prefixes(const char *version)
{
    const char *tag = strrchr(version, ':');
    int major = 0, minor = 0;
    if (sscanf(tag != NULL ? tag + 1 : version, "v%d.%d", &major, &minor) != 2)
        return 1;
    return major > 1 || (major == 1 && minor >= 6);
}

// The networks on premises. New reference.
static json_t *on_premises(const struct step *s)
{
    static const char *const names[] = {"onPremCidr", "onPremPodCidr"};
    json_t *cidrs = json_array();
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (step_input(s, names[i]) != NULL)
            json_array_append(cidrs, json_object_get(s->inputs, names[i]));
    return cidrs;
}

// The narrower choice where the file does not say, the prefixes are known, and so is what leaves them out.
static int32_t choose(struct step *s, struct snat *wanted, ist_error *err)
{
    json_t *cidrs = on_premises(s), *addon = NULL, *daemonset = NULL;
    const char *version = "";
    int32_t rc = IST_OK;
    if (json_array_size(cidrs) > 0 && s->kube != NULL) {
        rc = addon_find(s, &addon, err);
        version = ist_json_str_or(addon, "addonVersion", "");
        if (rc == IST_OK && addon == NULL)
            rc = daemonset_of(s, &daemonset, err);
        // EKS Auto Mode has none, which is said better where the setting is looked at.
        if (rc == IST_ERR_NOT_FOUND)
            rc = IST_OK;
        if (daemonset != NULL)
            version = ist_json_str_or(container_of(daemonset), "image", "");
    }
    if (rc == IST_OK)
        *wanted = json_array_size(cidrs) > 0 && knows_prefixes(version)
                      ? (struct snat){EXCLUDED, joined(cidrs)}
                      : (struct snat){EXTERNAL, ist_strdup("true")};
    json_decref(cidrs);
    json_decref(addon);
    json_decref(daemonset);
    return rc;
}

static int32_t wanted_of(struct step *s, struct snat *wanted, ist_error *err)
{
    const json_t *excluded = json_object_get(s->inputs, "exclude_snat_cidrs"),
                 *enable = json_object_get(s->inputs, "enable_snat");
    *wanted = (struct snat){0};
    if (json_is_true(enable))
        return IST_OK;
    if (json_array_size(excluded) > 0)
        *wanted = (struct snat){EXCLUDED, joined(excluded)};
    else if (json_is_false(enable))
        *wanted = (struct snat){EXTERNAL, ist_strdup("true")};
    else
        return choose(s, wanted, err);
    return IST_OK;
}

// Where the variable is set, and to what.
struct current {
    json_t *addon; // NULL: on the DaemonSet
    char *version; // of the VPC CNI, as the add-on or the image tells it
    char *value;   // where it is set for good: the add-on's configuration, else the DaemonSet; NULL: not set
    char
        *live; // on the DaemonSet, which counts: an add-on leaves there what somebody else has set (PRESERVE)
};

static void current_free(struct current *c)
{
    json_decref(c->addon);
    ist_free(c->value);
    ist_free(c->live);
    ist_free(c->version);
    *c = (struct current){0};
}

static int is_set_to(const struct current *now, const char *value)
{
    return now->value != NULL && now->live != NULL && strcmp(now->value, value) == 0 &&
           strcmp(now->live, value) == 0;
}

static int32_t current_of(struct step *s, const char *variable, struct current *c, ist_error *err)
{
    json_t *daemonset = NULL;
    struct current found = {0};
    int32_t rc = addon_find(s, &found.addon, err);
    if (rc != IST_OK)
        return rc;
    if (found.addon != NULL)
        found.value = addon_value(found.addon, variable);
    rc = daemonset_of(s, &daemonset, err);
    if (rc == IST_OK) {
        found.live = daemonset_value(daemonset, variable);
        found.version =
            ist_strdup(found.addon != NULL ? ist_json_str_or(found.addon, "addonVersion", "")
                                           : ist_json_str_or(container_of(daemonset), "image", ""));
    }
    if (found.value == NULL && found.live != NULL)
        found.value = ist_strdup(found.live);
    json_decref(daemonset);
    if (rc == IST_OK)
        *c = found;
    else
        current_free(&found);
    return rc;
}

// ---- plan ----

// Without SNAT a node with a public address of its own could not be answered: its pods need a NAT gateway.
static int32_t check_public_nodes(const struct step *s, ist_error *err)
{
    json_t *nodes = NULL, *node, *address;
    size_t i, k;
    int32_t rc = ist_kube_list(s->kube, "v1", "Node", NULL, NULL, NULL, &nodes, NULL, err);
    json_array_foreach(nodes, i, node)
    {
        json_array_foreach(ist_json_at(node, "status.addresses"), k, address)
        {
            if (rc != IST_OK || strcmp(ist_json_str_or(address, "type", ""), "ExternalIP") != 0)
                continue;
            rc = ist_fail(err, IST_ERR_CONFLICT, "SNAT",
                          "node %s has the public address %s: without SNAT its pods would lose the internet",
                          ist_json_str_or(node, "metadata.name", "?"),
                          ist_json_str_or(address, "address", "?"));
            ist_hint(err, "set `exclude_snat_cidrs` to the prefixes on premises, or `enable_snat: true`");
        }
    }
    json_decref(nodes);
    return rc;
}

// Nodes that are still to be made: each gets a public address where its subnet gives one to all.
static int32_t check_public_subnets(const struct step *s, ist_error *err)
{
    json_t *params = json_object(), *ids = json_array(), *group, *subnet, *answer = NULL;
    size_t i, k;
    int32_t rc = IST_OK;
    json_array_foreach(json_object_get(s->inputs, "node_groups"), i, group)
    {
        json_t *own = json_object_get(group, "subnets");
        json_array_extend(ids, json_array_size(own) > 0 ? own : json_object_get(s->inputs, "subnets"));
    }
    json_array_foreach(ids, i, subnet)
    {
        for (k = json_array_size(ids); --k > i;)
            if (json_equal(subnet, json_array_get(ids, k)))
                json_array_remove(ids, k);
    }
    json_object_set(params, "SubnetId", ids);
    if (json_array_size(ids) > 0)
        rc = ist_aws_query(s->aws, "ec2", "DescribeSubnets", params, &answer, err);
    json_array_foreach(json_object_get(answer, "subnetSet"), i, subnet)
    {
        if (rc != IST_OK || strcmp(ist_json_str_or(subnet, "mapPublicIpOnLaunch", ""), "true") != 0)
            continue;
        rc = ist_fail(err, IST_ERR_CONFLICT, "SNAT",
                      "nodes in %s get public addresses: without SNAT their pods would lose the internet",
                      ist_json_str_or(subnet, "subnetId", "?"));
        ist_hint(err, "name private subnets for `node_groups`, or set `exclude_snat_cidrs` to the prefixes "
                      "on premises, or `enable_snat: true`");
    }
    json_decref(answer);
    json_decref(params);
    json_decref(ids);
    return rc;
}

static int32_t check_prefixes(const struct snat *wanted, const struct current *now, ist_error *err)
{
    if (strcmp(wanted->variable, EXCLUDED) != 0 || now->version == NULL || knows_prefixes(now->version))
        return IST_OK;
    ist_fail(err, IST_ERR_CONFLICT, "SNAT",
             "the VPC CNI of this cluster (%s) cannot leave prefixes out: 1.6 and later can", now->version);
    ist_hint(err, "update the VPC CNI first, or set `enable_snat: false` to switch SNAT off altogether");
    return IST_ERR_CONFLICT;
}

static int32_t check_auto_mode(const struct step *s, ist_error *err)
{
    if (!ist_json_bool(s->cluster, "computeConfig.enabled", 0))
        return IST_OK;
    ist_fail(err, IST_ERR_CONFLICT, "SNAT", "EKS Auto Mode ignores the settings of the VPC CNI");
    ist_hint(err, "set `enable_snat: true` here, and `snatPolicy` in the NodeClass");
    return IST_ERR_CONFLICT;
}

// The record of another variable than the one that is wanted now, or of any where none is.
static const json_t *stale_record(const struct step *s, const struct snat *wanted)
{
    const json_t *record = step_record(s, RESOURCE_SNAT);
    const char *variable = ist_json_str(record, "variable");
    return variable != NULL && (wanted->variable == NULL || strcmp(variable, wanted->variable) != 0) ? record
                                                                                                     : NULL;
}

static void plan_stale(const struct step *s, const json_t *stale, const struct snat *wanted)
{
    ist_change(&s->env, wanted->variable != NULL ? IST_UPDATE : IST_DELETE, RESOURCE_SNAT, NULL);
    ist_change_field(
        &s->env, RESOURCE_SNAT, ist_json_str(stale, "variable"), json_incref(json_object_get(stale, "value")),
        json_is_string(json_object_get(stale, "before")) ? json_incref(json_object_get(stale, "before"))
                                                         : json_null());
    if (wanted->variable != NULL)
        ist_change_field(&s->env, RESOURCE_SNAT, wanted->variable, NULL, json_string(wanted->value));
}

int32_t snat_plan(struct step *s, ist_error *err)
{
    struct snat wanted;
    struct current now = {0};
    int32_t rc = wanted_of(s, &wanted, err);
    if (rc != IST_OK)
        return rc;
    const json_t *stale = stale_record(s, &wanted);
    if (wanted.variable != NULL && s->kube != NULL) {
        rc = check_auto_mode(s, err);
        if (rc == IST_OK)
            rc = current_of(s, wanted.variable, &now, err);
        if (rc == IST_OK)
            rc = check_prefixes(&wanted, &now, err);
    }
    if (rc == IST_OK && wanted.variable != NULL && strcmp(wanted.variable, EXTERNAL) == 0 &&
        ist_json_bool(s->inputs, "create", 0))
        rc = check_public_subnets(s, err);
    const int same = wanted.value != NULL && is_set_to(&now, wanted.value);
    if (rc == IST_OK && stale != NULL) {
        plan_stale(s, stale, &wanted);
    } else if (rc == IST_OK && wanted.variable != NULL && (!same || step_is_unsettled(s, RESOURCE_SNAT))) {
        if (!same && strcmp(wanted.variable, EXTERNAL) == 0 && s->kube != NULL)
            rc = check_public_nodes(s, err);
        // Until it is ours the setting is new, whatever default stands in its place.
        const int ours = step_record(s, RESOURCE_SNAT) != NULL && !step_is_unsettled(s, RESOURCE_SNAT);
        if (rc == IST_OK) {
            ist_change(&s->env, ours ? IST_UPDATE : IST_CREATE, RESOURCE_SNAT,
                       same ? "an earlier run was interrupted here" : NULL);
            ist_change_field(&s->env, RESOURCE_SNAT, wanted.variable,
                             now.live != NULL ? json_string(now.live) : NULL, json_string(wanted.value));
        }
    }
    current_free(&now);
    ist_free(wanted.value);
    return rc;
}

// ---- apply and destroy ----

// By a strategic merge of this one variable. Not by server-side apply: that would remove it again as soon as
// another one is applied in its place.
static int32_t set_on_daemonset(struct step *s, const char *variable, const char *value, ist_error *err)
{
    json_t *entry = value != NULL ? json_pack("{s:s, s:s}", "name", variable, "value", value)
                                  : json_pack("{s:s, s:s}", "name", variable, "$patch", "delete");
    json_t *patch = json_pack("{s:{s:{s:{s:[{s:s, s:[o]}]}}}}", "spec", "template", "spec", "containers",
                              "name", DAEMONSET, "env", entry);
    json_t *patched = NULL;
    const int32_t rc = ist_kube_patch(s->kube, "apps/v1", "DaemonSet", NAMESPACE, DAEMONSET,
                                      "application/strategic-merge-patch+json", patch, &patched, err);
    json_decref(patched);
    json_decref(patch);
    return rc;
}

static int32_t wait_rollout(struct step *s, ist_error *err)
{
    json_t *daemonset = json_pack("{s:s, s:s, s:{s:s, s:s}}", "apiVersion", "apps/v1", "kind", "DaemonSet",
                                  "metadata", "name", DAEMONSET, "namespace", NAMESPACE);
    const int32_t rc = ist_kube_rollout(s->kube, daemonset, err);
    json_decref(daemonset);
    return rc;
}

// What the add-on has left on the DaemonSet, because somebody (or an earlier run of ours) had set it there: set to what
// is wanted, and where nothing is, taken away if it is still ours.
static int32_t set_beside_addon(struct step *s, const char *variable, const char *value, const char *ours,
                                ist_error *err)
{
    json_t *daemonset = NULL;
    int32_t rc = daemonset_of(s, &daemonset, err);
    char *live = rc == IST_OK ? daemonset_value(daemonset, variable) : NULL;
    const int differs = value != NULL ? live == NULL || strcmp(live, value) != 0
                                      : live != NULL && ours != NULL && strcmp(live, ours) == 0;
    if (rc == IST_OK && differs)
        rc = set_on_daemonset(s, variable, value, err);
    json_decref(daemonset);
    ist_free(live);
    return rc;
}

// By the add-on where there is one; what it has left on the DaemonSet as somebody else set it is set there too.
static int32_t set_by_addon(struct step *s, const struct current *now, const char *variable,
                            const char *value, ist_error *err)
{
    char *configured = addon_value(now->addon, variable);
    const int as_wanted = value != NULL && configured != NULL && strcmp(configured, value) == 0;
    int32_t rc = as_wanted ? IST_OK : addon_set(s, now->addon, variable, value, err);
    if (rc == IST_OK)
        rc = set_beside_addon(s, variable, value, configured, err);
    ist_free(configured);
    return rc;
}

static int32_t set_value(struct step *s, const struct current *now, const char *variable, const char *value,
                         ist_error *err)
{
    const int32_t rc = now->addon != NULL ? set_by_addon(s, now, variable, value, err)
                                          : set_on_daemonset(s, variable, value, err);
    return rc == IST_OK ? wait_rollout(s, err) : rc;
}

// Puts back what was there before us, unless somebody has set another value since.
static int32_t restore(struct step *s, const json_t *record, ist_error *err)
{
    const char *variable = ist_json_str(record, "variable"), *ours = ist_json_str(record, "value");
    struct current now = {0};
    if (variable == NULL)
        return IST_OK;
    ist_error failed = {0};
    int32_t rc = current_of(s, variable, &now, &failed);
    if (rc == IST_ERR_NOT_FOUND)
        return IST_OK; // the CNI is gone, and the setting with it
    if (rc == IST_OK && now.value != NULL && ours != NULL && strcmp(now.value, ours) == 0)
        rc = set_value(s, &now, variable, ist_json_str(record, "before"), &failed);
    else if (rc == IST_OK && now.value != NULL)
        ist_log(&s->env, IST_LOG_WARN, "%s was changed to %s since Isthmus set it: it stays", variable,
                now.value);
    if (rc != IST_OK && err != NULL)
        *err = failed;
    current_free(&now);
    return rc;
}

static json_t *record_data(const struct step *s, const struct snat *wanted, const char *before)
{
    json_t *data = json_pack("{s:s, s:s, s:s}", "cluster", ist_json_str_or(s->inputs, "name", ""), "variable",
                             wanted->variable, "value", wanted->value);
    json_object_set_new(data, "before", before != NULL ? json_string(before) : json_null());
    return data;
}

static int32_t set_wanted(struct step *s, const struct snat *wanted, const json_t *record, ist_error *err)
{
    struct current now = {0};
    char token[65];
    int32_t rc = check_auto_mode(s, err); // a plan could not look into a cluster that was not there yet
    if (rc == IST_OK)
        rc = current_of(s, wanted->variable, &now, err);
    if (rc == IST_OK)
        rc = check_prefixes(wanted, &now, err);
    const int same = is_set_to(&now, wanted->value);
    if (rc == IST_OK && !same && strcmp(wanted->variable, EXTERNAL) == 0)
        rc = check_public_nodes(s, err);
    if (rc != IST_OK) {
        current_free(&now);
        return rc;
    }
    if (same && !step_is_unsettled(s, RESOURCE_SNAT)) {
        current_free(&now);
        return wait_rollout(s, err);
    }
    // What was there before the first of our tries, not what an interrupted one left.
    const char *before = record != NULL ? ist_json_str(record, "before") : now.value;
    rc = ist_intent(&s->env, RESOURCE_SNAT, record_data(s, wanted, before), token, err);
    if (rc == IST_OK)
        rc = same ? wait_rollout(s, err) : set_value(s, &now, wanted->variable, wanted->value, err);
    if (rc == IST_OK)
        rc = ist_outcome(&s->env, RESOURCE_SNAT, record_data(s, wanted, before), err);
    current_free(&now);
    return rc;
}

int32_t snat_apply(struct step *s, ist_error *err)
{
    struct snat wanted;
    int32_t rc = wanted_of(s, &wanted, err);
    if (rc != IST_OK)
        return rc;
    const json_t *stale = stale_record(s, &wanted);
    if (stale != NULL) {
        rc = restore(s, stale, err);
        if (rc == IST_OK)
            rc = ist_outcome(&s->env, RESOURCE_SNAT, NULL, err);
    }
    if (rc == IST_OK && wanted.variable != NULL)
        rc = set_wanted(s, &wanted, stale == NULL ? step_record(s, RESOURCE_SNAT) : NULL, err);
    ist_free(wanted.value);
    return rc;
}

int32_t snat_destroy(struct step *s, ist_error *err)
{
    const json_t *record = step_record(s, RESOURCE_SNAT);
    int32_t rc = record != NULL ? restore(s, record, err) : IST_OK;
    if (rc == IST_OK && record != NULL)
        rc = ist_outcome(&s->env, RESOURCE_SNAT, NULL, err);
    return rc;
}

int32_t snat_verify(struct step *s, ist_error *err)
{
    struct snat wanted;
    struct current now = {0};
    int32_t rc = wanted_of(s, &wanted, err);
    if (rc == IST_OK && wanted.variable != NULL)
        rc = current_of(s, wanted.variable, &now, err);
    if (rc == IST_OK && wanted.variable != NULL)
        ist_check(&s->env, "pods keep their addresses (SNAT)",
                  is_set_to(&now, wanted.value) ? IST_PASS : IST_FAIL, "%s is %s%s", wanted.variable,
                  now.live != NULL ? now.live : "not set",
                  now.live != NULL && now.value != NULL && strcmp(now.live, now.value) != 0
                      ? " on the DaemonSet, and not in the add-on's configuration"
                      : "");
    current_free(&now);
    ist_free(wanted.value);
    return rc;
}
