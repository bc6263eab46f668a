// What the role's inputs may be, and what is put right about the walk-through's.
#include <isthmus/dmvpn.h>

#include <isthmus/schema.h>
#include <stdbool.h>
#include <string.h>

static bool is_mask(const char *text, uint32_t *mask)
{
    return text && ist_ipv4_parse(text, mask) == IST_OK && (~*mask & (~*mask + 1)) == 0;
}

static const char *text_at(const json_t *inputs, const char *path)
{
    return ist_json_str_or(inputs, path, "");
}

// A secret becomes one word of a command line.
static int32_t check_word(const json_t *inputs, const char *path, size_t most, const char *why,
                          ist_error *err)
{
    const char *text = text_at(inputs, path);
    size_t len = strlen(text);
    if (!len)
        return ist_fail(err, IST_ERR_INPUT, path, "is empty");
    for (size_t i = 0; i < len; i++) {
        if (text[i] <= ' ' || text[i] == 0x7f)
            return ist_fail(err, IST_ERR_INPUT, path,
                            "holds a space or a control character, which no router's configuration can take");
    }
    if (len > most)
        return ist_fail(err, IST_ERR_INPUT, path, "has %zu characters, %s takes %zu at most", len, why, most);
    return IST_OK;
}

static int32_t check_tunnel(const json_t *inputs, ist_error *err)
{
    uint32_t own, mask, hub, net, wild;
    if (!is_mask(text_at(inputs, "DmvpnNetmask"), &mask))
        return ist_fail(err, IST_ERR_INPUT, "DmvpnNetmask", "%s is no mask", text_at(inputs, "DmvpnNetmask"));
    bool known = ist_ipv4_parse(text_at(inputs, "DmvpnIp"), &own) == IST_OK &&
                 ist_ipv4_parse(text_at(inputs, "nhrp.HubTunnelIP"), &hub) == IST_OK && !((own ^ hub) & mask);
    if (known && ist_dmvpn_is_hub(inputs) && own != hub)
        return ist_fail(err, IST_ERR_INPUT, "nhrp.HubTunnelIP",
                        "%s is not the tunnel address %s of this hub itself",
                        text_at(inputs, "nhrp.HubTunnelIP"), text_at(inputs, "DmvpnIp"));
    if (!known || (!ist_dmvpn_is_hub(inputs) && own == hub))
        return ist_fail(err, IST_ERR_INPUT, "nhrp.HubTunnelIP",
                        "%s is not another host of the tunnel network of %s",
                        text_at(inputs, "nhrp.HubTunnelIP"), text_at(inputs, "DmvpnIp"));
    if (ist_dmvpn_is_static(inputs))
        return IST_OK;
    if (ist_ipv4_parse(text_at(inputs, "ospf.tunnelNetwork"), &net) != IST_OK ||
        ist_ipv4_parse(text_at(inputs, "ospf.tunnelWildcard"), &wild) != IST_OK || ((net ^ own) & ~wild))
        return ist_fail(err, IST_ERR_INPUT, "ospf.tunnelNetwork",
                        "%s with wildcard %s does not cover the tunnel address %s",
                        text_at(inputs, "ospf.tunnelNetwork"), text_at(inputs, "ospf.tunnelWildcard"),
                        text_at(inputs, "DmvpnIp"));
    return IST_OK;
}

static int32_t check_ospf_key(const json_t *inputs, ist_error *err)
{
    const char *way = text_at(inputs, "ospf.authentication");
    if (strcmp(way, "simple") == 0)
        return check_word(inputs, "ospf.authKey", 8, "simple authentication", err);
    if (strcmp(way, "md5") == 0)
        return check_word(inputs, "ospf.authKey", 16, "md5 authentication", err);
    return IST_OK;
}

// What the table leaves open, because not every endpoint needs it.
static int32_t check_needed(const json_t *inputs, ist_error *err)
{
    const bool hub = ist_dmvpn_is_hub(inputs), ospf = !ist_dmvpn_is_static(inputs);
    const bool vpc = strcmp(ist_dmvpn_where(inputs), "vpc") == 0;
    const bool existing = strcmp(ist_dmvpn_where(inputs), "existing") == 0;
    const struct {
        const char *path;
        bool needed;
        const char *by;
    } rows[] = {{"ike_profile.remote_peer_ip", !hub, "a spoke"},
                {"ospf.processId", ospf, "OSPF"},
                {"ospf.tunnelNetwork", ospf, "OSPF"},
                {"ospf.tunnelWildcard", ospf, "OSPF"},
                {"ospf.vpcArea", ospf, "OSPF"},
                {"ospf.tunnelArea", ospf, "OSPF"},
                {"name", vpc, "a launch in a VPC"},
                {"vpc_id", vpc, "a launch in a VPC"},
                {"public_subnet", vpc, "a launch in a VPC"},
                {"private_subnets", vpc, "a launch in a VPC"},
                {"ssh_key", vpc, "a launch in a VPC"},
                {"ssh.host", existing, "`where: existing`"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].needed && !ist_json_at(inputs, rows[i].path))
            return ist_fail(err, IST_ERR_INPUT, rows[i].path, "is missing: %s needs it", rows[i].by);
    }
    return IST_OK;
}

static int32_t check_numbers(const json_t *inputs, ist_error *err)
{
    int64_t minutes = ist_json_int(inputs, "revert_minutes", 5), port = ist_json_int(inputs, "ssh.port", 22);
    int64_t id = ist_json_int(inputs, "nhrp.network_id", 100);
    if (minutes < 1 || minutes > 120)
        return ist_fail(err, IST_ERR_INPUT, "revert_minutes", "%lld is not between 1 and 120",
                        (long long)minutes);
    if (port < 1 || port > 65535)
        return ist_fail(err, IST_ERR_INPUT, "ssh.port", "%lld is no port", (long long)port);
    if (id < 1 || id > 0xffffffffLL)
        return ist_fail(err, IST_ERR_INPUT, "nhrp.network_id", "%lld is no network id", (long long)id);
    return IST_OK;
}

int32_t ist_dmvpn_check(const json_t *inputs, ist_error *err)
{
    uint32_t mask;
    const char *end = ist_json_str_or(inputs, "ike_keyring_peer.ip_range.end", "0.0.0.0");
    int32_t rc = check_needed(inputs, err);
    if (rc == IST_OK)
        rc = check_word(inputs, "ike_keyring_peer.pre-shared-key", 127, "IKEv2", err);
    if (rc == IST_OK && !is_mask(end, &mask)) {
        rc = ist_fail(err, IST_ERR_INPUT, "ike_keyring_peer.ip_range.end", "%s is no mask", end);
        ist_hint(
            err,
            "in spite of its name it is the mask that belongs to `start`: 0.0.0.0 with 0.0.0.0 means any");
    }
    if (rc == IST_OK)
        rc = check_word(inputs, "nhrp.key", 8, "NHRP", err);
    if (rc == IST_OK)
        rc = check_tunnel(inputs, err);
    if (rc == IST_OK)
        rc = check_ospf_key(inputs, err);
    return rc == IST_OK ? check_numbers(inputs, err) : rc;
}

void ist_dmvpn_register_secrets(const ist_env *env, const json_t *inputs)
{
    static const char *const paths[] = {"ike_keyring_peer.pre-shared-key", "nhrp.key", "ospf.authKey",
                                        "ssh.passphrase"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        ist_secret(env, ist_json_str(inputs, paths[i]));
}

void ist_dmvpn_tell(const ist_env *env, const json_t *inputs)
{
    bool any = strcmp(ist_json_str_or(inputs, "ike_keyring_peer.ip_range.end", "0.0.0.0"), "0.0.0.0") == 0;
    bool none = strcmp(ist_json_str_or(inputs, "ospf.authentication", "none"), "none") == 0;
    if (none && *text_at(inputs, "ospf.authKey"))
        ist_log(
            env, IST_LOG_WARN,
            "ospf.authKey is given, but authentication was never turned on with it, on the hub neither: it "
            "stays "
            "off and the key is not sent (`ospf.authentication: simple` or `md5` turns it on, on both ends)");
    if (any)
        ist_log(
            env, IST_LOG_WARN,
            "the pre-shared key is for any peer (ike_keyring_peer.ip_range): whoever has it can be the hub");
    if (!ist_dmvpn_is_hub(inputs) && ist_json_bool(inputs, "nhrp.shortcut", 1))
        ist_log(env, IST_LOG_INFO,
                "`ip nhrp shortcut` is set, so that the hub's redirects have an effect "
                "(`nhrp.shortcut: false` leaves it out)");
}
