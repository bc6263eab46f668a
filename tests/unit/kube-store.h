// An API server with a memory, for tests of the reconciler: namespaces, ConfigMaps, Secrets and Leases; lists in
// pages, watches, server-side apply with managers, deletion with preconditions; and faults on demand.
#ifndef TEST_KUBE_STORE_H
#define TEST_KUBE_STORE_H

#include "httpd.h"

#include <jansson.h>
#include <pthread.h>

// What goes wrong with the requests whose "METHOD target" contains both texts, so many times.
struct store_fault {
    const char *method, *contains;
    int times;  // counts down; -1: always
    int status; // answered instead of acting; 0: acts
    const char *body;
    const char *headers;
    long cut_after; // 0: whole; else the answer is cut after so many bytes, -1: before the first
    int hold;       // acts, and answers after store_release()
};

struct kube_store {
    struct httpd *httpd;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    json_t *objects; // "configmaps/ns/name" -> object
    json_t *events;  // array of {version, type, resource, object}
    json_t *hidden;  // "configmaps/ns/name" -> true: no list and no watch shows it
    char uid[64];    // of kube-system
    json_int_t version, compacted;
    int down;             // every connection is reset
    int stopped;          // watches end
    const char *unserved; // a resource that discovery does not name; NULL: all are named
    int held;             // answers that are held
    json_int_t watched;   // from where ConfigMaps are watched
    struct store_fault faults[8];
    int creates, updates, deletes, unchanged, lists, watches; // Leases are not counted
    char last_write[256];
    char *kubeconfig;
    const char *
        date; // of an EKS cluster, "Tue, 01 Jan 2030 12:00:00 GMT": tokens of another day are refused; NULL: none
    const char *day; // the same, "20300101"
    int refused;     // for that
    char headers[64];
};

void store_start(struct kube_store *store, const char *uid);
void store_stop(struct kube_store *store);

// As another user would: made or replaced, deleted. `labels` is JSON text, NULL: none.
void store_put(struct kube_store *store, const char *resource, const char *ns, const char *name,
               const char *labels, const char *data);
void store_delete(struct kube_store *store, const char *resource, const char *ns, const char *name);
// New reference, NULL: not there.
json_t *store_get(struct kube_store *store, const char *resource, const char *ns, const char *name);
int store_count(struct kube_store *store, const char *resource); // that carry an owner label
int store_writes(struct kube_store *store);
void store_fail(struct kube_store *store, struct store_fault fault);
void store_compact(struct kube_store *store); // watches from before now are answered 410
void store_release(struct kube_store *store);
void store_set_down(struct kube_store *store, int down);

#endif
