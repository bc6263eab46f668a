// What a host tells of its interfaces; which of them is outside and which inside, isthmus/dmvpn_machine.h finds.
#include "frr.h"

#include <string.h>

const ist_dmvpn_kind frr_kind = {.size = sizeof frr_kind, .word = "host", .names_address = 1};

// Packets of others come in by it: no loopback, no tunnel, and none of those that containers have.
static int leads_out(const json_t *link)
{
    static const char *const inner[] = {"docker", "veth", "cni"};
    const char *name = ist_json_str_or(link, "ifname", "");
    for (size_t i = 0; i < sizeof inner / sizeof *inner; i++) {
        if (strncmp(name, inner[i], strlen(inner[i])) == 0)
            return 0;
    }
    return strcmp(ist_json_str_or(link, "link_type", ""), "ether") == 0;
}

static const char *default_interface(const json_t *routes)
{
    json_t *route;
    size_t i;
    json_array_foreach((json_t *)routes, i, route)
    {
        if (strcmp(ist_json_str_or(route, "dst", ""), "default") == 0)
            return ist_json_str(route, "dev");
    }
    return NULL;
}

int32_t frr_machine_found(const json_t *inputs, const json_t *addresses, const json_t *routes,
                          ist_dmvpn_machine *machine, ist_error *err)
{
    ist_dmvpn_interface *list = NULL;
    size_t i, k, count = 0;
    json_t *link, *info;
    json_array_foreach((json_t *)addresses, i, link)
    {
        json_array_foreach(json_object_get(link, "addr_info"), k, info)
        {
            if (strcmp(ist_json_str_or(info, "family", ""), "inet") != 0)
                continue;
            list = ist_realloc(list, count + 1, sizeof *list);
            list[count++] = (ist_dmvpn_interface){.name = ist_json_str_or(link, "ifname", "?"),
                                                  .address = ist_json_str_or(info, "local", "?"),
                                                  .prefix = (uint8_t)ist_json_int(info, "prefixlen", 0),
                                                  .leads_out = leads_out(link)};
        }
    }
    int32_t rc =
        ist_dmvpn_machine_found(inputs, &frr_kind, list, count, default_interface(routes), machine, err);
    ist_free(list);
    return rc;
}
