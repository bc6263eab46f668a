// Reading and writing small private files.
#include <isthmus/alloc.h>
#include <isthmus/file.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int32_t fail_errno(ist_error *err, const char *path, const char *doing)
{
    const int32_t code = errno == ENOENT                     ? IST_ERR_NOT_FOUND
                         : errno == EACCES || errno == EPERM ? IST_ERR_DENIED
                                                             : IST_ERR_INPUT;
    return ist_fail(err, code, path, "cannot be %s: %s", doing, strerror(errno));
}

int32_t ist_file_read(const char *path, size_t max, char **text, size_t *len, ist_error *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a FIFO must not hang us
    struct stat st;
    ist_buf buf = {.max = max + 1};
    char chunk[8192];
    if (fd < 0)
        return fail_errno(err, path, "read");
    int32_t rc = IST_OK;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        rc = ist_fail(err, IST_ERR_INPUT, path, "is no regular file");
    while (rc == IST_OK) {
        const ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            rc = fail_errno(err, path, "read");
        else if (n > 0 && (buf.len + (size_t)n > max || ist_buf_add(&buf, chunk, (size_t)n) != IST_OK))
            rc = ist_fail(err, IST_ERR_LIMIT, path, "is larger than %zu bytes", max);
        if (n <= 0)
            break;
    }
    close(fd);
    if (rc != IST_OK) {
        ist_buf_free(&buf);
        return rc;
    }
    if (len != NULL)
        *len = buf.len;
    *text = ist_buf_take(&buf);
    return IST_OK;
}

static int32_t make_parents(const char *path, ist_error *err)
{
    char *folder = ist_strdup(path);
    int32_t rc = IST_OK;
    for (char *slash = strchr(folder + 1, '/'); slash != NULL && rc == IST_OK;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(folder, 0700) != 0 && errno != EEXIST)
            rc = fail_errno(err, folder, "made");
        *slash = '/';
    }
    ist_free(folder);
    return rc;
}

static int write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        const ssize_t n = write(fd, text, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        text += n;
        len -= (size_t)n;
    }
    return fsync(fd);
}

int32_t ist_file_write(const char *path, const char *text, size_t len, ist_error *err)
{
    if (path[0] == '\0')
        return ist_fail(err, IST_ERR_INPUT, "file", "a path is empty");
    int32_t rc = make_parents(path, err);
    if (rc != IST_OK)
        return rc;
    char *beside = ist_printf("%s.XXXXXX", path);
    const int fd = mkostemp(beside, O_CLOEXEC); // 0600
    if (fd < 0) {
        rc = fail_errno(err, path, "written");
        ist_free(beside);
        return rc;
    }
    if (write_all(fd, text, len) != 0)
        rc = fail_errno(err, path, "written");
    if (close(fd) != 0 && rc == IST_OK)
        rc = fail_errno(err, path, "written");
    if (rc == IST_OK && rename(beside, path) != 0)
        rc = fail_errno(err, path, "put in place");
    if (rc != IST_OK)
        unlink(beside);
    ist_free(beside);
    return rc;
}
