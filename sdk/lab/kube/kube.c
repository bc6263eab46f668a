// The clusters of the lab: how each begins, and what other modules may ask of it.
#include "cluster.h"
#include "ctl.h"
#include "server.h"
#include "snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_HOST = 10, LAST_HOST = 40, FIRST_PORT = 6443, HISTORY = 8192 };

struct lab_cluster *lab_kube_find(struct lab *lab, const char *name)
{
    for (struct lab_cluster *c = lab->kube ? lab->kube->clusters : NULL; c; c = c->next)
        if (!c->deleted && strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

const char *lab_kube_url(const struct lab_cluster *cluster)
{
    return cluster->url;
}

char *lab_kube_admin_kubeconfig(struct lab_cluster *cluster)
{
    return lab_strdup(cluster->kubeconfig);
}

const json_t *lab_kube_get(struct lab_cluster *cluster, const char *plural, const char *ns, const char *name)
{
    struct kube_resource *resource = kube_resource(cluster, plural);
    char *key = kube_key(ns, name);
    const json_t *object = resource ? kube_find(resource, key) : NULL;
    free(key);
    return object;
}

json_t *lab_kube_list(struct lab_cluster *cluster, const char *plural, const char *ns)
{
    struct kube_resource *resource = kube_resource(cluster, plural);
    json_t *list = json_array();
    for (size_t i = 0; resource && i < resource->count; i++)
        if (!ns || strcmp(kube_ns(resource->items[i].object), ns) == 0)
            json_array_append(list, resource->items[i].object);
    return list;
}

// ---- a cluster's beginning ----

static char *admin_kubeconfig(struct lab *lab, const struct lab_cluster *cluster)
{
    char *cert = NULL, *key = NULL, *text;
    const char *ca = lab_tls_ca_pem(lab);
    if (lab_tls_client(lab, "kubernetes-admin", "system:masters", &cert, &key) != 0)
        return NULL;
    char *ca64 = lab_base64(ca, strlen(ca)), *cert64 = lab_base64(cert, strlen(cert)),
         *key64 = lab_base64(key, strlen(key));
    text = lab_format("apiVersion: v1\n"
                      "kind: Config\n"
                      "clusters:\n"
                      "- name: %s\n"
                      "  cluster:\n"
                      "    server: %s\n"
                      "    certificate-authority-data: %s\n"
                      "users:\n"
                      "- name: %s-admin\n"
                      "  user:\n"
                      "    client-certificate-data: %s\n"
                      "    client-key-data: %s\n"
                      "contexts:\n"
                      "- name: %s\n"
                      "  context:\n"
                      "    cluster: %s\n"
                      "    user: %s-admin\n"
                      "current-context: %s\n",
                      cluster->name, cluster->url, ca64, cluster->name, cert64, key64, cluster->name,
                      cluster->name, cluster->name, cluster->name);
    free(ca64);
    free(cert64);
    free(key64);
    free(cert);
    free(key);
    return text;
}

static void make(struct lab_cluster *cluster, const char *plural, json_t *object)
{
    json_decref(kube_make(cluster, plural, object));
}

static void make_namespace(struct lab_cluster *cluster, const char *name)
{
    make(cluster, "namespaces", json_pack("{s{ss}}", "metadata", "name", name));
}

void lab_kube_add_node(struct lab_cluster *cluster, const char *name, const char *address)
{
    char *now = kube_now();
    make(cluster, "nodes",
         json_pack("{s{ss s{ss ss}} s{} s{s[{ss ss}{ss ss}] s[{ss ss ss ss}] s{so ss ss ss}}}", "metadata",
                   "name", name, "labels", "kubernetes.io/hostname", name, "kubernetes.io/os", "linux",
                   "spec", "status", "addresses", "type", "InternalIP", "address", address, "type",
                   "Hostname", "address", name, "conditions", "type", "Ready", "status", "True", "reason",
                   "KubeletReady", "lastTransitionTime", now, "nodeInfo", "kubeletVersion",
                   json_sprintf("v1.%d.0", cluster->minor), "operatingSystem", "linux", "architecture",
                   "amd64", "osImage", "Isthmus lab"));
    free(now);
}

void lab_kube_remove_node(struct lab_cluster *cluster, const char *name)
{
    const json_t *node = kube_object_at(cluster, "nodes", name);
    json_t *pods = lab_kube_list(cluster, "pods", NULL), *pod;
    size_t i;
    json_array_foreach(pods, i, pod)
    {
        if (strcmp(kube_text(pod, "spec.nodeName"), name) == 0)
            kube_kill(cluster, "pods", pod, true);
    }
    json_decref(pods);
    if (node)
        kube_kill(cluster, "nodes", node, true);
}

static void first_objects(struct lab_cluster *cluster, const json_t *nodes)
{
    static const char *const namespaces[] = {"default", "kube-node-lease", "kube-public", "kube-system"};
    size_t i;
    const json_t *node;
    for (i = 0; i < sizeof namespaces / sizeof *namespaces; i++)
        make_namespace(cluster, namespaces[i]);
    const json_t *system = lab_kube_get(cluster, "namespaces", NULL, "kube-system");
    cluster->uid = lab_strdup(kube_text(system, "metadata.uid"));
    json_array_foreach(nodes, i, node)
        lab_kube_add_node(cluster, kube_text(node, "name"), kube_text(node, "address"));
    make(cluster, "services",
         json_pack("{s{ss ss s{ss ss}} s{s[{ss ss si si}]}}", "metadata", "name", "kubernetes", "namespace",
                   "default", "labels", "component", "apiserver", "provider", "kubernetes", "spec", "ports",
                   "name", "https", "protocol", "TCP", "port", 443, "targetPort", 6443));
}

static void listen_on(struct lab *lab, struct lab_cluster *cluster)
{
    char *name = lab_format("kube/%s", cluster->name);
    struct lab_service service = {.name = name,
                                  .identify = kube_identify,
                                  .act = kube_act,
                                  .refuse = kube_refuse,
                                  .self = cluster,
                                  .client_certs = true};
    cluster->port = lab_http_listen(lab, &service, cluster->host, FIRST_PORT);
    if (cluster->port < 0)
        cluster->port = lab_http_listen(lab, &service, cluster->host, 0);
    cluster->url = lab_format("https://127.%u.0.%u:%d", lab->slot, cluster->host, cluster->port);
    free(name);
}

// The first address that no cluster has, or none any more: a lab outlives many clusters. LAST_HOST + 1: none.
static uint8_t free_host(const struct lab *lab)
{
    for (int host = FIRST_HOST; host <= LAST_HOST; host++) {
        const struct lab_cluster *c = lab->kube->clusters;
        while (c && (c->deleted || c->host != host))
            c = c->next;
        if (!c)
            return (uint8_t)host;
    }
    return LAST_HOST + 1;
}

struct lab_cluster *lab_kube_create(struct lab *lab, const struct lab_cluster_spec *spec)
{
    const char *dot = strchr(spec->version, '.');
    const uint8_t host = free_host(lab);
    if (lab_kube_find(lab, spec->name) || !dot || host > LAST_HOST)
        return NULL;
    struct lab_cluster *cluster = lab_calloc(1, sizeof *cluster), **end = &lab->kube->clusters;
    cluster->lab = lab;
    cluster->name = lab_strdup(spec->name);
    cluster->version = lab_strdup(spec->version);
    cluster->minor = (int)strtol(dot + 1, NULL, 10);
    cluster->pod_cidr = spec->pod_cidr ? lab_strdup(spec->pod_cidr) : NULL;
    cluster->service_cidr = lab_strdup(spec->service_cidr ? spec->service_cidr : "10.96.0.0/16");
    cluster->eks = spec->eks;
    cluster->host = host;
    cluster->event_capacity = lab->kube->history;
    cluster->events = lab_calloc(cluster->event_capacity, sizeof *cluster->events);
    cluster->queues = json_object();
    cluster->notes = json_object();
    while (*end)
        end = &(*end)->next;
    *end = cluster;
    kube_resources_init(cluster);
    listen_on(lab, cluster);
    if (cluster->port < 0 || !(cluster->kubeconfig = admin_kubeconfig(lab, cluster))) {
        cluster->deleted = true;
        return NULL;
    }
    first_objects(cluster, spec->nodes);
    kube_system_objects(cluster);
    char *file = lab_format("%s.kubeconfig", cluster->name);
    lab_write_file(lab, file, cluster->kubeconfig);
    free(file);
    return cluster;
}

void lab_kube_delete(struct lab *lab, const char *name)
{
    struct lab_cluster *cluster = lab_kube_find(lab, name);
    if (!cluster)
        return;
    kube_release_addresses(cluster);
    cluster->deleted =
        true; // watches end, timers find nothing to do; the memory stays for those that still look
    lab_http_close(lab, cluster->host, cluster->port);
    kube_store_free(cluster);
    char *file = lab_format("%s/%s.kubeconfig", lab->dir, name);
    remove(file);
    free(file);
    pthread_cond_broadcast(&lab->changed);
}

int lab_kube_start(struct lab *lab)
{
    const char *history =
        getenv("ISTHMUS_LAB_KUBE_HISTORY"); // a test that wants 410 Gone soon makes it small
    long asked = history ? strtol(history, NULL, 10) : 0;
    lab->kube = lab_calloc(1, sizeof *lab->kube);
    lab->kube->history = asked > 0 && asked < HISTORY ? (size_t)asked : HISTORY;
    json_t *nodes =
        json_pack("[{ss ss}{ss ss}{ss ss}]", "name", "ccp-master-1", "address", "10.1.0.11", "name",
                  "ccp-worker-1", "address", "10.1.0.21", "name", "ccp-worker-2", "address", "10.1.0.22");
    struct lab_cluster_spec spec = {.name = "ccp",
                                    .version = lab->kube_version,
                                    .pod_cidr = "192.168.0.0/16",
                                    .service_cidr = "10.96.0.0/16",
                                    .nodes = nodes};
    struct lab_cluster *cluster = lab_kube_create(lab, &spec);
    json_decref(nodes);
    lab_snapshot_register(lab, "kube", kube_snapshot);
    return cluster ? 0 : -1;
}
