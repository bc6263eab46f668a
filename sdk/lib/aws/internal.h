// What the parts of the AWS client share. Not installed.
#ifndef IST_AWS_INTERNAL_H
#define IST_AWS_INTERNAL_H

#include "../http/internal.h"

#include <isthmus/alloc.h>
#include <isthmus/aws.h>
#include <isthmus/json.h>

// ---- credentials ----

struct aws_credentials {
    char *access_key, *secret_key;
    char *session_token; // NULL: long-lived keys
    int64_t expires_ms;  // clock; 0: never
    char *source;        // for people: "environment", "profile dev, role arn:..."
};

void aws_credentials_free(struct aws_credentials *c); // its contents; zeroes it
void aws_credentials_copy(struct aws_credentials *to, const struct aws_credentials *from);

struct ist_aws {
    ist_env env;
    ist_aws_options options; // every pointer in it is owned
    char *region;
    ist_http *http;
    json_t *profiles; // of the shared files, or NULL until needed: {"dev": {"region": ...}}
    struct aws_credentials credentials;
    int given;       // these were: whoever gave them renews them, unless they run out before
    int64_t skew_ms; // what the services' clock is ahead of ours
    char error_code[128];
};

// The sources of the chain. IST_ERR_NOT_FOUND, without touching *c: this source has nothing, ask the next.
int32_t aws_from_environment(ist_aws *aws, struct aws_credentials *c, ist_error *err);
int32_t aws_from_web_identity(ist_aws *aws, const char *token_file, const char *role_arn, const char *session,
                              struct aws_credentials *c, ist_error *err);
int32_t aws_from_profile(ist_aws *aws, const char *profile, int depth, struct aws_credentials *c,
                         ist_error *err);
// Runs the command line of a profile's credential_process.
int32_t aws_from_process(ist_aws *aws, const char *profile, const char *command, struct aws_credentials *c,
                         ist_error *err);
// Of a profile with sso_session or sso_start_url; the user has signed in before.
int32_t aws_from_sso(ist_aws *aws, const char *profile, struct aws_credentials *c, ist_error *err);
int32_t aws_from_container(ist_aws *aws, struct aws_credentials *c, ist_error *err);
int32_t aws_from_instance(ist_aws *aws, struct aws_credentials *c, ist_error *err);
// The region of the instance that this runs on; the caller's. IST_ERR_NOT_FOUND: it runs on none.
int32_t aws_region_of_instance(ist_aws *aws, char **region, ist_error *err);
// A role by `base`'s word; external_id may be NULL, seconds 0 for the role's default.
int32_t aws_assume_role(ist_aws *aws, const struct aws_credentials *base, const char *role_arn,
                        const char *session, const char *external_id, int seconds, struct aws_credentials *c,
                        ist_error *err);
// Parses an answer that holds keys: what is wrong with it is told without a word of it, because nobody has registered
// them yet. New reference in *answer, which may be set where it fails, too.
int32_t aws_secret_json(const char *text, size_t len, const char *where, json_t **answer, ist_error *err);
// From {AccessKeyId, SecretAccessKey, SessionToken|Token, Expiration} as STS and the metadata services
// answer.
int32_t aws_credentials_from_json(const json_t *answer, const char *where, char *source,
                                  struct aws_credentials *c, ist_error *err); // takes source

// "2026-11-22T10:00:00Z", with or without fractions, in another zone too; 0 when it is something else.
int64_t aws_parse_time(const char *text);

// Current credentials, fetched or renewed when needed; borrowed from the client.
int32_t aws_credentials(ist_aws *aws, const struct aws_credentials **c, ist_error *err);
// For whoever may not wait for a network: how long what there is holds, in milliseconds; 0: nothing does, INT64_MAX: for
// ever. At AWS_RENEW_BEFORE_MS it is time to renew them: another process gets them (as text, secrets and all), and
// this one takes what came of it.
#define AWS_RENEW_BEFORE_MS 300000
int64_t aws_credentials_left(const ist_aws *aws);
int32_t aws_credentials_text(ist_aws *aws, ist_buf *text, ist_error *err);
int32_t aws_credentials_take(ist_aws *aws, const char *text, size_t len, ist_error *err);
void aws_forget(ist_aws *aws);           // these, and what the shared files said
void aws_credentials_drop(ist_aws *aws); // they were refused: the next call fetches them anew

// ---- the shared files ----

// Adds the sections of an INI file to `profiles` (object, later files win key by key). In the config file
// sections are called "profile NAME", and those called "services NAME" or "sso-session NAME" are kept under one of the
// words below and that name.
// Never fails: lines that are not understood are skipped, as AWS does.
#define AWS_SERVICES    "services\n" // which no profile's name can begin with
#define AWS_SSO_SESSION "sso-session\n"
void aws_config_parse(const char *text, size_t len, int is_config, json_t *profiles);
// Both files, read once; borrowed. An unreadable file is an empty one.
const json_t *aws_profiles(ist_aws *aws);
// A setting of a profile, or NULL; borrowed.
const char *aws_profile_setting(ist_aws *aws, const char *profile, const char *key);
const char *aws_profile_name(const ist_aws *aws); // options, AWS_PROFILE, "default"
// A small file as text; NULL when it cannot be read or is over 1 MiB.
char *aws_read_file(const char *path);
const char *aws_env(const ist_aws *aws, const char *name); // the user's; NULL when unset or empty

// ---- endpoints ----

struct aws_endpoint {
    char url[512];           // "https://ec2.eu-west-1.amazonaws.com", no slash at the end
    char host[256];          // as the Host header says it
    char path[256];          // of an endpoint that has one, without a slash at the end; usually ""
    char signing_region[64]; // global services sign with one region of their partition
};
int32_t aws_endpoint(ist_aws *aws, const char *service, const char *region, struct aws_endpoint *endpoint,
                     ist_error *err);
// A region becomes part of a host name: nothing else may slip in.
int aws_is_region(const char *text);
const char *aws_service_title(const char *service); // "EC2", as errors name it

// ---- XML ----

// A tree as isthmus/aws.h describes. DOCTYPEs, more than 64 levels, 500,000 elements or 16 MiB are refused, and, where it
// is the answer to an action, an outermost element that is no "...Response": the page of a proxy may be good XML.
int32_t aws_xml_parse(const char *text, size_t len, int is_answer, const char *where, json_t **tree,
                      ist_error *err);

// ---- errors ----

struct aws_fault {
    char code[128];
    char message[512];
    char request_id[64];
};
enum aws_class {
    AWS_FINAL,     // the answer stands
    AWS_THROTTLED, // nothing was done: ask again later, whatever it was
    AWS_TRANSIENT, // may or may not have been done
    AWS_EXPIRED,   // credentials: once more with fresh ones
    AWS_SKEWED,    // our clock: once more with the server's
};
void aws_fault_read(const ist_http_response *response, struct aws_fault *fault);
enum aws_class aws_fault_class(int status, const char *code);
int32_t aws_fault_fail(const struct aws_fault *fault, int status, const char *where, ist_error *err);

// ---- calls ----

struct aws_call {
    const char *service;  // "ec2"
    const char *action;   // for people: "CreateRoute", "GET /clusters/aws"
    const char *resource; // for people: what it is about ("rtb-1"), or NULL
    const char *region;   // NULL: the client's
    const char *method, *path;
    const char *query;  // NULL: none
    const char *header; // one more, or NULL
    const char *body;   // NULL: none
    size_t body_len;
    const char *content_type; // of the body
    const char *target;       // X-Amz-Target, or NULL
    int read;                 // changes nothing
    int repeatable;           // reads, and writes that carry a token: may be sent again after a lost answer
    int secret;               // the answer holds credentials
    const struct aws_credentials *as; // NULL: the chain's
    int anonymous;                    // not signed (web identity)
};
// What a call with these parameters (NULL: none) is about, for errors; NULL: nothing of one name. Borrowed.
const char *aws_resource_of(const json_t *params);
// The server's clock (its Date header; NULL: none) against ours: from now on what is signed goes by it; 1 when the
// difference explains a refused signature.
int aws_correct_clock(ist_aws *aws, const char *date);
// What errors call it: "EC2 CreateRoute rtb-1 in eu-west-1".
void aws_where(const ist_aws *aws, const struct aws_call *call, char *where, size_t size);
// The answer of a call that succeeded (2xx); anything else is an error, after what retries its class allows.
int32_t aws_send(ist_aws *aws, const struct aws_call *call, ist_http_response *response, ist_error *err);
// Query over aws_send(); `as` and `anonymous` as above.
int32_t aws_query_as(ist_aws *aws, const char *service, const char *action, const json_t *params,
                     const struct aws_credentials *as, int anonymous, json_t **answer, ist_error *err);

#endif
