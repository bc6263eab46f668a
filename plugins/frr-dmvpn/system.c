// What surrounds the two daemons: packet filter, tunnel interface, units, kernel settings; and the list of all files.
//
// Nothing leaves in clear text, at no time: the filter is loaded before the network is up; forwarding is turned on
// after it and only with it; GRE that no IPsec policy covers is dropped in both directions; nothing is forwarded in or
// out of the outside interface but through the tunnel.
#include "frr.h"

#include <string.h>

#define HEAD "# Made by Isthmus (frr-dmvpn). Whole: an edit by hand is found and taken back.\n"

// iptables-restore's format. Chains of our own, so that rules of others stay as they are. Groups 1 and 2 are where nhrpd
// listens for what it is to redirect, and for multicast (FRR's manual, "NHRP", and its iptables rules).
char *frr_firewall(const json_t *in, const ist_dmvpn_machine *f)
{
    ist_buf b = {.max = 16384};
    ist_buf_puts(&b, HEAD "*mangle\n:ISTHMUS-FWD - [0:0]\n");
    ist_buf_puts(&b,
                 "-A ISTHMUS-FWD -o " FRR_TUNNEL " -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1360\n"
                 "-A ISTHMUS-FWD -i " FRR_TUNNEL " -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1360\n"
                 "COMMIT\n*filter\n:ISTHMUS-IN - [0:0]\n:ISTHMUS-OUT - [0:0]\n:ISTHMUS-FWD - [0:0]\n"
                 "-A ISTHMUS-IN -p gre -m policy --dir in --pol none -j DROP\n"
                 "-A ISTHMUS-OUT -p gre -m policy --dir out --pol none -j DROP\n"
                 "-A ISTHMUS-OUT -d 224.0.0.0/24 -o " FRR_TUNNEL " -j NFLOG --nflog-group 2\n"
                 "-A ISTHMUS-OUT -d 224.0.0.0/24 -o " FRR_TUNNEL " -j DROP\n");
    // Two ends whose NHRP keys differ answer each other's refusals with refusals, as fast as they can (RFC 2332, 5.2.7,
    // forbids that; FRR does it). NHRP's type 7 behind a GRE header with a key, which is 8 bytes: one a second is enough.
    static const char refusal[] =
        "-p gre -m u32 --u32 \"0>>22&0x3C@0=0x20002001&&0>>22&0x3C@24>>16&0xFF=7\" -m hashlimit "
        "--hashlimit-above 1/second --hashlimit-burst 2 --hashlimit-mode";
    ist_buf_printf(&b,
                   "-A ISTHMUS-IN %s srcip --hashlimit-name isthmus-nhrp-in -j DROP\n"
                   "-A ISTHMUS-OUT %s dstip --hashlimit-name isthmus-nhrp-out -j DROP\n",
                   refusal, refusal);
    // What this host itself says of a packet that it could not forward quotes the packet, and without a route to who sent
    // it (FRR starts again) it would go out by the default one.
    static const unsigned errors[] = {3, 11, 12}; // unreachable, time exceeded, parameter problem (RFC 792)
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        ist_buf_printf(&b, "-A ISTHMUS-OUT -o %s -p icmp --icmp-type %u -j DROP\n", f->outside, errors[i]);
    ist_buf_printf(&b, "-A ISTHMUS-FWD -o %s -j DROP\n-A ISTHMUS-FWD -i %s -j DROP\n", f->outside,
                   f->outside);
    if (ist_dmvpn_is_hub(in) && ist_json_bool(in, "nhrp.shortcut", 1))
        ist_buf_puts(&b, "-A ISTHMUS-FWD -i " FRR_TUNNEL " -o " FRR_TUNNEL
                         " -m hashlimit --hashlimit-upto 4/minute --hashlimit-burst 1"
                         " --hashlimit-mode srcip,dstip --hashlimit-srcmask 24 --hashlimit-dstmask 24"
                         " --hashlimit-name isthmus -j NFLOG --nflog-group 1 --nflog-size 128\n");
    ist_buf_puts(&b, "COMMIT\n");
    return ist_buf_take(&b);
}

// Where the kernel has nf_tables rules go there, else to what was before it.
static const char firewall_script[] =
    "#!/bin/sh\n" HEAD "# firewall up|down|check: chains of its own, each entered first.\n"
    "set -eu\nKEPT=/run/isthmus-dmvpn.iptables\n"
    "pick() {\n"
    "    [ ! -e $KEPT ] || { T=$(cat $KEPT); return; }\n"
    "    for T in iptables-nft iptables-legacy iptables; do\n"
    "        command -v $T >/dev/null && $T -w 5 -t mangle -N ISTHMUS-PICK 2>/dev/null || continue\n"
    "        $T -w 5 -t mangle -X ISTHMUS-PICK\n"
    "        echo $T >$KEPT\n"
    "        return\n"
    "    done\n"
    "    echo 'no iptables works here' >&2\n"
    "    exit 1\n"
    "}\n"
    "jumps() {\n"
    "    echo 'mangle FORWARD ISTHMUS-FWD'\n"
    "    echo 'filter INPUT ISTHMUS-IN'\n"
    "    echo 'filter OUTPUT ISTHMUS-OUT'\n"
    "    echo 'filter FORWARD ISTHMUS-FWD'\n"
    "}\n"
    "case $1 in\n"
    "up)\n"
    "    pick\n"
    "    R=/etc/isthmus-dmvpn/firewall.rules\n"
    "    # A kernel without u32 does without what spares it work; what keeps clear text in is not left out.\n"
    "    $T-restore -w 5 --noflush <$R || grep -v ' -m u32 ' $R | $T-restore -w 5 --noflush\n"
    "    jumps | while read -r table chain to; do\n"
    "        $T -w 5 -t $table -C $chain -j $to 2>/dev/null || $T -w 5 -t $table -I $chain 1 -j $to\n"
    "    done ;;\n"
    "down)\n"
    "    [ -e $KEPT ] || exit 0\n"
    "    pick\n"
    "    jumps | while read -r table chain to; do\n"
    "        while $T -w 5 -t $table -D $chain -j $to 2>/dev/null; do :; done\n"
    "        $T -w 5 -t $table -F $to 2>/dev/null || :\n"
    "        $T -w 5 -t $table -X $to 2>/dev/null || :\n"
    "    done\n"
    "    rm -f $KEPT ;;\n"
    "check)\n"
    "    [ -e $KEPT ] || exit 1\n"
    "    pick\n"
    "    jumps | while read -r table chain to; do $T -w 5 -t $table -C $chain -j $to || exit 1; done ;;\n"
    "esac\n";

char *frr_tunnel(const json_t *in, const ist_dmvpn_machine *f)
{
    return ist_printf(
        "#!/bin/sh\n" HEAD
        "# The tunnel interface and forwarding; the unit sees to it that the filter stands before.\n"
        "set -eu\nI=" FRR_TUNNEL "\nKEPT=/var/lib/isthmus-dmvpn/sysctl\n"
        "SETS='net.ipv4.ip_forward net.ipv4.conf.all.send_redirects'\n"
        "case $1 in\nup)\n"
        "    modprobe -q ip_gre || :\n"
        "    ip link show dev $I >/dev/null 2>&1 && ip link del dev $I\n"
        "    ip link add name $I type gre key %lld local %s ttl 64\n"
        "    ip link set dev $I mtu 1400 multicast on\n"
        "    ip addr add %s/32 dev $I\n"
        "    sysctl -qw net.ipv4.conf.$I.rp_filter=2 net.ipv4.conf.$I.send_redirects=0\n"
        "    ip link set dev $I up\n"
        "    mkdir -p -m 700 ${KEPT%%/*}\n"
        "    [ -e $KEPT ] || sysctl $SETS >$KEPT\n"
        "    sysctl -qw net.ipv4.conf.all.send_redirects=0 net.ipv4.ip_forward=1 ;;\n"
        "down)\n"
        "    [ ! -e $KEPT ] || sysctl -qp $KEPT\n"
        "    ip link del dev $I 2>/dev/null || : ;;\nesac\n",
        (long long)ist_json_int(in, "nhrp.network_id", 100), f->outside_address,
        ist_json_str_or(in, "DmvpnIp", ""));
}

static const char daemons[] = HEAD "zebra=yes\nospfd=yes\nnhrpd=yes\nvtysh_enable=yes\n"
                                   "zebra_options=\"  -A 127.0.0.1 -s 90000000\"\n"
                                   "mgmtd_options=\"  -A 127.0.0.1\"\n"
                                   "ospfd_options=\"  -A 127.0.0.1\"\n"
                                   "nhrpd_options=\"  -A 127.0.0.1\"\n"
                                   "staticd_options=\"-A 127.0.0.1\"\n";

// A short list of plugins: charon with all of them takes long to start.
static const char strongswan[] =
    HEAD "charon {\n  load_modular = no\n"
         "  load = random nonce openssl kernel-netlink socket-default vici updown\n"
         "  install_routes = no\n  install_virtual_ip = no\n"
         "  retransmit_tries = 3\n  retransmit_timeout = 1.5\n  retransmit_base = 1.5\n"
         "}\nswanctl {\n  load = random openssl\n}\n";

// nhrpd knows nothing of IPsec: an NHS that does not answer it asks again after 2, 4, 8 ... 64 s. One that it is given anew
// it asks at once.
static const char register_script[] =
    "#!/bin/sh\n" HEAD "# register NHS ADDRESS: called by charon; once IPsec with it is up nhrpd asks anew.\n"
    "case ${PLUTO_VERB:-} in up-*) ;; *) exit 0 ;; esac\n"
    "vtysh -d nhrpd -c 'configure terminal' -c 'interface " FRR_TUNNEL "' -c \"no ip nhrp nhs $1 nbma $2\" "
    "\\\n    -c \"ip nhrp nhs $1 nbma $2\" </dev/null >/dev/null 2>&1 &\n";

static const char firewall_unit[] =
    HEAD "[Unit]\nDescription=Packet filter of the DMVPN: nothing in clear text\nDefaultDependencies=no\n"
         "Wants=network-pre.target\nBefore=network-pre.target shutdown.target\nConflicts=shutdown.target\n"
         "After=local-fs.target systemd-modules-load.service\n"
         "[Service]\nType=oneshot\nRemainAfterExit=yes\n"
         "ExecStart=/usr/local/lib/isthmus-dmvpn/firewall "
         "up\nExecReload=/usr/local/lib/isthmus-dmvpn/firewall up\n"
         "[Install]\nWantedBy=sysinit.target\n";

static const char tunnel_unit[] =
    HEAD "[Unit]\nDescription=Tunnel interface of the DMVPN\nRequires=isthmus-dmvpn-firewall.service\n"
         "After=isthmus-dmvpn-firewall.service network-pre.target\nBefore=strongswan.service frr.service\n"
         "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/local/lib/isthmus-dmvpn/tunnel up\n"
         "ExecStop=/usr/local/lib/isthmus-dmvpn/tunnel down\n"
         "[Install]\nWantedBy=multi-user.target\n";

// What a charon that died left in the kernel would answer for nobody.
// One that the other end tells it is leaving in the moment in which it is to stop itself (`close_action = start` has begun
// anew by then) turns in circles and never stops (strongSwan 6.0.1): it takes two seconds else.
static const char strongswan_dropin[] =
    HEAD "[Unit]\nWants=isthmus-dmvpn.service\nAfter=isthmus-dmvpn.service\nStartLimitIntervalSec=0\n"
         "[Service]\nRestart=always\nRestartSec=1\nTimeoutStopSec=10\n"
         "ExecStartPre=-/usr/sbin/ip xfrm state flush\nExecStartPre=-/usr/sbin/ip xfrm policy flush\n";

// FRR comes before network.target and charon after network-online.target: to order one behind the other would be a cycle,
// which systemd breaks by starting less. It is not needed: without a policy GRE is dropped, and NHRP tries again.
static const char frr_dropin[] =
    HEAD "[Unit]\nWants=isthmus-dmvpn.service\nAfter=isthmus-dmvpn.service\nStartLimitIntervalSec=0\n"
         "[Service]\nRestart=always\nRestartSec=1\n";

static void add(frr_files *files, const char *path, const char *owner, unsigned mode, unsigned then,
                char *text)
{
    files->at[files->count++] = (frr_file){path, owner, mode, then, text};
}

void frr_generate(const json_t *in, const ist_dmvpn_machine *f, frr_files *files)
{
    static const char root[] = "root:root", frr[] = "frr:frr";

    memset(files, 0, sizeof *files);
    // In the order in which they are put in place: the filter first.
    add(files, "/etc/isthmus-dmvpn/firewall.rules", root, 0600, FRR_DO_FIREWALL, frr_firewall(in, f));
    add(files, "/usr/local/lib/isthmus-dmvpn/firewall", root, 0755, FRR_DO_FIREWALL,
        ist_strdup(firewall_script));
    add(files, "/usr/local/lib/isthmus-dmvpn/tunnel", root, 0755, FRR_DO_TUNNEL, frr_tunnel(in, f));
    add(files, FRR_REGISTER, root, 0755, FRR_DO_SWANCTL, ist_strdup(register_script));
    add(files, "/etc/strongswan.d/isthmus.conf", root, 0644, FRR_DO_CHARON, ist_strdup(strongswan));
    add(files, "/etc/swanctl/conf.d/isthmus.conf", root, 0600, FRR_DO_SWANCTL, frr_swanctl(in, f));
    add(files, "/etc/swanctl/conf.d/isthmus-secrets.conf", root, 0600, FRR_DO_SECRETS,
        frr_swanctl_secrets(in));
    add(files, "/etc/frr/daemons", frr, 0640, FRR_DO_DAEMONS, ist_strdup(daemons));
    add(files, "/etc/frr/frr.conf", frr, 0640, FRR_DO_FRR, frr_conf(in, f));
    add(files, "/etc/systemd/system/isthmus-dmvpn-firewall.service", root, 0644, FRR_DO_SYSTEMD,
        ist_strdup(firewall_unit));
    add(files, "/etc/systemd/system/isthmus-dmvpn.service", root, 0644, FRR_DO_SYSTEMD,
        ist_strdup(tunnel_unit));
    add(files, "/etc/systemd/system/strongswan.service.d/isthmus.conf", root, 0644, FRR_DO_SYSTEMD,
        ist_strdup(strongswan_dropin));
    add(files, "/etc/systemd/system/frr.service.d/isthmus.conf", root, 0644, FRR_DO_SYSTEMD,
        ist_strdup(frr_dropin));
}

void frr_files_free(frr_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        ist_free_secret(files->at[i].text);
    memset(files, 0, sizeof *files);
}
