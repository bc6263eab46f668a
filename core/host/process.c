// A worker as a process.
#include "host/process.h"

#include "host/environment.h"

#include <isthmus/alloc.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// ---- starting

// Out of the way of 0 to 4, where the worker expects its own.
static int high(int fd)
{
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, 16);
    close(fd);
    return moved;
}

static void close_all(int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static int spawn(const char *program, char **argv, int wire, int output, int lock_fd, bool input, pid_t *pid)
{
    char **env = environment_allowed();
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawn_file_actions_init(&files);
    if (!input)
        posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, output, STDERR_FILENO);
    posix_spawn_file_actions_adddup2(&files, wire, 3);
    if (lock_fd >= 0)
        posix_spawn_file_actions_adddup2(&files, lock_fd, 4);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setsigmask(&attr, &none);
    int rc = posix_spawn(pid, program, &files, &attr, argv, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    ist_free(env);
    return rc;
}

int process_start(const char *program, const char *path, const char *name, int lock_fd, bool input,
                  size_t memory, struct process *process, ist_error *err)
{
    int fds[5] = {-1, -1, -1, -1, -1}; // our wire, its wire, our output, its output, the lock
    int pair[2], rc = 0;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return ist_fail(err, IST_ERR_INTERNAL, name, "no socket for its worker: %s", strerror(errno));
    fds[0] = high(pair[0]);
    fds[1] = high(pair[1]);
    if (pipe2(pair, O_CLOEXEC) == 0) {
        fds[2] = high(pair[0]);
        fds[3] = high(pair[1]);
    }
    if (lock_fd >= 0)
        fds[4] = fcntl(lock_fd, F_DUPFD_CLOEXEC, 16);
    if (fds[0] < 0 || fds[1] < 0 || fds[2] < 0 || fds[3] < 0 || (lock_fd >= 0 && fds[4] < 0)) {
        rc = ist_fail(err, IST_ERR_INTERNAL, name, "no descriptors for its worker: %s", strerror(errno));
        close_all(fds, 5);
        return rc;
    }
    fcntl(fds[2], F_SETFL, O_NONBLOCK);
    char parent[24], limit[24];
    snprintf(parent, sizeof(parent), "%d", (int)getpid());
    snprintf(limit, sizeof(limit), "%zu", memory);
    char *argv[] = {ist_strdup("isthmus-worker"), ist_strdup(path), ist_strdup(name), parent, limit, NULL};
    pid_t pid = 0;
    int why = spawn(program, argv, fds[1], fds[3], fds[4], input, &pid);
    for (size_t i = 0; i < 3; i++)
        ist_free(argv[i]);
    close_all(&fds[1], 1);
    close_all(&fds[3], 2);
    if (why) {
        close_all(&fds[0], 1);
        close_all(&fds[2], 1);
        return ist_fail(err, IST_ERR_INTERNAL, name, "its worker %s cannot be started: %s", program,
                        strerror(why));
    }
    *process = (struct process){
        .pid = pid, .pidfd = (int)syscall(SYS_pidfd_open, pid, 0), .wire = fds[0], .output = fds[2]};
    return 0;
}

// ---- ending

static bool is_zombie(pid_t pid)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | WNOHANG) < 0 || info.si_pid == pid;
}

bool process_ended(const struct process *process, int ms)
{
    struct pollfd fd = {.fd = process->pidfd, .events = POLLIN};
    if (process->pid <= 0)
        return true;
    // Without pidfd_open (an older kernel, valgrind) it is asked every few milliseconds.
    for (; process->pidfd < 0; ms -= 5) {
        if (is_zombie(process->pid))
            return true;
        if (ms <= 0)
            return false;
        poll(NULL, 0, 5);
    }
    while (poll(&fd, 1, ms) < 0 && errno == EINTR)
        ;
    return fd.revents != 0;
}

void process_kill(const struct process *process)
{
    // The worker makes its group as it begins: before that there is only itself.
    if (process->pid > 0 && kill(-process->pid, SIGKILL) < 0)
        kill(process->pid, SIGKILL);
}

void process_verdict(const struct process *process, char *text, size_t size)
{
    siginfo_t info = {0};
    if (process->pid <= 0 || !process_ended(process, 0) ||
        waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOWAIT | WNOHANG) < 0 || !info.si_pid) {
        snprintf(text, size, "closed its wire without a result");
        return;
    }
    if (info.si_code == CLD_EXITED)
        snprintf(text, size, "exited with status %d without a result", info.si_status);
    else if (info.si_status == SIGSEGV)
        snprintf(text, size, "crashed: segmentation fault (SIGSEGV)");
    else if (info.si_status == SIGKILL)
        // A worker whose wire ends within an operation kills its group: the two look alike from here.
        snprintf(text, size, "was killed (SIGKILL) from outside, or closed its wire");
    else
        snprintf(text, size, "crashed: %s (SIG%s)", strsignal(info.si_status), sigabbrev_np(info.si_status));
}

void process_reap(struct process *process)
{
    if (process->pid > 0) {
        // As long as it is not reaped its number is nobody else's, so the group that is killed is its own.
        process_kill(process);
        while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (process->pidfd >= 0)
        close(process->pidfd);
    if (process->wire >= 0)
        close(process->wire);
    if (process->output >= 0)
        close(process->output);
    *process = (struct process){.pidfd = -1, .wire = -1, .output = -1};
}
