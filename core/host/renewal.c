// New inputs for a watch under way.
#include "host/renewal.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int renewal_init(struct renewal *renewal)
{
    pthread_mutex_init(&renewal->lock, NULL);
    renewal->inputs = NULL;
    renewal->asked = false;
    renewal->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return renewal->fd < 0 ? -1 : 0;
}

static void wake(const struct renewal *renewal)
{
    uint64_t one = 1;
    ssize_t ignored = write(renewal->fd, &one, sizeof(one));
    (void)ignored;
}

void renewal_put(struct renewal *renewal, json_t *inputs)
{
    pthread_mutex_lock(&renewal->lock);
    json_decref(renewal->inputs);
    renewal->inputs = inputs;
    if (inputs)
        wake(renewal);
    pthread_mutex_unlock(&renewal->lock);
}

void renewal_ask(struct renewal *renewal)
{
    pthread_mutex_lock(&renewal->lock);
    renewal->asked = true;
    wake(renewal);
    pthread_mutex_unlock(&renewal->lock);
}

json_t *renewal_take(struct renewal *renewal, bool *asked)
{
    uint64_t count;
    pthread_mutex_lock(&renewal->lock);
    json_t *inputs = renewal->inputs;
    renewal->inputs = NULL;
    if (asked)
        *asked = renewal->asked;
    renewal->asked = false;
    ssize_t ignored = read(renewal->fd, &count, sizeof(count));
    (void)ignored;
    pthread_mutex_unlock(&renewal->lock);
    return inputs;
}

void renewal_close(struct renewal *renewal)
{
    json_decref(renewal->inputs);
    renewal->inputs = NULL;
    if (renewal->fd >= 0)
        close(renewal->fd);
    renewal->fd = -1;
    pthread_mutex_destroy(&renewal->lock);
}
