// Sets of addresses, and the fewest ipBlocks that cover exactly those.
#include "ipset.h"

#include <isthmus/alloc.h>

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define EXPAND_BITS 16

void ip_set_add(struct ip_set *set, const struct ip *ip)
{
    if (set->count == set->room) {
        set->room = set->room ? 2 * set->room : 16;
        set->items = ist_realloc(set->items, set->room, sizeof(*set->items));
    }
    set->items[set->count++] = *ip;
}

// As memcmp(), in two comparisons of numbers.
static int by_address(const void *a, const void *b)
{
    uint64_t x[2], y[2];
    memcpy(x, a, sizeof(x));
    memcpy(y, b, sizeof(y));
    int at = x[0] == y[0];
    uint64_t left = be64toh(x[at]), right = be64toh(y[at]);
    return (left > right) - (left < right);
}

static void sort(struct ip_set *set)
{
    if (set->count)
        qsort(set->items, set->count, sizeof(*set->items), by_address);
}

void ip_set_reserve(struct ip_set *set, size_t room)
{
    if (set->room >= room)
        return;
    set->room = room;
    set->items = ist_realloc(set->items, set->room, sizeof(*set->items));
}

void ip_set_add_all(struct ip_set *set, const struct ip *ips, size_t count)
{
    if (!count)
        return;
    ip_set_reserve(set, set->count + count);
    memcpy(set->items + set->count, ips, count * sizeof(*ips));
    set->count += count;
}

void ip_set_doubles(struct ip_set *set, struct ip_set *doubles)
{
    sort(set);
    for (size_t i = 1; i < set->count; i++)
        if (ip_compare(&set->items[i - 1], &set->items[i]) == 0)
            ip_set_add(doubles, &set->items[i]);
    ip_set_seal(doubles);
}

void ip_set_seal(struct ip_set *set)
{
    size_t kept = 0, ordered = 1;
    while (ordered < set->count && by_address(&set->items[ordered - 1], &set->items[ordered]) < 0)
        ordered++;
    if (ordered >= set->count) // as it is, most of the time
        return;
    sort(set);
    for (size_t i = 0; i < set->count; i++)
        if (!kept || ip_compare(&set->items[kept - 1], &set->items[i]) != 0)
            set->items[kept++] = set->items[i];
    set->count = kept;
}

void ip_set_free(struct ip_set *set)
{
    ist_free(set->items);
    *set = (struct ip_set){0};
}

size_t ip_set_from(const struct ip_set *set, size_t from, size_t to, const struct ip *ip)
{
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (ip_compare(&set->items[middle], ip) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

int ip_set_has(const struct ip_set *set, const struct ip *ip)
{
    size_t at = ip_set_from(set, 0, set->count, ip);
    return at < set->count && ip_compare(&set->items[at], ip) == 0;
}

// ---- blocks ----

static struct ip next_of(struct ip ip)
{
    for (size_t i = sizeof(ip.bytes); i-- > 0;)
        if (++ip.bytes[i])
            break;
    return ip;
}

// How many of the low bits are zero, 16 at most: as far as a run is looked at.
static unsigned zeros_of(const struct ip *ip)
{
    unsigned low = (unsigned)ip->bytes[14] << 8 | ip->bytes[15], zeros = 0;
    while (zeros < EXPAND_BITS && !(low >> zeros & 1u))
        zeros++;
    return zeros;
}

json_t *ip_blocks(const struct ip *ips, size_t count)
{
    json_t *blocks = json_array();
    for (size_t i = 0; i < count;) {
        unsigned bits = zeros_of(&ips[i]);
        size_t run = 1;
        struct ip next = next_of(ips[i]);
        while (run < (size_t)1 << bits && i + run < count && ip_compare(&ips[i + run], &next) == 0) {
            run++;
            next = next_of(next);
        }
        while ((size_t)1 << bits > run)
            bits--;
        struct net net = {.base = ips[i], .prefix = (uint8_t)(128 - bits)};
        char text[IP_TEXT_SIZE];
        net_text(&net, text);
        json_t *block = json_object(), *peer = json_object();
        json_object_set_new_nocheck(block, "cidr", json_string_nocheck(text));
        json_object_set_new_nocheck(peer, "ipBlock", block);
        json_array_append_new(blocks, peer);
        i += (size_t)1 << bits;
    }
    return blocks;
}

void ip_set_add_net(struct ip_set *set, const struct net *net)
{
    if (net->prefix < 128 - EXPAND_BITS || net->prefix > 128)
        return;
    size_t count = (size_t)1 << (128 - net->prefix);
    struct ip ip = net->base;
    for (size_t i = 0; i < count; i++) {
        ip_set_add(set, &ip);
        ip = next_of(ip);
    }
}
