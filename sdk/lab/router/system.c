// What the device says of itself: its release, its interfaces, who is on it. As a C8000V with IOS XE 17 prints it.
#include "device.h"

#include <stdlib.h>
#include <string.h>

struct port {
    const struct line *line;
    const char *name;
    uint32_t address;
    int prefix;
    bool has_address, down, tunnel;
};

// The i-th interface of the configuration; false past the end.
static bool port_at(const struct router *router, size_t i, struct port *port)
{
    memset(port, 0, sizeof *port);
    port->line = config_find(router->running, "interface", i);
    if (!port->line)
        return false;
    port->name = port->line->text + strlen("interface ");
    port->has_address = router_interface_address(router, port->name, &port->address, &port->prefix);
    port->down = config_has(port->line, "shutdown");
    port->tunnel = strncmp(port->name, "GigabitEthernet", 15) != 0;
    return true;
}

static void brief(const struct router *router, FILE *out)
{
    struct port port;
    fputs("Interface              IP-Address      OK? Method Status                Protocol\n", out);
    for (size_t i = 0; port_at(router, i, &port); i++) {
        const char *how = config_value(port.line, "ip address");
        char *text = port.has_address ? lab_ip(port.address) : lab_strdup("unassigned");
        fprintf(out, "%-22s %-15s YES %-6s %-21s %s\n", port.name, text,
                how && !strcmp(how, "dhcp") ? "DHCP"
                : how                       ? "manual"
                                            : "unset",
                port.down ? "administratively down" : "up", port.down ? "down" : "up");
        free(text);
    }
}

static void head(const struct port *port, FILE *out)
{
    fprintf(out, "%s is %s, line protocol is %s\n", port->name, port->down ? "administratively down" : "up",
            port->down ? "down" : "up");
}

static void interfaces(const struct router *router, FILE *out)
{
    struct port port;
    for (size_t i = 0; port_at(router, i, &port); i++) {
        const char *description = config_value(port.line, "description"),
                   *bandwidth = config_value(port.line, "bandwidth");
        head(&port, out);
        if (port.tunnel)
            fputs("  Hardware is Tunnel\n", out);
        else
            fprintf(out, "  Hardware is vNIC, address is 0242.0a00.%04zx (bia 0242.0a00.%04zx)\n", i, i);
        if (description)
            fprintf(out, "  Description: %s\n", description);
        if (port.has_address) {
            char *text = lab_ip(port.address);
            fprintf(out, "  Internet address is %s/%d\n", text, port.prefix);
            free(text);
        }
        fprintf(out,
                "  MTU %d bytes, BW %s Kbit/sec, DLY 10 usec, \n"
                "     reliability 255/255, txload 1/255, rxload 1/255\n"
                "  Encapsulation %s, loopback not set\n",
                port.tunnel ? 9976 : 1500,
                bandwidth     ? bandwidth
                : port.tunnel ? "100"
                              : "1000000",
                port.tunnel ? "TUNNEL" : "ARPA");
        if (!port.tunnel)
            fputs("  Keepalive set (10 sec)\n  Full Duplex, 1000Mbps, link type is auto, media type is "
                  "Virtual\n",
                  out);
        fputs("  Last input 00:00:00, output 00:00:00, output hang never\n"
              "  5 minute input rate 0 bits/sec, 0 packets/sec\n"
              "  5 minute output rate 0 bits/sec, 0 packets/sec\n",
              out);
    }
}

static void ip_interfaces(const struct router *router, FILE *out)
{
    struct port port;
    for (size_t i = 0; port_at(router, i, &port); i++) {
        const char *mtu = config_value(port.line, "ip mtu");
        head(&port, out);
        if (!port.has_address) {
            fputs("  Internet protocol processing disabled\n", out);
            continue;
        }
        char *text = lab_ip(port.address);
        fprintf(out,
                "  Internet address is %s/%d\n  Broadcast address is 255.255.255.255\n  MTU is %s bytes\n",
                text, port.prefix, mtu ? mtu : "1500");
        free(text);
    }
}

static void version(const struct router *router, FILE *out)
{
    int64_t minutes = (lab_mono_ms() - router->booted_ms) / 60000;
    fprintf(
        out,
        "Cisco IOS XE Software, Version 17.09.04a\n"
        "Cisco IOS Software [Cupertino], Virtual XE Software (X86_64_LINUX_IOSD-UNIVERSALK9-M), Version "
        "17.9.4a, "
        "RELEASE SOFTWARE (fc3)\n"
        "Copyright (c) 1986-2023 by Cisco Systems, Inc.\nCompiled Fri 20-Oct-23 10:44 by mcpre\n\n\n"
        "Cisco IOS-XE software, Copyright (c) 2005-2023 by cisco Systems, Inc.\nAll rights reserved.\n\n\n"
        "ROM: IOS-XE ROMMON\n\n%s uptime is %lld minutes\n"
        "Uptime for this control processor is %lld minutes\nSystem returned to ROM by reload\n"
        "System image file is \"bootflash:packages.conf\"\nLast reload reason: reload\n\n\n\n"
        "License Level: network-advantage\nLicense Type: Perpetual\n"
        "Next reload license Level: network-advantage\n\nThe current throughput level is 1000000 kbps \n\n\n"
        "cisco C8000V (VXE) processor (revision VXE) with 2071872K/3075K bytes of memory.\n"
        "Processor board ID 9LABROUTER0\nRouter operating mode: Autonomous\n2 Gigabit Ethernet interfaces\n"
        "32768K bytes of non-volatile configuration memory.\n8082280K bytes of physical memory.\n"
        "14589951K bytes of virtual hard disk at bootflash:.\n\nConfiguration register is 0x2102\n\n",
        router_hostname(router), (long long)minutes, (long long)minutes);
}

static void inventory(FILE *out)
{
    fputs("NAME: \"Chassis\", DESCR: \"Cisco C8000V Chassis\"\n"
          "PID: C8000V            , VID: V00  , SN: 9LABROUTER0\n\n"
          "NAME: \"module R0\", DESCR: \"Cisco C8000V Route Processor\"\n"
          "PID: C8000V            , VID: V00  , SN: JAB1303001C\n\n"
          "NAME: \"module F0\", DESCR: \"Cisco C8000V Embedded Services Processor\"\n"
          "PID: C8000V            , VID:      , SN:            \n\n",
          out);
}

static void memory(FILE *out)
{
    fputs("                Head    Total(b)     Used(b)     Free(b)   Lowest(b)  Largest(b)\n"
          "Processor  7F2C5B0A0010   2121596928   268435456   1853161472   1852637184   1572863908\n"
          "reserve P  7F2C5B0A00A8   102404       92          102312       102312       102312\n",
          out);
}

static void users(const struct session *asks, FILE *out)
{
    fputs("    Line       User       Host(s)              Idle       Location\n", out);
    for (const struct session *s = asks->router->sessions; s; s = s->next)
        fprintf(out, "%s%3u vty %-4u %-10s idle                 00:00:00 127.0.0.1\n", s == asks ? "*" : " ",
                s->vty + 2, s->vty, s->user);
    fputs("\n  Interface    User               Mode         Idle     Peer Address\n\n", out);
}

void show_system(struct session *session, const char *what, FILE *out)
{
    const struct router *router = session->router;
    if (!strcmp(what, "ip interface brief"))
        brief(router, out);
    else if (!strcmp(what, "ip interface"))
        ip_interfaces(router, out);
    else if (!strcmp(what, "interfaces"))
        interfaces(router, out);
    else if (!strcmp(what, "ipv6 interface"))
        ; // nobody has given it an IPv6 address
    else if (!strcmp(what, "version"))
        version(router, out);
    else if (!strcmp(what, "inventory"))
        inventory(out);
    else if (!strcmp(what, "memory statistics"))
        memory(out);
    else if (!strcmp(what, "privilege"))
        fprintf(out, "Current privilege level is %d\n", session->privileged ? 15 : 1);
    else if (!strcmp(what, "lldp") || !strcmp(what, "cdp"))
        fprintf(out, "%% %s is not enabled\n", *what == 'l' ? "LLDP" : "CDP");
    else if (!strcmp(what, "users"))
        users(session, out);
    else
        fputs("*10:00:00.000 UTC Mon Jan 1 2024\n", out);
}
