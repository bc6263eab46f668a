// The floor: what Isthmus applied to a cluster, taken from it field by field as the server recorded it, and sent
// again raw; lists of the same collections; and waiting for a number of objects.
#include "load.h"

#include <sys/time.h>
#include <time.h>

// What `fields` (a FieldsV1 of managedFields) names of `value`. New reference, or NULL.
// Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/ and structured-merge-diff's fieldpath.
static json_t *named(json_t *value, json_t *fields);

static json_t *named_members(json_t *value, json_t *fields)
{
    json_t *out = json_object(), *below;
    const char *key;
    json_object_foreach(fields, key, below)
    {
        json_t *member = strncmp(key, "f:", 2) == 0 ? json_object_get(value, key + 2) : NULL;
        if (member)
            json_object_set_new(out, key + 2, named(member, below));
    }
    return out;
}

static int has_all(const json_t *item, json_t *keys)
{
    const char *key;
    json_t *value;
    json_object_foreach(keys, key, value)
    {
        if (!json_equal(json_object_get(item, key), value))
            return 0;
    }
    return 1;
}

static json_t *named_items(json_t *value, json_t *fields)
{
    json_t *out = json_array(), *below, *item;
    const char *key;
    size_t i;
    json_object_foreach(fields, key, below)
    {
        json_t *wanted = key[1] == ':' ? json_loads(key + 2, JSON_DECODE_ANY, NULL) : NULL;
        json_array_foreach(value, i, item)
        {
            if (*key == 'k' ? has_all(item, wanted) : *key == 'v' && json_equal(item, wanted))
                json_array_append_new(out, *key == 'k' ? named(item, below) : json_incref(item));
        }
        json_decref(wanted);
    }
    return out;
}

static json_t *named(json_t *value, json_t *fields)
{
    if (json_object_size(fields) == 0)
        return json_incref(value);
    return json_is_array(value) ? named_items(value, fields) : named_members(value, fields);
}

struct taking {
    const char *api, *kind;
    FILE *out;
    json_t *owners; // uid -> "1" of the Services
    size_t count;
};

// A line: the object as it was applied, metadata.uid beside it for those that others refer to.
static void take_object(struct taking *taking, json_t *object)
{
    json_t *meta = json_object_get(object, "metadata"), *entry, *body = NULL;
    size_t i;
    json_array_foreach(json_object_get(meta, "managedFields"), i, entry)
    {
        if (!body && strcmp(ist_json_str_or(entry, "operation", ""), "Apply") == 0)
            body = named(object, json_object_get(entry, "fieldsV1"));
    }
    if (!body)
        return;
    json_t *own = json_object_get(body, "metadata");
    json_object_set_new(body, "apiVersion", json_string(taking->api));
    json_object_set_new(body, "kind", json_string(taking->kind));
    json_object_set(own, "name", json_object_get(meta, "name"));
    if (json_object_get(meta, "namespace"))
        json_object_set(own, "namespace", json_object_get(meta, "namespace"));
    json_t *line = json_pack("{s:O, s:o}", "uid", json_object_get(meta, "uid"), "body", body);
    json_dumpf(line, taking->out, JSON_COMPACT);
    fputc('\n', taking->out);
    json_decref(line);
    taking->count++;
}

static void take_page(struct load_call *call)
{
    struct taking *taking = call->ctx;
    json_t *page = json_loadb(call->answer.data, call->answer.len, 0, NULL), *object;
    size_t i;
    if (!page)
        load_die("%s: no JSON", call->path);
    json_array_foreach(json_object_get(page, "items"), i, object) take_object(taking, object);
    json_decref(page);
}

int replay_take(int argc, char **argv)
{
    if (argc < 5 || argc % 3 != 2)
        load_die("take KUBECONFIG FILE {PATH API KIND}...");
    struct load *load = load_new();
    struct load_server *server = load_server(argv[0]);
    FILE *out = fopen(argv[1], "we");
    if (!out)
        load_die("%s cannot be written", argv[1]);
    size_t count = 0;
    for (int i = 2; i < argc; i += 3) {
        struct taking taking = {.api = argv[i + 1], .kind = argv[i + 2], .out = out};
        load_send(load, server, "GET", ist_printf("%s?labelSelector=isthmus.dev%%2Fowner", argv[i]), NULL,
                  take_page, &taking);
        while (server->flying > 0)
            load_drive(load, 100);
        count += taking.count;
    }
    fclose(out);
    printf("%zu\n", count);
    load_free(load);
    load_server_free(server);
    return 0;
}

// ---- sending it again

struct item {
    char *path, *body; // body: with the uid of `owner` as it was
    char *uid;         // as it was
    char now[64];      // as it is
    size_t owner;      // index + 1; 0: none
    size_t *waiting, waits;
};

struct sending {
    struct load *load;
    struct load_server *server;
    struct item *items;
    size_t count, *ready, at, readies;
};

static const char *plural(const char *kind)
{
    return strcmp(kind, "Service") == 0         ? "services"
           : strcmp(kind, "EndpointSlice") == 0 ? "endpointslices"
           : strcmp(kind, "Namespace") == 0     ? "namespaces"
           : strcmp(kind, "Endpoints") == 0     ? "endpoints"
                                                : "networkpolicies";
}

// The line as a request, into the namespace `ns`. The position of each uid is kept in `uids`.
static void read_item(struct item *item, json_t *line, const char *ns, size_t index, json_t *uids)
{
    json_t *body = json_object_get(line, "body"), *meta = json_object_get(body, "metadata");
    const char *api = ist_json_str_or(body, "apiVersion", ""), *kind = ist_json_str_or(body, "kind", "");
    json_object_set_new(meta, "namespace", json_string(ns));
    json_t *labels = json_object_get(meta, "labels");
    json_object_set_new(labels, "isthmus.dev/owner",
                        json_string("raw")); // or the daemon would take it for its own
    item->path = ist_printf("/%s/%s/namespaces/%s/%s/%s?fieldManager=isthmus&fieldValidation=Strict",
                            strchr(api, '/') ? "apis" : "api", api, ns, plural(kind),
                            ist_json_str_or(meta, "name", ""));
    item->uid = ist_strdup(ist_json_str_or(line, "uid", ""));
    item->body = ist_json_text(body);
    json_t *owner = json_array_get(json_object_get(meta, "ownerReferences"), 0);
    item->owner = (size_t)json_integer_value(json_object_get(uids, ist_json_str_or(owner, "uid", "")));
    json_object_set_new(uids, item->uid, json_integer((json_int_t)index + 1));
}

static void read_items(struct sending *s, const char *path, const char *ns)
{
    json_t *uids = json_object(), *line;
    FILE *file = fopen(path, "re");
    size_t room = 0;
    if (!file)
        load_die("%s cannot be read", path);
    while ((line = json_loadf(file, JSON_DISABLE_EOF_CHECK, NULL))) {
        if (s->count == room)
            s->items = ist_realloc(s->items, room = room ? room * 2 : 1024, sizeof *s->items);
        s->items[s->count] = (struct item){0};
        read_item(&s->items[s->count], line, ns, s->count, uids);
        s->count++;
        json_decref(line);
    }
    fclose(file);
    json_decref(uids);
    s->ready = ist_calloc(s->count + 1, sizeof *s->ready);
    for (size_t i = 0; i < s->count; i++) {
        struct item *owner = s->items[i].owner ? &s->items[s->items[i].owner - 1] : NULL;
        if (!owner) {
            s->ready[s->readies++] = i;
            continue;
        }
        owner->waiting = ist_realloc(owner->waiting, owner->waits + 1, sizeof *owner->waiting);
        owner->waiting[owner->waits++] = i;
    }
}

static void sent(struct load_call *call)
{
    struct sending *s = call->ctx;
    struct item *item = &s->items[call->number];
    const char *uid = strstr(call->answer.data, "\"uid\":\"");
    if (uid)
        snprintf(item->now, sizeof item->now, "%.*s", (int)strcspn(uid + 7, "\""), uid + 7);
    for (size_t i = 0; i < item->waits; i++)
        s->ready[s->readies++] = item->waiting[i];
}

static int send_next(void *ctx)
{
    struct sending *s = ctx;
    if (s->at == s->readies)
        return 0;
    size_t index = s->ready[s->at++];
    struct item *item = &s->items[index];
    if (item->owner) {
        struct item *owner = &s->items[item->owner - 1];
        char *uid = strstr(item->body, owner->uid);
        if (uid && strlen(owner->now) == strlen(owner->uid))
            memcpy(uid, owner->now, strlen(owner->now));
    }
    load_send(s->load, s->server, "APPLY", item->path, item->body, sent, s)->number = index;
    return 1;
}

int replay_send(int argc, char **argv)
{
    if (argc != 4)
        load_die("send KUBECONFIG FILE NAMESPACE FLIGHT");
    struct sending s = {.load = load_new(), .server = load_server(argv[0])};
    read_items(&s, argv[1], argv[2]);
    double began = now_ms();
    load_all(s.load, s.server, (int)load_number(argv[3]), send_next, &s);
    printf("%.0f %zu\n", now_ms() - began, s.at);
    for (size_t i = 0; i < s.count; i++) {
        ist_free(s.items[i].uid);
        ist_free(s.items[i].waiting);
    }
    ist_free(s.items);
    ist_free(s.ready);
    load_free(s.load);
    load_server_free(s.server);
    return 0;
}

// ---- lists

struct listing {
    struct load *load;
    const char *path;
    size_t requests, items;
};

// The token of the next page: in the head of the page or, as lists of custom resources have it, behind its items. What
// is between is passed over: what a list costs without reading its objects. NULL: this was the last page.
static const char *next_page(const char *page)
{
    const char *items = strstr(page, "\"items\":"), *last = strrchr(page, ']');
    const char *more = strstr(page, "\"continue\":\"");
    if (more && items && more > items)
        more = last ? strstr(last, "\"continue\":\"") : NULL;
    return more && more[12] != '"' ? more + 12 : NULL;
}

static void page_done(struct load_call *call)
{
    struct listing *listing = call->ctx;
    const char *more = next_page(call->answer.data);
    listing->requests++;
    if (more)
        load_send(listing->load, call->server, "GET",
                  ist_printf("%s%climit=500&continue=%.*s", listing->path,
                             strchr(listing->path, '?') ? '&' : '?', (int)strcspn(more, "\""), more),
                  NULL, page_done, listing);
}

// Page by page; a path with a query goes as it is.
int replay_list(int argc, char **argv)
{
    struct load *load = load_new();
    struct load_server *servers[16];
    struct listing lists[16] = {{0}};
    int used = 0, flying = 0;
    if (argc < 2 || argc % 2 || argc > 32)
        load_die("list {KUBECONFIG PATH}...");
    double began = now_ms();
    for (; used * 2 < argc; used++) {
        servers[used] = load_server(argv[used * 2]);
        lists[used] = (struct listing){.load = load, .path = argv[used * 2 + 1]};
        load_send(load, servers[used], "GET",
                  ist_printf("%s%s", lists[used].path, strchr(lists[used].path, '?') ? "" : "?limit=500"),
                  NULL, page_done, &lists[used]);
    }
    do {
        load_drive(load, 100);
        flying = 0;
        for (int i = 0; i < used; i++)
            flying += servers[i]->flying;
    } while (flying > 0);
    size_t requests = 0;
    for (int i = 0; i < used; i++)
        requests += lists[i].requests;
    printf("%.0f %zu\n", now_ms() - began, requests);
    load_free(load);
    for (int i = 0; i < used; i++)
        load_server_free(servers[i]);
    return 0;
}

// ---- waiting

static void counted(struct load_call *call)
{
    const char *left = strstr(call->answer.data, "\"remainingItemCount\":");
    const char *none = strstr(call->answer.data, "\"items\":[]");
    *(size_t *)call->ctx = left ? strtoul(left + 21, NULL, 10) + 1 : none ? 0 : 1;
}

static size_t count_of(struct load *load, struct load_server *server, const char *path)
{
    size_t count = 0;
    load_send(load, server, "GET", ist_printf("%s?limit=1", path), NULL, counted, &count);
    while (server->flying > 0)
        load_drive(load, 100);
    return count;
}

int replay_count(int argc, char **argv)
{
    if (argc != 2)
        load_die("count KUBECONFIG PATH");
    struct load *load = load_new();
    struct load_server *server = load_server(argv[0]);
    printf("%zu\n", count_of(load, server, argv[1]));
    load_free(load);
    load_server_free(server);
    return 0;
}

int replay_until(int argc, char **argv)
{
    if (argc != 4)
        load_die("until KUBECONFIG PATH COUNT SECONDS");
    struct load *load = load_new();
    struct load_server *server = load_server(argv[0]);
    size_t wanted = (size_t)load_number(argv[2]), count = 0;
    double until = now_ms() + (double)load_number(argv[3]) * 1e3;
    while (count < wanted && now_ms() < until) {
        count = count_of(load, server, argv[1]);
        struct timespec pause = {.tv_nsec = 50000000}; // it takes from both sides
        if (count < wanted)
            nanosleep(&pause, NULL);
    }
    if (count < wanted)
        load_die("%s: %zu of %zu in time", argv[1], count, wanted);
    // The time of day in microseconds, as bash's EPOCHREALTIME without its dot.
    struct timeval now;
    gettimeofday(&now, NULL);
    printf("%lld%06lld\n", (long long)now.tv_sec, (long long)now.tv_usec);
    load_free(load);
    load_server_free(server);
    return 0;
}
