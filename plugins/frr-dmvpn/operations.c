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
    ist_checking *c = ist_checking_new(&(ist_env){host, call});
    ist_dmvpn_register_secrets(ist_checking_env(c), ist_checking_inputs(c));
    ist_dmvpn_check(c);
    ist_dmvpn_check_machine(c, &frr_kind);
    ist_check_names(c, "image");
    ist_check_names(c, "image_owner");
    ist_check_names(c, "image_parameter");
    return ist_checking_end(c);
}

static void tell(const struct frr *f)
{
    ist_dmvpn_tell(&f->env, f->inputs);
    ist_log(&f->env, IST_LOG_INFO,
            "nothing is forwarded in or out of the outside interface but through the tunnel, at no time");
}

// ---- observe ----

static int32_t look(struct frr *f, json_t **out, ist_dmvpn_machine *machine, ist_error *err)
{
    struct host h;
    frr_files files = {.count = 0};
    json_t *seen = NULL;
    int32_t rc = frr_connect(f, &h, err);
    if (rc == IST_OK)
        rc = frr_look(f, &h, &seen, err);
    if (rc == IST_OK)
        rc = frr_machine_found(f->inputs, json_object_get(seen, "addresses"), json_object_get(seen, "routes"),
                               machine, err);
    if (rc == IST_OK) {
        frr_generate(f->inputs, machine, &files);
        // The texts of its files stay here: there are keys in them.
        *out = json_pack("{so ss ss so}", "differences", frr_differences(f, seen, &files), "pending",
                         ist_json_str_or(seen, "pending", ""), "frr", ist_json_str_or(seen, "frr", ""),
                         "machine", ist_dmvpn_machine_observed(machine));
        frr_files_free(&files);
    }
    frr_hang_up(&h);
    json_decref(seen);
    return rc;
}

static json_t *look_or_why(struct frr *f)
{
    ist_error why = {.where = "host", .text = "its host key has not been seen yet"};
    ist_dmvpn_machine machine;
    json_t *seen = NULL;
    return frr_is_known(f) && look(f, &seen, &machine, &why) == IST_OK ? seen : ist_dmvpn_unseen(&why);
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
    ist_dmvpn_machine machine;
    json_t *seen = NULL;
    int32_t rc = frr_open(&f, host, call, &err);
    if (rc == IST_OK && f.vm) {
        rc = observe_machine(&f, &err);
    } else if (rc == IST_OK && f.existing && f.address) {
        if (look(&f, &seen, &machine, &why) == IST_OK)
            ist_dmvpn_set_outputs(&f.env, f.inputs, &machine);
        else
            seen = ist_dmvpn_unseen(&why);
        ist_set_observed(&f.env, seen);
    } else if (rc == IST_OK && strcmp(ist_dmvpn_where(f.inputs), "render") == 0) {
        if (ist_dmvpn_machine_given(f.inputs, &frr_kind, &machine, NULL) == IST_OK)
            ist_dmvpn_set_outputs(&f.env, f.inputs, &machine);
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

static int32_t plan_host(const struct frr *f, const json_t *observed, ist_error *err)
{
    const char *unknown = ist_json_str(observed, "unknown");
    const json_t *differences = json_object_get(observed, "differences");
    if (!differences && ist_dmvpn_vm_apply_would_help(f->vm, ist_json_int(observed, "code", 0))) {
        char *reason =
            ist_printf("its configuration cannot be read: %s", unknown ? unknown : "it does not run");
        ist_change(&f->env, IST_UPDATE, R_CONFIG, reason);
        ist_free(reason);
        return IST_OK;
    }
    if (f->vm && !observed)
        return IST_OK; // it does not run: how it stands is seen when it does
    if (!differences)
        return ist_dmvpn_why_unseen(observed, &frr_kind, err);
    plan_differences(f, differences);
    if (json_array_size(differences) == 0 && (frr_is_unsettled(f, R_CONFIG) || !frr_record(f, R_CONFIG)))
        ist_change(&f->env, IST_UPDATE, R_CONFIG,
                   f->vm || frr_is_unsettled(f, R_CONFIG) ? "an earlier run ended before it was confirmed"
                                                          : "it is configured so already: it is taken over");
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

static int32_t plan_existing(const struct frr *f, const json_t *observed, ist_error *err)
{
    ist_dmvpn_machine machine;
    int32_t rc = plan_host(f, observed, err);
    ist_dmvpn_machine_recall(&machine, json_object_get(observed, "machine"));
    if (rc == IST_OK)
        ist_dmvpn_set_outputs(&f->env, f->inputs, &machine);
    return rc;
}

int32_t frr_plan(const ist_host *host, ist_call *call)
{
    struct frr f;
    ist_error err = {0};
    ist_dmvpn_machine machine;
    int32_t rc = frr_open(&f, host, call, &err);
    if (rc == IST_OK) {
        json_t *observed = ist_observed(&f.env);
        tell(&f);
        if (f.vm)
            rc = plan_machine(&f, observed, &err);
        else if (f.existing)
            rc = plan_existing(&f, observed, &err);
        else if ((rc = ist_dmvpn_machine_given(f.inputs, &frr_kind, &machine, &err)) == IST_OK)
            ist_dmvpn_set_outputs(&f.env, f.inputs,
                                  &machine); // nothing is made anywhere: `isthmus dmvpn render` prints it
        json_decref(observed);
    }
    return end(&f, rc, &err);
}

// ---- apply and destroy ----

int32_t frr_apply(const ist_host *host, ist_call *call)
{
    struct frr f;
    ist_error err = {0};
    ist_dmvpn_machine machine;
    int32_t rc = frr_open(&f, host, call, &err);
    if (rc == IST_OK && f.vm) {
        rc = frr_launch(&f, &err);
        if (rc == IST_OK)
            rc = frr_change(&f, &machine, &err);
        if (rc == IST_OK)
            ist_dmvpn_vm_set_outputs(f.vm, true);
        return end(&f, rc, &err);
    }
    if (rc == IST_OK && f.existing) {
        rc = frr_change(&f, &machine, &err);
    } else if (rc == IST_OK) {
        rc = ist_dmvpn_machine_given(f.inputs, &frr_kind, &machine, &err);
    }
    if (rc == IST_OK)
        ist_dmvpn_set_outputs(&f.env, f.inputs, &machine);
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
