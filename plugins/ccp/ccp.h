// The container platform's API, as its versions 2 and 3 speak it.
#ifndef CCP_H
#define CCP_H

#include <isthmus/alloc.h>
#include <isthmus/env.h>
#include <isthmus/http.h>
#include <isthmus/json.h>

struct ccp {
    ist_env env;
    ist_http *http;
    char *base;                      // "https://10.1.1.1", no slash at the end
    const char *username, *password; // borrowed from the inputs
    char *token;                     // of the session; NULL before the login
    int cookie;                      // the session is a version 2 cookie
};

// `inputs` must outlive it. Logs in at the first call.
int32_t ccp_open(const ist_env *env, const json_t *inputs, struct ccp *ccp, ist_error *err);
void ccp_close(struct ccp *ccp);

// One call; logs in again when the session has expired. Answers outside of 2xx are errors, with their text as
// it came: 404 is IST_ERR_NOT_FOUND, 409 IST_ERR_CONFLICT, 401 and 403 IST_ERR_DENIED, 5xx IST_ERR_NETWORK
// (for a write it may have acted), others IST_ERR_REMOTE. *answer (may be NULL) is null for an empty or
// non-JSON body.
int32_t ccp_call(struct ccp *ccp, const char *method, const char *path, const json_t *body, json_t **answer,
                 ist_error *err);
// The same, with the body as text (kubeconfigs of version 2). The caller's (ist_free_secret).
int32_t ccp_text(struct ccp *ccp, const char *path, char **text, ist_error *err);

// The cluster with this id (preferred, may be NULL) or of this name and type ("eks"; NULL: any).
// IST_ERR_NOT_FOUND quietly. New reference.
int32_t ccp_find(struct ccp *ccp, const char *id, const char *name, const char *type, json_t **cluster,
                 ist_error *err);
// The id of the one provider of this name, else of the one whose name matches the regular expression. The caller's.
int32_t ccp_provider(struct ccp *ccp, const char *pattern, char **id, ist_error *err);
// The name (the caller's) of the provider with this id, where the expression does not fit it; *other stays NULL where it
// does, or the platform lists it no more.
int32_t ccp_other_provider(struct ccp *ccp, const char *pattern, const char *id, char **other,
                           ist_error *err);
// The kubeconfig of a cluster on premises, by name, from version 3 or 2. Registered as a secret. The
// caller's.
int32_t ccp_kubeconfig(struct ccp *ccp, const char *name, char **kubeconfig, ist_error *err);
// Registers a kubeconfig and the credentials within.
void ccp_hide_kubeconfig(const ist_env *env, const char *kubeconfig);

// Waits until it is READY (*cluster is the last state of it) or, for ccp_wait_gone, until it is no more.
int32_t ccp_wait_ready(struct ccp *ccp, const char *id, const char *name, int64_t timeout_ms,
                       json_t **cluster, ist_error *err);
int32_t ccp_wait_gone(struct ccp *ccp, const char *id, const char *name, int64_t timeout_ms, ist_error *err);
// Is this status one that passes by itself (CREATING, UPDATING, ...)?
int ccp_is_passing(const char *status);

#endif
