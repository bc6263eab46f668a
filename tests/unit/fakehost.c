// A host in this process for unit tests of plugins.
#include "fakehost.h"
#include "host/folder.h"

#include <isthmus/alloc.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fakehost *fakehost_new(const ist_plugin *plugin)
{
    static const unsigned char key[32] = "the same one in every test run."; // tokens can be compared
    char dir[] = "/tmp/isthmus-fakehost-XXXXXX";
    struct fakehost *host = ist_calloc(1, sizeof(*host));
    host->plugin = plugin;
    host->solo = solo_new("step", key);
    host->inputs = json_object();
    if (cancel_init(&host->cancel) < 0 || !mkdtemp(dir)) {
        perror("fakehost");
        exit(1);
    }
    host->run_dir = ist_strdup(dir);
    return host;
}

struct fakehost *fakehost_load(const char *name_or_path)
{
    const char *build = getenv("BUILD");
    char *path = strchr(name_or_path, '/') ? ist_strdup(name_or_path)
                                           : ist_printf("%s/plugins/%s/.libs/%s.so", build ? build : ".",
                                                        name_or_path, name_or_path);
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        fprintf(stderr, "%s\n", dlerror());
    ist_free(path);
    if (!handle)
        return NULL;
    // POSIX lets a symbol's address be read as a function through its storage only.
    ist_plugin_entry_fn *entry;
    *(void **)&entry = dlsym(handle, "ist_plugin_entry");
    const ist_plugin *plugin = entry ? entry(runner_host()) : NULL;
    if (!plugin) {
        dlclose(handle);
        return NULL;
    }
    struct fakehost *host = fakehost_new(plugin);
    host->handle = handle;
    return host;
}

void fakehost_free(struct fakehost *host)
{
    if (!host)
        return;
    remove_tree(host->run_dir);
    ist_free(host->run_dir);
    json_decref(host->inputs);
    cancel_close(&host->cancel);
    solo_free(host->solo);
    if (host->handle)
        dlclose(host->handle);
    ist_free(host);
}

// A default is YAML text: what JSON reads as a scalar, list or map is that, the rest is a string.
static json_t *default_json(const char *text)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    return json ? json : json_string(text);
}

// Sets `path` ("a.b") to its default, where the row's parents are maps or not there at all.
static void fill(json_t *inputs, const ist_field *row)
{
    char *path = ist_strdup(row->name), *rest = path, *dot;
    json_t *at = inputs;
    while (json_is_object(at) && (dot = strchr(rest, '.'))) {
        *dot = '\0';
        json_t *child = json_object_get(at, rest);
        if (!child) {
            child = json_object();
            json_object_set_new(at, rest, child);
        }
        at = child;
        rest = dot + 1;
    }
    if (json_is_object(at) && !json_object_get(at, rest))
        json_object_set_new(at, rest, default_json(row->def));
    ist_free(path);
}

void fakehost_inputs(struct fakehost *host, json_t *inputs)
{
    json_decref(host->inputs);
    host->inputs = inputs;
    for (uint32_t i = 0; i < host->plugin->input_count; i++) {
        const ist_field *row =
            (const void *)((const char *)host->plugin->inputs + (size_t)i * host->plugin->field_size);
        if (row->def && !strpbrk(row->name, "[{"))
            fill(inputs, row);
    }
}

int32_t fakehost_run(struct fakehost *host, uint32_t operation)
{
    return solo_run(host->solo, host->plugin, operation, host->inputs, host->run_dir, host->trace,
                    &host->cancel);
}

int32_t fakehost_converge(struct fakehost *host)
{
    int32_t code = fakehost_run(host, IST_OP_OBSERVE);
    if (code == IST_OK)
        code = fakehost_run(host, IST_OP_PLAN);
    return code == IST_OK ? fakehost_run(host, IST_OP_APPLY) : code;
}

int fakehost_changes(struct fakehost *host)
{
    if (fakehost_run(host, IST_OP_OBSERVE) != IST_OK || fakehost_run(host, IST_OP_PLAN) != IST_OK)
        return -1;
    return (int)json_array_size(host->solo->report.changes);
}

static int free_of(const json_t *json, const char *secret)
{
    char *text = json_dumps(json, JSON_ENCODE_ANY);
    int clean = !text || !strstr(text, secret);
    free(text);
    return clean;
}

int fakehost_hides(const struct fakehost *host, const char *secret)
{
    const struct solo_report *r = &host->solo->report;
    return free_of(r->observed, secret) && free_of(r->changes, secret) && free_of(r->checks, secret) &&
           free_of(r->journal, secret) && free_of(r->logs, secret) && !strstr(r->printed, secret) &&
           !strstr(r->error.text, secret) && !strstr(r->error.where, secret) &&
           !strstr(r->error.hint, secret);
}
