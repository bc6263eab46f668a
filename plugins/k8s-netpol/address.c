// Addresses and networks.
#include "address.h"

#include <isthmus/alloc.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const unsigned char v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

int ip_parse(const char *text, struct ip *ip)
{
    struct ip parsed;
    memcpy(parsed.bytes, v4_prefix, sizeof(v4_prefix));
    if (inet_pton(AF_INET, text, parsed.bytes + 12) != 1 && inet_pton(AF_INET6, text, parsed.bytes) != 1)
        return -1;
    *ip = parsed;
    return 0;
}

int ip_is_v4(const struct ip *ip)
{
    return !memcmp(ip->bytes, v4_prefix, sizeof(v4_prefix));
}

int ip_compare(const struct ip *a, const struct ip *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

void ip_text(const struct ip *ip, char text[IP_TEXT_SIZE])
{
    const int v4 = ip_is_v4(ip);
    if (!inet_ntop(v4 ? AF_INET : AF_INET6, ip->bytes + (v4 ? 12 : 0), text, IP_TEXT_SIZE))
        text[0] = 0;
}

static void clear_host_bits(struct net *net)
{
    for (unsigned i = net->prefix; i < 128; i++)
        net->base.bytes[i / 8] &= (uint8_t) ~(0x80u >> (i % 8));
}

int net_parse(const char *text, struct net *net)
{
    const char *slash = strchr(text, '/');
    char address[IP_TEXT_SIZE];
    struct net parsed;
    unsigned prefix = 0;
    if (!slash || (size_t)(slash - text) >= sizeof(address) || !slash[1] || strlen(slash + 1) > 3)
        return -1;
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = 0;
    for (const char *p = slash + 1; *p; p++) {
        if (*p < '0' || *p > '9')
            return -1;
        prefix = prefix * 10 + (unsigned)(*p - '0');
    }
    if (ip_parse(address, &parsed.base))
        return -1;
    const int v4 = !strchr(address, ':');
    if (prefix > (v4 ? 32u : 128u))
        return -1;
    parsed.prefix = (uint8_t)(prefix + (v4 ? 96 : 0));
    clear_host_bits(&parsed);
    *net = parsed;
    return 0;
}

void net_of(const struct ip *ip, struct net *net)
{
    *net = (struct net){*ip, 128};
}

// ::/0 does not hold IPv4, whose place within IPv6 is only how it is kept here.
int net_contains(const struct net *net, const struct ip *ip)
{
    const unsigned whole = net->prefix / 8u, rest = net->prefix % 8u;
    if (ip_is_v4(ip) && net->prefix < 96)
        return 0;
    if (memcmp(net->base.bytes, ip->bytes, whole) != 0)
        return 0;
    return !rest || (net->base.bytes[whole] ^ ip->bytes[whole]) >> (8 - rest) == 0;
}

void net_bounds(const struct net *net, struct ip *first, struct ip *last)
{
    *first = *last = net->base;
    for (unsigned i = net->prefix; i < 128; i++)
        last->bytes[i / 8] |= (uint8_t)(0x80u >> (i % 8));
}

void net_text(const struct net *net, char text[IP_TEXT_SIZE])
{
    const int v4 = net->prefix >= 96 && ip_is_v4(&net->base);
    ip_text(&net->base, text);
    size_t len = strlen(text);
    snprintf(text + len, IP_TEXT_SIZE - len, "/%u", v4 ? net->prefix - 96u : (unsigned)net->prefix);
}
