// The numbers and names of members: all of them, but of a Pod.
// Sources: generated.proto of k8s.io/apimachinery/pkg/apis/meta/v1 and pkg/runtime, k8s.io/api/core/v1, discovery/v1 and
// networking/v1, and whether the Go type beside it is a pointer.
#include "proto.h"

#define STRING(number, name)                                                                                 \
    {                                                                                                        \
        number, KUBE_PROTO_STRING, 0, name, NULL                                                             \
    }
#define STRING_GIVEN(number, name)                                                                           \
    {                                                                                                        \
        number, KUBE_PROTO_STRING, KUBE_PROTO_GIVEN, name, NULL                                              \
    }
#define STRING_LIST(number, name)                                                                            \
    {                                                                                                        \
        number, KUBE_PROTO_STRING, KUBE_PROTO_REPEATED, name, NULL                                           \
    }
#define STRINGS(number, name)                                                                                \
    {                                                                                                        \
        number, KUBE_PROTO_STRINGS, 0, name, NULL                                                            \
    }
#define BOOL(number, name)                                                                                   \
    {                                                                                                        \
        number, KUBE_PROTO_BOOL, 0, name, NULL                                                               \
    }
#define BOOL_GIVEN(number, name)                                                                             \
    {                                                                                                        \
        number, KUBE_PROTO_BOOL, KUBE_PROTO_GIVEN, name, NULL                                                \
    }
#define INT(number, name)                                                                                    \
    {                                                                                                        \
        number, KUBE_PROTO_INT, 0, name, NULL                                                                \
    }
#define INT_GIVEN(number, name)                                                                              \
    {                                                                                                        \
        number, KUBE_PROTO_INT, KUBE_PROTO_GIVEN, name, NULL                                                 \
    }
#define TIME(number, name)                                                                                   \
    {                                                                                                        \
        number, KUBE_PROTO_TIME, 0, name, NULL                                                               \
    }
#define INT_OR_STRING(number, name)                                                                          \
    {                                                                                                        \
        number, KUBE_PROTO_INT_OR_STRING, 0, name, NULL                                                      \
    }
#define MESSAGE(number, name, of)                                                                            \
    {                                                                                                        \
        number, KUBE_PROTO_MESSAGE, 0, name, of                                                              \
    }
#define LIST(number, name, of)                                                                               \
    {                                                                                                        \
        number, KUBE_PROTO_MESSAGE, KUBE_PROTO_REPEATED, name, of                                            \
    }
#define LIST_ALWAYS(number, name, of)                                                                        \
    {                                                                                                        \
        number, KUBE_PROTO_MESSAGE, KUBE_PROTO_REPEATED | KUBE_PROTO_ALWAYS, name, of                        \
    }
#define END                                                                                                  \
    {                                                                                                        \
        0, 0, 0, NULL, NULL                                                                                  \
    }

// ---- what every object has ----

static const struct kube_proto_field owner_reference[] = {
    STRING_GIVEN(1, "kind"),
    STRING_GIVEN(3, "name"),
    STRING_GIVEN(4, "uid"),
    STRING_GIVEN(5, "apiVersion"),
    BOOL_GIVEN(6, "controller"),
    BOOL_GIVEN(7, "blockOwnerDeletion"),
    END,
};

// Without selfLink, which nobody serves any more, and managedFields (17), which nobody reads.
static const struct kube_proto_field object_meta[] = {
    STRING(1, "name"),
    STRING(2, "generateName"),
    STRING(3, "namespace"),
    STRING(5, "uid"),
    STRING(6, "resourceVersion"),
    INT(7, "generation"),
    TIME(8, "creationTimestamp"),
    TIME(9, "deletionTimestamp"),
    INT_GIVEN(10, "deletionGracePeriodSeconds"),
    STRINGS(KUBE_PROTO_LABELS, "labels"),
    STRINGS(12, "annotations"),
    LIST(13, "ownerReferences", owner_reference),
    STRING_LIST(14, "finalizers"),
    END,
};

static const struct kube_proto_field condition[] = {
    STRING_GIVEN(1, "type"),
    STRING_GIVEN(2, "status"),
    INT(3, "observedGeneration"),
    TIME(4, "lastTransitionTime"),
    STRING_GIVEN(5, "reason"),
    STRING_GIVEN(6, "message"),
    END,
};

static const struct kube_proto_field object_reference[] = {
    STRING(1, "kind"),       STRING(2, "namespace"),       STRING(3, "name"),      STRING(4, "uid"),
    STRING(5, "apiVersion"), STRING(6, "resourceVersion"), STRING(7, "fieldPath"), END,
};

const struct kube_proto_field kube_proto_list_meta[] = {
    STRING(2, "resourceVersion"),
    STRING(3, "continue"),
    INT_GIVEN(4, "remainingItemCount"),
    END,
};

static const struct kube_proto_field status_cause[] = {
    STRING(1, "reason"),
    STRING(2, "message"),
    STRING(3, "field"),
    END,
};
static const struct kube_proto_field status_details[] = {
    STRING(1, "name"),
    STRING(2, "group"),
    STRING(3, "kind"),
    LIST(4, "causes", status_cause),
    INT(5, "retryAfterSeconds"),
    STRING(6, "uid"),
    END,
};
const struct kube_proto_field kube_proto_status[] = {
    MESSAGE(1, "metadata", kube_proto_list_meta),
    STRING(2, "status"),
    STRING(3, "message"),
    STRING(4, "reason"),
    MESSAGE(5, "details", status_details),
    INT(6, "code"),
    END,
};

// ---- core/v1 ----

static const struct kube_proto_field namespace_spec[] = {STRING_LIST(1, "finalizers"), END};
static const struct kube_proto_field namespace_condition[] = {
    STRING_GIVEN(1, "type"), STRING_GIVEN(2, "status"), TIME(4, "lastTransitionTime"),
    STRING(5, "reason"),     STRING(6, "message"),      END,
};
static const struct kube_proto_field namespace_status[] = {
    STRING(1, "phase"),
    LIST(2, "conditions", namespace_condition),
    END,
};
static const struct kube_proto_field namespace[] = {
    MESSAGE(1, "metadata", object_meta),
    MESSAGE(2, "spec", namespace_spec),
    MESSAGE(3, "status", namespace_status),
    END,
};

static const struct kube_proto_field service_port[] = {
    STRING(1, "name"),
    STRING(2, "protocol"),
    INT_GIVEN(3, "port"),
    INT_OR_STRING(4, "targetPort"),
    INT(5, "nodePort"),
    STRING_GIVEN(6, "appProtocol"),
    END,
};
static const struct kube_proto_field client_ip[] = {INT_GIVEN(1, "timeoutSeconds"), END};
static const struct kube_proto_field session_affinity[] = {MESSAGE(1, "clientIP", client_ip), END};
static const struct kube_proto_field service_spec[] = {
    LIST(1, "ports", service_port),
    STRINGS(2, "selector"),
    STRING(3, "clusterIP"),
    STRING(4, "type"),
    STRING_LIST(5, "externalIPs"),
    STRING(7, "sessionAffinity"),
    STRING(8, "loadBalancerIP"),
    STRING_LIST(9, "loadBalancerSourceRanges"),
    STRING(10, "externalName"),
    STRING(11, "externalTrafficPolicy"),
    INT(12, "healthCheckNodePort"),
    BOOL(13, "publishNotReadyAddresses"),
    MESSAGE(14, "sessionAffinityConfig", session_affinity),
    STRING_GIVEN(17, "ipFamilyPolicy"),
    STRING_LIST(18, "clusterIPs"),
    STRING_LIST(19, "ipFamilies"),
    BOOL_GIVEN(20, "allocateLoadBalancerNodePorts"),
    STRING_GIVEN(21, "loadBalancerClass"),
    STRING_GIVEN(22, "internalTrafficPolicy"),
    STRING_GIVEN(23, "trafficDistribution"),
    END,
};
static const struct kube_proto_field port_status[] = {
    INT_GIVEN(1, "port"),
    STRING_GIVEN(2, "protocol"),
    STRING_GIVEN(3, "error"),
    END,
};
static const struct kube_proto_field load_balancer_ingress[] = {
    STRING(1, "ip"), STRING(2, "hostname"), STRING_GIVEN(3, "ipMode"), LIST(4, "ports", port_status), END,
};
static const struct kube_proto_field load_balancer_status[] = {
    LIST(1, "ingress", load_balancer_ingress),
    END,
};
static const struct kube_proto_field service_status[] = {
    MESSAGE(1, "loadBalancer", load_balancer_status),
    LIST(2, "conditions", condition),
    END,
};
static const struct kube_proto_field service[] = {
    MESSAGE(1, "metadata", object_meta),
    MESSAGE(2, "spec", service_spec),
    MESSAGE(3, "status", service_status),
    END,
};

static const struct kube_proto_field endpoint_address[] = {
    STRING_GIVEN(1, "ip"),
    MESSAGE(2, "targetRef", object_reference),
    STRING(3, "hostname"),
    STRING_GIVEN(4, "nodeName"),
    END,
};
static const struct kube_proto_field endpoints_port[] = {
    STRING(1, "name"), INT_GIVEN(2, "port"), STRING(3, "protocol"), STRING_GIVEN(4, "appProtocol"), END,
};
static const struct kube_proto_field endpoint_subset[] = {
    LIST(1, "addresses", endpoint_address),
    LIST(2, "notReadyAddresses", endpoint_address),
    LIST(3, "ports", endpoints_port),
    END,
};
static const struct kube_proto_field endpoints[] = {
    MESSAGE(1, "metadata", object_meta),
    LIST(2, "subsets", endpoint_subset),
    END,
};

// Of a Pod, which nobody here writes, what IST_KIND_BRIEF says.
static const struct kube_proto_field container_port[] = {
    STRING(1, "name"), INT(2, "hostPort"), INT_GIVEN(3, "containerPort"), STRING(4, "protocol"), END,
};
static const struct kube_proto_field container[] = {
    STRING_GIVEN(1, "name"),
    STRING(2, "image"),
    LIST(6, "ports", container_port),
    STRING_GIVEN(24, "restartPolicy"),
    END,
};
static const struct kube_proto_field pod_spec[] = {
    LIST(2, "containers", container),
    STRING(3, "restartPolicy"),
    STRING(8, "serviceAccountName"),
    STRING(10, "nodeName"),
    BOOL(11, "hostNetwork"),
    LIST(20, "initContainers", container),
    END,
};
static const struct kube_proto_field pod_ip[] = {STRING(1, "ip"), END};
static const struct kube_proto_field pod_status[] = {
    STRING(1, "phase"), STRING(5, "hostIP"), STRING(6, "podIP"), LIST(12, "podIPs", pod_ip), END,
};
static const struct kube_proto_field pod[] = {
    MESSAGE(1, "metadata", object_meta),
    MESSAGE(2, "spec", pod_spec),
    MESSAGE(3, "status", pod_status),
    END,
};

// ---- discovery.k8s.io/v1 ----

static const struct kube_proto_field endpoint_conditions[] = {
    BOOL_GIVEN(1, "ready"),
    BOOL_GIVEN(2, "serving"),
    BOOL_GIVEN(3, "terminating"),
    END,
};
static const struct kube_proto_field hint_name[] = {STRING_GIVEN(1, "name"), END};
static const struct kube_proto_field endpoint_hints[] = {
    LIST(1, "forZones", hint_name),
    LIST(2, "forNodes", hint_name),
    END,
};
static const struct kube_proto_field endpoint[] = {
    STRING_LIST(1, "addresses"),
    MESSAGE(2, "conditions", endpoint_conditions),
    STRING_GIVEN(3, "hostname"),
    MESSAGE(4, "targetRef", object_reference),
    STRINGS(5, "deprecatedTopology"),
    STRING_GIVEN(6, "nodeName"),
    STRING_GIVEN(7, "zone"),
    MESSAGE(8, "hints", endpoint_hints),
    END,
};
static const struct kube_proto_field slice_port[] = {
    STRING_GIVEN(1, "name"),
    STRING_GIVEN(2, "protocol"),
    INT_GIVEN(3, "port"),
    STRING_GIVEN(4, "appProtocol"),
    END,
};
static const struct kube_proto_field endpoint_slice[] = {
    MESSAGE(1, "metadata", object_meta),
    LIST_ALWAYS(2, "endpoints", endpoint),
    LIST_ALWAYS(3, "ports", slice_port),
    STRING(4, "addressType"),
    END,
};

// ---- networking.k8s.io/v1 ----

static const struct kube_proto_field requirement[] = {
    STRING_GIVEN(1, "key"),
    STRING_GIVEN(2, "operator"),
    STRING_LIST(3, "values"),
    END,
};
static const struct kube_proto_field label_selector[] = {
    STRINGS(1, "matchLabels"),
    LIST(2, "matchExpressions", requirement),
    END,
};
static const struct kube_proto_field ip_block[] = {STRING_GIVEN(1, "cidr"), STRING_LIST(2, "except"), END};
static const struct kube_proto_field peer[] = {
    MESSAGE(1, "podSelector", label_selector),
    MESSAGE(2, "namespaceSelector", label_selector),
    MESSAGE(3, "ipBlock", ip_block),
    END,
};
static const struct kube_proto_field policy_port[] = {
    STRING_GIVEN(1, "protocol"),
    INT_OR_STRING(2, "port"),
    INT_GIVEN(3, "endPort"),
    END,
};
static const struct kube_proto_field ingress_rule[] = {
    LIST(1, "ports", policy_port),
    LIST(2, "from", peer),
    END,
};
static const struct kube_proto_field egress_rule[] = {
    LIST(1, "ports", policy_port),
    LIST(2, "to", peer),
    END,
};
static const struct kube_proto_field policy_spec[] = {
    MESSAGE(1, "podSelector", label_selector),
    LIST(2, "ingress", ingress_rule),
    LIST(3, "egress", egress_rule),
    STRING_LIST(4, "policyTypes"),
    END,
};
static const struct kube_proto_field network_policy[] = {
    MESSAGE(1, "metadata", object_meta),
    MESSAGE(2, "spec", policy_spec),
    END,
};

const struct kube_proto_field *kube_proto_fields(const char *api, const char *kind, int brief)
{
    static const struct {
        const char *api, *kind;
        const struct kube_proto_field *fields;
        int brief; // it leaves something out
    } all[] = {
        {"v1", "Namespace", namespace, 0},
        {"v1", "Service", service, 0},
        {"v1", "Endpoints", endpoints, 0},
        {"v1", "Pod", pod, 1},
        {"discovery.k8s.io/v1", "EndpointSlice", endpoint_slice, 0},
        {"networking.k8s.io/v1", "NetworkPolicy", network_policy, 0},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!strcmp(all[i].api, api) && !strcmp(all[i].kind, kind) && (brief || !all[i].brief))
            return all[i].fields;
    return NULL;
}
