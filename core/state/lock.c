// The lock of the state: an flock, which ends with its holders whatever ends them, and a note who they are.
#include "state/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// How long to wait for the workers of a holder that is dead: they die with it, but not in the same moment.
#define ORPHANS_MS 5000
#define ASK_MS     20

static char *lock_path(const struct store *store)
{
    return ist_printf("%s.lock", store->path);
}

// The id of this boot: a pid means nothing in another one.
static void boot_id(char id[40])
{
    memset(id, 0, 40);
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = read(fd, id, 36);
    if (n < 0)
        id[0] = '\0';
    close(fd);
}

static json_t *read_note(int fd)
{
    char text[1024];
    ssize_t n = pread(fd, text, sizeof(text), 0);
    json_t *note = n > 0 ? json_loadb(text, (size_t)n, 0, NULL) : NULL;
    if (!json_is_object(note)) {
        json_decref(note);
        note = json_object();
    }
    char boot[40];
    boot_id(boot);
    pid_t pid = (pid_t)ist_json_int(note, "pid", 0);
    bool same_boot = strcmp(ist_json_str_or(note, "boot", ""), boot) == 0;
    bool alive = same_boot && pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
    json_object_set_new(note, "alive", json_boolean(alive));
    return note;
}

static int write_note(int fd, const char *what, const char *path, ist_error *err)
{
    char boot[40], host[256] = "";
    boot_id(boot);
    gethostname(host, sizeof(host) - 1);
    char *now = store_now();
    json_t *note = json_pack("{s:s, s:i, s:s, s:s, s:s}", "what", what, "pid", (int)getpid(), "boot", boot,
                             "since", now, "host", host);
    char *text = json_dumps(note, JSON_COMPACT);
    size_t len = text ? strlen(text) : 0;
    int rc = IST_OK;
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, len, 0) != (ssize_t)len)
        rc = ist_fail(err, IST_ERR_LIMIT, path, "cannot write the lock: %s", strerror(errno));
    free(text);
    json_decref(note);
    ist_free(now);
    return rc;
}

static int conflict(const json_t *note, const char *path, ist_error *err)
{
    bool alive = ist_json_bool(note, "alive", 0);
    ist_fail(err, IST_ERR_CONFLICT, path, "the state is locked by %s (pid %lld%s) since %s",
             ist_json_str_or(note, "what", "another run"), (long long)ist_json_int(note, "pid", 0),
             alive ? "" : ", which is dead: its workers still end",
             ist_json_str_or(note, "since", "an unknown time"));
    ist_hint(err, "wait for it, or end that process; `isthmus state unlock` shows more");
    return IST_ERR_CONFLICT;
}

// A lock file that was set aside while we waited for it locks nothing.
static bool still_there(int fd, const char *path)
{
    struct stat ours, named;
    return fstat(fd, &ours) == 0 && stat(path, &named) == 0 && ours.st_ino == named.st_ino &&
           ours.st_dev == named.st_dev;
}

static int take(int fd, const char *path, ist_error *err)
{
    for (int waited = 0;; waited += ASK_MS) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return IST_OK;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return ist_fail(err, IST_ERR_INTERNAL, path, "cannot lock the state: %s", strerror(errno));
        json_t *note = read_note(fd);
        // Somebody who only looks holds it for a moment; a living holder keeps it.
        int patience = ist_json_bool(note, "alive", 0) ? 5 * ASK_MS : ORPHANS_MS;
        int rc = waited >= patience ? conflict(note, path, err) : IST_OK;
        json_decref(note);
        if (rc != IST_OK)
            return rc;
        nanosleep(&(struct timespec){.tv_nsec = ASK_MS * 1000000L}, NULL);
    }
}

int store_lock(struct store *store, const char *what, ist_error *err)
{
    if (store->lock_fd >= 0)
        return IST_OK;
    char *path = lock_path(store);
    int rc, fd = -1;
    do {
        if (fd >= 0)
            close(fd);
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
            rc = ist_fail(err, IST_ERR_DENIED, path, "cannot open the lock: %s", strerror(errno));
        else
            rc = take(fd, path, err);
    } while (rc == IST_OK && !still_there(fd, path));
    if (rc == IST_OK)
        rc = write_note(fd, what, path, err);
    if (rc == IST_OK)
        store->lock_fd = fd;
    else if (fd >= 0)
        close(fd);
    ist_free(path);
    return rc;
}

int store_lock_fd(struct store *store)
{
    return store->lock_fd;
}

void store_unlock(struct store *store)
{
    if (store->lock_fd < 0)
        return;
    // The note goes, the file stays: removing it would let two hold "the" lock. A worker that still ends
    // keeps the flock; nobody may take that for this process.
    if (ftruncate(store->lock_fd, 0) < 0)
        errno = 0;
    close(store->lock_fd);
    store->lock_fd = -1;
}

int store_lock_holder(struct store *store, json_t **holder, ist_error *err)
{
    char *path = lock_path(store);
    int rc = IST_OK, fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    json_t *found = NULL;
    if (fd < 0 && errno != ENOENT)
        rc = ist_fail(err, IST_ERR_DENIED, path, "cannot open the lock: %s", strerror(errno));
    else if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0)
        found = read_note(fd);
    if (fd >= 0)
        close(fd);
    ist_free(path);
    if (rc == IST_OK)
        *holder = found;
    return rc;
}

int store_lock_break(struct store *store, ist_error *err)
{
    char *path = lock_path(store);
    int rc = IST_OK;
    if (unlink(path) < 0 && errno != ENOENT)
        rc = ist_fail(err, IST_ERR_DENIED, path, "cannot remove the lock: %s", strerror(errno));
    ist_free(path);
    return rc;
}
