// Objects of a cluster become records of its world.
#include "store.h"

#include <isthmus/alloc.h>

#include <string.h>

#define MAX_ADDRESSES 16 // podIPs has at most one of each family; whatever claims more is cut

static const char *namespace_name(const json_t *object)
{
    const char *ns = ist_json_str_or(object, "metadata.namespace", "");
    return *ns ? ns : "default";
}

// ---- pods

static int ended(const json_t *pod)
{
    const char *phase = ist_json_str_or(pod, "status.phase", "");
    return !strcmp(phase, "Succeeded") || !strcmp(phase, "Failed");
}

static void add_address(struct pod *pod, const char *text)
{
    struct ip ip;
    if (!text || ip_parse(text, &ip) || pod->address_count >= MAX_ADDRESSES)
        return;
    for (uint8_t i = 0; i < pod->address_count; i++)
        if (!ip_compare(&pod->addresses[i], &ip))
            return;
    pod->addresses = ist_realloc(pod->addresses, pod->address_count + 1u, sizeof(*pod->addresses));
    pod->addresses[pod->address_count++] = ip;
}

static void read_addresses(struct pod *pod, const json_t *status)
{
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(status, "podIPs"), i, one) add_address(pod, ist_json_str(one, "ip"));
    if (!pod->address_count)
        add_address(pod, ist_json_str(status, "podIP"));
}

static const struct workload *workload_of(struct world *world, const json_t *metadata, const char *ns,
                                          const char *name)
{
    const json_t *owners = json_object_get(metadata, "ownerReferences"), *owner = json_array_get(owners, 0);
    size_t i;
    json_t *one;
    json_array_foreach(owners, i, one)
    {
        if (json_is_true(json_object_get(one, "controller"))) {
            owner = one;
            break;
        }
    }
    const char *kind = ist_json_str_or(owner, "kind", "Pod"), *by = ist_json_str_or(owner, "name", name);
    return store_workload(world, ns, by, kind);
}

static void put_pod(struct world *world, size_t cluster, const json_t *object)
{
    const json_t *metadata = json_object_get(object, "metadata"), *spec = json_object_get(object, "spec");
    const char *name = ist_json_str_or(metadata, "name", "");
    struct namespace *ns = store_namespace(world, cluster, namespace_name(object));
    if (ended(object)) {
        store_remove_pod(world, ns, name);
        store_tidy_namespace(world, ns);
        return;
    }
    struct pod *pod = store_pod_new(name);
    pod->workload = workload_of(world, metadata, ns->name->text, name);
    pod->flags = json_is_true(json_object_get(spec, "hostNetwork")) ? POD_HOST_NETWORK : 0;
    read_addresses(pod, json_object_get(object, "status"));
    store_pod(world, ns, labels_get(world->names, json_object_get(metadata, "labels"), NULL),
              named_ports_get(world->names, spec), pod);
}

// ---- workloads: one pod of their template, under a name that no pod can have

static const json_t *template_of(const json_t *object, const char *kind)
{
    const json_t *spec = json_object_get(object, "spec");
    if (!strcmp(kind, "CronJob"))
        spec = ist_json_at(spec, "jobTemplate.spec");
    return json_object_get(spec, "template");
}

static char *template_name(const char *kind, const char *name)
{
    return ist_printf("%s[%s]", name, kind);
}

static void put_template(struct world *world, size_t cluster, const json_t *object, const char *kind)
{
    const json_t *template = template_of(object, kind), *spec = json_object_get(template, "spec");
    const char *name = ist_json_str_or(object, "metadata.name", "");
    struct namespace *ns = store_namespace(world, cluster, namespace_name(object));
    char *pod_name = template_name(kind, name);
    struct pod *pod = store_pod_new(pod_name);
    pod->workload = store_workload(world, ns->name->text, name, kind);
    pod->flags = POD_TEMPLATE | (json_is_true(json_object_get(spec, "hostNetwork")) ? POD_HOST_NETWORK : 0u);
    store_pod(world, ns, labels_get(world->names, ist_json_at(template, "metadata.labels"), NULL),
              named_ports_get(world->names, spec), pod);
    ist_free(pod_name);
}

// ---- templates beside the pods that came of them

// The ReplicaSet of a Deployment is named after it and the hash that its pods carry. Where that Deployment is known,
// its pods are its own.
static void adopt(struct world *world, struct namespace *ns, struct pod *pod, const struct name *hash_key)
{
    const struct workload *by = pod->workload;
    const struct name *hash = labels_find(pod->group->labels, hash_key);
    const size_t len = strlen(by->name->text), tail = hash ? strlen(hash->text) : 0;
    if (strcmp(by->kind->text, "ReplicaSet") != 0 || !tail || len < tail + 2 ||
        by->name->text[len - tail - 1] != '-' || strcmp(by->name->text + len - tail, hash->text) != 0)
        return;
    char *deployment = ist_strndup(by->name->text, len - tail - 1);
    char *template = template_name("Deployment", deployment);
    if (store_find_pod(world, ns, template)) {
        pod->workload = store_workload(world, ns->name->text, deployment, "Deployment");
        store_drop_workload(world, by);
    }
    ist_free(template);
    ist_free(deployment);
}

static int same_owner(const void *record, const void *key)
{
    return record == key;
}

// The workloads of a cluster that have pods; the records stay the world's.
static struct table owners_of_pods(struct world *world, const struct table *pods)
{
    struct table owners = {0};
    const struct name *hash_key = name_get(world->names, "pod-template-hash");
    for (size_t i = 0; i < pods->room; i++) {
        struct pod *pod = pods->slots[i].record;
        if (!pod || (pod->flags & POD_TEMPLATE))
            continue;
        adopt(world, pod->group->ns, pod, hash_key);
        if (!table_find(&owners, pod->workload->hash, same_owner, pod->workload))
            table_add(&owners, pod->workload->hash, (void *)(uintptr_t)pod->workload);
    }
    name_drop(world->names, hash_key);
    return owners;
}

void world_settle(struct world *world, size_t cluster, int pods_alone)
{
    struct table owners = owners_of_pods(world, &world->clusters[cluster]->pods);
    for (struct namespace *ns = world->clusters[cluster]->public.namespaces; ns; ns = ns->next)
        for (struct group *group = ns->groups, *next; group; group = next) {
            next = group->next;
            for (struct pod *pod = group->pods, *after; pod; pod = after) {
                after = pod->next; // the group goes with its last pod
                if ((pod->flags & POD_TEMPLATE) &&
                    (pods_alone || table_find(&owners, pod->workload->hash, same_owner, pod->workload)))
                    store_remove_pod(world, ns, pod->name);
            }
        }
    table_free(&owners);
}

// ---- the rest

static void put_service(struct world *world, size_t cluster, const json_t *object)
{
    const json_t *spec = json_object_get(object, "spec"), *selector = json_object_get(spec, "selector");
    struct namespace *ns = store_namespace(world, cluster, namespace_name(object));
    struct service *service = ist_calloc(1, sizeof(*service));
    const json_t *ips = json_object_get(spec, "clusterIPs");
    size_t i;
    json_t *ip;
    service->name = name_get(world->names, ist_json_str_or(object, "metadata.name", ""));
    service->has_selector = json_object_size(selector) > 0;
    json_t *matched = json_pack("{s:O*}", "matchLabels", selector);
    selector_compile(world->names, matched, &service->selector);
    json_decref(matched);
    service->addresses = ist_calloc(json_array_size(ips) + 1, sizeof(*service->addresses));
    json_array_foreach(ips, i, ip)
    {
        if (service->address_count < MAX_ADDRESSES && json_is_string(ip) &&
            !ip_parse(json_string_value(ip), &service->addresses[service->address_count]))
            service->address_count++;
    }
    if (!service->address_count && !ip_parse(ist_json_str_or(spec, "clusterIP", ""), service->addresses))
        service->address_count = 1;
    store_service(world, ns, service);
}

static int32_t put_policy(struct world *world, size_t cluster, const json_t *object, uint32_t flags,
                          ist_error *err)
{
    struct policy *policy = policy_compile(world->names, cluster, object, (flags & WORLD_EXTENDED) != 0, err);
    if (!policy)
        return IST_ERR_INPUT;
    store_policy(world, store_namespace(world, cluster, policy->ns->text), policy);
    return IST_OK;
}

static void put_namespace(struct world *world, size_t cluster, const json_t *object)
{
    struct namespace *ns = store_namespace(world, cluster, ist_json_str_or(object, "metadata.name", ""));
    ns->declared = 1;
    store_label_namespace(world, ns, ist_json_at(object, "metadata.labels"));
}

static int has_template(const char *kind)
{
    static const char *const kinds[] = {
        "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController", "Job", "CronJob"};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if (!strcmp(kind, kinds[i]))
            return 1;
    return 0;
}

static int32_t put_one(struct world *world, size_t cluster, const json_t *object, const char *kind,
                       uint32_t flags, ist_error *err)
{
    const int known = has_template(kind) || !strcmp(kind, "Namespace") || !strcmp(kind, "Pod") ||
                      !strcmp(kind, "NetworkPolicy") || !strcmp(kind, "Service");
    if (known && !*ist_json_str_or(object, "metadata.name", ""))
        return ist_fail(err, IST_ERR_INPUT, kind, "an object without metadata.name");
    if (!strcmp(kind, "Namespace"))
        put_namespace(world, cluster, object);
    else if (!strcmp(kind, "Pod"))
        put_pod(world, cluster, object);
    else if (!strcmp(kind, "Service"))
        put_service(world, cluster, object);
    else if (!strcmp(kind, "NetworkPolicy"))
        return put_policy(world, cluster, object, flags, err);
    else if (known && json_is_object(template_of(object, kind)))
        put_template(world, cluster, object, kind);
    return IST_OK;
}

// "PodList" -> "Pod", in `own`; NULL for "List": each item says what it is.
static const char *item_kind(const char *list, char own[64])
{
    const size_t len = strlen(list) - strlen("List");
    if (!len || len >= 64)
        return NULL;
    memcpy(own, list, len);
    own[len] = 0;
    return own;
}

int32_t world_put(struct world *world, size_t cluster, const json_t *object, uint32_t flags, ist_error *err)
{
    const char *kind = ist_json_str_or(object, "kind", ""), *api = ist_json_str_or(object, "apiVersion", "");
    const json_t *items = json_object_get(object, "items");
    const size_t len = strlen(kind);
    int32_t rc = IST_OK;
    // Other groups have kinds of these names too: crd.projectcalico.org/v1 NetworkPolicy.
    if (!strcmp(kind, "NetworkPolicy") && *api && strncmp(api, "networking.k8s.io/", 18) != 0 &&
        strncmp(api, "extensions/", 11) != 0)
        return IST_OK;
    if (!json_is_array(items) || len < 4 || strcmp(kind + len - 4, "List") != 0)
        return put_one(world, cluster, object, kind, flags, err);
    char own[64];
    const char *of_all = item_kind(kind, own);
    size_t i;
    json_t *item;
    json_array_foreach(items, i, item)
    {
        const char *item_own = ist_json_str(item, "kind");
        if (rc != IST_OK)
            break;
        if (!item_own && !of_all)
            continue;
        rc = put_one(world, cluster, item, item_own ? item_own : of_all, flags, err);
    }
    return rc;
}

void world_remove(struct world *world, size_t cluster, const json_t *object)
{
    const char *kind = ist_json_str_or(object, "kind", ""),
               *name = ist_json_str_or(object, "metadata.name", "");
    const int is_namespace = !strcmp(kind, "Namespace");
    struct namespace *ns = store_find_namespace(world, cluster, is_namespace ? name : namespace_name(object));
    if (!ns)
        return;
    if (is_namespace) {
        // What is in it goes by itself; the labels do not outlive it.
        ns->declared = 0;
        store_label_namespace(world, ns, NULL);
    } else if (!strcmp(kind, "Pod"))
        store_remove_pod(world, ns, name);
    else if (!strcmp(kind, "NetworkPolicy"))
        store_remove_policy(world, ns, name);
    else if (!strcmp(kind, "Service"))
        store_remove_service(world, ns, name);
    store_tidy_namespace(world, ns);
}
