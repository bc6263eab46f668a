#!/usr/bin/env bash
# The conformance test of the role dmvpn-endpoint, for any plugin that says it has it: in the lab, in a pipeline between
# a VPC and its routes, where only `plugin:` differs. TAP; exit 0 when all of it holds.
#
#   dmvpn-endpoint.sh PLUGIN [INPUTS.yaml]
#
# INPUTS.yaml: what the plugin needs beside the role's inputs (an image of its own). ISTHMUS names the program; where
# plugins are looked for is its own business (ISTHMUS_PLUGIN_PATH). Needs jq and ssh-keyscan.
set -uo pipefail
PLUGIN=${1:?usage: dmvpn-endpoint.sh PLUGIN [INPUTS.yaml]}
EXTRA=${2:-/dev/null}
ISTHMUS=${ISTHMUS:-isthmus}
for program in jq ssh-keyscan "$ISTHMUS"; do
    command -v "$program" >/dev/null || { echo "1..0 # SKIP $program is missing"; exit 0; }
done
T=$(mktemp -d)
N=0 FAILED=0
end() {
    [ ! -d "$T/lab" ] || "$ISTHMUS" lab down --dir "$T/lab" >/dev/null 2>&1
    rm -rf "$T"
}
trap end EXIT
check() { # check "what holds" COMMAND...
    local what=$1
    shift
    N=$((N + 1))
    if "$@" >"$T/said" 2>&1; then
        echo "ok $N - $PLUGIN $what"
    else
        FAILED=$((FAILED + 1))
        echo "not ok $N - $PLUGIN $what"
        tail -40 "$T/said" | sed 's/^/# /'
    fi
}
run() { timeout 300 "$ISTHMUS" -C "$T/conf.d" "$@" >"$T/out" 2>&1; local rc=$?; tee -a "$T/all" <"$T/out"; return $rc; }
exits() { local want=$1; shift; run "$@"; [ $? = "$want" ]; }
with() { echo "pipelines.role.steps.endpoint.with.$1"; }
lab() { "$ISTHMUS" lab "$1" --dir "$T/lab" "${@:2}"; }
writes() { lab log --output jsonl | grep -c '"write": *true'; }

"$ISTHMUS" lab up --dir "$T/lab" >"$T/out" 2>&1 || { echo "Bail out! the lab does not start: $(tail -1 "$T/out")"; exit 1; }
# shellcheck disable=SC1091
. "$T/lab/env"
export HOME=$T XDG_CACHE_HOME=$T/cache
mkdir -p "$T/conf.d/files"
cp "$EXTRA" "$T/conf.d/files/extra.yaml"
[ -s "$T/conf.d/files/extra.yaml" ] || echo '{}' >"$T/conf.d/files/extra.yaml"
cat >"$T/conf.d/files/dmvpn_conf.yaml" <<'END'
---
InstanceType: c4.large
InboundSSH: 0.0.0.0/0
ike_keyring_peer:
  ip_range:
    start: 0.0.0.0
    end: 0.0.0.0
  pre-shared-key: abcdefghijklmn012345

ike_profile:
  remote_peer_ip: 203.0.113.1

DmvpnIp: 10.250.0.9
DmvpnNetmask:  255.255.255.0

nhrp:
  key:          keykey00
  HubTunnelIP:  10.250.0.1

ospf:
  processId: 10
  authKey: DEADBEEF0123456789
  tunnelNetwork: 10.250.0.0
  tunnelWildcard: 0.0.0.255
  vpcArea: 2
  tunnelArea: 0
END
cat >"$T/conf.d/role.yaml" <<END
isthmus: {clear_secrets: allow}
pipelines:
  role:
    steps:
      vpc:
        plugin: aws-vpc
        with:
          create: true
          name: role
          cidr: 10.0.0.0/16
          public_cidrs: [10.0.106.0/24]
          private_cidrs: [10.0.109.0/24, 10.0.110.0/24]
      endpoint:
        plugin: $PLUGIN
        with:
          - !include files/dmvpn_conf.yaml
          - name: role
            region: \${steps.vpc.region}
            vpc_id: \${steps.vpc.vpc_id}
            public_subnet: \${steps.vpc.public_subnets[0]}
            private_subnets: \${steps.vpc.private_subnets}
            ssh_key: my-key
            ssh: {private_key: $ISTHMUS_ROUTER_KEY, port: $ISTHMUS_ROUTER_PORT}
            ike_profile: {remote_peer_ip: $ISTHMUS_HUB_ADDRESS}
            onPremCidr: 10.1.0.0/16
            onPremPodCidr: 192.168.0.0/16
            settle: 30s
          - !include files/extra.yaml
      routes:
        plugin: aws-routes
        with:
          region: \${steps.vpc.region}
          route_tables: \${steps.vpc.private_route_tables}
          next_hop: \${steps.endpoint.next_hop}
          onPremCidr: 10.1.0.0/16
          onPremPodCidr: 192.168.0.0/16
END

# ---- what it says of itself, and of inputs ----
"$ISTHMUS" plugin show "$PLUGIN" --output json >"$T/show" 2>&1
check "has the role" jq -e '.role == "dmvpn-endpoint" and .role_version == 1' "$T/show"
check "takes the walk-through's file unchanged" run validate role
refuses() { # refuses "what" INPUT=VALUE [NAME]: by its name
    local name=${3:-${2%%=*}}
    by_name() { exits 1 validate role --set "$(with "$1")" && grep -qF -- "$name" "$T/out"; }
    check "refuses $1 by its name" by_name "$2"
}
refuses "an NHRP key that is too long" nhrp.key=ninechars
refuses "a hub of another network" nhrp.HubTunnelIP=10.251.0.1
refuses "a mask that is none" DmvpnNetmask=255.0.255.0
refuses "a tunnel network that does not cover the tunnel" ospf.tunnelNetwork=10.251.0.0
refuses "what is no address" nhrp.HubTunnelIP=10.250.0.256
refuses "a mode that is none" mode=both
refuses "a way of routing that is none" routing=rip
refuses "a word that is misspelt" nhrp.kye=x
refuses "a key of OSPF that is too long for its way" ospf.authentication=md5 ospf.authKey
refuses "a hub without an address" 'hubs=[{tunnel_address: 10.250.0.2}]' 'hubs[].address'
refuses "a hub that the key is not for" 'ike_keyring_peer.ip_range={start: 198.51.100.0, end: 255.255.255.0}' ike_profile.remote_peer_ip
refuses "an identity that a certificate would prove" 'ike_profile.local_identity="CN=spoke"' ike_profile.local_identity
refuses "a place that is none" where=cloud
refuses "an existing machine without its name" where=existing ssh.host
beyond() { exits 1 validate role --set "pipelines.role.steps.routes.with.region=\${steps.endpoint.instance_id}"; }
check "gives nothing beyond the role" beyond

# ---- `where: render`: what would be on it, of the inputs alone, whatever they say; no secret among it ----
mkdir "$T/board.d"
board() { # board LINE...: a pipeline of one step, with these inputs instead of its own or beside them
    cat >"$T/board.d/board.yaml" <<'Y'
isthmus: {clear_secrets: allow}
pipelines:
  board:
    steps:
      endpoint:
        with:
          ike_keyring_peer: {pre-shared-key: abcdefghijklmn012345}
          DmvpnIp: 10.250.0.9
          DmvpnNetmask: 255.255.255.0
          nhrp: {key: keykey00, HubTunnelIP: 10.250.0.1}
          ike_profile: {remote_peer_ip: 203.0.113.1}
          ospf: {processId: 10, authKey: DEADBEEF, tunnelNetwork: 10.250.0.0, tunnelWildcard: 0.0.0.255, vpcArea: 2, tunnelArea: 0}
          onPremCidr: 10.1.0.0/16
          onPremPodCidr: 192.168.0.0/16
          announce: [10.0.109.0/24, 10.0.110.0/24]
          outside_interface: outside0
          inside_interface: inside0
          public_address: 198.51.100.9
          private_address: 10.0.109.10
          inside_network: 10.0.109.0/24
          where: render
Y
    sed -i "s/^      endpoint:/&\n        plugin: $PLUGIN/" "$T/board.d/board.yaml"
    local line
    for line in "$@"; do
        sed -i "/^          ${line%%:*}:/d" "$T/board.d/board.yaml"
        printf '          %s\n' "$line" >>"$T/board.d/board.yaml"
    done
}
renders() { # renders "what" TEXT LINE...: and TEXT is in it
    local what=$1 text=$2
    board "${@:3}"
    as_text() { # nothing is done by plan, and its outputs are known
        timeout 60 "$ISTHMUS" -C "$T/board.d" dmvpn render board >"$T/out" 2>&1 && grep -qF -- "$text" "$T/out" && tee -a "$T/all" <"$T/out" &&
            timeout 60 "$ISTHMUS" -C "$T/board.d" plan board --detailed-exitcode
    }
    check "renders $what" as_text
}
renders "a spoke with OSPF" 203.0.113.1
renders "with keys for OSPF" 10.250.0.9 'ospf: {processId: 10, authentication: md5, authKey: DEADBEEF, tunnelNetwork: 10.250.0.0, tunnelWildcard: 0.0.0.255, vpcArea: 2, tunnelArea: 0}'
renders "a spoke with static routes" 192.168.0.0 'routing: static'
renders "with routes of its own, and no shortcut" 10.77.0.0 'routing: static' 'nhrp: {key: keykey00, HubTunnelIP: 10.250.0.1, shortcut: false}' \
    'static_routes: [{network: 10.77.0.0/16, via: 10.250.0.7}]'
renders "a spoke of several hubs" 203.0.113.3 'hubs: [{tunnel_address: 10.250.0.2, address: 203.0.113.2}, {tunnel_address: 10.250.0.3, address: 203.0.113.3}]'
renders "a hub" 10.250.0.1 'mode: hub' 'DmvpnIp: 10.250.0.1' 'ike_profile: {}'
renders "a hub with static routes" 10.8.0.0 'mode: hub' 'DmvpnIp: 10.250.0.1' 'routing: static' 'static_routes: [{network: 10.8.0.0/16, via: 10.250.0.8}]'
renders "a hub beside another" 203.0.113.2 'mode: hub' 'DmvpnIp: 10.250.0.1' 'hubs: [{tunnel_address: 10.250.0.2, address: 203.0.113.2}]'
for identity in 192.0.2.77 spoke.example.net spoke@example.net; do
    renders "the identity $identity" "$identity" "ike_profile: {remote_peer_ip: 203.0.113.1, local_identity: $identity}"
    renders "$identity as the hub's" "$identity" "ike_profile: {remote_peer_ip: 203.0.113.1, remote_identities: [$identity]}"
done
board 'private_address: ~'
lacking() { ! timeout 60 "$ISTHMUS" -C "$T/board.d" dmvpn render board >"$T/out" 2>&1 && grep -F private_address "$T/out"; }
check "asks for what no machine tells then, by its name" lacking

# ---- from nothing to a tunnel ----
lab snapshot >"$T/before"
nothing_written() { run plan role && [ "$(writes)" = 0 ]; }
check "plans without writing" nothing_written
check "is applied" run apply role --yes
before=$(writes)
check "has nothing left to do" exits 0 plan role --detailed-exitcode
quiet() { [ "$(writes)" = "$before" ]; }
check "and writes nothing to find that out" quiet
CHECKS=("IKEv2 SA is ready" "IPsec carries packets both ways" "next hop server answers" "OSPF neighbour is full"
    "route to the nodes on premises" "route to the pods on premises")
result() { jq -r --arg name "$1" 'first(.. | objects | select(.name? == $name and has("result"))) | .result' "$T/verified"; }
verify() { timeout 300 "$ISTHMUS" -C "$T/conf.d" verify role --output json "$@" >"$T/verified" 2>"$T/verified.err"; local rc=$?; cat "$T"/verified* | tee -a "$T/all"; return $rc; }
check "verifies" verify
is() { [ "$(result "$1")" = "$2" ] || { cat "$T/verified"; return 1; }; }
for name in "${CHECKS[@]}"; do check "says that: $name" is "$name" pass; done


outputs() {
    "$ISTHMUS" state export | tee "$T/state" | jq -e '[.. | strings | fromjson? | objects | .outputs? // empty | select(.next_hop)] | first |
        .tunnel_address == "10.250.0.9" and (.nbma_address | test("^[0-9.]+$")) and (.next_hop.kind | . == "eni" or . == "ip") and
        (.next_hop.id | length > 0) and (.security_group | type == "string")' || { tail -c 3000 "$T/state"; return 1; }
}
check "gives the role's outputs" outputs

# ---- changed in place: what differs from the other end fails by its name, and comes right again ----
differs() { # differs INPUT=VALUE CHECK
    local set
    set=$(with "$1")
    check "plans another ${1%%=*} as an update" exits 2 plan role --detailed-exitcode --set "$set"
    check "is applied with it" run apply role --yes --set "$set"
    fails() { ! verify --set "$set" --set "$(with settle=1s)" && is "$2" fail; }
    check "then fails at: $2" fails "$@"
}
differs nhrp.key=keykey01 "next hop server answers"
differs ike_keyring_peer.pre-shared-key=zyxwvutsrq543210 "IKEv2 SA is ready"
differs ospf.tunnelArea=7 "OSPF neighbour is full"
check "is applied as it was" run apply role --yes
check "has nothing left to do" exits 0 plan role --detailed-exitcode
check "verifies" verify

# ---- a way that breaks: nothing is guessed ----
lab faults add effect=cut-before service=router action=connect times=0 >/dev/null
unreachable() { ! verify --set "$(with settle=1s)"; }
check "does not verify when it cannot be reached" unreachable
no_change() { ! run plan role || grep -q 'No changes\|no changes\|nothing to do' "$T/out"; }
check "plans no change of what it cannot see" no_change
lab faults clear >/dev/null
check "verifies again" verify

# ---- `where: existing`: the machine that stands there now, as another endpoint, by a state that knows nothing of it ----
mkdir "$T/there.d" "$T/.ssh"
there() { ISTHMUS_STATE=$T/there.db timeout 300 "$ISTHMUS" -C "$T/there.d" "$@" >"$T/out" 2>&1; local rc=$?; tee -a "$T/all" <"$T/out"; return $rc; }
there_exits() { local want=$1; shift; there "$@"; [ $? = "$want" ]; }
host=$("$ISTHMUS" state export | jq -r '[.. | strings | fromjson? | objects | .outputs? // empty | select(.next_hop)] | first | .nbma_address')
sed "s/^  board:/  there:/; s/^          where: .*/          where: existing/; s/DmvpnIp: .*/DmvpnIp: 10.250.0.19/; s/203.0.113.1/$ISTHMUS_HUB_ADDRESS/
    /_interface:\|_address:\|inside_network:/d; s/, authKey: DEADBEEF//" <(board; cat "$T/board.d/board.yaml") >"$T/there.d/there.yaml"
cat >>"$T/there.d/there.yaml" <<Y
          ssh: {host: $host, private_key: $ISTHMUS_ROUTER_KEY, port: $ISTHMUS_ROUTER_PORT}
          settle: 30s
Y
unknown_key() { ! there apply there --yes; }
check "touches no machine whose key nobody knows" unknown_key
ssh-keyscan -p "$ISTHMUS_ROUTER_PORT" "$host" >"$T/.ssh/known_hosts" 2>/dev/null
check "takes one that is there: plan shows what differs" there_exits 2 plan there --detailed-exitcode
check "it is applied" there apply there --yes
check "it has nothing left to do" there_exits 0 plan there --detailed-exitcode
check "it verifies" there verify there
addressed() {
    ISTHMUS_STATE=$T/there.db "$ISTHMUS" state export | jq -e '[.. | strings | fromjson? | objects | .outputs? // empty | select(.next_hop)] | first |
        .tunnel_address == "10.250.0.19" and .next_hop.kind == "ip" and (.next_hop.id | test("^[0-9.]+$"))'
}
check "it gives the role's outputs, the next hop as an address" addressed
check "it is taken back" there destroy there --yes
check "there is nothing left to take back" there destroy there --yes
check "so that the first endpoint differs" exits 2 plan role --detailed-exitcode
check "and is made again" run apply role --yes
check "it verifies as before" verify

# ---- secrets, and away ----
cat "$ISTHMUS_STATE"* >>"$T/all"
no_secret() { ! grep -aE 'abcdefghijklmn012345|keykey0[01]|DEADBEEF|zyxwvutsrq543210' "$T/all"; }
check "shows and keeps no secret" no_secret
check "is destroyed" run destroy role --yes
gone() { lab snapshot >"$T/after" && diff "$T/before" "$T/after"; }
check "leaves nothing" gone
echo "1..$N"
[ "$FAILED" = 0 ]
