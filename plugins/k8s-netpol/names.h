// Strings and label sets, each kept once: a thousand pods of one Deployment share one set, and two strings are the
// same when their pointers are. Counted, so that a world whose pods come and go for months does not grow.
#ifndef NETPOL_NAMES_H
#define NETPOL_NAMES_H

#include <isthmus/json.h>

struct name {
    uint32_t refs, hash;
    char text[]; // NUL-terminated
};

struct label {
    const struct name *key, *value;
};

// Sorted by the address of the key: equal sets are one record.
struct labels {
    uint32_t refs, hash, count;
    struct label items[];
};

// A port that a container declares under a name.
struct named_port {
    const struct name *name;
    uint16_t number;
    uint8_t protocol; // PROTO_... of conn.h
};

struct named_ports {
    uint32_t refs, hash, count;
    struct named_port items[]; // in the order of the containers
};

struct names; // the pool of one world
struct names *names_new(void);
void names_free(
    struct names *names); // everything must have been dropped before, except in a pool that is thrown away

// Each answer carries a reference that the caller drops; dropping NULL is fine.
const struct name *name_get(struct names *names, const char *text);
const struct name *name_keep(const struct name *name); // one more reference, of the same
void name_drop(struct names *names, const struct name *name);

// Of a JSON object of strings (values of other kinds are left out). NULL stands for an empty one. `extra` (may be NULL)
// is one more label, which wins: the kubernetes.io/metadata.name that is implied on a namespace.
const struct labels *labels_get(struct names *names, const json_t *object, const struct label *extra);
const struct labels *labels_keep(const struct labels *labels);
void labels_drop(struct names *names, const struct labels *labels);
const struct name *labels_find(const struct labels *labels,
                               const struct name *key); // borrowed; NULL: not there

// The named ports that a pod spec declares, those of init containers that go on running included.
const struct named_ports *named_ports_get(struct names *names, const json_t *pod_spec);
const struct named_ports *named_ports_keep(const struct named_ports *ports);
void named_ports_drop(struct names *names, const struct named_ports *ports);
// The number that a port has in a pod; 0: none of that name and protocol.
uint16_t named_ports_number(const struct named_ports *ports, const struct name *name, uint8_t protocol);

#endif
