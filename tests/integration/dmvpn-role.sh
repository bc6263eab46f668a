#!/usr/bin/env bash
# The role dmvpn-endpoint, for every plugin that says it has it: the walk-through's file unchanged, the same wrong inputs
# refused by the same names, and a pipeline in which one word changes.
. "$(dirname "$0")/lib.sh"
command -v jq >/dev/null || skip_all "jq is missing"
export HOME=$TMP XDG_CACHE_HOME=$TMP/cache
unset "${!ISTHMUS_@}"
export ISTHMUS_STATE=$TMP/state.db

"$ISTHMUS" plugin list --output json >"$TMP/list" 2>&1
mapfile -t endpoints < <(jq -r '.. | objects | select(.name? and .path? and (.name | test("dmvpn"))) | .name' "$TMP/list" | sort -u)
pass_or_fail $((${#endpoints[@]} < 2)) "two endpoints at least have the role"

# The walk-through's file, what it cannot know, and where to: the same for all.
pipeline() { # pipeline PLUGIN
    mkdir -p "$TMP/conf.d/files"
    cp "$SRC/conf.d/stars/dmvpn_conf.yaml" "$TMP/conf.d/files/"
    cat >"$TMP/conf.d/role.yaml" <<END
isthmus: {clear_secrets: allow}
pipelines:
  role:
    steps:
      endpoint:
        plugin: $1
        with:
          - !include files/dmvpn_conf.yaml
          - ike_profile: {remote_peer_ip: 192.0.2.9}
            name: demo
            region: eu-west-1
            vpc_id: vpc-0123456789abcdef0
            public_subnet: {id: subnet-1, cidr: 10.0.106.0/24}
            private_subnets: [{id: subnet-2, cidr: 10.0.109.0/24}, {id: subnet-3, cidr: 10.0.110.0/24}]
            ssh_key: my-key
            onPremCidr: 10.1.0.0/16
            onPremPodCidr: 192.168.0.0/16
      routes:
        plugin: aws-routes
        with:
          region: eu-west-1
          vpc_id: vpc-0123456789abcdef0
          route_tables: [rtb-1]
          security_groups: [sg-1]
          next_hop: \${steps.endpoint.next_hop}
          onPremCidr: 10.1.0.0/16
          onPremPodCidr: 192.168.0.0/16
END
}
validate() { timeout 30 "$ISTHMUS" -C "$TMP/conf.d" validate role "$@"; }
set_input() { validate --set "pipelines.role.steps.endpoint.with.$1"; }

for plugin in "${endpoints[@]}"; do
    pipeline "$plugin"
    "$ISTHMUS" plugin show "$plugin" --output json >"$TMP/$plugin.json"
    ok "$plugin says that it has the role" jq -e '.role == "dmvpn-endpoint" and .role_version == 1' "$TMP/$plugin.json"
    ok "$plugin takes the walk-through's file unchanged" validate
    exits 1 "$plugin refuses an NHRP key that is too long" set_input nhrp.key=ninechars
    says "nhrp.key" "by its name"
    exits 1 "$plugin refuses a hub of another network" set_input nhrp.HubTunnelIP=10.251.0.1
    says "nhrp.HubTunnelIP" "by its name"
    exits 1 "$plugin refuses a mask that is none" set_input DmvpnNetmask=255.0.255.0
    exits 1 "$plugin refuses a key of OSPF that is too long for its way" set_input ospf.authentication=md5
    says "ospf.authKey" "by its name"
    exits 1 "$plugin refuses a tunnel network that does not cover the tunnel" set_input ospf.tunnelNetwork=10.251.0.0
    exits 1 "$plugin refuses what is no address" set_input nhrp.HubTunnelIP=10.250.0.256
    exits 1 "$plugin refuses a mode that is none" set_input mode=both
    exits 1 "$plugin refuses a way of routing that is none" set_input routing=rip
    exits 1 "$plugin refuses a hub without an address" set_input 'hubs=[{tunnel_address: 10.250.0.2}]'
    exits 1 "$plugin refuses a key that is misspelt" set_input nhrp.kye=x
    exits 1 "$plugin gives nothing beyond the role" validate \
        --set "pipelines.role.steps.routes.with.vpc_id=\${steps.endpoint.instance_id}"
    jq -S '[.inputs[] | {name, type, secret}]' "$TMP/$plugin.json" >"$TMP/$plugin.inputs"
    jq -S '[.outputs[] | {name, type}]' "$TMP/$plugin.json" >"$TMP/$plugin.outputs"
done
# What all have in common is the role: nothing of it is missing anywhere, and no type or secrecy differs.
common() { jq -S -s '.[0] as $a | .[1] as $b | ($a | map(.name)) as $names | $b | map(select(.name as $n | $names | index($n)))' "$1" "$2"; }
for plugin in "${endpoints[@]:1}"; do
    for side in inputs outputs; do
        common "$TMP/${endpoints[0]}.$side" "$TMP/$plugin.$side" >"$TMP/theirs"
        common "$TMP/$plugin.$side" "$TMP/${endpoints[0]}.$side" >"$TMP/ours"
        ok "${endpoints[0]} and $plugin mean the same by their $side" diff \
            <(jq -S 'sort_by(.name)' "$TMP/ours") <(jq -S 'sort_by(.name)' "$TMP/theirs")
    done
done
"$SRC/plugins/frr-dmvpn/host/embed.sh" "$TMP/scripts.c"
ok "frr-dmvpn carries its scripts as they are" diff "$TMP/scripts.c" "$SRC/plugins/frr-dmvpn/scripts.c"
finish
