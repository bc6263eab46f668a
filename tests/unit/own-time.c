// In place of clock_gettime() and poll().
#include "own-time.h"

#include <poll.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static atomic_llong ahead_ms;
static atomic_int endless, waits;
static pthread_t whose;

void own_time_advance(int64_t ms)
{
    atomic_fetch_add(&ahead_ms, ms);
}

void own_time_only_events(pthread_t thread)
{
    whose = thread;
    atomic_store(&endless, 1);
}

void own_time_as_ever(void)
{
    atomic_store(&endless, 0);
}

int own_time_waits(void)
{
    return atomic_load(&waits);
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t id, struct timespec *t)
{
    const long rc = syscall(SYS_clock_gettime, id, t);
    const long long ms = id == CLOCK_MONOTONIC ? atomic_load(&ahead_ms) : 0;
    t->tv_sec += ms / 1000;
    t->tv_nsec += ms % 1000 * 1000000;
    if (t->tv_nsec >= 1000000000) {
        t->tv_nsec -= 1000000000;
        t->tv_sec++;
    }
    return (int)rc;
}

__attribute__((visibility("default"))) int poll(struct pollfd *fds, nfds_t count, int ms)
{
    const struct timespec limit = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    int forever = ms < 0;
    if (ms > 0 && atomic_load(&endless) && pthread_equal(pthread_self(), whose)) {
        atomic_fetch_add(&waits, 1);
        forever = 1;
    }
    return ppoll(fds, count, forever ? NULL : &limit, NULL);
}
