// What is kept of the clusters: a hundred bytes a service and ten an endpoint, never the documents. Strings and lists of
// ports are kept once and counted, so that a model through which pods come and go for months does not grow.
#ifndef SVCMIRROR_RECORDS_H
#define SVCMIRROR_RECORDS_H

#include <isthmus/json.h>

#include <netinet/in.h>

// ---- hash tables of records that begin with an entry

struct entry {
    struct entry *next; // of the same bucket
    uint32_t hash;
};

struct table {
    struct entry **buckets;
    size_t size, count;
};

uint32_t hash_text(uint32_t hash, const char *text); // FNV-1a; begin with HASH_BEGIN
#define HASH_BEGIN 2166136261u
void table_add(struct table *table, struct entry *entry); // entry->hash is set
void table_remove(struct table *table, struct entry *entry);
struct entry *table_first(const struct table *table, uint32_t hash); // the first of that hash, or NULL
struct entry *table_same(const struct entry *entry);                 // the next of the same hash, or NULL
// Every entry, each given to `each`, which may remove and free it.
void table_each(struct table *table, void (*each)(void *arg, struct entry *entry), void *arg);
void table_free(struct table *table); // not the entries

// ---- strings and lists of ports, kept once

struct text {
    struct entry entry;
    uint32_t refs;
    char text[]; // NUL-terminated
};

#define PROTOCOL_TCP  0u
#define PROTOCOL_UDP  1u
#define PROTOCOL_SCTP 2u

struct port {
    const struct text *name; // NULL: unnamed
    const struct text *app;  // appProtocol, NULL: none
    uint16_t number;         // 0 in a slice: any
    uint8_t protocol;        // PROTOCOL_...
};

struct ports {
    struct entry entry;
    uint32_t refs, count;
    struct port items[]; // in the order of the document
};

struct pool {
    struct table texts, lists;
};
void pool_free(struct pool *pool); // everything in it, referenced or not

const struct text *text_get(struct pool *pool, const char *text); // a reference; NULL and "" are NULL
void text_drop(struct pool *pool, const struct text *text);
// The list of a Service's or slice's `ports` (array, may be NULL). A reference.
const struct ports *ports_get(struct pool *pool, const json_t *ports);
const struct ports *ports_keep(const struct ports *ports);
// `count` ports, whose texts are of the pool. A reference.
const struct ports *ports_of(struct pool *pool, const struct port *items, size_t count);
void ports_drop(struct pool *pool, const struct ports *ports);
const char *protocol_text(uint8_t protocol);

// ---- the records of one cluster

// A namespace that was seen, or that something seen is in.
struct place {
    struct entry entry;
    struct service *services; // in it, linked by `sibling`
    uint8_t there;            // a Namespace object was seen: it is not this step's own
    uint8_t terminating;
    char name[];
};

#define SERVICE_PRESENT  1u   // its object was seen; else there are only slices that name it
#define SERVICE_HEADLESS 2u   // clusterIP None
#define SERVICE_EXTERNAL 4u   // ExternalName
#define SERVICE_UNREADY  8u   // publishNotReadyAddresses
#define SERVICE_DUAL     16u  // of two address families
#define SERVICE_AFFINITY 32u  // session affinity by client address
#define SERVICE_MIRRORED 64u  // written by somebody who mirrors services too: never a source
#define SERVICE_IPV6     128u // its first family

struct service {
    struct entry entry;
    struct service *sibling;
    struct place *place;
    struct slice *slices; // linked by `sibling`
    const struct ports *ports;
    const struct text *extra; // labels and annotations that are copied, as JSON text; NULL: none
    char *uid;                // NULL: not seen
    int64_t created;          // seconds since 1970
    uint64_t targets;         // bit t: chosen for cluster t
    uint32_t affinity_s;      // 0: the default
    uint16_t flags;           // SERVICE_...
    char name[];
};

// Bits of an endpoint. What is not known is not written.
#define ENDPOINT_READY           1u
#define ENDPOINT_SERVING_KNOWN   2u
#define ENDPOINT_SERVING         4u
#define ENDPOINT_TERMINATE_KNOWN 8u
#define ENDPOINT_TERMINATING     16u
#define ENDPOINT_BITS            32u // combinations

// Endpoints of one family that share their ports: what an EndpointSlice is. One address each: what stands behind the
// first of an endpoint is looked at by nobody (kube-proxy; API reference of EndpointSlice, `endpoints[].addresses`).
struct part {
    const struct ports *ports;
    const struct text **hostnames; // of each endpoint; NULL: none has one
    uint8_t *addresses; // count * width, sorted, each once; then a byte of ENDPOINT_... bits for each
    uint32_t count;
    uint8_t width; // 4 or 16 bytes
};

// An EndpointSlice (one part), or an Endpoints object (one for each subset and family).
struct slice {
    struct entry entry;
    struct slice *sibling;
    struct service *service;
    struct part *parts;
    const struct text *refused_one; // one of the refused addresses
    uint32_t refused;               // addresses outside the pod CIDRs
    uint16_t count;                 // of parts
    uint8_t names;                  // its addresses are DNS names: nothing of it is mirrored
    uint8_t by_ports;               // parts are told apart by their ports: it is an Endpoints object
    uint8_t truncated;              // an Endpoints object that its controller cut off
    uint8_t foreign; // nobody's source; it is kept as what may stand behind a Service of this step
    char name[];
};

#define FAMILY_V4 1u
#define FAMILY_V6 2u

#define STANDING_UNKNOWN 2u // not known, or no Service
#define STANDING_NOTHING 3u // nothing at all is wanted

// What stands of this step's own under a key of this cluster.
struct standing {
    struct entry entry;
    int16_t source;         // cluster of its Endpoints object; -1: of several, or unknown
    int16_t service_source; // the same of its Service
    uint8_t headless;       // is its Service? 0, 1, or STANDING_...
    uint8_t said;           // the same of what want() said last
    uint8_t families;       // FAMILY_... that its Service has an address of; 0: not known, or none
    uint8_t behind;         // FAMILY_... of the endpoints that want() said last
    const struct ports *ports, *said_ports; // of its Service; NULL: not known, or none
    char key[];
};

struct records {
    struct table places, services, slices, standing;
    uint64_t chosen, endpoints; // services that are mirrored somewhere; endpoints of them all
};

// Borrowed; the first form makes it when it is not there.
struct place *place_at(struct records *records, const char *name);
struct place *place_find(const struct records *records, const char *name);
struct service *service_at(struct records *records, const char *ns, const char *name);
struct service *service_find(const struct records *records, const char *ns, const char *name);
// Lets go of one of which neither object nor slice was seen.
void service_tidy(struct records *records, struct pool *pool, struct service *service);
struct slice *slice_find(const struct records *records, const char *ns, const char *name);
struct slice *slice_add(struct records *records, struct service *service, const char *name);
void slice_remove(struct records *records, struct pool *pool, struct slice *slice); // and frees it
void parts_free(struct pool *pool, struct part *parts, size_t count);
struct standing *standing_at(struct records *records, const char *key);
struct standing *standing_find(const struct records *records, const char *key);
void standing_remove(struct records *records, struct pool *pool, struct standing *standing);
void records_free(struct records *records, struct pool *pool);

#endif
