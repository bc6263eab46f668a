// A command over SSH on a Linux host: three pipes and a channel.
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

// What is there to be read goes out; false at the end of it.
static bool pass_on(int fd, ssh_channel channel, bool is_error)
{
    char chunk[16384];
    ssize_t n = read(fd, chunk, sizeof chunk);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n > 0 && is_error)
        ssh_channel_write_stderr(channel, chunk, (uint32_t)n);
    else if (n > 0)
        ssh_channel_write(channel, chunk, (uint32_t)n);
    return n > 0;
}

// What was typed goes in as far as it is taken; false when no more will come, or nobody reads it.
static bool feed(int fd, struct host_typed *typed)
{
    while (typed->len) {
        ssize_t n = write(fd, typed->data, typed->len);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        typed->len -= (size_t)n;
        memmove(typed->data, typed->data + n, typed->len);
    }
    return !typed->eof;
}

static int woken(socket_t fd, int revents, void *arg)
{
    (void)fd, (void)revents, (void)arg;
    return 0; // it is looked at when the poll is over
}

static void drop(ssh_event event, int *fd)
{
    if (*fd < 0)
        return;
    ssh_event_remove_fd(event, *fd);
    close(*fd);
    *fd = -1;
}

static void changed(struct router *router, void (*what)(struct router *))
{
    pthread_mutex_lock(&router->lab->lock);
    if (!router->gone)
        what(router);
    pthread_mutex_unlock(&router->lab->lock);
}

int lab_host_exec(struct router *router, const char *user, const char *command, ssh_channel channel,
                  ssh_event event, struct host_typed *typed, bool (*stop)(void *), void *arg)
{
    int fd[3], status = 0;
    changed(router, lab_host_answer);
    pid_t pid = lab_host_spawn(router->machine, user, command, fd);
    if (pid < 0)
        return 126;
    for (int i = 0; i < 3; i++) {
        fcntl(fd[i], F_SETFL, O_NONBLOCK);
        if (i > 0)
            ssh_event_add_fd(event, fd[i], POLLIN | POLLHUP, woken, NULL);
    }
    while ((fd[1] >= 0 || fd[2] >= 0) && !stop(arg)) {
        if (fd[0] >= 0 && !feed(fd[0], typed)) {
            close(fd[0]);
            fd[0] = -1;
        }
        if (ssh_event_dopoll(event, typed->len ? 5 : 100) == SSH_ERROR)
            break;
        for (int i = 1; i < 3; i++) {
            if (fd[i] >= 0 && !pass_on(fd[i], channel, i == 2))
                drop(event, &fd[i]);
        }
    }
    bool ended = fd[1] < 0 && fd[2] < 0;
    if (fd[0] >= 0)
        close(fd[0]);
    drop(event, &fd[1]);
    drop(event, &fd[2]);
    // Who hangs up ends nothing: a shell whose pipes break learns it by itself, as over a real sshd. One whose host is
    // gone ends with it.
    pthread_mutex_lock(&router->lab->lock);
    bool gone = router->gone || router->off || router->lab->stopping;
    pthread_mutex_unlock(&router->lab->lock);
    if (!ended && gone)
        kill(-pid, SIGKILL);
    waitpid(pid, &status, 0);
    changed(router, lab_host_changed);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}
