// What the files of the Kubernetes client share. Not installed.
#ifndef IST_KUBE_INTERNAL_H
#define IST_KUBE_INTERNAL_H

#include <isthmus/alloc.h>
#include <isthmus/aws.h>
#include <isthmus/json.h>
#include <isthmus/kube_manifest.h>
#include <isthmus/kube_set.h>

#include <string.h>

#define KUBE_PROBE_LABEL "isthmus.dev/probe" // objects that carry it may be written by verify

// What a context of a kubeconfig says about one cluster and its user. All strings are owned; NULL: not given.
// Source: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
struct kube_login {
    char *server, *proxy, *tls_server_name, *ns;
    char *ca_pem, *cert_pem, *key_pem;
    char *token, *token_file, *username, *password;
    json_t *exec;   // the user's exec entry, or NULL
    char *exec_dir; // what a relative command of it is relative to
    int insecure;
    json_t *files;  // paths of all that was read, in that order
    uint64_t stamp; // of these files as they were
};

// Reads one or several kubeconfigs (ist_kube_options.kubeconfig) and picks a context (NULL: the current one).
// Private keys, passwords and tokens are registered as secrets. On failure *login is empty.
int32_t kube_login_load(const ist_env *env, const char *kubeconfig, const char *context,
                        struct kube_login *login, ist_error *err);
void kube_login_free(struct kube_login *login);
// Was one of its files written anew (certificates and keys are, before they end)? Token files are read by themselves.
int kube_login_changed(const struct kube_login *login);
int kube_login_equal(const struct kube_login *a, const struct kube_login *b); // but for their files

// What an exec entry answered (client.authentication.k8s.io): owned strings; expires 0: never.
struct kube_credential {
    char *token, *cert_pem, *key_pem;
    int64_t expires_ms;
};
// Runs the helper of an exec entry, or mints the token in process when it is one of the EKS forms: with *aws, which is
// made where it is NULL and stays the caller's (ist_aws_free). `aws` may be NULL.
int32_t kube_exec(const ist_env *env, const struct kube_login *login, ist_aws **aws,
                  struct kube_credential *credential, ist_error *err);
void kube_credential_free(struct kube_credential *credential);
// The helper program alone, for those who do not wait: ended by helper_stop(), or by itself when
// kube_exec_step() says anything but IST_AGAIN (*process is NULL then).
struct helper_process;
int32_t kube_exec_start(const ist_env *env, const struct kube_login *login, struct helper_process **process,
                        ist_error *err);
int32_t kube_exec_step(const ist_env *env, const struct kube_login *login, struct helper_process **process,
                       struct kube_credential *credential, ist_error *err);

// Is this exec entry one of the forms whose token ist_aws_eks_token() mints? The strings are borrowed from
// `exec`.
struct kube_eks {
    const char *cluster, *role, *region, *profile;
};
int kube_exec_eks(const json_t *exec, struct kube_eks *eks);
// The client that mints for it. The caller's.
int32_t kube_eks_client(const ist_env *env, const struct kube_login *login, const struct kube_eks *eks,
                        ist_aws **aws, ist_error *err);
struct ist_kube;
// Who signs is looked for anew, by the same clock.
void kube_eks_anew(struct ist_kube *kube);
// What a refusal's Date (NULL: it has none) says of our clock: the next token is signed by it.
void kube_eks_clock(struct ist_kube *kube, const char *date);
// A token without waiting: IST_AGAIN while kube->helper asks the network who may sign it.
int32_t kube_eks_soon(struct ist_kube *kube, const struct kube_eks *eks, struct kube_credential *credential,
                      ist_error *err);

// "2026-01-02T03:04:05Z" (fractions and offsets too) as milliseconds since 1970; -1 when it is no such time.
int64_t kube_time_ms(const char *text);
// A whole file of at most `max` bytes, NUL-terminated; *len may be NULL.
int32_t kube_read_file(const char *path, size_t max, char **text, size_t *len, ist_error *err);

struct ist_kube {
    ist_env env;
    char *name, *manager;
    struct kube_login login;
    char *base;          // URL that paths are added to
    ist_http *http;      // made with the first call: an exec entry may hand out the client certificate
    char *authorization; // "Authorization: Bearer ...", or NULL
    int64_t expires_ms;  // clock; 0: never
    int64_t renew_ms;    // clock, before that
    int ready;           // credentials were made once
    uint32_t minted;     // how often
    ist_aws *aws;        // mints tokens for EKS; NULL until the first
    struct helper_process *helper; // runs for kube_connect_soon(); NULL: none
    json_t *kinds;   // "apps/v1" -> {"Deployment": {resource, namespaced}}; grows only (kinds are borrowed)
    json_t *fetched; // "apps/v1" -> monotonic time of the last discovery
    char *uid;
    int major, minor; // of the server; 0: not asked yet
    // Called before the session is replaced (new client certificate): all streams of it have to be closed.
    void (*detach)(void *arg);
    void *detach_arg;
    // Called before every exchange; an error is that of the exchange. NULL: nothing is to be done before.
    int32_t (*before)(void *arg, ist_error *err);
    void *before_arg;
};

// Makes the session and fresh credentials. `again`: the server refused the ones there are (401).
int32_t kube_connect(ist_kube *kube, int again, ist_error *err);
// The same, but nobody waits for a helper program: IST_AGAIN while it runs, and there is nothing else to use.
int32_t kube_connect_soon(ist_kube *kube, int again, ist_error *err);

struct kube_request {
    const char *method;
    const char *path;         // with its query
    const json_t *body;       // borrowed
    const char *content_type; // NULL: application/json
    int read;                 // changes nothing there (dry runs too)
    int idempotent;           // may be repeated after a lost answer
    int probe;                // writes an object of KUBE_PROBE_LABEL: allowed in verify
    int raw;                  // the answer may be other than JSON: it comes as a JSON string
};
// One exchange, with a second try after 401. IST_OK with any status; the answer is a new reference (NULL:
// empty).
int32_t kube_exchange(ist_kube *kube, const struct kube_request *request, int *status, json_t **answer,
                      ist_error *err);
// The same, where every status but 2xx is an error in the server's own words. `answer` may be NULL.
int32_t kube_call(ist_kube *kube, const struct kube_request *request, json_t **answer, ist_error *err);
int32_t kube_status_error(ist_kube *kube, const struct kube_request *request, int status,
                          const json_t *answer, ist_error *err);

// "/apis/apps/v1/namespaces/ns/deployments/name"; name NULL: the collection; ns NULL: all namespaces for the
// collection, the context's for one object. The caller's.
int32_t kube_path(ist_kube *kube, const char *api, const char *kind, const char *ns, const char *name,
                  char **path, ist_error *err);

// "/api/v1", "/apis/apps/v1". The caller's.
char *kube_group_path(const char *api);
// Takes what a group version's discovery document says; NULL: it is not served.
void kube_discovered(ist_kube *kube, const char *api, const json_t *answer);

// Does ist_kube_diff() tell anything? Without making it.
int kube_differs(const json_t *wanted, const json_t *live, const char *const *server_set);
// The query of a list or watch: "?limit=500&labelSelector=...". Any may be NULL or 0. The caller's.
char *kube_list_query(const char *label_selector, const char *field_selector, int limit, const char *more);
// ist_kube_set_delete(), and what `ours` (may be NULL) knows by its uid although it carries no mark of Isthmus any more.
typedef int kube_set_ours(const void *arg, const char *uid);
int32_t kube_set_delete(ist_kube *kube, const char *owner, const ist_kube_kind_name *kinds,
                        kube_set_ours *ours, const void *arg, ist_error *err);
// What is wrong with an object of a manifest as far as that shows without a cluster: array of texts. New reference.
json_t *kube_manifest_problems(const json_t *object);
// Such a text, also where a long name in it was cut within a letter, which is no UTF-8: its letters beyond ASCII are "?"
// then (in `text` too), so that no problem gets lost. New reference.
json_t *kube_problem_text(char *text);
// ist_manifest_read() that tells such problems (["inline: ...", ...]) and goes on; those objects are left out.
int32_t kube_manifest_examine(const ist_env *env, const ist_manifest *manifest, json_t **objects,
                              json_t *problems, ist_error *err);
// See ist_kube_diff().
int kube_is_server_set(const char *const *server_set, const char *key, const json_t *value);
// Members of maps of metadata ("labels", ...) that nobody but Isthmus writes. Ended by {NULL}.
struct kube_ours {
    const char *map, *key;
};
extern const struct kube_ours kube_ours_alone[];
// Removes what no reader of Isthmus looks at and what is half of an object's size (managedFields).
void kube_slim(json_t *object);
// ist_json_parse() of an object or a watch event without them. What an API server wrote without spaces is cut before
// it is parsed; of anything else they may still be there.
int32_t kube_parse_slim(const char *text, size_t len, const char *where, json_t **json, ist_error *err);
// And without members of these names (NULL at the end), at any depth but in metadata.
int32_t kube_parse_without(const char *text, size_t len, const char *const *unread, const char *where,
                           json_t **json, ist_error *err);

// Whatever the order of keys.
uint64_t kube_digest(const json_t *value);
uint64_t kube_digest_member(const char *key, size_t len, uint64_t value); // what objects add up
uint64_t kube_digest_string(const char *text, size_t len);
uint64_t kube_digest_type(json_type type); // what they add to
uint64_t kube_digest_stir(uint64_t x);
// What an object begins to add up to: that it is one, its apiVersion and kind.
uint64_t kube_digest_head(const char *api, const char *kind);
// Of what a writer says in metadata: the name, namespace, labels, annotations and ownerReferences.
uint64_t kube_digest_metadata(const json_t *metadata);

// An item of a list, skimmed: *head is the object without anything but apiVersion, kind and metadata (new reference),
// *digest that of what a writer says of it: these, of its metadata the name, namespace, labels, annotations and
// ownerReferences, and all the rest but the status. 0: it is not written plainly enough.
int kube_skim(const char *text, size_t len, const char *api, const char *kind, json_t **head,
              uint64_t *digest);
// A label of an item of a list, without reading the rest: *value (in the text, not ended; NULL: it has none). What is in
// *from .. *to, the elements of managedFields, can be left out of the text. 0: it is not written plainly enough.
int kube_find_label(const char *text, size_t len, const char *label, const char **value, size_t *value_len,
                    size_t *from, size_t *to);

// Name -> kubeconfig of all clusters that the inputs name. New reference.
json_t *kube_kubeconfigs(const json_t *inputs);

// The first quote or backslash, eight characters at a time; `end`: there is none.
static inline const char *kube_string_stop(const char *at, const char *end)
{
    const uint64_t ones = 0x0101010101010101u;
    for (; end - at >= 8; at += 8) {
        uint64_t bytes;
        memcpy(&bytes, at, sizeof bytes);
        uint64_t quote = bytes ^ (ones * '"'), slash = bytes ^ (ones * '\\');
        if ((((quote - ones) & ~quote) | ((slash - ones) & ~slash)) & (ones << 7))
            break;
    }
    while (at < end && *at != '"' && *at != '\\')
        at++;
    return at;
}

#endif
