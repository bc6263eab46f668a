// Small files in a folder: a head of four lines, an empty line, the content.
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define PATH_SIZE (FILE_TEXT + 64)

bool text_copy(char *to, size_t size, const char *text)
{
    size_t n = text ? strnlen(text, size - 1) : 0;
    if (n)
        memcpy(to, text, n);
    to[n] = '\0';
    return !text || !text[n];
}

static void path_of(const struct file *file, char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "%s/%s", file->dir, file->id);
}

// Takes "name: value\n" from *text; the value is cut to its room.
static int take_line(const char **text, const char *name, char *to, size_t size)
{
    size_t n = strlen(name);
    const char *end = strchr(*text, '\n');
    if (!end || strncmp(*text, name, n) != 0 || strncmp(*text + n, ": ", 2) != 0)
        return -1;
    size_t len = (size_t)(end - *text) - n - 2;
    if (len >= size)
        return -1;
    memcpy(to, *text + n + 2, len);
    to[len] = '\0';
    *text = end + 1;
    return 0;
}

int file_read(struct file *file)
{
    char path[PATH_SIZE], text[FILE_TEXT + 1024];
    path_of(file, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n < 0)
        return -1;
    text[n] = '\0';
    const char *at = text;
    if (take_line(&at, "token", file->token, sizeof(file->token)) < 0 ||
        take_line(&at, "resource", file->resource, sizeof(file->resource)) < 0 ||
        take_line(&at, "kind", file->kind, sizeof(file->kind)) < 0 ||
        take_line(&at, "secret", file->secret, sizeof(file->secret)) < 0 || *at != '\n') {
        errno = EBADMSG;
        return -1;
    }
    text_copy(file->content, sizeof(file->content), at + 1);
    return 0;
}

int file_write(const struct file *file)
{
    char path[PATH_SIZE], temporary[PATH_SIZE + 8];
    path_of(file, path);
    snprintf(temporary, sizeof(temporary), "%s/.%s", file->dir, file->id);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    int n = dprintf(fd, "token: %s\nresource: %s\nkind: %s\nsecret: %s\n\n%s", file->token, file->resource,
                    file->kind, file->secret, file->content);
    if (close(fd) < 0 || n < 0 || rename(temporary, path) < 0) {
        int saved = errno;
        unlink(temporary);
        errno = saved;
        return -1;
    }
    return 0;
}

int file_create(struct file *file)
{
    unsigned char random[16];
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return -1;
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(file->id + i * 2, 3, "%02x", random[i]);
    return file_write(file);
}

int file_remove(const struct file *file)
{
    char path[PATH_SIZE];
    path_of(file, path);
    return unlink(path);
}

int file_find(const char *dir, const char *token, struct file *file)
{
    DIR *folder = opendir(dir);
    if (!folder)
        return errno == ENOENT ? 0 : -1;
    int found = 0;
    for (struct dirent *entry; !found && (entry = readdir(folder));) {
        if (entry->d_name[0] == '.' || !text_copy(file->dir, sizeof(file->dir), dir) ||
            !text_copy(file->id, sizeof(file->id), entry->d_name))
            continue;
        found = file_read(file) == 0 && strcmp(file->token, token) == 0;
    }
    closedir(folder);
    return found;
}
