// New inputs for a watch under way: put by whoever hears of them, taken by the operation; and whether it lives,
// which its taking shows.
#ifndef CORE_HOST_RENEWAL_H
#define CORE_HOST_RENEWAL_H

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>

struct renewal {
    pthread_mutex_t lock;
    json_t *inputs; // owned; NULL: nothing new
    bool asked;     // whether it lives
    int fd;         // eventfd: readable while there is something
};
int renewal_init(struct renewal *renewal); // 0, or -1: no descriptor to be had
// From any thread. Steals; what was put before and not taken is replaced.
void renewal_put(struct renewal *renewal, json_t *inputs);
void renewal_ask(struct renewal *renewal);
// New reference, or NULL. *asked (may be NULL): somebody wants to know whether it lives.
json_t *renewal_take(struct renewal *renewal, bool *asked);
void renewal_close(struct renewal *renewal);

#endif
