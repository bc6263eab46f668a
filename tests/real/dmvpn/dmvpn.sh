#!/usr/bin/env bash
# A whole DMVPN, real: three Debian machines under User-Mode Linux, bare, made a hub and two spokes (one behind NAT) from
# outside over SSH by one pipeline; packets between the pods behind them; what is on the wire between them; and back to
# bare.
# Root, a network to install Debian from once (kept under $ISTHMUS_CACHE, else ~/.cache/isthmus), and some minutes.
. "$(dirname "$0")/../../integration/lib.sh"
[ "$(id -u)" = 0 ] || skip_all "not root"
command -v apt-get >/dev/null || skip_all "apt-get is missing, by which a Debian machine is made"
need=()
for tool in ip:iproute2 unshare:util-linux ssh:openssh-client jq:jq; do
    command -v ${tool%:*} >/dev/null || need+=("${tool#*:}")
done
if [ ${#need[@]} -gt 0 ]; then
    get() { DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -qq -y --no-install-recommends "${need[@]}"; }
    { get || { apt-get update -qq && get; }; } >"$TMP/apt.log" 2>&1 || skip_all "missing, and not to be installed: ${need[*]}"
fi
[ -c /dev/net/tun ] || skip_all "there is no /dev/net/tun"
unshare -mn true 2>/dev/null || skip_all "no namespaces can be made here"
. "$(dirname "$0")/lib.sh"
MACHINES=(hub spoke spoke2)
# It waits for another that makes the same.
IMAGE=$(timeout 1800 "$SRC/tests/real/dmvpn/build-image.sh" "${ISTHMUS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/isthmus}" \
    2>"$TMP/image.log") || skip_all "no Debian machine could be made: $(tail -1 "$TMP/image.log")"
end() {
    [ -z "${CAPTURES:-}" ] || kill $CAPTURES 2>/dev/null
    for name in "${MACHINES[@]}"; do machine_down "$name"; done
    world_down
    cleanup
}
trap end EXIT
GIVE_UP=$((SECONDS + 2400)) # for all of it, on a machine that is busy
export KEY=$IMAGE/key KNOWN=$TMP/known_hosts XDG_CACHE_HOME=$TMP/xdg ISTHMUS_STATE=$TMP/state.db ISTHMUS_PLUGIN_PATH=$BUILD/plugins
for address in 203.0.113.2 198.51.100.9 198.51.100.26; do echo "$address $(cat "$IMAGE/host.pub")"; done >"$KNOWN"
mkdir -p "$TMP/conf.d/walk-through"
cp "$SRC/conf.d/stars/dmvpn_conf.yaml" "$TMP/conf.d/walk-through/"
sed -i 's/remote_peer_ip:.*/remote_peer_ip: 203.0.113.2/' "$TMP/conf.d/walk-through/dmvpn_conf.yaml"
cp "$SRC/tests/real/dmvpn/dmvpn.yaml" "$TMP/conf.d/"

isthmus() { in_ns inet timeout 400 "$ISTHMUS" -C "$TMP/conf.d" "$@"; }
changed() { # changed STEP.INPUT=VALUE... -- WORDS: a command under other inputs
    local sets=()
    while [ "$1" != -- ]; do
        sets+=(--set "pipelines.dmvpn.steps.${1%%.*}.with.${1#*.}")
        shift
    done
    shift
    isthmus "$@" "${sets[@]}"
}
refuses() { ! "$@"; }
from() { local ns=$1; shift; in_ns "$ns" chroot "$IMAGE/root" "$@"; } # a program of that Debian, in a namespace
until_so() { # until_so COMMAND...: until it succeeds; waits for nothing else
    local end=$((SECONDS + 300))
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] && [ $SECONDS -lt $GIVE_UP ] || { how_it_stands; return 1; }
        sleep 0.2
    done
}
how_it_stands() { # of both ends, for who has to find out why
    local name
    for name in "${!MACHINE[@]}"; do
        echo "---- $name"
        on "$name" 'swanctl --list-sas; vtysh -c "show ip nhrp cache" -c "show ip nhrp nhs" -c "show ip ospf neighbor" -c "show ip route"
            systemctl --no-pager --plain --failed; journalctl -q -b -o cat --no-pager -u strongswan -u frr | tail -15' 2>&1
    done
}
pings() { from "$1" ping -q -n -c "${4:-1}" -i 0.05 -W 3 -I "$2" "$3"; }
each() { # each COMMAND: of every machine, all at once
    local name pid rc=0 pids=()
    for name in "${MACHINES[@]}"; do
        "$1" "$name" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid" || rc=1; done
    return $rc
}
both_ways() { pings vpc 10.0.110.197 192.168.1.184 && pings onprem 192.168.1.184 10.0.110.197; }
both_ways_2() { pings vpc2 10.2.110.5 192.168.1.184 && pings onprem 192.168.1.184 10.2.110.5; }
all_ways() { both_ways && both_ways_2; }
no_loss() { # no_loss NAMESPACE FROM TO [COUNT]
    pings "$1" "$2" "$3" "${4:-100}" >"$TMP/ping.$1" 2>&1 && grep -q ' 0% packet loss' "$TMP/ping.$1" && return
    cat "$TMP/ping.$1"
    return 1
}
what_is_there() { # of a machine, as one would notice it
    on "$1" 'find /etc /usr/local /var/lib/isthmus-dmvpn -xdev \( -type f -o -type l \) ! -name "*.cache" ! -path "/etc/machine-id" \
        -printf "%p %m %u:%g %l\n" -type f -exec md5sum {} + 2>/dev/null | sort
        cat /proc/sys/net/ipv4/ip_forward; ip -o link | cut -d: -f2 | cut -d@ -f1 | grep -v "gre\|erspan"; iptables-legacy-save | grep "^-"
        dpkg-query -W -f "\${Package} \${Version}\n"; ip xfrm policy | grep -v "socket\|src 0.0.0.0/0\|priority\|src ::/0"; for u in frr strongswan; do systemctl is-enabled $u; systemctl is-active $u; done; :' 2>&1
}

ok "a world of four networks" world_up
for name in "${MACHINES[@]}"; do machine_on "$name"; done
for name in "${MACHINES[@]}"; do
    ok "a bare Debian for the $name" machine_up "$name"
done
[ "$FAILED" = 0 ] || finish # nothing of what follows could be
bare() { what_is_there "$1" >"$TMP/$1.bare"; }
each bare

# ---- before ----
ok "the pipeline is valid" isthmus validate
: >"$TMP/nobody"
exits 1 "a host whose key nobody knows is refused" env KNOWN="$TMP/nobody" ip netns exec "$WORLD-inet" "$ISTHMUS" -C "$TMP/conf.d" plan dmvpn
says "is unknown" "which says so"
exits 2 "a plan for bare hosts has changes" isthmus plan dmvpn --detailed-exitcode
says "create  /etc/swanctl/conf.d/isthmus.conf" "and tells of the files"
says "frr-pythontools" "and of the package that is missing"
cp "$TMP/out" "$TMP/plan"
ok "with no key in them" refuses grep -e abcdefghijklmn012345 -e keykey00 "$TMP/plan"
what_is_there hub | diff -q - "$TMP/hub.bare" >/dev/null
pass_or_fail $? "and a plan has changed nothing"

# ---- made, under the eyes of who listens in between ----
CAPTURES=
for link in "${MACHINES[@]}"; do
    beside inet chroot "$IMAGE/root" tcpdump -Uni $link -w - 2>/dev/null >"$TMP/$link.pcap"
    CAPTURES="$CAPTURES $!"
done
# From before there is a tunnel, until the end, whatever is down or starting: pods behind every machine want something.
for pods in "vpc 10.0.110.197 192.168.1.184" "onprem 192.168.1.184 10.0.110.197" "vpc2 10.2.110.5 192.168.1.184"; do
    read -r ns pod to <<<"$pods"
    beside "$ns" chroot "$IMAGE/root" ping -q -n -i 0.5 -I "$pod" "$to" >/dev/null
    CAPTURES="$CAPTURES $!"
done
start=$SECONDS
ok "one apply makes all" isthmus apply dmvpn --yes
[ "$FAILED" = 0 ] || finish
ok "pods reach each other" until_so both_ways
ok "by the spoke behind NAT too" until_so both_ways_2
[ "$FAILED" = 0 ] || finish
echo "# apply and the first ping: $((SECONDS - start)) s"
no_loss onprem 192.168.1.184 10.0.110.197 >"$TMP/back" &
back=$!
ok "100 pings from the cloud's pod to the one on premises, none lost" no_loss vpc 10.0.110.197 192.168.1.184
ok "and 100 back" wait $back
ok "verify agrees" isthmus verify dmvpn
says "pass  OSPF neighbour is full" "and tells of OSPF"
says "TRANSPORT in UDP" "and of ESP in UDP, which is what NAT makes of it"
exits 0 "a second plan is empty" isthmus plan dmvpn --detailed-exitcode
head -c 10000000 /dev/urandom >"$IMAGE/root/tmp/sent.$$"
rm -f "$IMAGE/root/tmp/got.$$"
beside onprem chroot "$IMAGE/root" socat -T 120 -u TCP-LISTEN:9000,bind=192.168.1.184,reuseaddr,accept-timeout=120 "CREATE:/tmp/got.$$"
listener=$!
listens=
for end in "onprem hub-in" "vpc spoke-in"; do
    beside ${end% *} chroot "$IMAGE/root" tcpdump -Uni ${end#* } -w - 'tcp port 9000' 2>"$TMP/${end% *}.log" >"$TMP/${end% *}.pcap"
    listens="$listens $!"
    until_so grep -q 'listening on' "$TMP/${end% *}.log"
done
until_so in_ns onprem grep -q ':2328 ' /proc/net/tcp
from vpc timeout 120 socat -u "OPEN:/tmp/sent.$$" TCP:192.168.1.184:9000,bind=10.0.110.197
wait $listener
kill $listens
{ wait $listens; } 2>/dev/null
ok "10 MB by TCP arrive as they were sent" cmp "$IMAGE/root/tmp/sent.$$" "$IMAGE/root/tmp/got.$$"
rm -f "$IMAGE/root/tmp/sent.$$" "$IMAGE/root/tmp/got.$$"
ok "1400 bytes go through unfragmented" from vpc ping -q -n -c 2 -M do -s 1372 -W 3 -I 10.0.110.197 192.168.1.184
ok "and one more is refused" refuses from vpc ping -n -c 1 -M do -s 1373 -W 3 -I 10.0.110.197 192.168.1.184
says "mtu" "by a router that says how much may be"
# What the other end of a connection is told: behind the hub of the SYN, behind the spoke of its answer.
told() { from vpc tcpdump -nvr - "src host $2 and tcp[tcpflags] & tcp-syn != 0" <"$TMP/$1.pcap" 2>/dev/null | grep -oE 'mss [0-9]+' | sort -u | tr '\n' ' '; }
mss="$(told onprem 10.0.110.197), back $(told vpc 192.168.1.184)"
ok "TCP is told to send no more at once than fits, both ways (seen: $mss)" test "$mss" = "mss 1360 , back mss 1360 "

# ---- from spoke to spoke ----
shortcut() { # traffic, and a route of NHRP's own for it
    pings vpc 10.0.110.197 10.2.110.5 5
    on spoke 'vtysh -c "show ip route json"' | jq -e 'to_entries | any(.[]; (.key | startswith("10.2.110.")) and any(.value[]; .protocol == "nhrp" and .selected))'
}
ok "pods behind two spokes reach each other" until_so pings vpc 10.0.110.197 10.2.110.5
ok "soon by a shortcut" until_so shortcut
ok "on which none of 100 pings is lost" until_so no_loss vpc 10.0.110.197 10.2.110.5
ok "and which goes to the other spoke itself, through its NAT" \
    on spoke 'swanctl --list-sas --raw | grep -F remote-host=198.51.100.26 | grep -qE "packets-in=[0-9]{2,}"'

# ---- keys made anew ----
REKEY='sas() { swanctl --list-sas --ike isthmus-hub-1 --raw | grep -oE "(spi-in|initiator-spi)=[0-9a-f]+"; }
    before=$(sas)
    fresh() { sas | grep -vF "$before" | grep -q "^$1="; }
    swanctl --rekey --child isthmus-hub-1 && swanctl --rekey --ike isthmus-hub-1 || exit 1
    for i in $(seq 100); do ! fresh spi-in || ! fresh initiator-spi || exit 0; sleep 0.2; done; exit 1'
rekey() { # while 200 pings are under way; once more where they were over first
    local pinging
    while [ $SECONDS -lt $GIVE_UP ]; do
        no_loss vpc 10.0.110.197 192.168.1.184 200 &
        pinging=$!
        on spoke "$REKEY" || { wait $pinging; return 1; }
        if kill -0 $pinging 2>/dev/null; then
            wait $pinging
            return
        fi
        wait $pinging || return 1
    done
    return 1
}
ok "IPsec and IKE get new keys, and none of 200 pings is lost meanwhile" rekey

# ---- what differs is named; two at once, for each is waited for a while ----
# names [STEP TEXT NOT]...: verify fails, and what fails of the step is that by TEXT and not that by NOT. What it does not know
# at once it knows when it is asked again.
names() {
    changed "${wrong[@]}" spoke.settle=5s spoke2.settle=5s hub.settle=1s -- verify dmvpn --output jsonl >"$TMP/verify" 2>"$TMP/verify.err"
    [ $? = 1 ] || return 1
    while [ $# -gt 0 ]; do
        jq -es --arg step "$1" --arg text "$2" --arg not "$3" '[.[] | select(.event == "check" and .step == $step and .result == "fail").evidence] |
            any(contains($text)) and all(contains($not) | not)' "$TMP/verify" || return 1
        shift 3
    done
}
PSK_DIFFERS="the pre-shared key (\`ike_keyring_peer.pre-shared-key\`) differs"
NHRP_DIFFERS="the NHRP key (\`nhrp.key\`) differs"
OSPF_DIFFERS="the OSPF key (\`ospf.authentication\`, \`ospf.authKey\`) differs"
PROPOSAL_DIFFERS="the proposal differs"
named() { until_so names "$@" || { cat "$TMP/verify"; return 1; }; }
wrong=(spoke.ike_keyring_peer.pre-shared-key=another012345 spoke2.nhrp.key=another0)
ok "another key of IKE, and one of NHRP: applied" changed "${wrong[@]}" -- apply dmvpn --yes
ok "verify fails, and names the pre-shared key on the one and NHRP's on the other" \
    named spoke "$PSK_DIFFERS" "$NHRP_DIFFERS" spoke2 "$NHRP_DIFFERS" "$PSK_DIFFERS"
refusals=$(on hub 'journalctl -q -u frr --since -150s -o cat --no-pager' | grep -ci 'authentication failure')
ok "refusals do not answer each other without end (in 150 s: $refusals)" test "$refusals" -gt 0 -a "$refusals" -lt 200
on hub 'systemctl stop isthmus-dmvpn-firewall strongswan' 2>"$TMP/stopped"
ok "systemd knows its units as they are" refuses grep . "$TMP/stopped"
exits 2 "with services stopped by hand on the hub there is something to do" isthmus plan dmvpn --detailed-exitcode
says 'state: "inactive" -> "active"' "also there"
ok "all is put right" isthmus apply dmvpn --yes
ok "and works" until_so all_ways

# ---- drift: among it what verify has to name ----
on hub 'echo "! by hand" >>/etc/frr/frr.conf; chmod 644 /etc/swanctl/conf.d/isthmus-secrets.conf'
on spoke 'vtysh -c "configure terminal" -c "interface dmvpn0" -c "ip ospf authentication message-digest" \
    -c "ip ospf message-digest-key 1 md5 another0"'
on spoke2 'sed -i s/ecp256/modp2048/ /etc/swanctl/conf.d/isthmus.conf; swanctl --load-all; swanctl --terminate --ike isthmus-hub-1 --force' >/dev/null 2>&1
exits 2 "drift is seen" isthmus plan dmvpn --detailed-exitcode
says '"! by hand" -> ""' "in a file"
says 'mode: "644" -> "600"' "in who may read a secret"
wrong=()
ok "another key of OSPF and another proposal, by hand: verify fails, and names each where it is" \
    named spoke "$OSPF_DIFFERS" "$PROPOSAL_DIFFERS" spoke2 "$PROPOSAL_DIFFERS" "$OSPF_DIFFERS"
# FRR alone has that key, and not its file: the file is what drift is seen in.
on spoke 'echo "! by hand" >>/etc/frr/frr.conf'
ok "all that is mended" isthmus apply dmvpn --yes
ok "so that pods reach each other again" until_so all_ways
exits 0 "and nothing is left to do" isthmus plan dmvpn --detailed-exitcode

# ---- a change that nobody confirms, and one that cuts off who makes it; the hosts take both back by themselves ----
# Not by a function: what is started here is the program itself, and its process id is.
beside inet "$ISTHMUS" -C "$TMP/conf.d" apply dmvpn --yes --only spoke \
    --set pipelines.dmvpn.steps.spoke.with.nhrp.key=another0 \
    --set pipelines.dmvpn.steps.spoke.with.revert_minutes=1 >"$TMP/killed" 2>&1
killed=$!
until_so on spoke 'test -e /var/lib/isthmus-dmvpn/pending && ! cmp -s /etc/frr/frr.conf /var/lib/isthmus-dmvpn/backup/tree/etc/frr/frr.conf'
kill -KILL $killed
{ wait $killed; } 2>/dev/null
ok "a run that is killed in the middle leaves a change that is pending" on spoke test -e /var/lib/isthmus-dmvpn/pending
start=$SECONDS
# Who announces the network that we are in sends the answers to us there.
changed spoke2.revert_minutes=1 'spoke2.announce=[10.2.109.0/24, 10.2.110.0/24, 198.51.100.17/32]' \
    -- apply dmvpn --yes --only spoke2 >"$TMP/cut" 2>&1 &
cut=$!

# ---- what dies comes back by itself; meanwhile the timers of those two run ----
again() { # again "what" NAME UNIT WAYS: killed on a machine; until pings are back
    local before start=$SECONDS
    before=$(on "$2" "systemctl show -P NRestarts $3")
    on "$2" "systemctl kill -s KILL $3"
    ok "$1 is killed on the $2: it is started by itself" \
        until_so on "$2" "[ \$(systemctl show -P NRestarts $3) -gt ${before:-0} ] && systemctl -q is-active $3"
    ok "and pods reach each other" until_so "$4"
    echo "# $1 killed on the $2: $((SECONDS - start)) s"
}
again FRR hub frr both_ways_2
again charon hub strongswan both_ways_2
start_one=$SECONDS
was=$(on hub 'pidof nhrpd')
on hub "kill -KILL $was"
ok "one of FRR's daemons is killed alone: it is started by itself" until_so on hub "is=\$(pidof nhrpd) && [ \$is != $was ]"
registered() { on hub 'vtysh -c "show ip nhrp cache json"' | jq -e '[.table[] | select(.type == "dynamic")] | any(.protocol == "10.250.0.10")'; }
ok "has who was registered before" until_so registered
ok "and pods reach each other" until_so both_ways_2
echo "# nhrpd killed on the hub: $((SECONDS - start_one)) s"
wait $cut
status=$?
cp "$TMP/cut" "$TMP/out"
[ $status = 3 ]
pass_or_fail $? "a change that cuts the path to the host fails"
says "198.51.100.26 is out of reach since the change" "which is told as soon as it is seen"
says "the change cut us off from it, so that the host has taken it back by itself" "and how that ended"
for name in spoke spoke2; do
    ok "the $name takes it back by itself" until_so on $name '! test -e /var/lib/isthmus-dmvpn/pending'
done
echo "# taken back after $((SECONDS - start)) s"
ok "so that pods reach each other again" until_so all_ways
again charon spoke strongswan all_ways

# ---- the next run goes on from there: to two hubs, the second behind NAT ----
several=(spoke2.mode=hub spoke2.nhrp.HubTunnelIP=10.250.0.10
    'spoke2.hubs=[{tunnel_address: 10.250.0.1, address: 203.0.113.2}]'
    'spoke.hubs=[{tunnel_address: 10.250.0.10, address: 198.51.100.26, identity: 172.31.0.9}]')
ok "the next run goes on from there, and makes one spoke a second hub" changed "${several[@]}" -- apply dmvpn --yes
exits 0 "with nothing left to do" changed "${several[@]}" -- plan dmvpn --detailed-exitcode
leads() { # leads NAME PREFIX VIA: the route that is used
    on "$1" 'vtysh -c "show ip route json"' | jq -e --arg p "$2" --arg v "$3" '.[$p] | any(.[]; .selected and any(.nexthops[]; .ip == $v))'
}
ok "the spoke has the networks behind it from there" until_so leads spoke 10.2.110.0/24 10.250.0.10
ok "and the way back is as straight" until_so leads spoke2 10.0.110.0/24 10.250.0.9
ok "and both hubs serve it" until_so all_ways

# ---- power cuts: one hub, then the spoke ----
machine_down hub
ok "a hub loses its power: by the other go all of 300 pings" no_loss vpc 10.0.110.197 10.2.110.5 300
machine_down spoke
start=$SECONDS
machine_on hub
machine_on spoke
ok "the spoke lost it too, and starts" machine_up spoke
ok "and the hub" machine_up hub
ok "the spoke is in the DMVPN by itself" until_so pings vpc 10.0.110.197 10.2.110.5
echo "# a power cycle of the spoke, until it reaches the second hub: $((SECONDS - start)) s"
ok "the hub too" until_so all_ways
echo "# a power cycle of the hub, until all is well: $((SECONDS - start)) s"
exits 0 "with nothing left to do" changed "${several[@]}" -- plan dmvpn --detailed-exitcode
for name in hub spoke; do
    ok "the units of the $name have an order" refuses on "$name" 'journalctl -b -o cat --no-pager | grep "ordering cycle"'
done

# ---- bare again ----
ok "destroy" isthmus destroy dmvpn --yes
after() { what_is_there "$1" >"$TMP/$1.after"; }
each after
for name in "${MACHINES[@]}"; do
    ok "the $name is as bare as it was" diff "$TMP/$name.bare" "$TMP/$name.after"
done

# ---- what was seen in between ----
kill $CAPTURES 2>/dev/null
wait $CAPTURES 2>/dev/null
CAPTURES=
seen() { in_ns inet chroot "$IMAGE/root" tcpdump -nr - "$2" <"$TMP/$1.pcap" 2>/dev/null | wc -l; }
nothing_but() { # it shows what there is; a filter or a file that cannot be read proves nothing
    in_ns inet chroot "$IMAGE/root" tcpdump -nvr - "$2" <"$TMP/$1.pcap" >"$TMP/found" 2>"$TMP/found.err" || { cat "$TMP/found.err"; return 1; }
    head -20 "$TMP/found"
    [ ! -s "$TMP/found" ]
}
for link in "${MACHINES[@]}"; do
    esp='esp or udp port 4500' # in UDP where there is NAT
    echo "# towards the $link: $(seen $link esp) ESP, $(seen $link 'udp port 4500') in UDP, $(seen $link 'udp port 500') IKE"
    ok "ESP went to the $link" test "$(seen $link "$esp")" -gt 400
    # What answers for a machine that is off, or has not begun to listen, quotes ESP and IKE alone.
    ok "and nothing but ESP, IKE, ARP, our SSH and that somebody cannot be reached" \
        nothing_but $link "not ($esp) and not udp port 500 and not arp and not tcp port 22 and not ip6 and not icmp[icmptype] == icmp-unreach"
    # An answer that somebody cannot be reached quotes what it answers: at 17 is the protocol of that.
    ok "nothing of a pod, not even quoted, and no GRE in clear text" nothing_but $link 'host 192.168.1.184 or host 10.0.110.197 or
        host 10.2.110.5 or proto gre or icmp[icmptype] == icmp-unreach and icmp[17] != 50 and icmp[17] != 17'
    ok "nothing in fragments" nothing_but $link 'ip[6:2] & 0x3fff != 0'
done
finish
