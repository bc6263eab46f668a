// What the files of the lab's AWS share: the store, a call, and the tables that say what is served.
//
// Every resource is a JSON object in the very shape in which a Describe call answers it (names of its XML),
// kept in store[type][id]. Members that begin with "_" are the lab's own and never leave it.
#ifndef LAB_AWS_INNER_H
#define LAB_AWS_INNER_H

#include "aws.h"

#define AWS_REGION  "us-west-2"
#define AWS_ACCOUNT "123456789012"

struct aws_view; // an older store, for stale reads

struct lab_aws {
    json_t *store;          // {type: {id: object}}
    json_t *keys;           // access key id -> {secret, token?, arn, expires?}
    json_t *client_tokens;  // "action/token" -> {digest, result}: idempotency
    struct aws_view *views; // newest first; kept only while a fault rule wants stale reads
    json_t *cooling;        // address -> monotonic ms at which a pod gave it back
    char *endpoint_host;    // "127.64.0.1:40001"
    bool has_node_role;     // EKS's service-linked role for node groups is there
    bool in_setup;          // the lab itself acts: addresses come from the platform's own pool
};

// One call. A handler returns its answer (new reference) or, after aws_fail(), NULL.
struct aws_call {
    struct lab *lab;
    struct lab_aws *aws;
    json_t *store;      // aws->store, or an older one when a fault rule asks for a stale read
    const char *action; // "CreateVpc"
    const json_t
        *p; // parameters, nested: {"Filter": [{"Name": "vpc-id", "Value": ["vpc-1"]}]}; values are text
    const char *arn; // the caller
    const char *user_id;
    int status; // of the error
    char code[80];
    char message[1024];
};

typedef json_t *aws_fn(struct aws_call *c);
struct aws_action {
    const char *name;
    aws_fn *fn;
    bool write;
};

// A service that speaks the Query protocol.
struct aws_service {
    const char *name;  // as in a credential scope: "ec2"
    const char *label; // in the journal: "EC2"
    const char *xmlns;
    const char *item;                       // what an element of a list is called: "item" or "member"
    const struct aws_action *const *tables; // NULL-terminated list of tables, each ended by a NULL name
};
extern const struct aws_service aws_ec2, aws_sts, aws_iam, aws_cfn;
extern const struct aws_action aws_vpc_actions[], aws_route_actions[], aws_sg_actions[], aws_eni_actions[],
    aws_address_actions[], aws_instance_actions[], aws_power_actions[], aws_image_actions[],
    aws_meta_actions[], aws_type_actions[], aws_prefix_actions[];

// ---- call.c: calls, errors, parameters ----
json_t *aws_fail(struct aws_call *c, int status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5))); // always NULL
// Does one call of EC2 in the name of the lab (or of a stack): a new answer, or NULL with *why (malloc'd,
// "code: text").
json_t *aws_do(struct lab *lab, const char *action, json_t *parameters, char **why); // steals parameters
const struct aws_action *aws_find_action(const struct aws_service *service, const char *name);
// A parameter by its dotted path ("Placement.AvailabilityZone", "Filter.0.Name"); NULL when absent. Borrowed.
const json_t *aws_arg(const struct aws_call *c, const char *path);
const char *aws_str(const struct aws_call *c, const char *path);
const char *aws_need(struct aws_call *c, const char *path); // or NULL after MissingParameter
bool aws_bool(const struct aws_call *c, const char *path, bool otherwise);
// The list at a path: borrowed; NULL when absent, which jansson's array functions take for an empty one.
const json_t *aws_list(const struct aws_call *c, const char *path);
// Idempotency by the call's ClientToken: the earlier answer (new reference; *done set), or NULL: go on and
// call aws_token_done(). A token used with other parameters fails the call (*done set).
json_t *aws_token_used(struct aws_call *c, bool *done);
json_t *aws_token_done(struct aws_call *c, json_t *answer); // returns answer
json_t *aws_true(void);                                     // {"return": true}

// ---- store.c: objects, tags, filters, pages ----
struct aws_type {
    const char *name;    // in the store and in TagSpecifications: "vpc"
    const char *prefix;  // of its ids: "vpc-"
    const char *id;      // the member that holds the id: "vpcId"
    const char *missing; // error code: "InvalidVpcID.NotFound"
    const char *noun;    // in that error's text: "vpc ID"
    const char *set;     // in a Describe answer: "vpcSet"
    const char *ids;     // parameter of a Describe call: "VpcId"
    const char *filters; // "name=path ..." besides tags
    const char *label;   // members that tell two apart in a snapshot, without ids: "cidrBlock ..."
    json_t *(*view)(struct aws_call *c, const json_t *object); // what is derived when read; new reference
    bool (*gone)(const json_t *object); // still listed by AWS, but not there for a snapshot
};
extern const struct aws_type aws_types[];
const struct aws_type *aws_type(const char *name);
json_t *aws_all(const struct aws_call *c, const char *type);                  // borrowed {id: object}
json_t *aws_get(const struct aws_call *c, const char *type, const char *id);  // borrowed or NULL
json_t *aws_find(struct aws_call *c, const char *type, const char *id);       // or NULL after its NotFound
json_t *aws_find_arg(struct aws_call *c, const char *type, const char *path); // by a needed parameter
// Puts a new object (stolen) into the store: gives it an id unless it has one, ownerId and the call's tags.
// Returns it borrowed, or NULL after a failure (bad tags).
json_t *aws_add(struct aws_call *c, const char *type, json_t *object);
void aws_remove(struct aws_call *c, const char *type, const char *id);
json_t *aws_view_of(struct aws_call *c, const char *type, const json_t *object); // new reference
json_t *aws_describe(struct aws_call *c, const char *type);                      // the whole Describe call
const char *aws_tag(const json_t *object, const char *key);                      // borrowed or NULL
const char *aws_text(const json_t *object, const char *key); // text member, "" when absent
bool aws_is(const json_t *object, const char *key, const char *value);
// The first object of a type whose member has this value; NULL: none. Borrowed.
json_t *aws_first(const struct aws_call *c, const char *type, const char *key, const char *value);
// The page [MaxResults, NextToken] of a list: {set: [...], nextToken?}; steals all.
json_t *aws_page(struct aws_call *c, const char *set, json_t *all, const char *limit, const char *token);

// ---- permission.c: what a caller may do ----
// AWS's own words for a caller without permission of "EC2:CreateRoute", in the form of the service that says it
// ("CloudFormation/EC2:..." and "EKS/IAM:..." are told by the one before the slash).
void aws_deny(struct aws_call *c, const char *action);
// What service `by` asks in the caller's name while it serves a call: a line of the journal, and the rule that strikes
// at "BY/ACTION" ("EKS/IAM:PassRole"), or NULL.
const struct lab_fault *aws_asks(struct lab *lab, const char *by, const char *action);
// The same; false after aws_deny() where a rule denies it.
bool aws_may(struct aws_call *c, const char *by, const char *action);

// ---- query.c, xml.c ----
json_t *aws_form_parse(const char *form); // nested parameters; new reference
char *aws_encode(const char *text);       // RFC 3986 unreserved kept; malloc'd
char *aws_xml(const char *root, const char *xmlns, const json_t *body, const char *item); // malloc'd

// ---- sigv4.c ----
struct aws_signed {
    const char *key; // access key id; all borrowed from the request's copy below
    const char *service, *region, *arn, *user_id;
    char *scratch;
    int status; // of the refusal
    const char *code;
    char message[512];
};
// A request as its signature sees it.
struct aws_message {
    const char *method, *path, *query, *body;
    size_t body_len;
    const char *(*header)(const void *arg, const char *name);
    const void *arg;
};
// True if `m` is signed by one of the lab's keys, by header or presigned; else status, code and message say
// why (the code in the words of STS; other services rename it). Always free *out with aws_signed_free.
bool aws_verify(struct lab_aws *aws, const struct aws_message *m, struct aws_signed *out);
// Is `m` signed with this secret, whoever and whenever that was? (What the published vectors can ask.)
bool aws_signed_with(const struct aws_message *m, const char *secret);
void aws_signed_free(struct aws_signed *s);
char *
aws_scope_service(const struct lab_request *rq); // of the credential scope, unverified; malloc'd or NULL

// ---- what each part gives the others ----
void aws_iam_start(struct lab *lab);
void aws_image_start(struct lab *lab);
const char *aws_node_image(struct lab *lab); // id of Amazon's newest for EKS; "" when there is none
void aws_cluster_begin(struct lab *lab,
                       const char *name);           // the cluster in the store becomes ACTIVE in its time
bool aws_ssm_handles(const struct lab_request *rq); // ssm.c
void aws_ssm_identify(struct lab_request *rq);
void aws_ssm_act(struct aws_call *c, const struct lab_request *rq, struct lab_reply *reply);
// quotas.c: what an account may have of a thing by its code ("L-93826ACB"), and the calls of Service Quotas.
size_t aws_quota(const struct aws_call *c, const char *code);
json_t *aws_quotas(struct aws_call *c, const char *action, const json_t *in); // new, or NULL after aws_fail()
bool aws_eks_handles(const char *path);
void aws_eks_identify(struct lab_request *rq);
void aws_eks_act(struct aws_call *c, const struct lab_request *rq, struct lab_reply *reply);
void aws_json_error(struct lab_reply *reply, int status, const char *code, const char *message);
json_t *aws_snapshot(struct lab *lab);
// A free address of a subnet: what was asked for (checked), or the next free one; false after aws_fail().
bool aws_take_address(struct aws_call *c, const json_t *subnet, const char *wanted, char **address);
// The interface that holds a private address, primary or secondary; NULL: none.
json_t *aws_eni_of(const struct aws_call *c, uint32_t address);
// A call context for the lab's own reading of its world.
struct aws_call aws_self(struct lab *lab);

#endif
