// `isthmus lab ...` and `isthmus version`: the small commands.
#include "cli/cli.h"
#include "host/environment.h"

#include <isthmus/alloc.h>

#include <config.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

int cmd_version(const struct cli *cli)
{
    if (cli_render_options(cli).format == RENDER_TEXT) {
        printf("isthmus %s\n", PACKAGE_VERSION);
        return 0;
    }
    json_t *version = json_pack("{s:s}", "version", PACKAGE_VERSION);
    cli_print_json(cli, version);
    json_decref(version);
    return 0;
}

// The lab beside the program in its build tree (core/isthmus -> sdk/lab/isthmus-lab), else as installed.
// libtool puts the real program into core/.libs.
static char *lab_program(void)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n > 0) {
        self[n] = '\0';
        for (int up = 0; up < 3; up++) {
            char *slash = strrchr(self, '/');
            if (!slash)
                break;
            *slash = '\0';
            char *path = ist_printf("%s/sdk/lab/isthmus-lab", self);
            if (access(path, X_OK) == 0)
                return path;
            ist_free(path);
        }
    }
    return ist_strdup(IST_LIBEXECDIR "/isthmus-lab");
}

// The lab's words; options that stood before `lab` are its own too.
static char **lab_words(const struct cli *cli, char *program)
{
    size_t n = 0, options = 0;
    for (size_t i = 0; i < OPT_COUNT; i++)
        options += cli->value_count[i];
    char **argv = ist_calloc(cli->arg_count + 2 * options + 2, sizeof(char *));
    argv[n++] = program;
    for (size_t i = 0; i < OPT_COUNT; i++)
        for (size_t k = 0; k < cli->value_count[i]; k++) {
            argv[n++] = ist_strdup(cli_options[i].name);
            if (cli_options[i].arg)
                argv[n++] = ist_strdup(cli->values[i][k]);
        }
    for (size_t i = 0; i < cli->arg_count; i++)
        argv[n++] = ist_strdup(cli->args[i]);
    return argv;
}

int cmd_lab(const struct cli *cli)
{
    char *program = lab_program();
    char **argv = lab_words(cli, program);
    char **env = environment_allowed(); // the user's keys are none of its business
    execve(program, argv, env);
    int rc = cli_error("the lab is built when libmicrohttpd, gnutls and libssh are there",
                       "cannot start %s: %s", program, strerror(errno));
    ist_free(env);
    for (size_t i = 0; argv[i]; i++)
        ist_free(argv[i]);
    ist_free(argv);
    return rc;
}
