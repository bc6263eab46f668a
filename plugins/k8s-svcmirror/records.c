// The records: tables, strings that are kept once, and the services and slices of a cluster.
#include "records.h"

#include <isthmus/alloc.h>

#include <string.h>

// ---- tables ----

uint32_t hash_text(uint32_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 16777619u;
    return hash;
}

static struct entry **bucket_of(const struct table *table, uint32_t hash)
{
    return &table->buckets[(hash ^ hash >> 15) & (table->size - 1)];
}

static void grow(struct table *table)
{
    struct table bigger = {.size = table->size ? table->size * 2 : 16, .count = table->count};
    bigger.buckets = ist_calloc(bigger.size, sizeof(*bigger.buckets));
    for (size_t i = 0; i < table->size; i++) {
        for (struct entry *entry = table->buckets[i], *next; entry; entry = next) {
            struct entry **bucket = bucket_of(&bigger, entry->hash);
            next = entry->next;
            entry->next = *bucket;
            *bucket = entry;
        }
    }
    ist_free(table->buckets);
    *table = bigger;
}

void table_add(struct table *table, struct entry *entry)
{
    if (table->count >= table->size)
        grow(table);
    struct entry **bucket = bucket_of(table, entry->hash);
    entry->next = *bucket;
    *bucket = entry;
    table->count++;
}

void table_remove(struct table *table, struct entry *entry)
{
    struct entry **at = bucket_of(table, entry->hash);
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    table->count--;
}

static struct entry *of_hash(struct entry *entry, uint32_t hash)
{
    while (entry && entry->hash != hash)
        entry = entry->next;
    return entry;
}

struct entry *table_first(const struct table *table, uint32_t hash)
{
    return table->size ? of_hash(*bucket_of(table, hash), hash) : NULL;
}

struct entry *table_same(const struct entry *entry)
{
    return of_hash(entry->next, entry->hash);
}

void table_each(struct table *table, void (*each)(void *arg, struct entry *entry), void *arg)
{
    for (size_t i = 0; i < table->size; i++) {
        for (struct entry *entry = table->buckets[i], *next; entry; entry = next) {
            next = entry->next;
            each(arg, entry);
        }
    }
}

void table_free(struct table *table)
{
    ist_free(table->buckets);
    *table = (struct table){0};
}

// ---- strings and ports, kept once ----

const struct text *text_get(struct pool *pool, const char *text)
{
    if (!text || !*text)
        return NULL;
    uint32_t hash = hash_text(HASH_BEGIN, text);
    for (struct entry *entry = table_first(&pool->texts, hash); entry; entry = table_same(entry)) {
        struct text *found = (struct text *)entry;
        if (!strcmp(found->text, text)) {
            found->refs++;
            return found;
        }
    }
    size_t len = strlen(text);
    struct text *made = ist_malloc(sizeof(*made) + len + 1);
    made->entry = (struct entry){.hash = hash};
    made->refs = 1;
    memcpy(made->text, text, len + 1);
    table_add(&pool->texts, &made->entry);
    return made;
}

void text_drop(struct pool *pool, const struct text *text)
{
    struct text *mine = (struct text *)(uintptr_t)text;
    if (!mine || --mine->refs)
        return;
    table_remove(&pool->texts, &mine->entry);
    ist_free(mine);
}

static uint8_t protocol_of(const char *text)
{
    return !strcmp(text, "UDP") ? PROTOCOL_UDP : !strcmp(text, "SCTP") ? PROTOCOL_SCTP : PROTOCOL_TCP;
}

const char *protocol_text(uint8_t protocol)
{
    static const char *const names[] = {"TCP", "UDP", "SCTP"};
    return names[protocol];
}

static uint32_t hash_ports(const struct ports *list)
{
    uint32_t hash = HASH_BEGIN;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct port *port = &list->items[i];
        hash = hash_text(hash, port->name ? port->name->text : "/");
        hash = hash_text(hash, port->app ? port->app->text : "/");
        hash = (hash ^ (uint32_t)(port->number << 2 | port->protocol)) * 16777619u;
    }
    return hash;
}

static int same_ports(const struct ports *a, const struct ports *b)
{
    if (a->count != b->count)
        return 0;
    for (uint32_t i = 0; i < a->count; i++) {
        const struct port *x = &a->items[i], *y = &b->items[i];
        // Strings are kept once: the same text is the same pointer.
        if (x->name != y->name || x->app != y->app || x->number != y->number || x->protocol != y->protocol)
            return 0;
    }
    return 1;
}

static void ports_free(struct pool *pool, struct ports *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        text_drop(pool, list->items[i].name);
        text_drop(pool, list->items[i].app);
    }
    ist_free(list);
}

// The one that is kept: it, or one that is the same. Consumes it.
static const struct ports *keep_list(struct pool *pool, struct ports *list)
{
    list->entry.hash = hash_ports(list);
    for (struct entry *entry = table_first(&pool->lists, list->entry.hash); entry;
         entry = table_same(entry)) {
        if (same_ports((struct ports *)entry, list)) {
            ports_free(pool, list);
            return ports_keep((struct ports *)entry);
        }
    }
    table_add(&pool->lists, &list->entry);
    return list;
}

const struct ports *ports_get(struct pool *pool, const json_t *ports)
{
    size_t count = json_array_size(ports), i;
    json_t *given;
    struct ports *list = ist_malloc(sizeof(*list) + count * sizeof(list->items[0]));
    *list = (struct ports){.refs = 1, .count = (uint32_t)count};
    json_array_foreach(ports, i, given)
    {
        json_int_t number = json_integer_value(json_object_get(given, "port"));
        const char *protocol = json_string_value(json_object_get(given, "protocol"));
        list->items[i] =
            (struct port){.name = text_get(pool, json_string_value(json_object_get(given, "name"))),
                          .app = text_get(pool, json_string_value(json_object_get(given, "appProtocol"))),
                          .number = number > 0 && number < 65536 ? (uint16_t)number : 0,
                          .protocol = protocol_of(protocol ? protocol : "TCP")};
    }
    return keep_list(pool, list);
}

const struct ports *ports_of(struct pool *pool, const struct port *items, size_t count)
{
    struct ports *list = ist_malloc(sizeof(*list) + count * sizeof(list->items[0]));
    *list = (struct ports){.refs = 1, .count = (uint32_t)count};
    for (size_t i = 0; i < count; i++) {
        list->items[i] = items[i];
        list->items[i].name = text_get(pool, items[i].name ? items[i].name->text : NULL);
        list->items[i].app = text_get(pool, items[i].app ? items[i].app->text : NULL);
    }
    return keep_list(pool, list);
}

const struct ports *ports_keep(const struct ports *ports)
{
    ((struct ports *)(uintptr_t)ports)->refs++;
    return ports;
}

void ports_drop(struct pool *pool, const struct ports *ports)
{
    struct ports *mine = (struct ports *)(uintptr_t)ports;
    if (!mine || --mine->refs)
        return;
    table_remove(&pool->lists, &mine->entry);
    ports_free(pool, mine);
}

static void free_entry(void *arg, struct entry *entry)
{
    (void)arg;
    ist_free(entry);
}

void pool_free(struct pool *pool)
{
    table_each(&pool->texts, free_entry, NULL);
    table_each(&pool->lists, free_entry, NULL);
    table_free(&pool->texts);
    table_free(&pool->lists);
}

// ---- namespaces and services ----

struct place *place_find(const struct records *records, const char *name)
{
    struct entry *entry = table_first(&records->places, hash_text(HASH_BEGIN, name));
    while (entry && strcmp(((struct place *)entry)->name, name) != 0)
        entry = table_same(entry);
    return (struct place *)entry;
}

struct place *place_at(struct records *records, const char *name)
{
    struct place *place = place_find(records, name);
    if (place)
        return place;
    size_t len = strlen(name);
    place = ist_calloc(1, sizeof(*place) + len + 1);
    memcpy(place->name, name, len + 1);
    place->entry.hash = hash_text(HASH_BEGIN, name);
    table_add(&records->places, &place->entry);
    return place;
}

static uint32_t hash_pair(const char *ns, const char *name)
{
    return hash_text(hash_text(hash_text(HASH_BEGIN, ns), "/"), name);
}

struct service *service_find(const struct records *records, const char *ns, const char *name)
{
    for (struct entry *entry = table_first(&records->services, hash_pair(ns, name)); entry;
         entry = table_same(entry)) {
        struct service *service = (struct service *)entry;
        if (!strcmp(service->name, name) && !strcmp(service->place->name, ns))
            return service;
    }
    return NULL;
}

struct service *service_at(struct records *records, const char *ns, const char *name)
{
    struct service *service = service_find(records, ns, name);
    if (service)
        return service;
    size_t len = strlen(name);
    service = ist_calloc(1, sizeof(*service) + len + 1);
    memcpy(service->name, name, len + 1);
    service->entry.hash = hash_pair(ns, name);
    service->place = place_at(records, ns);
    service->sibling = service->place->services;
    service->place->services = service;
    table_add(&records->services, &service->entry);
    return service;
}

static void service_free(struct pool *pool, struct service *service)
{
    ports_drop(pool, service->ports);
    text_drop(pool, service->extra);
    ist_free(service->uid);
    ist_free(service);
}

void service_tidy(struct records *records, struct pool *pool, struct service *service)
{
    if (service->flags & SERVICE_PRESENT || service->slices)
        return;
    struct service **at = &service->place->services;
    while (*at != service)
        at = &(*at)->sibling;
    *at = service->sibling;
    table_remove(&records->services, &service->entry);
    service_free(pool, service);
}

// ---- slices ----

struct slice *slice_find(const struct records *records, const char *ns, const char *name)
{
    for (struct entry *entry = table_first(&records->slices, hash_pair(ns, name)); entry;
         entry = table_same(entry)) {
        struct slice *slice = (struct slice *)entry;
        if (!strcmp(slice->name, name) && !strcmp(slice->service->place->name, ns))
            return slice;
    }
    return NULL;
}

struct slice *slice_add(struct records *records, struct service *service, const char *name)
{
    size_t len = strlen(name);
    struct slice *slice = ist_calloc(1, sizeof(*slice) + len + 1);
    memcpy(slice->name, name, len + 1);
    slice->entry.hash = hash_pair(service->place->name, name);
    slice->service = service;
    slice->sibling = service->slices;
    service->slices = slice;
    table_add(&records->slices, &slice->entry);
    return slice;
}

void parts_free(struct pool *pool, struct part *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (uint32_t j = 0; parts[i].hostnames && j < parts[i].count; j++)
            text_drop(pool, parts[i].hostnames[j]);
        ist_free(parts[i].hostnames);
        ist_free(parts[i].addresses);
        ports_drop(pool, parts[i].ports);
    }
    ist_free(parts);
}

static void slice_free(struct pool *pool, struct slice *slice)
{
    parts_free(pool, slice->parts, slice->count);
    text_drop(pool, slice->refused_one);
    ist_free(slice);
}

void slice_remove(struct records *records, struct pool *pool, struct slice *slice)
{
    struct slice **at = &slice->service->slices;
    while (*at != slice)
        at = &(*at)->sibling;
    *at = slice->sibling;
    table_remove(&records->slices, &slice->entry);
    slice_free(pool, slice);
}

// ---- what stands ----

struct standing *standing_find(const struct records *records, const char *key)
{
    struct entry *entry = table_first(&records->standing, hash_text(HASH_BEGIN, key));
    while (entry && strcmp(((struct standing *)entry)->key, key) != 0)
        entry = table_same(entry);
    return (struct standing *)entry;
}

struct standing *standing_at(struct records *records, const char *key)
{
    struct standing *standing = standing_find(records, key);
    if (standing)
        return standing;
    size_t len = strlen(key);
    standing = ist_calloc(1, sizeof(*standing) + len + 1);
    standing->source = standing->service_source = -1;
    standing->headless = standing->said = STANDING_UNKNOWN;
    memcpy(standing->key, key, len + 1);
    standing->entry.hash = hash_text(HASH_BEGIN, key);
    table_add(&records->standing, &standing->entry);
    return standing;
}

static void standing_free(struct pool *pool, struct standing *standing)
{
    ports_drop(pool, standing->ports);
    ports_drop(pool, standing->said_ports);
    ist_free(standing);
}

void standing_remove(struct records *records, struct pool *pool, struct standing *standing)
{
    table_remove(&records->standing, &standing->entry);
    standing_free(pool, standing);
}

// ---- all of it ----

static void free_slice_entry(void *pool, struct entry *entry)
{
    slice_free(pool, (struct slice *)entry);
}

static void free_service_entry(void *pool, struct entry *entry)
{
    service_free(pool, (struct service *)entry);
}

static void free_standing_entry(void *pool, struct entry *entry)
{
    standing_free(pool, (struct standing *)entry);
}

void records_free(struct records *records, struct pool *pool)
{
    table_each(&records->slices, free_slice_entry, pool);
    table_each(&records->services, free_service_entry, pool);
    table_each(&records->places, free_entry, NULL);
    table_each(&records->standing, free_standing_entry, pool);
    table_free(&records->slices);
    table_free(&records->services);
    table_free(&records->places);
    table_free(&records->standing);
}
