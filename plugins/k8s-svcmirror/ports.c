// One list of ports out of those of several clusters. The oldest Service decides; a port never goes to endpoints that
// lack it, and one that is used differently elsewhere is left out there and told.
#include "model.h"

#include <isthmus/alloc.h>

#include <string.h>

static const char *name_text(const struct port *port)
{
    return port->name ? port->name->text : "";
}

// The decided port of that number, or the one of that name; -1: none. Texts of one pool: the same name is one pointer.
static int find(const struct decided *decided, const struct port *port, int by_name)
{
    for (size_t i = 0; i < decided->count; i++) {
        const struct port *other = &decided->items[i];
        if (by_name ? other->name == port->name
                    : other->number == port->number && other->protocol == port->protocol)
            return (int)i;
    }
    return -1;
}

static void append(struct decided *decided, const struct port *port, const char *decider)
{
    decided->items = ist_realloc(decided->items, decided->count + 1, sizeof(*decided->items));
    decided->deciders = ist_realloc(decided->deciders, decided->count + 1, sizeof(*decided->deciders));
    decided->deciders[decided->count] = decider;
    decided->items[decided->count++] = *port;
}

static const char *cluster_name(const struct model *m, size_t cluster)
{
    return m->clusters->items[cluster].name;
}

// Of the ports of one Service only one alone may be without a name.
static int lacks_name(const struct decided *decided, const struct port *port)
{
    for (size_t i = 0; i < decided->count; i++)
        if (!decided->items[i].name || !port->name)
            return 1;
    return 0;
}

// The same port of two sources, called differently or for another protocol of applications.
static void tell_same_port(const struct source *source, const char *cluster, const struct port *port,
                           const struct port *other, const char *decider, ist_wanted *wanted)
{
    const char *ns = source->service->place->name, *name = source->service->name;
    const char *protocol = protocol_text(port->protocol);
    if (port->name != other->name && port->name && other->name)
        ist_wanted_note(
            wanted, "port %u/%s of Service %s/%s is called \"%s\" in %s, and \"%s\" in %s, which decides",
            port->number, protocol, ns, name, name_text(port), cluster, name_text(other), decider);
    if (port->app != other->app && port->app && other->app)
        ist_wanted_note(wanted, "port %u/%s of Service %s/%s speaks %s in %s, and %s in %s, which decides",
                        port->number, protocol, ns, name, port->app->text, cluster, other->app->text,
                        decider);
}

// Where does this port of a source belong? Decides it where nobody has before.
static int place_port(const struct model *m, const struct source *source, const struct port *port,
                      const char *decider, int fixed, struct decided *decided, ist_wanted *wanted)
{
    const char *cluster = cluster_name(m, source->cluster), *ns = source->service->place->name;
    const char *protocol = protocol_text(port->protocol);
    int at = find(decided, port, 0);
    if (at >= 0 && !fixed)
        tell_same_port(source, cluster, port, &decided->items[at], decided->deciders[at], wanted);
    if (at >= 0)
        return at;
    at = find(decided, port, 1);
    if (at >= 0) {
        const struct port *other = &decided->items[at];
        ist_wanted_note(
            wanted,
            "port \"%s\" of Service %s/%s is %u/%s in %s, but %u/%s in %s, which decides: left out for "
            "the endpoints of %s",
            name_text(port), ns, source->service->name, port->number, protocol, cluster, other->number,
            protocol_text(other->protocol), decided->deciders[at], cluster);
        return -1;
    }
    if (fixed) {
        ist_wanted_note(wanted, "port %u/%s of Service %s/%s in %s is none of those that %s has",
                        port->number, protocol, ns, source->service->name, cluster, decider);
        return -1;
    }
    if (lacks_name(decided, port)) {
        ist_wanted_note(
            wanted, "port %u/%s of Service %s/%s in %s is left out: beside the ports of %s all need a name",
            port->number, protocol, ns, source->service->name, cluster, decider);
        return -1;
    }
    append(decided, port, cluster);
    return (int)decided->count - 1;
}

void ports_decide(const struct model *m, struct source *sources, size_t count, const struct ports *fixed,
                  const char *whose, struct decided *decided, ist_wanted *wanted)
{
    const struct ports *first = fixed ? fixed : sources[0].service->ports;
    const char *decider = fixed ? whose : cluster_name(m, sources[0].cluster);
    *decided = (struct decided){0};
    for (uint32_t i = 0; first && i < first->count; i++)
        append(decided, &first->items[i], decider);
    for (size_t s = 0; s < count; s++) {
        const struct ports *ports = sources[s].service->ports;
        sources[s].map = ist_calloc(ports ? ports->count : 0, sizeof(int));
        for (uint32_t i = 0; ports && i < ports->count; i++)
            sources[s].map[i] =
                place_port(m, &sources[s], &ports->items[i], decider, fixed != NULL, decided, wanted);
    }
}

void ports_decided_free(struct decided *decided, struct source *sources, size_t count)
{
    for (size_t s = 0; s < count; s++)
        ist_free(sources[s].map);
    ist_free(decided->items);
    ist_free(decided->deciders);
}

static json_t *port_object(const struct port *port, const struct text *name, uint16_t number)
{
    json_t *object = json_object();
    if (name)
        json_object_set_new(object, "name", json_string(name->text));
    if (number)
        json_object_set_new(object, "port", json_integer(number));
    json_object_set_new(object, "protocol", json_string(protocol_text(port->protocol)));
    if (port->app)
        json_object_set_new(object, "appProtocol", json_string(port->app->text));
    return object;
}

json_t *ports_of_service(const struct decided *decided)
{
    json_t *list = json_array();
    for (size_t i = 0; i < decided->count; i++)
        json_array_append_new(
            list, port_object(&decided->items[i], decided->items[i].name, decided->items[i].number));
    return list;
}

// Which decided port a port of a slice serves: by the name that the source's Service gives it. -1: none.
static int serves(const struct source *source, const struct port *port)
{
    const struct ports *ports = source->service->ports;
    for (uint32_t i = 0; ports && i < ports->count; i++)
        if (ports->items[i].name == port->name && ports->items[i].protocol == port->protocol)
            return source->map[i];
    return -1;
}

json_t *ports_of_part(const struct decided *decided, const struct source *source, const struct ports *ports)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < ports->count; i++) {
        int at = serves(source, &ports->items[i]);
        if (at < 0)
            continue;
        const struct port *port = &decided->items[at];
        json_array_append_new(list, port_object(port, port->name, ports->items[i].number));
    }
    if (ports->count && !json_array_size(list)) {
        json_decref(list);
        return NULL;
    }
    return list;
}
