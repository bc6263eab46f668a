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

// The stack's and the router's own; what of it is gone will have another value.
static void set_outputs(const struct csr *c, bool machine)
{
    const char *key = ist_json_str(csr_record(c, R_ROUTER), "host_key"),
               *instance = ist_json_str(ist_dmvpn_vm_seen(c->vm), "instance.id");
    bool stays = machine && !ist_dmvpn_vm_comes_fresh(c->vm);
    ist_dmvpn_vm_set_outputs(c->vm, machine);
    if (stays && instance)
        ist_set_output(&c->env, "instance_id", json_string(instance));
    if (stays && key)
        ist_set_output(&c->env, "ssh_host_key", json_string(key));
}

// Of a router that nobody launched.
static void set_router_outputs(const struct csr *c)
{
    ist_dmvpn_set_outputs(&c->env, c->inputs, &c->machine);
    ist_set_output(&c->env, "instance_id", json_string(""));
}

// ---- observe ----

// What stands on the router, or why that cannot be said.
static json_t *look_at_router(struct csr *c)
{
    struct device d = {0};
    ist_error err = {.text = "its host key has not been seen yet"};
    json_t *out;
    if (c->place == CSR_VPC && !ist_json_str(csr_record(c, R_ROUTER), "host_key") &&
        !csr_input(c, "ssh.known_hosts"))
        return ist_dmvpn_unseen(&err);
    int32_t rc = csr_connect(c, false, &d, NULL, &err);
    if (rc == IST_OK)
        rc = csr_compare(c, &d, &err);
    if (rc == IST_OK)
        out = json_pack("{so si so}", "commands", csr_commands(&d.diff), "pending", d.now.pending, "machine",
                        ist_dmvpn_machine_observed(&c->machine));
    else
        out = ist_dmvpn_unseen(&err);
    csr_hang_up(&d);
    return out;
}

int32_t csr_observe(const ist_host *host, ist_call *call)
{
    struct csr c;
    ist_error err = {0};
    int32_t rc = csr_open(&c, host, call, &err);
    if (rc == IST_OK && c.place == CSR_RENDER)
        set_router_outputs(&c);
    if (rc == IST_OK && c.place == CSR_EXISTING) {
        json_t *router = csr_input(&c, "ssh.host") ? look_at_router(&c) : NULL;
        if (ist_json_at(router, "commands"))
            set_router_outputs(&c);
        if (router)
            ist_set_observed(&c.env, json_pack("{so}", "router", router));
    }
    if (rc != IST_OK || c.place != CSR_VPC)
        return end(&c, rc, &err);
    rc = ist_dmvpn_vm_prepare(c.vm, &err);
    if (rc == IST_OK) {
        bool machine = ist_dmvpn_vm_runs(c.vm);
        json_t *seen = ist_dmvpn_vm_observed(c.vm);
        if (machine)
            json_object_set_new(seen, "router", look_at_router(&c));
        ist_set_observed(&c.env, seen);
        set_outputs(&c, machine);
    }
    return end(&c, rc, &err);
}

// ---- plan ----

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

static int32_t plan_config(struct csr *c, const json_t *router, ist_error *err)
{
    const char *unknown = ist_json_str(router, "unknown");
    const json_t *commands = json_object_get(router, "commands");
    if (unknown && !ist_dmvpn_vm_apply_would_help(c->vm, ist_json_int(router, "code", 0)))
        return ist_dmvpn_why_unseen(router, &csr_kind, err);
    if (unknown) {
        char *reason = ist_printf("its configuration cannot be read: %s", unknown);
        plan_commands(c, IST_UPDATE, reason, NULL);
        ist_free(reason);
    } else if (json_array_size(commands) > 0) {
        plan_commands(c, csr_record(c, R_CONFIG) || c->place == CSR_VPC ? IST_UPDATE : IST_CREATE, NULL,
                      commands);
    } else if (csr_is_unsettled(c, R_CONFIG) || !csr_record(c, R_CONFIG)) {
        const bool begun = c->place == CSR_VPC || csr_is_unsettled(c, R_CONFIG);
        plan_commands(c, IST_UPDATE,
                      begun ? "an earlier run ended before it was confirmed and saved"
                            : "it is configured so already: it is saved, and taken over",
                      NULL);
    }
    return IST_OK;
}

static int32_t plan_all(struct csr *c, const json_t *observed, ist_error *err)
{
    const char *state = ist_dmvpn_vm_state(c->vm);
    bool absent = strcmp(state, "stuck") == 0 || strcmp(state, "absent") == 0;
    int32_t rc = IST_OK;
    if (absent)
        rc = ist_dmvpn_vm_plan_creation(c->vm, err);
    else
        rc = ist_dmvpn_vm_plan(c->vm, err);
    if (rc == IST_OK && absent)
        rc = plan_fresh(c, IST_CREATE, err);
    else if (rc == IST_OK && ist_dmvpn_vm_comes_fresh(c->vm))
        rc = plan_fresh(c, IST_UPDATE, err);
    else if (rc == IST_OK)
        rc = plan_config(c, json_object_get(observed, "router"), err);
    if (rc == IST_OK)
        set_outputs(c, !absent);
    return rc;
}

// A router that was there before, or the configuration alone.
static int32_t plan_router(struct csr *c, const json_t *router, ist_error *err)
{
    int32_t rc = IST_OK;
    if (c->place == CSR_RENDER) {
        ist_log(&c->env, IST_LOG_INFO,
                "nothing is done anywhere: `isthmus dmvpn render` prints the configuration");
        set_router_outputs(c);
        return IST_OK;
    }
    if (!router)
        return ist_dmvpn_why_unseen(NULL, &csr_kind, err);
    rc = plan_config(c, router, err);
    if (rc == IST_OK && json_object_get(router, "machine")) {
        ist_dmvpn_machine_recall(&c->machine, json_object_get(router, "machine"));
        set_router_outputs(c);
    }
    return rc;
}

int32_t csr_plan(const ist_host *host, ist_call *call)
{
    struct csr c;
    ist_error err = {0};
    int32_t rc = csr_open(&c, host, call, &err);
    json_t *observed = rc == IST_OK ? ist_observed(&c.env) : NULL;
    if (rc == IST_OK && c.place != CSR_VPC) {
        ist_dmvpn_tell(&c.env, c.inputs);
        rc = plan_router(&c, json_object_get(observed, "router"), &err);
        json_decref(observed);
        return end(&c, rc, &err);
    }
    // Seen a moment ago, and not asked for again.
    if (json_object_get(observed, "vm"))
        ist_dmvpn_vm_recall(c.vm, observed);
    else if (rc == IST_OK)
        rc = ist_dmvpn_vm_prepare(c.vm, &err);
    if (rc == IST_OK)
        rc = ist_dmvpn_vm_check_ownership(c.vm, &err);
    if (rc == IST_OK) {
        ist_dmvpn_tell(&c.env, c.inputs);
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
    if (rc == IST_OK && c.place == CSR_VPC)
        rc = ist_dmvpn_vm_launch(c.vm, &err);
    if (rc == IST_OK && c.place != CSR_RENDER)
        rc = csr_configure(&c, &err);
    if (rc == IST_OK && c.place == CSR_VPC)
        set_outputs(&c, true);
    else if (rc == IST_OK)
        set_router_outputs(&c);
    return end(&c, rc, &err);
}

int32_t csr_destroy(const ist_host *host, ist_call *call)
{
    struct csr c;
    ist_error err = {0};
    int32_t rc = csr_open(&c, host, call, &err);
    if (rc == IST_OK)
        rc = c.place == CSR_VPC ? ist_dmvpn_vm_remove(c.vm, &err) : csr_withdraw(&c, &err);
    return end(&c, rc, &err);
}
