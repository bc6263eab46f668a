// The configuration commands that the lab's routers know, in the order in which a running configuration
// prints them. Source: the command references of IOS XE 16 and 17.
#include "device.h"

#define SECTION(m, p, e)                                                                                     \
    {                                                                                                        \
        .mode = m, .pattern = p, .enters = e                                                                 \
    }
#define LINE(m, p)                                                                                           \
    {                                                                                                        \
        .mode = m, .pattern = p                                                                              \
    }
#define SETTING(m, p, k)                                                                                     \
    {                                                                                                        \
        .mode = m, .pattern = p, .key = k                                                                    \
    }
#define DEFAULT(m, p, k, h)                                                                                  \
    {                                                                                                        \
        .mode = m, .pattern = p, .key = k, .hidden = h                                                       \
    }
#define ON(m, p)                                                                                             \
    {                                                                                                        \
        .mode = m, .pattern = p, .on = true                                                                  \
    }

#define G   "config"
#define IF  "config-if"
#define RTR "config-router"
#define PRO "config-ikev2-proposal"
#define POL "config-ikev2-policy"
#define KEY "config-ikev2-keyring"
#define PER "config-ikev2-keyring-peer"
#define IKE "config-ikev2-profile"
#define TRA "cfg-crypto-trans"
#define IPS "ipsec-profile"
#define ARC "config-archive"
#define LOG "config-archive-log-cfg"
#define MAP "config-route-map"
#define VTY "config-line"
#define PUB "conf-ssh-pubkey"
#define PUU "conf-ssh-pubkey-user"
#define ACL "config-ext-nacl"

const struct rule lab_ios_rules[] = {
    LINE(G, "service <line>"),
    SETTING(G, "configuration mode exclusive auto", 3),
    SETTING(G, "configuration mode exclusive manual", 3),
    LINE(G, "password encryption aes"),
    SETTING(G, "platform <line>", 0),
    SETTING(G, "hostname <word>", 1),
    SETTING(G, "logging <line>", 0),
    SETTING(G, "enable secret <secret>", 2),
    SETTING(G, "enable secret <int> <secret>", 2),
    LINE(G, "aaa new-model"),
    LINE(G, "aaa <line>"),
    ON(G, "ip domain lookup"),
    SETTING(G, "ip domain name <word>", 3),
    LINE(G, "login on-success log"),
    SETTING(G, "license <line>", 0),
    SETTING(G, "username <word> privilege <int>", 2),
    SETTING(G, "username <word> privilege <int> password <int> <secret>", 2),
    SETTING(G, "username <word> privilege <int> secret <int> <secret>", 2),
    SETTING(G, "username <word> privilege <int> secret <secret>", 2),
    SETTING(G, "username <word> secret <int> <secret>", 2),
    SETTING(G, "username <word> secret <secret>", 2),
    SETTING(G, "username <word> password <int> <secret>", 2),
    SETTING(G, "username <word> password <secret>", 2),
    SECTION(G, "archive", ARC),
    SECTION(G, "crypto ikev2 proposal <word>", PRO),
    SECTION(G, "crypto ikev2 policy <word>", POL),
    SECTION(G, "crypto ikev2 keyring <word>", KEY),
    SECTION(G, "crypto ikev2 profile <word>", IKE),
    SETTING(G, "crypto ikev2 nat keepalive <int>", 4),
    SETTING(G, "crypto ikev2 dpd <int> <int> <dpd>", 3),
    DEFAULT(G, "crypto ipsec security-association replay window-size <int>", 5,
            "crypto ipsec security-association replay window-size 64"),
    {.mode = G, .pattern = "crypto ipsec transform-set <word> esp-gcm <int>", .enters = TRA, .key = 4},
    {.mode = G, .pattern = "crypto ipsec transform-set <word> esp-aes <int> <word>", .enters = TRA, .key = 4},
    {.mode = G, .pattern = "crypto ipsec transform-set <word> esp-aes <word>", .enters = TRA, .key = 4},
    SECTION(G, "crypto ipsec profile <word>", IPS),
    SECTION(G, "interface <interface>", IF),
    SECTION(G, "router ospf <ospfprocess>", RTR),
    DEFAULT(G, "ip forward-protocol nd", 0, "ip forward-protocol nd"),
    LINE(G, "ip http server"),
    LINE(G, "ip http secure-server"),
    LINE(G, "ip http authentication local"),
    LINE(G, "ip route <ip> <mask> <ip>"),
    LINE(G, "ip route <ip> <mask> <ip> <int>"),
    LINE(G, "ip route <ip> <mask> <interface>"),
    LINE(G, "ip route <ip> <mask> <interface> <int>"),
    LINE(G, "ip route <ip> <mask> <interface> dhcp"),
    LINE(G, "ip route <ip> <mask> <interface> <ip>"),
    LINE(G, "ip route <ip> <mask> <interface> <ip> <int>"),
    SETTING(G, "ip ssh version <int>", 3),
    SETTING(G, "ip ssh time-out <int>", 3),
    SETTING(G, "ip ssh authentication-retries <int>", 3),
    SETTING(G, "ip ssh maxstartups <int>", 3),
    SETTING(G, "ip ssh server algorithm <word> <line>", 5),
    SETTING(G, "ip ssh rsa keypair-name <word>", 4),
    SECTION(G, "ip ssh pubkey-chain", PUB),
    SETTING(G, "ip prefix-list <word> seq <int> permit <cidr>", 5),
    SETTING(G, "ip prefix-list <word> seq <int> permit <cidr> le <int>", 5),
    SETTING(G, "ip prefix-list <word> seq <int> deny <cidr>", 5),
    SETTING(G, "access-list <line>", 0),
    SECTION(G, "ip access-list extended <word>", ACL),
    SECTION(G, "route-map <word> permit <int>", MAP),
    SECTION(G, "route-map <word> deny <int>", MAP),
    LINE(G, "snmp-server <line>"),
    SECTION(G, "line con <int>", VTY),
    SECTION(G, "line vty <int> <int>", VTY),
    LINE(G, "ntp <line>"),

    SECTION(ARC, "log config", LOG),
    SETTING(ARC, "path <word>", 1),
    DEFAULT(ARC, "maximum <int>", 1, "maximum 10"),
    LINE(ARC, "write-memory"),
    SETTING(ARC, "time-period <int>", 1),
    LINE(LOG, "logging enable"),
    SETTING(LOG, "logging size <int>", 2),
    LINE(LOG, "notify syslog"),
    LINE(LOG, "hidekeys"),

    SETTING(PRO, "encryption <ciphers>", 1),
    SETTING(PRO, "integrity <hashes>", 1),
    SETTING(PRO, "prf <hashes>", 1),
    SETTING(PRO, "group <ints>", 1),
    SETTING(POL, "match fvrf any", 2),
    SETTING(POL, "match fvrf <word>", 2),
    LINE(POL, "match address local <ip>"),
    LINE(POL, "proposal <word>"),
    SECTION(KEY, "peer <word>", PER),
    SETTING(PER, "description <line>", 1),
    SETTING(PER, "address <ip> <mask>", 1),
    SETTING(PER, "address <ip>", 1),
    SETTING(PER, "hostname <word>", 1),
    SETTING(PER, "identity address <ip>", 1),
    SETTING(PER, "pre-shared-key <secret>", 1),
    SETTING(PER, "pre-shared-key 0 <secret>", 1),
    SETTING(PER, "pre-shared-key 6 <secret>", 1),

    SETTING(IKE, "description <line>", 1),
    SETTING(IKE, "match fvrf any", 2),
    SETTING(IKE, "match fvrf <word>", 2),
    LINE(IKE, "match address local <ip>"),
    LINE(IKE, "match address local interface <interface>"),
    LINE(IKE, "match identity remote address <ip> <mask>"),
    LINE(IKE, "match identity remote address <ip>"),
    LINE(IKE, "match identity remote any"),
    LINE(IKE, "match identity remote fqdn <word>"),
    LINE(IKE, "match identity remote email <word>"),
    LINE(IKE, "match identity remote email domain <word>"),
    LINE(IKE, "match identity remote fqdn domain <word>"),
    SETTING(IKE, "identity local address <ip>", 2),
    SETTING(IKE, "identity local fqdn <word>", 2),
    SETTING(IKE, "identity local email <word>", 2),
    LINE(IKE, "authentication remote pre-share"),
    SETTING(IKE, "authentication local pre-share", 2),
    SETTING(IKE, "authentication local rsa-sig", 2),
    LINE(IKE, "authentication remote rsa-sig"),
    SETTING(IKE, "keyring local <word>", 2),
    DEFAULT(IKE, "lifetime <int>", 1, "lifetime 86400"),
    SETTING(IKE, "dpd <int> <int> <dpd>", 1),
    SETTING(IKE, "nat keepalive <int>", 2),

    DEFAULT(TRA, "mode tunnel", 1, "mode tunnel"),
    SETTING(TRA, "mode transport", 1),
    SETTING(TRA, "mode transport require", 1),
    SETTING(IPS, "description <line>", 1),
    SETTING(IPS, "set security-association lifetime seconds <int>", 4),
    SETTING(IPS, "set transform-set <word>", 2),
    SETTING(IPS, "set pfs <word>", 2),
    SETTING(IPS, "set ikev2-profile <word>", 2),

    SETTING(IF, "description <line>", 1),
    SETTING(IF, "bandwidth <int>", 1),
    SETTING(IF, "vrf forwarding <word>", 2),
    SETTING(IF, "ip address <ip> <mask>", 2),
    SETTING(IF, "ip address dhcp", 2),
    DEFAULT(IF, "ip address <none>", 2, "ip address"),
    ON(IF, "ip redirects"),
    SETTING(IF, "ip mtu <int>", 2),
    LINE(IF, "ip access-group <word> in"),
    LINE(IF, "ip access-group <word> out"),
    LINE(IF, "ip nat inside"),
    LINE(IF, "ip nat outside"),
    SETTING(IF, "ip nhrp authentication <nhrpkey>", 3),
    LINE(IF, "ip nhrp map multicast <ip>"),
    LINE(IF, "ip nhrp map multicast dynamic"),
    LINE(IF, "ip nhrp map <ip> <ip>"),
    SETTING(IF, "ip nhrp network-id <int>", 3),
    DEFAULT(IF, "ip nhrp holdtime <int>", 3, "ip nhrp holdtime 600"),
    LINE(IF, "ip nhrp nhs <ip>"),
    LINE(IF, "ip nhrp nhs <ip> nbma <ip>"),
    LINE(IF, "ip nhrp nhs <ip> nbma <ip> multicast"),
    LINE(IF, "ip nhrp registration no-unique"),
    SETTING(IF, "ip nhrp registration timeout <int>", 4),
    LINE(IF, "ip nhrp shortcut"),
    LINE(IF, "ip nhrp redirect"),
    SETTING(IF, "ip tcp adjust-mss <int>", 3),
    SETTING(IF, "ip ospf authentication", 3),
    SETTING(IF, "ip ospf authentication message-digest", 3),
    SETTING(IF, "ip ospf authentication null", 3),
    SETTING(IF, "ip ospf authentication-key <ospfkey>", 3),
    SETTING(IF, "ip ospf authentication-key 0 <ospfkey>", 3),
    SETTING(IF, "ip ospf authentication-key 7 <secret>", 3),
    SETTING(IF, "ip ospf message-digest-key <int> md5 <secret>", 4),
    SETTING(IF, "ip ospf message-digest-key <int> md5 0 <secret>", 4),
    SETTING(IF, "ip ospf message-digest-key <int> md5 7 <secret>", 4),
    SETTING(IF, "ip ospf network <ospfnet>", 3),
    SETTING(IF, "ip ospf dead-interval <int>", 3),
    SETTING(IF, "ip ospf hello-interval <int>", 3),
    SETTING(IF, "ip ospf priority <int>", 3),
    SETTING(IF, "ip ospf cost <int>", 3),
    LINE(IF, "ip ospf mtu-ignore"),
    LINE(IF, "ip ospf <int> area <int>"),
    LINE(IF, "shutdown"),
    LINE(IF, "negotiation auto"),
    SETTING(IF, "load-interval <int>", 1),
    LINE(IF, "mop enabled"),
    LINE(IF, "mop sysid"),
    SETTING(IF, "tunnel source <interface>", 2),
    SETTING(IF, "tunnel source <ip>", 2),
    SETTING(IF, "tunnel destination <ip>", 2),
    SETTING(IF, "tunnel mode gre multipoint", 2),
    DEFAULT(IF, "tunnel mode gre ip", 2, "tunnel mode gre ip"),
    SETTING(IF, "tunnel key <int>", 2),
    SETTING(IF, "tunnel vrf <word>", 2),
    LINE(IF, "tunnel path-mtu-discovery"),
    SETTING(IF, "tunnel protection ipsec profile <word>", 4),
    SETTING(IF, "tunnel protection ipsec profile <word> shared", 4),

    SETTING(RTR, "router-id <ip>", 1),
    SETTING(RTR, "auto-cost reference-bandwidth <int>", 2),
    LINE(RTR, "area <int> authentication"),
    LINE(RTR, "area <int> authentication message-digest"),
    LINE(RTR, "area <int> stub"),
    SETTING(RTR, "redistribute connected", 2),
    SETTING(RTR, "redistribute connected subnets", 2),
    SETTING(RTR, "redistribute connected subnets route-map <word>", 2),
    SETTING(RTR, "redistribute static", 2),
    SETTING(RTR, "redistribute static subnets", 2),
    SETTING(RTR, "redistribute static route-map <word>", 2),
    SETTING(RTR, "redistribute static subnets route-map <word>", 2),
    LINE(RTR, "passive-interface default"),
    LINE(RTR, "passive-interface <interface>"),
    LINE(RTR, "network <ip> <wildcard> area <int>"),
    LINE(RTR, "default-information originate"),
    DEFAULT(RTR, "log-adjacency-changes", 0, "log-adjacency-changes"),

    SETTING(MAP, "description <line>", 1),
    LINE(MAP, "match ip address prefix-list <word>"),
    LINE(MAP, "match interface <interface>"),
    LINE(MAP, "match tag <int>"),
    SETTING(MAP, "set metric <int>", 2),
    SETTING(MAP, "set tag <int>", 2),

    SETTING(VTY, "exec-timeout <int> <int>", 1),
    SETTING(VTY, "length <int>", 1),
    SETTING(VTY, "privilege level <int>", 2),
    LINE(VTY, "logging synchronous"),
    SETTING(VTY, "login local", 1),
    SETTING(VTY, "login", 1),
    SETTING(VTY, "transport preferred <word>", 2),
    SETTING(VTY, "transport input <word>", 2),
    DEFAULT(VTY, "stopbits <int>", 1, "stopbits 1"),

    LINE(ACL, "permit <line>"),
    LINE(ACL, "deny <line>"),
    LINE(ACL, "<int> permit <line>"),
    LINE(ACL, "<int> deny <line>"),

    SECTION(PUB, "username <word>", PUU),
    LINE(PUU, "key-hash <word> <word>"),
    LINE(PUU, "key-hash <word> <word> <word>"),
};
const size_t lab_ios_rule_count = sizeof lab_ios_rules / sizeof *lab_ios_rules;

unsigned rule_order(const struct rule *rule)
{
    return (unsigned)(rule - lab_ios_rules);
}
