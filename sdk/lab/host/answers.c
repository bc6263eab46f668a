// What a Linux host's daemons would answer: how far the tunnel is, in strongSwan's and FRR's own words.
#include "host.h"

#include <stdlib.h>
#include <string.h>

static void tell(const struct lab_host *host, const char *name, const char *text)
{
    char *path = lab_format("%s/lab/told/%s", host->root, name);
    FILE *out = fopen(path, "we");
    if (out) {
        fputs(text, out);
        fclose(out);
    }
    free(path);
}

static void tell_json(const struct lab_host *host, const char *name, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);
    tell(host, name, text);
    free(text);
    json_decref(json);
}

// `swanctl --list-sas --raw` (vici): a message an SA, and the reply that ends them.
static void tell_sas(const struct lab_host *host, enum stage stage, int64_t age)
{
    char *child = stage <= STAGE_IPSEC
                      ? lab_strdup("")
                      : lab_format("isthmus-hub-1-1 {name=isthmus-hub-1 uniqueid=1 reqid=1 state=INSTALLED "
                                   "mode=TRANSPORT protocol=ESP encap=yes packets-in=%lld packets-out=%lld}",
                                   (long long)age / 100 + 1, (long long)age / 90 + 1);
    char *text =
        stage <= STAGE_IKE
            ? lab_strdup("list-sas reply {}\n")
            : lab_format("list-sa event {isthmus-hub-1 {uniqueid=1 version=2 state=ESTABLISHED "
                         "remote-host=" LAB_HUB_ADDRESS " remote-port=4500 initiator=yes "
                         "encr-alg=AES_GCM_16 encr-keysize=256 child-sas {%s}}}\nlist-sas reply {}\n",
                         child);
    tell(host, "sas", text);
    free(text);
    free(child);
}

// What charon and nhrpd leave in the journal when the two ends differ.
static void tell_journal(const struct lab_host *host, enum stage stage, const char *why)
{
    bool key = strstr(why, "pre-shared") || strstr(why, "identity"), proposal = strstr(why, "proposal");
    tell(host, "charon",
         stage != STAGE_IKE ? ""
         : key              ? "received AUTHENTICATION_FAILED notify error\n"
         : proposal         ? "received NO_PROPOSAL_CHOSEN notify error\n"
                            : "");
    tell(host, "frr",
         stage == STAGE_NHRP && strstr(why, "authentication") ? "nhrpd[1]: [T] From " LAB_HUB_ADDRESS
                                                                ": error: authentication failure\n"
                                                              : "");
}

static json_t *routes(struct router *router)
{
    static const char *const names[][2] = {
        {"Tunnel0", "dmvpn0"}, {"GigabitEthernet1", "ens5"}, {"GigabitEthernet2", "ens6"}};
    struct route all[ROUTES_MAX];
    size_t count = router_routes(router, all);
    json_t *table = json_object();
    for (size_t i = 0; i < count; i++) {
        char *ip = lab_ip(all[i].network), *prefix = lab_format("%s/%d", ip, all[i].prefix);
        const char *interface = "";
        for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
            if (!strcmp(names[k][0], all[i].interface))
                interface = names[k][1];
        }
        json_object_set_new(table, prefix,
                            json_pack("[{ss ss sb s[{ss sb}]}]", "prefix", prefix, "protocol",
                                      all[i].code[0] == 'O'   ? "ospf"
                                      : all[i].code[0] == 'S' ? "static"
                                                              : "connected",
                                      "selected", 1, "nexthops", "interfaceName", interface, "active", 1));
        free(ip);
        free(prefix);
    }
    return table;
}

void lab_host_answer(struct router *router)
{
    const struct lab_host *host = router->machine;
    char why[200] = "";
    bool spoke = router == router_spoke(router->lab);
    enum stage stage = spoke ? tunnel_stage(router->lab, true, why, sizeof why) : STAGE_CONFIG;
    int64_t age = router->fits_since_ms ? lab_mono_ms() - router->fits_since_ms : 0;
    uint32_t address;
    int prefix;
    tell_sas(host, stage, age);
    tell_journal(host, stage, why);
    router_interface_address(router_hub(router->lab), "Tunnel0", &address, &prefix);
    char *hub = lab_ip(address);
    tell_json(host, "nhrp",
              stage <= STAGE_NHRP ? json_pack("{s[]}", "table")
                                  : json_pack("{s[{ss ss ss ss sb}]}", "table", "interface", "dmvpn0", "type",
                                              "nhs", "protocol", hub, "nbma", LAB_HUB_ADDRESS, "timeout", 1));
    // A hello a second: who waits for one does not wait long here.
    tell_json(host, "neighbors",
              stage < STAGE_UP
                  ? json_pack("{s{}}", "neighbors")
                  : json_pack("{s{s[{ss ss sI}]}}", "neighbors", hub, "converged", "Full", "ifaceName",
                              "dmvpn0", "routerDeadIntervalTimerDueMsec", (json_int_t)(40000 - age % 1000)));
    tell_json(host, "routes", routes(router));
    free(hub);
}
