// Where the records of a world are kept.
#include "store.h"

#include <isthmus/alloc.h>

#include <string.h>

struct world *world_new(void)
{
    struct world *world = ist_calloc(1, sizeof(*world));
    world->names = names_new();
    world->metadata_name = name_get(world->names, "kubernetes.io/metadata.name");
    return world;
}

struct names *world_names(struct world *world)
{
    return world->names;
}

void world_watch(struct world *world, const struct world_watcher *watcher)
{
    world->watcher = watcher ? *watcher : (struct world_watcher){0};
}

// ---- clusters

size_t world_find_cluster(const struct world *world, const char *name)
{
    for (size_t i = 0; i < world->cluster_count; i++)
        if (!strcmp(world->clusters[i]->public.name->text, name))
            return i;
    return SIZE_MAX;
}

size_t world_add_cluster(struct world *world, const char *name)
{
    size_t known = world_find_cluster(world, name);
    if (known != SIZE_MAX)
        return known;
    struct cluster_store *made = ist_calloc(1, sizeof(*made));
    made->public.name = name_get(world->names, name);
    world->clusters = ist_realloc(world->clusters, world->cluster_count + 1, sizeof(struct cluster_store *));
    world->clusters[world->cluster_count] = made;
    return world->cluster_count++;
}

size_t world_cluster_count(const struct world *world)
{
    return world->cluster_count;
}

const struct cluster *world_cluster(const struct world *world, size_t cluster)
{
    return &world->clusters[cluster]->public;
}

void world_add_pod_net(struct world *world, size_t cluster, struct net net)
{
    struct cluster *c = &world->clusters[cluster]->public;
    c->pod_nets = ist_realloc(c->pod_nets, c->pod_net_count + 1, sizeof(*c->pod_nets));
    c->pod_nets[c->pod_net_count++] = net;
}

void world_map_namespace(struct world *world, size_t cluster, const char *ns, const char *common)
{
    struct mapped *line = ist_calloc(1, sizeof(*line));
    *line = (struct mapped){name_get(world->names, ns), name_get(world->names, common),
                            world->clusters[cluster]->map};
    world->clusters[cluster]->map = line;
}

// ---- namespaces

static int same_namespace(const void *record, const void *key)
{
    return !strcmp(((const struct namespace *)record)->name->text, key);
}

static struct namespace *find_namespace(const struct world *world, size_t cluster, const char *name)
{
    const uint32_t hash = hash_bytes(HASH_START, name, strlen(name));
    return table_find(&world->clusters[cluster]->namespaces, hash, same_namespace, name);
}

const struct namespace *world_find_namespace(const struct world *world, size_t cluster, const char *name)
{
    return find_namespace(world, cluster, name);
}

// The name under which the clusters share it. One that a line of the map has taken from it is shared by nobody.
static const struct name *common_name(struct world *world, const struct cluster_store *store,
                                      const char *name)
{
    for (const struct mapped *line = store->map; line; line = line->next)
        if (!strcmp(line->ns->text, name))
            return name_keep(line->common);
    for (const struct mapped *line = store->map; line; line = line->next)
        if (!strcmp(line->common->text, name)) {
            char *alone = ist_printf("%s of %s alone", name, store->public.name->text);
            const struct name *made = name_get(world->names, alone);
            ist_free(alone);
            return made;
        }
    return name_get(world->names, name);
}

struct namespace *store_find_namespace(const struct world *world, size_t cluster, const char *name)
{
    return find_namespace(world, cluster, name);
}

struct namespace *store_namespace(struct world *world, size_t cluster, const char *name)
{
    struct namespace *ns = find_namespace(world, cluster, name);
    if (ns)
        return ns;
    struct cluster_store *store = world->clusters[cluster];
    ns = ist_calloc(1, sizeof(*ns));
    ns->cluster = cluster;
    ns->name = name_get(world->names, name);
    ns->common = common_name(world, store, name);
    const struct label implied = {world->metadata_name, ns->name};
    ns->labels = labels_get(world->names, NULL, &implied);
    if (store->last)
        store->last->next = ns;
    else
        store->public.namespaces = ns;
    store->last = ns;
    table_add(&store->namespaces, ns->name->hash, ns);
    return ns;
}

void store_label_namespace(struct world *world, struct namespace *ns, const json_t *labels)
{
    const struct label implied = {world->metadata_name, ns->name};
    const struct labels *before = ns->labels;
    ns->labels = labels_get(world->names, labels, &implied);
    if (ns->labels != before && world->watcher.ns)
        world->watcher.ns(world->watcher.arg, ns);
    labels_drop(world->names, before);
}

const struct namespace *world_same_namespace(const struct world *world, const struct namespace *ns,
                                             size_t cluster)
{
    const struct namespace *own = find_namespace(world, cluster, ns->common->text);
    if (own && own->common == ns->common)
        return own;
    for (own = world->clusters[cluster]->public.namespaces; own; own = own->next)
        if (own->common == ns->common)
            return own;
    return NULL;
}

// ---- workloads

static int same_workload(const void *record, const void *key)
{
    const struct workload *a = record, *b = key;
    return a->ns == b->ns && a->name == b->name && a->kind == b->kind;
}

const struct workload *store_workload(struct world *world, const char *ns, const char *name, const char *kind)
{
    struct workload wanted = {.ns = name_get(world->names, ns),
                              .name = name_get(world->names, name),
                              .kind = name_get(world->names, kind)};
    wanted.hash = hash_pointer(hash_pointer(hash_pointer(HASH_START, wanted.ns), wanted.name), wanted.kind);
    struct workload *known = table_find(&world->workloads, wanted.hash, same_workload, &wanted);
    if (known) {
        name_drop(world->names, wanted.ns);
        name_drop(world->names, wanted.name);
        name_drop(world->names, wanted.kind);
    } else {
        known = ist_malloc(sizeof(*known));
        *known = wanted;
        table_add(&world->workloads, known->hash, known);
    }
    known->refs++;
    return known;
}

void store_drop_workload(struct world *world, const struct workload *workload)
{
    struct workload *own = (struct workload *)(uintptr_t)workload;
    if (!own || --own->refs)
        return;
    table_remove(&world->workloads, own->hash, own);
    name_drop(world->names, own->ns);
    name_drop(world->names, own->name);
    name_drop(world->names, own->kind);
    ist_free(own);
}

// ---- pods

struct pod_key {
    const struct namespace *ns;
    const char *name;
};

static int same_pod(const void *record, const void *key)
{
    const struct pod *pod = record;
    const struct pod_key *wanted = key;
    return pod->group->ns == wanted->ns && !strcmp(pod->name, wanted->name);
}

struct pod *store_find_pod(const struct world *world, const struct namespace *ns, const char *name)
{
    const uint32_t hash = hash_pointer(hash_bytes(HASH_START, name, strlen(name)), ns);
    return table_find(&world->clusters[ns->cluster]->pods, hash, same_pod, &(struct pod_key){ns, name});
}

const struct pod *world_find_pod(const struct world *world, size_t cluster, const char *ns, const char *name)
{
    const struct namespace *in = find_namespace(world, cluster, ns);
    return in ? store_find_pod(world, in, name) : NULL;
}

struct pod *store_pod_new(const char *name)
{
    const size_t len = strlen(name) + 1;
    struct pod *pod = ist_malloc(sizeof(*pod) + len);
    memset(pod, 0, sizeof(*pod));
    memcpy(pod->name, name, len);
    return pod;
}

static void free_pod(struct world *world, struct pod *pod)
{
    store_drop_workload(world, pod->workload);
    ist_free(pod->addresses);
    ist_free(pod);
}

static int same_group(const void *record, const void *key)
{
    const struct group *a = record, *b = key;
    return a->ns == b->ns && a->labels == b->labels && a->ports == b->ports;
}

// Consumes the references of labels and ports.
static struct group *group_of(struct world *world, struct namespace *ns, const struct labels *labels,
                              const struct named_ports *ports)
{
    struct table *groups = &world->clusters[ns->cluster]->groups;
    struct group wanted = {
        .ns = ns, .labels = labels, .ports = ports, .next = ns->groups, .link = &ns->groups};
    wanted.hash = hash_pointer(hash_pointer(hash_pointer(HASH_START, ns), labels), ports);
    struct group *group = table_find(groups, wanted.hash, same_group, &wanted);
    if (group) {
        labels_drop(world->names, labels);
        named_ports_drop(world->names, ports);
        return group;
    }
    group = ist_malloc(sizeof(*group));
    *group = wanted;
    if (group->next)
        group->next->link = &group->next;
    ns->groups = group;
    ns->group_count++;
    table_add(groups, group->hash, group);
    return group;
}

static void free_group(struct world *world, struct group *group)
{
    *group->link = group->next;
    if (group->next)
        group->next->link = group->link;
    group->ns->group_count--;
    table_remove(&world->clusters[group->ns->cluster]->groups, group->hash, group);
    labels_drop(world->names, group->labels);
    named_ports_drop(world->names, group->ports);
    ist_free(group);
}

static void link_pod(struct world *world, struct group *group, struct pod *pod)
{
    struct cluster_store *store = world->clusters[group->ns->cluster];
    pod->group = group;
    pod->hash = hash_pointer(hash_bytes(HASH_START, pod->name, strlen(pod->name)), group->ns);
    pod->next = group->pods;
    pod->link = &group->pods;
    if (pod->next)
        pod->next->link = &pod->next;
    group->pods = pod;
    group->pod_count++;
    store->public.pod_count++;
    table_add(&store->pods, pod->hash, pod);
}

static void unlink_pod(struct world *world, struct pod *pod)
{
    struct cluster_store *store = world->clusters[pod->group->ns->cluster];
    table_remove(&store->pods, pod->hash, pod);
    store->public.pod_count--;
    pod->group->pod_count--;
    *pod->link = pod->next;
    if (pod->next)
        pod->next->link = pod->link;
}

static int same_record(const struct pod *a, const struct pod *b)
{
    return a->group == b->group && a->workload == b->workload && a->flags == b->flags &&
           a->address_count == b->address_count &&
           (!a->address_count ||
            !memcmp(a->addresses, b->addresses, a->address_count * sizeof(*a->addresses)));
}

void store_pod(struct world *world, struct namespace *ns, const struct labels *labels,
               const struct named_ports *ports, struct pod *pod)
{
    struct pod *before = store_find_pod(world, ns, pod->name);
    pod->group = group_of(world, ns, labels, ports);
    if (before && same_record(before, pod)) {
        free_pod(world, pod);
        return;
    }
    if (before)
        unlink_pod(world, before);
    link_pod(world, pod->group, pod);
    if (world->watcher.pod)
        world->watcher.pod(world->watcher.arg, before, pod);
    if (before) {
        if (!before->group->pod_count)
            free_group(world, before->group);
        free_pod(world, before);
    }
}

void store_remove_pod(struct world *world, struct namespace *ns, const char *name)
{
    struct pod *pod = store_find_pod(world, ns, name);
    if (!pod)
        return;
    unlink_pod(world, pod);
    if (world->watcher.pod)
        world->watcher.pod(world->watcher.arg, pod, NULL);
    if (!pod->group->pod_count)
        free_group(world, pod->group);
    free_pod(world, pod);
}

// ---- policies

static struct policy **policy_link(struct namespace *ns, const char *name)
{
    struct policy **link = &ns->policies;
    while (*link && strcmp((*link)->name->text, name) != 0)
        link = &(*link)->next;
    return link;
}

const struct policy *world_find_policy(const struct world *world, size_t cluster, const char *ns,
                                       const char *name)
{
    struct namespace *in = find_namespace(world, cluster, ns);
    return in ? *policy_link(in, name) : NULL;
}

void store_policy(struct world *world, struct namespace *ns, struct policy *policy)
{
    struct policy **link = policy_link(ns, policy->name->text), *before = *link;
    policy->next = before ? before->next : NULL;
    *link = policy;
    if (!before)
        world->clusters[ns->cluster]->public.policy_count++;
    if (world->watcher.policy)
        world->watcher.policy(world->watcher.arg, before, policy);
    policy_free(world->names, before);
}

void store_remove_policy(struct world *world, struct namespace *ns, const char *name)
{
    struct policy **link = policy_link(ns, name), *policy = *link;
    if (!policy)
        return;
    *link = policy->next;
    world->clusters[ns->cluster]->public.policy_count--;
    if (world->watcher.policy)
        world->watcher.policy(world->watcher.arg, policy, NULL);
    policy_free(world->names, policy);
}

// ---- services

static void free_service(struct world *world, struct service *service)
{
    if (!service)
        return;
    selector_free(world->names, &service->selector);
    name_drop(world->names, service->name);
    ist_free(service->addresses);
    ist_free(service);
}

static struct service **service_link(struct namespace *ns, const char *name)
{
    struct service **link = &ns->services;
    while (*link && strcmp((*link)->name->text, name) != 0)
        link = &(*link)->next;
    return link;
}

const struct service *world_find_service(const struct namespace *ns, const struct name *name)
{
    for (const struct service *service = ns->services; service; service = service->next)
        if (service->name == name)
            return service;
    return NULL;
}

void store_service(struct world *world, struct namespace *ns, struct service *service)
{
    struct service **link = service_link(ns, service->name->text), *before = *link;
    service->next = before ? before->next : NULL;
    *link = service;
    if (!before)
        world->clusters[ns->cluster]->public.service_count++;
    if (world->watcher.service)
        world->watcher.service(world->watcher.arg, ns, service->name);
    free_service(world, before);
}

void store_remove_service(struct world *world, struct namespace *ns, const char *name)
{
    struct service **link = service_link(ns, name), *service = *link;
    if (!service)
        return;
    *link = service->next;
    world->clusters[ns->cluster]->public.service_count--;
    if (world->watcher.service)
        world->watcher.service(world->watcher.arg, ns, service->name);
    free_service(world, service);
}

// ---- the end of it

static void free_namespace(struct world *world, struct namespace *ns)
{
    for (struct group *group = ns->groups, *next; group; group = next) {
        next = group->next;
        for (struct pod *pod = group->pods, *after; pod; pod = after) {
            after = pod->next;
            free_pod(world, pod);
        }
        labels_drop(world->names, group->labels);
        named_ports_drop(world->names, group->ports);
        ist_free(group);
    }
    for (struct policy *policy = ns->policies, *next; policy; policy = next) {
        next = policy->next;
        policy_free(world->names, policy);
    }
    for (struct service *service = ns->services, *next; service; service = next) {
        next = service->next;
        free_service(world, service);
    }
    labels_drop(world->names, ns->labels);
    name_drop(world->names, ns->common);
    name_drop(world->names, ns->name);
    ist_free(ns);
}

void store_tidy_namespace(struct world *world, struct namespace *ns)
{
    struct cluster_store *store = world->clusters[ns->cluster];
    struct namespace **link = &store->public.namespaces, *before = NULL;
    if (ns->declared || ns->groups || ns->policies || ns->services)
        return;
    while (*link != ns) {
        before = *link;
        link = &before->next;
    }
    *link = ns->next;
    if (store->last == ns)
        store->last = before;
    table_remove(&store->namespaces, ns->name->hash, ns);
    free_namespace(world, ns);
}

static void free_cluster(struct world *world, struct cluster_store *store)
{
    for (struct namespace *ns = store->public.namespaces, *next; ns; ns = next) {
        next = ns->next;
        free_namespace(world, ns);
    }
    for (struct mapped *line = store->map, *next; line; line = next) {
        next = line->next;
        name_drop(world->names, line->ns);
        name_drop(world->names, line->common);
        ist_free(line);
    }
    table_free(&store->namespaces);
    table_free(&store->groups);
    table_free(&store->pods);
    name_drop(world->names, store->public.name);
    ist_free(store->public.pod_nets);
    ist_free(store);
}

void world_free(struct world *world)
{
    if (!world)
        return;
    for (size_t i = 0; i < world->cluster_count; i++)
        free_cluster(world, world->clusters[i]);
    name_drop(world->names, world->metadata_name);
    table_free(&world->workloads);
    names_free(world->names);
    ist_free(world->clusters);
    ist_free(world);
}
