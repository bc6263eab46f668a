#include "helper.h"

#include <isthmus/alloc.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define HELPER_MS  60000
#define ENDING_MS  2000 // after its last word
#define HELPER_MAX (256u << 10)
#define DRAIN      4096u // read at once

extern char **environ;

struct run {
    const struct helper *helper;
    char **envp;
    pid_t pid;
    int out, err; // what we read
};

// How a helper logs in itself: the only programs to which Isthmus hands these on, as kubectl and aws do. The worker's own
// environment does not hold them.
static const char *const keys[] = {"AWS_ACCESS_KEY_ID",
                                   "AWS_SECRET_ACCESS_KEY",
                                   "AWS_SESSION_TOKEN",
                                   "AWS_SHARED_CREDENTIALS_FILE",
                                   "AWS_WEB_IDENTITY_TOKEN_FILE",
                                   "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                                   "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                                   "HTTPS_PROXY",
                                   "https_proxy"};
#define KEYS (sizeof keys / sizeof *keys)

static size_t length(char *const *list)
{
    size_t n = 0;
    while (list && list[n])
        n++;
    return n;
}

static int is_shadowed(char *const *list, size_t count, const char *variable)
{
    const char *equals = strchr(variable, '=');
    size_t len = equals ? (size_t)(equals - variable) + 1 : strlen(variable);
    for (size_t i = 0; i < count; i++)
        if (strncmp(list[i], variable, len) == 0)
            return 1;
    return 0;
}

// The helper's own variables first: getenv() takes the first of two.
static char **environment_of(const ist_env *env, const struct helper *helper)
{
    size_t own = length((char *const *)helper->variables), n = 0;
    char **envp = ist_calloc(own + length(environ) + KEYS + 1, sizeof *envp);
    while (n < own) {
        envp[n] = ist_strdup(helper->variables[n]);
        n++;
    }
    for (char **variable = environ; *variable; variable++)
        if (!is_shadowed(envp, own, *variable))
            envp[n++] = ist_strdup(*variable);
    for (size_t i = 0; i < KEYS; i++) {
        const char *value = getenv(keys[i]) ? NULL : ist_environment(env, keys[i]);
        if (value)
            envp[n++] = ist_printf("%s=%s", keys[i], value);
    }
    return envp;
}

static void run_free(struct run *run)
{
    for (size_t i = 0; run->envp && run->envp[i]; i++)
        ist_free_secret(run->envp[i]);
    ist_free(run->envp);
    if (run->out >= 0)
        close(run->out);
    if (run->err >= 0)
        close(run->err);
}

static int spawn(struct run *run, int out, int fault)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawn_file_actions_adddup2(&actions, fault, 2);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3); // no lock, no socket of ours
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    int rc = posix_spawnp(&run->pid, run->helper->path, &actions, &attributes,
                          (char *const *)(uintptr_t)run->helper->argv, run->envp);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return rc;
}

static int32_t start(struct run *run, ist_error *err)
{
    const struct helper *helper = run->helper;
    int out[2], fault[2];
    if (pipe2(out, O_CLOEXEC) != 0)
        return ist_fail(err, IST_ERR_INTERNAL, helper->path, "pipe: %s", strerror(errno));
    if (pipe2(fault, O_CLOEXEC) != 0) {
        close(out[0]);
        close(out[1]);
        return ist_fail(err, IST_ERR_INTERNAL, helper->path, "pipe: %s", strerror(errno));
    }
    int rc = spawn(run, out[1], fault[1]);
    close(out[1]);
    close(fault[1]);
    run->out = out[0];
    run->err = fault[0];
    if (rc == 0)
        return IST_OK;
    ist_fail(err, IST_ERR_DENIED, helper->path, "%s cannot be started: %s", helper->what, strerror(rc));
    ist_hint(err, "%s", helper->hint);
    return IST_ERR_DENIED;
}

// Reads one pipe's next bytes; 0 at its end, or when there are more than `buf` may hold.
static int drain(int *fd, ist_buf *buf)
{
    char chunk[DRAIN];
    ssize_t got = read(*fd, chunk, sizeof chunk);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return 1;
    if (got > 0 && ist_buf_add(buf, chunk, (size_t)got) == IST_OK)
        return 1;
    close(*fd);
    *fd = -1;
    return 0;
}

static int32_t collect(const ist_env *env, struct run *run, ist_buf *out, ist_buf *fault, ist_error *err)
{
    int64_t until = ist_now_ms(env) + HELPER_MS;
    while (run->out >= 0) {
        int64_t left = until - ist_now_ms(env);
        // stderr is looked at in between: only its first bytes matter, and a full pipe must not block the
        // helper
        int32_t rc = left > 0 ? ist_wait_fd(env, run->out, POLLIN, left < 200 ? left : 200) : IST_ERR_TIMEOUT;
        struct pollfd more = {.fd = run->err, .events = POLLIN};
        while (run->err >= 0 && poll(&more, 1, 0) > 0 && drain(&run->err, fault))
            more.fd = run->err;
        if (rc == IST_OK && !drain(&run->out, out) && out->max - out->len < DRAIN)
            return ist_fail(err, IST_ERR_DENIED, run->helper->path, "%s printed more than %u KiB",
                            run->helper->what, HELPER_MAX >> 10);
        if (rc == IST_OK)
            continue;
        if (rc != IST_AGAIN)
            return ist_fail(err, rc, run->helper->path, "%s did not answer within %d s", run->helper->what,
                            HELPER_MS / 1000);
    }
    return IST_OK;
}

static int32_t end(struct run *run, int32_t rc, const ist_buf *fault, ist_error *err)
{
    int status = 0;
    if (rc != IST_OK)
        kill(-run->pid, SIGKILL);
    // One that has said all and does not end is not waited for long.
    for (int waited = 0; waitpid(run->pid, &status, WNOHANG) == 0; waited += 5) {
        if (waited >= ENDING_MS)
            kill(-run->pid, SIGKILL);
        poll(NULL, 0, 5);
    }
    if (rc != IST_OK || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
        return rc;
    size_t line = fault->data ? strcspn(fault->data, "\r\n") : 0;
    ist_fail(err, IST_ERR_DENIED, run->helper->path, "%s failed (%s %d): %.*s", run->helper->what,
             WIFEXITED(status) ? "exit" : "signal",
             WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), (int)(line < 300 ? line : 300),
             fault->data ? fault->data : "");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127) // a shell's, and a fork's, word for "not found"
        ist_hint(err, "%s", run->helper->hint);
    return IST_ERR_DENIED;
}

int32_t helper_run(const ist_env *env, const struct helper *helper, char **text, size_t *len, ist_error *err)
{
    struct run run = {.helper = helper, .envp = environment_of(env, helper), .out = -1, .err = -1};
    ist_buf out = {.max = HELPER_MAX}, fault = {.max = HELPER_MAX};
    int32_t rc = start(&run, err);
    if (rc == IST_OK)
        rc = end(&run, collect(env, &run, &out, &fault, err), &fault, err);
    run_free(&run);
    ist_free_secret(ist_buf_take(&fault));
    const size_t printed = out.len;
    char *taken = ist_buf_take(&out);
    if (rc != IST_OK) {
        ist_free_secret(taken);
        return rc;
    }
    *text = taken;
    *len = printed;
    return IST_OK;
}
