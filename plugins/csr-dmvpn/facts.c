// What a router tells of its interfaces; which of them is outside and which inside, isthmus/dmvpn_machine.h finds.
#include "csr.h"

#include <string.h>

const ist_dmvpn_kind csr_kind = {
    .size = sizeof csr_kind, .word = "router", .outside = "GigabitEthernet1", .inside = "GigabitEthernet2"};

// Interfaces that lead somewhere by themselves.
static bool leads_out(const char *name)
{
    static const char *const types[] = {"GigabitEthernet", "TenGigabitEthernet", "FastEthernet",
                                        "Ethernet",        "Port-channel",       "Vlan",
                                        "TwentyFiveGigE",  "HundredGigE",        "FortyGigabitEthernet"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strncmp(name, types[i], strlen(types[i])) == 0)
            return true;
    }
    return false;
}

// The network of an interface as configured: 0 where DHCP gives it.
static uint8_t prefix_of(const ist_ios_config *running, const char *name)
{
    char *section = ist_printf("interface %s", name);
    const char *value = ist_ios_config_value(running, section, "ip address"),
               *space = value ? strchr(value, ' ') : NULL;
    char *mask_text = space ? ist_strndup(space + 1, strcspn(space + 1, " ")) : NULL;
    uint32_t mask = 0;
    if (mask_text)
        ist_ipv4_parse(mask_text, &mask);
    ist_free(mask_text);
    ist_free(section);
    return (uint8_t)__builtin_popcount(mask);
}

int32_t csr_machine_found(const json_t *inputs, const ist_ios_config *running, const json_t *brief,
                          ist_dmvpn_machine *machine, ist_error *err)
{
    ist_dmvpn_interface *list = ist_calloc(json_array_size(brief) + 1, sizeof *list);
    size_t i;
    json_t *row;
    json_array_foreach((json_t *)brief, i, row)
    {
        const char *name = ist_json_str_or(row, "interface", "?");
        list[i] = (ist_dmvpn_interface){.name = name,
                                        .address = ist_json_str_or(row, "address", "?"),
                                        .prefix = prefix_of(running, name),
                                        .leads_out = leads_out(name)};
    }
    int32_t rc = ist_dmvpn_machine_found(inputs, &csr_kind, list, i, NULL, machine, err);
    ist_free(list);
    return rc;
}
