// An endpoint launched in a VPC: until it is ready, and until it is gone.
#include "vm_internal.h"

#include <string.h>

#define WAIT_STATE_MS (5 * 60 * 1000)
#define STATE_POLL_MS 3000

static int32_t forget(ist_dmvpn_vm *c, const char *resource, ist_error *err)
{
    if (!json_object_get(c->recorded, resource))
        return IST_OK;
    int32_t rc = ist_outcome(c->env, resource, NULL, err);
    if (rc == IST_OK)
        json_object_del(c->recorded, resource);
    return rc;
}

int32_t ist_dmvpn_vm_remove(ist_dmvpn_vm *c, ist_error *err)
{
    const json_t *record = json_object_get(c->recorded, IST_DMVPN_STACK);
    const char *id = ist_json_str(record, "data.id"), *name = ist_json_str(record, "data.name");
    json_t *stack = NULL;
    int32_t rc = IST_OK;
    if (id) {
        rc = ist_router_vm_destroy(c->env, c->aws, id, err);
    } else if (name) {
        // Begun and not finished: ours if it bears the token of that intent.
        rc = ist_stack_find_begun(c->env, c->aws, name, &stack, err);
        if (rc == IST_OK && ist_stack_is_of(stack, ist_json_str(record, "token")))
            rc = ist_router_vm_destroy(c->env, c->aws, ist_json_str_or(stack, "StackId", name), err);
        else if (rc == IST_ERR_NOT_FOUND)
            rc = IST_OK;
        json_decref(stack);
    }
    static const char *const resources[] = {IST_DMVPN_CONFIG, IST_DMVPN_ROUTER, IST_DMVPN_STACK};
    for (size_t i = 0; i < sizeof resources / sizeof *resources && rc == IST_OK; i++)
        rc = forget(c, resources[i], err);
    return rc;
}

// Whom it was, and what stood on it: of an instance that is no more.
static int32_t forget_router(ist_dmvpn_vm *c, ist_error *err)
{
    int32_t rc = forget(c, IST_DMVPN_CONFIG, err);
    return rc == IST_OK ? forget(c, IST_DMVPN_ROUTER, err) : rc;
}

static int32_t make_stack(ist_dmvpn_vm *c, ist_error *err)
{
    char token[65] = "", *id = NULL;
    const char *known = ist_json_str(vm_record(c, IST_DMVPN_STACK), "token");
    json_t *data = json_pack("{ss ss}", "name", c->vm.stack, "region", ist_aws_region(c->aws));
    int32_t rc = ist_router_vm_check(c->aws, &c->vm, c->seen, err);
    // One that never worked is removed whole, and what is left of its instance with it.
    if (rc == IST_OK &&
        (!json_object_get(c->seen, "instance") || strcmp(ist_dmvpn_vm_state(c), "stuck") == 0))
        rc = forget_router(c, err);
    // A change of what is there keeps the token of its creation: it is the stack's mark.
    if (rc == IST_OK && known && !vm_is_unsettled(c, IST_DMVPN_STACK))
        memcpy(token, known, strnlen(known, 64) + 1);
    else if (rc == IST_OK)
        rc = ist_intent(c->env, IST_DMVPN_STACK, json_incref(data), token, err);
    if (rc == IST_OK) {
        rc = ist_router_vm_apply(c->env, c->aws, &c->vm, c->seen, token, &id, err);
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
        rc = ist_outcome(c->env, IST_DMVPN_STACK, json_incref(data), err);
        json_object_set_new(c->recorded, IST_DMVPN_STACK,
                            json_pack("{ss sO}", "status", "done", "data", data));
    }
    json_decref(data);
    ist_free(id);
    return rc;
}

// The mark that the stack bears.
static const char *token_of(const ist_dmvpn_vm *c)
{
    const json_t *record = json_object_get(c->recorded, IST_DMVPN_STACK);
    return ist_json_str_or(record, "data.token", ist_json_str_or(record, "token", ""));
}

// What is lost, and the instance where it is to be another one, leaves the stack first.
static int32_t release(ist_dmvpn_vm *c, ist_error *err)
{
    json_t *one;
    size_t i;
    // Nothing that works is given up for what would then be refused.
    int32_t rc = vm_check_launch(c, err);
    if (rc != IST_OK)
        return rc;
    json_array_foreach(json_object_get(c->seen, "lost"), i, one)
        ist_log(c->env, IST_LOG_WARN, "%s %s of stack %s is %s: it is made anew",
                ist_json_str_or(one, "logical", "?"), ist_json_str_or(one, "id", "?"), c->stack,
                ist_json_str_or(one, "why", "gone"));
    return ist_router_vm_release(c->env, c->aws, &c->vm, c->seen, token_of(c), err);
}

static int32_t start_instance(ist_dmvpn_vm *c, ist_error *err)
{
    char *id = ist_strdup(ist_json_str_or(c->seen, "instance.id", "")); // what was seen is looked at anew
    json_t *params = json_pack("{s[s]}", "InstanceId", id);
    int64_t until = ist_now_ms(c->env) + WAIT_STATE_MS;
    int32_t rc = IST_OK;
    if (!*id)
        rc = ist_fail(err, IST_ERR_QUESTION, c->stack, "the stack is complete and tells of no instance");
    // Until it runs; of one that is gone meanwhile the caller knows what to do.
    while (rc == IST_OK && strcmp(ist_dmvpn_vm_state(c), "stopped") == 0) {
        const char *state = ist_json_str_or(c->seen, "instance.state", "");
        if (strcmp(state, "stopped") == 0)
            rc = ist_aws_query(c->aws, "ec2", "StartInstances", params, NULL, err);
        if (rc == IST_ERR_NETWORK)
            rc = IST_OK; // whether a lost call was done shows at once
        ist_progress(c->env, "instance %s: %s", id, state);
        if (rc == IST_OK && ist_now_ms(c->env) > until)
            rc = ist_fail(err, IST_ERR_TIMEOUT, id, "the instance is still %s", state);
        if (rc == IST_OK && (rc = ist_sleep_ms(c->env, ist_poll_ms(c->env, STATE_POLL_MS))) != IST_OK)
            ist_fail(err, rc, id, "waiting for the instance was %s", ist_code_name(rc));
        if (rc == IST_OK)
            rc = ist_dmvpn_vm_prepare(c, err);
    }
    json_decref(params);
    ist_free(id);
    return rc;
}

// What somebody else did to the stack meanwhile is in no plan that anybody saw, nor is what would be done about it.
static int32_t refuse_touched(ist_dmvpn_vm *c, const char *id, ist_error *err)
{
    int32_t rc = ist_dmvpn_vm_prepare(c, err);
    const char *state = rc == IST_OK ? ist_dmvpn_vm_state(c) : "";
    if (rc != IST_OK || strcmp(state, "ready") == 0 || strcmp(state, "absent") == 0 ||
        strcmp(state, "busy") == 0 || !ist_stack_is_touched(c->aws, id))
        return rc;
    rc = ist_fail(
        err, IST_ERR_CONFLICT, c->stack,
        "somebody else changed the stack; it is %s now, and what is to be done about that was not planned",
        ist_json_str_or(c->seen, "stack.status", "?"));
    ist_hint(err, "plan again");
    return rc;
}

static int32_t wait_for_stack(ist_dmvpn_vm *c, ist_error *err)
{
    json_t *stack = NULL;
    char *id = ist_strdup(ist_json_str_or(c->seen, "stack.id", c->stack));
    int32_t rc = ist_stack_wait(c->env, c->aws, id, 0, &stack, err);
    json_decref(stack);
    if (rc == IST_OK)
        rc = refuse_touched(c, id, err);
    ist_free(id);
    return rc == IST_ERR_NOT_FOUND ? IST_OK : rc;
}

// One step nearer to a router that is ready.
static int32_t advance(ist_dmvpn_vm *c, const char *state, ist_error *err)
{
    if (strcmp(state, "busy") == 0)
        return wait_for_stack(c, err);
    if (strcmp(state, "halfway") == 0)
        return ist_stack_roll_back(c->env, c->aws, ist_json_str_or(c->seen, "stack.id", c->stack), 0, err);
    if (strcmp(state, "lost") == 0 || strcmp(state, "replaced") == 0) {
        ist_free(c->keep);
        c->keep = ist_strdup(c->ami); // that of the plan, whichever is the newest by then
        return release(c, err);
    }
    if (strcmp(state, "stopped") == 0)
        return start_instance(c, err);
    if (strcmp(state, "drifted") == 0)
        return ist_router_vm_mend(c->env, c->aws, c->seen, err);
    return make_stack(c, err);
}

int32_t ist_dmvpn_vm_launch(ist_dmvpn_vm *c, ist_error *err)
{
    int32_t rc = ist_dmvpn_vm_prepare(c, err);
    for (int round = 0; rc == IST_OK && round < 8; round++) {
        const char *state = ist_dmvpn_vm_state(c);
        if (strcmp(state, "ready") == 0)
            return IST_OK;
        rc = advance(c, state, err);
        if (rc == IST_OK)
            rc = ist_dmvpn_vm_prepare(c, err);
    }
    if (rc == IST_OK && strcmp(ist_dmvpn_vm_state(c), "ready") != 0)
        rc = ist_fail(err, IST_ERR_REMOTE, c->stack, "the router does not become ready: %s",
                      ist_dmvpn_vm_state(c));
    return rc;
}
