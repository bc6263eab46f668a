// Interned strings, label sets and port lists.
#include "names.h"
#include "conn.h"
#include "table.h"

#include <isthmus/alloc.h>

#include <stdlib.h>
#include <string.h>

struct names {
    struct table names, labels, ports;
};

struct names *names_new(void)
{
    return ist_calloc(1, sizeof(struct names));
}

static void free_all(struct table *table)
{
    for (size_t i = 0; i < table->room; i++)
        ist_free(table->slots[i].record);
    table_free(table);
}

void names_free(struct names *names)
{
    if (!names)
        return;
    free_all(&names->names);
    free_all(&names->labels);
    free_all(&names->ports);
    ist_free(names);
}

// ---- strings

static int same_text(const void *record, const void *key)
{
    return !strcmp(((const struct name *)record)->text, key);
}

const struct name *name_get(struct names *names, const char *text)
{
    const size_t len = strlen(text);
    const uint32_t hash = hash_bytes(HASH_START, text, len);
    struct name *name = table_find(&names->names, hash, same_text, text);
    if (!name) {
        name = ist_malloc(sizeof(*name) + len + 1);
        *name = (struct name){.hash = hash};
        memcpy(name->text, text, len + 1);
        table_add(&names->names, hash, name);
    }
    name->refs++;
    return name;
}

// The pool's records are handed out const: nobody else counts.
static void *writable(const void *record)
{
    return (void *)(uintptr_t)record;
}

const struct name *name_keep(const struct name *name)
{
    if (name)
        ((struct name *)writable(name))->refs++;
    return name;
}

void name_drop(struct names *names, const struct name *name)
{
    struct name *own = writable(name);
    if (!own || --own->refs)
        return;
    table_remove(&names->names, own->hash, own);
    ist_free(own);
}

// ---- label sets

static int by_key(const void *a, const void *b)
{
    uintptr_t left = (uintptr_t)((const struct label *)a)->key,
              right = (uintptr_t)((const struct label *)b)->key;
    return left < right ? -1 : left > right;
}

static int same_labels(const void *record, const void *key)
{
    const struct labels *a = record, *b = key;
    return a->count == b->count && !memcmp(a->items, b->items, a->count * sizeof(*a->items));
}

static void drop_items(struct names *names, const struct labels *labels)
{
    for (uint32_t i = 0; i < labels->count; i++) {
        name_drop(names, labels->items[i].key);
        name_drop(names, labels->items[i].value);
    }
}

const struct labels *labels_get(struct names *names, const json_t *object, const struct label *extra)
{
    const char *key;
    json_t *value;
    struct labels *made = ist_malloc(sizeof(*made) + (json_object_size(object) + 1) * sizeof(struct label));
    *made = (struct labels){.refs = 0};
    json_object_foreach((json_t *)writable(object), key, value)
    {
        if (json_is_string(value) && !(extra && !strcmp(extra->key->text, key)))
            made->items[made->count++] =
                (struct label){name_get(names, key), name_get(names, json_string_value(value))};
    }
    if (extra)
        made->items[made->count++] = (struct label){name_keep(extra->key), name_keep(extra->value)};
    if (made->count)
        qsort(made->items, made->count, sizeof(*made->items), by_key);
    made->hash = HASH_START;
    for (uint32_t i = 0; i < made->count; i++)
        made->hash = hash_pointer(hash_pointer(made->hash, made->items[i].key), made->items[i].value);
    struct labels *known = table_find(&names->labels, made->hash, same_labels, made);
    if (known) {
        drop_items(names, made);
        ist_free(made);
    } else {
        known = ist_realloc(made, 1, sizeof(*made) + made->count * sizeof(struct label));
        table_add(&names->labels, known->hash, known);
    }
    known->refs++;
    return known;
}

const struct labels *labels_keep(const struct labels *labels)
{
    if (labels)
        ((struct labels *)writable(labels))->refs++;
    return labels;
}

void labels_drop(struct names *names, const struct labels *labels)
{
    struct labels *own = writable(labels);
    if (!own || --own->refs)
        return;
    table_remove(&names->labels, own->hash, own);
    drop_items(names, own);
    ist_free(own);
}

const struct name *labels_find(const struct labels *labels, const struct name *key)
{
    for (uint32_t i = 0; i < labels->count; i++)
        if (labels->items[i].key == key)
            return labels->items[i].value;
    return NULL;
}

// ---- ports of containers

static int same_ports(const void *record, const void *key)
{
    const struct named_ports *a = record, *b = key;
    if (a->count != b->count)
        return 0;
    for (uint32_t i = 0; i < a->count; i++)
        if (a->items[i].name != b->items[i].name || a->items[i].number != b->items[i].number ||
            a->items[i].protocol != b->items[i].protocol)
            return 0;
    return 1;
}

static size_t count_ports(const json_t *containers)
{
    size_t i, count = 0;
    json_t *container;
    json_array_foreach(containers, i, container) count +=
        json_array_size(json_object_get(container, "ports"));
    return count;
}

static void add_ports(struct names *names, const json_t *containers, int restarting_only,
                      struct named_ports *made)
{
    size_t i, j;
    json_t *container, *port;
    json_array_foreach(containers, i, container)
    {
        if (restarting_only && strcmp(ist_json_str_or(container, "restartPolicy", ""), "Always") != 0)
            continue;
        json_array_foreach(json_object_get(container, "ports"), j, port)
        {
            const char *name = ist_json_str(port, "name");
            int64_t number = ist_json_int(port, "containerPort", 0);
            uint8_t protocol;
            // Without a name a declared port means nothing to a policy.
            if (!name || !*name || number < 1 || number > 65535 ||
                proto_of(ist_json_str(port, "protocol"), &protocol))
                continue;
            made->items[made->count++] =
                (struct named_port){name_get(names, name), (uint16_t)number, protocol};
        }
    }
}

const struct named_ports *named_ports_get(struct names *names, const json_t *pod_spec)
{
    const json_t *containers = json_object_get(pod_spec, "containers");
    const json_t *init = json_object_get(pod_spec, "initContainers");
    size_t room = count_ports(containers) + count_ports(init);
    struct named_ports *made = ist_malloc(sizeof(*made) + room * sizeof(struct named_port));
    *made = (struct named_ports){.hash = HASH_START};
    add_ports(names, containers, 0, made);
    add_ports(names, init, 1, made);
    for (uint32_t i = 0; i < made->count; i++) {
        made->hash = hash_pointer(made->hash, made->items[i].name);
        made->hash = hash_bytes(made->hash, &made->items[i].number, sizeof(made->items[i].number));
        made->hash = hash_bytes(made->hash, &made->items[i].protocol, 1);
    }
    struct named_ports *known = table_find(&names->ports, made->hash, same_ports, made);
    if (known) {
        for (uint32_t i = 0; i < made->count; i++)
            name_drop(names, made->items[i].name);
        ist_free(made);
    } else {
        known = ist_realloc(made, 1, sizeof(*made) + made->count * sizeof(struct named_port));
        table_add(&names->ports, known->hash, known);
    }
    known->refs++;
    return known;
}

const struct named_ports *named_ports_keep(const struct named_ports *ports)
{
    if (ports)
        ((struct named_ports *)writable(ports))->refs++;
    return ports;
}

void named_ports_drop(struct names *names, const struct named_ports *ports)
{
    struct named_ports *own = writable(ports);
    if (!own || --own->refs)
        return;
    table_remove(&names->ports, own->hash, own);
    for (uint32_t i = 0; i < own->count; i++)
        name_drop(names, own->items[i].name);
    ist_free(own);
}

uint16_t named_ports_number(const struct named_ports *ports, const struct name *name, uint8_t protocol)
{
    for (uint32_t i = 0; i < ports->count; i++)
        if (ports->items[i].name == name && ports->items[i].protocol == protocol)
            return ports->items[i].number;
    return 0;
}
