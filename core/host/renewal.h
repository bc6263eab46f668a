// New inputs for a watch under way: put by whoever hears of them, taken by the operation.
#ifndef CORE_HOST_RENEWAL_H
#define CORE_HOST_RENEWAL_H

#include <jansson.h>
#include <pthread.h>

struct renewal {
    pthread_mutex_t lock;
    json_t *inputs; // owned; NULL: nothing new
    int fd;         // eventfd: readable while there is something
};
int renewal_init(struct renewal *renewal); // 0, or -1: no descriptor to be had
// From any thread. Steals; what was put before and not taken is replaced.
void renewal_put(struct renewal *renewal, json_t *inputs);
json_t *renewal_take(struct renewal *renewal); // new reference, or NULL
void renewal_close(struct renewal *renewal);

#endif
