// --forget: past a system that is gone for good. It names a step, or a system that resources say they are in (the
// member "cluster" of their data): of that, every step lets go, and the rest is removed as ever.
#include "engine/run.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <string.h>

static bool listed(const struct run *run, const char *name)
{
    for (size_t i = 0; name && i < run->options->forget_count; i++)
        if (strcmp(run->options->forget[i], name) == 0)
            return true;
    return false;
}

bool forget_step(const struct run *run, const struct task *task)
{
    return listed(run, task->name);
}

static const char *system_of(const json_t *resource)
{
    return ist_json_str(resource, "data.cluster");
}

bool forget_resource(const struct run *run, const json_t *resource)
{
    const char *system = system_of(resource);
    return system && listed(run, system) && !task_find(run, system); // a step of that name is what is meant
}

json_t *forget_systems(const json_t *records)
{
    json_t *systems = json_object(), *resource;
    const json_t *record;
    const char *name;
    size_t i;
    json_array_foreach(records, i, record)
        json_object_foreach(json_object_get(record, "resources"), name, resource) if (system_of(resource))
            json_object_set_new(systems, system_of(resource), json_true());
    return systems;
}

bool forget_all(const struct run *run, const struct task *task)
{
    const json_t *resources = json_object_get(task->record, "resources");
    const char *name;
    const json_t *resource;
    json_object_foreach((json_t *)(uintptr_t)resources, name,
                        resource) if (!forget_resource(run, resource)) return false;
    return json_object_size(resources) > 0;
}

int forget_resources(struct run *run, struct task *task, ist_error *err)
{
    json_t *resources = json_incref(json_object_get(task->record, "resources")), *resource;
    const char *name;
    size_t gone = 0;
    int rc = IST_OK;
    json_object_foreach(resources, name, resource)
    {
        if (rc != IST_OK || !forget_resource(run, resource))
            continue;
        rc = store_outcome(run->store, run->pipeline->name, task->name, name, NULL, err);
        if (rc == IST_OK && ++gone)
            report_log(run, task->name, "warn", "%s: forgotten, what is there stays", name);
    }
    json_decref(resources);
    return rc == IST_OK && gone ? journal_reload(run, task, err) : rc;
}

// ---- what to type

static bool is_plain(const char *word)
{
    return *word &&
           word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/:@+-")] ==
               '\0';
}

static void put_word(ist_buf *text, const char *word)
{
    if (is_plain(word)) {
        ist_buf_puts(text, word);
        return;
    }
    ist_buf_puts(text, "'");
    for (; *word; word++)
        ist_buf_printf(text, *word == '\'' ? "'\\''" : "%c", *word);
    ist_buf_puts(text, "'");
}

// `names` is an object: each once, in order.
static void add_name(json_t *names, const char *name)
{
    json_object_set_new(names, name, json_true());
}

// A plugin that could not reach systems names them, and nothing else, as the place of its error: "ccp, aws". All of them
// have to be recorded as such by this task.
static bool add_systems(const struct task *task, const char *where, json_t *names)
{
    json_t *known = json_object(), *found = json_object(), *resource;
    const char *name;
    bool all = *where != '\0';
    json_object_foreach(json_object_get(task->record, "resources"), name, resource) if (system_of(resource))
        add_name(known, system_of(resource));
    while (all && *where) {
        size_t len = strcspn(where, ",");
        char *word = ist_strndup(where, len);
        all = json_object_get(known, word) != NULL;
        add_name(found, word);
        ist_free(word);
        where += len;
        where += strspn(where, ", ");
    }
    if (all)
        json_object_update(names, found);
    json_decref(known);
    json_decref(found);
    return all;
}

static bool is_in(const struct task *task, const json_t *systems)
{
    const char *name;
    json_t *resource;
    json_object_foreach(json_object_get(task->record, "resources"), name, resource)
    {
        if (system_of(resource) && json_object_get(systems, system_of(resource)))
            return true;
    }
    return false;
}

// Steps that have something in one of these systems, "app, services". The caller's.
static char *steps_in(const struct run *run, const json_t *systems)
{
    ist_buf text = {0};
    ist_buf_puts(&text, "");
    for (size_t i = 0; i < run->count; i++)
        if (is_in(&run->tasks[i], systems))
            ist_buf_printf(&text, "%s%s", text.len ? ", " : "", run->tasks[i].name);
    return ist_buf_take(&text);
}

// Does it need a --forget of its own: it could not be read (and not because of a system that is forgotten), or cannot go
// without what such a one gave?
static bool stays_behind(struct run *run, const struct task *task, const json_t *names)
{
    ist_error why;
    if (!task->selected || !json_object_size(task->record) || forget_step(run, task) || forget_all(run, task))
        return false;
    return (task->unreadable && !is_in(task, names)) || !step_can_recall(run, task, &why);
}

void forget_hint(struct run *run, struct task *task, ist_error *err)
{
    json_t *names = json_object();
    ist_buf text = {0};
    const char *name;
    json_t *value;
    bool systems = add_systems(task, err->where, names);
    if (!systems && err->code == IST_ERR_QUESTION) { // it is another question
        json_decref(names);
        return;
    }
    char *steps = systems ? steps_in(run, names) : ist_strdup("");
    json_object_foreach(names, name, value) systems = systems && !task_find(run, name);
    if (!systems) {
        json_object_clear(names);
        add_name(names, task->name);
    }
    for (size_t i = 0; i < run->options->forget_count; i++)
        add_name(names, run->options->forget[i]);
    // Those that could not be read, and those that cannot go without what these gave.
    for (size_t i = 0; i < run->count; i++) {
        if (&run->tasks[i] != task && stays_behind(run, &run->tasks[i], names))
            add_name(names, run->tasks[i].name);
    }
    ist_buf_printf(&text, "if that is gone for good%s%s%s, state lets go of it with: isthmus ",
                   *steps ? " (" : "", steps, *steps ? " have something there)" : "");
    if (run->options->dir) {
        ist_buf_puts(&text, "-C ");
        put_word(&text, run->options->dir);
        ist_buf_puts(&text, " ");
    }
    ist_buf_printf(&text, "destroy %s%s", run->pipeline->name, run->options->yes ? " --yes" : "");
    json_object_foreach(names, name, value)
    {
        ist_buf_puts(&text, " --forget ");
        put_word(&text, name);
    }
    ist_hint(err, "%s", text.data);
    ist_buf_free(&text);
    ist_free(steps);
    json_decref(names);
}
