// The lab's AWS: one listener for all services, signatures first, then the table that knows the action.
#include "inner.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct aws_service *const services[] = {&aws_ec2, &aws_sts, &aws_iam, &aws_cfn};

static const struct aws_service *service_of(const char *name)
{
    for (size_t i = 0; name && i < sizeof services / sizeof *services; i++) {
        if (!strcmp(services[i]->name, name))
            return services[i];
    }
    return NULL;
}

// ---- older views, for stale reads ----

struct aws_view {
    struct aws_view *older;
    int64_t until; // this store was the world until then (monotonic ms)
    json_t *store;
};

static void forget_views(struct lab_aws *aws)
{
    while (aws->views) {
        struct aws_view *older = aws->views->older;
        json_decref(aws->views->store);
        free(aws->views);
        aws->views = older;
    }
}

static void keep_view(struct lab *lab)
{
    struct lab_aws *aws = lab->aws;
    if (!lab_fault_waits(lab, "stale")) {
        forget_views(aws);
        return;
    }
    struct aws_view *view = lab_calloc(1, sizeof *view);
    *view =
        (struct aws_view){.older = aws->views, .until = lab_mono_ms(), .store = json_deep_copy(aws->store)};
    aws->views = view;
}

static json_t *store_for(const struct lab *lab, const struct lab_request *rq)
{
    const struct aws_view *view = lab->aws->views;
    if (!rq->stale || !view)
        return lab->aws->store;
    int64_t then = lab_mono_ms() - rq->stale->delay_ms;
    while (rq->stale->delay_ms && view->older && view->older->until > then)
        view = view->older;
    return view->store;
}

// ---- answers ----

// The same refusal has other names in EC2.
static void ec2_words(struct aws_call *c)
{
    if (c->status == 403 &&
        (!strcmp(c->code, "InvalidClientTokenId") || !strcmp(c->code, "SignatureDoesNotMatch"))) {
        bool expired = strstr(c->message, "Signature expired");
        aws_fail(c, expired ? 400 : 401, expired ? "RequestExpired" : "AuthFailure",
                 expired ? "Request has expired."
                         : "AWS was not able to validate the provided access credentials");
    } else if (!strcmp(c->code, "ExpiredToken")) {
        aws_fail(c, 400, "RequestExpired", "Request has expired.");
    }
}

static void reply_error(const struct aws_service *service, struct aws_call *c, struct lab_reply *reply)
{
    char *id = lab_id("", 32), *text;
    json_t *body;
    if (service == &aws_ec2) {
        body = json_pack("{s{s{ssss}}ss}", "Errors", "Error", "Code", c->code, "Message", c->message,
                         "RequestID", id);
        text = aws_xml("Response", NULL, body, "item");
    } else {
        body = json_pack("{s{ssssss}ss}", "Error", "Type", c->status < 500 ? "Sender" : "Receiver", "Code",
                         c->code, "Message", c->message, "RequestId", id);
        text = aws_xml("ErrorResponse", service->xmlns, body, "member");
    }
    lab_reply_text(reply, c->status, "text/xml;charset=UTF-8", text);
    json_decref(body);
    free(id);
}

static void reply_answer(const struct aws_service *service, const char *action, json_t *answer,
                         struct lab_reply *reply)
{
    char *root = lab_format("%sResponse", action), *result = lab_format("%sResult", action),
         *id = lab_id("", 32);
    json_t *body;
    if (service == &aws_ec2) {
        body = json_pack("{ss}", "requestId", id);
        json_object_update(body, answer);
    } else {
        body = json_pack("{sOs{ss}}", result, answer, "ResponseMetadata", "RequestId", id);
    }
    lab_reply_text(reply, 200, "text/xml;charset=UTF-8", aws_xml(root, service->xmlns, body, service->item));
    json_decref(body);
    free(root);
    free(result);
    free(id);
}

void aws_json_error(struct lab_reply *reply, int status, const char *code, const char *message)
{
    lab_reply_json(reply, status, json_pack("{ssss}", "__type", code, "message", message));
    reply->content_type = "application/x-amz-json-1.1";
    json_decref(reply->headers);
    reply->headers = json_pack("{ss}", "x-amzn-ErrorType", code);
}

// Errors in the form of whoever was called: XML, or JSON for EKS.
static void reply_refusal(const struct lab_request *rq, struct aws_call *c, struct lab_reply *reply)
{
    char *name = aws_scope_service(rq);
    const struct aws_service *service = service_of(name);
    if (service == &aws_ec2)
        ec2_words(c);
    if (service || (!aws_eks_handles(rq->path) && !aws_ssm_handles(rq))) {
        reply_error(service ? service : &aws_sts, c, reply);
    } else {
        static const char *const names[][2] = {
            {"InvalidClientTokenId", "UnrecognizedClientException"},
            {"SignatureDoesNotMatch", "InvalidSignatureException"},
            {"ExpiredToken", "ExpiredTokenException"},
            {"MissingAuthenticationToken", "MissingAuthenticationTokenException"},
            {"IncompleteSignature", "IncompleteSignatureException"}};
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            if (!strcmp(c->code, names[i][0]))
                snprintf(c->code, sizeof c->code, "%s", names[i][1]);
        }
        aws_json_error(reply, c->status, c->code, c->message);
    }
    free(name);
}

// ---- the listener's hands ----

static json_t *parameters_of(const struct lab_request *rq)
{
    return aws_form_parse(strcmp(rq->method, "POST") ? rq->query : rq->body);
}

// A web identity proves itself by its token: the one call that is not signed.
static bool needs_no_key(const struct lab_request *rq)
{
    bool json = aws_eks_handles(rq->path) || aws_ssm_handles(rq);
    json_t *p = lab_header(rq, "Authorization") || json ? NULL : parameters_of(rq);
    bool web = aws_is(p, "Action", "AssumeRoleWithWebIdentity");
    json_decref(p);
    return web;
}

static void identify(struct lab *lab, void *self, struct lab_request *rq)
{
    (void)lab, (void)self;
    if (aws_eks_handles(rq->path)) {
        aws_eks_identify(rq);
        return;
    }
    if (aws_ssm_handles(rq)) {
        aws_ssm_identify(rq);
        return;
    }
    char *name = needs_no_key(rq) ? lab_strdup("sts") : aws_scope_service(rq);
    const struct aws_service *service = service_of(name);
    json_t *p = parameters_of(rq);
    const char *action = json_string_value(json_object_get(p, "Action"));
    const struct aws_action *found = service && action ? aws_find_action(service, action) : NULL;
    rq->action = lab_format("%s:%s", service ? service->label : name ? name : "aws", action ? action : "-");
    rq->write = found && found->write;
    json_decref(p);
    free(name);
}

static void act_query(struct aws_call *c, const char *service_name, const struct lab_request *rq,
                      struct lab_reply *reply)
{
    const struct aws_service *service = service_of(service_name);
    json_t *p = parameters_of(rq), *answer = NULL;
    const struct aws_action *found = NULL;
    c->p = p;
    c->action = aws_str(c, "Action");
    if (!service)
        aws_fail(c, 404, "UnknownService", "The lab serves no %s", service_name);
    else if (!c->action)
        aws_fail(c, 400, "MissingAction", "The request must contain the parameter Action");
    else if (!(found = aws_find_action(service, c->action)))
        aws_fail(c, 400, "InvalidAction", "The action %s is not valid for this web service.", c->action);
    if (found) {
        if (found->write) {
            keep_view(c->lab);
            c->store = c->aws->store; // a write acts on the world itself
        }
        answer = found->fn(c);
    }
    if (answer)
        reply_answer(service, c->action, answer, reply);
    else
        reply_error(service ? service : &aws_sts, c, reply);
    json_decref(answer);
    json_decref(p);
}

static const char *header_of(const void *rq, const char *name)
{
    return lab_header(rq, name);
}

static void act(struct lab *lab, void *self, struct lab_request *rq, struct lab_reply *reply)
{
    struct aws_message m = {.method = rq->method,
                            .path = rq->path,
                            .query = rq->query,
                            .body = rq->body,
                            .body_len = rq->body_len,
                            .header = header_of,
                            .arg = rq};
    struct aws_signed by;
    struct aws_call c = aws_self(lab);
    (void)self;
    c.store = store_for(lab, rq);
    if (needs_no_key(rq)) {
        act_query(&c, "sts", rq, reply);
        return;
    }
    if (!aws_verify(lab->aws, &m, &by)) {
        aws_fail(&c, by.status, by.code, "%s", by.message);
        reply_refusal(rq, &c, reply);
    } else {
        c.arn = by.arn;
        c.user_id = by.user_id;
        if (aws_eks_handles(rq->path)) {
            if (rq->write)
                keep_view(lab);
            aws_eks_act(&c, rq, reply);
        } else if (aws_ssm_handles(rq)) {
            aws_ssm_act(&c, rq, reply);
        } else {
            act_query(&c, by.service, rq, reply);
        }
    }
    aws_signed_free(&by);
}

static void refuse(struct lab *lab, void *self, struct lab_request *rq, struct lab_reply *reply,
                   const struct lab_fault *fault)
{
    struct aws_call c = aws_self(lab);
    char *name = aws_scope_service(rq);
    bool ec2 = name && !strcmp(name, "ec2"), eks = aws_eks_handles(rq->path);
    (void)self;
    free(name);
    int status = fault->status ? fault->status : 500;
    const char *code = eks ? "ServerException" : "InternalError", *text = "An internal error has occurred";
    if (!strcmp(fault->effect, "throttle")) {
        status = fault->status ? fault->status : ec2 ? 503 : eks ? 429 : 400;
        code = ec2 ? "RequestLimitExceeded" : eks ? "ThrottlingException" : "Throttling";
        text = ec2 ? "Request limit exceeded." : "Rate exceeded";
    } else if (!strcmp(fault->effect, "expired-token")) {
        status = 403;
        code = "ExpiredToken";
        text = "The security token included in the request is expired";
    } else if (!strcmp(fault->effect, "deny")) {
        aws_deny(&c, rq->action);
        reply_refusal(rq, &c, reply);
        return;
    }
    aws_fail(&c, status, fault->code ? fault->code : code, "%s", text);
    reply_refusal(rq, &c, reply);
}

// Access key ids are in capitals.
static char *key_id(void)
{
    char *key = lab_id("AKIA", 16);
    for (char *p = key; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    return key;
}

int lab_aws_start(struct lab *lab)
{
    static const struct lab_service service = {
        .name = "aws", .identify = identify, .act = act, .refuse = refuse};
    struct lab_aws *aws = lab->aws = lab_calloc(1, sizeof *aws);
    aws->store = json_object();
    for (const struct aws_type *t = aws_types; t->name; t++)
        json_object_set_new(aws->store, t->name, json_object());
    json_object_set_new(aws->store, "cluster", json_object());
    json_object_set_new(aws->store, "stack", json_object());
    json_object_set_new(aws->store, "parameter", json_object());
    json_object_set_new(aws->store, "quota", json_object());
    aws->keys = json_object();
    aws->client_tokens = json_object();
    aws->cooling = json_object();
    int port = lab_http_listen(lab, &service, 1, 0);
    if (port < 0)
        return -1;
    aws->endpoint_host = lab_format("127.%u.0.1:%d", lab->slot, port);
    char *key = key_id(), *secret = lab_id("", 40), *url = lab_format("https://%s", aws->endpoint_host);
    char *ca = lab_format("%s/ca.crt", lab->dir), *eip = lab_format("127.%u.200.1", lab->slot);
    json_object_set_new(aws->keys, key,
                        json_pack("{ssssss}", "secret", secret, "arn",
                                  "arn:aws:iam::" AWS_ACCOUNT ":user/operator", "user_id",
                                  "AIDALABOPERATOR000000"));
    lab_export(lab, "AWS_ACCESS_KEY_ID", key);
    lab_export(lab, "AWS_SECRET_ACCESS_KEY", secret);
    lab_export(lab, "AWS_REGION", AWS_REGION);
    lab_export(lab, "AWS_DEFAULT_REGION", AWS_REGION);
    lab_export(lab, "AWS_ENDPOINT_URL", url);
    lab_export(lab, "AWS_CA_BUNDLE", ca);
    lab_export(lab, "ISTHMUS_POLL_MS", "50"); // what takes AWS minutes is done here in no time
    lab_export(lab, "ISTHMUS_ROUTER_ADDRESS", eip);
    free(key), free(secret), free(url), free(ca), free(eip);
    aws_iam_start(lab);
    aws_image_start(lab);
    lab_snapshot_register(lab, "aws", aws_snapshot);
    return 0;
}
