// Ctrl-C, and SIGHUP of a watch: counted in a handler, heard in the poll loop.
#include "engine/run.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int event_fd = -1;
static volatile sig_atomic_t heard;
static volatile sig_atomic_t hung_up;
static struct sigaction before_int, before_term, before_hup;
static int hears_hangups;

static void hear(int number)
{
    int saved = errno;
    uint64_t one = 1;
    if (number == SIGHUP)
        hung_up++;
    else
        heard++;
    if (write(event_fd, &one, sizeof(one)) < 0)
        heard += 0; // the counter is full: it is readable all the same
    errno = saved;
}

int signals_begin(void)
{
    heard = 0;
    event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event_fd < 0)
        return -1;
    struct sigaction action = {.sa_handler = hear};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, &before_int);
    sigaction(SIGTERM, &action, &before_term);
    return 0;
}

void signals_hangups_begin(void)
{
    struct sigaction action = {.sa_handler = hear};
    sigemptyset(&action.sa_mask);
    hung_up = 0;
    sigaction(SIGHUP, &action, &before_hup);
    hears_hangups = 1;
}

int signals_hangups(void)
{
    return hung_up;
}

int signals_fd(void)
{
    return event_fd;
}

int signals_count(void)
{
    uint64_t count;
    if (read(event_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        return heard;
    return heard;
}

void signals_end(void)
{
    if (event_fd < 0)
        return;
    sigaction(SIGINT, &before_int, NULL);
    sigaction(SIGTERM, &before_term, NULL);
    if (hears_hangups)
        sigaction(SIGHUP, &before_hup, NULL);
    hears_hangups = 0;
    close(event_fd);
    event_fd = -1;
}
