// Access lists on the routers' interfaces: what an `ip access-group` lets through, entry by entry, and nothing after the
// last one. A group whose list does not exist lets everything through, as in IOS.
#include "device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// One end as an entry spells it: "any", "host A", "A WILDCARD"; *text moves behind it.
static bool end_fits(const char **text, uint32_t address)
{
    char first[20] = "", second[20] = "";
    uint32_t network = 0, wild = 0;
    int used = 0;
    if (sscanf(*text, " %19s%n", first, &used) != 1)
        return true; // a standard list has no destination
    *text += used;
    if (!strcmp(first, "any"))
        return true;
    if (sscanf(*text, " %19s%n", second, &used) == 1)
        *text += used;
    if (!strcmp(first, "host"))
        return lab_parse_ip(second, &network) && network == address;
    return lab_parse_ip(first, &network) && lab_parse_ip(second, &wild) && ((network ^ address) & ~wild) == 0;
}

// 1: permits, 0: denies, -1: says nothing of it. entry: "permit udp any any eq 500"
static int entry_says(const char *entry, bool standard, const struct acl_packet *p)
{
    char action[8] = "", protocol[12] = "ip";
    int used = 0, port = 0;
    if (sscanf(entry, " %7s%n", action, &used) != 1)
        return -1;
    entry += used;
    if (!standard && sscanf(entry, " %11s%n", protocol, &used) == 1)
        entry += used;
    if (strcmp(protocol, "ip") != 0 && strcmp(protocol, p->protocol) != 0)
        return -1;
    if (!end_fits(&entry, p->src) || (!standard && !end_fits(&entry, p->dst)))
        return -1;
    if (sscanf(entry, " eq %d", &port) == 1 && port != p->port)
        return -1;
    return !strcmp(action, "permit");
}

static bool list_permits(const struct line *root, const char *name, const struct acl_packet *p)
{
    char *numbered = lab_format("access-list %s", name),
         *head = lab_format("ip access-list extended %s", name);
    const struct line *line, *named = config_find(root, head, 0);
    long number = strtol(name, NULL, 10);
    bool known = named != NULL;
    int says = -1;
    for (size_t i = 0; says < 0 && (line = config_find(root, numbered, i)); i++) {
        known = true;
        says = entry_says(line->text + strlen(numbered), number > 0 && number < 100, p);
    }
    for (size_t i = 0; says < 0 && named && i < named->count; i++) {
        const char *entry = named->child[i]->text;
        entry += strspn(entry, "0123456789 ");
        says = entry_says(entry, false, p);
    }
    free(numbered);
    free(head);
    return known ? says == 1 : true;
}

bool router_acl_permits(const struct router *router, const char *interface, const char *direction,
                        const struct acl_packet *p, char *why, size_t size)
{
    const struct line *section = router_interface(router, interface), *line;
    for (size_t i = 0; (line = config_find(section, "ip access-group", i)); i++) {
        char name[64] = "", way[8] = "";
        if (sscanf(line->text, "ip access-group %63s %7s", name, way) != 2 || strcmp(way, direction) != 0 ||
            list_permits(router->running, name, p))
            continue;
        snprintf(why, size, "%s of the %s drops %s: ip access-group %s %s", interface,
                 router == router_hub(router->lab) ? "hub" : "spoke", p->protocol, name, way);
        return false;
    }
    return true;
}
