#!/usr/bin/env bash
# The shipped configuration: the walk-through's files as they are, and a pipeline that is valid.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
export HOME=$TMP XDG_CACHE_HOME=$TMP/cache
unset "${!ISTHMUS_@}"
cd "$SRC/conf.d" || exit 1

unchanged() { sha256sum --check --quiet; }
ok "the walk-through's three files are byte for byte its own" unchanged <<'X'
1c368266a9dc721eb1ddc38b7c585ef97f5649ed1dea3509ddf747a9ddcb01ce  stars/aws.yaml
931971a82aded41f2b32b33c1be220e94aeb0d65e358c936e328c9fe09c9250c  stars/dmvpn_conf.yaml
238cc62f69fd5ccb54e8bd4fa133327b5b4398f3fcf7a8ac291874bfc5bf6dce  stars/multicluster_stars_svcs.yaml
X

ssh-keygen -q -t ed25519 -N '' -f "$TMP/key"
validate() {
    ISTHMUS_ROUTER_KEY=$TMP/key ISTHMUS_CCP_URL=https://192.0.2.1 ISTHMUS_CCP_PASSWORD=not-a-password ISTHMUS_HUB_ADDRESS=192.0.2.9 \
        timeout 30 "$ISTHMUS" -C "$SRC/conf.d" validate stars "$@"
}
exits 0 "stars is valid once the environment says where things are" validate
! grep -v '^conf\|^  ' "$TMP/out" | grep -q "has no effect"
pass_or_fail $? "every key of the three files has its effect somewhere"
for warning in "\`ospf.authKey\`: the key is given, but authentication was never turned on" \
    "\`ike_keyring_peer.ip_range\`: the pre-shared key is for any peer" "/cfg//cfg/ccp-kubeconfig.yaml is not read"; do
    validate >"$TMP/out" 2>&1
    says "$warning" "before anything is done it warns: ${warning##*: }"
done
ok "and shows no key" test -z "$(grep -E 'DEADBEEF0123456789|abcdefghijklmn012345|keykey00' "$TMP/out")"
exits 1 "a network on premises within the VPC is refused" validate --set vars.onPremCidr=10.0.64.0/18
says "overlaps with 10.0.0.0/16 of \`vpc_cidr\`" "and says with what"
says "  = ........########................ .. ..  10.0.64.0/18    onPremCidr" "and shows it beside the VPC, the tunnel and the pods"
exits 1 "so is a tunnel within it" validate --set pipelines.stars.steps.router.with.DmvpnIp=10.0.64.9 \
    --set pipelines.stars.steps.router.with.nhrp.HubTunnelIP=10.0.64.1 --set pipelines.stars.steps.router.with.ospf.tunnelNetwork=10.0.64.0
says "overlaps with 10.0.64.0/24, the network of the tunnel (\`DmvpnIp\`)" "which is said"
says "  = ........#....................... .. ..  10.0.64.0/24    tunnel" "and shown"
exits 1 "without the environment it is not" timeout 30 "$ISTHMUS" -C "$SRC/conf.d" validate stars
says "environment variable ISTHMUS_CCP_URL is not set" "and says what is missing"
says "environment variable ISTHMUS_HUB_ADDRESS is not set" "all of it at once"
exits 1 "the placeholder of the walk-through is refused when nothing overrides it" validate \
    --set 'pipelines.stars.steps.router.with.ike_profile.remote_peer_ip=<public/routeable IP of the remote peer>'
says "expected an IPv4 address" "and says what is expected"

# What a file of conf.d names beside itself is there.
missing=$(grep -oE 'stars/[A-Za-z0-9_./-]+\.yaml' stars.yaml | sort -u | while read -r file; do [ -f "$file" ] || echo "$file"; done)
echo "$missing" >"$TMP/out"
[ -z "$missing" ]
pass_or_fail $? "every file that stars.yaml names is shipped"
finish
