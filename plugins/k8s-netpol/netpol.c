// k8s-netpol: network policies whose peers are pods of other clusters, by the addresses those have now.
#include "check.h"
#include "commands.h"
#include "model.h"

#include <isthmus/check.h>

static const ist_field input_table[] = {
    {"kubeconfigs", "map(kubeconfig)", NULL, IST_REQUIRED | IST_SECRET, "0.1", "Kubeconfigs by cluster name"},
    {"pod_cidrs", "map(list(cidr))", "{}", 0, "0.1", "Each cluster's pod addresses; others are never let in"},
    IST_NAMESPACES_INPUT,
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
    {"keep_for", "string", "15m", 0, "0.1",
     "How long the addresses of a cluster out of reach stay in; or `forever`"},
    {"keep_forever", "list(string)", "[]", 0, "0.1",
     "Clusters whose addresses stay in however long it takes"},
    {"debounce", "duration", "500ms", 0, "0.1", "How long new addresses wait for more; withdrawals never do"},
    {"guard", "enum(off|no-new-paths)", "off", 0, "0.1",
     "Refuse to apply what lets anybody reach more than before"},
    {"lease_namespace", "string", "kube-system", 0, "0.1", "Where the Lease of the one that writes stands"},
};

static const ist_field output_table[] = {
    {"policies", "list(string)", NULL, 0, "0.1", "What is kept: namespace/name in its cluster"},
};

static const char *const no_defaults[] = {NULL};

// Most of a Pod: of its containers the ports count, of its status the phase and the addresses.
static const char *const pod_unread[] = {"volumes",
                                         "volumeMounts",
                                         "env",
                                         "envFrom",
                                         "resources",
                                         "command",
                                         "args",
                                         "livenessProbe",
                                         "readinessProbe",
                                         "startupProbe",
                                         "lifecycle",
                                         "securityContext",
                                         "affinity",
                                         "tolerations",
                                         "nodeSelector",
                                         "topologySpreadConstraints",
                                         "imagePullSecrets",
                                         "conditions",
                                         "containerStatuses",
                                         "initContainerStatuses",
                                         "ephemeralContainerStatuses",
                                         NULL};
static const char *const slice_unread[] = {"targetRef", "nodeName",           "zone",
                                           "hints",     "deprecatedTopology", NULL};

static const ist_reconciler_kind kinds[] = {
    [KIND_POLICY] = {"networking.k8s.io/v1", "NetworkPolicy", IST_KIND_WRITTEN, no_defaults, NULL},
    [KIND_NAMESPACE] = {"v1", "Namespace", 0, NULL, NULL},
    [KIND_POD] = {"v1", "Pod", IST_KIND_BRIEF, NULL, pod_unread},
    [KIND_SERVICE] = {"v1", "Service", 0, NULL, NULL},
    [KIND_SLICE] = {"discovery.k8s.io/v1", "EndpointSlice", IST_KIND_OPTIONAL, NULL, slice_unread},
    [KIND_DAEMONSET] = {"apps/v1", "DaemonSet", IST_KIND_OPTIONAL, NULL, NULL},
    {NULL, NULL, 0, NULL, NULL},
};

// What apply refuses before it writes is not begun by what keeps writing either.
static int32_t open_model(ist_reconciler *run, const json_t *inputs, const ist_clusters *clusters,
                          void **model, ist_error *err)
{
    void *opened = NULL;
    int32_t rc = model_open(run, inputs, clusters, &opened, err);
    if (rc == IST_OK && ist_operation_of(ist_reconciler_env(run)) == IST_OP_WATCH)
        rc = model_refuse_overlaps(opened, err);
    if (rc == IST_OK)
        *model = opened;
    else
        model_close(opened);
    return rc;
}

static const ist_reconciler_plugin reconciler = {.size = sizeof(reconciler),
                                                 .what = "network policies",
                                                 .kinds = kinds,
                                                 .open = open_model,
                                                 .close = model_close,
                                                 .see = model_see,
                                                 .state = model_state,
                                                 .key_of = model_key_of,
                                                 .want = model_want,
                                                 .written = model_written,
                                                 .outputs = model_outputs,
                                                 .admit = model_admit,
                                                 .verify = model_verify,
                                                 .status = model_status};

IST_RECONCILER_OPERATION(observe, reconciler)
IST_RECONCILER_OPERATION(plan, reconciler)
IST_RECONCILER_OPERATION(apply, reconciler)
IST_RECONCILER_OPERATION(destroy, reconciler)
IST_RECONCILER_OPERATION(verify, reconciler)
IST_RECONCILER_OPERATION(watch, reconciler)

// A cluster is a target where a policy is enforced. What verify and guard look at (SNAT, policies of other kinds) is
// listed where it is served.
static const char *const permissions[] = {
    "source: namespaces get,list,watch",
    "source: pods list,watch",
    "source: services list,watch",
    "source: networking.k8s.io/networkpolicies list,watch",
    "source: discovery.k8s.io/endpointslices list,watch",
    "source: apps/daemonsets list,watch",
    "source: configmaps get in kube-system",
    "source: apps/deployments get in kube-system",
    "source: crd.projectcalico.org/ippools list",
    "source: crd.projectcalico.org/networkpolicies list",
    "source: crd.projectcalico.org/globalnetworkpolicies list",
    "source: projectcalico.org/ippools list",
    "source: cilium.io/ciliumnetworkpolicies list",
    "source: cilium.io/ciliumclusterwidenetworkpolicies list",
    "source: policy.networking.k8s.io/adminnetworkpolicies list",
    "source: policy.networking.k8s.io/baselineadminnetworkpolicies list",
    "source: policy.networking.k8s.io/clusternetworkpolicies list",
    "source: networking.k8s.aws/clusternetworkpolicies list",
    "source: networking.k8s.aws/applicationnetworkpolicies list",
    "source: crd.antrea.io/networkpolicies list",
    "source: crd.antrea.io/clusternetworkpolicies list",
    "target: networking.k8s.io/networkpolicies list,watch,create,patch,delete",
    "target: coordination.k8s.io/leases get,create,update,delete in kube-system",
    NULL,
};

IST_CHECKED_PLAN(checked_plan, netpol_check, plan)

IST_PLUGIN(.name = "k8s-netpol", .version = "0.2.0", .flags = IST_PLUGIN_RECONFIGURES,
           .doc = "Keeps network policies whose peers are pods of other clusters", IST_INPUTS(input_table),
           IST_OUTPUTS(output_table), .commands = policy_commands, .command_count = POLICY_COMMANDS,
           .observe = observe, .plan = checked_plan, .apply = apply, .destroy = destroy, .verify = verify,
           .watch = watch, .permissions = permissions, .check = netpol_check);
