// What differs between a host and what it is to be, told without a secret.
#include "frr.h"

#include <string.h>

#define SHOWN_LINES 30

static const char *const units[] = {"isthmus-dmvpn-firewall.service", "isthmus-dmvpn.service",
                                    "strongswan.service", "frr.service"};

const char *frr_word(unsigned then)
{
    static const struct {
        unsigned then;
        const char *word;
    } all[] = {{FRR_DO_FIREWALL, "firewall"}, {FRR_DO_TUNNEL, "tunnel"},   {FRR_DO_CHARON, "charon"},
               {FRR_DO_SWANCTL, "swanctl"},   {FRR_DO_SECRETS, "secrets"}, {FRR_DO_FRR, "frr"},
               {FRR_DO_DAEMONS, "daemons"},   {FRR_DO_SYSTEMD, "systemd"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i].then == then)
            return all[i].word;
    }
    return "none";
}

static json_t *difference(json_t *list, uint32_t action, const char *resource, const char *reason)
{
    json_t *one = json_pack("{si ss s[]}", "action", (int)action, "resource", resource, "fields");
    if (reason)
        json_object_set_new(one, "reason", json_string(reason));
    json_array_append_new(list, one);
    return json_object_get(one, "fields");
}

static void field(json_t *fields, const char *name, json_t *before, json_t *after)
{
    json_t *one = json_pack("{ss}", "field", name);
    if (before)
        json_object_set_new(one, "before", before);
    if (after)
        json_object_set_new(one, "after", after);
    json_array_append_new(fields, one);
}

// ---- text, line by line ----

struct lines {
    const char **at;
    size_t *len, count;
};

static struct lines split(const char *text)
{
    struct lines l = {NULL, NULL, 0};
    size_t room = 1;
    for (const char *p = text; *p; p++)
        room += *p == '\n';
    l.at = ist_calloc(room, sizeof *l.at);
    l.len = ist_calloc(room, sizeof *l.len);
    while (*text) {
        size_t n = strcspn(text, "\n");
        l.at[l.count] = text;
        l.len[l.count++] = n;
        text += n + (text[n] == '\n');
    }
    return l;
}

static void free_lines(struct lines *l)
{
    ist_free(l->at);
    ist_free(l->len);
}

// A key that stands on the host is nobody's business, ours or not: behind these words none is shown.
static json_t *shown(const struct lines *l, size_t i)
{
    static const char *const words[] = {"nhrp authentication ", "authentication-key ", "md5 ",
                                        "secret = ", "password "};
    char *text = ist_strndup(l->at[i], l->len[i]);
    for (size_t k = 0; k < sizeof words / sizeof *words; k++) {
        char *at = strstr(text, words[k]);
        if (!at)
            continue;
        char *hidden = ist_printf("%.*s<secret>", (int)(at - text + (ptrdiff_t)strlen(words[k])), text);
        ist_free_secret(text);
        text = hidden;
    }
    json_t *json = json_string(text);
    ist_free_secret(text);
    return json ? json : json_string("no text");
}

static bool same_line(const struct lines *a, size_t i, const struct lines *b, size_t k)
{
    return a->len[i] == b->len[k] && memcmp(a->at[i], b->at[k], a->len[i]) == 0;
}

static void compare_text(json_t *fields, const char *before, const char *after)
{
    struct lines a = split(before), b = split(after);
    size_t first = 0, tail = 0, told = 0;
    while (first < a.count && first < b.count && same_line(&a, first, &b, first))
        first++;
    while (tail < a.count - first && tail < b.count - first &&
           same_line(&a, a.count - 1 - tail, &b, b.count - 1 - tail))
        tail++;
    for (size_t i = first; i < a.count - tail || i < b.count - tail; i++) {
        if (i < a.count - tail && i < b.count - tail && same_line(&a, i, &b, i))
            continue;
        if (told++ >= SHOWN_LINES)
            continue;
        char *name = ist_printf("line %zu", i + 1);
        field(fields, name, i < a.count - tail ? shown(&a, i) : NULL,
              i < b.count - tail ? shown(&b, i) : json_string(""));
        ist_free(name);
    }
    if (told > SHOWN_LINES)
        field(fields, "more lines", json_integer((json_int_t)(told - SHOWN_LINES)), json_integer(0));
    free_lines(&a);
    free_lines(&b);
}

// ---- files, units, what the kernel has ----

static void compare_file(json_t *list, const json_t *seen, const frr_file *file)
{
    const json_t *is = json_object_get(json_object_get(seen, "files"), file->path);
    char *mode = ist_printf("%o", file->mode);
    json_t *fields;
    if (!is) {
        size_t count = 0;
        for (const char *p = file->text; *p; p++)
            count += *p == '\n';
        fields = difference(list, IST_CREATE, file->path, NULL);
        field(fields, "lines", NULL, json_integer((json_int_t)count));
        field(fields, "mode", NULL, json_string(mode));
        field(fields, "owner", NULL, json_string(file->owner));
        ist_free(mode);
        return;
    }
    char *text = frr_decode(ist_json_str_or(is, "base64", ""), NULL);
    const char *owner = ist_json_str_or(is, "owner", ""), *is_mode = ist_json_str_or(is, "mode", "");
    bool differs = strcmp(text, file->text) != 0;
    if (differs || strcmp(owner, file->owner) != 0 || strcmp(is_mode, mode) != 0) {
        fields = difference(list, IST_UPDATE, file->path, NULL);
        if (differs)
            compare_text(fields, text, file->text);
        if (strcmp(owner, file->owner) != 0)
            field(fields, "owner", json_string(owner), json_string(file->owner));
        if (strcmp(is_mode, mode) != 0)
            field(fields, "mode", json_string(is_mode), json_string(mode));
    }
    ist_free_secret(text);
    ist_free(mode);
}

static bool compare_unit(json_t *list, const json_t *seen, const char *unit)
{
    const json_t *is = json_object_get(json_object_get(seen, "units"), unit);
    const char *enabled = ist_json_str_or(is, "enabled", "absent"),
               *active = ist_json_str_or(is, "active", "absent");
    bool runs = strcmp(active, "active") == 0, starts = strcmp(enabled, "enabled") == 0;
    bool found = strcmp(enabled, "absent") != 0 && strcmp(enabled, "not-found") != 0;
    if (runs && starts)
        return true;
    json_t *fields = difference(list, found ? IST_UPDATE : IST_CREATE, unit, NULL);
    if (!starts)
        field(fields, "at boot", json_string(enabled), json_string("enabled"));
    if (!runs)
        field(fields, "state", json_string(active), json_string("active"));
    return runs;
}

// What its units were to bring about and somebody has undone since. `good` is what a sound one shows.
static void compare_state(json_t *list, const json_t *seen, const char *key, const char *resource,
                          const char *good, const char *word)
{
    const char *is = ist_json_str_or(seen, key, "");
    if (strstr(is, good))
        return;
    json_t *fields = difference(list, IST_UPDATE, resource, "it was undone by hand");
    field(fields, "state", json_string(*is ? is : "absent"), json_string("present"));
    json_object_set_new(json_array_get(list, json_array_size(list) - 1), "then", json_string(word));
}

json_t *frr_differences(const struct frr *f, const json_t *seen, const frr_files *files)
{
    json_t *list = json_array(), *missing = json_object_get(seen, "missing"), *name;
    size_t i;
    bool up = true;
    if (json_array_size(missing) > 0) {
        json_t *fields = difference(list, IST_CREATE, "packages", NULL);
        json_array_foreach(missing, i, name)
        {
            field(fields, json_string_value(name), NULL, json_string("installed"));
        }
    }
    for (i = 0; i < files->count; i++)
        compare_file(list, seen, &files->at[i]);
    for (i = 0; i < sizeof units / sizeof *units; i++)
        up = compare_unit(list, seen, units[i]) && up;
    if (up && json_array_size(list) == 0) {
        char *address = ist_printf(" %s/32 ", ist_json_str_or(f->inputs, "DmvpnIp", ""));
        compare_state(list, seen, "tunnel", "interface " FRR_TUNNEL, address, "tunnel");
        compare_state(list, seen, "filter", "packet filter", "stands", "firewall");
        compare_state(list, seen, "forwarding", "forwarding", "1", "tunnel");
        ist_free(address);
    }
    return list;
}
