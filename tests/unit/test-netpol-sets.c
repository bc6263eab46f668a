// Reachability, held to the connectivity that others expect of their sets: in one cluster, dealt over several and
// federated, and computed anew from the rendered companions.
#include "companion.h"
#include "net/policy.h" // of the lab, which shares no line with what is tested
#include "reach.h"
#include "sources.h"
#include "table.h"

#include <isthmus/alloc.h>
#include <isthmus/file.h>
#include <isthmus/schema.h>

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

// ---- reading a set ----

static json_t *expected(const char *path)
{
    json_t *lines = json_object();
    char *content = NULL, *next = NULL;
    if (ist_file_read(path, 1u << 24, &content, NULL, NULL) != IST_OK)
        fail_msg("cannot read %s", path);
    for (char *line = strtok_r(content, "\r\n", &next); line; line = strtok_r(NULL, "\r\n", &next)) {
        if (strstr(line, "Exposure Analysis"))
            break;
        char *colon = strstr(line, " : ");
        if (!colon || strstr(line, "External") || strstr(line, "{ingress-controller}") ||
            strstr(line, "entire-cluster"))
            continue;
        *colon = 0;
        json_object_set_new(lines, line, json_string(colon + 3));
    }
    ist_free(content);
    return lines;
}

static char *end_name(const struct workload *w)
{
    return ist_printf("%s/%s[%s]", w->ns->text, w->name->text, w->kind->text);
}

// The pairs of a world, without the names of the clusters.
static json_t *computed(const struct world *world, uint32_t mode)
{
    json_t *lines = json_object();
    struct reach *reach = reach_compute(world, mode);
    const size_t count = reach_end_count(reach);
    conn *row = ist_calloc(count + 1, sizeof(*row));
    for (size_t i = 0; i < count; i++) {
        reach_row(reach, i, row);
        for (size_t j = 0; j < count; j++) {
            if (i == j || row[j] == CONN_NONE)
                continue;
            char *from = end_name(reach_end(reach, i)->workload),
                 *to = end_name(reach_end(reach, j)->workload);
            char *pair = ist_printf("%s => %s", from, to);
            json_object_set_new(lines, pair, json_string(conns_text(reach_conns(reach), row[j])));
            ist_free(pair);
            ist_free(from);
            ist_free(to);
        }
    }
    ist_free(row);
    reach_free(reach);
    return lines;
}

static size_t mismatches(const char *set, const json_t *want, const json_t *have)
{
    size_t n = 0;
    const char *pair;
    json_t *value, *all = json_copy((json_t *)(uintptr_t)want);
    json_object_update_missing(all, (json_t *)(uintptr_t)have);
    json_object_foreach(all, pair, value)
    {
        const char *a = json_string_value(json_object_get(want, pair));
        const char *b = json_string_value(json_object_get(have, pair));
        if (strcmp(a ? a : "", b ? b : "") != 0 && n++ < 5)
            print_error("%s: %s: expected \"%s\", computed \"%s\"\n", set, pair, a ? a : "", b ? b : "");
    }
    json_decref(all);
    return n;
}

// ---- dealing ----

typedef size_t check_fn(const char *set, const char *folder, const json_t *want);

static void walk(check_fn *check)
{
    const char *data = getenv("ISTHMUS_TEST_DATA");
    size_t sets = 0, wrong = 0, pairs = 0;
    if (!data)
        skip();
    char *root = ist_printf("%s/netpol", data);
    DIR *dir = opendir(root);
    if (!dir) {
        fail_msg("cannot open %s", root);
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir));) {
        char *folder = ist_printf("%s/%s/manifests", root, entry->d_name);
        char *file = ist_printf("%s/%s/expected.txt", root, entry->d_name);
        if (*entry->d_name != '.' && access(file, R_OK) == 0) {
            json_t *want = expected(file);
            wrong += check(entry->d_name, folder, want);
            pairs += json_object_size(want);
            sets++;
            json_decref(want);
        }
        ist_free(file);
        ist_free(folder);
    }
    closedir(dir);
    ist_free(root);
    print_message("# %zu sets, %zu connected pairs\n", sets, pairs);
    assert_true(sets > 40 && pairs > 500);
    assert_int_equal(wrong, 0);
}

static size_t check_one_cluster(const char *set, const char *folder, const json_t *want)
{
    struct world *world = world_new();
    struct sources sources = {.world = world};
    ist_error err = {0};
    size_t cluster = world_add_cluster(world, "one");
    if (source_read(&sources, cluster, folder, &err) != IST_OK)
        fail_msg("%s: %s: %s", set, err.where, err.text);
    json_t *have = computed(world, REACH_ANNOTATED);
    size_t wrong = mismatches(set, want, have);
    json_decref(have);
    world_free(world);
    return wrong;
}

// ---- dealt over several clusters ----

struct deal {
    json_t *fixed; // namespaces and policies: they stand in every cluster
    json_t *pods;  // array; each with an address of its own, outside all blocks of the sets
    json_t *names; // workload -> number, in the order of their coming
};

static const json_t *template_of(const json_t *object)
{
    const json_t *jobs = ist_json_at(object, "spec.jobTemplate.spec.template");
    return jobs ? jobs : ist_json_at(object, "spec.template");
}

static void add_pod(struct deal *deal, const json_t *metadata, const json_t *labels, const json_t *spec,
                    const char *kind)
{
    const json_t *owner = json_array_get(json_object_get(metadata, "ownerReferences"), 0);
    const char *ns = ist_json_str_or(metadata, "namespace", "default");
    const char *name = owner ? ist_json_str_or(owner, "name", "") : ist_json_str_or(metadata, "name", "");
    const char *by = owner ? ist_json_str_or(owner, "kind", "Pod") : kind;
    const size_t n = json_array_size(deal->pods);
    char *workload = ist_printf("%s/%s[%s]", ns, name, by), *own = ist_printf("pod-%zu", n);
    char *address = ist_printf("10.10.%zu.%zu", n / 250, n % 250 + 1);
    json_t *own_spec = json_copy((json_t *)(uintptr_t)spec);
    json_object_del(own_spec, "hostNetwork"); // the authors judge such pods like any other
    if (!json_object_get(deal->names, workload))
        json_object_set_new(deal->names, workload, json_integer((json_int_t)json_object_size(deal->names)));
    json_array_append_new(deal->pods,
                          json_pack("{ss s{ss ss sO* s[{ss ss}]} so s{ss ss} ss}", "kind", "Pod", "metadata",
                                    "name", own, "namespace", ns, "labels", labels, "ownerReferences", "kind",
                                    by, "name", name, "spec", own_spec, "status", "phase", "Running", "podIP",
                                    address, "workload", workload));
    ist_free(address);
    ist_free(own);
    ist_free(workload);
}

static void take(void *arg, size_t cluster, const json_t *object)
{
    struct deal *deal = arg;
    const char *kind = ist_json_str_or(object, "kind", "");
    const json_t *metadata = json_object_get(object, "metadata"), *template = template_of(object);
    (void)cluster;
    if (!strcmp(kind, "Namespace") || !strcmp(kind, "NetworkPolicy"))
        json_array_append(deal->fixed, (json_t *)(uintptr_t)object);
    else if (!strcmp(kind, "Pod"))
        add_pod(deal, metadata, json_object_get(metadata, "labels"), json_object_get(object, "spec"), "Pod");
    else if (template)
        add_pod(deal, metadata, ist_json_at(template, "metadata.labels"), json_object_get(template, "spec"),
                kind);
}

static struct deal deal_of(const char *folder)
{
    struct deal deal = {json_array(), json_array(), json_object()};
    struct world *world = world_new();
    struct sources sources = {.world = world, .seen = take, .arg = &deal};
    ist_error err = {0};
    if (source_read(&sources, world_add_cluster(world, "one"), folder, &err) != IST_OK)
        fail_msg("%s: %s", err.where, err.text);
    world_free(world);
    return deal;
}

static void deal_free(struct deal *deal)
{
    json_decref(deal->fixed);
    json_decref(deal->pods);
    json_decref(deal->names);
}

static void put(struct world *world, size_t cluster, const json_t *object)
{
    ist_error err = {0};
    if (world_put(world, cluster, object, 0, &err) != IST_OK)
        fail_msg("%s: %s", err.where, err.text);
}

// `clusters` of them, by a hash of the workload's name; 0: one a workload.
static struct world *dealt(const struct deal *deal, size_t clusters)
{
    struct world *world = world_new();
    const size_t count = clusters ? clusters : json_object_size(deal->names);
    size_t i;
    json_t *object;
    for (size_t c = 0; c < count; c++) {
        char *name = ist_printf("c%zu", c);
        world_add_cluster(world, name);
        ist_free(name);
        json_array_foreach(deal->fixed, i, object) put(world, c, object);
    }
    json_array_foreach(deal->pods, i, object)
    {
        const char *workload = ist_json_str_or(object, "workload", "");
        const size_t number = (size_t)json_integer_value(json_object_get(deal->names, workload));
        put(world, clusters ? hash_bytes(HASH_START, workload, strlen(workload)) % clusters : number, object);
    }
    return world;
}

// The companions of every policy for every other cluster: array of {cluster, object}. New reference.
static json_t *companions_of(const struct world *world)
{
    const struct companion_options options = {0};
    json_t *made = json_array();
    for (size_t c = 0; c < world_cluster_count(world); c++)
        for (const struct namespace *ns = world_cluster(world, c)->namespaces; ns; ns = ns->next)
            for (const struct policy *policy = ns->policies; policy; policy = policy->next)
                for (size_t remote = 0; remote < world_cluster_count(world); remote++) {
                    json_t *shards =
                        remote == c ? NULL : companions_make(world, policy, remote, &options, NULL);
                    size_t i;
                    json_t *shard;
                    json_array_foreach(shards, i, shard) json_array_append_new(
                        made, json_pack("{sI sO}", "cluster", (json_int_t)c, "object", shard));
                    json_decref(shards);
                }
    return made;
}

static void add_companions(struct world *world)
{
    json_t *made = companions_of(world), *one;
    size_t i;
    json_array_foreach(made, i, one) put(world, (size_t)json_integer_value(json_object_get(one, "cluster")),
                                         json_object_get(one, "object"));
    json_decref(made);
}

static size_t check_dealt(const char *set, const char *folder, const json_t *want, size_t clusters,
                          int rendered)
{
    struct deal deal = deal_of(folder);
    struct world *world = dealt(&deal, clusters);
    if (rendered)
        add_companions(world);
    json_t *have = computed(world, rendered ? REACH_PLAIN : REACH_FEDERATED);
    size_t wrong = mismatches(set, want, have);
    json_decref(have);
    world_free(world);
    deal_free(&deal);
    return wrong;
}

static size_t check_two_federated(const char *set, const char *folder, const json_t *want)
{
    return check_dealt(set, folder, want, 2, 0);
}

static size_t check_many_federated(const char *set, const char *folder, const json_t *want)
{
    return check_dealt(set, folder, want, 0, 0);
}

static size_t check_two_rendered(const char *set, const char *folder, const json_t *want)
{
    return check_dealt(set, folder, want, 2, 1);
}

static size_t check_many_rendered(const char *set, const char *folder, const json_t *want)
{
    return check_dealt(set, folder, want, 0, 1);
}

// ---- the rendered policies, judged by somebody else ----

struct judge {
    json_t *policies;   // by cluster: array of documents, companions among them
    json_t *namespaces; // name -> labels
    const struct deal *deal;
    size_t clusters; // as of dealt()
    uint8_t edges[65538];
};

static size_t cluster_of(const struct judge *j, const json_t *pod)
{
    const char *workload = ist_json_str_or(pod, "workload", "");
    return j->clusters ? hash_bytes(HASH_START, workload, strlen(workload)) % j->clusters
                       : (size_t)json_integer_value(json_object_get(j->deal->names, workload));
}

// Ports at which an answer may change.
static void collect_edges(const json_t *json, uint8_t *edges)
{
    static const char *const keys[] = {"port", "endPort", "containerPort"};
    const char *key;
    json_t *child;
    size_t i;
    for (i = 0; json_is_object(json) && i < 3; i++) {
        const json_int_t n = json_integer_value(json_object_get(json, keys[i]));
        if (n > 0 && n < 65536)
            edges[n] = edges[n + 1] = 1;
    }
    json_array_foreach(json, i, child) collect_edges(child, edges);
    json_object_foreach((json_t *)(uintptr_t)json, key, child) collect_edges(child, edges);
}

static json_t *labels_of_namespace(struct judge *j, const char *name)
{
    json_t *labels = json_object_get(j->namespaces, name);
    if (!labels) {
        labels = json_object();
        json_object_set_new(j->namespaces, name, labels);
    }
    json_object_set_new(labels, "kubernetes.io/metadata.name", json_string(name));
    return labels;
}

static struct judge *judge_new(const struct deal *deal, const struct world *world, size_t clusters)
{
    struct judge *j = ist_calloc(1, sizeof(*j));
    *j = (struct judge){
        .policies = json_array(), .namespaces = json_object(), .deal = deal, .clusters = clusters};
    size_t i;
    json_t *object, *made = companions_of(world);
    for (size_t c = 0; c < world_cluster_count(world); c++)
        json_array_append_new(j->policies, json_array());
    json_array_foreach(deal->fixed, i, object)
    {
        const char *name = ist_json_str_or(object, "metadata.name", "");
        if (!strcmp(ist_json_str_or(object, "kind", ""), "Namespace")) {
            json_object_update(labels_of_namespace(j, name), ist_json_at(object, "metadata.labels"));
            continue;
        }
        json_t *policy = json_deep_copy(object);
        if (!ist_json_str(policy, "metadata.namespace"))
            json_object_set_new(json_object_get(policy, "metadata"), "namespace", json_string("default"));
        for (size_t c = 0; c < world_cluster_count(world); c++)
            json_array_append(json_array_get(j->policies, c), policy);
        json_decref(policy);
    }
    json_array_foreach(made, i, object) json_array_append(
        json_array_get(j->policies, (size_t)json_integer_value(json_object_get(object, "cluster"))),
        json_object_get(object, "object"));
    json_decref(made);
    collect_edges(j->policies, j->edges);
    collect_edges(deal->pods, j->edges);
    j->edges[1] = 1;
    return j;
}

static void judge_free(struct judge *j)
{
    json_decref(j->policies);
    json_decref(j->namespaces);
    ist_free(j);
}

// A pod as its own cluster knows it, or as another one does: by its address alone.
static struct net_end seen(struct judge *j, const json_t *pod, int near)
{
    struct net_end end = {0};
    if (near) {
        end.pod = pod;
        end.ns_labels = labels_of_namespace(j, ist_json_str_or(pod, "metadata.namespace", ""));
    } else {
        assert_int_equal(ist_ipv4_parse(ist_json_str_or(pod, "status.podIP", ""), &end.address), IST_OK);
    }
    return end;
}

static int judged(struct judge *j, const json_t *a, const json_t *b, int proto, int port)
{
    const size_t from = cluster_of(j, a), to = cluster_of(j, b);
    char why[256];
    struct net_connection out = {
        .src = seen(j, a, 1), .dst = seen(j, b, from == to), .proto = proto, .port = port};
    struct net_connection in = {
        .src = seen(j, a, from == to), .dst = seen(j, b, 1), .proto = proto, .port = port};
    return net_policy_allows(json_array_get(j->policies, from), false, &out, why, sizeof(why)) &&
           net_policy_allows(json_array_get(j->policies, to), true, &in, why, sizeof(why));
}

static size_t judge_pair(struct judge *j, const char *set, const json_t *a, const json_t *b,
                         const char *expected)
{
    static const int protos[PROTO_COUNT] = {NET_TCP, NET_UDP, NET_SCTP};
    struct conns *conns = conns_new();
    conn want = CONN_NONE;
    size_t wrong = 0;
    if (expected && conns_parse(conns, expected, &want))
        fail_msg("%s: \"%s\" is not understood", set, expected);
    for (int port = 1; port < 65536 && !wrong; port++)
        for (uint8_t p = 0; j->edges[port] && p < PROTO_COUNT; p++)
            if (judged(j, a, b, protos[p], port) != conns_has(conns, want, p, (uint32_t)port)) {
                print_error("%s: %s => %s: %s %d is not as in \"%s\"\n", set,
                            ist_json_str_or(a, "workload", ""), ist_json_str_or(b, "workload", ""),
                            proto_name(p), port, expected ? expected : "");
                wrong = 1;
            }
    conns_free(conns);
    return wrong;
}

// The first pod of a workload speaks for it.
static size_t judge_all(struct judge *j, const char *set, const json_t *want)
{
    json_t *first = json_object(), *pod, *a, *b;
    const char *from, *to;
    size_t i, wrong = 0;
    json_array_foreach(j->deal->pods, i, pod)
    {
        const char *workload = ist_json_str_or(pod, "workload", "");
        if (!json_object_get(first, workload))
            json_object_set(first, workload, pod);
    }
    json_object_foreach(first, from, a) json_object_foreach(first, to, b)
    {
        char *pair = ist_printf("%s => %s", from, to);
        if (from != to)
            wrong += judge_pair(j, set, a, b, json_string_value(json_object_get(want, pair)));
        ist_free(pair);
    }
    json_decref(first);
    return wrong;
}

static size_t check_judged(const char *set, const char *folder, const json_t *want, size_t clusters)
{
    struct deal deal = deal_of(folder);
    struct world *world = dealt(&deal, clusters);
    struct judge *j = judge_new(&deal, world, clusters);
    const size_t wrong = judge_all(j, set, want);
    judge_free(j);
    world_free(world);
    deal_free(&deal);
    return wrong;
}

static size_t check_two_judged(const char *set, const char *folder, const json_t *want)
{
    return check_judged(set, folder, want, 2);
}

static size_t check_many_judged(const char *set, const char *folder, const json_t *want)
{
    return check_judged(set, folder, want, 0);
}

static void in_one_cluster_every_set_connects_as_its_authors_expect(void **state)
{
    (void)state;
    walk(check_one_cluster);
}

static void dealt_over_two_clusters_and_federated_they_still_do(void **state)
{
    (void)state;
    walk(check_two_federated);
}

static void with_a_cluster_a_workload_they_still_do(void **state)
{
    (void)state;
    walk(check_many_federated);
}

static void the_companions_of_two_clusters_say_the_same(void **state)
{
    (void)state;
    walk(check_two_rendered);
}

static void the_companions_of_a_cluster_a_workload_say_the_same(void **state)
{
    (void)state;
    walk(check_many_rendered);
}

static void the_companions_of_two_clusters_say_so_to_another_judge(void **state)
{
    (void)state;
    walk(check_two_judged);
}

static void the_companions_of_a_cluster_a_workload_say_so_to_another_judge(void **state)
{
    (void)state;
    walk(check_many_judged);
}

// ---- for a real API server ----

static json_t *gathered; // text of a companion's spec -> companion

// Each that says something else than those before, under a name of its own in one namespace: what is asked of the server is
// whether it takes their specs.
static void gather(const json_t *made)
{
    size_t i;
    json_t *one;
    json_array_foreach(made, i, one)
    {
        json_t *object = json_deep_copy(json_object_get(one, "object"));
        char *text = ist_json_text(json_object_get(object, "spec"));
        char *name = ist_printf("p-%zu", json_object_size(gathered));
        json_object_set_new(object, "metadata", json_pack("{ss ss}", "name", name, "namespace", "sets"));
        if (!json_object_get(gathered, text))
            json_object_set(gathered, text, object);
        json_decref(object);
        ist_free(name);
        ist_free(text);
    }
}

static size_t gather_dealt(const char *set, const char *folder, const json_t *want)
{
    (void)set, (void)want;
    for (size_t clusters = 0; clusters <= 2; clusters += 2) {
        struct deal deal = deal_of(folder);
        struct world *world = dealt(&deal, clusters);
        json_t *made = companions_of(world);
        gather(made);
        json_decref(made);
        world_free(world);
        deal_free(&deal);
    }
    return 0;
}

static void every_companion_is_gathered(void **state)
{
    (void)state;
    walk(gather_dealt);
}

// `--companions FILE`: the companions of both dealings of all sets, as a list that kubectl reads.
static int write_companions(const char *path)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_companion_is_gathered)};
    json_t *items = json_array(), *object;
    const char *text;
    gathered = json_object();
    int rc = cmocka_run_group_tests_name("netpol companions", tests, NULL, NULL);
    json_object_foreach(gathered, text, object) json_array_append(items, object);
    json_t *list = json_pack("{ss ss so}", "apiVersion", "v1", "kind", "List", "items", items);
    rc = rc == 0 ? json_dump_file(list, path, JSON_INDENT(1)) : rc;
    json_decref(list);
    json_decref(gathered);
    return rc != 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "--companions"))
        return write_companions(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_one_cluster_every_set_connects_as_its_authors_expect),
        cmocka_unit_test(dealt_over_two_clusters_and_federated_they_still_do),
        cmocka_unit_test(with_a_cluster_a_workload_they_still_do),
        cmocka_unit_test(the_companions_of_two_clusters_say_the_same),
        cmocka_unit_test(the_companions_of_a_cluster_a_workload_say_the_same),
        cmocka_unit_test(the_companions_of_two_clusters_say_so_to_another_judge),
        cmocka_unit_test(the_companions_of_a_cluster_a_workload_say_so_to_another_judge),
    };
    return cmocka_run_group_tests_name("netpol sets", tests, NULL, NULL);
}
