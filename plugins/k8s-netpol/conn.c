// Sets of protocols and ports.
#include "conn.h"
#include "table.h"

#include <isthmus/alloc.h>

#include <stdlib.h>
#include <string.h>

// A set is its ranges in canonical form: sorted by protocol and number, neither touching nor overlapping.
struct range {
    uint16_t from, to;
    uint8_t protocol;
};

struct set {
    uint32_t hash, count;
    conn id;
    char *text; // made when it is asked for
    struct range ranges[];
};

struct answer {
    uint32_t hash, operation;
    conn a, b, result;
};

#define UNION 0u
#define BOTH  1u

struct conns {
    struct table sets, answers;
    struct set **by_id;
    uint32_t count;
};

// As in every listing: by name.
static const uint8_t in_order[PROTO_COUNT] = {PROTO_SCTP, PROTO_TCP, PROTO_UDP};

const char *proto_name(uint8_t protocol)
{
    static const char *const names[] = {"TCP", "UDP", "SCTP"};
    return protocol < PROTO_COUNT ? names[protocol] : "?";
}

int proto_of(const char *name, uint8_t *protocol)
{
    for (uint8_t i = 0; i < PROTO_COUNT; i++)
        if (!strcmp(name ? name : "TCP", proto_name(i))) {
            *protocol = i;
            return 0;
        }
    return -1;
}

// ---- the table

static int same_set(const void *record, const void *key)
{
    const struct set *a = record, *b = key;
    if (a->count != b->count)
        return 0;
    for (uint32_t i = 0; i < a->count; i++)
        if (a->ranges[i].from != b->ranges[i].from || a->ranges[i].to != b->ranges[i].to ||
            a->ranges[i].protocol != b->ranges[i].protocol)
            return 0;
    return 1;
}

static struct set *set_new(uint32_t room)
{
    struct set *set = ist_malloc(sizeof(*set) + room * sizeof(struct range));
    *set = (struct set){.hash = HASH_START};
    return set;
}

// Consumes a set in canonical form.
static conn keep(struct conns *conns, struct set *made)
{
    for (uint32_t i = 0; i < made->count; i++) {
        const struct range *r = &made->ranges[i];
        const uint16_t key[3] = {r->protocol, r->from, r->to};
        made->hash = hash_bytes(made->hash, key, sizeof(key));
    }
    const struct set *known = table_find(&conns->sets, made->hash, same_set, made);
    if (known) {
        ist_free(made);
        return known->id;
    }
    made->id = conns->count++;
    conns->by_id = ist_realloc(conns->by_id, conns->count, sizeof(*conns->by_id));
    conns->by_id[made->id] = made;
    table_add(&conns->sets, made->hash, made);
    return made->id;
}

struct conns *conns_new(void)
{
    struct conns *conns = ist_calloc(1, sizeof(*conns));
    keep(conns, set_new(0)); // CONN_NONE
    struct set *all = set_new(PROTO_COUNT);
    for (size_t i = 0; i < PROTO_COUNT; i++)
        all->ranges[all->count++] = (struct range){1, 65535, in_order[i]};
    keep(conns, all); // CONN_ALL
    return conns;
}

void conns_free(struct conns *conns)
{
    if (!conns)
        return;
    for (uint32_t i = 0; i < conns->count; i++) {
        ist_free(conns->by_id[i]->text);
        ist_free(conns->by_id[i]);
    }
    for (size_t i = 0; i < conns->answers.room; i++)
        ist_free(conns->answers.slots[i].record);
    ist_free(conns->by_id);
    table_free(&conns->sets);
    table_free(&conns->answers);
    ist_free(conns);
}

conn conns_range(struct conns *conns, uint8_t protocol, uint32_t from, uint32_t to)
{
    if (from < 1)
        from = 1;
    if (to > 65535)
        to = 65535;
    struct set *set = set_new(1);
    if (from <= to && protocol < PROTO_COUNT)
        set->ranges[set->count++] = (struct range){(uint16_t)from, (uint16_t)to, protocol};
    return keep(conns, set);
}

// ---- union and intersection

static uint32_t rank(const struct range *r)
{
    uint32_t order = r->protocol == PROTO_SCTP ? 0 : r->protocol == PROTO_TCP ? 1 : 2;
    return order << 16 | r->from;
}

static conn unite(struct conns *conns, const struct set *a, const struct set *b)
{
    struct set *made = set_new(a->count + b->count);
    uint32_t i = 0, j = 0;
    while (i < a->count || j < b->count) {
        const int from_a = j >= b->count || (i < a->count && rank(&a->ranges[i]) <= rank(&b->ranges[j]));
        const struct range next = from_a ? a->ranges[i++] : b->ranges[j++];
        struct range *last = made->count ? &made->ranges[made->count - 1] : NULL;
        if (last && last->protocol == next.protocol && next.from <= (uint32_t)last->to + 1)
            last->to = next.to > last->to ? next.to : last->to;
        else
            made->ranges[made->count++] = next;
    }
    return keep(conns, made);
}

static conn intersect(struct conns *conns, const struct set *a, const struct set *b)
{
    struct set *made = set_new(a->count + b->count);
    uint32_t i = 0, j = 0;
    while (i < a->count && j < b->count) {
        const struct range *x = &a->ranges[i], *y = &b->ranges[j];
        if (x->protocol == y->protocol) {
            const uint16_t from = x->from > y->from ? x->from : y->from;
            const uint16_t to = x->to < y->to ? x->to : y->to;
            if (from <= to)
                made->ranges[made->count++] = (struct range){from, to, x->protocol};
            if (x->to < y->to)
                i++;
            else
                j++;
        } else if (rank(x) < rank(y)) {
            i++;
        } else {
            j++;
        }
    }
    return keep(conns, made);
}

static int same_question(const void *record, const void *key)
{
    const struct answer *a = record, *b = key;
    return a->operation == b->operation && a->a == b->a && a->b == b->b;
}

static conn ask(struct conns *conns, uint32_t operation, conn a, conn b)
{
    struct answer question = {.operation = operation, .a = a < b ? a : b, .b = a < b ? b : a};
    question.hash = (question.a * 0x9e3779b1u) ^ (question.b * 0x85ebca77u) ^ operation;
    const struct answer *known = table_find(&conns->answers, question.hash, same_question, &question);
    if (known)
        return known->result;
    struct answer *made = ist_malloc(sizeof(*made));
    *made = question;
    made->result = operation == UNION ? unite(conns, conns->by_id[a], conns->by_id[b])
                                      : intersect(conns, conns->by_id[a], conns->by_id[b]);
    table_add(&conns->answers, made->hash, made);
    return made->result;
}

conn conns_union(struct conns *conns, conn a, conn b)
{
    if (a == b || b == CONN_NONE || a == CONN_ALL)
        return a;
    return a == CONN_NONE || b == CONN_ALL ? b : ask(conns, UNION, a, b);
}

conn conns_both(struct conns *conns, conn a, conn b)
{
    if (a == b || a == CONN_NONE || b == CONN_ALL)
        return a;
    return b == CONN_NONE || a == CONN_ALL ? b : ask(conns, BOTH, a, b);
}

int conns_has(const struct conns *conns, conn set, uint8_t protocol, uint32_t port)
{
    const struct set *s = conns->by_id[set];
    for (uint32_t i = 0; i < s->count; i++)
        if (s->ranges[i].protocol == protocol && s->ranges[i].from <= port && port <= s->ranges[i].to)
            return 1;
    return 0;
}

int conns_within(struct conns *conns, conn a, conn b)
{
    return conns_both(conns, a, b) == a;
}

// ---- as text

const char *conns_text(struct conns *conns, conn id)
{
    struct set *set = conns->by_id[id];
    ist_buf text = {0};
    if (set->text)
        return set->text;
    for (uint32_t i = 0; i < set->count; i++) {
        const struct range *r = &set->ranges[i];
        ist_buf_puts(&text, i ? "," : "");
        if (!i || set->ranges[i - 1].protocol != r->protocol)
            ist_buf_printf(&text, "%s ", proto_name(r->protocol));
        ist_buf_printf(&text, r->from == r->to ? "%u" : "%u-%u", r->from, r->to);
    }
    set->text = id == CONN_ALL    ? ist_strdup("All Connections")
                : id == CONN_NONE ? ist_strdup("No Connections")
                                  : ist_buf_take(&text);
    ist_buf_free(&text);
    return set->text;
}

static const char *number(const char *p, uint32_t *value)
{
    if (*p < '0' || *p > '9')
        return NULL;
    for (*value = 0; *p >= '0' && *p <= '9'; p++)
        if ((*value = *value * 10 + (uint32_t)(*p - '0')) > 65535)
            return NULL;
    return p;
}

static const char *blanks(const char *p)
{
    return p + strspn(p, " \t\r");
}

// One "[PROTOCOL ]N[-M]"; without a protocol: that of the one before. NULL: not understood.
static const char *range_of(const char *p, uint8_t *protocol, uint32_t *from, uint32_t *to)
{
    for (uint8_t i = 0; i < PROTO_COUNT; i++) {
        const size_t len = strlen(proto_name(i));
        if (!strncmp(p, proto_name(i), len) && (p[len] == ' ' || p[len] == '\t')) {
            *protocol = i;
            p = blanks(p + len);
            break;
        }
    }
    p = *protocol < PROTO_COUNT ? number(p, from) : NULL;
    *to = *from;
    if (p && *p == '-')
        p = number(p + 1, to);
    return p && *from >= 1 && *from <= *to ? blanks(p) : NULL;
}

int conns_parse(struct conns *conns, const char *text, conn *set)
{
    conn made = CONN_NONE;
    uint8_t protocol = PROTO_COUNT;
    const char *p = blanks(text);
    static const char all[] = "All Connections", none[] = "No Connections";
    if (!strncmp(p, all, sizeof(all) - 1) || !strncmp(p, none, sizeof(none) - 1)) {
        *set = *p == 'A' ? CONN_ALL : CONN_NONE;
        return *blanks(p + (*p == 'A' ? sizeof(all) : sizeof(none)) - 1) ? -1 : 0;
    }
    for (;;) {
        uint32_t from = 0, to = 0;
        p = range_of(p, &protocol, &from, &to);
        if (!p)
            return -1;
        made = conns_union(conns, made, conns_range(conns, protocol, from, to));
        if (!*p)
            break;
        if (*p != ',')
            return -1;
        p = blanks(p + 1);
    }
    *set = made;
    return 0;
}

json_t *conns_json(struct conns *conns, conn id)
{
    const struct set *set = conns->by_id[id];
    if (id == CONN_ALL)
        return json_string("all");
    json_t *json = json_object();
    for (uint32_t i = 0; i < set->count; i++) {
        const struct range *r = &set->ranges[i];
        json_t *list = json_object_get(json, proto_name(r->protocol));
        if (!list) {
            list = json_array();
            json_object_set_new(json, proto_name(r->protocol), list);
        }
        char *text = ist_printf("%u-%u", r->from, r->to);
        json_array_append_new(list, r->from == r->to ? json_integer(r->from) : json_string(text));
        ist_free(text);
    }
    return json;
}
