// The IOS-XE routers of the lab: the hub on premises, fixed, and those that the lab's EC2 launches.
#include "../host/host.h"
#include "device.h"

#include <libssh/libssh.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct lab_router {
    int threads;
    struct router *first; // the hub, then the launched ones; none is ever freed, threads may look at them
};

// What stands on premises in the walk-through: the other end of everything that both must agree on.
static const char hub_config[] =
    "hostname onprem-hub\n"
    "archive\n path bootflash:archive\n"
    "crypto ikev2 proposal DMVPN\n encryption aes-gcm-256\n prf sha512\n group 19\n"
    "crypto ikev2 policy DMVPN\n match fvrf any\n proposal DMVPN\n"
    "crypto ikev2 keyring DMVPN\n peer ANY\n  address 0.0.0.0 0.0.0.0\n"
    "  pre-shared-key abcdefghijklmn012345\n"
    "crypto ikev2 profile DMVPN\n match fvrf any\n match identity remote any\n"
    " authentication remote pre-share\n authentication local pre-share\n"
    " keyring local DMVPN\n dpd 40 5 on-demand\n"
    "crypto ipsec security-association replay window-size 1024\n"
    "crypto ipsec transform-set DMVPN esp-gcm 256\n mode transport\n"
    "crypto ipsec profile DMVPN\n set transform-set DMVPN\n set ikev2-profile DMVPN\n"
    "interface GigabitEthernet1\n ip address dhcp\n"
    "interface GigabitEthernet2\n ip address 10.1.0.1 255.255.0.0\n"
    "interface Tunnel0\n ip address 10.250.0.1 255.255.255.0\n no ip redirects\n"
    " ip mtu 1400\n ip nhrp authentication keykey00\n ip nhrp map multicast dynamic\n"
    " ip nhrp network-id 100\n ip nhrp redirect\n ip tcp adjust-mss 1360\n"
    " ip ospf network point-to-multipoint\n ip ospf hello-interval 10\n"
    " tunnel source GigabitEthernet1\n tunnel mode gre multipoint\n tunnel key 100\n"
    " tunnel protection ipsec profile DMVPN\n"
    "router ospf 10\n router-id 10.250.0.1\n redistribute static subnets\n"
    " network 10.1.0.0 0.0.255.255 area 1\n network 10.250.0.0 0.0.0.255 area 0\n"
    "ip route 192.168.0.0 255.255.0.0 10.1.0.20\n";

// What a router has before anybody configures it.
static const char factory_config[] = "interface GigabitEthernet1\n ip address dhcp\n negotiation auto\n"
                                     "interface GigabitEthernet2\n shutdown\n negotiation auto\n"
                                     "ip ssh version 2\n"
                                     "line con 0\n"
                                     "line vty 0 4\n login local\n transport input ssh\n";

const char *router_hostname(const struct router *router)
{
    const char *name = config_value(router->running, "hostname");
    return name ? name : "Router";
}

struct line *router_interface(const struct router *router, const char *name)
{
    char *head = lab_format("interface %s", name);
    struct line *line = config_find(router->running, head, 0);
    free(head);
    return line;
}

struct router *router_hub(struct lab *lab)
{
    return lab->router->first;
}

struct router *router_spoke(struct lab *lab)
{
    struct router *found = NULL;
    for (struct router *r = lab->router->first->next; r; r = r->next) {
        if (!r->gone)
            found = r;
    }
    return found;
}

static struct router *find(struct lab *lab, const char *instance_id)
{
    struct router *found = NULL;
    for (struct router *r = lab->router->first; r; r = r->next) {
        if (!r->gone && !strcmp(r->id, instance_id))
            found = r;
    }
    return found;
}

static char *make_host_key(struct lab *lab, const char *id)
{
    char *path = lab_format("%s/router-%s.key", lab->dir, id);
    ssh_key key = NULL;
    if (ssh_pki_generate(SSH_KEYTYPE_ECDSA, 256, &key) != SSH_OK ||
        ssh_pki_export_privkey_file(key, NULL, NULL, NULL, path) != SSH_OK)
        lab_log(lab, "router %s: no host key", id);
    else
        chmod(path, 0600);
    ssh_key_free(key);
    return path;
}

static struct router *add(struct lab *lab, const char *id, const char *config)
{
    struct router *router = lab_calloc(1, sizeof *router), **at = &lab->router->first;
    while (*at)
        at = &(*at)->next;
    router->lab = lab;
    router->id = lab_strdup(id);
    router->listener = -1;
    router->running = config_new();
    router->booted_ms = lab_mono_ms();
    router->host_key = make_host_key(lab, id);
    config_load(router->running, config);
    *at = router;
    return router;
}

static void remember(struct router *router)
{
    free(router->startup);
    router->startup = config_text(router->running, CONFIG_KEPT);
}

// ---- user data ----

static void apply_line(struct router *router, struct line **section, const char **mode, const char *text)
{
    struct match m;
    struct line *into = NULL;
    char *refusal = config_apply(*section, *mode, text, &m, &into);
    if (m.result == MATCH_INVALID && strcmp(*mode, "config") != 0) {
        match_free(&m);
        *section = router->running;
        *mode = "config";
        refusal = config_apply(*section, *mode, text, &m, &into);
    }
    if (m.result != MATCH_OK || refusal)
        lab_log(router->lab, "router %s: user data: not taken: %s", router->id, m.shown);
    if (into && into->rule->enters) {
        *section = into;
        *mode = into->rule->enters;
    }
    free(refusal);
    match_free(&m);
}

// `ios-config-0001="line"` lines, or everything after "Section: IOS configuration".
static void apply_user_data(struct router *router, const char *data)
{
    struct line *section = router->running;
    const char *mode = "config";
    const char *plain = strstr(data, "Section: IOS configuration");
    for (const char *p = data; *p;) {
        size_t len = strcspn(p, "\n");
        char *row = lab_format("%.*s", (int)len, p), *text = NULL;
        if (len && row[len - 1] == '\r')
            row[len - 1] = 0;
        if (plain && p > plain) {
            text = row + strspn(row, " ");
        } else if (!plain && !strncmp(row, "ios-config-", 11) && (text = strchr(row, '"'))) {
            char *end = strrchr(++text, '"');
            if (end)
                *end = 0;
        }
        if (text && *text && *text != '!')
            apply_line(router, &section, &mode, text);
        free(row);
        p += len + (p[len] == '\n');
    }
}

// ---- what the rest of the lab calls ----

void lab_router_boot(struct lab *lab, const char *instance_id, const char *user_data, const char *public_key,
                     uint32_t private_outside, uint32_t private_inside, bool linux_host)
{
    struct router *router = find(lab, instance_id);
    if (router) { // started again
        router->off = false;
        router->booted_ms = lab_mono_ms();
        if (router->machine)
            lab_host_boot(router);
        return;
    }
    router = add(lab, instance_id, linux_host ? "" : factory_config);
    router->public_key = public_key ? lab_strdup(public_key) : NULL;
    router->outside = private_outside;
    router->inside = private_inside;
    if (linux_host) {
        router->machine =
            lab_host_new(lab, instance_id, user_data ? user_data : "", private_outside, private_inside);
        lab_host_changed(router);
        return;
    }
    apply_user_data(router, user_data ? user_data : "");
    remember(router);
    router_changed(router);
}

void lab_router_address(struct lab *lab, const char *instance_id, uint32_t public_address)
{
    struct router *router = find(lab, instance_id);
    if (!router || router->off || router->address == public_address)
        return;
    router->address = public_address;
    router_listen(router);
    router_changed(router);
}

static void end_sessions(struct router *router)
{
    for (struct session *s = router->sessions; s; s = s->next)
        s->closing = true;
}

void lab_router_shutdown(struct lab *lab, const char *instance_id)
{
    struct router *router = find(lab, instance_id);
    if (!router)
        return;
    router->gone = true;
    router->address = 0;
    router->listener = -1;
    free(router->backup);
    router->backup = NULL;
    end_sessions(router);
    unlink(router->host_key);
    if (router->machine)
        lab_host_erase(router->machine);
    router_changed(router);
}

// Back to the configuration that it would boot with, with nobody connected.
static void power_cut(struct router *router)
{
    end_sessions(router);
    config_free(router->running);
    router->running = config_new();
    if (!router->machine)
        config_load(router->running, router->startup ? router->startup : factory_config);
    free(router->backup);
    router->backup = NULL;
    router->revert_serial++;
    router->address = 0;
    router->listener = -1;
    router->booted_ms = lab_mono_ms();
}

void lab_router_off(struct lab *lab, const char *instance_id)
{
    struct router *router = find(lab, instance_id);
    if (!router || router->off)
        return;
    power_cut(router);
    router->off = true;
    router_changed(router);
}

struct again {
    struct router *router;
    uint32_t address;
};

static void up_again(struct lab *lab, void *arg)
{
    struct again *again = arg;
    if (!again->router->gone && !again->router->off && !again->router->address)
        lab_router_address(lab, again->router->id, again->address);
    free(again);
}

void router_reload(struct router *router)
{
    struct again *again = lab_calloc(1, sizeof *again);
    *again = (struct again){router, router->address};
    power_cut(router);
    router_changed(router);
    lab_after(router->lab, 1500, up_again, again);
}

// The lab's own addresses as every lab would show them.
static char *without_slot(const struct lab *lab, const char *text, size_t len)
{
    char *line = lab_format("%.*s", (int)len, text), *own = lab_format("127.%u.", lab->slot), *hit;
    if ((hit = strstr(line, own))) {
        char *longer = lab_format("%.*s127.LAB.%s", (int)(hit - line), line, hit + strlen(own));
        free(line);
        line = longer;
    }
    free(own);
    return line;
}

// Canonical, without addresses of this lab's slot and without random ids.
static json_t *snapshot(struct lab *lab)
{
    json_t *all = json_object();
    const struct router *hub = router_hub(lab), *spoke = router_spoke(lab);
    char why[160] = "";
    for (const struct router *r = lab->router->first; r; r = r->next) {
        if (r->gone || (r != hub && r != spoke))
            continue;
        char *text = config_text(r->running, CONFIG_REDACTED);
        json_t *lines = json_array();
        for (char *p = text; *p;) {
            size_t len = strcspn(p, "\n");
            char *line = without_slot(lab, p, len);
            json_array_append_new(lines, json_string(line));
            free(line);
            p += len + (p[len] == '\n');
        }
        json_t *one = json_pack("{so sb}", "running", lines, "pending", r->backup != NULL);
        char *clear = config_text(r->running, CONFIG_KEPT);
        json_object_set_new(one, "saved", json_boolean(r->startup && !strcmp(r->startup, clear)));
        json_object_set_new(all, r == hub ? "hub" : "spoke", one);
        free(clear);
        free(text);
    }
    json_object_set_new(all, "tunnel", json_string(lab_router_tunnel_up(lab, why, sizeof why) ? "up" : why));
    return all;
}

void router_threads(struct lab *lab, int by)
{
    lab->router->threads += by;
}

void lab_router_stop(struct lab *lab)
{
    int64_t until = lab_mono_ms() + 5000;
    pthread_mutex_lock(&lab->lock);
    while (lab->router && lab->router->threads > 0 && lab_mono_ms() < until) {
        struct timespec soon;
        clock_gettime(CLOCK_REALTIME, &soon);
        soon.tv_nsec += 100000000;
        soon.tv_sec += soon.tv_nsec / 1000000000;
        soon.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&lab->changed, &lab->lock, &soon);
    }
    pthread_mutex_unlock(&lab->lock);
}

int lab_router_start(struct lab *lab)
{
    ssh_init();
    lab->router = lab_calloc(1, sizeof *lab->router);
    struct router *hub = add(lab, "hub", hub_config);
    hub->outside = hub->address = 203u << 24 | 113u << 8 | 1; // LAB_HUB_ADDRESS
    hub->inside = 10u << 24 | 1u << 16 | 1;
    remember(hub);
    router_listen(hub);
    lab_snapshot_register(lab, "routers", snapshot);
    return 0;
}
