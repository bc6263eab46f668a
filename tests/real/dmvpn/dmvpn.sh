#!/usr/bin/env bash
# A whole DMVPN, real: two Debian machines under User-Mode Linux, bare, made a hub and a spoke from outside over SSH by
# one pipeline; packets between the pods behind them; what is on the wire between them; and back to bare.
# Root, a network to install Debian from once (kept under $ISTHMUS_CACHE), and some minutes.
. "$(dirname "$0")/../../integration/lib.sh"
[ "$(id -u)" = 0 ] || skip_all "not root"
[ -n "${ISTHMUS_CACHE:-}" ] || skip_all "ISTHMUS_CACHE is unset: a Debian machine of 1 GB would be kept there"
for tool in ip unshare setpriv ssh ssh-keygen apt-get jq; do
    command -v $tool >/dev/null || skip_all "$tool is missing"
done
[ -c /dev/net/tun ] || skip_all "there is no /dev/net/tun"
IMAGE=$ISTHMUS_CACHE/dmvpn-2
. "$(dirname "$0")/lib.sh"
if [ ! -e "$IMAGE/ready" ]; then
    mkdir -p "$ISTHMUS_CACHE"
    timeout 900 "$SRC/tests/real/dmvpn/build-image.sh" "$IMAGE" >"$TMP/image.log" 2>&1 ||
        skip_all "no Debian machine could be made: $(tail -1 "$TMP/image.log")"
fi
end() {
    [ -z "${CAPTURES:-}" ] || kill $CAPTURES 2>/dev/null
    machine_down hub
    machine_down spoke
    world_down
    cleanup
}
trap end EXIT
GIVE_UP=$((SECONDS + 1200)) # for all of it
export KEY=$IMAGE/key KNOWN=$TMP/known_hosts XDG_CACHE_HOME=$TMP/xdg ISTHMUS_STATE=$TMP/state.db ISTHMUS_PLUGIN_PATH=$BUILD/plugins
for address in 203.0.113.2 198.51.100.9; do echo "$address $(cat "$IMAGE/host.pub")"; done >"$KNOWN"
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
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $GIVE_UP ] || return 1
        sleep 0.2
    done
}
pings() { from "$1" ping -q -n -c "${4:-1}" -i 0.05 -W 3 -I "$2" "$3"; }
both_ways() { pings vpc 10.0.110.197 192.168.1.184 && pings onprem 192.168.1.184 10.0.110.197; }
no_loss() { pings "$1" "$2" "$3" 100 >"$TMP/ping" && grep -q ' 0% packet loss' "$TMP/ping"; }
what_is_there() { # of a machine, as one would notice it
    on "$1" 'find /etc /usr/local /var/lib/isthmus-dmvpn -xdev \( -type f -o -type l \) ! -name "*.cache" ! -path "/etc/machine-id" \
        -exec sh -c "for f; do stat -c \"%N %a %U:%G\" \"\$f\"; [ -L \"\$f\" ] || md5sum \"\$f\"; done" sh {} + 2>/dev/null | sort
        cat /proc/sys/net/ipv4/ip_forward; ip -o link | cut -d: -f2 | grep -v "gre\|erspan"; iptables-legacy-save | grep "^-"
        dpkg-query -W -f "\${Package} \${Version}\n"; ip xfrm policy | grep -v "socket\|src 0.0.0.0/0\|priority\|src ::/0"; for u in frr strongswan; do systemctl is-enabled $u; systemctl is-active $u; done; :' 2>&1
}

ok "a world of three networks" world_up
ok "a bare Debian for the hub" machine_up hub
ok "and one for the spoke" machine_up spoke
what_is_there hub >"$TMP/hub.bare"
what_is_there spoke >"$TMP/spoke.bare"

# ---- before ----
ok "the pipeline is valid" isthmus validate
: >"$TMP/nobody"
exits 1 "a host whose key nobody knows is refused" env KNOWN="$TMP/nobody" ip netns exec "$WORLD-inet" "$ISTHMUS" -C "$TMP/conf.d" plan dmvpn
says "is unknown" "which says so"
exits 2 "a plan for two bare hosts has changes" isthmus plan dmvpn --detailed-exitcode
says "create  /etc/swanctl/conf.d/isthmus.conf" "and tells of the files"
says "frr-pythontools" "and of the package that is missing"
ok "with no key in them" refuses grep -e abcdefghijklmn012345 -e keykey00 "$TMP/out"
what_is_there hub | diff -q - "$TMP/hub.bare" >/dev/null
pass_or_fail $? "and a plan has changed nothing"

# ---- made, under the eyes of who listens in between ----
CAPTURES=
for link in hub spoke; do
    beside inet chroot "$IMAGE/root" tcpdump -Uni $link -w - 2>/dev/null >"$TMP/$link.pcap"
    CAPTURES="$CAPTURES $!"
done
# From before there is a tunnel, until the end.
beside vpc chroot "$IMAGE/root" ping -q -n -i 0.2 -I 10.0.110.197 192.168.1.184 >/dev/null
CAPTURES="$CAPTURES $!"
start=$SECONDS
ok "one apply makes both" isthmus apply dmvpn --yes
ok "pods reach each other" until_so both_ways
echo "# apply and the first ping: $((SECONDS - start)) s"
ok "100 pings from the cloud's pod to the one on premises, none lost" no_loss vpc 10.0.110.197 192.168.1.184
ok "and 100 back" no_loss onprem 192.168.1.184 10.0.110.197
ok "verify agrees" isthmus verify dmvpn
says "pass  OSPF neighbour is full" "and tells of OSPF"
exits 0 "a second plan is empty" isthmus plan dmvpn --detailed-exitcode
head -c 10000000 /dev/urandom >"$IMAGE/root/tmp/sent.$$"
rm -f "$IMAGE/root/tmp/got.$$"
beside onprem chroot "$IMAGE/root" socat -T 120 -u TCP-LISTEN:9000,bind=192.168.1.184,reuseaddr,accept-timeout=120 "CREATE:/tmp/got.$$"
listener=$!
until_so sh -c "ip netns exec $WORLD-onprem grep -q ':2328 ' /proc/net/tcp || ip netns exec $WORLD-onprem cat /proc/net/tcp | grep -q ':2328 '"
from vpc timeout 120 socat -u "OPEN:/tmp/sent.$$" TCP:192.168.1.184:9000,bind=10.0.110.197
wait $listener
ok "10 MB by TCP arrive as they were sent" cmp "$IMAGE/root/tmp/sent.$$" "$IMAGE/root/tmp/got.$$"
rm -f "$IMAGE/root/tmp/sent.$$" "$IMAGE/root/tmp/got.$$"
ok "1400 bytes go through unfragmented" from vpc ping -q -n -c 2 -M do -s 1372 -W 3 -I 10.0.110.197 192.168.1.184
ok "and one more is refused" refuses from vpc ping -q -n -c 1 -M do -s 1373 -W 1 -I 10.0.110.197 192.168.1.184

# ---- drift ----
on spoke 'echo "! by hand" >>/etc/frr/frr.conf; systemctl stop isthmus-dmvpn-firewall strongswan; chmod 644 /etc/swanctl/conf.d/isthmus-secrets.conf'
exits 2 "drift is seen" isthmus plan dmvpn --detailed-exitcode
says '"! by hand" -> ""' "in a file"
says 'mode: "644" -> "600"' "in who may read a secret"
says 'state: "inactive" -> "active"' "in a service"
ok "and mended" isthmus apply dmvpn --yes
ok "so that pods reach each other again" until_so both_ways
exits 0 "and nothing is left to do" isthmus plan dmvpn --detailed-exitcode

# ---- what dies comes back by itself ----
again() { # again "what" NAME COMMAND: on a machine; until pings are back
    start=$SECONDS
    on "$2" "$3" >/dev/null
    ok "$1: it comes back by itself" until_so both_ways
    echo "# $1: $((SECONDS - start)) s"
}
again "charon is killed on the spoke" spoke 'systemctl kill -s KILL strongswan; until systemctl -q is-active strongswan; do :; done'
again "FRR is killed on the hub" hub 'systemctl kill -s KILL frr; until systemctl -q is-active frr; do :; done'
machine_down spoke
start=$SECONDS
ok "the spoke loses its power and starts" machine_up spoke
ok "and is in the DMVPN by itself" until_so both_ways
ok "its units have an order" refuses on spoke 'journalctl -b -o cat --no-pager | grep "ordering cycle"'
echo "# a power cycle of the spoke: $((SECONDS - start)) s"

# ---- what differs is named ----
names() { # names "what is wrong" "what verify says" STEP.INPUT=VALUE...
    local wrong=$1 said=$2
    shift 2
    ok "$wrong: applied" changed "$@" -- apply dmvpn --yes --only spoke
    exits 1 "$wrong: verify fails" changed "$@" spoke.settle=30s hub.settle=1s -- verify dmvpn
    says "$said" "and names it"
}
names "another pre-shared key" "the pre-shared key (\`ike_keyring_peer.pre-shared-key\`) differs" \
    spoke.ike_keyring_peer.pre-shared-key=another012345
names "another NHRP key" "the NHRP key (\`nhrp.key\`) differs" spoke.nhrp.key=another0
names "another OSPF key" "the OSPF key (\`ospf.authentication\`, \`ospf.authKey\`) differs" \
    spoke.ospf.authentication=md5 spoke.ospf.authKey=another0
on hub 'sed -i s/ecp256/modp2048/ /etc/swanctl/conf.d/isthmus.conf; swanctl --load-all >/dev/null; swanctl --terminate --ike isthmus-spokes --force' >/dev/null
exits 1 "another proposal on the hub: verify fails" changed spoke.settle=30s hub.settle=1s -- verify dmvpn
says "the proposal differs" "and names it"
ok "all is put right" isthmus apply dmvpn --yes
ok "and works" until_so both_ways

# ---- a change that nobody confirms ----
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
ok "which the host takes back by itself" until_so on spoke '! test -e /var/lib/isthmus-dmvpn/pending'
echo "# taken back after $((SECONDS - start)) s"
ok "so that pods reach each other again" until_so both_ways
ok "and the next run goes on from there" isthmus apply dmvpn --yes
exits 0 "with nothing left to do" isthmus plan dmvpn --detailed-exitcode

# ---- what was seen in between ----
kill $CAPTURES 2>/dev/null
wait $CAPTURES 2>/dev/null
CAPTURES=
seen() { in_ns inet chroot "$IMAGE/root" tcpdump -nr - "$2" <"$TMP/$1.pcap" 2>/dev/null | wc -l; }
for link in hub spoke; do
    echo "# towards the $link: $(seen $link esp) ESP, $(seen $link 'udp port 500 or udp port 4500') IKE"
    ok "ESP went to the $link" test "$(seen $link esp)" -gt 400
    # What answers for a machine that is off, or has not begun to listen, quotes ESP and IKE alone.
    ok "and nothing but ESP, IKE, ARP, our SSH and that somebody cannot be reached" \
        test "$(seen $link 'not esp and not udp port 500 and not udp port 4500 and not arp and not tcp port 22 and not ip6 and not icmp[icmptype] == icmp-unreach')" = 0
    ok "nothing of a pod, and no GRE in clear text" \
        test "$(seen $link 'host 192.168.1.184 or host 10.0.110.197 or proto gre')" = 0
done

# ---- bare again ----
ok "destroy" isthmus destroy dmvpn --yes
for name in hub spoke; do
    what_is_there $name >"$TMP/$name.after"
    ok "the $name is as bare as it was" diff "$TMP/$name.bare" "$TMP/$name.after"
done
finish
