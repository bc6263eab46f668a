// k8s-probe: proves that pods of different clusters reach each other, and that they see each other's own addresses.
// Its plan is always empty; the pods that it proves it with are labelled and removed again.
#include "probe.h"
#include "check.h"

#include <isthmus/check.h>
#include <isthmus/json.h>

#include <string.h>

static const ist_field input_table[] = {
    {"kubeconfigs", "map(kubeconfig)", NULL, IST_REQUIRED | IST_SECRET, "0.1", "Kubeconfigs by cluster name"},
    {"clusters", "list(string)", "[]", 0, "0.1", "Between which of them it is tried; none: all"},
    {"pairs", "list(string)", "[]", 0, "0.1", "Which ways are tried (\"aws -> ccp\"); none: all, both ways"},
    {"checks", "list(enum(ping|tcp|source))", "[ping, tcp, source]", 0, "0.1",
     "What is tried; source: the listener sees the pod's own address"},
    {"image", "string", "registry.k8s.io/e2e-test-images/agnhost:2.53", 0, "0.1", "Image of the probe pods"},
    {"namespace", "string", "default", 0, "0.1", "Where the probe pods run"},
    {"port", "int", "8080", 0, "0.1", "What the listeners listen on"},
    {"timeout", "duration", "2m", 0, "0.1", "How long pods may take to start and to end"},
    {"picture", "object", NULL, 0, "0.1",
     "What the management-ui of the Stars application must have collected"},
    {"picture.cluster", "string", NULL, IST_REQUIRED, "0.1", "Where it runs"},
    {"picture.namespace", "string", "management-ui", 0, "0.1", "Its namespace"},
    {"picture.service", "string", "management-ui", 0, "0.1", "Its Service"},
    {"picture.port", "int", NULL, 0, "0.1", "Port of the Service; the first one without it"},
    {"picture.expect", "list(string)", NULL, IST_REQUIRED, "0.1",
     "The ways that are open, and no others: \"a -> b\""},
    {"picture.settle", "duration", "20s", 0, "0.1", "How long it may take until the picture is as expected"},
};

int64_t duration_of(const json_t *inputs, const char *name, int64_t otherwise)
{
    const json_t *given = json_object_get(inputs, name);
    json_t *normal = NULL;
    int64_t ms = json_is_integer(given) ? json_integer_value(given) : otherwise;
    if (json_is_string(given) && ist_type_normalise("duration", given, &normal, NULL) == IST_OK)
        ms = json_integer_value(normal);
    json_decref(normal);
    return ms;
}

// ---- inputs ----

static unsigned checks_of(const json_t *inputs)
{
    const json_t *names = json_object_get(inputs, "checks");
    unsigned checks = 0;
    size_t i;
    const json_t *name;
    if (!json_is_array(names))
        return CHECK_PING | CHECK_TCP | CHECK_SOURCE;
    json_array_foreach(names, i, name)
    {
        const char *text = json_is_string(name) ? json_string_value(name) : "";
        checks |= strcmp(text, "ping") == 0  ? CHECK_PING
                  : strcmp(text, "tcp") == 0 ? CHECK_TCP
                                             : CHECK_SOURCE;
    }
    return checks;
}

static int index_of(const ist_clusters *clusters, const char *name, size_t len, size_t *index)
{
    for (size_t i = 0; i < clusters->count; i++)
        if (strlen(clusters->items[i].name) == len && strncmp(clusters->items[i].name, name, len) == 0) {
            *index = i;
            return 1;
        }
    return 0;
}

static int is_chosen(const json_t *names, const char *name)
{
    return json_array_size(names) == 0 || ist_json_has(names, name);
}

static int32_t read_pair(struct probe *probe, const char *text, ist_error *err)
{
    const char *arrow = strstr(text, "->");
    size_t from, to, len = arrow ? (size_t)(arrow - text) : 0;
    while (len > 0 && text[len - 1] == ' ')
        len--;
    const char *rest = arrow ? arrow + 2 + strspn(arrow + 2, " ") : "";
    if (!arrow || !index_of(probe->clusters, text, len, &from) ||
        !index_of(probe->clusters, rest, strcspn(rest, " "), &to))
        return ist_fail(err, IST_ERR_INPUT, "pairs",
                        "\"%.100s\": expected \"FROM -> TO\", two of the clusters", text);
    json_array_append_new(probe->pairs, json_pack("[I, I]", (json_int_t)from, (json_int_t)to));
    return IST_OK;
}

static int32_t read_pairs(struct probe *probe, ist_error *err)
{
    const json_t *given = json_object_get(probe->inputs, "pairs"),
                 *chosen = json_object_get(probe->inputs, "clusters");
    size_t i;
    const json_t *text;
    int32_t rc = IST_OK;
    json_array_foreach(given, i, text) if (rc == IST_OK) rc =
        read_pair(probe, json_string_value(text) ? json_string_value(text) : "", err);
    for (size_t from = 0; json_array_size(given) == 0 && from < probe->clusters->count; from++)
        for (size_t to = 0; to < probe->clusters->count; to++)
            if (from != to && is_chosen(chosen, probe->clusters->items[from].name) &&
                is_chosen(chosen, probe->clusters->items[to].name))
                json_array_append_new(probe->pairs, json_pack("[I, I]", (json_int_t)from, (json_int_t)to));
    return rc;
}

static int32_t probe_open(const ist_env *env, struct probe *probe, ist_error *err)
{
    *probe = (struct probe){.env = *env, .inputs = ist_inputs(env), .pairs = json_array()};
    probe->owner = ist_kube_owner(env);
    probe->ns = ist_json_str_or(probe->inputs, "namespace", "default");
    probe->image = ist_json_str_or(probe->inputs, "image", "registry.k8s.io/e2e-test-images/agnhost:2.53");
    probe->port = (int)ist_json_int(probe->inputs, "port", 8080);
    probe->checks = checks_of(probe->inputs);
    probe->timeout_ms = duration_of(probe->inputs, "timeout", 120000);
    int32_t rc = ist_clusters_open(env, probe->inputs, NULL, &probe->clusters, err);
    return rc == IST_OK ? read_pairs(probe, err) : rc;
}

static void probe_close(struct probe *probe)
{
    ist_clusters_free(probe->clusters);
    json_decref(probe->inputs);
    json_decref(probe->pairs);
    json_decref(probe->listeners);
    json_decref(probe->clients);
    ist_free(probe->owner);
}

// ---- operations ----

static int32_t observe(const ist_host *host, ist_call *call)
{
    ist_env env = {host, call};
    ist_set_observed(&env, json_object());
    return IST_OK;
}

static int32_t plan(const ist_host *host, ist_call *call)
{
    (void)host;
    (void)call;
    return IST_OK; // there is nothing that could differ
}

static int32_t verify(const ist_host *host, ist_call *call)
{
    ist_env env = {host, call};
    struct probe probe;
    ist_error err = {0};
    int32_t rc = probe_open(&env, &probe, &err);
    if (rc == IST_OK && probe.checks && json_array_size(probe.pairs)) {
        rc = pods_run(&probe, &err);
        if (rc == IST_OK)
            judge(&probe); // before the pods go: what it asks the clusters about them is still there
        pods_remove(&probe);
    }
    if (rc == IST_OK && ist_json_str(probe.inputs, "picture.cluster"))
        rc = picture_verify(&env, probe.inputs, probe.clusters, &err);
    probe_close(&probe);
    return rc == IST_OK ? rc : ist_report(&env, &err);
}

IST_CHECKED_PLAN(checked_plan, probe_check, plan)

IST_PLUGIN(.name = "k8s-probe", .version = "0.1.0",
           .doc = "Proves that pods of different clusters reach each other under their own addresses",
           IST_INPUTS(input_table), .observe = observe, .plan = checked_plan, .verify = verify,
           .check = probe_check);
