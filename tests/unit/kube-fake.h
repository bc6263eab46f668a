// An API server out of a script: each rule answers the requests whose "METHOD target" begins with its text, in the
// order of the rules, so many times.
#ifndef TEST_KUBE_FAKE_H
#define TEST_KUBE_FAKE_H

#include "fake-call.h"
#include "httpd.h"

#include <isthmus/kube.h>

struct rule {
    const char *begins; // "GET /api/v1/pods?"; must stand in "METHOD target" at its beginning
    int status;
    const char *body;
    int times;      // 0: always
    long cut_after; // 0: whole
};

struct fake_api {
    struct httpd *httpd;
    const struct rule *rules;
    size_t count;
    int used[64];     // how often each rule answered
    char seen[65536]; // "METHOD target\nAuthorization\nbody\n" of all requests, in turn
    char *kubeconfig; // malloc'd: points at this server
};

// `user` is YAML of the user entry, in braces: "{token: secret}".
void fake_api_start(struct fake_api *api, const struct rule *rules, size_t count, const char *user);
void fake_api_stop(struct fake_api *api);
// How many requests' first line contained this text.
int fake_api_saw(const struct fake_api *api, const char *text);

ist_kube *fake_client(const struct fake_api *api, const ist_env *env);

#endif
