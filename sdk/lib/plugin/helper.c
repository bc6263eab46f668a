#include "helper.h"

#include <isthmus/alloc.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define HELPER_MS  60000
#define ENDING_MS  2000 // after its last word
#define HELPER_MAX (256u << 10)
#define DRAIN      4096u // read at once
#define EXIT_ERROR 2     // of a copy of ours: it could not even say what is wrong

extern char **environ;

struct forked {
    helper_work *work;
    const void *arg;
};

struct helper_process {
    const char *what, *hint;
    char *path;
    char **envp;
    pid_t pid;    // 0: it has ended
    int forked;   // a copy of ours: what it says is wrong is an error of ours
    int out, err; // what we read
    ist_buf answer, fault;
    int64_t until;
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

void helper_stop(struct helper_process *process)
{
    if (!process)
        return;
    if (process->pid > 0) {
        kill(-process->pid, SIGKILL);
        while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    for (size_t i = 0; process->envp && process->envp[i]; i++)
        ist_free_secret(process->envp[i]);
    ist_free(process->envp);
    if (process->out >= 0)
        close(process->out);
    if (process->err >= 0)
        close(process->err);
    ist_free_secret(ist_buf_take(&process->answer));
    ist_free_secret(ist_buf_take(&process->fault));
    ist_free(process->path);
    ist_free(process);
}

static int spawn(struct helper_process *process, const char *const *argv, int out, int fault)
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
    int rc = posix_spawnp(&process->pid, process->path, &actions, &attributes, (char *const *)(uintptr_t)argv,
                          process->envp);
    if (rc != 0)
        process->pid = 0;
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return rc;
}

// ---- a copy of this process ----

static int write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t put = write(fd, text, len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return 0;
        text += put;
        len -= (size_t)put;
    }
    return 1;
}

static int write_error(const ist_error *err)
{
    json_t *json = json_pack("{s:i, s:s, s:s, s:s}", "code", (int)err->code, "where", err->where, "text",
                             err->text, "hint", err->hint);
    char *text = json ? ist_json_text(json) : NULL;
    int done = text && write_all(2, text, strlen(text));
    ist_free(text);
    json_decref(json);
    return done ? EXIT_FAILURE : EXIT_ERROR;
}

// Nothing that others hold is held on by this one: no lock, no socket.
static void __attribute__((noreturn))
be_child(const struct helper_process *process, const struct forked *forked, int out, int fault)
{
    const ist_env none = {0};
    ist_buf text = {.max = HELPER_MAX};
    ist_error err = {0};
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (dup2(out, 1) < 0 || dup2(fault, 2) < 0)
        _exit(EXIT_ERROR);
    close_range(3, ~0u, 0);
    environ = process->envp;
    int32_t rc = forked->work(&none, forked->arg, &text, &err);
    if (rc != IST_OK)
        _exit(write_error(&err));
    _exit(text.len == 0 || write_all(1, text.data, text.len) ? EXIT_SUCCESS : EXIT_ERROR);
}

static int copy_process(struct helper_process *process, const struct forked *forked, int out, int fault)
{
    pid_t pid = fork();
    if (pid == 0)
        be_child(process, forked, out, fault);
    if (pid < 0)
        return errno;
    setpgid(pid, pid); // whichever of the two is first
    process->pid = pid;
    return 0;
}

static int32_t start(struct helper_process *process, const char *const *argv, const struct forked *forked,
                     ist_error *err)
{
    int out[2], fault[2];
    if (pipe2(out, O_CLOEXEC) != 0)
        return ist_fail(err, IST_ERR_INTERNAL, process->path, "pipe: %s", strerror(errno));
    if (pipe2(fault, O_CLOEXEC) != 0) {
        close(out[0]);
        close(out[1]);
        return ist_fail(err, IST_ERR_INTERNAL, process->path, "pipe: %s", strerror(errno));
    }
    int rc =
        forked ? copy_process(process, forked, out[1], fault[1]) : spawn(process, argv, out[1], fault[1]);
    close(out[1]);
    close(fault[1]);
    process->out = out[0];
    process->err = fault[0];
    if (rc == 0)
        return IST_OK;
    ist_fail(err, IST_ERR_DENIED, process->path, "%s cannot be started: %s", process->what, strerror(rc));
    ist_hint(err, "%s", process->hint);
    return IST_ERR_DENIED;
}

static struct helper_process *new_process(const ist_env *env, const struct helper *helper)
{
    struct helper_process *made = ist_calloc(1, sizeof *made);
    *made = (struct helper_process){.what = helper->what,
                                    .hint = helper->hint,
                                    .path = ist_strdup(helper->path),
                                    .envp = environment_of(env, helper),
                                    .out = -1,
                                    .err = -1,
                                    .answer = {.max = HELPER_MAX},
                                    .fault = {.max = HELPER_MAX},
                                    .until = ist_now_ms(env) + HELPER_MS};
    return made;
}

int32_t helper_start(const ist_env *env, const struct helper *helper, struct helper_process **process,
                     ist_error *err)
{
    struct helper_process *made = new_process(env, helper);
    int32_t rc = start(made, helper->argv, NULL, err);
    if (rc == IST_OK)
        *process = made;
    else
        helper_stop(made);
    return rc;
}

int32_t helper_fork(const ist_env *env, const char *what, helper_work *work, const void *arg,
                    struct helper_process **process, ist_error *err)
{
    const struct forked forked = {.work = work, .arg = arg};
    const struct helper helper = {.what = what, .path = what, .hint = ""};
    struct helper_process *made = new_process(env, &helper);
    made->forked = 1;
    int32_t rc = start(made, NULL, &forked, err);
    if (rc == IST_OK)
        *process = made;
    else
        helper_stop(made);
    return rc;
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

static int readable(int fd)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    return fd >= 0 && poll(&one, 1, 0) > 0;
}

// Takes what it has said by now.
static int32_t collect(struct helper_process *process, ist_error *err)
{
    const ist_buf *answer = &process->answer;
    // Of stderr only the first bytes matter, but a full pipe must not block the helper.
    while (readable(process->err) && drain(&process->err, &process->fault))
        ;
    while (readable(process->out))
        if (!drain(&process->out, &process->answer) && answer->max - answer->len < DRAIN)
            return ist_fail(err, IST_ERR_DENIED, process->path, "%s printed more than %u KiB", process->what,
                            HELPER_MAX >> 10);
    return IST_OK;
}

// What a copy of ours says is wrong. IST_OK: it says nothing that can be read.
static int32_t told_error(const struct helper_process *process, ist_error *err)
{
    json_t *said = NULL;
    if (!process->fault.data ||
        ist_json_parse(process->fault.data, process->fault.len, process->path, &said, NULL) != IST_OK)
        return IST_OK;
    int32_t code = (int32_t)ist_json_int(said, "code", IST_ERR_INTERNAL);
    const char *hint = ist_json_str_or(said, "hint", "");
    ist_fail(err, code, ist_json_str_or(said, "where", process->path), "%s",
             ist_json_str_or(said, "text", ""));
    if (*hint)
        ist_hint(err, "%s", hint);
    json_decref(said);
    return code;
}

// Looks it like a key or a token? Those of AWS do: AKIA... and ASIA..., or long and of every kind of character.
static int is_keylike(const char *word, size_t len)
{
    int upper = 0, lower = 0, digit = 0;
    if (len >= 16 && (strncmp(word, "AKIA", 4) == 0 || strncmp(word, "ASIA", 4) == 0))
        return 1;
    for (size_t i = 0; i < len; i++) {
        upper |= word[i] >= 'A' && word[i] <= 'Z';
        lower |= word[i] >= 'a' && word[i] <= 'z';
        digit |= word[i] >= '0' && word[i] <= '9';
    }
    return len >= 32 && upper && lower && digit;
}

// Is it the name of a setting that holds a secret (SecretAccessKey, aws_session_token)?
static int names_secret(const char *word, size_t len)
{
    static const char *const names[] = {"secret", "password", "passwd", "token"};
    char *name = ist_strndup(word, len);
    int found = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        found |= strcasestr(name, names[i]) != NULL;
    ist_free_secret(name);
    return found;
}

// The first line, without what looks like a key and without values of settings whose names say that they are secret: a
// helper may complain by printing all that it has.
static char *complaint_of(const char *text)
{
    static const char between[] = " \t,;:=\"'{}[]()";
    const char *const end = text ? text + strcspn(text, "\r\n") : NULL;
    ist_buf out = {0};
    int hide = 0;
    while (text < end) {
        size_t gap = strspn(text, between);
        if (gap > (size_t)(end - text))
            gap = (size_t)(end - text);
        ist_buf_add(&out, text, gap);
        hide = hide && (memchr(text, ':', gap) || memchr(text, '=', gap));
        text += gap;
        size_t len = strcspn(text, " \t,;:=\"'{}[]()\r\n");
        if (hide || is_keylike(text, len))
            ist_buf_puts(&out, len ? "***" : "");
        else
            ist_buf_add(&out, text, len);
        hide = names_secret(text, len);
        text += len;
    }
    return ist_buf_take(&out);
}

// What its end means; `status` as of waitpid().
static int32_t judge(const struct helper_process *process, int status, ist_error *err)
{
    const ist_buf *fault = &process->fault;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return IST_OK;
    int32_t told = process->forked && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILURE
                       ? told_error(process, err)
                       : IST_OK;
    if (told != IST_OK)
        return told;
    char *complaint = complaint_of(fault->data);
    ist_fail(err, IST_ERR_DENIED, process->path, "%s failed (%s %d): %.300s", process->what,
             WIFEXITED(status) ? "exit" : "signal",
             WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), complaint);
    ist_free_secret(complaint);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127) // a shell's, and a fork's, word for "not found"
        ist_hint(err, "%s", process->hint);
    return IST_ERR_DENIED;
}

int32_t helper_step(const ist_env *env, struct helper_process *process, char **text, size_t *len,
                    ist_error *err)
{
    int status = 0, open = process->out >= 0;
    int32_t rc = collect(process, err);
    if (rc != IST_OK)
        return rc;
    int64_t now = ist_now_ms(env);
    if (open && process->out < 0 && process->until > now + ENDING_MS)
        process->until = now + ENDING_MS; // one that has said all and does not end is not waited for long
    if (process->out >= 0 || waitpid(process->pid, &status, WNOHANG) == 0) {
        if (now < process->until)
            return IST_AGAIN;
        return ist_fail(err, IST_ERR_TIMEOUT, process->path, "%s did not answer within %d s", process->what,
                        HELPER_MS / 1000);
    }
    process->pid = 0;
    rc = judge(process, status, err);
    if (rc == IST_OK) {
        *len = process->answer.len;
        *text = ist_buf_take(&process->answer);
    }
    return rc;
}

int32_t helper_wait(const ist_env *env, const struct helper_process *process, ist_error *err)
{
    int32_t rc = ist_wait_fd(env, process->out, POLLIN, process->out < 0 ? 5 : 200);
    if (rc == IST_OK || rc == IST_AGAIN)
        return IST_OK;
    return ist_fail(err, rc, process->path, "%s is not waited for any more", process->what);
}

int32_t helper_run(const ist_env *env, const struct helper *helper, char **text, size_t *len, ist_error *err)
{
    struct helper_process *process = NULL;
    int32_t rc = helper_start(env, helper, &process, err);
    while (rc == IST_OK && (rc = helper_step(env, process, text, len, err)) == IST_AGAIN)
        rc = helper_wait(env, process, err);
    helper_stop(process);
    return rc;
}
