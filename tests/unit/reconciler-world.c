// What tests of the reconciler stand in.
#include "reconciler-world.h"

void tell(void *arg, const json_t *event)
{
    struct world *world = arg;
    if (getenv("TEST_RECONCILER_TELL")) {
        char *text = ist_json_text(event);
        fprintf(stderr, "%s\n", text);
        ist_free(text);
    }
    pthread_mutex_lock(&world->lock);
    if (!strcmp(ist_json_str_or(event, "type", ""), "status")) {
        json_decref(world->status);
        world->status = json_deep_copy(json_object_get(event, "value"));
    }
    if (!strcmp(ist_json_str_or(event, "type", ""), "log"))
        json_array_append_new(world->logs, json_string(ist_json_str_or(event, "text", "")));
    world->alive += !strcmp(ist_json_str_or(event, "type", ""), "alive");
    if (!strcmp(ist_json_str_or(event, "type", ""), "progress") &&
        strstr(ist_json_str_or(event, "text", ""), " the lease "))
        snprintf(world->waits, sizeof world->waits, "%s", ist_json_str_or(event, "text", ""));
    pthread_mutex_unlock(&world->lock);
}

json_t *inputs_of(const struct world *world, json_t *more)
{
    json_t *inputs =
        json_pack("{s:{s:s, s:s}}", "kubeconfigs", "a", world->a.kubeconfig, "b", world->b.kubeconfig);
    json_object_update(inputs, more);
    json_decref(more);
    return inputs;
}

void set_inputs(struct world *world, json_t *more)
{
    fakehost_inputs(world->host, inputs_of(world, more));
}

int setup(void **state)
{
    struct world *world = ist_calloc(1, sizeof *world);
    pthread_mutex_init(&world->lock, NULL);
    world->logs = json_array();
    store_start(&world->a, "uid-of-a");
    store_start(&world->b, "uid-of-b");
    world->host = fakehost_new(ist_plugin_entry(runner_host()));
    world->host->solo->tell = tell;
    world->host->solo->tell_arg = world;
    assert_int_equal(renewal_init(&world->renewal), 0);
    world->host->solo->renewal = &world->renewal;
    set_inputs(world, json_object());
    *state = world;
    return 0;
}

void stop_watch(struct world *world)
{
    if (!world->watching)
        return;
    cancel_now(&world->host->cancel);
    pthread_join(world->thread, NULL);
    cancel_reset(&world->host->cancel);
    world->watching = 0;
}

int teardown(void **state)
{
    struct world *world = *state;
    stop_watch(world);
    fakehost_free(world->host);
    renewal_close(&world->renewal);
    store_stop(&world->a);
    store_stop(&world->b);
    json_decref(world->status);
    json_decref(world->logs);
    ist_free(world);
    return 0;
}

static void *run_watch(void *arg)
{
    struct world *world = arg;
    int32_t code = fakehost_run(world->host, IST_OP_WATCH);
    return (void *)(intptr_t)code;
}

void start_watch(struct world *world)
{
    assert_int_equal(pthread_create(&world->thread, NULL, run_watch, world), 0);
    world->watching = 1;
}

void source(struct world *world, const char *name, const char *data)
{
    store_put(&world->a, "configmaps", "shop", name, "{\"mirror\":\"yes\"}", data);
}

// What is in cluster b under that name: its data, "" without, NULL when it is not there. Static.
const char *mirrored(struct world *world, const char *name)
{
    static char text[64];
    json_t *object = store_get(&world->b, "configmaps", "shop", name);
    if (!object)
        return NULL;
    snprintf(text, sizeof text, "%s", ist_json_str_or(object, "data.x", ""));
    json_decref(object);
    return text;
}

int is(struct world *world, const char *name, const char *data)
{
    const char *now = mirrored(world, name);
    return data ? now && !strcmp(now, data) : now == NULL;
}

int told(struct world *world, const char *text)
{
    size_t i;
    const json_t *line;
    int found = 0;
    pthread_mutex_lock(&world->lock);
    json_array_foreach(world->logs, i, line) found |= strstr(json_string_value(line), text) != NULL;
    pthread_mutex_unlock(&world->lock);
    return found;
}

void forget_told(struct world *world)
{
    pthread_mutex_lock(&world->lock);
    json_array_clear(world->logs);
    pthread_mutex_unlock(&world->lock);
}

int noted(struct world *world, const char *text)
{
    pthread_mutex_lock(&world->lock);
    char *status = ist_json_text(world->status ? world->status : json_null());
    pthread_mutex_unlock(&world->lock);
    int found = strstr(status, text) != NULL;
    ist_free(status);
    return found;
}

static void status_text(struct world *world, const char *path, char text[64])
{
    pthread_mutex_lock(&world->lock);
    snprintf(text, 64, "%s", ist_json_str_or(world->status, path, ""));
    pthread_mutex_unlock(&world->lock);
}

int status_is(struct world *world, const char *path, const char *value)
{
    char text[64];
    status_text(world, path, text);
    return !strcmp(text, value);
}

int flag_is(struct world *world, const char *path, int value)
{
    pthread_mutex_lock(&world->lock);
    const int same = ist_json_bool(world->status, path, -1) == value;
    pthread_mutex_unlock(&world->lock);
    return same;
}

int number_is(struct world *world, const char *path, json_int_t value)
{
    pthread_mutex_lock(&world->lock);
    const json_t *number = world->status ? ist_json_at(world->status, path) : NULL;
    int same = json_is_integer(number) && json_integer_value(number) == value;
    pthread_mutex_unlock(&world->lock);
    return same;
}
