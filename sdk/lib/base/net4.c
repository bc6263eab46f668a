// IPv4 addresses and networks, as dotted text and as numbers.
#include <isthmus/schema.h>

#include <stdio.h>
#include <string.h>

// One decimal number of at most three digits without leading zeroes (an address such as 010.1.1.1 reads as
// octal elsewhere). Moves *at behind it.
static int take_octet(const char **at, uint32_t *octet)
{
    const char *p = *at;
    uint32_t value = 0;
    size_t digits = 0;
    while (*p >= '0' && *p <= '9' && digits < 4) {
        value = value * 10 + (uint32_t)(*p++ - '0');
        digits++;
    }
    if (!digits || digits > 3 || value > 255 || (digits > 1 && **at == '0'))
        return 0;
    *octet = value;
    *at = p;
    return 1;
}

static int take_address(const char **at, uint32_t *address)
{
    uint32_t sum = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t octet;
        if (i && *(*at)++ != '.')
            return 0;
        if (!take_octet(at, &octet))
            return 0;
        sum = sum << 8 | octet;
    }
    *address = sum;
    return 1;
}

static uint32_t mask_of(uint8_t prefix)
{
    return prefix ? 0xffffffffu << (32 - prefix) : 0;
}

int32_t ist_ipv4_parse(const char *text, uint32_t *address)
{
    uint32_t value;
    if (!text || !take_address(&text, &value) || *text)
        return IST_ERR_INPUT;
    *address = value;
    return IST_OK;
}

// By hand: documents hold tens of thousands of addresses.
void ist_ipv4_text(uint32_t address, char text[16])
{
    for (int shift = 24; shift >= 0; shift -= 8) {
        uint32_t octet = address >> shift & 255;
        if (octet >= 100)
            *text++ = (char)('0' + octet / 100);
        if (octet >= 10)
            *text++ = (char)('0' + octet / 10 % 10);
        *text++ = (char)('0' + octet % 10);
        *text++ = shift ? '.' : 0;
    }
}

int32_t ist_net4_parse(const char *text, ist_net4 *net, ist_error *err)
{
    const char *p = text ? text : "";
    ist_net4 parsed = {0, 32};
    uint32_t prefix = 32;
    if (!take_address(&p, &parsed.address))
        return ist_fail(err, IST_ERR_INPUT, "", "no IPv4 address");
    if (*p == '/') {
        p++;
        if (!take_octet(&p, &prefix))
            return ist_fail(err, IST_ERR_INPUT, "", "no prefix length after the slash");
        if (prefix > 32)
            return ist_fail(err, IST_ERR_INPUT, "", "prefix length over 32");
    }
    if (*p)
        return ist_fail(err, IST_ERR_INPUT, "", "\"%s\" after the network", p);
    parsed.prefix = (uint8_t)prefix;
    if (parsed.address & ~mask_of(parsed.prefix)) {
        char network[19];
        ist_net4_text((ist_net4){parsed.address & mask_of(parsed.prefix), parsed.prefix}, network);
        return ist_fail(err, IST_ERR_INPUT, "", "host bits are set: the network is %s", network);
    }
    *net = parsed;
    return IST_OK;
}

int ist_net4_contains(ist_net4 net, uint32_t address)
{
    return ((net.address ^ address) & mask_of(net.prefix)) == 0;
}

int ist_net4_overlap(ist_net4 a, ist_net4 b)
{
    return ist_net4_contains(a, b.address) || ist_net4_contains(b, a.address);
}

void ist_net4_text(ist_net4 net, char text[19])
{
    char address[16];
    ist_ipv4_text(net.address, address);
    snprintf(text, 19, "%s/%u", address, (unsigned)(net.prefix > 32 ? 32 : net.prefix));
}
