// The records of steps, written before and after an operation, and the journal of resources during it. The
// worker calls the world; only the core writes here, and answers when it is on the disk.
#include "engine/run.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <string.h>
#include <time.h>

static json_t *now_text(void)
{
    time_t now = time(NULL);
    struct tm utc;
    char text[32];
    gmtime_r(&now, &utc);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
    return json_string(text);
}

static json_t *needs_of(const struct task *task)
{
    json_t *needs = json_array();
    for (size_t i = 0; i < task->step->needs_count; i++)
        json_array_append_new(needs, json_string(task->step->needs[i]));
    return needs;
}

// The outputs that may be kept: no secret ones, and nothing in the others that is known as a secret.
static json_t *public_outputs(struct run *run, const struct task *task)
{
    json_t *kept = json_object(), *value;
    const char *name;
    json_object_foreach(task->outputs, name, value)
    {
        const ist_field *field = plugin_output(task->info, name);
        if (!field || !(field->flags & IST_SECRET))
            json_object_set(kept, name, value);
    }
    json_t *clean = render_redact_json(run->render, kept);
    json_decref(kept);
    return clean;
}

static json_t *make_record(struct run *run, const struct task *task, const char *status)
{
    bool applied = strcmp(status, "applied") == 0;
    const json_t *before = json_object_get(task->record, "outputs");
    json_t *record = json_object();
    json_object_set_new(record, "plugin", json_string(task->step->plugin));
    json_object_set_new(record, "version", json_string(task->info->version ? task->info->version : ""));
    json_object_set_new(record, "pipeline", json_string(run->pipeline->name));
    json_object_set_new(record, "status", json_string(status));
    json_object_set_new(record, "inputs", render_redact_inputs(run->render, task->inputs.public_inputs));
    if (applied)
        json_object_set_new(record, "outputs", public_outputs(run, task));
    else if (before) // without them it was never applied to the end
        json_object_set(record, "outputs", (json_t *)(uintptr_t)before);
    json_object_set_new(record, "needs", needs_of(task));
    json_object_set_new(record, "record_version", json_integer((json_int_t)task->info->record_version));
    json_object_set_new(record, "timeout_ms", json_integer((json_int_t)task->step->timeout_ms));
    json_object_set_new(record, "prevent_destroy", json_boolean(task->step->prevent_destroy));
    return record;
}

static int put(struct run *run, struct task *task, json_t *record, ist_error *err)
{
    json_object_set_new(record, "changed", now_text());
    int rc = store_step_put(run->store, run->pipeline->name, task->name, record, err);
    return rc == IST_OK ? journal_reload(run, task, err) : rc;
}

int journal_begin(struct run *run, struct task *task, const char *status, ist_error *err)
{
    json_t *record;
    if (task->removing || !task->step || strcmp(status, "destroying") == 0) {
        // What is going keeps the record of what it was.
        record = json_copy(task->record);
        json_object_set_new(record, "status", json_string(status));
    } else {
        record = make_record(run, task, status);
    }
    int rc = put(run, task, record, err);
    json_decref(record);
    return rc;
}

static bool same(const json_t *old, json_t *record)
{
    const char *key;
    json_t *value;
    json_object_foreach(record, key, value) if (!json_equal(json_object_get(old, key), value)) return false;
    return true;
}

int journal_applied(struct run *run, struct task *task, ist_error *err)
{
    json_t *record = make_record(run, task, "applied");
    int rc = IST_OK;
    if (!same(task->record, record))
        rc = put(run, task, record, err);
    json_decref(record);
    return rc;
}

int journal_gone(struct run *run, struct task *task, ist_error *err)
{
    int rc = store_step_remove(run->store, run->pipeline->name, task->name, err);
    return rc == IST_OK ? journal_reload(run, task, err) : rc;
}

int journal_reload(struct run *run, struct task *task, ist_error *err)
{
    json_t *record = NULL;
    int rc = store_step_get(run->store, run->pipeline->name, task->name, &record, err);
    if (rc == IST_OK) {
        json_decref(task->record);
        task->record = record;
    }
    return rc;
}

void journal_event(struct run *run, struct task *task, const struct worker_event *event)
{
    const char *resource = ist_json_str(event->body, "resource");
    char token[65] = "";
    ist_error err = {0};
    int rc;
    if (!resource || (task->operation != IST_OP_APPLY && task->operation != IST_OP_DESTROY)) {
        rc = ist_fail(&err, IST_ERR_READ_ONLY, operation_name(task->operation),
                      "only apply and destroy journal");
    } else {
        json_t *given = json_object_get(event->body, "data");
        json_t *data = given && !(event->type == WORKER_OUTCOME && json_is_null(given))
                           ? render_redact_json(run->render, given)
                           : NULL;
        if (data && data != given)
            report_log(run, task->name, "warn", "what it recorded of %s held a secret, which was left out",
                       resource);
        rc = event->type == WORKER_INTENT
                 ? store_intent(run->store, run->pipeline->name, task->name, resource, data, token, &err)
                 : store_outcome(run->store, run->pipeline->name, task->name, resource, data, &err);
        json_decref(data);
    }
    if (rc != IST_OK)
        report_failed(run, task, &err);
    else
        task->changed = true;
    worker_answer(task->worker, rc, event->type == WORKER_INTENT ? token : NULL);
}
