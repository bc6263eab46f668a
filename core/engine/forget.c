// --forget: past a system that is gone for good. It names a step, or a system that resources say they are in (the
// member "cluster" of their data): of that, every step lets go, and the rest is removed as ever.
#include "engine/run.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <stdio.h>
#include <string.h>

#define TOLD_MAX 50 // objects of one resource, by name

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

bool forget_goes_by_system(const struct task *task)
{
    const json_t *resources = json_object_get(task->record, "resources"), *resource;
    const char *name;
    json_object_foreach((json_t *)(uintptr_t)resources, name, resource) if (system_of(resource)) return true;
    return json_object_size(resources) == 0;
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

// ---- what of a step's inputs is about a system

static bool is_of(const json_t *member, const json_t *systems)
{
    const char *name = json_string_value(json_object_get(member, "name"));
    return name && json_object_get(systems, name);
}

// Of a map the entries under the name of one of these systems go (`kubeconfigs: {aws: ...}`), of a list the maps that
// are called so (`clusters: [{name: aws, ...}]`).
static bool strip(json_t *value, const json_t *systems)
{
    bool any = false;
    const char *key;
    json_t *child;
    void *next;
    json_object_foreach_safe(value, next, key, child)
    {
        if (json_object_get(systems, key))
            any = json_object_del(value, key) == 0;
        else
            any = strip(child, systems) || any;
    }
    for (size_t i = json_array_size(value); i > 0; i--) {
        child = json_array_get(value, i - 1);
        if (is_of(child, systems))
            any = json_array_remove(value, i - 1) == 0;
        else
            any = strip(child, systems) || any;
    }
    return any;
}

bool forget_mentioned(const json_t *records, const char *name)
{
    json_t *systems = json_pack("{s:b}", name, 1), *input;
    const json_t *record;
    const char *key;
    size_t i;
    bool found = json_array_size(records) == 0; // nothing is left of anything
    json_array_foreach(records, i, record)
    {
        json_t *inputs = json_deep_copy(json_object_get(record, "inputs"));
        json_object_foreach(inputs, key, input) found = strip(input, systems) || found;
        json_decref(inputs);
    }
    json_decref(systems);
    return found;
}

json_t *forget_inputs(const struct run *run, const json_t *inputs, const json_t *systems)
{
    json_t *names = systems ? json_copy((json_t *)(uintptr_t)systems) : json_object();
    json_t *lean = json_deep_copy(inputs), *input;
    const char *name;
    bool any = false;
    for (size_t i = 0; i < run->options->forget_count; i++)
        if (!task_find(run, run->options->forget[i]))
            json_object_set_new(names, run->options->forget[i], json_true());
    json_object_foreach(lean, name, input) any =
        strip(input, names) || any; // an input's own name is no system's
    json_decref(names);
    if (!any) {
        json_decref(lean);
        lean = NULL;
    }
    return lean;
}

// ---- letting go

// What plugins record of many objects is a list of them: those are told too, so that somebody can go and look.
static char *objects_text(const json_t *resource)
{
    const json_t *objects = ist_json_at(resource, "data.objects"), *object;
    size_t i;
    ist_buf text = {0};
    ist_buf_puts(&text, "");
    json_array_foreach(objects, i, object)
    {
        const char *kind = ist_json_str(object, "kind"), *name = ist_json_str(object, "name");
        const char *ns = ist_json_str_or(object, "namespace", "");
        if (i == TOLD_MAX) {
            ist_buf_printf(&text, ", and %zu more", json_array_size(objects) - i);
            break;
        }
        if (kind && name)
            ist_buf_printf(&text, "%s%s %s%s%s", text.len ? ", " : ": ", kind, ns, *ns ? "/" : "", name);
    }
    return ist_buf_take(&text);
}

static void tell(struct run *run, const struct task *task, const char *name, const json_t *resource)
{
    char *objects = objects_text(resource);
    report_log(run, task->name, "warn", "%s: forgotten, what is there stays%s", name, objects);
    ist_free(objects);
}

void forget_tell(struct run *run, const struct task *task)
{
    const char *name;
    json_t *resource;
    json_object_foreach(json_object_get(task->record, "resources"), name, resource)
        tell(run, task, name, resource);
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
            tell(run, task, name, resource);
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

// All that could be a system of this run: what any step's resources are in. New reference.
static json_t *all_systems(const struct run *run)
{
    json_t *records = json_array(), *systems;
    for (size_t i = 0; i < run->count; i++)
        if (run->tasks[i].record)
            json_array_append(records, run->tasks[i].record);
    systems = forget_systems(records);
    json_decref(records);
    return systems;
}

// An input cannot be had any more. When it is about one system (the way to it), that one is what is out of reach; else
// all those together whose parts have to be left out.
static bool add_missing(struct run *run, const struct task *task, json_t *names)
{
    json_t *systems = all_systems(run), *system;
    const char *name;
    bool found = false;
    json_object_foreach(systems, name, system)
    {
        json_t *one = json_pack("{s:b}", name, 1);
        if (!found && step_can_recall(run, task, one)) {
            json_object_update(names, one);
            found = true;
        }
        json_decref(one);
    }
    if (!found && step_can_recall(run, task, systems)) {
        json_object_update(names, systems);
        found = true;
    }
    json_decref(systems);
    return found;
}

// Does it need a --forget of its own: it could not be read (and not because of a system that is forgotten), or cannot go
// without what such a one gave?
static bool stays_behind(struct run *run, const struct task *task, const json_t *names)
{
    if (!task->selected || !json_object_size(task->record) || forget_step(run, task) || forget_all(run, task))
        return false;
    return (task->unreadable && !is_in(task, names)) || !step_can_recall(run, task, names);
}

// What has to be named to go on past this failure of a task; `names` is empty before. True: systems, not the step.
static bool names_of(struct run *run, const struct task *task, ist_error *err, json_t *names)
{
    const char *name;
    json_t *value;
    bool systems = add_systems(task, err->where, names);
    if (!systems && err->code == IST_ERR_NOT_FOUND && add_missing(run, task, names)) {
        ist_buf where = {0};
        systems = true;
        json_object_foreach(names, name, value) ist_buf_printf(&where, "%s%s", where.len ? ", " : "", name);
        snprintf(err->where, sizeof err->where, "%s", where.data);
        ist_buf_free(&where);
    }
    return systems;
}

static void put_command(const struct run *run, const json_t *names, ist_buf *text)
{
    const char *name;
    json_t *value;
    ist_buf_puts(text, "isthmus ");
    if (run->options->dir) {
        ist_buf_puts(text, "-C ");
        put_word(text, run->options->dir);
        ist_buf_puts(text, " ");
    }
    ist_buf_printf(text, "destroy %s%s", run->pipeline->name, run->options->yes ? " --yes" : "");
    json_object_foreach((json_t *)(uintptr_t)names, name, value)
    {
        ist_buf_puts(text, " --forget ");
        put_word(text, name);
    }
}

void forget_hint(struct run *run, struct task *task, ist_error *err)
{
    json_t *names = json_object();
    ist_buf text = {0};
    const char *name;
    json_t *value;
    bool systems = names_of(run, task, err, names);
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
    ist_buf_printf(&text, "if that is gone for good%s%s%s, state lets go of it with: ", *steps ? " (" : "",
                   steps, *steps ? " have something there)" : "");
    put_command(run, names, &text);
    ist_hint(err, "%s", text.data);
    ist_buf_free(&text);
    ist_free(steps);
    json_decref(names);
}
