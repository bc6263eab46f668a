// Services that speak JSON 1.1, the action in a header: Systems Manager's parameters (names with a value, as images are
// published), and Service Quotas.
#include "inner.h"

#include <string.h>

static json_t *parameters(struct aws_call *c, const char *action, const json_t *in);

static const struct json_service {
    const char *prefix, *label; // of the header, and in the journal
    json_t *(*act)(struct aws_call *c, const char *action, const json_t *in);
} services[] = {{"AmazonSSM.", "SSM", parameters}, {"ServiceQuotasV20190624.", "ServiceQuotas", aws_quotas}};

// The service that the header names, and in *action what it is to do; NULL: none of these.
static const struct json_service *service_of(const struct lab_request *rq, const char **action)
{
    const char *target = lab_header(rq, "X-Amz-Target");
    for (size_t i = 0; target && i < sizeof services / sizeof *services; i++) {
        const size_t len = strlen(services[i].prefix);
        if (strncmp(target, services[i].prefix, len) != 0)
            continue;
        *action = target + len;
        return &services[i];
    }
    return NULL;
}

bool aws_ssm_handles(const struct lab_request *rq)
{
    const char *action;
    return service_of(rq, &action) != NULL;
}

void aws_ssm_identify(struct lab_request *rq)
{
    const char *action = "";
    const struct json_service *service = service_of(rq, &action);
    rq->action = lab_format("%s:%s", service ? service->label : "SSM", action);
    rq->write = strncmp(action, "Get", 3) != 0;
}

static json_t *put(struct aws_call *c, const json_t *in)
{
    json_t *all = aws_all(c, "parameter"), *known = json_object_get(all, aws_text(in, "Name"));
    json_int_t version = json_integer_value(json_object_get(known, "Version")) + 1;
    if (known && !json_is_true(json_object_get(in, "Overwrite")))
        return aws_fail(c, 400, "ParameterAlreadyExists", "The parameter already exists.");
    json_object_set_new(all, aws_text(in, "Name"),
                        json_pack("{sO sO ss sI ss}", "Name", json_object_get(in, "Name"), "Value",
                                  json_object_get(in, "Value"), "Type", "String", "Version", version,
                                  "DataType", "text"));
    return json_pack("{sI ss}", "Version", version, "Tier", "Standard");
}

static json_t *parameters(struct aws_call *c, const char *action, const json_t *in)
{
    const char *name = aws_text(in, "Name");
    if (!*name)
        return aws_fail(c, 400, "ValidationException",
                        "1 validation error detected: Value at 'name' is missing");
    if (!strcmp(action, "PutParameter"))
        return put(c, in);
    if (strcmp(action, "GetParameter") != 0)
        return aws_fail(c, 400, "UnknownOperationException", "The lab knows no %s", action);
    if (!json_object_get(aws_all(c, "parameter"), name))
        return aws_fail(c, 400, "ParameterNotFound", "There is no parameter %s.", name);
    return json_pack("{sO}", "Parameter", json_object_get(aws_all(c, "parameter"), name));
}

void aws_ssm_act(struct aws_call *c, const struct lab_request *rq, struct lab_reply *reply)
{
    const char *action = "";
    const struct json_service *service = service_of(rq, &action);
    json_t *in = json_loadb(rq->body ? rq->body : "", rq->body ? rq->body_len : 0, 0, NULL), *answer = NULL;
    if (service && json_is_object(in))
        answer = service->act(c, action, in);
    else
        aws_fail(c, 400, "SerializationException", "The body is no JSON object");
    if (answer)
        lab_reply_json(reply, 200, answer);
    else
        aws_json_error(reply, c->status, c->code, c->message);
    json_decref(in);
}
