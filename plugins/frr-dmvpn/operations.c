// observe, plan, apply and destroy.
#include "frr.h"

#include <string.h>

static int32_t end(struct frr *f, int32_t rc, const ist_error *err)
{
    if (rc != IST_OK)
        ist_report(&f->env, err);
    frr_close(f);
    return rc;
}

int32_t frr_check(const ist_host *host, ist_call *call)
{
    static const char *const render_needs[] = {"outside_interface", "public_address", "inside_interface",
                                               "private_address", "inside_network"};
    ist_checking *c = ist_checking_new(&(ist_env){host, call});
    const char *where = ist_dmvpn_where(ist_checking_inputs(c));
    ist_dmvpn_register_secrets(ist_checking_env(c), ist_checking_inputs(c));
    ist_dmvpn_check(c);
    ist_check_names(c, "image");
    ist_check_names(c, "image_owner");
    ist_check_names(c, "image_parameter");
    for (size_t i = 0; strcmp(where, "render") == 0 && i < sizeof render_needs / sizeof *render_needs; i++) {
        if (ist_is_known(c, render_needs[i]) && !ist_checking_at(c, render_needs[i]))
            ist_wrong(c, render_needs[i],
                      "is missing: `where: render` asks no machine, so that all has to be said");
    }
    ist_check_line(c, "outside_interface");
    ist_check_line(c, "inside_interface");
    return ist_checking_end(c);
}

static void tell(const struct frr *f)
{
    const char *outside = frr_input(f, "ike_profile.local_identity");
    ist_dmvpn_tell(&f->env, f->inputs);
    ist_log(&f->env, IST_LOG_INFO,
            "nothing is forwarded in or out of the outside interface but through the tunnel, at no time");
    if (f->vm && strcmp(ist_json_str_or(f->inputs, "InboundSSH", ""), "0.0.0.0/0") == 0)
        ist_log(
            &f->env, IST_LOG_WARN,
            "SSH to the host is open to everybody (`InboundSSH: 0.0.0.0/0`): the network from which it is "
            "configured is enough");
    if (!outside)
        ist_log(&f->env, IST_LOG_INFO,
                "the IKE identity is the outside interface's own address, private behind NAT "
                "(`ike_profile.local_identity` sets another)");
}

static void set_outputs(const struct frr *f, const frr_facts *facts)
{
    const char *seen_as = frr_input(f, "nbma_address");
    ist_set_output(&f->env, "tunnel_address", json_string(ist_json_str_or(f->inputs, "DmvpnIp", "")));
    ist_set_output(&f->env, "nbma_address", json_string(seen_as ? seen_as : facts->outside_address));
    ist_set_output(&f->env, "next_hop", json_pack("{ss ss}", "kind", "ip", "id", facts->inside_address));
    ist_set_output(&f->env, "security_group", json_string(""));
}

// ---- observe ----

static json_t *cause_of(const ist_error *err)
{
    json_t *out = json_pack("{si ss ss ss}", "code", err->code, "where", err->where, "unknown", err->text,
                            "hint", err->hint);
    // Words of a host that are no UTF-8 have no place in JSON.
    return out ? out : json_pack("{si ss}", "code", err->code, "unknown", "what it answers is no text");
}

static int32_t look(struct frr *f, json_t **out, frr_facts *facts, ist_error *err)
{
    struct host h;
    frr_files files = {.count = 0};
    json_t *seen = NULL;
    int32_t rc = frr_connect(f, &h, err);
    if (rc == IST_OK)
        rc = frr_look(f, &h, &seen, err);
    if (rc == IST_OK)
        rc = frr_facts_found(f->inputs, json_object_get(seen, "addresses"), json_object_get(seen, "routes"),
                             facts, err);
    if (rc == IST_OK) {
        frr_generate(f->inputs, facts, &files);
        // The texts of its files stay here: there are keys in them.
        *out = json_pack("{so ss ss ss}", "differences", frr_differences(f, seen, &files), "pending",
                         ist_json_str_or(seen, "pending", ""), "frr", ist_json_str_or(seen, "frr", ""),
                         "outside", facts->outside);
        frr_files_free(&files);
    }
    frr_hang_up(&h);
    json_decref(seen);
    return rc;
}

static json_t *look_or_why(struct frr *f)
{
    ist_error why = {.where = "host", .text = "its host key has not been seen yet"};
    frr_facts facts;
    json_t *seen = NULL;
    return frr_is_known(f) && look(f, &seen, &facts, &why) == IST_OK ? seen : cause_of(&why);
}

static int32_t observe_machine(struct frr *f, ist_error *err)
{
    int32_t rc = frr_find_machine(f, NULL, err);
    if (rc != IST_OK)
        return rc;
    bool up = ist_dmvpn_vm_runs(f->vm);
    json_t *seen = ist_dmvpn_vm_observed(f->vm);
    if (up && f->address)
        json_object_set_new(seen, "host", look_or_why(f));
    ist_set_observed(&f->env, seen);
    ist_dmvpn_vm_set_outputs(f->vm, up);
    return IST_OK;
}

int32_t frr_observe(const ist_host *host, ist_call *call)
{
    struct frr f;
    ist_error err = {0}, why = {0};
    frr_facts facts;
    json_t *seen = NULL;
    int32_t rc = frr_open(&f, host, call, &err);
    if (rc == IST_OK && f.vm) {
        rc = observe_machine(&f, &err);
    } else if (rc == IST_OK && f.existing && f.address) {
        if (look(&f, &seen, &facts, &why) == IST_OK)
            set_outputs(&f, &facts);
        else
            seen = cause_of(&why);
        ist_set_observed(&f.env, seen);
    } else if (rc == IST_OK && strcmp(ist_dmvpn_where(f.inputs), "render") == 0) {
        if (frr_facts_given(f.inputs, &facts, NULL) == IST_OK)
            set_outputs(&f, &facts);
    }
    return end(&f, rc, &err);
}

// ---- plan ----

static void plan_differences(const struct frr *f, const json_t *differences)
{
    json_t *one, *field;
    size_t i, k;
    json_array_foreach((json_t *)differences, i, one)
    {
        const char *resource = ist_json_str_or(one, "resource", "?");
        ist_change(&f->env, (uint32_t)ist_json_int(one, "action", IST_UPDATE), resource,
                   ist_json_str(one, "reason"));
        json_array_foreach(json_object_get(one, "fields"), k, field)
        {
            json_t *before = json_object_get(field, "before"), *after = json_object_get(field, "after");
            ist_change_field(&f->env, resource, ist_json_str_or(field, "field", "?"),
                             before ? json_incref(before) : NULL, after ? json_incref(after) : NULL);
        }
    }
}

// A host that was configured once and cannot be read is no update: what it would be, nobody can say. Only where the way
// to it is about to be mended, or its configuration never was completed, is apply what helps.
static bool apply_would_help(const struct frr *f, int64_t code)
{
    bool unreachable = code == IST_ERR_NETWORK || code == IST_ERR_TIMEOUT;
    return f->vm && (frr_is_unsettled(f, R_CONFIG) || !frr_record(f, R_CONFIG) ||
                     (unreachable && strcmp(ist_dmvpn_vm_state(f->vm), "drifted") == 0));
}

static int32_t plan_host(const struct frr *f, const json_t *observed, ist_error *err)
{
    const char *unknown = ist_json_str(observed, "unknown");
    const json_t *differences = json_object_get(observed, "differences");
    if (!differences && apply_would_help(f, ist_json_int(observed, "code", 0))) {
        char *reason =
            ist_printf("its configuration cannot be read: %s", unknown ? unknown : "it does not run");
        ist_change(&f->env, IST_UPDATE, R_CONFIG, reason);
        ist_free(reason);
        return IST_OK;
    }
    if (f->vm && !observed)
        return IST_OK; // it does not run: how it stands is seen when it does
    if (unknown || !differences) {
        int32_t rc =
            ist_fail(err, (int32_t)ist_json_int(observed, "code", IST_ERR_NETWORK),
                     ist_json_str_or(observed, "where", "host"), "%s", unknown ? unknown : "it was not seen");
        ist_hint(err, "%s", ist_json_str_or(observed, "hint", ""));
        return rc;
    }
    plan_differences(f, differences);
    if (json_array_size(differences) == 0 && (frr_is_unsettled(f, R_CONFIG) || !frr_record(f, R_CONFIG)))
        ist_change(&f->env, IST_UPDATE, R_CONFIG, "an earlier run ended before it was confirmed");
    else if (json_array_size(differences) == 0 && *ist_json_str_or(observed, "pending", ""))
        ist_change(&f->env, IST_UPDATE, R_CONFIG, "a change of somebody else is not confirmed");
    return IST_OK;
}

static int32_t plan_machine(struct frr *f, const json_t *observed, ist_error *err)
{
    int32_t rc = frr_find_machine(f, observed, err);
    if (rc == IST_OK)
        rc = ist_dmvpn_vm_check_ownership(f->vm, err);
    if (rc != IST_OK)
        return rc;
    const char *state = ist_dmvpn_vm_state(f->vm);
    bool absent = strcmp(state, "stuck") == 0 || strcmp(state, "absent") == 0;
    if (absent)
        rc = ist_dmvpn_vm_plan_creation(f->vm, err);
    else
        rc = ist_dmvpn_vm_plan(f->vm, err);
    if (rc == IST_OK && (absent || ist_dmvpn_vm_comes_fresh(f->vm))) {
        json_t *all = frr_fresh(f, err);
        plan_differences(f, all);
        rc = all ? IST_OK : IST_ERR_INPUT;
        json_decref(all);
    } else if (rc == IST_OK) {
        rc = plan_host(f, json_object_get(observed, "host"), err);
    }
    if (rc == IST_OK)
        ist_dmvpn_vm_set_outputs(f->vm, !absent);
    return rc;
}

int32_t frr_plan(const ist_host *host, ist_call *call)
{
    struct frr f;
    ist_error err = {0};
    frr_facts facts;
    int32_t rc = frr_open(&f, host, call, &err);
    if (rc == IST_OK) {
        json_t *observed = ist_observed(&f.env);
        tell(&f);
        if (f.vm)
            rc = plan_machine(&f, observed, &err);
        else if (f.existing)
            rc = plan_host(&f, observed, &err);
        else if ((rc = frr_facts_given(f.inputs, &facts, &err)) == IST_OK)
            set_outputs(&f, &facts); // nothing is made anywhere: `isthmus dmvpn render` prints it
        json_decref(observed);
    }
    return end(&f, rc, &err);
}

// ---- apply and destroy ----

int32_t frr_apply(const ist_host *host, ist_call *call)
{
    struct frr f;
    ist_error err = {0};
    frr_facts facts;
    int32_t rc = frr_open(&f, host, call, &err);
    if (rc == IST_OK && f.vm) {
        rc = frr_launch(&f, &err);
        if (rc == IST_OK)
            rc = frr_change(&f, &facts, &err);
        if (rc == IST_OK)
            ist_dmvpn_vm_set_outputs(f.vm, true);
        return end(&f, rc, &err);
    }
    if (rc == IST_OK && f.existing) {
        rc = frr_change(&f, &facts, &err);
    } else if (rc == IST_OK) {
        rc = frr_facts_given(f.inputs, &facts, &err);
    }
    if (rc == IST_OK)
        set_outputs(&f, &facts);
    return end(&f, rc, &err);
}

int32_t frr_destroy(const ist_host *host, ist_call *call)
{
    struct frr f;
    ist_error err = {0};
    int32_t rc = frr_open(&f, host, call, &err);
    if (rc == IST_OK)
        rc = f.vm ? ist_dmvpn_vm_remove(f.vm, &err) : frr_remove(&f, &err);
    return end(&f, rc, &err);
}
