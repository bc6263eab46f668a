// An API server out of a script, for tests of the Kubernetes client.
#include "kube-fake.h"

#include <isthmus/alloc.h>

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void remember(struct fake_api *api, const struct httpd_request *request)
{
    char authorization[512] = "";
    size_t used = strlen(api->seen);
    httpd_header(request, "authorization", authorization, sizeof authorization);
    snprintf(api->seen + used, sizeof api->seen - used, "%s %s\n%s\n%s\n", request->method, request->target,
             authorization, request->body ? request->body : "");
}

static void answer(void *arg, const struct httpd_request *request, struct httpd_reply *reply)
{
    struct fake_api *api = arg;
    char line[8300];
    snprintf(line, sizeof line, "%s %s", request->method, request->target);
    pthread_mutex_lock(&lock);
    remember(api, request);
    reply->status = 404;
    reply->body = strdup("{\"kind\":\"Status\",\"code\":404,\"message\":\"nothing here\"}");
    for (size_t i = 0; i < api->count; i++) {
        const struct rule *rule = &api->rules[i];
        if (strncmp(line, rule->begins, strlen(rule->begins)) != 0 ||
            (rule->times && api->used[i] >= rule->times))
            continue;
        api->used[i]++;
        free(reply->body);
        reply->status = rule->status;
        reply->body = strdup(rule->body ? rule->body : "");
        reply->cut_after = rule->cut_after ? rule->cut_after : -1;
        break;
    }
    pthread_mutex_unlock(&lock);
}

void fake_api_start(struct fake_api *api, const struct rule *rules, size_t count, const char *user)
{
    memset(api, 0, sizeof *api);
    api->rules = rules;
    api->count = count;
    api->httpd = httpd_start(answer, api, 0);
    size_t room = strlen(user) + 512;
    api->kubeconfig = malloc(room);
    snprintf(api->kubeconfig, room,
             "apiVersion: v1\nkind: Config\ncurrent-context: x\n"
             "contexts: [{name: x, context: {cluster: x, user: x}}]\n"
             "clusters: [{name: x, cluster: {server: \"%s\"}}]\nusers: [{name: x, user: %s}]\n",
             httpd_url(api->httpd), user);
}

void fake_api_stop(struct fake_api *api)
{
    httpd_stop(api->httpd);
    free(api->kubeconfig);
}

int fake_api_saw(const struct fake_api *api, const char *text)
{
    int count = 0;
    pthread_mutex_lock(&lock);
    for (const char *at = strstr(api->seen, text); at; at = strstr(at + 1, text))
        count++;
    pthread_mutex_unlock(&lock);
    return count;
}

// ---- the host ----

static struct fake_call *of(ist_call *call)
{
    return (struct fake_call *)(void *)call;
}

static uint32_t call_operation(ist_call *call)
{
    return of(call)->operation;
}

static int64_t call_now(ist_call *call)
{
    (void)call;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t call_clock(ist_call *call)
{
    (void)call;
    return (int64_t)time(NULL) * 1000;
}

static int64_t call_deadline(ist_call *call)
{
    return of(call)->deadline;
}

static int32_t call_cancelled(ist_call *call)
{
    (void)call;
    return 0;
}

static int call_cancel_fd(ist_call *call)
{
    (void)call;
    return -1;
}

static int32_t call_sleep(ist_call *call, int64_t until)
{
    (void)call;
    while (call_now(call) < until)
        usleep(1000);
    return IST_OK;
}

static void call_log(ist_call *call, uint32_t level, const char *text)
{
    (void)call;
    (void)level;
    (void)text;
}

static void call_progress(ist_call *call, const char *text, int32_t fraction)
{
    (void)call;
    (void)text;
    (void)fraction;
}

static void call_secret(ist_call *call, const char *bytes, size_t len)
{
    size_t used = strlen(of(call)->secrets);
    snprintf(of(call)->secrets + used, sizeof of(call)->secrets - used, "%.*s\n", (int)len, bytes);
}

static const ist_host host = {.size = sizeof(ist_host),
                              .operation = call_operation,
                              .wants_trace = call_cancelled,
                              .log = call_log,
                              .progress = call_progress,
                              .register_secret = call_secret,
                              .clock_ms = call_clock,
                              .now_ms = call_now,
                              .deadline_ms = call_deadline,
                              .cancelled = call_cancelled,
                              .cancel_fd = call_cancel_fd,
                              .sleep_until = call_sleep};

ist_env fake_env(struct fake_call *call)
{
    if (!call->deadline)
        call->deadline = call_now(NULL) + 60000;
    return (ist_env){&host, (ist_call *)(void *)call};
}

ist_kube *fake_client(const struct fake_api *api, const ist_env *env)
{
    ist_kube_options options = {.size = sizeof options, .name = "fake", .kubeconfig = api->kubeconfig};
    ist_kube *kube = NULL;
    ist_error err = {0};
    if (ist_kube_new(env, &options, &kube, &err) != IST_OK) {
        fprintf(stderr, "%s: %s\n", err.where, err.text);
        exit(1);
    }
    return kube;
}
