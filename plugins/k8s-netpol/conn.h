// What may be connected to: for each protocol a set of ports. Sets are kept once in a table and named by a number, and
// what two of them make together is remembered: a map of a million pairs has a handful of them.
#ifndef NETPOL_CONN_H
#define NETPOL_CONN_H

#include <isthmus/json.h>

#define PROTO_TCP   0u
#define PROTO_UDP   1u
#define PROTO_SCTP  2u
#define PROTO_COUNT 3u

typedef uint32_t conn; // of one table
#define CONN_NONE 0u
#define CONN_ALL  1u // every port of every protocol

struct conns;
struct conns *conns_new(void);
void conns_free(struct conns *conns);

const char *proto_name(uint8_t protocol);                                            // "TCP"
int proto_of(const char *name, uint8_t *protocol);                                   // 0 or -1; NULL is TCP
conn conns_range(struct conns *conns, uint8_t protocol, uint32_t from, uint32_t to); // 1..65535, inclusive
conn conns_union(struct conns *conns, conn a, conn b);
conn conns_both(struct conns *conns, conn a, conn b); // the intersection
int conns_has(const struct conns *conns, conn set, uint8_t protocol, uint32_t port);
int conns_within(struct conns *conns, conn a, conn b); // is a a subset of b?
// "All Connections", "SCTP 7,TCP 80,UDP 53-54", "No Connections"; borrowed from the table. Protocols are in the order of
// their names.
const char *conns_text(struct conns *conns, conn set);
// The other way round; also "TCP 1-65535", blanks where they please. 0, or -1: not understood.
int conns_parse(struct conns *conns, const char *text, conn *set);
// "all", or {"TCP": [80, "8000-8080"], ...}. New reference.
json_t *conns_json(struct conns *conns, conn set);

#endif
