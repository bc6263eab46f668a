// What swanctl prints with --raw: sections "name {...}", values "key=word", lists "key=[word word]" (strongSwan's
// swanctl, vici_dumper). Each message is "list-sa event {...}", the last one "list-sas reply {...}".
#include "frr.h"

#include <string.h>

#define MAX_DEPTH 8

static const char *word_end(const char *p)
{
    return p + strcspn(p, " \t\r\n={}[]");
}

// A value may hold anything but what ends it: times and selectors have ":" and "/" and "|".
static const char *value_end(const char *p)
{
    return p + strcspn(p, " \t\r\n{}[]");
}

static json_t *text_of(const char *from, const char *to)
{
    json_t *text = json_stringn(from, (size_t)(to - from));
    return text ? text : json_string("");
}

static void set(json_t *object, const char *from, const char *to, json_t *value)
{
    char *key = ist_strndup(from, (size_t)(to - from));
    if (json_object_set_new(object, key, value) != 0)
        json_object_set_new(object, "?", json_null());
    ist_free(key);
}

// "[" stands at *p. A selector has brackets of its own: "203.0.113.2/32[gre]".
static json_t *list_at(const char **p)
{
    json_t *list = json_array();
    const char *from = ++*p;
    int depth = 0;
    for (;; ++*p) {
        bool ends = !**p || (**p == ']' && depth == 0);
        if (ends || **p == ' ' || **p == '\n') {
            if (*p > from)
                json_array_append_new(list, text_of(from, *p));
            from = *p + 1;
        }
        if (ends)
            break;
        depth += (**p == '[') - (**p == ']');
    }
    *p += **p == ']';
    return list;
}

// Behind a "{", up to its "}". NULL when it is cut off or too deep.
static json_t *section_at(const char **p, int depth) // NOLINT(misc-no-recursion): MAX_DEPTH bounds it
{
    json_t *object = json_object();
    while (depth < MAX_DEPTH) {
        *p += strspn(*p, " \t\r\n");
        if (**p == '}') {
            ++*p;
            return object;
        }
        const char *key = *p, *end = word_end(key);
        if (end == key)
            break;
        *p = end + strspn(end, " \t");
        if (*end == '=' && end[1] == '[') {
            *p = end + 1;
            set(object, key, end, list_at(p));
        } else if (*end == '=') {
            const char *stop = value_end(end + 1);
            set(object, key, end, text_of(end + 1, stop));
            *p = stop;
        } else if (**p == '{') {
            ++*p;
            json_t *inner = section_at(p, depth + 1);
            if (!inner)
                break;
            set(object, key, end, inner);
        } else {
            break;
        }
    }
    json_decref(object);
    return NULL;
}

static long long number(const json_t *object, const char *key)
{
    long long value = 0;
    for (const char *p = ist_json_str_or(object, key, "");
         *p >= '0' && *p <= '9' && value < 1000000000000000LL; p++)
        value = value * 10 + (*p - '0');
    return value;
}

static json_t *children_of(const json_t *sa)
{
    json_t *list = json_array(), *child;
    const char *name;
    json_object_foreach(json_object_get(sa, "child-sas"), name, child)
    {
        json_array_append_new(
            list, json_pack("{ss ss ss sb sI sI}", "name", ist_json_str_or(child, "name", name), "state",
                            ist_json_str_or(child, "state", ""), "mode", ist_json_str_or(child, "mode", ""),
                            "encap", strcmp(ist_json_str_or(child, "encap", "no"), "yes") == 0, "packets_in",
                            (json_int_t)number(child, "packets-in"), "packets_out",
                            (json_int_t)number(child, "packets-out")));
    }
    return list;
}

static void take_event(json_t *sas, const json_t *event)
{
    json_t *sa;
    const char *name;
    json_object_foreach((json_t *)event, name, sa)
    {
        if (json_is_object(sa))
            json_array_append_new(
                sas, json_pack("{ss ss ss ss so}", "name", name, "state", ist_json_str_or(sa, "state", ""),
                               "remote", ist_json_str_or(sa, "remote-host", ""), "encryption",
                               ist_json_str_or(sa, "encr-alg", "?"), "children", children_of(sa)));
    }
}

int32_t frr_parse_sas(const char *text, json_t **out, ist_error *err)
{
    json_t *sas = json_array();
    bool ended = false;
    for (const char *p = text; *p;) {
        const char *open = strchr(p, '{');
        if (!open)
            break;
        bool event = strncmp(p, "list-sa event", 13) == 0;
        ended = ended || strncmp(p, "list-sas reply", 14) == 0;
        p = open + 1;
        json_t *section = section_at(&p, 0);
        if (!section) {
            json_decref(sas);
            return ist_fail(err, IST_ERR_REMOTE, "swanctl --list-sas", "its answer breaks off or is none");
        }
        if (event)
            take_event(sas, section);
        json_decref(section);
        p += strspn(p, " \t\r\n");
    }
    if (!ended) {
        json_decref(sas);
        return ist_fail(err, IST_ERR_REMOTE, "swanctl --list-sas", "it is no answer: no reply ends it");
    }
    *out = sas;
    return IST_OK;
}
