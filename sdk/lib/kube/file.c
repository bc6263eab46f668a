// Small helpers of the Kubernetes client: files and times.
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int32_t read_all(int fd, size_t max, ist_buf *buf)
{
    char chunk[8192];
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0 ? IST_OK : IST_ERR_INPUT;
        if (buf->len + (size_t)got > max || ist_buf_add(buf, chunk, (size_t)got) != IST_OK)
            return IST_ERR_LIMIT;
    }
}

int32_t kube_read_file(const char *path, size_t max, char **text, size_t *len, ist_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a FIFO must not hang us
    if (fd < 0)
        return ist_fail(err, errno == ENOENT ? IST_ERR_NOT_FOUND : IST_ERR_INPUT, path, "%s",
                        strerror(errno));
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return ist_fail(err, IST_ERR_INPUT, path, "not a regular file");
    }
    ist_buf buf = {.max = max + 1};
    int32_t rc = read_all(fd, max, &buf);
    int saved = errno;
    close(fd);
    if (rc != IST_OK) {
        ist_buf_free(&buf);
        return rc == IST_ERR_LIMIT ? ist_fail(err, rc, path, "larger than %zu bytes", max)
                                   : ist_fail(err, rc, path, "%s", strerror(saved));
    }
    if (len)
        *len = buf.len;
    *text = ist_buf_take(&buf);
    return IST_OK;
}

int64_t kube_time_ms(const char *text)
{
    struct tm tm = {0};
    int used = 0;
    if (!text ||
        sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec, &used) != 6 ||
        used == 0)
        return -1;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    const char *at = text + used;
    if (*at == '.')
        at += 1 + strspn(at + 1, "0123456789");
    int hours = 0, minutes = 0;
    int sign = *at == '-' ? 1 : -1;
    if (*at == '+' || *at == '-') {
        if (sscanf(at + 1, "%2d:%2d", &hours, &minutes) != 2)
            return -1;
    } else if (*at != 'Z') {
        return -1;
    }
    int64_t seconds = (int64_t)timegm(&tm) + sign * (hours * 3600 + minutes * 60);
    return seconds * 1000;
}
