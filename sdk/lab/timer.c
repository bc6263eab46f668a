// Timers: one thread that calls what is due, with the lock held.
#include "core.h"

#include <stdlib.h>
#include <time.h>

struct timer {
    struct timer *next;
    int64_t due;
    void (*fn)(struct lab *, void *);
    void *arg;
};

struct lab_timers {
    pthread_t thread;
    pthread_cond_t changed; // CLOCK_MONOTONIC
    struct timer *first;    // by due time
    bool stopping;
};

void lab_after(struct lab *lab, int64_t delay_ms, void (*fn)(struct lab *, void *), void *arg)
{
    struct timer *timer = lab_calloc(1, sizeof *timer), **at = &lab->timers->first;
    *timer = (struct timer){.due = lab_mono_ms() + delay_ms, .fn = fn, .arg = arg};
    while (*at && (*at)->due <= timer->due)
        at = &(*at)->next;
    timer->next = *at;
    *at = timer;
    pthread_cond_signal(&lab->timers->changed);
}

static void *run(void *arg)
{
    struct lab *lab = arg;
    struct lab_timers *timers = lab->timers;
    pthread_mutex_lock(&lab->lock);
    while (!timers->stopping) {
        struct timer *timer = timers->first;
        if (!timer) {
            pthread_cond_wait(&timers->changed, &lab->lock);
        } else if (timer->due > lab_mono_ms()) {
            struct timespec until = {.tv_sec = timer->due / 1000, .tv_nsec = timer->due % 1000 * 1000000};
            pthread_cond_timedwait(&timers->changed, &lab->lock, &until);
        } else {
            timers->first = timer->next;
            timer->fn(lab, timer->arg);
            free(timer);
            pthread_cond_broadcast(&lab->changed);
        }
    }
    pthread_mutex_unlock(&lab->lock);
    return NULL;
}

int lab_timers_start(struct lab *lab)
{
    pthread_condattr_t attr;
    lab->timers = lab_calloc(1, sizeof *lab->timers);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&lab->timers->changed, &attr);
    pthread_condattr_destroy(&attr);
    return pthread_create(&lab->timers->thread, NULL, run, lab) == 0 ? 0 : -1;
}

void lab_timers_stop(struct lab *lab)
{
    pthread_mutex_lock(&lab->lock);
    lab->timers->stopping = true;
    pthread_cond_signal(&lab->timers->changed);
    pthread_mutex_unlock(&lab->lock);
    pthread_join(lab->timers->thread, NULL);
}

// What a start sets off (pods that come up, say) is over when no timer is left.
void lab_timers_settle(struct lab *lab, int64_t patience_ms)
{
    int64_t until = lab_mono_ms() + patience_ms;
    pthread_mutex_lock(&lab->lock);
    while (lab->timers->first && lab_mono_ms() < until) {
        pthread_mutex_unlock(&lab->lock);
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        pthread_mutex_lock(&lab->lock);
    }
    pthread_mutex_unlock(&lab->lock);
}
