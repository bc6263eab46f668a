// Who enforces network policies: Calico or Cilium from a manifest, or the VPC CNI's own agent, which is switched on here
// where `network_policy: vpc-cni` asks for it (VPC CNI 1.14 and Kubernetes 1.25, or later). Both halves of it count: the
// controller that turns policies into endpoints, and the agent on each node.
// Source: https://docs.aws.amazon.com/eks/latest/userguide/cni-network-policy-configure.html
#include "eks.h"

#include <stdlib.h>
#include <string.h>

#define ADDON_KEY "enableNetworkPolicy"
#define AGENT     "aws-eks-nodeagent"
#define SWITCH    "--enable-network-policy="
#define SETTINGS  "amazon-vpc-cni" // ConfigMap
#define SETTING   "enable-network-policy-controller"
#define NAMESPACE "kube-system"
#define DAEMONSET "aws-node"

// The VPC CNI's engine as it is.
struct engine {
    json_t *addon, *daemonset, *settings; // NULL: not there
};

static void engine_free(struct engine *e)
{
    json_decref(e->addon);
    json_decref(e->daemonset);
    json_decref(e->settings);
    *e = (struct engine){0};
}

static int32_t get(struct step *s, const char *api, const char *kind, const char *ns, const char *name,
                   json_t **object, ist_error *err)
{
    ist_error failed = {0};
    const int32_t rc = ist_kube_get(s->kube, api, kind, ns, name, object, &failed);
    if (rc != IST_OK && rc != IST_ERR_NOT_FOUND && err != NULL)
        *err = failed;
    return rc == IST_ERR_NOT_FOUND ? IST_OK : rc;
}

static int32_t engine_of(struct step *s, struct engine *e, ist_error *err)
{
    *e = (struct engine){0};
    int32_t rc = addon_find(s, &e->addon, err);
    if (rc == IST_OK)
        rc = get(s, "apps/v1", "DaemonSet", NAMESPACE, DAEMONSET, &e->daemonset, err);
    if (rc == IST_OK)
        rc = get(s, "v1", "ConfigMap", NAMESPACE, SETTINGS, &e->settings, err);
    if (rc != IST_OK)
        engine_free(e);
    return rc;
}

static const json_t *agent_of(const struct engine *e)
{
    json_t *container;
    size_t i;
    json_array_foreach(ist_json_at(e->daemonset, "spec.template.spec.containers"), i, container)
    {
        if (strcmp(ist_json_str_or(container, "name", ""), AGENT) == 0)
            return container;
    }
    return NULL;
}

static int agent_is_on(const struct engine *e)
{
    return ist_json_has(json_object_get(agent_of(e), "args"), SWITCH "true");
}

static int controller_is_on(const struct engine *e)
{
    const char *value = json_string_value(json_object_get(json_object_get(e->settings, "data"), SETTING));
    return value != NULL && strcmp(value, "true") == 0;
}

// By the add-on's configuration where EKS manages the VPC CNI.
static int is_configured(const struct engine *e)
{
    json_t *values = addon_configuration(e->addon);
    const json_t *value = json_object_get(values, ADDON_KEY);
    const int on =
        json_is_true(value) || (json_is_string(value) && strcmp(json_string_value(value), "true") == 0);
    json_decref(values);
    return on;
}

// Where it is set for good, and in fact: an add-on leaves on the DaemonSet what somebody else has set there (PRESERVE).
static int is_on(const struct engine *e)
{
    return agent_is_on(e) && controller_is_on(e) && (e->addon == NULL || is_configured(e));
}

static int is_off(const struct engine *e)
{
    return e->addon != NULL ? !is_configured(e) : !(agent_is_on(e) && controller_is_on(e));
}

static int is_auto_mode(const struct step *s)
{
    return ist_json_bool(s->cluster, "computeConfig.enabled", 0);
}

static int is_wanted(const struct step *s)
{
    return strcmp(ist_json_str_or(s->inputs, "network_policy", ""), "vpc-cni") == 0;
}

// ---- plan ----

static int32_t check_fits(const struct step *s, const struct engine *e, ist_error *err)
{
    const char *version = ist_json_str_or(s->cluster, "version", "");
    const char *minor = strchr(version, '.');
    if (is_auto_mode(s)) {
        ist_fail(err, IST_ERR_CONFLICT, "network_policy",
                 "EKS Auto Mode ignores the settings of the VPC CNI");
        ist_hint(err, "set `networkPolicy` in the NodeClass instead");
        return IST_ERR_CONFLICT;
    }
    if (minor != NULL && strtol(minor + 1, NULL, 10) < 25)
        return ist_fail(err, IST_ERR_CONFLICT, "network_policy",
                        "the VPC CNI enforces policies from Kubernetes 1.25 on, and this cluster is %s",
                        version);
    if (agent_of(e) != NULL)
        return IST_OK;
    ist_fail(err, IST_ERR_CONFLICT, "network_policy",
             "DaemonSet " NAMESPACE "/" DAEMONSET " has no container " AGENT);
    ist_hint(err, "update the VPC CNI to 1.14 or later first");
    return IST_ERR_CONFLICT;
}

int32_t netpolicy_plan(struct step *s, ist_error *err)
{
    const int wanted = is_wanted(s), unsettled = step_is_unsettled(s, RESOURCE_POLICY);
    const json_t *record = step_record(s, RESOURCE_POLICY);
    struct engine now = {0};
    int32_t rc = IST_OK;
    if (!wanted && record != NULL) {
        ist_change(&s->env, IST_DELETE, RESOURCE_POLICY, "asked for no more");
        return IST_OK;
    }
    if (wanted && s->kube != NULL) {
        rc = engine_of(s, &now, err);
        if (rc == IST_OK)
            rc = check_fits(s, &now, err);
    }
    if (rc == IST_OK && wanted && (!is_on(&now) || unsettled)) {
        ist_change(&s->env, record != NULL && !unsettled ? IST_UPDATE : IST_CREATE, RESOURCE_POLICY,
                   is_on(&now) ? "an earlier run was interrupted here" : NULL);
        ist_change_field(&s->env, RESOURCE_POLICY, ADDON_KEY, json_boolean(is_on(&now)), json_true());
    }
    engine_free(&now);
    return rc;
}

// ---- apply and destroy ----

// The agent's arguments with the switch as it shall be. New reference.
static json_t *arguments(const struct engine *e, int on)
{
    json_t *args = json_array(), *arg;
    size_t i;
    json_array_foreach(json_object_get(agent_of(e), "args"), i, arg)
    {
        if (!json_is_string(arg) || strncmp(json_string_value(arg), SWITCH, strlen(SWITCH)) != 0)
            json_array_append(args, arg);
    }
    json_array_append_new(args, json_string(on ? SWITCH "true" : SWITCH "false"));
    return args;
}

// The controller first: an agent that is told of no policy lets everything through.
static int32_t set_on_daemonset(struct step *s, const struct engine *e, int on, ist_error *err)
{
    json_t *data = json_pack("{s:{s:s}}", "data", SETTING, on ? "true" : "false");
    json_t *patch = json_pack("{s:{s:{s:{s:[{s:s, s:o}]}}}}", "spec", "template", "spec", "containers",
                              "name", AGENT, "args", arguments(e, on));
    int32_t rc = ist_kube_patch(s->kube, "v1", "ConfigMap", NAMESPACE, SETTINGS,
                                "application/merge-patch+json", data, NULL, err);
    if (rc == IST_OK)
        rc = ist_kube_patch(s->kube, "apps/v1", "DaemonSet", NAMESPACE, DAEMONSET,
                            "application/strategic-merge-patch+json", patch, NULL, err);
    json_decref(patch);
    json_decref(data);
    return rc;
}

static int32_t set_on_addon(struct step *s, const struct engine *e, int on, ist_error *err)
{
    json_t *values = addon_configuration(e->addon);
    if (!json_is_object(values)) {
        json_decref(values);
        return ist_fail(err, IST_ERR_REMOTE, "EKS add-on vpc-cni",
                        "its configuration is no JSON object: set " ADDON_KEY " there by hand");
    }
    json_object_set_new(values, ADDON_KEY, json_string(on ? "true" : "false"));
    const int32_t rc = addon_configure(s, e->addon, values, err);
    json_decref(values);
    return rc;
}

static int32_t set(struct step *s, const struct engine *e, int on, ist_error *err)
{
    struct engine then = {0};
    int32_t rc = e->addon == NULL         ? set_on_daemonset(s, e, on, err)
                 : is_configured(e) == on ? IST_OK
                                          : set_on_addon(s, e, on, err);
    if (rc == IST_OK && e->addon != NULL) { // what the add-on left there as it was
        rc = engine_of(s, &then, err);
        if (rc == IST_OK && then.daemonset != NULL &&
            (agent_is_on(&then) != on || controller_is_on(&then) != on))
            rc = set_on_daemonset(s, &then, on, err);
        engine_free(&then);
    }
    return rc == IST_OK ? ist_kube_rollout(s->kube, e->daemonset, err) : rc;
}

static int32_t turn_on(struct step *s, ist_error *err)
{
    struct engine now = {0};
    char token[65];
    json_t *data = json_pack("{s:s}", "cluster", ist_json_str_or(s->inputs, "name", ""));
    int32_t rc = engine_of(s, &now, err);
    if (rc == IST_OK)
        rc = check_fits(s, &now, err);
    // One that was on before us stays on after us.
    if (rc == IST_OK && (!is_on(&now) || step_is_unsettled(s, RESOURCE_POLICY))) {
        rc = ist_intent(&s->env, RESOURCE_POLICY, json_incref(data), token, err);
        if (rc == IST_OK && !is_on(&now))
            rc = set(s, &now, 1, err);
        if (rc == IST_OK)
            rc = ist_outcome(&s->env, RESOURCE_POLICY, json_incref(data), err);
    }
    json_decref(data);
    engine_free(&now);
    return rc;
}

static int32_t turn_off(struct step *s, ist_error *err)
{
    struct engine now = {0};
    if (step_record(s, RESOURCE_POLICY) == NULL)
        return IST_OK;
    int32_t rc = engine_of(s, &now, err);
    if (rc == IST_OK && now.daemonset != NULL && !is_off(&now))
        rc = set(s, &now, 0, err);
    engine_free(&now);
    return rc == IST_OK ? ist_outcome(&s->env, RESOURCE_POLICY, NULL, err) : rc;
}

int32_t netpolicy_apply(struct step *s, ist_error *err)
{
    return is_wanted(s) ? turn_on(s, err) : turn_off(s, err);
}

int32_t netpolicy_destroy(struct step *s, ist_error *err)
{
    return turn_off(s, err);
}

// ---- verify: on every node ----

// The DaemonSet whose agents enforce, and the container that has to be ready (NULL: all). New reference; NULL: nobody does.
static int32_t find_agents(struct step *s, json_t **daemonset, const char **container, ist_error *err)
{
    static const char *const known[][2] = {
        {NAMESPACE, "calico-node"}, {"calico-system", "calico-node"}, {NAMESPACE, "cilium"}};
    struct engine now = {0};
    int32_t rc = IST_OK;
    *container = NULL;
    for (size_t i = 0; i < sizeof(known) / sizeof(*known) && rc == IST_OK && *daemonset == NULL; i++)
        rc = get(s, "apps/v1", "DaemonSet", known[i][0], known[i][1], daemonset, err);
    if (rc == IST_OK && *daemonset == NULL)
        rc = engine_of(s, &now, err);
    if (rc == IST_OK && agent_is_on(&now) && controller_is_on(&now)) {
        *daemonset = json_incref(now.daemonset);
        *container = AGENT;
    }
    engine_free(&now);
    return rc;
}

static int is_ready(const json_t *pod, const char *container)
{
    json_t *item;
    size_t i;
    json_array_foreach(container != NULL ? ist_json_at(pod, "status.containerStatuses") : NULL, i, item)
    {
        if (strcmp(ist_json_str_or(item, "name", ""), container) == 0)
            return ist_json_bool(item, "ready", 0);
    }
    json_array_foreach(ist_json_at(pod, "status.conditions"), i, item)
    {
        if (strcmp(ist_json_str_or(item, "type", ""), "Ready") == 0)
            return strcmp(ist_json_str_or(item, "status", ""), "True") == 0;
    }
    return 0;
}

static int is_covered(const json_t *pods, const char *node, const char *container)
{
    json_t *pod;
    size_t i;
    json_array_foreach((json_t *)pods, i, pod)
    {
        if (strcmp(ist_json_str_or(pod, "spec.nodeName", ""), node) == 0 && is_ready(pod, container))
            return 1;
    }
    return 0;
}

static char *selector_of(const json_t *daemonset)
{
    ist_buf text = {0};
    const char *key;
    json_t *value;
    json_object_foreach(ist_json_at(daemonset, "spec.selector.matchLabels"), key, value)
    {
        ist_buf_printf(&text, "%s%s=%s", text.len > 0 ? "," : "", key,
                       json_is_string(value) ? json_string_value(value) : "");
    }
    return ist_buf_take(&text);
}

// Names of the nodes without a ready agent; the caller's, "" when all have one. *count: of all nodes.
static int32_t bare_nodes(struct step *s, const json_t *daemonset, const char *container, char **names,
                          size_t *count, ist_error *err)
{
    json_t *nodes = NULL, *pods = NULL, *node;
    ist_buf bare = {0};
    size_t i;
    char *selector = selector_of(daemonset);
    int32_t rc = ist_kube_list(s->kube, "v1", "Node", NULL, NULL, NULL, &nodes, NULL, err);
    if (rc == IST_OK)
        rc = ist_kube_list(s->kube, "v1", "Pod", ist_json_str(daemonset, "metadata.namespace"), selector,
                           NULL, &pods, NULL, err);
    json_array_foreach(nodes, i, node)
    {
        const char *name = ist_json_str_or(node, "metadata.name", "?");
        if (!is_covered(pods, name, container))
            ist_buf_printf(&bare, "%s%s", bare.len > 0 ? ", " : "", name);
    }
    *count = json_array_size(nodes);
    *names = ist_buf_take(&bare);
    json_decref(nodes);
    json_decref(pods);
    ist_free(selector);
    return rc;
}

// EKS Auto Mode has the agent in its nodes' own system, and no DaemonSet: the controller's switch is what counts.
// Source: https://docs.aws.amazon.com/eks/latest/userguide/auto-net-pol.html
static int32_t verify_auto_mode(struct step *s, const char *title, ist_error *err)
{
    struct engine now = {0};
    const int32_t rc = get(s, "v1", "ConfigMap", NAMESPACE, SETTINGS, &now.settings, err);
    if (rc == IST_OK && controller_is_on(&now))
        ist_check(&s->env, title, IST_PASS, "by the nodes of EKS Auto Mode");
    else if (rc == IST_OK)
        ist_check(&s->env, title, IST_WARN,
                  "nobody enforces them: " SETTING " is not \"true\" in ConfigMap " NAMESPACE "/" SETTINGS
                  ", as EKS Auto Mode wants it");
    engine_free(&now);
    return rc;
}

int32_t netpolicy_verify(struct step *s, ist_error *err)
{
    static const char title[] = "network policies are enforced";
    if (is_auto_mode(s))
        return verify_auto_mode(s, title, err);
    json_t *daemonset = NULL;
    const char *container;
    char *bare = NULL;
    size_t count = 0;
    int32_t rc = find_agents(s, &daemonset, &container, err);
    if (rc == IST_OK && daemonset != NULL)
        rc = bare_nodes(s, daemonset, container, &bare, &count, err);
    const char *name = container != NULL ? container : ist_json_str_or(daemonset, "metadata.name", "?");
    if (rc == IST_OK && daemonset == NULL)
        ist_check(
            &s->env, title, is_wanted(s) ? IST_FAIL : IST_WARN,
            is_wanted(s)
                ? "the agent of the VPC CNI is not switched on"
                : "nobody enforces them: neither Calico nor Cilium is there, and the VPC CNI's agent is off");
    else if (rc == IST_OK && *bare != '\0')
        ist_check(&s->env, title, IST_FAIL, "%s is not ready on %s", name, bare);
    else if (rc == IST_OK)
        ist_check(&s->env, title, IST_PASS, "by %s, ready on each of %zu nodes", name, count);
    ist_free(bare);
    json_decref(daemonset);
    return rc;
}
