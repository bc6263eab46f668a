#!/usr/bin/env bash
# csr-dmvpn on a router that was there before, by SSH alone, and `render`: no AWS anywhere. Also what differs with the
# inputs: static routes, announced networks, several hubs, a hub of one's own.
# shellcheck disable=SC1091,SC2016 # messages hold back quotes
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/router-lib.sh"
. "$(dirname "$0")/alone-lib.sh"
export HOME=$TMP/home XDG_CACHE_HOME=$TMP/cache
unset "${!AWS_@}" "${!ISTHMUS_@}"
export ISTHMUS_LAB_MINUTE_MS=1000
mkdir -p "$HOME/.ssh"
start_alone
ROUTER=$ADDRESS
ssh_router() { connect "$TMP/key" "$@"; }
typed() { printf '%s\n' 'terminal length 0' "$@" exit | ssh_router -tt | tr -d '\r'; }
# What its operator has made of it before we come.
configure 'interface GigabitEthernet2' 'ip address 10.0.109.10 255.255.255.0' 'no shutdown' \
    'username reader privilege 1 password 0 reader-pw' 'enable secret 0 enable-pw' \
    'interface Loopback7' 'ip address 10.99.0.1 255.255.255.255' 'ip route 10.98.0.0 255.255.0.0 10.0.109.1' >"$TMP/typed"
typed 'write memory' 'show running-config' >"$TMP/original"
existing_router 'nbma_address: 198.51.100.7' 'settle: 60s' >"$TMP/in.yaml"
said() { grep -qF -- "$1" "$TMP/plan.json" "$TMP/plan.err" || { cat "$TMP/plan.err"; return 1; }; }
shows() { grep -qF -- "$1" "$TMP/plan.json" || { cat "$TMP/plan.json"; return 1; }; }
running() { typed 'show running-config' >"$TMP/now"; }
has() { running && grep -qxF -- "$1" "$TMP/now" || { cat "$TMP/now"; return 1; }; }
hasnt() { running && ! grep -qF -- "$1" "$TMP/now"; }
with() { sed "$@" "$TMP/in.yaml" >"$TMP/with.yaml" && IN=$TMP/with.yaml; }

# ---- who the router is ----
stranger() { fails plan && said "is unknown" && said "ssh.known_hosts"; }
ok "a router that ~/.ssh/known_hosts does not list is not talked to" stranger
ssh-keyscan -p "$PORT" "$ROUTER" >"$HOME/.ssh/known_hosts" 2>/dev/null

# ---- the same as anywhere, and nothing of AWS ----
ok "the first plan shows what will be sent" csr plan
ok "as something new" shows '"action": "create"'
ok "down to single lines" shows 'ip nhrp nhs 10.250.0.1 nbma'
ok "the interfaces are the operator's own" eval '! shows "interface GigabitEthernet" 2>/dev/null'
ok "apply configures it" csr apply
ok "the second plan is empty" changes 0
ok "verify passes" csr verify
ok "the NBMA address is the one that the others see" eval '[ "$(address)" = 198.51.100.7 ]'
ok "the next hop is an address" grep -A3 '"next_hop"' "$TMP/rec.json"
ok "of the inside interface" grep -q '"id": "10.0.109.10"' "$TMP/rec.json"
ok "what is announced and no network of its own has a route" has 'ip route 10.0.110.0 255.255.255.0 10.0.109.1'
ok "it is saved" eval 'router show startup-config | grep -q "interface Tunnel0"'
configure 'interface Tunnel0' 'no ip mtu 1400' 'ip nhrp map multicast 192.0.2.1' >"$TMP/typed"
ok "drift is found" changes 1
ok "line by line" shows '"interface Tunnel0 / no ip nhrp map multicast 192.0.2.1"'
ok "and mended" csr apply
ok "so that nothing is left to do" changes 0
moved() { with "s/host: $ROUTER/host: 127.0.0.1/" && fails plan && said "was made on $ROUTER, not on 127.0.0.1"; }
ok "another router under the same step is refused" moved
unset IN
vpc() { with 's/^where: existing/where: vpc\nname: x\nvpc_id: vpc-0123456789abcdef0\npublic_subnet: {id: subnet-1, cidr: 10.0.1.0\/24}\nprivate_subnets: [{id: subnet-2, cidr: 10.0.2.0\/24}]\nssh_key: k\nregion: eu-west-1/' && fails plan && said "was made on the router $ROUTER"; }
ok "so is another place" vpc
unset IN

# ---- one input after the other: there and back ----
RECORD=$TMP/rec.json
turn() { # turn "what" SED LINE...: apply with it has the lines (or, with !, has them not), and is empty then
    local what=$1 change=$2 line
    shift 2
    with "$change"
    export IN
    ok "$what: apply" csr apply
    ok "$what: nothing is left to do" changes 0
    for line in "$@"; do
        case $line in
        !*) ok "$what: not \`${line#!}\`" hasnt "${line#!}" ;;
        *) ok "$what: \`$line\`" has "$line" ;;
        esac
    done
}
back() {
    unset IN
    ok "$1: and back" csr apply
    ok "$1: nothing is left of it" changes 0
}
turn "static routing" '$arouting: static' 'ip route 10.1.0.0 255.255.0.0 Tunnel0 10.250.0.1' \
    'ip route 192.168.0.0 255.255.0.0 Tunnel0 10.250.0.1' '!router ospf' '! ip ospf ' '!route-map'
ok "static routing: verify passes" csr verify
ok "static routing: the routes are what leads there" check_is pass "route to the pods on premises" "S 192.168.0.0/16"
ok "static routing: OSPF is not asked for" eval '! grep -q "OSPF neighbour" "$TMP/verify.json"'
turn "routes of one's own" '$arouting: static\nstatic_routes: [{network: 10.77.0.0/16, via: 10.250.0.7}]' \
    'ip route 10.77.0.0 255.255.0.0 Tunnel0 10.250.0.7' '!Tunnel0 10.250.0.1'
back "static routing"
ok "verify passes again" csr verify
turn "two hubs" '$ahubs: [{tunnel_address: 10.250.0.2, address: 203.0.113.2}, {tunnel_address: 10.250.0.3, address: 203.0.113.3, identity: 10.3.3.3}]' \
    ' ip nhrp nhs 10.250.0.2 nbma 203.0.113.2 multicast' ' ip nhrp nhs 10.250.0.3 nbma 203.0.113.3 multicast' \
    ' match identity remote address 203.0.113.2 255.255.255.255' ' match identity remote address 10.3.3.3 255.255.255.255'
ok "two hubs: that one of them works is enough" csr verify
ok "two hubs: the other is told" check_is warn "IKEv2 SA is ready" "none with 203.0.113.2"
back "two hubs"
turn "announced: the inside network alone" 's|^announce: .*|announce: [10.0.109.0/24]|' '!10.0.110.0' 'route-map ISTHMUS-VPC deny 10'
turn "announced: not the inside network" 's|^announce: .*|announce: [10.55.0.0/16]|' '! network 10.0.109.0' \
    'ip route 10.55.0.0 255.255.0.0 10.0.109.1' 'ip prefix-list ISTHMUS-VPC seq 5 permit 10.55.0.0/16'
turn "behind another router" '$ainside_gateway: 10.0.109.77' 'ip route 10.0.110.0 255.255.255.0 10.0.109.77'
back "announced"
turn "no shortcuts" 's/nhrp: {/nhrp: {shortcut: false, /' '!ip nhrp shortcut'
turn "identities" "s/remote_peer_ip: $HUB/remote_peer_ip: $HUB, local_identity: 198.51.100.7, remote_identities: [10.1.0.9, 10.1.0.8]/" \
    ' identity local address 198.51.100.7' ' match identity remote address 10.1.0.9 255.255.255.255' \
    ' match identity remote address 10.1.0.8 255.255.255.255' "! match identity remote address $HUB"
turn "identities by name" "s/remote_peer_ip: $HUB/remote_peer_ip: $HUB, local_identity: spoke.example.net, remote_identities: [$HUB, two@example.net]/" \
    ' identity local fqdn spoke.example.net' ' match identity remote email two@example.net' " match identity remote address $HUB 255.255.255.255"
ok "identities by name: verify passes" csr verify
back "identities"
hub='s/^DmvpnIp: .*/DmvpnIp: 10.250.0.1\nmode: hub/; /^ike_profile/d'
turn "a hub" "$hub" ' match identity remote any' ' ip nhrp map multicast dynamic' ' ip nhrp redirect' \
    '!ip nhrp nhs' '!ip nhrp shortcut' ' router-id 10.250.0.1'
ok "a hub: which router-id OSPF goes by is told" grep -q 'OSPF goes by its old router-id 10.250.0.9 until' "$TMP/apply.err"
ok "a hub: that nobody has come is no failure" csr verify
ok "a hub: it is said" check_is warn "next hop server answers" "0 spokes are registered, though IKEv2 is up with one"
turn "a hub beside another" "$hub; \$ahubs: [{tunnel_address: 10.250.0.2, address: 203.0.113.2}]" \
    ' ip nhrp nhs 10.250.0.2 nbma 203.0.113.2 multicast' ' ip nhrp map multicast dynamic'
turn "a hub that knows its spokes" "$hub; \$aike_profile: {remote_identities: [10.0.0.7]}" \
    ' match identity remote address 10.0.0.7 255.255.255.255' '!match identity remote any'
back "a hub"
ok "and all is well as a spoke" csr verify

# ---- which interface is which ----
elsewhere() { with '$aoutside_interface: GigabitEthernet9' && fails plan && said 'outside_interface' && said 'GigabitEthernet1 (10.0.106.10), GigabitEthernet2'; }
ok "an interface that is not there is named, with those that are" elsewhere
unset IN
dhcp() { configure 'interface GigabitEthernet2' 'ip address dhcp' >"$TMP/typed"; fails plan && said 'inside_network' && said 'by DHCP'; }
ok "an inside interface by DHCP does not tell its network" dhcp
given() { with '$ainside_network: 10.0.109.0/24' && changes 0; }
ok "with which the plan is as before" given
unset IN
configure 'interface GigabitEthernet2' 'ip address 10.0.109.10 255.255.255.0' >"$TMP/typed"

# ---- who logs in ----
secret() { with "s/private_key: [^}]*/user: operator, password: $1/" && "${@:2}"; }
ok "a password does as well" secret operator-pw changes 0
unset IN

# ---- render ----
render() { # render SED: what the command prints for a pipeline
    mkdir -p "$TMP/conf.d"
    {
        printf 'isthmus: {clear_secrets: allow}\npipelines:\n  board:\n    steps:\n      endpoint:\n        plugin: csr-dmvpn\n        with:\n'
        sed "s/^where: .*/where: render/; $1" "$TMP/in.yaml" | sed 's/^/          /'
    } >"$TMP/conf.d/board.yaml"
    ISTHMUS_STATE=$TMP/state.db timeout 60 "$ISTHMUS" -C "$TMP/conf.d" dmvpn render board >"$TMP/rendered" 2>"$TMP/render.err"
}
inside='$ainside_network: 10.0.109.0\/24\nprivate_address: 10.0.109.10'
ok "render prints the configuration" render "$inside"
ok "without its secrets" eval '! grep -E "abcdefghijklmn|keykey00" "$TMP/rendered"'
running
same() { grep -v '^!' "$TMP/now" | sed -E 's/(pre-shared-key|authentication) [a-z0-9]{8,}$/\1 <secret>/' | sort -u >"$TMP/there"
    # What is never shown, because it is a default.
    grep -vE '^( no shutdown|archive| path.*)$' "$TMP/rendered" | sort -u | comm -23 - "$TMP/there" >"$TMP/missing"
    [ -s "$TMP/rendered" ] && ! [ -s "$TMP/missing" ] || { cat "$TMP/missing"; return 1; }; }
ok "which is what apply makes" same
ok "it lacks what no router tells" eval '! render "s/x/x/" && grep -q "inside_network.*is missing" "$TMP/render.err"'
nothing() { ISTHMUS_STATE=$TMP/state.db timeout 60 "$ISTHMUS" -C "$TMP/conf.d" "$@" board >"$TMP/board" 2>&1; }
ok "plan of it has nothing to do" eval 'render "$inside" && nothing plan --detailed-exitcode'
both() { # one word of the pipeline changes, the command is the same
    sed -i 's/plugin: csr-dmvpn/plugin: frr-dmvpn/; s/^          settle:.*/&\n          outside_interface: eth0\n          inside_interface: eth1\n          public_address: 10.0.106.10/' "$TMP/conf.d/board.yaml"
    sed -i '/^          nbma_address/d' "$TMP/conf.d/board.yaml"
    nothing dmvpn render && grep -q 'swanctl' "$TMP/board"
}
ok "the same command renders a Linux host" both
ok "and help lists it once" eval '[ "$("$ISTHMUS" --help | grep -c "dmvpn render")" = 1 ]'

# ---- destroy: nothing is left, and nothing else is gone ----
ok "destroy takes back what was made" csr destroy
shown() { sed -n '/^version/,/^end/p' "$1"; }
gone() { running && diff <(shown "$TMP/original") <(shown "$TMP/now"); }
ok "the configuration is what it was" gone
ok "and that is what is saved" eval '! router show startup-config | grep -q Tunnel0'
ok "destroying again is no error" csr destroy
finish
