// Systems Manager's parameters: names with a value, as images are published. JSON 1.1, the action in a header.
#include "inner.h"

#include <stdlib.h>
#include <string.h>

#define PREFIX "AmazonSSM."

static const char *action_of(const struct lab_request *rq)
{
    const char *target = lab_header(rq, "X-Amz-Target");
    return target && !strncmp(target, PREFIX, strlen(PREFIX)) ? target + strlen(PREFIX) : NULL;
}

bool aws_ssm_handles(const struct lab_request *rq)
{
    return action_of(rq) != NULL;
}

void aws_ssm_identify(struct lab_request *rq)
{
    rq->action = lab_format("SSM:%s", action_of(rq));
    rq->write = strncmp(action_of(rq), "Get", 3) != 0;
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

void aws_ssm_act(struct aws_call *c, const struct lab_request *rq, struct lab_reply *reply)
{
    const char *action = action_of(rq), *name;
    json_t *in = json_loadb(rq->body ? rq->body : "", rq->body ? rq->body_len : 0, 0, NULL), *answer = NULL;
    name = aws_text(in, "Name");
    if (!json_is_object(in) || !*name)
        aws_fail(c, 400, "ValidationException", "1 validation error detected: Value at 'name' is missing");
    else if (!strcmp(action, "PutParameter"))
        answer = put(c, in);
    else if (strcmp(action, "GetParameter") != 0)
        aws_fail(c, 400, "UnknownOperationException", "The lab knows no %s", action);
    else if (!json_object_get(aws_all(c, "parameter"), name))
        aws_fail(c, 400, "ParameterNotFound", "There is no parameter %s.", name);
    else
        answer = json_pack("{sO}", "Parameter", json_object_get(aws_all(c, "parameter"), name));
    if (answer)
        lab_reply_json(reply, 200, answer);
    else
        aws_json_error(reply, c->status, c->code, c->message);
    json_decref(in);
}
