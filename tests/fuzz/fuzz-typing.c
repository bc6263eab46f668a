// What somebody types at the lab's router, as any bytes: keys, help, commands, configuration, questions. Whatever that
// makes of its configuration, a router that boots from it has the same. The rest of the lab is left away.
#include "host/host.h"
#include "router/device.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// ---- what the lab would do ----

void lab_journal_add(struct lab *lab, const char *service, const char *method, const char *path,
                     const char *action, int status, bool write_call)
{
    (void)lab, (void)service, (void)method, (void)path, (void)action, (void)status, (void)write_call;
}

const struct lab_fault *lab_fault_take(struct lab *lab, const char *service, const char *action)
{
    (void)lab, (void)service, (void)action;
    return NULL;
}

// Nothing that is due later comes.
void lab_after(struct lab *lab, int64_t delay_ms, void (*fn)(struct lab *, void *), void *arg)
{
    (void)lab, (void)delay_ms, (void)fn;
    free(arg);
}

void lab_snapshot_register(struct lab *lab, const char *section, json_t *(*fn)(struct lab *))
{
    (void)lab, (void)section, (void)fn;
}

void router_listen(struct router *router)
{
    (void)router;
}

// There is no Linux host.
struct lab_host *lab_host_new(struct lab *lab, const char *id, const char *user_data, uint32_t outside,
                              uint32_t inside)
{
    (void)lab, (void)id, (void)user_data, (void)outside, (void)inside;
    return NULL;
}
void lab_host_erase(const struct lab_host *host)
{
    (void)host;
}
void lab_host_boot(struct router *router)
{
    (void)router;
}
void lab_host_changed(struct router *router)
{
    (void)router;
}

// ---- the router ----

static struct router *the_router(char **startup)
{
    static struct lab lab;
    static char *first;
    char dir[] = "/tmp/isthmus-fuzz-XXXXXX";
    if (!lab.router) {
        if (!mkdtemp(dir))
            abort();
        lab.dir = dir;
        lab.env = json_object();
        lab_router_start(&lab);
        lab_router_boot(&lab, "i-spoke", "ios-config-1=\"hostname spoke\"\n", NULL, 0x0a006a0a, 0x0a006d0a,
                        false);
        char *command = lab_format("%s/router-hub.key", dir);
        unlink(command);
        free(command);
        unlink(router_spoke(&lab)->host_key);
        rmdir(dir);
        lab.dir = NULL;
        first = lab_strdup(router_spoke(&lab)->startup);
    }
    *startup = first;
    return router_spoke(&lab);
}

static void fresh(struct router *router, const char *startup)
{
    config_free(router->running);
    router->running = config_new();
    config_load(router->running, startup);
    free(router->startup);
    router->startup = lab_strdup(startup);
    free(router->backup);
    free(router->revert_user);
    router->backup = router->revert_user = NULL;
    router->archived = 0;
    router_changed(router);
}

static void boots_the_same(const struct router *router)
{
    struct line *again = config_new();
    char *text = config_text(router->running, CONFIG_KEPT), *second;
    config_load(again, text);
    second = config_text(again, CONFIG_KEPT);
    if (strcmp(text, second) != 0) {
        fprintf(stderr, "configured:\n%s\nbooted:\n%s\n", text, second);
        abort();
    }
    free(text);
    free(second);
    config_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *startup;
    struct router *router = the_router(&startup);
    if (size > 8192)
        return 0;
    fresh(router, startup);
    struct session *session = lab_calloc(1, sizeof *session);
    session->router = router;
    session->user = lab_strdup("somebody");
    session->privileged = true;
    router->sessions = session;
    session_greet(session);
    // In pieces, as a network delivers them.
    for (size_t at = 0; at < size && !session->closing;) {
        size_t piece = 1 + data[at] % 61;
        piece = piece < size - at ? piece : size - at;
        session_type(session, (const char *)data + at, piece);
        if (session->cursor > session->typed_len || session->typed_len > SESSION_LINE)
            abort();
        at += piece;
        session->out.len = 0;
    }
    router->sessions = NULL;
    session_free(session);
    boots_the_same(router);
    return 0;
}
