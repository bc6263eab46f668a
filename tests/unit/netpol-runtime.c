// A runtime of the reconciler for tests of k8s-netpol's model.
#include "netpol-runtime.h"

#include "fake-wanted.h"

#include <isthmus/alloc.h>
#include <isthmus/yaml.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

struct job {
    size_t cluster;
    char *key;
    json_t *actions; // array of {name, object or null}
    int touched, again;
};

// ---- what the model calls

void ist_reconciler_touch(ist_reconciler *run, size_t cluster, const char *key, int64_t within_ms)
{
    if (run->job && run->job->cluster == cluster && strcmp(run->job->key, key) == 0)
        run->job->touched = 1;
    for (struct due *due = run->due; due; due = due->next)
        if (due->cluster == cluster && strcmp(due->key, key) == 0) {
            due->urgent |= within_ms == 0;
            return;
        }
    struct due *due = ist_calloc(1, sizeof(*due)), **last = &run->due;
    *due = (struct due){cluster, ist_strdup(key), within_ms == 0, NULL};
    while (*last)
        last = &(*last)->next;
    *last = due;
}

void ist_reconciler_grace(ist_reconciler *run, int64_t ms)
{
    run->grace = ms;
}

uint32_t ist_reconciler_state(const ist_reconciler *run, size_t cluster)
{
    return run->state[cluster];
}

int ist_reconciler_serves(const ist_reconciler *run, size_t cluster, size_t kind)
{
    return cluster < CLUSTERS && kind < 6 && !(kind == KIND_SLICE && run->lacks_slices);
}

const ist_env *ist_reconciler_env(const ist_reconciler *run)
{
    return &run->env;
}

void ist_reconciler_metric(ist_reconciler *run, size_t cluster, const char *name, const char *help,
                           int counter, double value)
{
    (void)run;
    (void)cluster;
    (void)help;
    (void)counter;
    assert_true(value >= 0);
    assert_non_null(name);
}

void ist_reconciler_read(ist_reconciler *run, size_t cluster, const char *path, ist_reconciler_answer *answer)
{
    struct reading *reading = ist_calloc(1, sizeof(*reading)), **last = &run->readings;
    *reading = (struct reading){cluster, ist_strdup(path), answer, NULL};
    while (*last)
        last = &(*last)->next;
    *last = reading;
    run->read_count++;
}

static struct reading *take_reading(struct ist_reconciler *run)
{
    struct reading *reading = run->readings;
    if (reading)
        run->readings = reading->next;
    return reading;
}

static void free_reading(struct reading *reading)
{
    ist_free(reading->path);
    ist_free(reading);
}

int runtime_answer(struct ist_reconciler *run)
{
    struct reading *reading = take_reading(run);
    ist_error err = {0};
    if (!reading)
        return 0;
    json_t *object = json_object_get(run->readable[reading->cluster], reading->path);
    if (run->unreadable[reading->cluster]) {
        ist_fail(&err, IST_ERR_DENIED, "GET", "403 %s", reading->path);
        object = NULL;
    } else if (!object) {
        ist_fail(&err, IST_ERR_NOT_FOUND, "GET", "404 %s", reading->path);
    }
    reading->answer(run->model, reading->cluster, object, &err);
    free_reading(reading);
    return 1;
}

static void forget_readings(struct ist_reconciler *run)
{
    for (struct reading *reading; (reading = take_reading(run));)
        free_reading(reading);
}

// ---- the runtime

uint32_t runtime_random(struct ist_reconciler *run, uint32_t below)
{
    run->random = run->random * 1664525u + 1013904223u;
    return (run->random >> 8) % below;
}

static void open_model(struct ist_reconciler *run, const json_t *inputs)
{
    ist_error err = {0};
    void *model = NULL;
    if (model_open(run, inputs, &run->clusters, &model, &err) != IST_OK)
        fail_msg("%s: %s", err.where, err.text);
    run->model = model;
    run->model->watching = 1;
}

struct ist_reconciler *runtime_new(const char *text)
{
    static const char *const names[CLUSTERS] = {"east", "west", "north"};
    struct ist_reconciler *run = ist_calloc(1, sizeof(*run));
    json_t *inputs = NULL;
    ist_error err;
    if (ist_yaml_parse(text, strlen(text), "inputs", &inputs, &err) != IST_OK)
        fail_msg("%s: %s", err.where, err.text);
    run->clusters = (ist_clusters){.items = run->items, .count = CLUSTERS};
    for (size_t i = 0; i < CLUSTERS; i++) {
        char *cidr = ist_printf("10.%zu.0.0/16", i + 1);
        run->items[i].name = ist_strdup(names[i]);
        run->items[i].pod_cidrs = ist_calloc(1, sizeof(ist_net));
        run->items[i].pod_cidr_count = 1;
        ist_net_parse(cidr, run->items[i].pod_cidrs, NULL);
        run->state[i] = IST_CLUSTER_SYNCED;
        run->objects[i] = json_object();
        run->seen[i] = json_object();
        run->readable[i] = json_object();
        ist_free(cidr);
    }
    run->notes = json_array();
    run->random = 7;
    open_model(run, inputs);
    json_decref(inputs);
    for (size_t i = 0; i < CLUSTERS; i++)
        model_state(run->model, i, run->state[i]);
    return run;
}

static void forget_due(struct ist_reconciler *run)
{
    while (run->due) {
        struct due *due = run->due;
        run->due = due->next;
        ist_free(due->key);
        ist_free(due);
    }
}

static void free_job(struct ist_reconciler *run)
{
    if (run->job) {
        json_decref(run->job->actions);
        ist_free(run->job->key);
        ist_free(run->job);
    }
    run->job = NULL;
}

void runtime_free(struct ist_reconciler *run)
{
    model_close(run->model);
    forget_readings(run);
    forget_due(run);
    free_job(run);
    for (size_t i = 0; i < CLUSTERS; i++) {
        ist_free(run->items[i].name);
        ist_free(run->items[i].pod_cidrs);
        json_decref(run->objects[i]);
        json_decref(run->seen[i]);
        json_decref(run->readable[i]);
    }
    json_decref(run->notes);
    ist_free(run);
}

static size_t kind_of(const char *kind)
{
    static const char *const kinds[] = {"NetworkPolicy", "Namespace",     "Pod",
                                        "Service",       "EndpointSlice", "DaemonSet"};
    for (size_t i = 0; i < 6; i++)
        if (strcmp(kinds[i], kind) == 0)
            return i;
    fail_msg("no kind %s", kind);
    return 0;
}

static char *seen_key(const json_t *object)
{
    return ist_printf("%s %s/%s", ist_json_str_or(object, "kind", ""),
                      ist_json_str_or(object, "metadata.namespace", ""),
                      ist_json_str_or(object, "metadata.name", ""));
}

void runtime_put(struct ist_reconciler *run, size_t cluster, const char *yaml)
{
    json_t *documents = NULL, *document;
    size_t i;
    ist_error err;
    if (ist_yaml_parse_all(yaml, strlen(yaml), "test", &documents, &err) != IST_OK)
        fail_msg("%s: %s", err.where, err.text);
    json_array_foreach(documents, i, document)
    {
        char *key = seen_key(document);
        json_object_set(run->seen[cluster], key, document);
        model_see(run->model, cluster, kind_of(ist_json_str_or(document, "kind", "")), document, 0);
        ist_free(key);
    }
    json_decref(documents);
}

void runtime_remove(struct ist_reconciler *run, size_t cluster, const char *kind, const char *ns,
                    const char *name)
{
    json_t *object =
        json_pack("{s:s, s:{s:s, s:s}}", "kind", kind, "metadata", "namespace", ns, "name", name);
    char *key = seen_key(object);
    if (json_object_get(run->seen[cluster], key)) {
        json_object_del(run->seen[cluster], key);
        model_see(run->model, cluster, kind_of(kind), object, 1);
    }
    ist_free(key);
    json_decref(object);
}

void runtime_state(struct ist_reconciler *run, size_t cluster, uint32_t state)
{
    run->state[cluster] = state;
    model_state(run->model, cluster, state);
}

void runtime_restart(struct ist_reconciler *run)
{
    json_t *inputs = json_deep_copy(run->model->inputs), *object;
    const char *name;
    model_close(run->model);
    forget_readings(run);
    free_job(run);
    forget_due(run);
    for (size_t i = 0; i < CLUSTERS; i++)
        run->state[i] = IST_CLUSTER_UNKNOWN;
    open_model(run, inputs);
    json_decref(inputs);
    for (size_t i = 0; i < CLUSTERS; i++) {
        json_object_foreach(run->seen[i], name, object)
            model_see(run->model, i, kind_of(ist_json_str_or(object, "kind", "")), object, 0);
        runtime_state(run, i, IST_CLUSTER_SYNCED);
    }
    for (size_t i = 0; i < CLUSTERS; i++)
        json_object_foreach(run->objects[i], name, object)
        {
            char *key = model_key_of(run->model, i, KIND_POLICY, object);
            ist_reconciler_touch(run, i, key, 0);
            ist_free(key);
        }
}

void runtime_share_network(struct ist_reconciler *run)
{
    for (size_t i = 0; i < CLUSTERS; i++)
        run->items[i].pod_cidr_count = 0;
    runtime_restart(run);
}

// ---- deciding

static struct ist_wanted ask(struct ist_reconciler *run, size_t cluster, const char *key)
{
    struct ist_wanted wanted = {0};
    fake_wanted_clear(&wanted);
    model_want(run->model, cluster, key, &wanted);
    json_decref(run->notes);
    run->notes = wanted.notes;
    json_decref(wanted.if_absent);
    return wanted;
}

json_t *runtime_wanted(struct ist_reconciler *run, size_t cluster, const char *key)
{
    struct ist_wanted wanted = ask(run, cluster, key);
    json_decref(wanted.keep);
    return wanted.objects;
}

const json_t *runtime_object(const struct ist_reconciler *run, size_t cluster, const char *ns_name)
{
    return json_object_get(run->objects[cluster], ns_name);
}

static char *object_name(const json_t *object)
{
    return ist_printf("%s/%s", ist_json_str_or(object, "metadata.namespace", ""),
                      ist_json_str_or(object, "metadata.name", ""));
}

static int stays(const struct ist_wanted *wanted, const json_t *object)
{
    const char *source =
        json_string_value(json_object_get(ist_json_at(object, "metadata.labels"), IST_LABEL_SOURCE_CLUSTER));
    size_t i;
    json_t *kept;
    json_array_foreach(wanted->keep, i,
                       kept) if (source && strcmp(json_string_value(kept), source) == 0) return 1;
    return wanted->keep_all;
}

// Our objects of that cluster which belong to the key. New reference.
static json_t *of_key(struct ist_reconciler *run, size_t cluster, const char *key)
{
    json_t *objects = json_object(), *object;
    const char *name;
    json_object_foreach(run->objects[cluster], name, object)
    {
        char *is = policy_key(object);
        if (strcmp(is, key) == 0)
            json_object_set(objects, name, object);
        ist_free(is);
    }
    return objects;
}

static void start(struct ist_reconciler *run, size_t cluster, const char *key)
{
    struct ist_wanted wanted = ask(run, cluster, key);
    json_t *before = of_key(run, cluster, key), *after = json_object(), *object;
    const char *name;
    size_t i;
    run->job = ist_calloc(1, sizeof(*run->job));
    *run->job = (struct job){cluster, ist_strdup(key), json_array(), 0, wanted.again};
    json_object_foreach(before, name, object) if (stays(&wanted, object))
        json_object_set(after, name, object);
    json_array_foreach(wanted.objects, i, object)
    {
        char *written = object_name(object);
        json_object_set(after, written, object);
        if (!json_equal(json_object_get(before, written), object))
            json_array_append_new(run->job->actions,
                                  json_pack("{s:s, s:O}", "name", written, "object", object));
        ist_free(written);
    }
    json_object_foreach(before, name, object) if (!json_object_get(after, name))
        json_array_append_new(run->job->actions, json_pack("{s:s, s:n}", "name", name, "object"));
    if (run->decided)
        run->decided(run, cluster, key, before, after);
    json_decref(before);
    json_decref(after);
    json_decref(wanted.objects);
    json_decref(wanted.keep);
}

static void write_one(struct ist_reconciler *run)
{
    struct job *job = run->job;
    json_t *action = json_array_get(job->actions, 0), *object = json_object_get(action, "object");
    const char *name = ist_json_str_or(action, "name", "");
    const json_t *before = json_object_get(run->objects[job->cluster], name);
    const json_t *after = json_is_object(object) ? object : NULL;
    if (run->before_write)
        run->before_write(run, job->cluster, job->key, before, after);
    if (after)
        json_object_set(run->objects[job->cluster], name, object);
    else
        json_object_del(run->objects[job->cluster], name);
    run->writes++;
    json_array_remove(job->actions, 0);
}

static void end(struct ist_reconciler *run)
{
    struct job job = *run->job;
    json_decref(job.actions);
    ist_free(run->job);
    run->job = NULL;
    model_written(run->model, job.cluster, job.key);
    if (job.touched || job.again)
        ist_reconciler_touch(run, job.cluster, job.key, 0);
    ist_free(job.key);
}

static struct due **next_due(struct ist_reconciler *run)
{
    struct due **best = NULL;
    size_t seen = 0;
    for (struct due **link = &run->due; *link; link = &(*link)->next) {
        if (run->state[(*link)->cluster] != IST_CLUSTER_SYNCED)
            continue;
        if (run->shuffled ? runtime_random(run, (uint32_t)++seen) == 0
                          : !best || ((*link)->urgent && !(*best)->urgent))
            best = link;
    }
    return best;
}

int runtime_step(struct ist_reconciler *run)
{
    if (run->job) {
        if (json_array_size(run->job->actions))
            write_one(run);
        else
            end(run);
        return 1;
    }
    struct due **link = next_due(run);
    if (!link)
        return 0;
    struct due *due = *link;
    *link = due->next;
    start(run, due->cluster, due->key);
    ist_free(due->key);
    ist_free(due);
    return 1;
}

void runtime_settle(struct ist_reconciler *run)
{
    int steps = 0;
    while (runtime_step(run))
        if (++steps > 100000)
            fail_msg("it does not come to rest");
}
