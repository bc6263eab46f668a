// The lab's reading of NetworkPolicies: by hand, and against the connectivity that others expect of their sets.
#include "kube/yaml.h"
#include "lab.h"
#include "net/policy.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// ---- a world out of manifests ----

struct world {
    json_t *pods;       // {"ns/name[Kind]": pod}
    json_t *namespaces; // {name: labels}
    json_t *policies;   // array
};

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

static json_t *labels_of_namespace(struct world *w, const char *name)
{
    json_t *labels = json_object_get(w->namespaces, name);
    if (!labels) {
        labels = json_object();
        json_object_set_new(w->namespaces, name, labels);
    }
    json_object_set_new(labels, "kubernetes.io/metadata.name", json_string(name)); // implied
    return labels;
}

static void add_workload(struct world *w, const char *ns, const char *name, const char *kind,
                         const json_t *labels, const json_t *spec)
{
    char *key = lab_format("%s/%s[%s]", ns, name, kind);
    json_t *pod = json_pack("{s{ss ss sO?} sO?}", "metadata", "name", name, "namespace", ns, "labels", labels,
                            "spec", spec);
    if (!json_object_get(w->pods, key))
        json_object_set(w->pods, key, pod);
    json_decref(pod);
    labels_of_namespace(w, ns);
    free(key);
}

static void add(struct world *w, const json_t *object)
{
    const char *kind = text(object, "kind");
    const json_t *metadata = json_object_get(object, "metadata"), *spec = json_object_get(object, "spec"),
                 *item;
    const json_t *template = json_object_get(spec, "template");
    const char *ns = text(metadata, "namespace"), *name = text(metadata, "name");
    size_t i;
    ns = *ns ? ns : "default";
    json_array_foreach(json_object_get(object, "items"), i, item)
    {
        json_t *typed = json_copy((json_t *)item);
        size_t len = strlen(kind);
        if (!json_object_get(typed, "kind") && len > 4) // "PodList"
            json_object_set_new(typed, "kind", json_stringn(kind, len - 4));
        add(w, typed);
        json_decref(typed);
    }
    if (strcmp(kind, "Namespace") == 0) {
        json_object_update(labels_of_namespace(w, name), json_object_get(metadata, "labels"));
    } else if (strcmp(kind, "NetworkPolicy") == 0) {
        json_t *policy = json_deep_copy(object);
        json_object_set_new(json_object_get(policy, "metadata"), "namespace", json_string(ns));
        json_array_append_new(w->policies, policy);
    } else if (strcmp(kind, "Pod") == 0) {
        const json_t *owner = json_array_get(json_object_get(metadata, "ownerReferences"), 0);
        add_workload(w, ns, owner ? text(owner, "name") : name,
                     owner && *text(owner, "kind") ? text(owner, "kind") : "Pod",
                     json_object_get(metadata, "labels"), spec);
    } else if (template) {
        add_workload(w, ns, name, kind, json_object_get(json_object_get(template, "metadata"), "labels"),
                     json_object_get(template, "spec"));
    }
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *content = NULL;
    size_t size = 0;
    if (!file)
        return NULL;
    FILE *out = open_memstream(&content, &size);
    for (int c; (c = fgetc(file)) != EOF;)
        fputc(c, out);
    fclose(out);
    fclose(file);
    return content;
}

static bool is_manifest(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0 || strcmp(dot, ".json") == 0);
}

static void add_file(struct world *w, const char *path)
{
    char *content = read_file(path), *why = NULL;
    json_t *documents = kube_yaml(content, strlen(content), &why), *document;
    size_t i;
    if (!documents)
        fail_msg("%s: %s", path, why);
    json_array_foreach(documents, i, document) add(w, document);
    json_decref(documents);
    free(content);
}

// All manifests of a folder and those below it.
static void add_folder(struct world *w, const char *folder)
{
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (*entry->d_name == '.')
            continue;
        char *path = lab_format("%s/%s", folder, entry->d_name);
        DIR *below = opendir(path);
        if (below) {
            closedir(below);
            add_folder(w, path);
        } else if (is_manifest(entry->d_name)) {
            add_file(w, path);
        }
        free(path);
    }
    closedir(dir);
}

static struct world world_of_folder(const char *folder)
{
    struct world w = {json_object(), json_object(), json_array()};
    const char *key;
    json_t *pod;
    add_folder(&w, folder);
    // The sets' authors judge pods of the host's network like any other.
    json_object_foreach(w.pods, key, pod) json_object_del(json_object_get(pod, "spec"), "hostNetwork");
    return w;
}

static void world_free(struct world *w)
{
    json_decref(w->pods);
    json_decref(w->namespaces);
    json_decref(w->policies);
}

// ---- what connects ----

static bool allows(const struct world *w, const json_t *a, const json_t *b, int proto, int port)
{
    struct net_connection c = {.proto = proto, .port = port};
    char why[256];
    c.src = (struct net_end){
        a, json_object_get(w->namespaces, text(json_object_get(a, "metadata"), "namespace")), 0};
    c.dst = (struct net_end){
        b, json_object_get(w->namespaces, text(json_object_get(b, "metadata"), "namespace")), 0};
    return net_policy_allows(w->policies, false, &c, why, sizeof why) &&
           net_policy_allows(w->policies, true, &c, why, sizeof why);
}

static void collect_ports(const json_t *value, bool *edges)
{
    static const char *const names[] = {"port", "endPort", "containerPort"};
    const char *key;
    json_t *child;
    size_t i;
    for (i = 0; json_is_object(value) && i < 3; i++) {
        json_int_t n = json_integer_value(json_object_get(value, names[i]));
        if (n > 0 && n < 65536)
            edges[n] = edges[n + 1] = true;
    }
    json_array_foreach(value, i, child) collect_ports(child, edges);
    json_object_foreach((json_t *)value, key, child) collect_ports(child, edges);
}

// "All Connections", "TCP 80,90,UDP 53-54", or "" for none: in the form of expected.txt.
static char *connections(const struct world *w, const json_t *a, const json_t *b, const bool *edges)
{
    static const struct {
        int proto;
        const char *name;
    } protos[] = {{NET_SCTP, "SCTP"}, {NET_TCP, "TCP"}, {NET_UDP, "UDP"}};
    char *line = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&line, &size);
    int full = 0;
    for (size_t p = 0; p < 3; p++) {
        int from = 0, ranges = 0;
        bool open = false;
        for (int port = 1; port <= 65536; port++) {
            if (port != 1 && port != 65536 && !edges[port])
                continue;
            bool now = port < 65536 && allows(w, a, b, protos[p].proto, port);
            if (now && !open) {
                from = port;
            } else if (!now && open) {
                fprintf(out, "%s%s", ranges || ftell(out) ? "," : "", ranges ? "" : protos[p].name);
                fprintf(out, ranges ? "%d" : " %d", from);
                if (port - 1 > from)
                    fprintf(out, "-%d", port - 1);
                full += from == 1 && port == 65536;
                ranges++;
            }
            open = now;
        }
    }
    fclose(out);
    if (full == 3) {
        free(line);
        line = lab_strdup("All Connections");
    }
    return line;
}

static json_t *computed(const struct world *w)
{
    json_t *lines = json_object(), *a, *b;
    const char *from, *to;
    bool *edges = lab_calloc(65538, sizeof *edges);
    collect_ports(w->policies, edges);
    collect_ports(w->pods, edges);
    json_object_foreach(w->pods, from, a) json_object_foreach(w->pods, to, b)
    {
        char *line = from == to ? lab_strdup("") : connections(w, a, b, edges);
        char *pair = lab_format("%s => %s", from, to);
        if (*line)
            json_object_set_new(lines, pair, json_string(line));
        free(pair);
        free(line);
    }
    free(edges);
    return lines;
}

static json_t *expected(const char *path)
{
    json_t *lines = json_object();
    char *content = read_file(path), *line = content;
    assert_non_null(content);
    while (*line) {
        size_t len = strcspn(line, "\r\n");
        char *end = line + len, *colon;
        bool last = !*end;
        *end = 0;
        if (strstr(line, "Exposure Analysis"))
            break;
        if ((colon = strstr(line, " : ")) && !strstr(line, "External") &&
            !strstr(line, "{ingress-controller}") && !strstr(line, "entire-cluster")) {
            *colon = 0;
            json_object_set_new(lines, line, json_string(colon + 3));
        }
        line = last ? end : end + 1;
    }
    free(content);
    return lines;
}

static size_t mismatches(const char *set, const json_t *want, const json_t *have)
{
    size_t n = 0;
    const char *pair;
    json_t *value, *all = json_copy((json_t *)want);
    json_object_update_missing(all, (json_t *)have);
    json_object_foreach(all, pair, value)
    {
        const char *a = text(want, pair), *b = text(have, pair);
        if (strcmp(a, b) != 0) {
            print_error("%s: %s: expected \"%s\", computed \"%s\"\n", set, pair, a, b);
            n++;
        }
    }
    json_decref(all);
    return n;
}

static void every_published_set_connects_as_its_authors_expect(void **state)
{
    (void)state;
    const char *data = getenv("ISTHMUS_TEST_DATA");
    if (!data)
        skip();
    char *root = lab_format("%s/netpol", data);
    DIR *dir = opendir(root);
    size_t sets = 0, wrong = 0, pairs = 0;
    if (!dir)
        fail_msg("cannot open %s", root);
    for (struct dirent *entry;
         dir && (entry = readdir(dir));) { // the analyser does not know that fail_msg() leaves
        char *manifests = lab_format("%s/%s/manifests", root, entry->d_name);
        char *file = lab_format("%s/%s/expected.txt", root, entry->d_name);
        FILE *there = *entry->d_name == '.' ? NULL : fopen(file, "r");
        if (there) {
            fclose(there);
            struct world w = world_of_folder(manifests);
            json_t *want = expected(file), *have = computed(&w);
            wrong += mismatches(entry->d_name, want, have);
            pairs += json_object_size(want);
            sets++;
            json_decref(want);
            json_decref(have);
            world_free(&w);
        }
        free(file);
        free(manifests);
    }
    closedir(dir);
    free(root);
    print_message("# %zu sets, %zu connected pairs\n", sets, pairs);
    assert_true(sets > 40 && pairs > 500);
    assert_int_equal(wrong, 0);
}

// ---- by hand ----

static struct world world_of(const char *yaml)
{
    struct world w = {json_object(), json_object(), json_array()};
    char *why = NULL;
    json_t *documents = kube_yaml(yaml, strlen(yaml), &why), *document;
    size_t i;
    assert_non_null(documents);
    json_array_foreach(documents, i, document) add(&w, document);
    json_decref(documents);
    return w;
}

#define PODS                                                                                                 \
    "{kind: Pod, metadata: {name: a, namespace: x, labels: {app: a}}, spec: {}}\n---\n"                      \
    "{kind: Pod, metadata: {name: b, namespace: x, labels: {app: b}}, spec: {containers: [{ports: [{name: "  \
    "web, "                                                                                                  \
    "containerPort: 80}]}]}}\n---\n"                                                                         \
    "{kind: Pod, metadata: {name: c, namespace: y, labels: {app: a}}, spec: {}}\n---\n"

static bool connects(const struct world *w, const char *from, const char *to, int port)
{
    return allows(w, json_object_get(w->pods, from), json_object_get(w->pods, to), NET_TCP, port);
}

static void an_empty_from_means_everybody(void **state)
{
    (void)state;
    struct world w =
        world_of(PODS "{kind: NetworkPolicy, metadata: {name: p, namespace: x}, spec: {podSelector: {}, "
                      "ingress: [{from: []}]}}");
    assert_true(connects(&w, "y/c[Pod]", "x/b[Pod]", 1));
    world_free(&w);
}

static void no_ingress_rule_means_nobody(void **state)
{
    (void)state;
    struct world w =
        world_of(PODS "{kind: NetworkPolicy, metadata: {name: p, namespace: x}, spec: {podSelector: {}}}");
    assert_false(connects(&w, "y/c[Pod]", "x/b[Pod]", 80));
    assert_false(connects(&w, "x/a[Pod]", "x/b[Pod]", 80));
    assert_true(connects(&w, "x/a[Pod]", "y/c[Pod]", 80));
    world_free(&w);
}

static void a_pod_selector_alone_stays_in_its_namespace(void **state)
{
    (void)state;
    struct world w = world_of(
        PODS "{kind: NetworkPolicy, metadata: {name: p, namespace: x}, spec: {podSelector: "
             "{matchLabels: {app: b}}, ingress: [{from: [{podSelector: {matchLabels: {app: a}}}]}]}}");
    assert_true(connects(&w, "x/a[Pod]", "x/b[Pod]", 80));
    assert_false(connects(&w, "y/c[Pod]", "x/b[Pod]", 80));
    world_free(&w);
}

static void a_named_port_is_the_destinations(void **state)
{
    (void)state;
    struct world w =
        world_of(PODS "{kind: NetworkPolicy, metadata: {name: p, namespace: x}, spec: {podSelector: {}, "
                      "ingress: [{ports: [{port: web}]}]}}");
    assert_true(connects(&w, "x/a[Pod]", "x/b[Pod]", 80));
    assert_false(connects(&w, "x/a[Pod]", "x/b[Pod]", 81));
    assert_false(connects(&w, "x/b[Pod]", "x/a[Pod]", 80));
    world_free(&w);
}

static void egress_rules_without_types_isolate_both_ways(void **state)
{
    (void)state;
    struct world w =
        world_of(PODS "{kind: NetworkPolicy, metadata: {name: p, namespace: y}, spec: {podSelector: {}, "
                      "egress: [{ports: [{port: 80, endPort: 90}]}]}}");
    assert_true(connects(&w, "y/c[Pod]", "x/b[Pod]", 90));
    assert_false(connects(&w, "y/c[Pod]", "x/b[Pod]", 91));
    assert_false(connects(&w, "x/a[Pod]", "y/c[Pod]", 80)); // Ingress is always among the unset types
    world_free(&w);
}

static void a_block_knows_addresses_and_exceptions(void **state)
{
    (void)state;
    struct world w = world_of(
        PODS "{kind: NetworkPolicy, metadata: {name: p, namespace: x}, spec: {podSelector: {}, ingress: "
             "[{from: [{ipBlock: {cidr: 10.0.0.0/16, except: [10.0.1.0/24]}}], ports: [{port: web}]}]}}");
    const struct {
        uint32_t address;
        bool vpc_cni, allowed;
    } cases[] = {{0x0a000005, false, true},
                 {0x0a000105, false, false},
                 {0x0a010005, false, false},
                 {0, false, false},
                 {0x0a000005, true, false}}; // the VPC CNI drops named ports in ipBlock rules
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char why[256] = "";
        struct net_connection c = {.proto = NET_TCP, .port = 80, .vpc_cni = cases[i].vpc_cni};
        c.src.address = cases[i].address;
        c.dst.pod = json_object_get(w.pods, "x/b[Pod]");
        assert_int_equal(net_policy_allows(w.policies, true, &c, why, sizeof why), cases[i].allowed);
        if (!cases[i].allowed)
            assert_non_null(strstr(why, "x/p"));
    }
    world_free(&w);
}

static void a_pod_of_the_host_network_is_not_isolated(void **state)
{
    (void)state;
    struct world w =
        world_of("{kind: Pod, metadata: {name: h, namespace: x}, spec: {hostNetwork: true}}\n---\n" PODS
                 "{kind: NetworkPolicy, metadata: {name: p, namespace: x}, spec: {podSelector: {}}}");
    assert_true(connects(&w, "y/c[Pod]", "x/h[Pod]", 80));
    assert_false(connects(&w, "y/c[Pod]", "x/a[Pod]", 80));
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_from_means_everybody),
        cmocka_unit_test(no_ingress_rule_means_nobody),
        cmocka_unit_test(a_pod_selector_alone_stays_in_its_namespace),
        cmocka_unit_test(a_named_port_is_the_destinations),
        cmocka_unit_test(egress_rules_without_types_isolate_both_ways),
        cmocka_unit_test(a_block_knows_addresses_and_exceptions),
        cmocka_unit_test(a_pod_of_the_host_network_is_not_isolated),
        cmocka_unit_test(every_published_set_connects_as_its_authors_expect),
    };
    return cmocka_run_group_tests_name("lab policy", tests, NULL, NULL);
}
