// observe, plan, apply and destroy.
#include "csr.h"

#include <string.h>

static int32_t end(struct csr *c, int32_t rc, const ist_error *err)
{
    if (rc != IST_OK)
        ist_report(&c->env, err);
    csr_close(c);
    return rc;
}

// Is a piece of the stack gone?
static bool is_lost(const struct csr *c, const char *logical)
{
    json_t *one;
    size_t i;
    bool found = false;
    json_array_foreach(json_object_get(c->seen, "lost"), i, one) found =
        found || strcmp(ist_json_str_or(one, "logical", ""), logical) == 0;
    return found;
}

// Will there be another instance, fresh from its image?
static bool comes_fresh(const struct csr *c)
{
    const char *state = csr_vm_state(c);
    return strcmp(state, "replaced") == 0 || is_lost(c, "Router") || is_lost(c, "Outside") ||
           is_lost(c, "Inside") || is_lost(c, "Group") ||
           (strcmp(state, "differs") == 0 && !json_object_get(c->seen, "instance"));
}

// machine: the stack tells them; what of it is gone will have another value.
static void set_outputs(const struct csr *c, bool machine)
{
    const char *key = ist_json_str(csr_record(c, R_ROUTER), "host_key");
    bool group = !is_lost(c, "Group");
    const struct {
        const char *output, *path;
        bool known;
    } plain[] = {{"nbma_address", "public_ip", !is_lost(c, "Address")},
                 {"security_group", "security_group", group},
                 {"instance_id", "instance.id", !comes_fresh(c)}};
    const char *inside = ist_json_str(c->seen, "inside_eni");
    if (csr_input(c, "DmvpnIp"))
        ist_set_output(&c->env, "tunnel_address", json_string(csr_input(c, "DmvpnIp")));
    for (size_t i = 0; machine && i < sizeof plain / sizeof *plain; i++) {
        const char *value = ist_json_str(c->seen, plain[i].path);
        if (value && plain[i].known)
            ist_set_output(&c->env, plain[i].output, json_string(value));
    }
    if (machine && inside && group && !is_lost(c, "Inside"))
        ist_set_output(&c->env, "next_hop", json_pack("{ss ss}", "kind", "eni", "id", inside));
    if (machine && key && !comes_fresh(c))
        ist_set_output(&c->env, "ssh_host_key", json_string(key));
}

// ---- observe ----

// Why the router's configuration cannot be said; plan tells it.
static json_t *cause_of(const ist_error *err)
{
    json_t *out = json_pack("{si ss ss}", "code", err->code, "unknown", err->text, "hint", err->hint);
    // Words of a device that are no UTF-8 have no place in JSON.
    return out ? out : json_pack("{si ss}", "code", err->code, "unknown", "what it answers is no text");
}

// What stands on the router, or why that cannot be said.
static json_t *look_at_router(struct csr *c)
{
    struct device d = {0};
    ist_error err = {.text = "its host key has not been seen yet"};
    json_t *out;
    if (!ist_json_str(csr_record(c, R_ROUTER), "host_key") && !csr_input(c, "ssh.known_hosts"))
        return cause_of(&err);
    int32_t rc = csr_connect(c, false, &d, NULL, &err);
    if (rc == IST_OK)
        rc = csr_compare(c, &d, &err);
    if (rc == IST_OK)
        out = json_pack("{so si}", "commands", csr_commands(&d.diff), "pending", d.pending);
    else
        out = cause_of(&err);
    csr_hang_up(&d);
    return out;
}

int32_t csr_observe(const ist_host *host, ist_call *call)
{
    struct csr c;
    ist_error err = {0};
    int32_t rc = csr_open(&c, host, call, &err);
    if (rc == IST_OK)
        rc = csr_prepare_vm(&c, &err);
    if (rc == IST_OK) {
        bool machine = csr_vm_runs(&c);
        json_t *seen = json_pack("{ss ss sO}", "state", csr_vm_state(&c), "ami", c.ami, "vm", c.seen);
        if (machine)
            json_object_set_new(seen, "router", look_at_router(&c));
        ist_set_observed(&c.env, seen);
        set_outputs(&c, machine);
    }
    return end(&c, rc, &err);
}

// ---- plan ----

static void plan_creation(struct csr *c, const char *reason)
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
    ist_change(&c->env, IST_CREATE, R_STACK, reason);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (fields[i].value)
            ist_change_field(&c->env, R_STACK, fields[i].field, NULL, json_string(fields[i].value));
    }
    ist_change_field(&c->env, R_STACK, "elastic_ip", NULL, NULL);
}

static void plan_fields(struct csr *c, const char *list)
{
    json_t *one;
    size_t i;
    json_array_foreach(json_object_get(c->seen, list), i, one)
    {
        ist_change_field(&c->env, R_STACK, ist_json_str_or(one, "field", "?"),
                         json_incref(json_object_get(one, "before")),
                         json_incref(json_object_get(one, "after")));
    }
}

// What is gone and comes again, each with what it was.
static void plan_lost(struct csr *c)
{
    json_t *one;
    size_t i;
    ist_buf reason = {.max = 1024};
    json_array_foreach(json_object_get(c->seen, "lost"), i, one)
        ist_buf_printf(&reason, "%s%s %s is %s", i ? ", " : "", ist_json_str_or(one, "logical", "?"),
                       ist_json_str_or(one, "id", "?"), ist_json_str_or(one, "why", "gone"));
    char *text = ist_buf_take(&reason);
    ist_change(&c->env, IST_UPDATE, R_STACK, text);
    ist_free(text);
    json_array_foreach(json_object_get(c->seen, "lost"), i, one)
        ist_change_field(&c->env, R_STACK, ist_json_str_or(one, "logical", "?"),
                         json_incref(json_object_get(one, "id")), NULL);
}

// Of a machine that was made: by a change set, by hand on its resources, or by being started.
static void plan_machine(struct csr *c, const char *state)
{
    bool changes = json_array_size(json_object_get(c->seen, "differs")) > 0 ||
                   json_array_size(json_object_get(c->seen, "drift")) > 0;
    bool stopped = strcmp(state, "stopped") == 0;
    if (strcmp(state, "lost") == 0) {
        plan_lost(c);
    } else if (strcmp(state, "replaced") == 0) {
        ist_change(&c->env, IST_REPLACE, R_STACK, "its instance is replaced, interfaces and address stay");
    } else if (strcmp(state, "halfway") == 0) {
        ist_change(&c->env, IST_UPDATE, R_STACK, "it is UPDATE_ROLLBACK_FAILED: its rollback is continued");
    } else if (strcmp(state, "busy") == 0) {
        char *reason =
            ist_printf("it is %s: that is waited for", ist_json_str_or(c->seen, "stack.status", "?"));
        ist_change(&c->env, IST_UPDATE, R_STACK, reason);
        ist_free(reason);
        return; // what is compared while it changes says nothing
    } else if (stopped || changes) {
        char *reason = ist_printf("its instance is %s: it is started",
                                  ist_json_str_or(c->seen, "instance.state", "not running"));
        ist_change(&c->env, IST_UPDATE, R_STACK, stopped ? reason : NULL);
        ist_free(reason);
    }
    plan_fields(c, "drift");
    plan_fields(c, "differs");
}

// One change of the resource "config", a field a command.
static void plan_commands(struct csr *c, uint32_t action, const char *reason, const json_t *commands)
{
    json_t *one;
    size_t i;
    ist_change(&c->env, action, R_CONFIG, reason);
    json_array_foreach((json_t *)commands, i, one)
    {
        const char *shown = ist_json_str_or(one, "shown", ""), *before = ist_json_str(one, "before");
        bool removal = ist_json_int(one, "kind", 0) == IST_IOS_REMOVE;
        ist_change_field(&c->env, R_CONFIG, ist_json_str_or(one, "path", shown),
                         before ? json_string(before) : NULL,
                         json_string(removal || !before ? shown : shown));
    }
}

static int32_t plan_fresh(struct csr *c, uint32_t action, ist_error *err)
{
    struct device d = {0};
    int32_t rc = csr_compare_fresh(c, &d, err);
    if (rc == IST_OK) {
        json_t *commands = csr_commands(&d.diff);
        plan_commands(c, action, "sent over SSH as one change that reverts unless it is confirmed", commands);
        json_decref(commands);
    }
    csr_hang_up(&d);
    return rc;
}

// A router that was configured once and cannot be read is no update: what it would be, nobody can say. Only where
// the way to it is about to be mended, or its configuration never was completed, is apply what helps.
static bool apply_would_help(const struct csr *c, int64_t code)
{
    bool unreachable = code == IST_ERR_NETWORK || code == IST_ERR_TIMEOUT;
    return csr_is_unsettled(c, R_CONFIG) || !csr_record(c, R_CONFIG) ||
           (unreachable && strcmp(csr_vm_state(c), "drifted") == 0);
}

static int32_t plan_config(struct csr *c, const json_t *router, ist_error *err)
{
    const char *unknown = ist_json_str(router, "unknown");
    const json_t *commands = json_object_get(router, "commands");
    int64_t code = ist_json_int(router, "code", 0);
    if (unknown && !apply_would_help(c, code)) {
        int32_t rc = ist_fail(err, code ? (int32_t)code : IST_ERR_DENIED, "router",
                              "its configuration cannot be read: %s", unknown);
        ist_hint(err, "%s", ist_json_str_or(router, "hint", ""));
        return rc;
    }
    if (unknown) {
        char *reason = ist_printf("its configuration cannot be read: %s", unknown);
        plan_commands(c, IST_UPDATE, reason, NULL);
        ist_free(reason);
    } else if (json_array_size(commands) > 0) {
        plan_commands(c, IST_UPDATE, NULL, commands);
    } else if (csr_is_unsettled(c, R_CONFIG) || !csr_record(c, R_CONFIG)) {
        plan_commands(c, IST_UPDATE, "an earlier run ended before it was confirmed and saved", NULL);
    }
    return IST_OK;
}

// A stack of our name that state does not know is somebody else's.
static int32_t check_ownership(struct csr *c, ist_error *err)
{
    const json_t *record = json_object_get(c->recorded, R_STACK);
    if (!json_is_object(c->seen))
        return IST_OK;
    const char *token = ist_json_str(record, "data.token");
    if (!token)
        token = ist_json_str(record, "token");
    const char *tag = ist_json_str(c->seen, "stack.token");
    bool review = strcmp(ist_json_str_or(c->seen, "stack.status", ""), "REVIEW_IN_PROGRESS") == 0;
    if (record && ((token && tag && strcmp(token, tag) == 0) || (review && !tag)))
        return IST_OK;
    return ist_fail(err, IST_ERR_CONFLICT, c->stack,
                    "a stack of this name exists that this step did not make");
}

static int32_t plan_creation_of_all(struct csr *c, bool stuck, ist_error *err)
{
    char *reason = stuck ? ist_printf("it is %s", ist_json_str_or(c->seen, "stack.status", "?")) : NULL;
    int32_t rc = ist_router_vm_addresses(c->aws, &c->vm, c->seen, err);
    if (rc == IST_OK) {
        plan_creation(c, reason);
        rc = plan_fresh(c, IST_CREATE, err);
    }
    ist_free(reason);
    if (rc == IST_OK)
        set_outputs(c, false);
    return rc;
}

static int32_t plan_all(struct csr *c, const json_t *observed, ist_error *err)
{
    const char *state = csr_vm_state(c);
    bool stuck = strcmp(state, "stuck") == 0;
    if (stuck || strcmp(state, "absent") == 0)
        return plan_creation_of_all(c, stuck, err);
    int32_t rc = IST_OK;
    plan_machine(c, state);
    if (comes_fresh(c))
        rc = plan_fresh(c, IST_UPDATE, err);
    else
        rc = plan_config(c, json_object_get(observed, "router"), err);
    if (rc == IST_OK)
        set_outputs(c, true);
    return rc;
}

int32_t csr_plan(const ist_host *host, ist_call *call)
{
    struct csr c;
    ist_error err = {0};
    int32_t rc = csr_open(&c, host, call, &err);
    json_t *observed = rc == IST_OK ? ist_observed(&c.env) : NULL;
    // Seen a moment ago, and not asked for again.
    if (json_object_get(observed, "vm"))
        csr_recall_vm(&c, observed);
    else if (rc == IST_OK)
        rc = csr_prepare_vm(&c, &err);
    if (rc == IST_OK)
        rc = check_ownership(&c, &err);
    if (rc == IST_OK) {
        csr_tell(&c.env, c.inputs);
        rc = plan_all(&c, observed, &err);
    }
    json_decref(observed);
    return end(&c, rc, &err);
}

// ---- apply and destroy ----

int32_t csr_apply(const ist_host *host, ist_call *call)
{
    struct csr c;
    ist_error err = {0};
    int32_t rc = csr_open(&c, host, call, &err);
    if (rc == IST_OK)
        rc = csr_launch(&c, &err);
    if (rc == IST_OK)
        rc = csr_configure(&c, &err);
    if (rc == IST_OK)
        set_outputs(&c, true);
    return end(&c, rc, &err);
}

int32_t csr_destroy(const ist_host *host, ist_call *call)
{
    struct csr c;
    ist_error err = {0};
    int32_t rc = csr_open(&c, host, call, &err);
    if (rc == IST_OK)
        rc = csr_remove(&c, &err);
    return end(&c, rc, &err);
}
