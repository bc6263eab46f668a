// The checks of a verify: kept while their step is at work, then shown together under its name.
#include "render/internal.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <string.h>

#define MAX_NAME 48 // columns that names are aligned over

void checks_note(struct render *render, const json_t *check)
{
    const char *step = ist_json_str_or(check, "step", "");
    if (!render->checks)
        render->checks = json_object();
    json_t *list = json_object_get(render->checks, step);
    if (!list)
        json_object_set_new(render->checks, step, list = json_array());
    json_array_append_new(list, json_incref((json_t *)(uintptr_t)check));
    ways_note(render, check);
}

static size_t columns(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void print_check(struct render *render, const json_t *check, size_t width)
{
    const char *result = ist_json_str_or(check, "result", "");
    char *name = tame(ist_json_str_or(check, "name", ""), "        "),
         *evidence = tame(ist_json_str_or(check, "evidence", ""), "        ");
    size_t used = columns(name);
    fprintf(render->options.out, "  %s%-4s%s  %s", tint(render, result), result, tint(render, "off"), name);
    if (*evidence)
        fprintf(render->options.out, "%*s  %s%s%s", (int)(used < width ? width - used : 0), "",
                tint(render, strcmp(result, "pass") == 0 ? "dim" : "off"), evidence, tint(render, "off"));
    fputc('\n', render->options.out);
    ist_free(name);
    ist_free(evidence);
}

static void print_step(struct render *render, const char *step, const json_t *list)
{
    size_t i, width = 0;
    const json_t *check;
    progress_clear(render);
    json_array_foreach(list, i, check)
    {
        size_t used = columns(ist_json_str_or(check, "name", ""));
        if (used > width && used <= MAX_NAME)
            width = used;
    }
    fprintf(render->options.out, "%s%s%s\n", tint(render, "bold"), step, tint(render, "off"));
    json_array_foreach(list, i, check) print_check(render, check, width);
}

void checks_print(struct render *render, const char *step)
{
    const char *name;
    json_t *list;
    void *next;
    json_object_foreach_safe(render->checks, next, name, list)
    {
        if (step && strcmp(step, name) != 0)
            continue;
        print_step(render, name, list);
        json_object_del(render->checks, name);
    }
}
