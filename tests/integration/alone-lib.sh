# shellcheck shell=bash
# The lab's routers without the rest of it: a hub, and a spoke as EC2 would have booted it. Sourced after lib.sh.
#   start_alone               $ADDRESS and $PORT of the spoke, $HUB's address, the key $TMP/key of ec2-user; ends at exit
#   connect KEY [ARGUMENTS]   the plain ssh command
#   existing_router LINE...   inputs of csr-dmvpn for that spoke, and these lines
#   typed LINE...             lines typed into a session; what came back without carriage returns
#   fault EFFECT              into the router
ALONE=$BUILD/tests/unit/router-alone
[ -x "$ALONE" ] || skip_all "tests/unit/router-alone is not built here"
command -v ssh >/dev/null || skip_all "no ssh command"

start_alone() {
    mkdir "$TMP/r"
    ssh-keygen -q -t ed25519 -N '' -f "$TMP/key"
    mkfifo "$TMP/in"
    ISTHMUS_LAB_MINUTE_MS=${ISTHMUS_LAB_MINUTE_MS:-60000} timeout 900 "$ALONE" "$TMP/r" "$TMP/key.pub" <"$TMP/in" >"$TMP/ready" 2>"$TMP/err" &
    ALONE_PID=$!
    exec 9>"$TMP/in"
    trap 'exec 9>&-; kill $ALONE_PID 2>/dev/null; cleanup' EXIT
    for _ in $(seq 600); do
        [ -s "$TMP/ready" ] && break
        sleep 0.1
    done
    # shellcheck disable=SC2034 # the caller's
    read -r _ ADDRESS PORT HUB <"$TMP/ready"
}
connect() {
    timeout 60 ssh -i "$1" -p "$PORT" -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=no \
        -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "ec2-user@$ADDRESS" "${@:2}"
}
typed() { printf '%s\n' "$@" exit | connect "$TMP/key" -tt 2>/dev/null | tr -d '\r'; }
fault() { echo "fault service=router,$1" >&9; }
existing_router() {
    cat <<Y
where: existing
ike_keyring_peer:
  ip_range: {start: 0.0.0.0, end: 0.0.0.0}
  pre-shared-key: abcdefghijklmn012345
ike_profile: {remote_peer_ip: $HUB}
DmvpnIp: 10.250.0.9
DmvpnNetmask: 255.255.255.0
nhrp: {key: keykey00, HubTunnelIP: 10.250.0.1}
ospf: {processId: 10, tunnelNetwork: 10.250.0.0, tunnelWildcard: 0.0.0.255, vpcArea: 2, tunnelArea: 0}
announce: [10.0.109.0/24, 10.0.110.0/24]
onPremCidr: 10.1.0.0/16
onPremPodCidr: 192.168.0.0/16
ssh: {host: $ADDRESS, port: $PORT, private_key: $TMP/key}
Y
    printf '%s\n' "$@"
}
