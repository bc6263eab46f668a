// The operations. One reading: everything is listed once, what is ours is compared while it streams by, and what
// is left to do is told (observe, plan, verify) or done (apply).
#include "reconciler.h"

#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX (4u << 20) // of what differs, told in full
#define FOLLOW_MS  10000      // a daemon has to write what was planned

// ---- one reading ----

static int read_whole(ist_reconciler *run)
{
    for (size_t i = 0; i < run->clusters->count; i++)
        if (!run->items[i].compared && !run->items[i].failed)
            return 0;
    return 1;
}

static int all_written(ist_reconciler *run)
{
    for (size_t i = 0; i < run->clusters->count; i++) {
        const struct rec_cluster *cluster = &run->items[i];
        if (!cluster->failed && !cluster->left && (cluster->jobs || cluster->keys.due))
            return 0;
    }
    return 1;
}

static const char *const verbs[] = {"create", "update", "delete", "update"};

static json_t *fields_of(const struct rec_cluster *cluster, const struct rec_action *action)
{
    char *id = ist_printf("%zu/%zu/%s/%s", cluster->index, action->kind, action->ns, action->name);
    json_t *fields = json_object_get(cluster->run->fields, id);
    ist_free(id);
    return fields ? json_incref(fields) : json_array();
}

// As of ist_kube_set_report(); `whole`: with the documents, else with what names them.
static json_t *told(const struct rec_cluster *cluster, const struct rec_action *action, int whole)
{
    const ist_reconciler_kind *kind = &cluster->run->plugin->kinds[action->kind];
    json_t *object = action->object && whole ? json_incref(action->object)
                                             : json_pack("{s:s, s:s, s:{s:s, s:s*}}", "apiVersion", kind->api,
                                                         "kind", kind->kind, "metadata", "name", action->name,
                                                         "namespace", *action->ns ? action->ns : NULL);
    char *digest = rec_digest_text(action->object);
    json_t *made = json_pack("{s:s, s:o, s:o, s:s, s:s*}", "action", verbs[action->op], "object", object,
                             "fields", fields_of(cluster, action), "digest", digest, "uid", action->uid);
    ist_free(digest);
    return made;
}

static int by_name(const void *a, const void *b)
{
    const struct rec_key *const *x = a, *const *y = b;
    return strcmp((*x)->text, (*y)->text);
}

// All keys of a cluster, by name, so that a plan reads the same each time. The caller's.
static struct rec_key **all_keys(const struct rec_cluster *cluster, size_t *count)
{
    struct rec_key **keys = ist_calloc(cluster->keys.count + 1, sizeof(struct rec_key *));
    *count = 0;
    for (size_t i = 0; i < cluster->keys.room; i++)
        for (struct rec_key *key = cluster->keys.slots[i]; key; key = key->chain)
            keys[(*count)++] = key;
    qsort(keys, *count, sizeof(struct rec_key *), by_name);
    return keys;
}

// Is nobody else to make this? What many may want is told once; else two keys for one name are an error.
static int is_first(struct rec_job *job, const struct rec_action *action, json_t *made)
{
    char *id = ist_printf("%zu %s/%s", action->kind, action->ns, action->name);
    const char *other = json_string_value(json_object_get(made, id));
    if (!other)
        json_object_set_new(made, id, json_string(job->key->text));
    else if (!action->if_absent)
        rec_clash(job, other, action->kind, action->ns, action->name);
    int first = other == NULL;
    ist_free(id);
    return first;
}

// What is to do in one cluster: {uid, actions, notes}. New reference.
static json_t *todo_of(struct rec_cluster *cluster, int whole)
{
    json_t *actions = json_array(), *deletions = json_array(), *notes = json_array();
    size_t count;
    cluster->run->holding++;
    struct rec_key **keys = all_keys(cluster, &count);
    json_t *made = json_object();
    for (size_t i = 0; i < count; i++) {
        struct rec_job *job = rec_decide(cluster, keys[i]);
        for (size_t a = 0; a < job->count; a++)
            if (job->actions[a].op != REC_CREATE || is_first(job, &job->actions[a], made))
                json_array_append_new(job->actions[a].op == REC_DELETE ? deletions : actions,
                                      told(cluster, &job->actions[a], whole));
        json_array_extend(notes, keys[i]->notes);
        rec_job_free(job);
    }
    cluster->run->holding--;
    json_decref(made);
    json_array_extend(actions, deletions);
    json_decref(deletions);
    ist_free(keys);
    return json_pack("{s:s*, s:o, s:o}", "uid", cluster->item->uid, "actions", actions, "notes", notes);
}

static json_t *fault_of(const struct rec_cluster *cluster)
{
    return json_pack(
        "{s:{s:i, s:s, s:s, s:s}}", "fault", "code",
        cluster->fault.code ? cluster->fault.code : IST_ERR_NETWORK, "where", cluster->fault.where, "text",
        cluster->fault.code ? cluster->fault.text : "it did not answer", "hint", cluster->fault.hint);
}

// Cluster -> what is to do, or {fault}. New reference.
static json_t *todo_all(ist_reconciler *run, int whole)
{
    json_t *todo = json_object();
    for (size_t i = 0; i < run->clusters->count; i++) {
        struct rec_cluster *cluster = &run->items[i];
        json_object_set_new(todo, cluster->item->name,
                            cluster->compared ? todo_of(cluster, whole) : fault_of(cluster));
    }
    return todo;
}

// When no cluster could be read there is nothing to say.
static int32_t none_read(const ist_reconciler *run, ist_error *err)
{
    for (size_t i = 0; i < run->clusters->count; i++)
        if (run->items[i].compared)
            return IST_OK;
    if (run->clusters->count == 0)
        return IST_OK;
    const struct rec_cluster *first = &run->items[0];
    if (first->fault.code)
        *err = first->fault;
    else
        ist_fail(err, IST_ERR_NETWORK, first->item->name, "it did not answer");
    return err->code;
}

static int32_t read_once(const ist_env *env, const ist_reconciler_plugin *plugin, ist_reconciler **run,
                         ist_error *err)
{
    int32_t rc = rec_open(env, plugin, 0, NULL, NULL, run, err);
    if (rc != IST_OK)
        return rc;
    rc = rec_drive(*run, read_whole, err);
    if (rc == IST_OK)
        rc = none_read(*run, err);
    if (rc != IST_OK) {
        rec_close(*run);
        *run = NULL;
    }
    return rc;
}

static int32_t no_clash(const ist_reconciler *run, ist_error *err)
{
    for (size_t i = 0; i < run->clusters->count; i++)
        if (run->items[i].clash.code) {
            *err = run->items[i].clash;
            return err->code;
        }
    return IST_OK;
}

static json_t *outputs_of(const ist_reconciler *run)
{
    json_t *outputs = json_object();
    if (run->plugin->outputs)
        run->plugin->outputs(run->model, outputs);
    return outputs;
}

static void set_outputs(const ist_env *env, const json_t *outputs)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)outputs, name, value)
        ist_set_output(env, name, json_incref(value));
}

// Past the limit the fields are told without their values: the plan still names what changes.
static void thin_out(json_t *todo)
{
    size_t sum = 0, i, k;
    const char *name;
    json_t *part, *action, *field;
    json_object_foreach(todo, name, part) json_array_foreach(json_object_get(part, "actions"), i, action)
        json_array_foreach(json_object_get(action, "fields"), k, field)
    {
        sum += sum < FIELDS_MAX ? json_dumpb(field, NULL, 0, JSON_COMPACT) : 0;
        if (sum < FIELDS_MAX)
            continue;
        json_object_set_new(field, "before", json_string("..."));
        json_object_set_new(field, "after", json_string("..."));
    }
}

// ---- observe and plan ----

int32_t ist_reconciler_observe(const ist_env *env, const ist_reconciler_plugin *plugin)
{
    ist_reconciler *run = NULL;
    ist_error err = {0};
    if (read_once(env, plugin, &run, &err) != IST_OK)
        return ist_report(env, &err);
    json_t *todo = todo_all(run, 0);
    if (no_clash(run, &err) != IST_OK) {
        json_decref(todo);
        rec_close(run);
        return ist_report(env, &err);
    }
    json_t *outputs = outputs_of(run);
    thin_out(todo);
    ist_set_observed(env, json_pack("{s:o, s:O}", "clusters", todo, "outputs", outputs));
    set_outputs(env, outputs);
    json_decref(outputs);
    rec_close(run);
    return IST_OK;
}

static void tell_notes(const ist_env *env, const char *cluster, const json_t *part)
{
    size_t i;
    json_t *note;
    const char *fault = ist_json_str(part, "fault.text");
    if (fault)
        ist_log(env, IST_LOG_WARN, "cluster %s cannot be read: %s", cluster, fault);
    json_array_foreach(json_object_get(part, "notes"), i, note)
        ist_log(env, IST_LOG_WARN, "%s: %s", cluster, json_string_value(note));
}

// What cannot be read may need anything: an empty plan would say that all is well, and apply would not be asked.
static void tell_unread(const ist_env *env, const char *what, const char *cluster, const json_t *part)
{
    const char *fault = ist_json_str(part, "fault.text");
    if (!fault)
        return;
    char *resource = ist_printf("%s in %s", what, cluster), *why = ist_printf("cannot be read: %s", fault);
    ist_change(env, IST_UPDATE, resource, why);
    ist_free(resource);
    ist_free(why);
}

// The model judges with everything in sight: it is read again.
static int32_t admit_plan(const ist_env *env, const ist_reconciler_plugin *plugin, ist_error *err)
{
    ist_reconciler *run = NULL;
    int32_t rc = read_once(env, plugin, &run, err);
    if (rc != IST_OK)
        return rc;
    json_t *todo = todo_all(run, 1), *actions = json_object(), *part;
    const char *name;
    json_object_foreach(todo, name, part) json_object_set(actions, name, json_object_get(part, "actions"));
    ist_error why = {0};
    if (plugin->admit(run->model, env, actions, &why) != IST_OK)
        ist_log(env, IST_LOG_WARN, "apply will refuse this: %s: %s", why.where, why.text);
    json_decref(actions);
    json_decref(todo);
    rec_close(run);
    return IST_OK;
}

// A cluster that the inputs name no more keeps what was made there, and nobody looks after it.
static void tell_dropped(const ist_env *env, const ist_reconciler_plugin *plugin, const json_t *clusters)
{
    json_t *recorded = ist_recorded(env), *record;
    const char *resource;
    json_object_foreach(recorded, resource, record)
    {
        const char *cluster = ist_json_str_or(record, "data.cluster", "");
        if (json_object_get(clusters, cluster) || !*ist_json_str_or(record, "data.made", ""))
            continue;
        ist_log(env, IST_LOG_WARN,
                "%s stay in %s, which `clusters` names no more: name it again, with nothing that goes there, "
                "and apply "
                "takes them away",
                plugin->what, cluster);
    }
    json_decref(recorded);
}

int32_t ist_reconciler_plan(const ist_env *env, const ist_reconciler_plugin *plugin)
{
    json_t *observed = ist_observed(env), *part;
    const char *cluster;
    ist_error err = {0};
    int32_t rc = IST_OK;
    json_object_foreach(json_object_get(observed, "clusters"), cluster, part)
    {
        tell_notes(env, cluster, part);
        tell_unread(env, plugin->what, cluster, part);
        ist_kube_set_report(env, cluster, json_object_get(part, "actions"));
    }
    tell_dropped(env, plugin, json_object_get(observed, "clusters"));
    set_outputs(env, json_object_get(observed, "outputs"));
    if (plugin->admit)
        rc = admit_plan(env, plugin, &err);
    json_decref(observed);
    return rc == IST_OK ? rc : ist_report(env, &err);
}

// ---- apply ----

// What the plan told of: cluster -> "create Service ns/name" -> digest. New reference.
static json_t *planned_of(const json_t *observed)
{
    json_t *planned = json_object(), *part, *action;
    const char *cluster;
    size_t i;
    json_object_foreach(json_object_get(observed, "clusters"), cluster, part)
    {
        json_t *of = json_object();
        json_array_foreach(json_object_get(part, "actions"), i, action)
        {
            const char *ns = ist_json_str_or(action, "object.metadata.namespace", "");
            const char *digest = ist_json_str_or(action, "digest", "");
            char *id = ist_printf("%s %s %s%s%s", ist_json_str_or(action, "action", ""),
                                  ist_json_str_or(action, "object.kind", ""), ns, *ns ? "/" : "",
                                  ist_json_str_or(action, "object.metadata.name", ""));
            json_object_set_new(of, id, json_string(digest));
            ist_free(id);
        }
        json_object_set_new(planned, cluster, of);
    }
    return planned;
}

static int32_t admit_apply(ist_reconciler *run, ist_error *err)
{
    if (!run->plugin->admit)
        return IST_OK;
    json_t *todo = todo_all(run, 1), *actions = json_object(), *part;
    const char *name;
    json_object_foreach(todo, name, part) json_object_set(actions, name, json_object_get(part, "actions"));
    int32_t rc = run->plugin->admit(run->model, &run->env, actions, err);
    json_decref(actions);
    json_decref(todo);
    return rc;
}

// Before the first write: what was made before; after the last: what there is.
static json_t *record_of(const struct rec_cluster *cluster, int done)
{
    char *made = done ? rec_made_text(cluster) : NULL;
    json_t *record =
        json_pack("{s:s, s:s, s:s*}", "cluster", cluster->item->name, "uid", cluster->item->uid, "made",
                  done ? made : rec_made_recorded(cluster->run->recorded, cluster->item->name));
    ist_free(made);
    return record;
}

// Objects' names are ours, so that one intent is enough for all of a cluster; it is durable before the first.
static int32_t intend(ist_reconciler *run, int done, ist_error *err)
{
    int32_t rc = IST_OK;
    for (size_t i = 0; i < run->clusters->count && rc == IST_OK; i++) {
        const struct rec_cluster *cluster = &run->items[i];
        char token[65], *resource = ist_printf("%s in %s", run->plugin->what, cluster->item->name);
        if (cluster->compared && !done)
            rc = ist_intent(&run->env, resource, record_of(cluster, 0), token, err);
        else if (cluster->compared && !cluster->failed && !cluster->left)
            rc = ist_outcome(&run->env, resource, record_of(cluster, 1), err);
        ist_free(resource);
    }
    return rc;
}

// The first thing that stands in the way of "done", if any.
static int32_t shortfall(const ist_reconciler *run, ist_error *err)
{
    for (size_t i = 0; i < run->clusters->count; i++) {
        const struct rec_cluster *cluster = &run->items[i];
        if (cluster->failed || cluster->left || !cluster->compared) {
            *err = cluster->fault;
            if (err->code == IST_OK)
                ist_fail(err, IST_ERR_NETWORK, cluster->item->name, "it did not answer");
            return err->code;
        }
        if (cluster->unwritten.code) {
            *err = cluster->unwritten;
            return err->code;
        }
    }
    return no_clash(run, err);
}

// A cluster that the plan could not look into: nobody has seen what would be written there.
static int32_t all_planned(const ist_reconciler *run, const json_t *observed, ist_error *err)
{
    for (size_t i = 0; i < run->clusters->count; i++) {
        const char *name = run->items[i].item->name;
        if (ist_json_at(json_object_get(json_object_get(observed, "clusters"), name), "fault"))
            return ist_fail(err, IST_ERR_NETWORK, name,
                            "it could not be read when this was planned: apply again");
    }
    return IST_OK;
}

// Is there something to write in a cluster? Without a plan there may be.
static int writes_in(const ist_reconciler *run, const struct rec_cluster *cluster)
{
    return cluster->compared &&
           (!run->planned || json_object_size(json_object_get(run->planned, cluster->item->name)));
}

// Does all that was left to others stand there as it should by now?
static int32_t is_followed(const ist_reconciler *run, int *all, ist_error *err)
{
    ist_reconciler *again = NULL;
    int32_t rc = read_once(&run->env, run->plugin, &again, err);
    if (rc != IST_OK)
        return rc;
    json_t *todo = todo_all(again, 0);
    *all = 1;
    for (size_t i = 0; i < run->clusters->count; i++) {
        const json_t *part = json_object_get(todo, run->items[i].item->name);
        if (run->items[i].left &&
            (!json_object_get(part, "actions") || json_array_size(json_object_get(part, "actions"))))
            *all = 0;
    }
    json_decref(todo);
    rec_close(again);
    return IST_OK;
}

// A daemon of this step writes in some cluster, and this one does not: it is given the time to do so.
static int32_t follow(ist_reconciler *run, ist_error *err)
{
    int64_t until = ist_now_ms(&run->env) + FOLLOW_MS;
    int left = 0, all = 0;
    int32_t rc = IST_OK;
    for (size_t i = 0; i < run->clusters->count; i++)
        if (run->items[i].left) {
            left = 1;
            ist_progress(&run->env, "%s: %s writes there", run->items[i].item->name,
                         run->items[i].lease.holder);
        }
    while (left && rc == IST_OK && !all && ist_now_ms(&run->env) < until) {
        rc = is_followed(run, &all, err);
        if (rc == IST_OK && !all && ist_sleep_ms(&run->env, 1000) != IST_OK)
            rc = ist_fail(err, IST_ERR_CANCELLED, run->plugin->what, "cancelled");
    }
    for (size_t i = 0; i < run->clusters->count && all; i++)
        run->items[i].left = 0;
    return rc;
}

static int32_t write_planned(ist_reconciler *run, const json_t *observed, ist_error *err)
{
    int32_t rc = admit_apply(run, err);
    if (rc == IST_OK)
        rc = intend(run, 0, err);
    if (rc != IST_OK)
        return rc;
    if (json_is_object(json_object_get(observed, "clusters")))
        run->planned = planned_of(observed);
    run->writing = 1;
    for (size_t i = 0; i < run->clusters->count; i++) {
        size_t count;
        struct rec_cluster *cluster = &run->items[i];
        struct rec_key **keys = all_keys(cluster, &count);
        for (size_t k = 0; k < count && cluster->compared; k++)
            rec_key_due(cluster, keys[k], 1);
        ist_free(keys);
        if (writes_in(run, cluster))
            rec_lease_open(cluster);
    }
    ist_progress(&run->env, "writing %s", run->plugin->what);
    rc = rec_drive(run, all_written, err);
    if (rc == IST_OK)
        rc = follow(run, err);
    if (rc == IST_OK)
        rc = shortfall(run, err);
    if (rc == IST_OK)
        rc = all_planned(run, observed, err);
    ist_error why = {0};
    if (intend(run, 1, &why) != IST_OK && rc == IST_OK) {
        *err = why;
        rc = why.code;
    }
    if (run->unplanned)
        ist_log(&run->env, IST_LOG_WARN, "%zu objects have come to differ since the plan: apply again",
                run->unplanned);
    return rc;
}

int32_t ist_reconciler_apply(const ist_env *env, const ist_reconciler_plugin *plugin)
{
    ist_reconciler *run = NULL;
    ist_error err = {0};
    json_t *observed = ist_observed(env);
    int32_t rc = read_once(env, plugin, &run, &err);
    if (rc == IST_OK)
        rc = write_planned(run, observed, &err);
    if (rc == IST_OK) {
        json_t *outputs = outputs_of(run);
        set_outputs(env, outputs);
        json_decref(outputs);
    }
    if (run)
        rec_hand_over(run);
    rec_close(run);
    json_decref(observed);
    return rc == IST_OK ? rc : ist_report(env, &err);
}

// ---- verify ----

static void check_cluster(const ist_env *env, const char *what, const char *cluster, const json_t *part)
{
    char *name = ist_printf("%s in %s", what, cluster);
    size_t actions = json_array_size(json_object_get(part, "actions"));
    const json_t *notes = json_object_get(part, "notes"), *object = ist_json_at(part, "actions[0].object");
    if (ist_json_str(part, "fault.text"))
        ist_check(env, name, IST_FAIL, "it cannot be read: %s", ist_json_str(part, "fault.text"));
    else if (actions)
        ist_check(env, name, IST_FAIL, "%zu to write, first %s %s", actions,
                  ist_json_str_or(object, "kind", "?"), ist_json_str_or(object, "metadata.name", "?"));
    else if (json_array_size(notes))
        ist_check(env, name, IST_WARN, "as they should be, but for %zu; first: %s", json_array_size(notes),
                  json_string_value(json_array_get(notes, 0)));
    else
        ist_check(env, name, IST_PASS, "as they should be");
    ist_free(name);
}

int32_t ist_reconciler_verify(const ist_env *env, const ist_reconciler_plugin *plugin)
{
    ist_reconciler *run = NULL;
    ist_error err = {0};
    int32_t rc = read_once(env, plugin, &run, &err);
    if (rc != IST_OK)
        return ist_report(env, &err);
    json_t *todo = todo_all(run, 0), *part;
    const char *cluster;
    json_object_foreach(todo, cluster, part) check_cluster(env, plugin->what, cluster, part);
    rc = no_clash(run, &err);
    if (plugin->verify && rc == IST_OK)
        rc = plugin->verify(run->model, env, &err);
    json_decref(todo);
    rec_close(run);
    return rc == IST_OK ? rc : ist_report(env, &err);
}

// ---- watch ----

#define AGAIN_MS 1000 // what could not begin now tries again, or with newer inputs

// A watch that was at work does not end because what its inputs name cannot be read for a while. `inputs` is stolen.
static int32_t open_again(const ist_env *env, const ist_reconciler_plugin *plugin, const char *identity,
                          json_t *inputs, ist_reconciler **run, ist_error *err)
{
    int told = 0;
    int32_t rc = rec_open(env, plugin, 1, ist_strdup(identity), json_incref(inputs), run, err);
    while (rc != IST_OK) {
        if (!told)
            ist_log(env, IST_LOG_ERROR, "%s cannot go on, and tries again: %s: %s", plugin->what, err->where,
                    err->text);
        told = 1;
        if (ist_sleep_ms(env, AGAIN_MS) != IST_OK) {
            rc = ist_fail(err, IST_ERR_CANCELLED, plugin->what, "cancelled");
            break;
        }
        json_t *newer = ist_reconfigured(env);
        if (newer) {
            json_decref(inputs);
            inputs = newer;
            told = 0;
        }
        rc = rec_open(env, plugin, 1, ist_strdup(identity), json_incref(inputs), run, err);
    }
    json_decref(inputs);
    return rc;
}

int32_t ist_reconciler_watch(const ist_env *env, const ist_reconciler_plugin *plugin)
{
    ist_error err = {0};
    ist_reconciler *run = NULL;
    int32_t rc = rec_open(env, plugin, 1, NULL, NULL, &run, &err);
    while (rc == IST_OK) {
        run->writing = 1;
        rc = rec_drive(run, NULL, &err);
        if (rc != IST_AGAIN)
            break;
        // The same holder of the leases, with other inputs or another view of a cluster.
        char *identity = ist_strdup(run->identity);
        json_t *inputs = rec_following_inputs(run);
        rec_close(run);
        run = NULL;
        rc = open_again(env, plugin, identity, inputs, &run, &err);
        ist_free(identity);
    }
    if (run)
        rec_hand_over(run);
    rec_close(run);
    return rc == IST_OK || rc == IST_ERR_CANCELLED ? IST_OK : ist_report(env, &err);
}
