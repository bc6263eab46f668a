// From termination messages to checks.
#include "probe.h"

#include <string.h>

// The line of a target: the text after "NAME ". NULL when there is none. The caller's.
static char *line_of(const char *message, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = message; line && *line;) {
        const char *end = strchr(line, '\n');
        size_t size = end ? (size_t)(end - line) : strlen(line);
        if (size > len && strncmp(line, name, len) == 0 && line[len] == ' ')
            return ist_strndup(line + len + 1, size - len - 1);
        line = end ? end + 1 : NULL;
    }
    return NULL;
}

static const char *message_of(const json_t *client)
{
    return ist_json_str_or(client, "status.containerStatuses[0].state.terminated.message", "");
}

// What the lab (or whoever else annotates pods) says of the cause. Borrowed, NULL when nothing.
static const char *cause_of(const json_t *client, const char *name)
{
    char *key = ist_printf("lab.isthmus.dev/why-%s", name);
    const char *text = json_string_value(json_object_get(ist_json_at(client, "metadata.annotations"), key));
    ist_free(key);
    return text;
}

struct way {
    const struct probe *probe;
    const ist_cluster *from, *to;
    const json_t *client;
    const char *own, *target; // addresses of the client and of the listener
};

static void check(const struct way *way, const char *what, uint32_t result, const char *evidence)
{
    char *name = ist_printf("%s %s -> %s", what, way->from->name, way->to->name);
    ist_check(&way->probe->env, name, result, "%s", evidence);
    ist_free(name);
}

// Why a target was not reached: the pod's own words, and what is known of the cause.
static char *failure_of(const struct way *way, const char *line, const char *name)
{
    const char *cause = cause_of(way->client, name);
    const char *reason = ist_json_str(way->client, "status.containerStatuses[0].state.terminated.reason");
    if (!line)
        return ist_printf("%s -> %s: the probe pod said nothing of it%s%s", way->own, way->target,
                          reason ? "; it ended with " : "", reason ? reason : "");
    return ist_printf("%s -> %s: %s%s%s", way->own, way->target,
                      strncmp(line, "fail ", 5) == 0 ? line + 5 : line, cause ? ": " : "",
                      cause ? cause : "");
}

static void judge_ping(const struct way *way, size_t to)
{
    char *name = target_name("ping", to), *line = line_of(message_of(way->client), name);
    int passed = line && strncmp(line, "ok", 2) == 0;
    char *evidence = passed ? ist_printf("%s -> %s", way->own, way->target) : failure_of(way, line, name);
    check(way, "ping", passed ? IST_PASS : IST_FAIL, evidence);
    ist_free(evidence);
    ist_free(line);
    ist_free(name);
}

static void judge_source(const struct way *way, const char *seen)
{
    if (strcmp(seen, way->own) == 0) {
        char *evidence = ist_printf("%s saw the pod's own address %s", way->to->name, seen);
        check(way, "source", IST_PASS, evidence);
        ist_free(evidence);
        return;
    }
    char *settings = snat_settings(way->from->kube);
    char *evidence =
        ist_printf("the pod has %s and %s saw %s: its address is translated (SNAT) on the way, so that "
                   "policies there cannot know it; %s",
                   way->own, way->to->name, *seen ? seen : "nothing", settings);
    check(way, "source", IST_FAIL, evidence);
    ist_free(evidence);
    ist_free(settings);
}

static void judge_tcp(const struct way *way, size_t to)
{
    char *name = target_name("tcp", to), *line = line_of(message_of(way->client), name);
    int passed = line && strncmp(line, "ok", 2) == 0;
    char *evidence = passed ? ist_printf("%s -> %s:%d", way->own, way->target, way->probe->port)
                            : failure_of(way, line, name);
    if (way->probe->checks & CHECK_TCP || !passed) // without an answer nothing is known of the source either
        check(way, "tcp", passed ? IST_PASS : IST_FAIL, evidence);
    if (!passed && way->probe->checks & CHECK_SOURCE)
        check(way, "source", IST_SKIP, "nothing arrived that could have shown it");
    const char *source = line ? strstr(line, "source=") : NULL;
    if (passed && way->probe->checks & CHECK_SOURCE) {
        char *seen = source ? ist_strndup(source + 7, strcspn(source + 7, " ")) : ist_strdup("");
        judge_source(way, seen);
        ist_free(seen);
    }
    ist_free(evidence);
    ist_free(line);
    ist_free(name);
}

void judge(const struct probe *probe)
{
    size_t i;
    const json_t *pair;
    json_array_foreach(probe->pairs, i, pair)
    {
        size_t from = (size_t)json_integer_value(json_array_get(pair, 0));
        size_t to = (size_t)json_integer_value(json_array_get(pair, 1));
        const json_t *client = json_array_get(probe->clients, from);
        struct way way = {.probe = probe,
                          .from = &probe->clusters->items[from],
                          .to = &probe->clusters->items[to],
                          .client = client,
                          .own = ist_json_str_or(client, "status.podIP", "?"),
                          .target =
                              ist_json_str_or(json_array_get(probe->listeners, to), "status.podIP", "?")};
        if (probe->checks & CHECK_PING)
            judge_ping(&way, to);
        if (probe->checks & (CHECK_TCP | CHECK_SOURCE))
            judge_tcp(&way, to);
    }
}
