// An endpoint launched in a VPC: what would change of it, and what it gives.
#include "vm_internal.h"

#include <string.h>

bool vm_is_lost(const ist_dmvpn_vm *c, const char *logical)
{
    json_t *one;
    size_t i;
    bool found = false;
    json_array_foreach(json_object_get(c->seen, "lost"), i, one) found =
        found || strcmp(ist_json_str_or(one, "logical", ""), logical) == 0;
    return found || ist_json_has(json_object_get(c->seen, "replaces"), logical);
}

// Will there be another instance, fresh from its image?
int ist_dmvpn_vm_comes_fresh(const ist_dmvpn_vm *c)
{
    const char *state = ist_dmvpn_vm_state(c);
    return strcmp(state, "replaced") == 0 || vm_is_lost(c, "Router") || vm_is_lost(c, "Outside") ||
           vm_is_lost(c, "Inside") || vm_is_lost(c, "Group") ||
           (strcmp(state, "differs") == 0 && !json_object_get(c->seen, "instance"));
}

// What was changed by hand is mended, or its address, its interface or its group is changed: that may be the way to it.
static bool mends_way(const ist_dmvpn_vm *c)
{
    static const char *const pieces[] = {"Address.", "Association.", "Group.", "Outside."};
    json_t *one;
    size_t i;
    bool found = strcmp(ist_dmvpn_vm_state(c), "drifted") == 0;
    json_array_foreach(json_object_get(c->seen, "differs"), i, one)
    {
        const char *field = ist_json_str_or(one, "field", "");
        for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++)
            found = found || strncmp(field, pieces[p], strlen(pieces[p])) == 0;
    }
    return found;
}

// machine: the stack tells them; what of it is gone will have another value.
void ist_dmvpn_vm_set_outputs(const ist_dmvpn_vm *c, int machine)
{
    bool group = !vm_is_lost(c, "Group");
    const struct {
        const char *output, *path;
        bool known;
    } plain[] = {{"nbma_address", "public_ip", !vm_is_lost(c, "Address")},
                 {"security_group", "security_group", group}};
    const char *inside = ist_json_str(c->seen, "inside_eni");
    if (vm_input(c, "DmvpnIp"))
        ist_set_output(c->env, "tunnel_address", json_string(vm_input(c, "DmvpnIp")));
    for (size_t i = 0; machine && i < sizeof plain / sizeof *plain; i++) {
        const char *value = ist_json_str(c->seen, plain[i].path);
        if (value && plain[i].known)
            ist_set_output(c->env, plain[i].output, json_string(value));
    }
    if (machine && inside && group && !vm_is_lost(c, "Inside"))
        ist_set_output(c->env, "next_hop", json_pack("{ss ss}", "kind", "eni", "id", inside));
}

int ist_dmvpn_vm_apply_would_help(const ist_dmvpn_vm *c, int64_t code)
{
    const bool unreachable =
        code == IST_ERR_NETWORK || code == IST_ERR_TIMEOUT || (c && !ist_dmvpn_vm_address(c));
    return c && (vm_is_unsettled(c, IST_DMVPN_CONFIG) || !vm_record(c, IST_DMVPN_CONFIG) ||
                 (unreachable && mends_way(c)));
}

static void plan_creation(ist_dmvpn_vm *c, const char *reason)
{
    const struct {
        const char *field, *value;
    } fields[] = {{"stack", c->vm.stack},
                  {"instance_type", c->vm.instance_type},
                  {"ami", c->vm.ami},
                  {"key_pair", c->vm.key_name},
                  {"outside", c->vm.public_address},
                  {"inside", c->vm.private_address},
                  {"ssh_from", c->vm.inbound_ssh}};
    ist_change(c->env, IST_CREATE, IST_DMVPN_STACK, reason);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (fields[i].value)
            ist_change_field(c->env, IST_DMVPN_STACK, fields[i].field, NULL, json_string(fields[i].value));
    }
    ist_change_field(c->env, IST_DMVPN_STACK, "elastic_ip", NULL, NULL);
}

static void plan_fields(ist_dmvpn_vm *c, const char *list)
{
    json_t *one;
    size_t i;
    json_array_foreach(json_object_get(c->seen, list), i, one)
    {
        ist_change_field(c->env, IST_DMVPN_STACK, ist_json_str_or(one, "field", "?"),
                         json_incref(json_object_get(one, "before")),
                         json_incref(json_object_get(one, "after")));
    }
}

// What is gone and comes again, each with what it was.
static void plan_lost(ist_dmvpn_vm *c)
{
    json_t *one;
    size_t i;
    ist_buf reason = {.max = 1024};
    json_array_foreach(json_object_get(c->seen, "lost"), i, one)
        ist_buf_printf(&reason, "%s%s %s is %s", i ? ", " : "", ist_json_str_or(one, "logical", "?"),
                       ist_json_str_or(one, "id", "?"), ist_json_str_or(one, "why", "gone"));
    char *text = ist_buf_take(&reason);
    ist_change(c->env, IST_UPDATE, IST_DMVPN_STACK, text);
    ist_free(text);
    json_array_foreach(json_object_get(c->seen, "lost"), i, one)
        ist_change_field(c->env, IST_DMVPN_STACK, ist_json_str_or(one, "logical", "?"),
                         json_incref(json_object_get(one, "id")), NULL);
}

static const char *what_is_replaced(const ist_dmvpn_vm *c)
{
    return vm_is_lost(c, "Group")     ? "its group is replaced, and interfaces and instance with it"
           : vm_is_lost(c, "Outside") ? "its outside interface is replaced, and the instance with it"
           : vm_is_lost(c, "Inside")  ? "its inside interface is replaced, and the instance with it"
                                      : "its instance is replaced, interfaces and address stay";
}

// Does a change touch where the machine is, what it is, or who may log in to it?
static bool needs_check(const ist_dmvpn_vm *c)
{
    json_t *one;
    size_t i;
    bool found = ist_dmvpn_vm_comes_fresh(c);
    json_array_foreach(json_object_get(c->seen, "differs"), i, one) found =
        found || strcmp(ist_json_str_or(one, "field", ""), "Router.InstanceType") == 0;
    return found;
}

int32_t vm_check_launch(const ist_dmvpn_vm *c, ist_error *err)
{
    return needs_check(c) ? ist_router_vm_check(c->aws, &c->vm, c->seen, err) : IST_OK;
}

// Of a machine that was made: by a change set, by hand on its resources, or by being started.
int32_t ist_dmvpn_vm_plan(ist_dmvpn_vm *c, ist_error *err)
{
    const char *state = ist_dmvpn_vm_state(c);
    if (strcmp(state, "busy") != 0 && strcmp(state, "halfway") != 0) {
        int32_t rc = vm_check_launch(c, err);
        if (rc != IST_OK)
            return rc;
    }
    bool changes = json_array_size(json_object_get(c->seen, "differs")) > 0 ||
                   json_array_size(json_object_get(c->seen, "drift")) > 0;
    bool stopped = strcmp(state, "stopped") == 0;
    if (strcmp(state, "lost") == 0) {
        plan_lost(c);
    } else if (strcmp(state, "replaced") == 0) {
        ist_change(c->env, IST_REPLACE, IST_DMVPN_STACK, what_is_replaced(c));
    } else if (strcmp(state, "halfway") == 0) {
        ist_change(c->env, IST_UPDATE, IST_DMVPN_STACK,
                   "it is UPDATE_ROLLBACK_FAILED: its rollback is continued");
    } else if (strcmp(state, "busy") == 0) {
        char *reason =
            ist_printf("it is %s: that is waited for", ist_json_str_or(c->seen, "stack.status", "?"));
        ist_change(c->env, IST_UPDATE, IST_DMVPN_STACK, reason);
        ist_free(reason);
        return IST_OK; // what is compared while it changes says nothing
    } else if (stopped || changes) {
        char *reason = ist_printf("its instance is %s: it is started",
                                  ist_json_str_or(c->seen, "instance.state", "not running"));
        ist_change(c->env, IST_UPDATE, IST_DMVPN_STACK, stopped ? reason : NULL);
        ist_free(reason);
    }
    plan_fields(c, "drift");
    plan_fields(c, "differs");
    return IST_OK;
}

// A stack of our name that state does not know is somebody else's.
int32_t ist_dmvpn_vm_check_ownership(const ist_dmvpn_vm *c, ist_error *err)
{
    const json_t *record = json_object_get(c->recorded, IST_DMVPN_STACK);
    if (!json_is_object(c->seen))
        return IST_OK;
    const char *token = ist_json_str(record, "data.token");
    if (!token)
        token = ist_json_str(record, "token");
    const char *tag = ist_json_str(c->seen, "stack.token");
    bool review = strcmp(ist_json_str_or(c->seen, "stack.status", ""), "REVIEW_IN_PROGRESS") == 0;
    if (record && ((token && tag && strcmp(token, tag) == 0) || (review && !tag)))
        return IST_OK;
    return ist_stack_refuse(c->stack, tag, "give another `name`", err);
}

int32_t ist_dmvpn_vm_plan_creation(ist_dmvpn_vm *c, ist_error *err)
{
    bool stuck = strcmp(ist_dmvpn_vm_state(c), "stuck") == 0;
    char *reason = stuck ? ist_printf("it is %s", ist_json_str_or(c->seen, "stack.status", "?")) : NULL;
    int32_t rc = ist_router_vm_check(c->aws, &c->vm, c->seen, err);
    if (rc == IST_OK)
        plan_creation(c, reason);
    ist_free(reason);
    return rc;
}
