// Where the program's own parts are.
#include "host/paths.h"

#include <isthmus/alloc.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// The folder of the running program.
static char *program_dir(void)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (n <= 0)
        return NULL;
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
    return ist_strdup(path);
}

char *build_root(void)
{
    char *dir = program_dir();
    // core/isthmus, or tests/unit/.libs/test-x: at most three folders below the root.
    for (int up = 0; dir && up < 4; up++) {
        char *status = ist_printf("%s/config.status", dir),
             *worker = ist_printf("%s/core/isthmus-worker", dir);
        const int here = access(status, F_OK) == 0 && access(worker, X_OK) == 0;
        ist_free(status);
        ist_free(worker);
        if (here)
            return dir;
        char *slash = strrchr(dir, '/');
        if (!slash)
            break;
        *slash = '\0';
    }
    ist_free(dir);
    return NULL;
}

char *worker_program(void)
{
    const char *given = getenv("ISTHMUS_WORKER");
    if (given && *given)
        return ist_strdup(given);
    char *root = build_root();
    char *path = root ? ist_printf("%s/core/isthmus-worker", root) : NULL;
    ist_free(root);
    if (path)
        return path;
    char *dir = program_dir();
    path = ist_printf("%s/isthmus-worker", dir ? dir : ".");
    ist_free(dir);
    if (access(path, X_OK) == 0)
        return path;
    ist_free(path);
    return ist_strdup(IST_LIBEXECDIR "/isthmus-worker");
}
