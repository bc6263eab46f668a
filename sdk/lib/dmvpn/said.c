// What is said of an endpoint's machine: its outputs, why it cannot be read, what would be on it.
#include <isthmus/alloc.h>
#include <isthmus/dmvpn_machine.h>

void ist_dmvpn_set_outputs(const ist_env *env, const json_t *inputs, const ist_dmvpn_machine *m)
{
    const char *tunnel = ist_json_str(inputs, "DmvpnIp"), *seen_as = ist_json_str(inputs, "nbma_address");
    if (tunnel)
        ist_set_output(env, "tunnel_address", json_string(tunnel));
    if (seen_as || *m->outside_address)
        ist_set_output(env, "nbma_address", json_string(seen_as ? seen_as : m->outside_address));
    if (*m->inside_address)
        ist_set_output(env, "next_hop", json_pack("{ss ss}", "kind", "ip", "id", m->inside_address));
    ist_set_output(env, "security_group", json_string(""));
}

json_t *ist_dmvpn_unseen(const ist_error *why)
{
    json_t *out = json_pack("{si ss ss ss}", "code", why->code, "where", why->where, "unknown", why->text,
                            "hint", why->hint);
    // Words of a device that are no UTF-8 have no place in JSON.
    return out ? out : json_pack("{si ss}", "code", why->code, "unknown", "what it answers is no text");
}

int32_t ist_dmvpn_why_unseen(const json_t *unseen, const ist_dmvpn_kind *kind, ist_error *err)
{
    const char *text = ist_json_str(unseen, "unknown");
    const int32_t code = (int32_t)ist_json_int(unseen, "code", 0);
    if (!text)
        return ist_fail(err, IST_ERR_NETWORK, kind->word, "it was not seen");
    if (code == IST_ERR_INPUT) // an input does not fit what is there
        ist_fail(err, code, ist_json_str_or(unseen, "where", kind->word), "%s", text);
    else
        ist_fail(err, code ? code : IST_ERR_DENIED, kind->word, "its configuration cannot be read: %s", text);
    ist_hint(err, "%s", ist_json_str_or(unseen, "hint", ""));
    return code ? code : IST_ERR_DENIED;
}

int32_t ist_dmvpn_render(const ist_host *host, ist_call *call, int32_t (*check)(const ist_host *, ist_call *),
                         const ist_dmvpn_kind *kind, ist_dmvpn_text text_of)
{
    const ist_env env = {host, call};
    ist_error err = {0};
    ist_dmvpn_machine machine;
    char *text = NULL;
    int32_t rc = check(host, call); // says itself what is wrong
    if (rc != IST_OK)
        return rc;
    json_t *inputs = ist_inputs(&env);
    rc = ist_dmvpn_machine_given(inputs, kind, &machine, &err);
    if (rc == IST_OK)
        rc = text_of(inputs, &machine, &text, &err);
    if (rc == IST_OK)
        host->print(call, text);
    else
        ist_report(&env, &err);
    ist_free_secret(text);
    json_decref(inputs);
    return rc;
}
