// Addresses and networks of either family, in one form of 16 bytes.
#include <isthmus/schema.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define V4_PREFIX 96 // bits before an IPv4 address
static const uint8_t v4_mapped[V4_PREFIX / 8] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static void from_v4(uint32_t v4, uint8_t address[16])
{
    memcpy(address, v4_mapped, sizeof(v4_mapped));
    for (int i = 0; i < 4; i++)
        address[12 + i] = (uint8_t)(v4 >> (24 - 8 * i));
}

int32_t ist_ip_parse(const char *text, uint8_t address[16])
{
    uint32_t v4;
    struct in6_addr v6;
    if (ist_ipv4_parse(text, &v4) == IST_OK) {
        from_v4(v4, address);
        return IST_OK;
    }
    if (!text || inet_pton(AF_INET6, text, &v6) != 1)
        return IST_ERR_INPUT;
    memcpy(address, v6.s6_addr, 16);
    return IST_OK;
}

static int same_prefix(const uint8_t *a, const uint8_t *b, unsigned prefix)
{
    unsigned bytes = prefix / 8, bits = prefix % 8;
    if (memcmp(a, b, bytes) != 0)
        return 0;
    return !bits || ((a[bytes] ^ b[bytes]) & (uint8_t)(0xff00u >> bits)) == 0;
}

int ist_net_contains(const ist_net *net, const uint8_t address[16])
{
    if (net->prefix < V4_PREFIX && same_prefix(address, v4_mapped, V4_PREFIX))
        return 0;
    return same_prefix(net->address, address, net->prefix);
}

static int32_t parse_v6(const char *text, ist_net *net, ist_error *err)
{
    char address[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    unsigned long prefix = 128;
    if (len >= sizeof(address))
        return ist_fail(err, IST_ERR_INPUT, "", "no address");
    memcpy(address, text, len);
    address[len] = 0;
    if (slash) {
        char *end;
        prefix = strtoul(slash + 1, &end, 10);
        if (slash[1] < '0' || slash[1] > '9' || *end || prefix > 128)
            return ist_fail(err, IST_ERR_INPUT, "", "no prefix length from 0 to 128 after the slash");
    }
    ist_net parsed = {.prefix = (uint8_t)prefix};
    if (ist_ip_parse(address, parsed.address) != IST_OK)
        return ist_fail(err, IST_ERR_INPUT, "", "no IPv6 address");
    for (unsigned bit = parsed.prefix; bit < 128; bit++)
        if (parsed.address[bit / 8] & (uint8_t)(0x80u >> (bit % 8)))
            return ist_fail(err, IST_ERR_INPUT, "", "host bits are set");
    *net = parsed;
    return IST_OK;
}

int32_t ist_net_parse(const char *text, ist_net *net, ist_error *err)
{
    ist_net4 v4;
    if (text && strchr(text, ':'))
        return parse_v6(text, net, err);
    int32_t rc = ist_net4_parse(text, &v4, err);
    if (rc != IST_OK)
        return rc;
    from_v4(v4.address, net->address);
    net->prefix = (uint8_t)(V4_PREFIX + v4.prefix);
    return IST_OK;
}

int32_t ist_net_parse_block(const char *text, ist_net *net)
{
    const char *slash = text ? strchr(text, '/') : NULL;
    char address[INET6_ADDRSTRLEN], *end;
    if (!slash || (size_t)(slash - text) >= sizeof(address) || slash[1] < '0' || slash[1] > '9')
        return IST_ERR_INPUT;
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = 0;
    unsigned long prefix = strtoul(slash + 1, &end, 10), before = strchr(address, ':') ? 0 : V4_PREFIX;
    ist_net parsed;
    if (*end || prefix > 128 - before || ist_ip_parse(address, parsed.address) != IST_OK)
        return IST_ERR_INPUT;
    parsed.prefix = (uint8_t)(before + prefix);
    for (unsigned bit = parsed.prefix; bit < 128; bit++)
        parsed.address[bit / 8] &= (uint8_t) ~(0x80u >> (bit % 8));
    *net = parsed;
    return IST_OK;
}
