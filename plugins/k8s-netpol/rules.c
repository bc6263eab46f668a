// NetworkPolicies as records. What is not understood admits nobody and is marked.
#include "rules.h"

#include <isthmus/alloc.h>
#include <isthmus/kube_manifest.h>

#include <string.h>

struct compile {
    struct names *names;
    struct policy *policy;
    int extended;
};

static const struct name *optional_name(struct compile *c, const json_t *json, const char *key)
{
    const char *text = c->extended ? json_string_value(json_object_get(json, key)) : NULL;
    return text ? name_get(c->names, text) : NULL;
}

// ---- peers

static void compile_block(struct compile *c, const json_t *json, struct peer *peer)
{
    const json_t *except = json_object_get(json, "except");
    size_t i;
    json_t *one;
    peer->is_block = 1;
    if (net_parse(ist_json_str_or(json, "cidr", ""), &peer->block)) {
        c->policy->odd = 1;
        // A network of nobody: a block that excepts itself.
        peer->except = ist_calloc(1, sizeof(*peer->except));
        peer->except[peer->except_count++] = peer->block;
        return;
    }
    if (json_array_size(except))
        peer->except = ist_calloc(json_array_size(except), sizeof(*peer->except));
    json_array_foreach(except, i, one)
    {
        struct net net;
        if (json_is_string(one) && !net_parse(json_string_value(one), &net)) {
            peer->except[peer->except_count++] = net;
            continue;
        }
        c->policy->odd = 1;
        peer->except[peer->except_count++] = peer->block; // nobody
    }
}

static int compile_selector(struct compile *c, const json_t *json, struct selector *selector)
{
    int odd = selector_compile(c->names, json, selector);
    c->policy->odd |= odd != 0;
    return odd;
}

static void compile_peer(struct compile *c, const json_t *json, struct peer *peer)
{
    const json_t *block = json_object_get(json, "ipBlock"), *pods = json_object_get(json, "podSelector");
    const json_t *namespaces = json_object_get(json, "namespaceSelector");
    if (json_is_object(block)) {
        compile_block(c, block, peer);
        return;
    }
    peer->cluster = optional_name(c, json, "cluster");
    peer->ns = optional_name(c, json, "namespace");
    peer->service = optional_name(c, json, "service");
    peer->any_namespace = json_is_object(namespaces);
    compile_selector(c, namespaces, &peer->namespaces);
    compile_selector(c, pods, &peer->pods);
    // An empty peer is none that a server accepts: it means nobody.
    if (!json_is_object(pods) && !json_is_object(namespaces) && !peer->cluster && !peer->ns &&
        !peer->service) {
        selector_free(c->names, &peer->pods);
        compile_selector(c, json_null(), &peer->pods);
        peer->pods.terms = ist_calloc(1, sizeof(*peer->pods.terms));
        peer->pods.terms[peer->pods.count++] = (struct select_term){.operator= SELECT_NEVER };
        c->policy->odd = 1;
    }
}

// ---- ports

static int port_number(const json_t *json, uint16_t *number)
{
    const json_int_t value = json_integer_value(json);
    if (!json_is_integer(json) || value < 1 || value > 65535)
        return -1;
    *number = (uint16_t)value;
    return 0;
}

static int compile_port(struct compile *c, const json_t *json, struct rule_port *port)
{
    const json_t *number = json_object_get(json, "port"), *end = json_object_get(json, "endPort");
    if (!json_is_object(json) || proto_of(ist_json_str(json, "protocol"), &port->protocol))
        return -1;
    if (!number || json_is_null(number))
        return end && !json_is_null(end) ? -1 : 0;
    if (json_is_string(number)) {
        port->name = name_get(c->names, json_string_value(number));
        return 0;
    }
    if (port_number(number, &port->from))
        return -1;
    port->to = port->from;
    return end && !json_is_null(end) && (port_number(end, &port->to) || port->to < port->from) ? -1 : 0;
}

static void compile_ports(struct compile *c, const json_t *ports, struct rule *rule)
{
    size_t i;
    json_t *json;
    rule->all_ports = !json_array_size(ports);
    if (rule->all_ports && ports && !json_is_array(ports) && !json_is_null(ports)) {
        c->policy->odd = 1;
        rule->all_ports = 0;
    }
    if (json_array_size(ports))
        rule->ports = ist_calloc(json_array_size(ports), sizeof(*rule->ports));
    json_array_foreach(ports, i, json)
    {
        struct rule_port port = {0};
        if (compile_port(c, json, &port))
            c->policy->odd = 1;
        else
            rule->ports[rule->port_count++] = port;
    }
}

// ---- rules

static void compile_rule(struct compile *c, const json_t *json, uint8_t direction, uint32_t index)
{
    struct rule *rule = &c->policy->rules[c->policy->rule_count++];
    const json_t *peers = json_object_get(json, direction == RULE_INGRESS ? "from" : "to");
    size_t i;
    json_t *peer;
    *rule = (struct rule){.direction = direction, .index = index};
    // A rule that is null is an empty one to a server, and so are its peers: everybody.
    rule->from_all = !peers || json_is_null(peers) || (json_is_array(peers) && !json_array_size(peers));
    c->policy->odd |= !rule->from_all && !json_is_array(peers);
    if (json_array_size(peers))
        rule->peers = ist_calloc(json_array_size(peers), sizeof(*rule->peers));
    json_array_foreach(peers, i, peer) compile_peer(c, peer, &rule->peers[rule->peer_count++]);
    compile_ports(c, json_object_get(json, "ports"), rule);
}

static void compile_rules(struct compile *c, const json_t *spec)
{
    const json_t *ingress = json_object_get(spec, "ingress"), *egress = json_object_get(spec, "egress");
    size_t i, count = json_array_size(ingress) + json_array_size(egress);
    json_t *rule, *type, *types = ist_manifest_policy_types(spec);
    if (count)
        c->policy->rules = ist_calloc(count, sizeof(*c->policy->rules));
    json_array_foreach(ingress, i, rule) compile_rule(c, rule, RULE_INGRESS, (uint32_t)i);
    json_array_foreach(egress, i, rule) compile_rule(c, rule, RULE_EGRESS, (uint32_t)i);
    json_array_foreach(types, i, type)
    {
        const char *text = json_string_value(type);
        if (text && !strcmp(text, "Ingress"))
            c->policy->types |= RULE_INGRESS;
        else if (text && !strcmp(text, "Egress"))
            c->policy->types |= RULE_EGRESS;
        else
            c->policy->odd = 1;
    }
    json_decref(types);
    if (!c->policy->types) // none that is known: nobody is admitted anywhere
        c->policy->types = RULE_INGRESS | RULE_EGRESS;
}

// ---- what is said of it

static void compile_clusters(struct compile *c, const char *text)
{
    while (text && *text) {
        text += strspn(text, ", \t\n");
        const size_t len = strcspn(text, ", \t\n");
        char *one = ist_strndup(text, len);
        if (!strcmp(one, "*")) {
            c->policy->all_clusters = 1;
        } else if (len) {
            struct policy *policy = c->policy;
            policy->clusters =
                ist_realloc(policy->clusters, policy->clusters_count + 1, sizeof(*policy->clusters));
            policy->clusters[policy->clusters_count++] = name_get(c->names, one);
        }
        ist_free(one);
        text += len;
    }
}

struct policy *policy_compile(struct names *names, size_t cluster, const json_t *object, int extended,
                              ist_error *err)
{
    const json_t *metadata = json_object_get(object, "metadata"), *spec = json_object_get(object, "spec");
    const json_t *annotations = json_object_get(metadata, "annotations"),
                 *labels = json_object_get(metadata, "labels");
    const char *name = ist_json_str(metadata, "name"), *ns = ist_json_str(metadata, "namespace");
    if (!name || !*name || !json_is_object(spec)) {
        ist_fail(err, IST_ERR_INPUT, name ? name : "a NetworkPolicy", "has no %s",
                 name && *name ? "spec" : "name");
        return NULL;
    }
    struct policy *policy = ist_calloc(1, sizeof(*policy));
    struct compile c = {names, policy, extended};
    const json_t *pods = json_object_get(spec, "podSelector");
    policy->cluster = cluster;
    policy->ns = name_get(names, ns && *ns ? ns : "default");
    policy->name = name_get(names, name);
    policy->uid = ist_strdup(ist_json_str_or(metadata, "uid", ""));
    policy->pod_selector_text = json_is_object(pods) ? ist_json_text(pods) : ist_strdup("{}");
    policy->generated = json_is_string(json_object_get(labels, IST_LABEL_OWNER)) ||
                        json_is_string(json_object_get(annotations, ANNOTATION_ORIGINAL));
    compile_selector(&c, pods, &policy->pods);
    compile_clusters(&c, json_string_value(json_object_get(annotations, ANNOTATION_CLUSTERS)));
    compile_rules(&c, spec);
    return policy;
}

static void peer_free(struct names *names, struct peer *peer)
{
    selector_free(names, &peer->namespaces);
    selector_free(names, &peer->pods);
    name_drop(names, peer->cluster);
    name_drop(names, peer->ns);
    name_drop(names, peer->service);
    ist_free(peer->except);
}

void policy_free(struct names *names, struct policy *policy)
{
    if (!policy)
        return;
    for (uint32_t i = 0; i < policy->rule_count; i++) {
        struct rule *rule = &policy->rules[i];
        for (uint32_t j = 0; j < rule->peer_count; j++)
            peer_free(names, &rule->peers[j]);
        for (uint32_t j = 0; j < rule->port_count; j++)
            name_drop(names, rule->ports[j].name);
        ist_free(rule->peers);
        ist_free(rule->ports);
    }
    for (uint32_t i = 0; i < policy->clusters_count; i++)
        name_drop(names, policy->clusters[i]);
    selector_free(names, &policy->pods);
    name_drop(names, policy->ns);
    name_drop(names, policy->name);
    ist_free(policy->clusters);
    ist_free(policy->rules);
    ist_free(policy->uid);
    ist_free(policy->pod_selector_text);
    ist_free(policy);
}

int policy_names_cluster(const struct policy *policy, const char *cluster)
{
    for (uint32_t i = 0; i < policy->clusters_count; i++)
        if (!strcmp(policy->clusters[i]->text, cluster))
            return 1;
    return policy->all_clusters;
}
