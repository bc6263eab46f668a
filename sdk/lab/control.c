// The control socket DIR/control: one JSON request a connection, one JSON answer {"result": ...} or {"error":
// ...}.
#include "core.h"
#include "kube/kube.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

// A socket's address holds 107 bytes, a folder's name may be longer: it is reached through its descriptor.
static int address_of(const char *dir, struct sockaddr_un *address)
{
    int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (fd >= 0)
        snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/control", fd);
    return fd;
}

int lab_control_listen(struct lab *lab)
{
    struct sockaddr_un address;
    char *path = lab_format("%s/control", lab->dir);
    unlink(path); // of a lab that died: DIR/lock says that none runs here
    free(path);
    int dir = address_of(lab->dir, &address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    mode_t old = umask(0177);
    bool good = dir >= 0 && fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                listen(fd, 16) == 0;
    umask(old);
    if (!good)
        fprintf(stderr, "isthmus-lab: control socket in %s: %s\n", lab->dir, strerror(errno));
    if (dir >= 0)
        close(dir);
    if (!good && fd >= 0)
        close(fd);
    return good ? fd : -1;
}

// The answer to what is done, or (why: malloc'd, freed) was refused.
static json_t *done_unless(char *why)
{
    json_t *reply = why ? json_pack("{ss}", "error", why) : json_pack("{sb}", "result", 1);
    free(why);
    return reply;
}

static json_t *answer(struct lab *lab, const json_t *request, bool *down)
{
    const char *what = json_string_value(json_object_get(request, "do"));
    if (!what)
        return json_pack("{ss}", "error", "a request needs \"do\"");
    if (!strcmp(what, "snapshot"))
        return json_pack("{so}", "result", lab_snapshot_take(lab));
    if (!strcmp(what, "faults-list"))
        return json_pack("{so}", "result", lab_fault_list(lab));
    if (!strcmp(what, "faults-clear")) {
        lab_fault_clear(lab);
        return json_pack("{sb}", "result", 1);
    }
    if (!strcmp(what, "faults-add"))
        return done_unless(lab_fault_add(lab, json_object_get(request, "rule")));
    if (!strcmp(what, "set")) {
        const char *cluster = json_string_value(json_object_get(request, "cluster"));
        return done_unless(lab_kube_set(lab, cluster ? cluster : "", json_object_get(request, "values")));
    }
    if (!strcmp(what, "down")) {
        *down = true;
        return json_pack("{sb}", "result", 1);
    }
    return json_pack("{ss}", "error", "unknown request");
}

void lab_control_serve(struct lab *lab, int listener)
{
    for (bool down = false; !down;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            return;
        }
        struct timeval patience = {.tv_sec = 5};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        json_error_t error;
        json_t *request = json_loadfd(fd, JSON_DISABLE_EOF_CHECK, &error);
        if (request) {
            pthread_mutex_lock(&lab->lock);
            json_t *reply = answer(lab, request, &down);
            pthread_mutex_unlock(&lab->lock);
            json_dumpfd(reply, fd, JSON_COMPACT | JSON_SORT_KEYS);
            json_decref(reply);
        }
        json_decref(request);
        close(fd);
    }
}

json_t *lab_control_ask(const char *dir, json_t *request)
{
    struct sockaddr_un address;
    json_error_t error;
    json_t *reply = NULL, *result = NULL;
    int dir_fd = address_of(dir, &address), fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (dir_fd < 0 || fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        fprintf(stderr, "isthmus-lab: no lab runs in %s (%s)\n", dir, strerror(errno));
        goto out;
    }
    json_dumpfd(request, fd, JSON_COMPACT);
    shutdown(fd, SHUT_WR);
    reply = json_loadfd(fd, 0, &error);
    result = json_incref(json_object_get(reply, "result"));
    if (!result) {
        const char *why = json_string_value(json_object_get(reply, "error"));
        fprintf(stderr, "isthmus-lab: %s\n",
                why ? why : "the lab closed the control socket without an answer");
    }
out:
    json_decref(reply);
    json_decref(request);
    if (fd >= 0)
        close(fd);
    if (dir_fd >= 0)
        close(dir_fd);
    return result;
}
