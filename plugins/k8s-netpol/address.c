// Addresses and networks: as the SDK reads them, and as Kubernetes writes them.
#include "address.h"

#include <isthmus/schema.h>

#include <arpa/inet.h>
#include <string.h>

static const unsigned char v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

int ip_parse(const char *text, struct ip *ip)
{
    return ist_ip_parse(text, ip->bytes) == IST_OK ? 0 : -1;
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
    const unsigned char *v4 = ip->bytes + 12;
    if (ip_is_v4(ip))
        ist_ipv4_text((uint32_t)v4[0] << 24 | (uint32_t)v4[1] << 16 | (uint32_t)v4[2] << 8 | v4[3], text);
    else if (!inet_ntop(AF_INET6, ip->bytes, text, IP_TEXT_SIZE))
        text[0] = 0;
}

int net_parse(const char *text, struct net *net)
{
    ist_net parsed;
    if (ist_net_parse_block(text, &parsed) != IST_OK)
        return -1;
    memcpy(net->base.bytes, parsed.address, sizeof(net->base.bytes));
    net->prefix = parsed.prefix;
    return 0;
}

void net_of(const struct ip *ip, struct net *net)
{
    *net = (struct net){*ip, 128};
}

int net_contains(const struct net *net, const struct ip *ip)
{
    ist_net as = {.prefix = net->prefix};
    memcpy(as.address, net->base.bytes, sizeof(as.address));
    return ist_net_contains(&as, ip->bytes);
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
    const unsigned prefix = v4 ? net->prefix - 96u : net->prefix;
    char *end = text + strlen(text);
    *end++ = '/';
    if (prefix >= 100)
        *end++ = '1';
    if (prefix >= 10)
        *end++ = (char)('0' + prefix / 10 % 10);
    *end++ = (char)('0' + prefix % 10);
    *end = 0;
}
