// One packet's way from a pod to an address, and its answer's way back.
#include "net.h"
#include "policy.h"

#include "../aws/aws.h"
#include "../kube/cluster.h"
#include "../kube/ctl.h"
#include "../kube/probe.h"
#include "../router/router.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct packet {
    struct lab *lab;
    struct lab_cluster *from, *to; // `to` NULL: nobody has the destination
    const json_t *src_pod, *dst_pod;
    uint32_t src, seen, dst;
    uint32_t first_dst; // before the translation of a ClusterIP
    int proto, port;
    struct lab_answer *answer;
};

static bool fail(const struct packet *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool fail(const struct packet *p, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(p->answer->why, sizeof p->answer->why, format, ap);
    va_end(ap);
    return false;
}

// ---- who enforces policies ----

static bool argument(const json_t *daemons, const char *container, const char *wanted)
{
    size_t i, k;
    const json_t *c, *word;
    json_array_foreach(kube_path(daemons, "spec.template.spec.containers"), i,
                       c) if (strcmp(kube_text(c, "name"), container) == 0)
        json_array_foreach(json_object_get(c, "args"), k,
                           word) if (json_is_string(word) &&
                                     strcmp(json_string_value(word), wanted) == 0) return true;
    return false;
}

enum enforcer { NOBODY, CALICO, VPC_CNI };

// Derived from what runs: Calico's node agents, or the VPC CNI's policy agent switched on (both halves of it).
static enum enforcer enforcer_of(struct lab_cluster *cluster)
{
    static const char *const homes[] = {"kube-system", "calico-system"};
    for (size_t i = 0; i < 2; i++) {
        const json_t *calico = lab_kube_get(cluster, "daemonsets", homes[i], "calico-node");
        if (json_integer_value(kube_path(calico, "status.numberReady")) > 0)
            return CALICO;
    }
    const json_t *aws = lab_kube_get(cluster, "daemonsets", "kube-system", "aws-node");
    const json_t *settings = lab_kube_get(cluster, "configmaps", "kube-system", "amazon-vpc-cni");
    bool controller = strcmp(kube_text(settings, "data.enable-network-policy-controller"), "true") == 0;
    return controller && argument(aws, "aws-eks-nodeagent", "--enable-network-policy=true") ? VPC_CNI
                                                                                            : NOBODY;
}

static const json_t *ns_labels(struct lab_cluster *cluster, const json_t *pod)
{
    return kube_path(lab_kube_get(cluster, "namespaces", NULL, kube_ns(pod)), "metadata.labels");
}

// The end of a connection as `cluster` sees it: it knows its own pods only.
static struct net_end end_of(struct lab_cluster *cluster, struct lab_cluster *home, const json_t *pod,
                             uint32_t address)
{
    bool own = pod && home == cluster;
    return (struct net_end){
        .pod = own ? pod : NULL, .ns_labels = own ? ns_labels(cluster, pod) : NULL, .address = address};
}

static bool policies_allow(const struct packet *p, bool ingress)
{
    struct lab_cluster *judge = ingress ? p->to : p->from;
    enum enforcer enforcer = judge ? enforcer_of(judge) : NOBODY;
    char why[200];
    if (enforcer == NOBODY)
        return true;
    // The node's own traffic to its pods is never held back.
    uint32_t node;
    if (ingress && lab_parse_ip(kube_text(p->dst_pod, "status.hostIP"), &node) && node == p->seen)
        return true;
    bool translated = p->seen != p->src; // behind SNAT nobody knows the pod any more
    struct net_connection c = {.proto = p->proto, .port = p->port, .vpc_cni = enforcer == VPC_CNI};
    c.src = end_of(judge, translated && ingress ? NULL : p->from, p->src_pod, ingress ? p->seen : p->src);
    // The VPC CNI judges egress before a ClusterIP is translated.
    c.dst = end_of(judge, p->to, p->dst_pod, !ingress && enforcer == VPC_CNI ? p->first_dst : p->dst);
    json_t *policies = lab_kube_list(judge, "networkpolicies", NULL);
    bool allowed = net_policy_allows(policies, ingress, &c, why, sizeof why);
    json_decref(policies);
    return allowed || fail(p, "cluster %s: %s", judge->name, why);
}

// ---- source address ----

static bool in_cidr(const char *cidr, uint32_t address)
{
    uint32_t network;
    int prefix;
    return lab_parse_cidr(cidr, &network, &prefix) &&
           (network & lab_mask(prefix)) == (address & lab_mask(prefix));
}

// Calico's natOutgoing: a pod of such a pool leaves with its node's address towards all that no pool covers.
static uint32_t calico_snat(const struct packet *p)
{
    json_t *pools = lab_kube_list(p->from, "ippools", NULL), *pool;
    bool nat = false, covered = false;
    uint32_t node = p->src;
    size_t i;
    json_array_foreach(pools, i, pool)
    {
        const char *cidr = kube_text(pool, "spec.cidr");
        covered = covered || in_cidr(cidr, p->dst);
        nat = nat || (in_cidr(cidr, p->src) && json_is_true(kube_path(pool, "spec.natOutgoing")));
    }
    json_decref(pools);
    if (nat && !covered)
        lab_parse_ip(kube_text(p->src_pod, "status.hostIP"), &node);
    return node;
}

static uint32_t seen_as(const struct packet *p)
{
    if (p->from == p->to || json_is_true(kube_path(p->src_pod, "spec.hostNetwork")))
        return p->src;
    uint32_t node;
    if (p->from->masquerade && lab_parse_ip(kube_text(p->src_pod, "status.hostIP"), &node))
        return node;
    return p->from->eks ? lab_aws_snat(p->lab, p->from->name, p->src, p->dst) : calico_snat(p);
}

// ---- the way between clusters ----

static bool tunnel(const struct packet *p)
{
    char why[200] = "";
    if (!lab_aws_path_tunnel(p->lab, why, sizeof why) || !lab_router_tunnel_up(p->lab, why, sizeof why))
        return fail(p, "tunnel: %s", why);
    return true;
}

// From the VPC to the premises: to the router, over the tunnel; the answer the other way.
static bool cloud_to_premises(const struct packet *p)
{
    char why[200] = "";
    if (!lab_aws_path_out(p->lab, p->seen, p->dst, p->proto, p->port, why, sizeof why))
        return fail(p, "VPC: %s", why);
    if (!tunnel(p))
        return false;
    if (!lab_router_spoke_routes(p->lab, p->dst, why, sizeof why))
        return fail(p, "router: %s", why);
    if (!lab_router_hub_delivers(p->lab, p->dst, why, sizeof why))
        return fail(p, "hub: %s", why);
    if (!lab_router_hub_routes(p->lab, p->seen, why, sizeof why))
        return fail(p, "hub, for the answers: %s", why);
    if (!lab_router_spoke_delivers(p->lab, p->seen, why, sizeof why))
        return fail(p, "router, for the answers: %s", why);
    return true;
}

static bool premises_to_cloud(const struct packet *p)
{
    char why[200] = "";
    if (!lab_router_hub_routes(p->lab, p->dst, why, sizeof why))
        return fail(p, "hub: %s", why);
    if (!tunnel(p))
        return false;
    if (!lab_router_spoke_delivers(p->lab, p->dst, why, sizeof why))
        return fail(p, "router: %s", why);
    if (!lab_aws_path_in(p->lab, p->seen, p->dst, p->proto, p->port, why, sizeof why))
        return fail(p, "VPC: %s", why);
    if (!lab_aws_path_out(p->lab, p->dst, p->seen, p->proto, p->port, why, sizeof why))
        return fail(p, "VPC, for the answers: %s", why);
    if (!lab_router_spoke_routes(p->lab, p->seen, why, sizeof why))
        return fail(p, "router, for the answers: %s", why);
    if (!lab_router_hub_delivers(p->lab, p->seen, why, sizeof why))
        return fail(p, "hub, for the answers: %s", why);
    return true;
}

// ---- one destination ----

static bool delivered(struct packet *p)
{
    char *address = lab_ip(p->dst);
    bool known = p->dst_pod != NULL;
    if (!known)
        fail(p, "nothing has the address %s", address);
    free(address);
    if (!known)
        return false;
    if (p->src == p->dst) // a pod always reaches itself
        return true;
    p->seen = seen_as(p);
    p->answer->seen = p->seen;
    if (!policies_allow(p, false))
        return false;
    if (p->from != p->to && p->from->eks == p->to->eks)
        return fail(p, "clusters %s and %s have no path between them", p->from->name, p->to->name);
    if (p->from != p->to && !(p->from->eks ? cloud_to_premises(p) : premises_to_cloud(p)))
        return false;
    return policies_allow(p, true);
}

static bool one_destination(struct packet *p)
{
    p->to = NULL;
    p->dst_pod = lab_net_pod_at(p->lab, p->dst, &p->to);
    p->seen = p->answer->seen = p->src;
    p->answer->delivered = p->dst;
    if (!delivered(p))
        return false;
    if (p->proto == NET_TCP && !kube_pod_listens(p->dst_pod, p->port)) {
        p->answer->refused = true;
        return fail(p, "pod %s/%s in cluster %s does not listen on TCP port %d", kube_ns(p->dst_pod),
                    kube_name(p->dst_pod), p->to->name, p->port);
    }
    return true;
}

// ---- ClusterIPs ----

static const json_t *service_at(struct lab_cluster *cluster, uint32_t address)
{
    struct kube_resource *services = kube_resource(cluster, "services");
    char *text = lab_ip(address);
    const json_t *found = NULL;
    for (size_t i = 0; i < services->count && !found; i++)
        if (strcmp(kube_text(services->items[i].object, "spec.clusterIP"), text) == 0)
            found = services->items[i].object;
    free(text);
    return found;
}

static bool slice_is_of(const json_t *slice, const json_t *service)
{
    const char *of =
        json_string_value(json_object_get(kube_path(slice, "metadata.labels"), "kubernetes.io/service-name"));
    return of && strcmp(of, kube_name(service)) == 0;
}

static void add_backend(json_t *backends, const char *address, json_int_t port)
{
    json_t *entry = json_pack("{ss sI}", "address", address, "port", port), *known;
    size_t i;
    bool there = false;
    json_array_foreach(backends, i, known) there = there || json_equal(known, entry);
    if (!there)
        json_array_append(backends, entry);
    json_decref(entry);
}

// The endpoints of one port, from EndpointSlices or, in clusters that have none, from Endpoints.
static json_t *backends_of(struct lab_cluster *cluster, const json_t *service, const json_t *service_port)
{
    json_t *backends = json_array(), *slices, *slice, *port, *endpoint;
    const char *name = kube_text(service_port, "name");
    size_t i, k, n;
    if (!kube_resource(cluster, "endpointslices") || cluster->minor < 19) {
        const json_t *endpoints = lab_kube_get(cluster, "endpoints", kube_ns(service), kube_name(service)),
                     *subset;
        json_array_foreach(json_object_get(endpoints, "subsets"), i, subset) json_array_foreach(
            json_object_get(subset, "ports"), k, port) if (strcmp(kube_text(port, "name"), name) == 0)
            json_array_foreach(json_object_get(subset, "addresses"), n, endpoint) add_backend(
                backends, kube_text(endpoint, "ip"), json_integer_value(json_object_get(port, "port")));
        return backends;
    }
    slices = lab_kube_list(cluster, "endpointslices", kube_ns(service));
    json_array_foreach(slices, i, slice)
    {
        if (!slice_is_of(slice, service))
            continue;
        json_array_foreach(json_object_get(slice, "ports"), k,
                           port) if (strcmp(kube_text(port, "name"), name) == 0)
            json_array_foreach(json_object_get(slice, "endpoints"), n,
                               endpoint) if (!json_is_false(kube_path(endpoint, "conditions.ready")))
                add_backend(backends,
                            json_string_value(json_array_get(json_object_get(endpoint, "addresses"), 0)),
                            json_integer_value(json_object_get(port, "port")));
    }
    json_decref(slices);
    return backends;
}

static const char *proto_name(int proto)
{
    return proto == NET_TCP ? "TCP" : proto == NET_UDP ? "UDP" : "ICMP";
}

// Through a Service: all its endpoints must be reached, for a client gets any of them.
static bool through_service(struct packet *p, const json_t *service)
{
    const json_t *ports = kube_path(service, "spec.ports"), *port, *wanted = NULL;
    size_t i;
    json_array_foreach(ports, i, port) if (json_integer_value(json_object_get(port, "port")) == p->port &&
                                           strcmp(kube_text(port, "protocol"), proto_name(p->proto)) == 0)
        wanted = port;
    if (!wanted)
        return fail(p, "Service %s/%s has no %s port %d", kube_ns(service), kube_name(service),
                    proto_name(p->proto), p->port);
    json_t *backends = backends_of(p->from, service, wanted), *backend;
    bool ok = json_array_size(backends) > 0;
    if (!ok) {
        p->answer->refused = true;
        fail(p, "Service %s/%s in cluster %s has no ready endpoint", kube_ns(service), kube_name(service),
             p->from->name);
    }
    json_array_foreach(backends, i, backend)
    {
        p->port = (int)json_integer_value(json_object_get(backend, "port"));
        ok = ok && lab_parse_ip(kube_text(backend, "address"), &p->dst) && one_destination(p);
    }
    json_decref(backends);
    return ok;
}

void lab_net_reach(struct lab *lab, const struct lab_flow *flow, struct lab_answer *answer)
{
    struct lab_cluster *home = NULL;
    *answer = (struct lab_answer){.seen = flow->src};
    struct packet p = {.lab = lab,
                       .from = flow->from,
                       .src_pod = lab_net_pod_at(lab, flow->src, &home),
                       .src = flow->src,
                       .dst = flow->dst,
                       .first_dst = flow->dst,
                       .proto = flow->proto,
                       .port = flow->port,
                       .answer = answer};
    const json_t *service = service_at(flow->from, flow->dst);
    if (!p.src_pod || home != flow->from)
        fail(&p, "the source is no pod of cluster %s", flow->from->name);
    else
        answer->reachable = service ? through_service(&p, service) : one_destination(&p);
}
