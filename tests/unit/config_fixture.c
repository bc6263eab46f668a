// A folder of configuration made for one test, loaded against the made-up plugins.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "config_fixture.h"
#include "fake_catalog.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fixture *fixture_new(void)
{
    struct fixture *f = ist_calloc(1, sizeof(*f));
    char template[] = "/tmp/isthmus-config.XXXXXX";
    assert_non_null(mkdtemp(template));
    f->dir = ist_strdup(template);
    f->outputs = json_object();
    return f;
}

static void unload(struct fixture *f)
{
    pipeline_free(f->pipeline);
    config_free(f->config);
    diags_free(f->diags);
    f->pipeline = NULL;
    f->config = NULL;
    f->diags = NULL;
}

void fixture_free(struct fixture *f)
{
    unload(f);
    DIR *dir = opendir(f->dir);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char *path = ist_printf("%s/%s", f->dir, entry->d_name);
        unlink(path);
        ist_free(path);
    }
    if (dir)
        closedir(dir);
    rmdir(f->dir);
    json_decref(f->outputs);
    ist_free(f->dir);
    ist_free(f);
}

void fixture_write(struct fixture *f, const char *name, const char *text)
{
    char *path = ist_printf("%s/%s", f->dir, name);
    FILE *to = fopen(path, "we");
    assert_non_null(to);
    fputs(text, to);
    fclose(to);
    ist_free(path);
}

int fixture_reload(struct fixture *f, const char *const *sets, size_t count)
{
    unload(f);
    f->diags = diags_new();
    struct config_source source = {.dir = f->dir, .sets = sets, .set_count = count};
    if (config_load(&source, f->diags, &f->config))
        return -1;
    int rc = pipeline_load(f->config, fake_catalog(), "p", f->diags, &f->pipeline);
    return rc || diags_errors(f->diags) ? -1 : 0;
}

int fixture_load(struct fixture *f, const char *text)
{
    fixture_write(f, "conf.yaml", text);
    return fixture_reload(f, NULL, 0);
}

const struct step *fixture_step(struct fixture *f, const char *name)
{
    assert_non_null(f->pipeline);
    for (size_t i = 0; i < f->pipeline->count; i++)
        if (strcmp(f->pipeline->steps[i].name, name) == 0)
            return &f->pipeline->steps[i];
    fail_msg("no step %s", name);
    return NULL;
}

static const json_t *get(void *arg, const char *step, const char *output, bool *known)
{
    const json_t *found = json_object_get(json_object_get(arg, step), output);
    *known = found != NULL;
    return found;
}

struct output_source fixture_outputs(struct fixture *f)
{
    return (struct output_source){get, f->outputs};
}

static char *resolve(struct fixture *f, const char *name, int public)
{
    struct output_source outputs = fixture_outputs(f);
    struct resolved resolved = {0};
    if (step_resolve(f->pipeline, fixture_step(f, name), &outputs, f->diags, &resolved))
        return ist_strdup("failed");
    char *text = ist_json_text(public ? resolved.public_inputs : resolved.inputs);
    resolved_free(&resolved);
    return text;
}

char *fixture_inputs(struct fixture *f, const char *step)
{
    return resolve(f, step, 0);
}

char *fixture_public(struct fixture *f, const char *step)
{
    return resolve(f, step, 1);
}

int fixture_said(struct fixture *f, int line, int column, const char *text)
{
    struct place place;
    const char *said;
    bool is_error;
    for (size_t i = 0; diags_at(f->diags, i, &place, &said, &is_error); i++)
        if (strstr(said, text) && (!line || (place.line == line && place.column == column)))
            return 1;
    diags_print(f->diags, stderr, false);
    return 0;
}
