// `isthmus plugin new NAME`: writes sdk/template as a project that builds out of tree.
#include "cli/cli.h"
#include "host/paths.h"

#include <isthmus/alloc.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// The files of sdk/template, made into strings by the build: {name, text}.
static const struct {
    const char *name, *text;
} files[] = {
#include "template.inc"
};

struct blank {
    const char *mark, *value;
};

// The text with the value of each place in it; the caller's.
static char *filled(const char *text, const struct blank *blanks, size_t count)
{
    ist_buf buf = {0};
    while (*text) {
        size_t i = 0, n = strcspn(text, "@");
        ist_buf_add(&buf, text, n);
        text += n;
        while (i < count && strncmp(text, blanks[i].mark, strlen(blanks[i].mark)) != 0)
            i++;
        if (i < count) {
            ist_buf_puts(&buf, blanks[i].value);
            text += strlen(blanks[i].mark);
        } else if (*text) {
            ist_buf_add(&buf, text++, 1);
        }
    }
    return ist_buf_take(&buf);
}

static int write_new(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    size_t len = strlen(text);
    if (fd < 0 || write(fd, text, len) != (ssize_t)len) {
        int rc = cli_error(NULL, "%s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return rc;
    }
    return close(fd) == 0 ? 0 : cli_error(NULL, "%s: %s", path, strerror(errno));
}

// A name that is a file's, a YAML word and a C comment at once.
static bool good_name(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len < 64 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len &&
           name[0] >= 'a' && name[0] <= 'z' && name[len - 1] != '-';
}

static int write_skeleton(const char *folder, const char *name)
{
    // Of a program that runs from its build folder: the SDK is there, and not where pkg-config looks.
    char *build = build_root();
    const struct blank blanks[] = {{"@NAME@", name}, {"@BUILD@", build ? build : ""}};
    int rc = 0;
    for (size_t i = 0; !rc && i < sizeof(files) / sizeof(*files); i++) {
        char *path = !strcmp(files[i].name, "plugin.c") ? ist_printf("%s/%s.c", folder, name)
                                                        : ist_printf("%s/%s", folder, files[i].name);
        char *text = filled(files[i].text, blanks, sizeof(blanks) / sizeof(*blanks));
        rc = write_new(path, text);
        ist_free(text);
        ist_free(path);
    }
    ist_free(build);
    return rc;
}

int cmd_plugin_new(const struct cli *cli)
{
    const char *name = cli_arg(cli, 0);
    if (!good_name(name))
        return cli_error("small letters, digits and hyphens, a letter first", "`%s` is no name for a plugin",
                         name);
    const char *in = cli_value(cli, OPT_DIR);
    char *folder = in ? ist_printf("%s/%s", in, name) : ist_strdup(name);
    int rc = 0;
    if ((in && mkdir(in, 0755) < 0 && errno != EEXIST) || mkdir(folder, 0755) < 0)
        rc = cli_error(NULL, "%s: %s", folder, strerror(errno));
    else
        rc = write_skeleton(folder, name);
    if (!rc)
        printf("%s/ is there: cd %s && make && make check\n", folder, folder);
    ist_free(folder);
    return rc;
}
