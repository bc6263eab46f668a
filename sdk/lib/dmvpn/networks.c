// What the role's inputs mean, where they may be left out.
#include <isthmus/dmvpn.h>

#include <isthmus/schema.h>

#include <string.h>

int ist_dmvpn_is_hub(const json_t *inputs)
{
    return strcmp(ist_json_str_or(inputs, "mode", "spoke"), "hub") == 0;
}

int ist_dmvpn_is_static(const json_t *inputs)
{
    return strcmp(ist_json_str_or(inputs, "routing", "ospf"), "static") == 0;
}

const char *ist_dmvpn_where(const json_t *inputs)
{
    return ist_json_str_or(inputs, "where", "vpc");
}

const char *ist_dmvpn_identity_type(const char *identity)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
                      rest[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    const char *at = strchr(identity, '@'), *name = at ? at + 1 : identity;
    uint32_t address;
    if (ist_ipv4_parse(identity, &address) == IST_OK)
        return "address";
    // Neither the user nor the name is empty, and a name is no number: 10.0.0.256 is an address that is none.
    if (strlen(identity) > 255 || (at && strspn(identity, rest) != (size_t)(at - identity)) ||
        at == identity || !*name || strspn(name, rest) != strlen(name) || !strpbrk(name, letters) ||
        *name == '.' || *name == '-' || strstr(name, ".."))
        return NULL;
    return at ? "email" : "fqdn";
}

static void add_hub(json_t *hubs, const char *tunnel, const char *address, const char *identity)
{
    json_array_append_new(hubs, json_pack("{ss ss ss}", "tunnel_address", tunnel, "address", address,
                                          "identity", identity ? identity : address));
}

json_t *ist_dmvpn_hubs(const json_t *inputs)
{
    json_t *hubs = json_array(), *hub;
    size_t i;
    const char *address = ist_json_str(inputs, "ike_profile.remote_peer_ip");
    if (!ist_dmvpn_is_hub(inputs) && address)
        add_hub(hubs, ist_json_str_or(inputs, "nhrp.HubTunnelIP", ""), address,
                ist_json_str(inputs, "ike_profile.remote_identities[0]"));
    json_array_foreach(json_object_get(inputs, "hubs"), i, hub)
    {
        add_hub(hubs, ist_json_str_or(hub, "tunnel_address", ""), ist_json_str_or(hub, "address", ""),
                ist_json_str(hub, "identity"));
    }
    return hubs;
}

json_t *ist_dmvpn_announced(const json_t *inputs)
{
    json_t *out = json_array(), *one;
    size_t i;
    json_array_foreach(json_object_get(inputs, "announce"), i, one)
    {
        json_array_append(out, one);
    }
    if (json_array_size(out) > 0)
        return out;
    json_array_foreach(json_object_get(inputs, "private_subnets"), i, one)
    {
        json_array_append_new(out, json_string(ist_json_str_or(one, "cidr", "")));
    }
    return out;
}

json_t *ist_dmvpn_static_routes(const json_t *inputs)
{
    static const char *const defaults[] = {"onPremCidr", "onPremPodCidr"};
    json_t *out = json_array(), *one;
    size_t i;
    if (!ist_dmvpn_is_static(inputs))
        return out;
    json_array_foreach(json_object_get(inputs, "static_routes"), i, one)
    {
        json_array_append(out, one);
    }
    for (i = 0; !ist_dmvpn_is_hub(inputs) && json_array_size(json_object_get(inputs, "static_routes")) == 0 &&
                i < sizeof defaults / sizeof *defaults;
         i++) {
        if (ist_json_str(inputs, defaults[i]))
            json_array_append_new(out, json_pack("{ss ss}", "network", ist_json_str(inputs, defaults[i]),
                                                 "via", ist_json_str_or(inputs, "nhrp.HubTunnelIP", "")));
    }
    return out;
}
