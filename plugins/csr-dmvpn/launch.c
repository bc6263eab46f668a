// The machine: what the inputs make of a router VM, how it stands, and until it is ready.
#include "csr.h"

#include <string.h>

#define WAIT_STATE_MS (5 * 60 * 1000)

// ---- a step's common ground ----

const char *csr_input(const struct csr *c, const char *path)
{
    const char *text = ist_json_str(c->inputs, path);
    return text && *text ? text : NULL;
}

const json_t *csr_record(const struct csr *c, const char *resource)
{
    return json_object_get(json_object_get(c->recorded, resource), "data");
}

bool csr_is_unsettled(const struct csr *c, const char *resource)
{
    return strcmp(ist_json_str_or(json_object_get(c->recorded, resource), "status", ""), "intent") == 0;
}

int32_t csr_open(struct csr *c, const ist_host *host, ist_call *call, ist_error *err)
{
    *c = (struct csr){.env = {host, call}};
    c->inputs = ist_inputs(&c->env);
    c->recorded = ist_recorded(&c->env);
    ist_dmvpn_register_secrets(&c->env, c->inputs);
    const char *region = ist_json_str(csr_record(c, R_STACK), "region");
    // What was made is looked for where it was made.
    ist_aws_options options = {.size = sizeof options,
                               .region = region ? region : csr_input(c, "region"),
                               .profile = csr_input(c, "profile")};
    return ist_aws_new(&c->env, &options, &c->aws, err);
}

static void forget_vm(struct csr *c)
{
    json_decref(c->seen);
    json_decref(c->network);
    ist_free(c->stack);
    ist_free(c->ami);
    ist_free(c->product);
    ist_free(c->user_data);
    ist_free(c->user_data_base64);
    c->seen = c->network = NULL;
    c->stack = c->ami = c->product = c->user_data = c->user_data_base64 = NULL;
}

void csr_close(struct csr *c)
{
    ist_aws_free(c->aws);
    json_decref(c->inputs);
    json_decref(c->recorded);
    forget_vm(c);
}

// ---- what is wanted ----

// The host `.10` of a subnet, or what the inputs say.
static char *address_in(const struct csr *c, const char *input, const char *cidr)
{
    const char *given = csr_input(c, input);
    ist_net4 net;
    char text[16] = "";
    if (given)
        return ist_strdup(given);
    if (ist_net4_parse(cidr, &net, NULL) == IST_OK && net.prefix <= 28)
        ist_ipv4_text(net.address + 10, text);
    return ist_strdup(text);
}

// Bootstrap only, written once: no secret, and nothing that a later change would touch.
static char *bootstrap(const struct csr *c, const char *image_name)
{
    char *host = ist_printf("hostname %s-csr", ist_json_str_or(c->inputs, "name", "isthmus"));
    char *user = ist_printf("username %s privilege 15", ist_json_str_or(c->inputs, "ssh.user", "ec2-user"));
    const char *lines[] = {host, user, "ip ssh version 2", NULL};
    char *text = ist_router_vm_ios_user_data(lines, strncmp(image_name, "Cisco-C8K", 9) == 0 ? 2 : 1);
    ist_free(host);
    ist_free(user);
    return text;
}

// The image that a router runs and goes on running: a newer one is no reason to replace it. NULL: find one.
static const char *kept_image(const struct csr *c)
{
    const char *wanted = csr_input(c, "ami"), *running = ist_json_str(c->seen, "instance.ami");
    if (!running || !*running || strcmp(csr_vm_state(c), "lost") == 0)
        return NULL;
    return !wanted || strcmp(wanted, running) == 0 ? running : NULL;
}

// The image's id, as a parameter of Systems Manager has it. The caller's.
static int32_t read_parameter(struct csr *c, const char *name, char **ami, ist_error *err)
{
    json_t *body = json_pack("{ss}", "Name", name), *answer = NULL;
    int32_t rc = ist_aws_json(c->aws, "ssm", "AmazonSSM.GetParameter", body, &answer, err);
    const char *value = ist_json_str_or(answer, "Parameter.Value", "");
    if (rc == IST_OK && strncmp(value, "ami-", 4) != 0)
        rc = ist_fail(err, IST_ERR_INPUT, "image_parameter", "%s holds \"%s\", which is no image", name,
                      value);
    if (rc == IST_OK)
        *ami = ist_strdup(value);
    json_decref(body);
    json_decref(answer);
    return rc;
}

static void remember_image(struct csr *c, const char *id, const json_t *image)
{
    c->ami = ist_strdup(id);
    c->product = ist_strdup(ist_json_str_or(ist_json_at(image, "productCodes[0]"), "productCode", ""));
}

// Fills c->ami, and *name with the image's (the caller's). ami: of which the name is asked; NULL: the newest of its
// owner that fits.
static int32_t find_image(struct csr *c, const char *ami, char **name, ist_error *err)
{
    json_t *params, *images = NULL, *image, *best = NULL;
    const char *owner = ist_json_str_or(c->inputs, "image_owner", "aws-marketplace"),
               *pattern = ist_json_str_or(c->inputs, "image", "");
    size_t i;
    if (ami)
        params = json_pack("{s[s]}", "ImageId", ami);
    else
        params = json_pack("{s[s] s[{ss s[s]}]}", "Owner", owner, "Filter", "Name", "name", "Value", pattern);
    int32_t rc = ist_aws_query_all(c->aws, "ec2", "DescribeImages", params, "imagesSet", &images, err);
    json_decref(params);
    json_array_foreach(images, i, image)
    {
        if (!best ||
            strcmp(ist_json_str_or(image, "creationDate", ""), ist_json_str_or(best, "creationDate", "")) > 0)
            best = image;
    }
    if (rc == IST_OK && !best && !ami) {
        rc = ist_fail(err, IST_ERR_NOT_FOUND, "image", "no image of %s is named %s in %s", owner, pattern,
                      ist_aws_region(c->aws));
        ist_hint(err,
                 "set `ami` or `image_parameter`, or another `image`: Cisco-C8K-* is the Catalyst 8000V");
    }
    if (rc == IST_OK) {
        remember_image(c, best ? ist_json_str_or(best, "imageId", "") : ami, best);
        *name = ist_strdup(best ? ist_json_str_or(best, "name", "") : "");
    }
    json_decref(images);
    return rc;
}

// The image, and the user data that goes with it. User data acts at the first boot only: another one would stop and
// start the machine for nothing, so that it stays as long as the image does.
static int32_t choose_image(struct csr *c, ist_error *err)
{
    const char *kept = kept_image(c), *given = csr_input(c, "ami"),
               *parameter = csr_input(c, "image_parameter"),
               *data = ist_json_str(c->seen, "template.Resources.Router.Properties.UserData");
    char *name = NULL, *read = NULL;
    int32_t rc = IST_OK;
    if (kept && data) {
        c->ami = ist_strdup(kept);
        c->user_data_base64 = ist_strdup(data);
        return IST_OK;
    }
    if (!kept && !given && parameter)
        rc = read_parameter(c, parameter, &read, err);
    if (rc == IST_OK)
        rc = find_image(c, kept ? kept : given ? given : read, &name, err);
    if (rc == IST_OK)
        c->user_data = bootstrap(c, name);
    ist_free(name);
    ist_free(read);
    return rc;
}

static void fill_vm(struct csr *c)
{
    const json_t *in = c->inputs, *public = json_object_get(in, "public_subnet");
    const json_t *subnets = json_object_get(in, "private_subnets"), *subnet;
    char *outside = address_in(c, "public_address", ist_json_str_or(public, "cidr", ""));
    char *inside = address_in(c, "private_address", ist_json_str_or(json_array_get(subnets, 0), "cidr", ""));
    size_t i, n = 0;
    json_decref(c->network);
    c->network = json_pack("{ss ss}", "public_address", outside, "private_address", inside);
    ist_free(outside);
    ist_free(inside);
    json_array_foreach((json_t *)subnets, i, subnet)
    {
        if (n < sizeof c->inside / sizeof *c->inside - 3)
            c->inside[n++] = ist_json_str_or(subnet, "cidr", "");
    }
    if (csr_input(c, "onPremCidr"))
        c->inside[n++] = csr_input(c, "onPremCidr");
    if (csr_input(c, "onPremPodCidr"))
        c->inside[n++] = csr_input(c, "onPremPodCidr");
    c->vm = (ist_router_vm){
        .size = sizeof c->vm,
        .stack = c->stack,
        .vpc_id = ist_json_str_or(in, "vpc_id", ""),
        .public_subnet = ist_json_str_or(public, "id", ""),
        .private_subnet = ist_json_str_or(json_array_get(subnets, 0), "id", ""),
        .public_address = ist_json_str_or(c->network, "public_address", ""),
        .private_address = ist_json_str_or(c->network, "private_address", ""),
        .ami = c->ami,
        .instance_type = ist_json_str_or(in, "InstanceType", "c4.large"),
        .key_name = ist_json_str_or(in, "ssh_key", ""),
        .inbound_ssh = csr_input(c, "InboundSSH"),
        .inside = c->inside,
        .user_data = c->user_data,
        .user_data_base64 = c->user_data_base64,
        .tags = json_object_get(in, "tags"),
    };
}

int32_t csr_prepare_vm(struct csr *c, ist_error *err)
{
    forget_vm(c);
    c->stack = ist_printf("%s-csr", ist_json_str_or(c->inputs, "name", "isthmus"));
    fill_vm(c);
    // Looked at first: which image is wanted depends on the one that runs.
    int32_t rc =
        ist_router_vm_observe(c->aws, &c->vm, ist_json_str(csr_record(c, R_STACK), "id"), &c->seen, err);
    if (rc == IST_OK)
        rc = choose_image(c, err);
    if (rc != IST_OK)
        return rc;
    fill_vm(c);
    return ist_router_vm_compare(&c->vm, c->seen, err);
}

void csr_recall_vm(struct csr *c, const json_t *observed)
{
    forget_vm(c);
    c->stack = ist_printf("%s-csr", ist_json_str_or(c->inputs, "name", "isthmus"));
    c->seen = json_incref(json_object_get(observed, "vm"));
    c->ami = ist_strdup(ist_json_str_or(observed, "ami", ""));
    fill_vm(c);
}

bool csr_vm_runs(const struct csr *c)
{
    const char *state = csr_vm_state(c);
    return strcmp(ist_json_str_or(c->seen, "instance.state", ""), "running") == 0 &&
           (strcmp(state, "ready") == 0 || strcmp(state, "differs") == 0 || strcmp(state, "drifted") == 0 ||
            strcmp(state, "replaced") == 0);
}

const char *csr_vm_state(const struct csr *c)
{
    const char *status = ist_json_str_or(c->seen, "stack.status", ""), *state;
    bool made = strcmp(status, "CREATE_COMPLETE") == 0 || strcmp(status, "UPDATE_COMPLETE") == 0 ||
                strcmp(status, "UPDATE_ROLLBACK_COMPLETE") == 0;
    if (!json_is_object(c->seen))
        return "absent";
    if (ist_stack_is_busy(status))
        return "busy";
    if (strcmp(status, "UPDATE_ROLLBACK_FAILED") == 0)
        return "halfway";
    if (!made)
        return "stuck";
    if (json_array_size(json_object_get(c->seen, "lost")) > 0)
        return "lost";
    if (json_object_get(c->seen, "replaces"))
        return "replaced";
    // Nothing is given up because it is not told of; one that the template does not have is for a change set.
    state = ist_json_str_or(c->seen, "instance.state",
                            ist_json_at(c->seen, "template.Resources.Router") ? "unknown" : "running");
    if (strcmp(state, "running") != 0)
        return "stopped";
    if (json_array_size(json_object_get(c->seen, "drift")) > 0)
        return "drifted";
    return json_array_size(json_object_get(c->seen, "differs")) > 0 ? "differs" : "ready";
}

// ---- making it ready ----

static int32_t forget(struct csr *c, const char *resource, ist_error *err)
{
    if (!json_object_get(c->recorded, resource))
        return IST_OK;
    int32_t rc = ist_outcome(&c->env, resource, NULL, err);
    if (rc == IST_OK)
        json_object_del(c->recorded, resource);
    return rc;
}

int32_t csr_remove(struct csr *c, ist_error *err)
{
    const json_t *record = json_object_get(c->recorded, R_STACK);
    const char *id = ist_json_str(record, "data.id"), *name = ist_json_str(record, "data.name");
    json_t *stack = NULL;
    int32_t rc = IST_OK;
    if (id) {
        rc = ist_router_vm_destroy(&c->env, c->aws, id, err);
    } else if (name) {
        // Begun and not finished: ours if it bears the token of that intent.
        rc = ist_stack_find(c->aws, name, &stack, err);
        if (rc == IST_OK && ist_stack_is_of(stack, ist_json_str(record, "token")))
            rc = ist_router_vm_destroy(&c->env, c->aws, ist_json_str_or(stack, "StackId", name), err);
        else if (rc == IST_ERR_NOT_FOUND)
            rc = IST_OK;
        json_decref(stack);
    }
    static const char *const resources[] = {R_CONFIG, R_ROUTER, R_STACK};
    for (size_t i = 0; i < sizeof resources / sizeof *resources && rc == IST_OK; i++)
        rc = forget(c, resources[i], err);
    return rc;
}

// Whom it was, and what stood on it: of an instance that is no more.
static int32_t forget_router(struct csr *c, ist_error *err)
{
    int32_t rc = forget(c, R_CONFIG, err);
    return rc == IST_OK ? forget(c, R_ROUTER, err) : rc;
}

static int32_t make_stack(struct csr *c, ist_error *err)
{
    char token[65] = "", *id = NULL;
    const char *known = ist_json_str(csr_record(c, R_STACK), "token");
    json_t *data = json_pack("{ss ss}", "name", c->vm.stack, "region", ist_aws_region(c->aws));
    int32_t rc = ist_router_vm_addresses(c->aws, &c->vm, c->seen, err);
    if (rc == IST_OK && !json_object_get(c->seen, "instance"))
        rc = forget_router(c, err);
    // A change of what is there keeps the token of its creation: it is the stack's mark.
    if (rc == IST_OK && known && !csr_is_unsettled(c, R_STACK))
        memcpy(token, known, strnlen(known, 64) + 1);
    else if (rc == IST_OK)
        rc = ist_intent(&c->env, R_STACK, json_incref(data), token, err);
    if (rc == IST_OK) {
        rc = ist_router_vm_apply(&c->env, c->aws, &c->vm, c->seen, token, &id, err);
        // Unless the refusal says itself where.
        if (rc != IST_OK && err && strstr(err->text, "OptInRequired") && !strstr(err->text, "https://") &&
            c->product && *c->product)
            ist_hint(err,
                     "subscribe to the router's image with this account first: "
                     "https://aws.amazon.com/marketplace/pp?sku=%s",
                     c->product);
    }
    if (rc == IST_OK) {
        json_object_set_new(data, "id", json_string(id));
        json_object_set_new(data, "token", json_string(token));
        rc = ist_outcome(&c->env, R_STACK, json_incref(data), err);
        json_object_set_new(c->recorded, R_STACK, json_pack("{ss sO}", "status", "done", "data", data));
    }
    json_decref(data);
    ist_free(id);
    return rc;
}

// The mark that the stack bears.
static const char *token_of(const struct csr *c)
{
    const json_t *record = json_object_get(c->recorded, R_STACK);
    return ist_json_str_or(record, "data.token", ist_json_str_or(record, "token", ""));
}

// What is lost, and the instance where it is to be another one, leaves the stack first.
static int32_t release(struct csr *c, ist_error *err)
{
    json_t *one;
    size_t i;
    json_array_foreach(json_object_get(c->seen, "lost"), i, one)
        ist_log(&c->env, IST_LOG_WARN, "%s %s of stack %s is %s: it is made anew",
                ist_json_str_or(one, "logical", "?"), ist_json_str_or(one, "id", "?"), c->stack,
                ist_json_str_or(one, "why", "gone"));
    return ist_router_vm_release(&c->env, c->aws, &c->vm, c->seen, token_of(c), err);
}

static int32_t start_instance(struct csr *c, ist_error *err)
{
    char *id = ist_strdup(ist_json_str_or(c->seen, "instance.id", "")); // what was seen is looked at anew
    json_t *params = json_pack("{s[s]}", "InstanceId", id);
    int64_t until = ist_now_ms(&c->env) + WAIT_STATE_MS;
    int32_t rc = IST_OK;
    if (!*id)
        rc = ist_fail(err, IST_ERR_QUESTION, c->stack, "the stack is complete and tells of no instance");
    // Until it runs; of one that is gone meanwhile the caller knows what to do.
    while (rc == IST_OK && strcmp(csr_vm_state(c), "stopped") == 0) {
        const char *state = ist_json_str_or(c->seen, "instance.state", "");
        if (strcmp(state, "stopped") == 0)
            rc = ist_aws_query(c->aws, "ec2", "StartInstances", params, NULL, err);
        if (rc == IST_ERR_NETWORK)
            rc = IST_OK; // whether a lost call was done shows at once
        ist_progress(&c->env, "instance %s: %s", id, state);
        if (rc == IST_OK && ist_now_ms(&c->env) > until)
            rc = ist_fail(err, IST_ERR_TIMEOUT, id, "the instance is still %s", state);
        if (rc == IST_OK && (rc = ist_sleep_ms(&c->env, 1000)) != IST_OK)
            ist_fail(err, rc, id, "waiting for the instance was %s", ist_code_name(rc));
        if (rc == IST_OK)
            rc = csr_prepare_vm(c, err);
    }
    json_decref(params);
    ist_free(id);
    return rc;
}

static int32_t wait_for_stack(struct csr *c, ist_error *err)
{
    json_t *stack = NULL;
    int32_t rc =
        ist_stack_wait(&c->env, c->aws, ist_json_str_or(c->seen, "stack.id", c->stack), 0, &stack, err);
    json_decref(stack);
    return rc == IST_ERR_NOT_FOUND ? IST_OK : rc;
}

// One step nearer to a router that is ready.
static int32_t advance(struct csr *c, const char *state, ist_error *err)
{
    if (strcmp(state, "busy") == 0)
        return wait_for_stack(c, err);
    if (strcmp(state, "halfway") == 0)
        return ist_stack_roll_back(&c->env, c->aws, ist_json_str_or(c->seen, "stack.id", c->stack), 0, err);
    if (strcmp(state, "lost") == 0 || strcmp(state, "replaced") == 0)
        return release(c, err);
    if (strcmp(state, "stopped") == 0)
        return start_instance(c, err);
    if (strcmp(state, "drifted") == 0)
        return ist_router_vm_mend(&c->env, c->aws, c->seen, err);
    return make_stack(c, err);
}

int32_t csr_launch(struct csr *c, ist_error *err)
{
    int32_t rc = csr_prepare_vm(c, err);
    for (int round = 0; rc == IST_OK && round < 8; round++) {
        const char *state = csr_vm_state(c);
        if (strcmp(state, "ready") == 0)
            return IST_OK;
        rc = advance(c, state, err);
        if (rc == IST_OK)
            rc = csr_prepare_vm(c, err);
    }
    if (rc == IST_OK && strcmp(csr_vm_state(c), "ready") != 0)
        rc = ist_fail(err, IST_ERR_REMOTE, c->stack, "the router does not become ready: %s", csr_vm_state(c));
    return rc;
}
