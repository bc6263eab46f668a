// Addresses of both families in one form, and networks of them with exceptions: an ipBlock.
#ifndef NETPOL_ADDRESS_H
#define NETPOL_ADDRESS_H

#include <isthmus/error.h>

// IPv4 stands at ::ffff:a.b.c.d, so that memcmp orders all.
struct ip {
    uint8_t bytes[16];
};

struct net {
    struct ip base;
    uint8_t prefix; // of 128: an IPv4 /24 is 120
};

int ip_parse(const char *text, struct ip *ip); // 0, or -1: not an address
int ip_is_v4(const struct ip *ip);
int ip_compare(const struct ip *a, const struct ip *b); // as memcmp
#define IP_TEXT_SIZE 64
void ip_text(const struct ip *ip, char text[IP_TEXT_SIZE]);

int net_parse(const char *text, struct net *net);  // "a.b.c.d/p", "x::/p", host bits cleared; 0 or -1
void net_of(const struct ip *ip, struct net *net); // /32 or /128
int net_contains(const struct net *net, const struct ip *ip);
// First and last address.
void net_bounds(const struct net *net, struct ip *first, struct ip *last);
void net_text(const struct net *net, char text[IP_TEXT_SIZE]); // as Kubernetes writes it: "10.0.0.1/32"

#endif
