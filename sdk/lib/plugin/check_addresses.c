// A plugin's check of its inputs: addresses and networks that no host has.
#include <isthmus/alloc.h>
#include <isthmus/check.h>
#include <isthmus/schema.h>

#include <string.h>

// What is said of the network; NULL when a host can have an address in it. 0.0.0.0/0 and the like are wider than what
// nobody has.
static const char *of_nobody(ist_net4 net)
{
    const uint32_t first = net.address >> 24;
    return first == 127                    ? "the loopback network"
           : first >= 240                  ? "reserved"
           : first >= 224                  ? "a multicast network"
           : first == 0 && net.prefix >= 8 ? "no usable network"
                                           : NULL;
}

int ist_check_hosts_net(ist_checking *c, const char *path)
{
    ist_net4 net;
    const char *what = ist_checking_net(c, path, &net) ? of_nobody(net) : NULL;
    if (what)
        ist_wrong(c, path, "%s is %s: no host has an address in it", ist_checking_text(c, path), what);
    return !what;
}

int ist_check_sources(ist_checking *c, const char *path)
{
    int good = ist_check_hosts_net(c, path);
    for (size_t i = 0; i < json_array_size(ist_checking_at(c, path)); i++) {
        char *inner = ist_printf("%s[%zu]", path, i);
        good &= ist_check_hosts_net(c, inner);
        ist_free(inner);
    }
    return good;
}

int ist_check_unicast(ist_checking *c, const char *path)
{
    uint32_t address;
    const char *text = ist_checking_text(c, path);
    if (!text || ist_ipv4_parse(text, &address) != IST_OK)
        return 1;
    const char *what = address >> 24 == 0        ? "is no host's address"
                       : address >> 24 == 127    ? "is a loopback address, which no other host reaches"
                       : address >> 28 == 14     ? "is a multicast address, not one host's"
                       : address == 0xffffffff   ? "is the broadcast address"
                       : address >> 28 == 15     ? "is reserved: no host has it"
                       : address >> 16 == 0xa9fe ? "is a link-local address, which no other network reaches"
                                                 : NULL;
    if (what)
        ist_wrong(c, path, "%s %s", text, what);
    return !what;
}
