// An endpoint launched in a VPC: what the inputs make of a router VM, and how it stands.
#include "vm_internal.h"

#include <string.h>

const char *vm_input(const ist_dmvpn_vm *c, const char *path)
{
    const char *text = ist_json_str(c->inputs, path);
    return text && *text ? text : NULL;
}

const json_t *vm_record(const ist_dmvpn_vm *c, const char *resource)
{
    return json_object_get(json_object_get(c->recorded, resource), "data");
}

bool vm_is_unsettled(const ist_dmvpn_vm *c, const char *resource)
{
    return strcmp(ist_json_str_or(json_object_get(c->recorded, resource), "status", ""), "intent") == 0;
}

int32_t ist_dmvpn_vm_new(const ist_env *env, const ist_dmvpn_vm_kind *kind, const json_t *inputs,
                         json_t *recorded, ist_dmvpn_vm **out, ist_error *err)
{
    ist_dmvpn_vm *c = ist_calloc(1, sizeof *c);
    *c = (ist_dmvpn_vm){.own_env = *env, .kind = kind, .inputs = inputs, .recorded = recorded};
    c->env = &c->own_env;
    const char *region = ist_json_str(vm_record(c, IST_DMVPN_STACK), "region");
    // What was made is looked for where it was made.
    ist_aws_options options = {.size = sizeof options,
                               .region = region ? region : vm_input(c, "region"),
                               .profile = vm_input(c, "profile")};
    int32_t rc = ist_aws_new(c->env, &options, &c->aws, err);
    if (rc == IST_OK)
        *out = c;
    else
        ist_dmvpn_vm_free(c);
    return rc;
}

static void forget_what_was_seen(ist_dmvpn_vm *c)
{
    json_decref(c->seen);
    json_decref(c->network);
    ist_free(c->stack);
    ist_free(c->name);
    ist_free(c->ami);
    ist_free(c->product);
    ist_free(c->user_data);
    ist_free(c->user_data_base64);
    c->seen = c->network = NULL;
    c->stack = c->name = c->ami = c->product = c->user_data = c->user_data_base64 = NULL;
}

void ist_dmvpn_vm_free(ist_dmvpn_vm *c)
{
    if (!c)
        return;
    forget_what_was_seen(c);
    ist_free(c->keep);
    ist_aws_free(c->aws);
    ist_free(c);
}

// ---- what is wanted ----

// The host `.10` of a subnet, or what the inputs say.
static char *address_in(const ist_dmvpn_vm *c, const char *input, const char *cidr)
{
    const char *given = vm_input(c, input);
    ist_net4 net;
    char text[16] = "";
    if (given)
        return ist_strdup(given);
    if (ist_net4_parse(cidr, &net, NULL) == IST_OK && net.prefix <= 28)
        ist_ipv4_text(net.address + 10, text);
    return ist_strdup(text);
}

// The image that a router runs and goes on running: a newer one is no reason to replace it. NULL: find one.
static const char *kept_image(const ist_dmvpn_vm *c)
{
    const char *wanted = vm_input(c, "ami"), *running = ist_json_str(c->seen, "instance.ami");
    if (!running || !*running || c->image_gone || strcmp(ist_dmvpn_vm_state(c), "lost") == 0)
        return NULL;
    return !wanted || strcmp(wanted, running) == 0 ? running : NULL;
}

// The image's id, as a parameter of Systems Manager has it. The caller's.
static int32_t read_parameter(ist_dmvpn_vm *c, const char *name, char **ami, ist_error *err)
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

static void remember_image(ist_dmvpn_vm *c, const char *id, const json_t *image)
{
    char *ami = ist_strdup(id);
    ist_free(c->ami);
    ist_free(c->product);
    c->ami = ami;
    c->product = ist_strdup(ist_json_str_or(ist_json_at(image, "productCodes[0]"), "productCode", ""));
}

// Fills c->ami, and *name with the image's (the caller's). ami: of which the name is asked; NULL: the newest of its
// owner that fits.
static int32_t find_image(ist_dmvpn_vm *c, const char *ami, char **name, ist_error *err)
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
        ist_hint(err, "set `ami` or `image_parameter`, or another `image`%s",
                 c->kind->image_hint ? c->kind->image_hint : "");
    }
    if (rc == IST_OK && !best && ami) {
        rc = ist_fail(err, IST_ERR_NOT_FOUND, "ami", "there is no image %s in %s", ami,
                      ist_aws_region(c->aws));
        ist_hint(err, "or this account may not use it: see `aws ec2 describe-images --image-ids %s`", ami);
    }
    if (rc == IST_OK) {
        remember_image(c, ist_json_str_or(best, "imageId", ""), best);
        *name = ist_strdup(ist_json_str_or(best, "name", ""));
    }
    json_decref(images);
    return rc;
}

// The image, and the user data that goes with it. User data acts at the first boot only: another one would stop and
// start the machine for nothing, so that it stays as long as the image does.
static int32_t choose_image(ist_dmvpn_vm *c, ist_error *err)
{
    const char *kept = kept_image(c), *given = vm_input(c, "ami"),
               *parameter = vm_input(c, "image_parameter"),
               *data = ist_json_str(c->seen, "template.Resources.Router.Properties.UserData");
    char *name = NULL, *read = NULL;
    int32_t rc = IST_OK;
    if (kept && data) {
        c->ami = ist_strdup(kept);
        c->user_data_base64 = ist_strdup(data);
        return IST_OK;
    }
    kept = kept ? kept : c->keep;
    if (!kept && !given && parameter)
        rc = read_parameter(c, parameter, &read, err);
    if (rc == IST_OK)
        rc = find_image(c, kept ? kept : given ? given : read, &name, err);
    if (rc == IST_OK)
        c->user_data = c->kind->user_data(c->inputs, name);
    ist_free(name);
    ist_free(read);
    return rc;
}

static void fill_vm(ist_dmvpn_vm *c)
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
        if (n < VM_INSIDE_MAX - 3)
            c->inside[n++] = ist_json_str_or(subnet, "cidr", "");
    }
    if (vm_input(c, "onPremCidr"))
        c->inside[n++] = vm_input(c, "onPremCidr");
    if (vm_input(c, "onPremPodCidr"))
        c->inside[n++] = vm_input(c, "onPremPodCidr");
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
        .inbound_ssh = vm_input(c, "InboundSSH"),
        .inside = c->inside,
        .user_data = c->user_data,
        .user_data_base64 = c->user_data_base64,
        .tags = json_object_get(in, "tags"),
        .name = c->name,
    };
}

// A stack cannot be renamed: the one that was begun keeps its name, while what is in it may get another.
static void name_it(ist_dmvpn_vm *c)
{
    const char *begun = ist_json_str(vm_record(c, IST_DMVPN_STACK), "name");
    c->name = ist_printf("%s%s", ist_json_str_or(c->inputs, "name", "isthmus"), c->kind->suffix);
    c->stack = ist_strdup(begun ? begun : c->name);
}

// An instance that is to be made anew needs its image once more. Where that is gone, it gets what a first one would.
static int32_t check_kept_image(ist_dmvpn_vm *c, ist_error *err)
{
    char *name = NULL;
    ist_error failed = {0};
    int32_t rc = find_image(c, c->ami, &name, &failed);
    ist_free(name);
    if (rc == IST_OK) {
        fill_vm(c); // which borrows what was read of the image before
        return IST_OK;
    }
    if (rc != IST_ERR_NOT_FOUND) {
        if (err)
            *err = failed;
        return rc;
    }
    ist_log(c->env, IST_LOG_WARN,
            "the image %s of the instance that is replaced is no more: another is taken", c->ami);
    ist_free(c->user_data_base64);
    c->user_data_base64 = NULL;
    c->image_gone = true;
    rc = choose_image(c, err);
    if (rc != IST_OK)
        return rc;
    fill_vm(c);
    return ist_router_vm_compare(&c->vm, c->seen, err);
}

int32_t ist_dmvpn_vm_prepare(ist_dmvpn_vm *c, ist_error *err)
{
    forget_what_was_seen(c);
    name_it(c);
    fill_vm(c);
    // Looked at first: which image is wanted depends on the one that runs.
    int32_t rc = ist_router_vm_observe(c->aws, &c->vm, ist_json_str(vm_record(c, IST_DMVPN_STACK), "id"),
                                       &c->seen, err);
    if (rc == IST_OK)
        rc = choose_image(c, err);
    if (rc != IST_OK)
        return rc;
    fill_vm(c);
    rc = ist_router_vm_compare(&c->vm, c->seen, err);
    return rc == IST_OK && json_object_get(c->seen, "replaces") && !c->product ? check_kept_image(c, err)
                                                                               : rc;
}

void ist_dmvpn_vm_recall(ist_dmvpn_vm *c, const json_t *observed)
{
    forget_what_was_seen(c);
    name_it(c);
    c->seen = json_incref(json_object_get(observed, "vm"));
    c->ami = ist_strdup(ist_json_str_or(observed, "ami", ""));
    fill_vm(c);
}

json_t *ist_dmvpn_vm_observed(const ist_dmvpn_vm *c)
{
    return json_pack("{ss ss sO}", "state", ist_dmvpn_vm_state(c), "ami", c->ami ? c->ami : "", "vm",
                     c->seen);
}

// ---- how it stands ----

const json_t *ist_dmvpn_vm_seen(const ist_dmvpn_vm *c)
{
    return c->seen;
}

const char *ist_dmvpn_vm_stack(const ist_dmvpn_vm *c)
{
    return c->stack;
}

const char *ist_dmvpn_vm_address(const ist_dmvpn_vm *c)
{
    return ist_json_str(c->seen, "public_ip");
}

const char *ist_dmvpn_vm_outside(const ist_dmvpn_vm *c)
{
    return ist_json_str_or(c->network, "public_address", "");
}

const char *ist_dmvpn_vm_inside(const ist_dmvpn_vm *c)
{
    return ist_json_str_or(c->network, "private_address", "");
}

int ist_dmvpn_vm_runs(const ist_dmvpn_vm *c)
{
    const char *state = ist_dmvpn_vm_state(c);
    return strcmp(ist_json_str_or(c->seen, "instance.state", ""), "running") == 0 &&
           (strcmp(state, "ready") == 0 || strcmp(state, "differs") == 0 || strcmp(state, "drifted") == 0 ||
            strcmp(state, "replaced") == 0);
}

const char *ist_dmvpn_vm_state(const ist_dmvpn_vm *c)
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
