// What would translate pods' addresses, judged from configuration that has been read.
// Sources: https://docs.aws.amazon.com/eks/latest/userguide/external-snat.html;
// https://docs.tigera.io/calico/latest/reference/resources/ippool (natOutgoing);
// https://kubernetes.io/docs/tasks/administer-cluster/ip-masq-agent/;
// https://docs.cilium.io/en/stable/network/concepts/masquerading/.
#include "snat.h"

#include <isthmus/alloc.h>
#include <isthmus/yaml.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static void add(json_t *findings, int ok, char *text) // consumes text
{
    json_array_append_new(findings, json_pack("{s:b, s:s}", "ok", ok, "text", text));
    ist_free(text);
}

static int covers(const ist_net *wide, const ist_net *net)
{
    return wide->prefix <= net->prefix && ist_net_contains(wide, net->address);
}

#define NET_TEXT (INET6_ADDRSTRLEN + 4)

static void net_text(const ist_net *net, char text[NET_TEXT])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    int four = net->prefix >= 96 && memcmp(net->address, mapped, sizeof mapped) == 0;
    char address[INET6_ADDRSTRLEN] = "?";
    inet_ntop(four ? AF_INET : AF_INET6, net->address + (four ? 12 : 0), address, sizeof address);
    snprintf(text, NET_TEXT, "%s/%d", address, net->prefix - (four ? 96 : 0));
}

// The pod CIDRs of `remote` that no network of `list` covers: the caller's text, NULL when all are covered.
static char *uncovered(const ist_net *list, size_t count, const ist_cluster *remote)
{
    ist_buf text = {0};
    for (size_t i = 0; i < remote->pod_cidr_count; i++) {
        size_t k = 0;
        char cidr[NET_TEXT];
        while (k < count && !covers(&list[k], &remote->pod_cidrs[i]))
            k++;
        if (k < count)
            continue;
        net_text(&remote->pod_cidrs[i], cidr);
        ist_buf_printf(&text, "%s%s", text.len ? ", " : "", cidr);
    }
    if (!remote->pod_cidr_count)
        ist_buf_printf(&text, "the pods of %s, whose pod_cidrs are not declared", remote->name);
    return text.len ? ist_buf_take(&text) : NULL;
}

struct nets {
    ist_net *items; // owned
    size_t count;
};

static void nets_add(struct nets *nets, const char *text)
{
    ist_net net;
    if (!text || ist_net_parse(text, &net, NULL) != IST_OK)
        return;
    nets->items = ist_realloc(nets->items, nets->count + 1, sizeof(*nets->items));
    nets->items[nets->count++] = net;
}

static void nets_split(struct nets *nets, const char *list) // "10.0.0.0/8, 192.168.0.0/16"
{
    for (const char *at = list; at && *at;) {
        size_t len = strcspn(at, ", ");
        char *one = ist_strndup(at, len);
        nets_add(nets, one);
        ist_free(one);
        at += len + strspn(at + len, ", ");
    }
}

// ---- the VPC CNI ----

static const char *env_of(const json_t *daemonset, const char *name)
{
    size_t i, k;
    const json_t *container, *entry;
    json_array_foreach(ist_json_at(daemonset, "spec.template.spec.containers"), i, container)
        json_array_foreach(json_object_get(container, "env"), k, entry)
    {
        if (strcmp(ist_json_str_or(entry, "name", ""), name) == 0)
            return ist_json_str_or(entry, "value", "");
    }
    return NULL;
}

static void judge_vpc(const struct snat_facts *facts, const ist_cluster *remote, json_t *findings)
{
    const char *external = env_of(facts->aws_node, "AWS_VPC_K8S_CNI_EXTERNALSNAT");
    const char *excluded = env_of(facts->aws_node, "AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS");
    struct nets nets = {0};
    if (!facts->aws_node || (external && strcmp(external, "true") == 0))
        return;
    nets_split(&nets, excluded);
    char *missing = uncovered(nets.items, nets.count, remote);
    if (missing)
        add(findings, 0,
            ist_printf("DaemonSet kube-system/aws-node translates towards %s: "
                       "AWS_VPC_K8S_CNI_EXTERNALSNAT is %s and AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS is %s; set "
                       "the first to true, or add them to the second",
                       missing, external ? external : "not set", excluded ? excluded : "not set"));
    ist_free(missing);
    ist_free(nets.items);
}

// ---- Calico ----

static void pool_to_add(json_t *findings, const struct snat_facts *facts, const char *pool, const char *cidr,
                        const ist_cluster *remote, size_t number)
{
    json_t *wanted =
        json_pack("{s:s, s:s, s:{s:o}, s:{s:s, s:b, s:b}}", "apiVersion",
                  facts->pools_api ? facts->pools_api : "crd.projectcalico.org/v1", "kind", "IPPool",
                  "metadata", "name", json_sprintf("isthmus-%s-%zu", remote->name, number), "spec", "cidr",
                  cidr, "disabled", 1, "natOutgoing", 0);
    char *yaml = ist_yaml_text(wanted);
    add(findings, 0,
        ist_printf("Calico's IPPool %s has natOutgoing and no pool covers %s of %s: pods go there with their "
                   "node's address; add a pool that gives out none:\n%s",
                   pool, cidr, remote->name, yaml));
    ist_free(yaml);
    json_decref(wanted);
}

static void judge_calico(const struct snat_facts *facts, const ist_cluster *remote, json_t *findings)
{
    size_t i;
    const json_t *pool;
    const char *masquerades = NULL;
    struct nets nets = {0};
    json_array_foreach(facts->pools, i, pool)
    {
        nets_add(&nets, ist_json_str(pool, "spec.cidr"));
        if (ist_json_bool(pool, "spec.natOutgoing", 0))
            masquerades = ist_json_str_or(pool, "metadata.name", "?");
    }
    for (i = 0; masquerades && i < remote->pod_cidr_count; i++) {
        size_t k = 0;
        char cidr[NET_TEXT];
        while (k < nets.count && !covers(&nets.items[k], &remote->pod_cidrs[i]))
            k++;
        net_text(&remote->pod_cidrs[i], cidr);
        if (k == nets.count)
            pool_to_add(findings, facts, masquerades, cidr, remote, i);
    }
    if (masquerades && !remote->pod_cidr_count)
        add(findings, 0,
            ist_printf(
                "Calico's IPPool %s has natOutgoing; whether a pool covers the pods of %s is not known: "
                "declare its pod_cidrs",
                masquerades, remote->name));
    ist_free(nets.items);
}

// ---- others ----

// The one document that a ConfigMap holds, under whatever name. New reference or NULL.
static json_t *config_of(const json_t *map)
{
    const char *key;
    json_t *text, *config = NULL;
    json_object_foreach(json_object_get(map, "data"), key, text)
    {
        const char *value = json_string_value(text);
        if (config || !value || strcmp(key, "kubeconfig.conf") == 0 || strcmp(key, "kubeconfig") == 0)
            continue;
        if (ist_yaml_parse(value, strlen(value), key, &config, NULL) == IST_OK && !json_is_object(config)) {
            json_decref(config);
            config = NULL;
        }
    }
    return config;
}

// What ip-masq-agent leaves alone; unset it is the private networks, as its documentation says.
static void masq_agent_nets(const json_t *map, struct nets *nets)
{
    static const char *const private_nets[] = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"};
    json_t *config = config_of(map);
    const json_t *list = json_object_get(config, "nonMasqueradeCIDRs"), *cidr;
    size_t i;
    json_array_foreach(list, i, cidr) nets_add(nets, json_string_value(cidr));
    for (i = 0; !json_is_array(list) && i < 3; i++)
        nets_add(nets, private_nets[i]);
    json_decref(config);
}

static void judge_masq_agent(const struct snat_facts *facts, const ist_cluster *remote, json_t *findings)
{
    struct nets nets = {0};
    if (!facts->masq_agent_set)
        return;
    masq_agent_nets(facts->masq_agent, &nets);
    char *missing = uncovered(nets.items, nets.count, remote);
    if (missing)
        add(findings, 0,
            ist_printf("ip-masq-agent masquerades towards %s: add it to nonMasqueradeCIDRs in ConfigMap "
                       "kube-system/ip-masq-agent",
                       missing));
    ist_free(missing);
    ist_free(nets.items);
}

static int is_true(const json_t *map, const char *key, int otherwise)
{
    const char *text = json_string_value(json_object_get(json_object_get(map, "data"), key));
    return text ? strcmp(text, "true") == 0 : otherwise;
}

static void judge_cilium(const struct snat_facts *facts, const ist_cluster *remote, json_t *findings)
{
    const json_t *data = json_object_get(facts->cilium, "data");
    struct nets nets = {0};
    if (!facts->cilium ||
        !is_true(facts->cilium, "enable-ipv4-masquerade", is_true(facts->cilium, "masquerade", 1)))
        return;
    if (is_true(facts->cilium, "enable-ip-masq-agent", 0))
        masq_agent_nets(facts->masq_agent, &nets);
    nets_add(&nets, json_string_value(json_object_get(data, "ipv4-native-routing-cidr")));
    nets_add(&nets, json_string_value(json_object_get(data, "native-routing-cidr")));
    char *missing = uncovered(nets.items, nets.count, remote);
    if (missing)
        add(findings, 0,
            ist_printf("Cilium masquerades towards %s: widen ipv4-native-routing-cidr in ConfigMap "
                       "kube-system/cilium-config, or set enable-ipv4-masquerade to false",
                       missing));
    ist_free(missing);
    ist_free(nets.items);
}

static void judge_kube_proxy(const struct snat_facts *facts, const ist_cluster *remote, json_t *findings)
{
    json_t *config = config_of(facts->kube_proxy);
    const char *mode = ist_json_str_or(config, "mode", "");
    int all = ist_json_bool(
        config, *mode && strcmp(mode, "nftables") == 0 ? "nftables.masqueradeAll" : "iptables.masqueradeAll",
        0);
    if (all)
        add(findings, 0,
            ist_printf(
                "kube-proxy has masqueradeAll: whoever calls a mirrored Service arrives in %s with its "
                "node's address; set it to false in ConfigMap kube-system/%s",
                remote->name, ist_json_str_or(facts->kube_proxy, "metadata.name", "kube-proxy")));
    json_decref(config);
}

static void judge_flannel(const struct snat_facts *facts, const ist_cluster *remote, json_t *findings)
{
    size_t i, k;
    const json_t *container, *arg;
    json_array_foreach(ist_json_at(facts->flannel, "spec.template.spec.containers"), i, container)
        json_array_foreach(json_object_get(container, "args"), k, arg)
    {
        const char *text = json_string_value(arg);
        if (text && (strcmp(text, "--ip-masq") == 0 || strcmp(text, "--ip-masq=true") == 0))
            add(findings, 0,
                ist_printf("flannel runs with --ip-masq: all that leaves its network, towards %s too, has a "
                           "node's address",
                           remote->name));
    }
}

json_t *snat_findings(const struct snat_facts *facts, const ist_cluster *cluster, const ist_cluster *remote)
{
    json_t *findings = json_array();
    judge_vpc(facts, remote, findings);
    judge_calico(facts, remote, findings);
    judge_masq_agent(facts, remote, findings);
    judge_cilium(facts, remote, findings);
    judge_kube_proxy(facts, remote, findings);
    judge_flannel(facts, remote, findings);
    if (json_array_size(findings))
        return findings;
    const char *engine = cni_engine(&facts->cni);
    if (!engine && !facts->aws_node && !json_array_size(facts->pools) && !facts->cilium)
        add(findings, 1,
            ist_printf("no network plugin of %s is known here: only the probe's source address tells",
                       cluster->name));
    else
        add(findings, 1, ist_printf("no setting of %s translates towards %s", cluster->name, remote->name));
    return findings;
}

// ---- between two ----

char *snat_overlap(const ist_cluster *a, const ist_cluster *b)
{
    ist_buf text = {0};
    for (size_t i = 0; i < a->pod_cidr_count; i++)
        for (size_t k = 0; k < b->pod_cidr_count; k++) {
            char left[NET_TEXT], right[NET_TEXT];
            if (!covers(&a->pod_cidrs[i], &b->pod_cidrs[k]) && !covers(&b->pod_cidrs[k], &a->pod_cidrs[i]))
                continue;
            net_text(&a->pod_cidrs[i], left);
            net_text(&b->pod_cidrs[k], right);
            ist_buf_printf(&text, "%s%s of %s and %s of %s", text.len ? ", " : "", left, a->name, right,
                           b->name);
        }
    return text.len ? ist_buf_take(&text) : NULL;
}

// ---- ClusterMesh ----

// NULL: everybody who is let in is called the same.
static json_t *peers_of(const json_t *users)
{
    static const char prefix[] = "remote-";
    const char *text = json_string_value(json_object_get(json_object_get(users, "data"), "users.yaml"));
    json_t *parsed = NULL, *peers = NULL;
    const json_t *user;
    size_t i;
    if (!text || ist_yaml_parse(text, strlen(text), "users.yaml", &parsed, NULL) != IST_OK)
        return NULL;
    peers = json_array();
    json_array_foreach(json_object_get(parsed, "users"), i, user)
    {
        const char *name = ist_json_str_or(user, "name", "");
        if (!strncmp(name, prefix, sizeof(prefix) - 1))
            json_array_append_new(peers, json_string(name + sizeof(prefix) - 1));
    }
    json_decref(parsed);
    return peers;
}

json_t *snat_mesh_member(const struct snat_facts *facts)
{
    const json_t *data = json_object_get(facts->cilium, "data");
    const char *id = json_string_value(json_object_get(data, "cluster-id"));
    const char *name = json_string_value(json_object_get(data, "cluster-name"));
    if (!facts->mesh || !id || !*id || !strcmp(id, "0"))
        return NULL;
    return json_pack("{ss ss so*}", "id", id, "name", name ? name : "", "peers", peers_of(facts->mesh_users));
}

// 1 too where that is not known.
static int lets_in(const json_t *member, const char *name)
{
    const json_t *peers = json_object_get(member, "peers"), *peer;
    size_t i;
    if (!peers || !*name)
        return 1;
    json_array_foreach(peers, i, peer)
    {
        if (!strcmp(json_string_value(peer), name))
            return 1;
    }
    return 0;
}

int snat_mesh_joined(const json_t *a, const json_t *b)
{
    if (!a || !b || !strcmp(ist_json_str_or(a, "id", ""), ist_json_str_or(b, "id", "")))
        return 0;
    const char *left = ist_json_str_or(a, "name", ""), *right = ist_json_str_or(b, "name", "");
    if (*left && !strcmp(left, right))
        return 0;
    return lets_in(a, right) || lets_in(b, left);
}

int snat_meshed(const struct snat_facts *a, const struct snat_facts *b)
{
    json_t *left = snat_mesh_member(a), *right = snat_mesh_member(b);
    int joined = snat_mesh_joined(left, right);
    json_decref(left);
    json_decref(right);
    return joined;
}
