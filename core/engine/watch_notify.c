// What the service manager is told: sd_notify(3), a datagram of lines "NAME=value" to the socket in $NOTIFY_SOCKET;
// the watchdog as sd_watchdog_enabled(3) says: WATCHDOG=1 at half of $WATCHDOG_USEC.
#include "engine/supervisor.h"

#include <isthmus/alloc.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define STATUS_MAX 400

struct notify {
    int fd;
    struct sockaddr_un address;
    socklen_t address_len;
    int64_t every_ms, next_ms; // the watchdog; every 0: nobody waits for it
    char *said;                // owned: the last STATUS=
};

static int64_t watchdog_ms(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (!usec || (pid && *pid && strtol(pid, NULL, 10) != getpid()))
        return 0;
    int64_t every = strtoll(usec, NULL, 10) / 2000;
    return every > 0 ? every : 0;
}

struct notify *notify_open(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = path ? strlen(path) : 0;
    // A path, or "@name": a socket without a file.
    if (len < 2 || len >= sizeof(address.sun_path) || (*path != '/' && *path != '@'))
        return NULL;
    memcpy(address.sun_path, path, len);
    if (*path == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return NULL;
    struct notify *notify = ist_calloc(1, sizeof(*notify));
    notify->fd = fd;
    notify->address = address;
    notify->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    notify->every_ms = watchdog_ms();
    return notify;
}

void notify_close(struct notify *notify)
{
    if (!notify)
        return;
    close(notify->fd);
    ist_free(notify->said);
    ist_free(notify);
}

void notify_say(struct notify *notify, const char *format, ...)
{
    if (!notify)
        return;
    va_list args;
    va_start(args, format);
    char *text = ist_vprintf(format, args);
    va_end(args);
    // It says nothing back, and a manager that is busy is not waited for.
    ssize_t ignored = sendto(notify->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
                             (const struct sockaddr *)&notify->address, notify->address_len);
    (void)ignored;
    if (strstr(text, "STATUS=")) {
        ist_free(notify->said);
        notify->said = NULL;
    }
    ist_free(text);
}

void notify_status(struct notify *notify, const char *text)
{
    if (!notify || (notify->said && strcmp(notify->said, text) == 0))
        return;
    // One line, and not a longer one than people read.
    char *line = ist_strndup(text, STATUS_MAX);
    for (char *c = line; *c; c++)
        *c = *c == '\n' || *c == '\r' ? ' ' : *c;
    notify_say(notify, "STATUS=%s", line);
    ist_free(line);
    notify->said = ist_strdup(text);
}

void notify_alive(struct notify *notify)
{
    int64_t now = run_now();
    if (!notify || !notify->every_ms || now < notify->next_ms)
        return;
    notify->next_ms = now + notify->every_ms;
    notify_say(notify, "WATCHDOG=1");
}
