// ${cmd.words}: a program's output, without a shell.
#include "config/internal.h"

#include <isthmus/alloc.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_MS 10000
#define MAX_OUTPUT ((size_t)1 << 20)
#define MAX_WORDS  64

extern char **environ;

// Words by blanks; '...' and "..." keep theirs. NULL when a quote is left open or there are too many.
static char **split(char *text)
{
    char **words = ist_calloc(MAX_WORDS + 1, sizeof(char *));
    size_t count = 0;
    while (*(text += strspn(text, " \t\n"))) {
        if (count == MAX_WORDS)
            break;
        char quote = *text == '\'' || *text == '"' ? *text++ : '\0';
        words[count++] = text;
        if (quote) {
            text = strchr(text, quote);
            if (!text)
                break;
        } else {
            text += strcspn(text, " \t\n");
        }
        if (*text)
            *text++ = '\0';
    }
    if (!text || *text || !count) {
        ist_free(words);
        return NULL;
    }
    return words;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static pid_t start(char **words, int out)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    pid_t pid = -1;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setsigmask(&attr, &none);
    int rc = posix_spawnp(&pid, words[0], &actions, &attr, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    errno = rc;
    return rc ? -1 : pid;
}

// Reads to the end; false when time or room ran out.
static bool drain(int fd, ist_buf *out)
{
    int64_t end = now_ms() + TIMEOUT_MS;
    for (;;) {
        int64_t left = end - now_ms();
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        char chunk[4096];
        if (left <= 0)
            return false;
        int n = poll(&ready, 1, (int)left);
        if (n < 0 && errno != EINTR)
            return false;
        if (n <= 0)
            continue;
        ssize_t got = read(fd, chunk, sizeof(chunk));
        if (got == 0)
            return true;
        if (got < 0 && errno != EINTR)
            return false;
        if (got > 0 && ist_buf_add(out, chunk, (size_t)got) != IST_OK)
            return false;
    }
}

// What it printed goes to *text; false with `why`.
static bool run(char **words, char **text, char *why, size_t size)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC)) {
        snprintf(why, size, "no pipe: %s", strerror(errno));
        return false;
    }
    pid_t pid = start(words, ends[1]);
    int saved = errno;
    close(ends[1]);
    ist_buf out = {.max = MAX_OUTPUT};
    bool whole = pid > 0 && drain(ends[0], &out);
    close(ends[0]);
    int status = 0;
    if (pid < 0) {
        snprintf(why, size, "`%s` cannot be started: %s", words[0], strerror(saved));
    } else {
        if (!whole)
            kill(-pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    if (pid > 0 && !whole)
        snprintf(why, size, "`%s` did not end within 10 s, or printed over 1 MiB", words[0]);
    else if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status))
        snprintf(why, size, "`%s` ended with exit status %d", words[0], WEXITSTATUS(status));
    else if (pid > 0 && WIFSIGNALED(status))
        snprintf(why, size, "`%s` was ended by signal %d", words[0], WTERMSIG(status));
    bool ok = pid > 0 && whole && WIFEXITED(status) && !WEXITSTATUS(status);
    if (ok)
        *text = ist_buf_take(&out);
    ist_buf_free(&out);
    return ok;
}

const char *command_output(struct config *config, const char *command, char *why, size_t size)
{
    for (struct command_output *known = config->commands; known; known = known->next)
        if (strcmp(known->command, command) == 0)
            return known->text;
    char *copy = ist_strdup(command), *text = NULL;
    char **words = split(copy);
    bool ok = false;
    if (!words)
        snprintf(why, size, "the words of the command cannot be read");
    else
        ok = run(words, &text, why, size);
    ist_free(words);
    ist_free(copy);
    if (!ok)
        return NULL;
    size_t len = strlen(text);
    while (len && strchr(" \t\r\n", text[len - 1]))
        text[--len] = '\0';
    struct command_output *made = ist_calloc(1, sizeof(*made));
    *made = (struct command_output){ist_strdup(command), text, config->commands};
    config->commands = made;
    return made->text;
}
