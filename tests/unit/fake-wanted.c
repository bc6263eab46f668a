// What a model's want() says, kept for a test to look at.
#include "fake-wanted.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>

#include <stdarg.h>
#include <string.h>

void fake_wanted_clear(struct ist_wanted *wanted)
{
    json_decref(wanted->objects);
    json_decref(wanted->if_absent);
    json_decref(wanted->keep);
    json_decref(wanted->notes);
    *wanted = (struct ist_wanted){
        .objects = json_array(), .if_absent = json_array(), .keep = json_array(), .notes = json_array()};
}

json_t *fake_wanted_at(const struct ist_wanted *wanted, const char *kind, size_t i)
{
    size_t j;
    json_t *object;
    json_array_foreach(wanted->objects, j, object)
    {
        if (!strcmp(ist_json_str_or(object, "kind", ""), kind) && i-- == 0)
            return object;
    }
    return NULL;
}

int fake_noted(const struct ist_wanted *wanted, const char *part)
{
    size_t i;
    json_t *note;
    json_array_foreach(wanted->notes, i, note)
    {
        if (strstr(json_string_value(note), part))
            return 1;
    }
    return 0;
}

// ---- what models call ----

void ist_wanted_add(ist_wanted *wanted, json_t *object, uint32_t flags)
{
    json_array_append_new(wanted->objects, object);
    json_array_append_new(wanted->if_absent, json_boolean(flags & IST_WANT_IF_ABSENT));
}

void ist_wanted_keep(ist_wanted *wanted, const char *source)
{
    json_array_append_new(wanted->keep, json_string(source));
}

void ist_wanted_keep_all(ist_wanted *wanted)
{
    wanted->keep_all = 1;
}

void ist_wanted_again(ist_wanted *wanted)
{
    wanted->again = 1;
}

void ist_wanted_note(ist_wanted *wanted, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = ist_vprintf(format, args);
    va_end(args);
    json_array_append_new(wanted->notes, json_string(text));
    ist_free(text);
}
