// Where values come from outside of the configuration: text by its type, files, and paths beside files.
#include "config/internal.h"

#include <isthmus/alloc.h>
#include <isthmus/schema.h>
#include <isthmus/yaml.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE ((size_t)1 << 20)

void strings_add(struct strings *strings, const char *text)
{
    for (size_t i = 0; i < strings->count; i++)
        if (strcmp(strings->items[i], text) == 0)
            return;
    strings->items = ist_realloc(strings->items, strings->count + 1, sizeof(char *));
    strings->items[strings->count++] = ist_strdup(text);
}

void strings_free(struct strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        ist_free_secret(strings->items[i]);
    ist_free(strings->items);
    *strings = (struct strings){0};
}

static bool is_container(const char *type)
{
    char item[128];
    return ist_type_item(type, item, sizeof(item)) || strcmp(type, "object") == 0;
}

bool type_is_core(const char *type) // what YAML itself would read
{
    return strcmp(type, "int") == 0 || strcmp(type, "bool") == 0 || strcmp(type, "real") == 0;
}

// What the environment, a file or a command gives is text; a number or a list in it is meant.
json_t *text_typed(const char *text, const char *type)
{
    json_t *json = NULL;
    if (type_is_core(type))
        json = ist_yaml_scalar(text);
    else if (is_container(type) && ist_yaml_parse(text, strlen(text), "", &json, NULL) != IST_OK)
        json = NULL;
    return json ? json : json_string(text);
}

char *path_beside(const char *file, const char *path)
{
    const char *home = getenv("HOME"), *slash = strrchr(file, '/');
    char cwd[PATH_MAX];
    if (*path == '/' || strstr(path, "://") || strchr(path, '\n'))
        return ist_strdup(path);
    if (path[0] == '~' && path[1] == '/' && home)
        return ist_printf("%s%s", home, path + 1);
    int dir = slash ? (int)(slash - file) : 0;
    if (*file == '/')
        return ist_printf("%.*s/%s", dir, file, path);
    if (!getcwd(cwd, sizeof(cwd)))
        return ist_strdup(path);
    return ist_printf("%s/%.*s%s%s", cwd, dir, file, dir ? "/" : "", path);
}

char *file_text(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat info;
    if (fd < 0)
        return NULL;
    ist_buf out = {.max = MAX_FILE};
    ssize_t got = -1;
    char chunk[4096];
    if (fstat(fd, &info) == 0 && !S_ISREG(info.st_mode)) {
        errno = S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
    } else {
        while ((got = read(fd, chunk, sizeof(chunk))) > 0) {
            if (ist_buf_add(&out, chunk, (size_t)got) != IST_OK) {
                errno = EFBIG;
                got = -1;
                break;
            }
        }
    }
    explicit_bzero(chunk, sizeof(chunk));
    int saved = errno;
    close(fd);
    errno = saved;
    char *text = got == 0 ? ist_buf_take(&out) : NULL;
    ist_buf_free(&out);
    return text;
}
