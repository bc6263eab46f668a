// k8s-svcmirror: the services of each cluster under the same names in the others.
#include "check.h"
#include "model.h"

#include <isthmus/check.h>

static const ist_field input_table[] = {
    {"clusters", "list(object)", NULL, IST_REQUIRED, "0.1",
     "The clusters, and which services of each are mirrored"},
    {"clusters[].name", "string", NULL, IST_REQUIRED, "0.1", "Name of the cluster in messages and labels"},
    {"clusters[].kubeconfig", "kubeconfig", NULL, IST_SECRET, "0.1", "Path or text; `kubeconfigs` wins"},
    {"clusters[].services", "list(object)", "[]", 0, "0.1",
     "Which services, each that fits one of these; none: the cluster is a target only"},
    {"clusters[].services[].namespace", "string", NULL, 0, "0.1",
     "Of this namespace; without it, of all but kube-system; default/kubernetes never"},
    {"clusters[].services[].nameMatches", "list(regex)", "[]", 0, "0.1", "Whose name matches one of these"},
    {"clusters[].services[].labels", "map(string)", "{}", 0, "0.2", "That have all these labels"},
    {"clusters[].services[].annotation", "string", NULL, 0, "0.2",
     "That have this annotation: its key, or key=value"},
    {"clusters[].services[].targets", "list(string)", "[]", 0, "0.2",
     "The clusters they are mirrored to; without it, all others"},
    {"kubeconfigs", "map(kubeconfig)", "{}", IST_SECRET, "0.1", "Kubeconfigs by cluster name"},
    {"pod_cidrs", "map(list(network))", "{}", 0, "0.1",
     "Each cluster's pod addresses; others are not mirrored"},
    IST_NAMESPACES_INPUT,
    {"create_namespaces", "bool", "false", 0, "0.1", "Make a namespace that a target lacks"},
    {"same_name", "enum(local|merged|suffix)", "local", 0, "0.2",
     "A Service the target has itself: wins; is joined by ours; or ours are called NAME-CLUSTER"},
    {"labels", "list(string)", "[]", 0, "0.2", "Labels of a Service that go with it; no others do"},
    {"annotations", "list(string)", "[]", 0, "0.2", "Annotations of a Service that go with it; no others do"},
    {"grace", "duration", "5m", 0, "0.2", "How long endpoints of a cluster out of reach stay as they are"},
    {"after_grace", "enum(not-ready|removed)", "not-ready", 0, "0.2",
     "What its endpoints are then. Those of a cluster that was not reached since the daemon began are "
     "removed, whatever this "
     "says: it has not seen them"},
    {"lease_namespace", "string", "kube-system", 0, "0.2", "Where the Lease of each target is"},
};

static const ist_field output_table[] = {
    {"services", "list(string)", NULL, 0, "0.1", "What is mirrored: namespace/name of its cluster"},
};

static const char *const service_defaults[] = {
    "clusterIP",  "clusterIPs",           "ipFamilies", "ipFamilyPolicy",
    "targetPort", "sessionAffinity=None", "nodePort",   "internalTrafficPolicy=Cluster",
    NULL};
static const char *const namespace_defaults[] = {"finalizers", NULL};

static const char *const slice_unread[] = {"targetRef", "nodeName",           "zone",
                                           "hints",     "deprecatedTopology", NULL};
static const char *const endpoints_unread[] = {"targetRef", "nodeName", NULL};

// In the order of KIND_....
static const ist_reconciler_kind kinds[] = {
    {"v1", "Namespace", IST_KIND_WRITTEN, namespace_defaults, NULL},
    {"v1", "Service", IST_KIND_WRITTEN, service_defaults, NULL},
    {"discovery.k8s.io/v1", "EndpointSlice", IST_KIND_WRITTEN | IST_KIND_OPTIONAL | IST_KIND_BY_METADATA,
     NULL, slice_unread},
    {"v1", "Endpoints", IST_KIND_WRITTEN | IST_KIND_FALLBACK, NULL, endpoints_unread},
    {NULL, NULL, 0, NULL, NULL},
};

static const ist_reconciler_plugin mirror = {
    .size = sizeof(mirror),
    .what = "mirrored services",
    .kinds = kinds,
    .open = model_open,
    .close = model_close,
    .see = model_see,
    .state = model_state,
    .key_of = model_key_of,
    .want = model_want,
    .written = model_written,
    .outputs = model_outputs,
    .verify = model_verify,
    .status = model_status,
};

IST_RECONCILER_OPERATION(observe, mirror)
IST_RECONCILER_OPERATION(plan, mirror)
IST_RECONCILER_OPERATION(apply, mirror)
IST_RECONCILER_OPERATION(destroy, mirror)
IST_RECONCILER_OPERATION(verify, mirror)
IST_RECONCILER_OPERATION(watch, mirror)

// Endpoints are read and written where discovery.k8s.io/v1 is not served, slices where it is. Namespaces are made with
// `create_namespaces`; destroy takes them away only for somebody who may also delete them and see that they are empty.
static const char *const permissions[] = {
    "source: namespaces get,list,watch",
    "source: services list,watch",
    "source: discovery.k8s.io/endpointslices list,watch",
    "source: endpoints list,watch",
    "target: namespaces get,list,watch,create,patch",
    "target: services list,watch,create,patch,delete",
    "target: discovery.k8s.io/endpointslices list,watch,create,patch,delete",
    "target: endpoints list,watch,create,patch,delete",
    "target: coordination.k8s.io/leases get,create,update,delete in kube-system",
    NULL,
};

IST_CHECKED_PLAN(checked_plan, mirror_check, plan)

IST_PLUGIN(.name = "k8s-svcmirror", .version = "0.2.0", .flags = IST_PLUGIN_RECONFIGURES,
           .doc = "Mirrors the services of each cluster into the others, with the addresses of their pods",
           IST_INPUTS(input_table), IST_OUTPUTS(output_table), .observe = observe, .plan = checked_plan,
           .apply = apply, .destroy = destroy, .verify = verify, .watch = watch, .permissions = permissions,
           .check = mirror_check);
