# shellcheck shell=bash
# The lab's routers without the rest of it: a hub, and a spoke as EC2 would have booted it. Sourced after lib.sh.
#   start_alone               $ADDRESS and $PORT of the spoke, $HUB's address, the key $TMP/key of ec2-user; ends at exit
#   connect KEY [ARGUMENTS]   the plain ssh command
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
