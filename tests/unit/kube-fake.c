// An API server out of a script, for tests of the Kubernetes client.
#include "kube-fake.h"

#include <isthmus/alloc.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
