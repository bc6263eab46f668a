#!/usr/bin/env bash
# csr-dmvpn beside Debian's ansible (cisco.ios.ios_config) at the same router of the lab, which has nothing of the DMVPN
# yet: the first push of its lines, and a second run that finds nothing to do. Time, and how often each waits for the
# router (turns: something sent after something received, the SSH handshakes among them). Both runs are a person's
# command, start to end: `isthmus apply` observes, plans, sends everything as one confirmed change, reads it back over a
# second connection, confirms and saves; `ansible-playbook` compares, sends and saves.
# shellcheck disable=SC1091
. "$(dirname "$0")/../integration/lib.sh"
. "$(dirname "$0")/../integration/lab-lib.sh"
. "$(dirname "$0")/../integration/router-lib.sh"
. "$(dirname "$0")/../real/router/ansible-lib.sh"
export ISTHMUS_CACHE=${ISTHMUS_CACHE:-$BUILD/cache}
find_ansible >"$TMP/why" || { echo "ios: skipped: $(cat "$TMP/why")"; exit 0; }
fail() { echo "ios: $1" >&2; tail -20 "$TMP/ran" >&2; exit 1; }
start_lab
make_vpc || fail "no VPC"
mkdir "$TMP/conf"
export ISTHMUS_STATE=$TMP/ios.db
{
    printf 'pipelines:\n  router:\n    steps:\n      router:\n        plugin: csr-dmvpn\n        with:\n'
    sed 's/^/          /' "$TMP/in.yaml"
} >"$TMP/conf/router.yaml"
ours() { "$ISTHMUS" -C "$TMP/conf" "$@" router >"$TMP/ran" 2>&1; }
ours apply --yes || fail "the router is not made"
ROUTER=$(query ec2 DescribeAddresses | sed -n 's:.*<publicIp>\([^<]*\)</publicIp>.*:\1:p' | head -1)
address() { echo "$ROUTER"; }
router show running-config >"$TMP/configured"

# What was sent, as a person would hand it to ansible; and its removal, users before what they use.
awk '/^(archive|crypto|interface Tunnel|router |ip prefix-list|route-map|ip route)/ { on = 1 } /^!/ { on = 0; next } /^[^ ]/ && !/^(archive|crypto|interface Tunnel|router |ip prefix-list|route-map|ip route)/ { on = 0 } on' \
    "$TMP/configured" >"$TMP/lines.cfg"
bare() {
    mapfile -t gone < <(grep -v '^ ' "$TMP/lines.cfg" | sed 's/^/no /' | tac)
    configure "${gone[@]}" >/dev/null 2>&1
    configure "${gone[@]}" >/dev/null 2>&1
    router show running-config >"$TMP/ran"
    ! grep -qE '^(archive|crypto ikev2|interface Tunnel|router ospf)' "$TMP/ran" || fail "the router is not bare"
    ssh_router 'write memory' >/dev/null
}
LINES_SENT=$(grep -c . "$TMP/lines.cfg")

# Everybody goes through a relay that counts.
RELAY=$((ISTHMUS_ROUTER_PORT + 1))
mkfifo "$TMP/relay"
python3 "$(dirname "$0")/turns.py" "$ROUTER" "$RELAY" "$ISTHMUS_ROUTER_PORT" "$TMP/turns" <"$TMP/relay" &
exec 6>"$TMP/relay"
within 60 test -s "$TMP/turns" || fail "no relay"
sed -i "s/port: $ISTHMUS_ROUTER_PORT/port: $RELAY/" "$TMP/conf/router.yaml"
inventory "$ROUTER" "$RELAY" "$ISTHMUS_ROUTER_KEY"
cat >"$TMP/play.yaml" <<Y
- hosts: router
  gather_facts: false
  tasks:
    - name: dmvpn
      cisco.ios.ios_config: {src: $TMP/lines.cfg, save_when: changed}
Y
theirs() { playbook "$TMP/play.yaml" >"$TMP/ran" 2>&1; }
all_closed() { grep -q '^open 0 ' "$TMP/turns"; }
count() { awk '{ print $6 }' "$TMP/turns"; }
# measure NAME COMMAND...: NAME_MS and NAME_TURNS
measure() {
    local name=$1 from before
    shift
    before=$(count)
    from=$(date +%s%N)
    "$@" || fail "$*"
    eval "${name}_MS=$((($(date +%s%N) - from) / 1000000))"
    within 120 all_closed # ansible keeps its connection a while, but asks nothing any more
    eval "${name}_TURNS=$(($(count) - before))"
}
bare
measure OUR_FIRST ours apply --yes
measure OUR_NOOP ours apply --yes
grep -qi "no changes" "$TMP/ran" || fail "the second run changes something"
bare
measure THEIR_FIRST theirs
grep -q "changed=1 " "$TMP/ran" || fail "ansible changes nothing"
measure THEIR_NOOP theirs
grep -q "changed=0 " "$TMP/ran" || fail "ansible's second run changes something"
# The least that any of it can wait: one ssh that shows the configuration.
by_ssh() { ISTHMUS_ROUTER_PORT=$RELAY ssh_router show running-config >"$TMP/ran"; }
measure BY_SSH by_ssh
ratio() { # ratio NAME OURS THEIRS UNIT [WHOSE]
    awk -v n="$1" -v o="$2" -v t="$3" -v u="$4" -v w="${5:-ios_config}" 'BEGIN { printf "%s ratio %.2f (%d %s, %s %d %s)\n", n, o / t, o, u, w, t, u }'
}
# shellcheck disable=SC2154 # set by measure
{
    ratio "first push of $LINES_SENT lines, time" "$OUR_FIRST_MS" "$THEIR_FIRST_MS" ms
    ratio "first push of $LINES_SENT lines, turns" "$OUR_FIRST_TURNS" "$THEIR_FIRST_TURNS" turns
    ratio "no-op, time" "$OUR_NOOP_MS" "$THEIR_NOOP_MS" ms
    ratio "no-op, turns" "$OUR_NOOP_TURNS" "$THEIR_NOOP_TURNS" turns
    ratio "no-op, turns of a bare ssh" "$OUR_NOOP_TURNS" "$BY_SSH_TURNS" turns "one ssh command"
}
exec 6>&-
