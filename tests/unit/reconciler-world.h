// Two API servers with a memory and the test plugin between them, for tests of the reconciler.
#ifndef TEST_RECONCILER_WORLD_H
#define TEST_RECONCILER_WORLD_H

#include "fakehost.h"
#include "host/renewal.h"
#include "kube-store.h"

#include <isthmus/alloc.h>
#include <isthmus/env.h>
#include <isthmus/json.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define OWNER_X "{\"app.kubernetes.io/managed-by\":\"isthmus\",\"isthmus.dev/owner\":\"step\"}"

// Two clusters and the test plugin over them. The step is called "step".
struct world {
    struct kube_store a, b;
    struct fakehost *host;
    pthread_t thread;
    int watching;
    struct renewal renewal; // of the watch
    int alive;              // how often the watch said that it lives
    int renewing;           // somebody else holds the lease of b, and lives
    int32_t ended;          // how a destruction that ran beside the test did
    json_t *status;
    json_t *logs;    // what was logged, by all operations
    char waits[300]; // what it said last of a lease that it waits for
    pthread_mutex_t lock;
};

// Keeps the status of what the host of `arg` (a world) runs.
void tell(void *arg, const json_t *event);
int setup(void **state);
int teardown(void **state);
// The two clusters, and `more` (stolen). New reference.
json_t *inputs_of(const struct world *world, json_t *more);
// The next operation has those.
void set_inputs(struct world *world, json_t *more);
void start_watch(struct world *world);
void stop_watch(struct world *world);
// A ConfigMap of cluster a that is to be mirrored.
void source(struct world *world, const char *name, const char *data);
// What is in cluster b under that name: its data, "" without, NULL when it is not there. Static.
const char *mirrored(struct world *world, const char *name);
int is(struct world *world, const char *name, const char *data);
// Was it logged, or noted in the status?
int told(struct world *world, const char *text);
int noted(struct world *world, const char *text);
void forget_told(struct world *world); // what was logged until now
int status_is(struct world *world, const char *path, const char *value);
int number_is(struct world *world, const char *path, json_int_t value);
int flag_is(struct world *world, const char *path, int value);

// Waits until it is so; how long only bounds a test that fails.
#define within(seconds, condition)                                                                           \
    do {                                                                                                     \
        int so = 0;                                                                                          \
        for (int tries = 0; tries < (seconds)*100 && !(so = (condition)); tries++)                           \
            usleep(10000);                                                                                   \
        if (!so)                                                                                             \
            fail_msg("never: %s", #condition);                                                               \
    } while (0)
#define eventually(condition) within(40, condition)

#endif
