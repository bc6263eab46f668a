// What a Linux host's files and services come to, in IOS's words: FRR's nhrpd and ospfd speak nearly the same, swanctl's
// connections are IKEv2 profiles, and the tunnel is an interface. Only what was loaded counts: a file that was changed
// and not reloaded changes nothing.
#include "host.h"

#include <stdlib.h>
#include <string.h>

static char *read_file(const struct lab_host *host, const char *name)
{
    char *path = lab_format("%s/lab/%s", host->root, name), *text = NULL;
    FILE *in = fopen(path, "re");
    size_t size = 0;
    if (!in || getdelim(&text, &size, 0, in) < 0) {
        free(text);
        text = lab_strdup("");
    }
    if (in)
        fclose(in);
    free(path);
    return text;
}

// The next line of *text, without its indentation; *indent says how much that was. malloc'd; NULL at the end.
static char *next_line(const char **text, size_t *indent)
{
    if (!**text)
        return NULL;
    *indent = strspn(*text, " \t");
    const char *from = *text + *indent;
    size_t len = strcspn(from, "\n");
    char *line = lab_format("%.*s", (int)len, from);
    *text = from + len + (from[len] == '\n');
    return line;
}

static const char *after(const char *line, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncmp(line, prefix, len) == 0 ? line + len : NULL;
}

// The value of "KEY VALUE" in what the kernel was told; malloc'd, "" when it was not.
static char *word_of(const char *text, const char *key)
{
    char *line, *found = lab_strdup("");
    size_t indent, len = strlen(key);
    while ((line = next_line(&text, &indent))) {
        if (strncmp(line, key, len) == 0 && line[len] == ' ') {
            free(found);
            found = lab_strdup(line + len + 1);
        }
        free(line);
    }
    return found;
}

// ---- FRR ----

// "10.0.110.0/24" as "10.0.110.0 255.255.255.0", or with the wildcard mask. malloc'd.
static char *with_mask(const char *cidr, size_t len, bool wildcard)
{
    char *text = lab_format("%.*s", (int)len, cidr);
    uint32_t network = 0;
    int prefix = 32;
    lab_parse_cidr(text, &network, &prefix);
    char *ip = lab_ip(network), *mask = lab_ip(wildcard ? ~lab_mask(prefix) : lab_mask(prefix)),
         *both = lab_format("%s %s", ip, mask);
    free(text);
    free(ip);
    free(mask);
    return both;
}

// ip route NETWORK VIA [INTERFACE onlink]
static void static_route(FILE *out, const char *rest)
{
    size_t len = strcspn(rest, " ");
    char *network = with_mask(rest, len, false), via[20] = "", interface[20] = "";
    sscanf(rest + len, " %19s %19s", via, interface);
    fprintf(out, "ip route %s %s%s\n", network, strcmp(interface, "dmvpn0") ? "" : "Tunnel0 ", via);
    free(network);
}

static void nhrp_server(FILE *out, const char *line, const char *all)
{
    char nhs[20], nbma[20];
    if (sscanf(line, "ip nhrp nhs %19s nbma %19s", nhs, nbma) != 2)
        return;
    char *cast = lab_format("ip nhrp map multicast %s\n", nbma);
    fprintf(out, " ip nhrp nhs %s nbma %s%s\n", nhs, nbma, strstr(all, cast) ? " multicast" : "");
    free(cast);
}

// Of the section of the tunnel. Four hellos without an answer are the default, which IOS does not show.
static void tunnel_line(FILE *out, const char *line, const char *all)
{
    static const char *const same[] = {"ip nhrp network-id ", "ip nhrp authentication ", "ip nhrp shortcut",
                                       "ip nhrp redirect", "ip ospf "};
    const char *hello = strstr(all, "ip ospf hello-interval "), *dead = after(line, "ip ospf dead-interval ");
    if (after(line, "ip nhrp nhs "))
        nhrp_server(out, line, all);
    else if (dead && hello && atol(dead) == 4 * atol(hello + strlen("ip ospf hello-interval ")))
        return;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        if (after(line, same[i]))
            fprintf(out, " %s\n", line);
    }
}

static void ospf_line(FILE *out, const char *line)
{
    const char *rest;
    if ((rest = after(line, "ospf router-id "))) {
        fprintf(out, " router-id %s\n", rest);
    } else if ((rest = after(line, "redistribute static"))) {
        fprintf(out, " redistribute static subnets%s\n", rest);
    } else if ((rest = after(line, "network "))) {
        size_t len = strcspn(rest, " ");
        char *network = with_mask(rest, len, true);
        fprintf(out, " network %s%s\n", network, rest + len);
        free(network);
    }
}

// section: of which lines are wanted ("interface dmvpn0", "router ospf"), or "" for what stands outside of both.
static void frr_lines(FILE *out, const char *all, const char *section)
{
    const char *text = all, *rest;
    char *line, *at = lab_strdup("");
    size_t indent;
    while ((line = next_line(&text, &indent))) {
        bool inside = *section && !strcmp(at, section);
        if (!indent) {
            free(at);
            at = lab_strdup(line);
        }
        if (indent && inside && *section == 'i')
            tunnel_line(out, line, all);
        else if (indent && inside)
            ospf_line(out, line);
        else if (!*section && !indent && (rest = after(line, "ip route ")))
            static_route(out, rest);
        else if (!*section && (after(line, "ip prefix-list ") || after(line, "route-map ")))
            fprintf(out, "%s\n", line);
        else if (!*section && indent && after(at, "route-map ") && after(line, "match "))
            fprintf(out, " %s\n", line);
        free(line);
    }
    free(at);
}

// ---- strongSwan ----

struct connection {
    char proposals[128], esp[128], mode[20], local[64], remote[64], address[64];
};

static void keep(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%.*s", (int)strcspn(from, "\r\n"), from);
}

// swanctl.conf's sections by their depth: 1 the connection, 2 local, remote or children, 3 a child.
static void take_setting(struct connection *c, char section[4][64], size_t depth, const char *line)
{
    const char *value;
    const struct {
        size_t depth;
        const char *section, *key;
        char *to;
        size_t size;
    } all[] = {{2, NULL, "proposals = ", c->proposals, sizeof c->proposals},
               {2, NULL, "remote_addrs = ", c->address, sizeof c->address},
               {3, "local", "id = ", c->local, sizeof c->local},
               {3, "remote", "id = ", c->remote, sizeof c->remote},
               {4, NULL, "esp_proposals = ", c->esp, sizeof c->esp},
               {4, NULL, "mode = ", c->mode, sizeof c->mode}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (depth == all[i].depth && (!all[i].section || !strcmp(section[depth - 1], all[i].section)) &&
            (value = after(line, all[i].key)))
            keep(all[i].to, all[i].size, value);
    }
}

// The connections to named peers, and the key. A trap for whoever comes (shortcuts) is no way to the hub.
static size_t connections(const char *text, struct connection *list, size_t room, char *secret, size_t size)
{
    char *line, section[4][64] = {"", "", "", ""};
    size_t indent, depth = 0, count = 0;
    struct connection now = {0};
    while ((line = next_line(&text, &indent))) {
        size_t len = strlen(line);
        const char *value = after(line, "secret = \"");
        if (len > 2 && line[len - 1] == '{') {
            if (depth < 4)
                snprintf(section[depth], sizeof section[depth], "%.*s", (int)(len - 2), line);
            depth++;
        } else if (!strcmp(line, "}") && depth) {
            depth--;
            if (depth == 1 && !strcmp(section[0], "connections")) {
                if (count < room && !strpbrk(now.address, "%/") && *now.address)
                    list[count++] = now;
                now = (struct connection){0};
            }
        } else if (value && !strcmp(section[0], "secrets")) {
            snprintf(secret, size, "%.*s", (int)strcspn(value, "\""), value);
        } else if (!strcmp(section[0], "connections")) {
            take_setting(&now, section, depth, line);
        }
        free(line);
    }
    return count;
}

static const char *ios_word(const char *word)
{
    static const char *const words[][2] = {{"aes256gcm16", " encryption aes-gcm-256"},
                                           {"aes128gcm16", " encryption aes-gcm-128"},
                                           {"aes256", " encryption aes-cbc-256"},
                                           {"aes128", " encryption aes-cbc-128"},
                                           {"prfsha512", " prf sha512"},
                                           {"prfsha384", " prf sha384"},
                                           {"prfsha256", " prf sha256"},
                                           {"sha512", " integrity sha512"},
                                           {"sha256", " integrity sha256"},
                                           {"ecp256", " group 19"},
                                           {"ecp384", " group 20"},
                                           {"modp2048", " group 14"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!strcmp(words[i][0], word))
            return words[i][1];
    }
    return "";
}

// As charon takes an identity by its looks (swanctl.conf, `id`).
static const char *identity_type(const char *id)
{
    return strchr(id, '@') ? "email" : strspn(id, "0123456789.") == strlen(id) ? "address" : "fqdn";
}

static void crypto(FILE *out, const char *swanctl)
{
    struct connection list[8];
    char secret[160] = "", *save = NULL;
    size_t count = connections(swanctl, list, 8, secret, sizeof secret);
    if (!count)
        return;
    fputs("crypto ikev2 proposal LINUX\n", out);
    for (char *w = strtok_r(list[0].proposals, "-", &save); w; w = strtok_r(NULL, "-", &save))
        fprintf(out, "%s\n", ios_word(w));
    fputs("crypto ikev2 policy LINUX\n match fvrf any\n proposal LINUX\n", out);
    if (*secret)
        fprintf(out,
                "crypto ikev2 keyring LINUX\n peer ANY\n  address 0.0.0.0 0.0.0.0\n  pre-shared-key %s\n",
                secret);
    fprintf(out, "crypto ikev2 profile LINUX\n match fvrf any\n identity local %s %s\n",
            identity_type(list[0].local), list[0].local);
    for (size_t i = 0; i < count; i++) {
        if (strpbrk(list[i].remote, "%"))
            fputs(" match identity remote any\n", out);
        else
            fprintf(out, " match identity remote %s %s%s\n", identity_type(list[i].remote), list[i].remote,
                    !strcmp(identity_type(list[i].remote), "address") ? " 255.255.255.255" : "");
    }
    fputs(" authentication remote pre-share\n authentication local pre-share\n keyring local LINUX\n", out);
    fprintf(out, "crypto ipsec transform-set LINUX %s\n mode %s\n",
            !strcmp(list[0].esp, "aes256gcm16")   ? "esp-gcm 256"
            : !strcmp(list[0].esp, "aes128gcm16") ? "esp-gcm"
                                                  : "esp-aes 256 esp-sha-hmac",
            list[0].mode);
    fputs("crypto ipsec profile LINUX\n set transform-set LINUX\n set ikev2-profile LINUX\n", out);
}

// ---- all of it ----

static void tunnel(FILE *out, const char *link, const char *frr, bool protected, bool forwards)
{
    static const struct {
        const char *word, *line;
    } plain[] = {{"mtu", "ip mtu"}, {"key", "tunnel key"}};
    char *address = word_of(link, "address"), *state = word_of(link, "state");
    char *with = with_mask(address, strlen(address), false);
    if (!forwards) // what is its own goes on, transit does not
        fputs("ip access-list extended NO-FORWARDING\n permit ospf any any\n deny ip any any\n", out);
    fputs("interface Tunnel0\n", out);
    if (*address)
        fprintf(out, " ip address %s\n", with);
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        char *value = word_of(link, plain[i].word);
        if (*value)
            fprintf(out, " %s %s\n", plain[i].line, value);
        free(value);
    }
    frr_lines(out, frr, "interface dmvpn0");
    fprintf(out, " tunnel source GigabitEthernet1\n tunnel mode gre multipoint\n%s%s%s",
            protected ? " tunnel protection ipsec profile LINUX\n" : "",
            strcmp(state, "up") ? " shutdown\n" : "",
            forwards ? "" : " ip access-group NO-FORWARDING in\n ip access-group NO-FORWARDING out\n");
    free(address);
    free(state);
    free(with);
}

char *lab_host_config(const struct lab_host *host)
{
    char *text = NULL, *frr = read_file(host, "loaded/frr/frr.conf"),
         *daemons = read_file(host, "loaded/frr/daemons"), *swanctl = read_file(host, "loaded/swanctl.conf"),
         *link = read_file(host, "links/dmvpn0"), *name = read_file(host, "../etc/hostname"),
         *forwards = read_file(host, "../proc/sys/net/ipv4/ip_forward");
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    fprintf(out, "hostname %s\n", name);
    crypto(out, swanctl);
    fputs("interface GigabitEthernet1\n ip address dhcp\ninterface GigabitEthernet2\n ip address dhcp\n",
          out);
    if (!strstr(daemons, "nhrpd=yes"))
        *frr = 0;
    if (*link)
        tunnel(out, link, frr, strstr(swanctl, "connections {") != NULL, *forwards == '1');
    if (strstr(frr, "\nrouter ospf\n") && strstr(daemons, "ospfd=yes")) {
        fputs("router ospf 1\n", out);
        frr_lines(out, frr, "router ospf");
    }
    frr_lines(out, frr, "");
    fclose(out);
    char *const all[] = {frr, daemons, swanctl, link, name, forwards};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    return text;
}

void lab_host_changed(struct router *router)
{
    char *text = lab_host_config(router->machine);
    struct line *root = config_new();
    config_load(root, text);
    config_free(router->running);
    router->running = root;
    free(text);
    router_changed(router);
}
