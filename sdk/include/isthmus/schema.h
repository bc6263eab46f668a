// isthmus/schema.h: the types of the input tables: what each accepts, how it is normalised, and when two
// values mean the same. One place, used by the core to validate and by plugins to compare.
#ifndef ISTHMUS_SCHEMA_H
#define ISTHMUS_SCHEMA_H

#include <isthmus/json.h>

#ifdef __cplusplus
extern "C" {
#endif

// Is `type` of a field well formed ("list(cidr)", "enum(a|b)")? 1 or 0.
IST_EXPORT int ist_type_valid(const char *type);
// The T of list(T), set(T) or map(T) into `item`; 1, or 0 (item untouched) for every other type or no room.
IST_EXPORT int ist_type_item(const char *type, char *item, size_t size);
// Checks `value` against `type` and hands back the normal form (new reference): cidr with host bits cleared
// only where they were clear (else an error that names the network address), durations as integer
// milliseconds, sizes as bytes, sets sorted and unique, next-hop as {kind, id}. Errors say what was expected:
// "expected a CIDR such as 10.1.0.0/16, found \"10.1.0.0/33\": prefix length over 32".
IST_EXPORT int32_t ist_type_normalise(const char *type, const json_t *value, json_t **normal, ist_error *err);
// Do two values mean the same under this type? Order in sets and spelling never make a difference. 1 or 0.
IST_EXPORT int ist_type_equal(const char *type, const json_t *a, const json_t *b);
// JSON Schema (draft 2020-12) of a table of fields, for editors and `plugin show --output json`. New
// reference.
IST_EXPORT json_t *ist_fields_schema(const ist_field *fields, size_t count);

// Networks. Addresses are host byte order; text is dotted.
typedef struct ist_net4 {
    uint32_t address;
    uint8_t prefix;
} ist_net4;
IST_EXPORT int32_t ist_net4_parse(const char *text, ist_net4 *net,
                                  ist_error *err); // "a.b.c.d/p", or an address: /32
IST_EXPORT int ist_net4_overlap(ist_net4 a, ist_net4 b);
IST_EXPORT int ist_net4_contains(ist_net4 net, uint32_t address);
IST_EXPORT void ist_net4_text(ist_net4 net, char text[19]);
// Networks as bars, a line each, sorted by address. Those that share addresses are to scale, each over the widest of them;
// what lies between them and the others is left out, and of very many some are.
//   ################################ ..  10.0.0.0/16     vpc_cidr
//   ........########................ ..  10.0.64.0/18    onPremCidr
//   ................................ ##  192.168.0.0/16  onPremPodCidr
typedef struct ist_net_bar {
    const char *name; // borrowed
    ist_net4 net;
} ist_net_bar;
IST_EXPORT char *ist_net_picture(const ist_net_bar *bars, size_t count); // the caller's (ist_free)
// A network of either family: an IPv4 one stands at ::ffff:a.b.c.d, its prefix counted from there (a /24 is 120).
typedef struct ist_net {
    uint8_t address[16];
    uint8_t prefix; // of 128
} ist_net;
// "10.1.0.0/16", "fd00:1::/48", or an address; IST_ERR_INPUT where host bits are set.
IST_EXPORT int32_t ist_net_parse(const char *text, ist_net *net, ist_error *err);
// As an ipBlock's cidr may be written: with a prefix length, and host bits, which are cleared. IST_OK or IST_ERR_INPUT.
IST_EXPORT int32_t ist_net_parse_block(const char *text, ist_net *net);
// An address of either family in the same 16 bytes.
IST_EXPORT int32_t ist_ip_parse(const char *text, uint8_t address[16]);
// ::/0 holds no IPv4 address, whose place within IPv6 is only how it is kept here.
IST_EXPORT int ist_net_contains(const ist_net *net, const uint8_t address[16]);
IST_EXPORT int32_t ist_ipv4_parse(const char *text, uint32_t *address); // IST_OK or IST_ERR_INPUT
IST_EXPORT void ist_ipv4_text(uint32_t address, char text[16]);

#ifdef __cplusplus
}
#endif
#endif
