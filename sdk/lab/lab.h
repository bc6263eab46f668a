// The lab: one process that stands in for the cloud, the container platform, two clusters and a router.
//
// It links no libisthmus, so that what Isthmus sends is judged by other code than its own. One world, one
// lock: every handler runs with `lab->lock` held, and a stream (a Kubernetes watch) waits on `lab->changed`.
#ifndef LAB_LAB_H
#define LAB_LAB_H

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lab_aws;
struct lab_ccp;
struct lab_kube;   // all clusters of the lab
struct lab_router; // all routers: the launched one and the hub on premises
struct lab_journal;
struct lab_faults;
struct lab_tls;
struct lab_http;
struct lab_timers;
struct lab_snapshots;

// Where the spokes reach the hub on premises: the same in every lab, and outside its loopback network, as nobody would
// take a loopback address for a hub's. No packet is sent there; the hub's SSH is at 127.<slot>.100.1.
#define LAB_HUB_ADDRESS "203.0.113.1" // of TEST-NET-3 (RFC 5737)

struct lab {
    char *dir;    // where env, keys, certificates and the control socket live; 0700
    uint8_t slot; // this lab's own loopback network: 127.<slot>.0.0/16, so that several run side by side
    char *kube_version;     // "1.29" unless `lab up --kube-version` says otherwise
    pthread_mutex_t lock;   // guards everything below
    pthread_cond_t changed; // broadcast after every change of the world
    struct lab_aws *aws;
    struct lab_ccp *ccp;
    struct lab_kube *kube;
    struct lab_router *router;
    struct lab_journal *journal;
    struct lab_faults *faults;
    struct lab_tls *tls;
    struct lab_http *http;
    struct lab_timers *timers;
    struct lab_snapshots *snapshots;
    int64_t eks_ms; // how long an EKS cluster takes to become ACTIVE
    bool verbose;   // lab_log() also says what each call was
    json_t *env;    // object: the exports of DIR/env; each module adds its own while it starts
    bool stopping;
};

// ---- HTTP: one listener a service (http/) ----

struct lab_fault;

struct lab_request {
    const char *method; // "GET"
    const char *path;   // decoded? no: as sent, without the query
    const char *query;  // as sent, "" when there is none
    const char *body;   // bytes, also NUL-terminated
    size_t body_len;
    void *connection; // for lab_header()
    char *action; // set by `identify`: "EC2:CreateRoute", "eks:DescribeCluster", "get pods"; owned, malloc'd
    bool write;   // set by `identify`: does this call change the world?
    const char *client_cert_cn; // of a verified client certificate, or NULL
    const char *client_cert_o;  // its first organisation (a group in Kubernetes), or NULL
    const struct lab_fault
        *stale; // not NULL: answer a read with an older view of the world (delay_ms ago; 0: before
                // the last write); a handler that keeps no history answers as ever
};

// What a handler fills. A body is either `json` (stolen) or `text` (malloc'd, stolen).
struct lab_reply {
    int status; // 200 unless changed
    json_t *json;
    char *text;
    size_t text_len;
    const char *content_type; // static string; JSON when NULL
    json_t *headers;          // object of extra headers, or NULL
    // A stream instead of a body: called with the lock held, again and again, until it returns false. It
    // appends to *chunk (malloc'd, taken) or waits on lab->changed for at most 200 ms and returns true with
    // nothing.
    bool (*stream)(struct lab *lab, void *arg, char **chunk, size_t *len);
    void (*stream_free)(void *arg);
    void *stream_arg;
};

struct lab_service {
    const char *name; // in the journal: "aws", "ccp", "kube/aws", "kube/ccp"
    void (*identify)(struct lab *, void *self,
                     struct lab_request *); // sets action and write; changes nothing
    void (*act)(struct lab *, void *self, struct lab_request *, struct lab_reply *);
    // Fills the service's own form of a refusal by a fault rule ("status", "throttle", "expired-token"):
    // status 0 or code NULL mean the service's usual one. NULL: a plain JSON message.
    void (*refuse)(struct lab *, void *self, struct lab_request *, struct lab_reply *,
                   const struct lab_fault *);
    void *self;
    bool client_certs; // ask for and verify client certificates of the lab's CA
};

// Listens with TLS on 127.<slot>.0.<host> (1 to 40), port `port` (0: any). `service` is copied, with its
// name. Returns the port, or -1 with a line on stderr. Calls may come with the lock held.
int lab_http_listen(struct lab *lab, const struct lab_service *service, uint8_t host, uint16_t port);
// Stops listening there: for a cluster that is deleted. Connections that are open end soon after.
void lab_http_close(struct lab *lab, uint8_t host, int port);
const char *lab_header(const struct lab_request *rq, const char *name); // borrowed, NULL when absent
char *lab_query_get(const struct lab_request *rq, const char *name);    // decoded, malloc'd; NULL when absent
void lab_reply_json(struct lab_reply *reply, int status, json_t *body); // steals body
void lab_reply_text(struct lab_reply *reply, int status, const char *content_type, char *text); // steals text

// TLS material of this lab: DIR/ca.crt is what a client trusts; the server certificate names
// 127.<slot>.0.0/24's used addresses, 127.0.0.1 and localhost. All returned strings are borrowed PEM.
const char *lab_tls_ca_pem(const struct lab *lab);
// Issues a client certificate of the lab's CA; *cert and *key are malloc'd PEM.
int lab_tls_client(struct lab *lab, const char *cn, const char *organization, char **cert, char **key);

// ---- the world's other hands ----

// Memory: these never return NULL (the lab aborts when there is none). Free with free().
void *lab_calloc(size_t count, size_t size);
char *lab_strdup(const char *text);
char *lab_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
// Base64 (standard alphabet, padded); malloc'd. Decoding also takes the URL alphabet and no padding; NULL if
// it is not base64; *len may be NULL, the bytes are NUL-terminated as well.
char *lab_base64(const void *data, size_t len);
char *lab_unbase64(const char *text, size_t *len);
// Percent-decoded, "+" a space; malloc'd.
char *lab_decode(const char *text, size_t len);
// An address as text ("10.0.106.10", malloc'd) from host order, and back; false if it is none.
char *lab_ip(uint32_t address);
bool lab_parse_ip(const char *text, uint32_t *address);
bool lab_parse_cidr(const char *text, uint32_t *network,
                    int *prefix); // the network as written, host bits kept
static inline uint32_t lab_mask(int prefix)
{
    return prefix <= 0 ? 0 : 0xffffffffu << (32 - prefix);
}

// Ids that look like AWS's ("vpc-0a1b..."): random, malloc'd. `digits` hexadecimal digits after the prefix.
char *lab_id(const char *prefix, int digits);
char *lab_now(void);                                                      // RFC 3339 UTC, malloc'd
int64_t lab_mono_ms(void);                                                // monotonic clock
void lab_export(struct lab *lab, const char *name, const char *value);    // one line of DIR/env
void lab_write_file(struct lab *lab, const char *name, const char *text); // DIR/name, 0600
void lab_log(struct lab *lab, const char *format, ...) __attribute__((format(printf, 2, 3))); // DIR/lab.log

// Calls `fn` once with the lock held after `delay_ms` (states that take time: CREATING -> READY).
void lab_after(struct lab *lab, int64_t delay_ms, void (*fn)(struct lab *, void *), void *arg);

// Adds what a module holds to `lab snapshot`: canonical, sorted, without times and random ids (names
// instead).
void lab_snapshot_register(struct lab *lab, const char *name, json_t *(*fn)(struct lab *));

// The journal: one line a call. The HTTP layer and the SSH server write it; nobody else.
void lab_journal_add(struct lab *lab, const char *service, const char *method, const char *path,
                     const char *action, int status, bool write);

// A fault rule that matches this call, or NULL. Used by the HTTP layer and by the SSH server. The rule stays
// valid for the life of the process. Called with the lock held.
struct lab_fault {
    const char *effect; // status delay cut-before cut-after throttle stale expired-token reload deny answer
    int64_t delay_ms;   // delay: how long before acting; stale: how old
    int status;
    const char *code;
    const char *body; // answer: what is sent in the service's place
};
bool lab_fault_waits(struct lab *lab, const char *effect); // is a rule of this effect still to strike?
const struct lab_fault *lab_fault_take(struct lab *lab, const char *service, const char *action);
// The same for a call that writes, or does not: a rule may be for those that write alone.
const struct lab_fault *lab_fault_take_call(struct lab *lab, const char *service, const char *action,
                                            bool writes);

// ---- modules: each starts with an empty world and adds to lab->env ----
int lab_aws_start(struct lab *lab);
int lab_ccp_start(struct lab *lab);
int lab_kube_start(struct lab *lab);
int lab_router_start(struct lab *lab);

#endif
