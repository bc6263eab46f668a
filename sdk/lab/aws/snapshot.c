// The snapshot of AWS: every object, with names in place of ids, without times and tokens.
#include "inner.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What differs from run to run though nothing does.
static const char *const volatile_members[] = {"attachTime",
                                               "attachmentId",
                                               "createTime",
                                               "launchTime",
                                               "clientToken",
                                               "reservationId",
                                               "macAddress",
                                               "createdAt",
                                               "keyFingerprint",
                                               "publicKey",
                                               "associationId",
                                               "CreationTime",
                                               "StackId",
                                               "LastUpdatedTime",
                                               "availableIpAddressCount",
                                               "routeTableAssociationId",
                                               "securityGroupArn",
                                               "subnetArn",
                                               "dhcpOptionsId",
                                               "endpoint",
                                               "certificateAuthority",
                                               "arn",
                                               "_clientToken"};

static bool is_volatile(const char *key)
{
    for (size_t i = 0; i < sizeof volatile_members / sizeof *volatile_members; i++) {
        if (!strcmp(key, volatile_members[i]))
            return true;
    }
    return *key == '_';
}

// The name of an object: its Name tag, or what its type is told apart by.
static char *name_of(const struct aws_type *t, const json_t *object)
{
    const char *tag = aws_tag(object, "Name");
    if (tag)
        return lab_format("%s/%s", t->name, tag);
    char *name = lab_format("%s/", t->name);
    for (const char *p = t->label; *p;) {
        char member[64];
        size_t len = strcspn(p, " ");
        snprintf(member, sizeof member, "%.*s", (int)len, p);
        json_t *value = json_object_get(object, member);
        char *text = json_is_string(value) ? lab_strdup(json_string_value(value))
                                           : json_dumps(value ? value : json_null(), JSON_ENCODE_ANY);
        char *longer = lab_format("%s%s ", name, text);
        free(text);
        free(name);
        name = longer;
        p += len + (p[len] == ' ');
    }
    return name;
}

// The length of a UUID at the start of text, or 0.
static size_t uuid_length(const char *text)
{
    static const size_t groups[] = {8, 4, 4, 4, 12};
    const char *p = text;
    for (size_t i = 0; i < 5; i++) {
        if (strspn(p, "0123456789abcdef") != groups[i] || (i < 4 && p[groups[i]] != '-'))
            return 0;
        p += groups[i] + (i < 4);
    }
    return (size_t)(p - text);
}

// "127.64." of this lab becomes "127.SLOT.", ids become names, long random words become "*".
static json_t *canonical_text(const struct lab *lab, const json_t *names, const char *text)
{
    const json_t *whole = json_object_get(names, text);
    if (whole)
        return json_incref((json_t *)(uintptr_t)whole);
    char slot[16], *out = NULL;
    size_t size = 0;
    int slot_len = snprintf(slot, sizeof slot, "127.%u.", lab->slot);
    FILE *to = open_memstream(&out, &size);
    if (!to)
        abort();
    for (const char *p = text; *p;) {
        size_t word = 0, hex = strspn(p, "0123456789abcdef"), uuid = uuid_length(p);
        while (isalnum((unsigned char)p[word]) || p[word] == '-')
            word++;
        char *id = lab_format("%.*s", (int)word, p);
        const char *name = word ? json_string_value(json_object_get(names, id)) : NULL;
        free(id);
        if (name) {
            fputs(name, to);
            p += word;
        } else if (!strncmp(p, slot, (size_t)slot_len)) {
            fputs("127.SLOT.", to);
            p += slot_len;
        } else if (uuid) {
            fputc('*', to);
            p += uuid;
        } else if (hex >= 16) {
            fputc('*', to);
            p += hex;
        } else {
            size_t step = word ? word : 1;
            for (size_t i = 0; i + 16 <= step; i++) {
                if (strspn(p + i, "0123456789abcdef") >= 16)
                    step = i ? i : step;
            }
            fwrite(p, 1, step, to);
            p += step;
        }
    }
    fclose(to);
    json_t *value = json_string(out);
    free(out);
    return value;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static json_t *canonical(const struct lab *lab, const json_t *names, const json_t *value);

// Lists are sets here: sorted by what they hold.
static json_t *canonical_list(const struct lab *lab, const json_t *names, const json_t *list)
{
    size_t count = json_array_size(list), i;
    char **texts = lab_calloc(count, sizeof *texts);
    json_t *member, *out = json_array();
    json_array_foreach(list, i, member)
    {
        json_t *shown = canonical(lab, names, member);
        texts[i] = json_dumps(shown, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY);
        json_decref(shown);
    }
    qsort(texts, count, sizeof *texts, by_text);
    for (i = 0; i < count; i++) {
        json_array_append_new(out, json_loads(texts[i], JSON_DECODE_ANY, NULL));
        free(texts[i]);
    }
    free(texts);
    return out;
}

static json_t *canonical(const struct lab *lab, const json_t *names, const json_t *value)
{
    const char *key;
    json_t *member;
    if (json_is_array(value))
        return canonical_list(lab, names, value);
    if (json_is_string(value))
        return canonical_text(lab, names, json_string_value(value));
    if (!json_is_object(value))
        return json_incref((json_t *)(uintptr_t)value);
    json_t *out = json_object();
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        if (!is_volatile(key))
            json_object_set_new(out, key, canonical(lab, names, member));
    }
    return out;
}

// An address that nobody asked for is as random as an id: it goes by its subnet's name, and pods' (the secondary
// ones) by theirs.
static void name_chosen_addresses(struct aws_call *c, json_t *names)
{
    const char *id;
    json_t *eni, *held;
    size_t i;
    json_object_foreach(aws_all(c, "network-interface"), id, eni)
    {
        const json_t *subnet = json_object_get(names, aws_text(eni, "subnetId"));
        json_array_foreach(json_object_get(eni, "privateIpAddressesSet"), i, held)
        {
            if (json_is_false(json_object_get(held, "primary")))
                json_object_set_new(names, aws_text(held, "privateIpAddress"),
                                    json_string("a pod's address"));
        }
        if (!json_object_get(eni, "_chosen"))
            continue;
        char *name = lab_format("an address of %s", subnet ? json_string_value(subnet) : "a subnet");
        json_object_set_new(names, aws_text(eni, "privateIpAddress"), json_string(name));
        free(name);
    }
}

// id -> name, of everything there is; two of one name are told apart by number.
static json_t *all_names(struct aws_call *c)
{
    json_t *names = json_object(), *seen = json_object(), *object;
    const char *id;
    for (const struct aws_type *t = aws_types; t->name; t++) {
        json_object_foreach(aws_all(c, t->name), id, object)
        {
            if (t->gone && t->gone(object))
                continue;
            char *raw = name_of(t, object);
            json_t *clean = canonical_text(c->lab, NULL, raw);
            char *name = lab_strdup(json_string_value(clean));
            json_decref(clean);
            free(raw);
            json_int_t count = json_integer_value(json_object_get(seen, name)) + 1;
            json_object_set_new(seen, name, json_integer(count));
            char *numbered = count > 1 ? lab_format("%s#%d", name, (int)count) : lab_strdup(name);
            json_object_set_new(names, id, json_string(numbered));
            free(numbered);
            free(name);
        }
    }
    json_decref(seen);
    name_chosen_addresses(c, names);
    return names;
}

// An object as a snapshot has it. The secondary addresses of an interface are pods': they come and go.
static json_t *shown(struct aws_call *c, const struct aws_type *t, const json_t *object)
{
    json_t *view = aws_view_of(c, t->name, object), *held;
    json_t *addresses = json_object_get(view, "privateIpAddressesSet");
    size_t i;
    if (!addresses)
        return view;
    json_t *kept = json_array();
    json_array_foreach(addresses, i, held)
    {
        if (json_is_true(json_object_get(held, "primary")))
            json_array_append(kept, held);
    }
    json_object_set_new(view, "privateIpAddressesSet", kept);
    return view;
}

json_t *aws_snapshot(struct lab *lab)
{
    struct aws_call c = aws_self(lab);
    json_t *names = all_names(&c), *out = json_object(), *object;
    const char *id;
    for (const struct aws_type *t = aws_types; t->name; t++) {
        if (!strcmp(t->name, "image"))
            continue; // the marketplace's, always the same
        json_t *list = json_array();
        json_object_foreach(aws_all(&c, t->name), id, object)
        {
            if (!(t->gone && t->gone(object)))
                json_array_append_new(list, shown(&c, t, object));
        }
        json_object_set_new(out, t->name, canonical(lab, names, list));
        json_decref(list);
    }
    static const char *const others[] = {"cluster", "stack"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        json_t *list = json_array();
        json_object_foreach(aws_all(&c, others[i]), id, object)
        {
            if (!aws_is(object, "StackStatus", "DELETE_COMPLETE"))
                json_array_append(list, object);
        }
        json_object_set_new(out, others[i], canonical(lab, names, list));
        json_decref(list);
    }
    json_decref(names);
    return out;
}
