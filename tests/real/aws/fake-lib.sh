# shellcheck shell=bash
# A second AWS, which shares no code with the lab: $ISTHMUS_AWS_FAKE is its folder. It runs on Debian's python3-moto,
# unpacked in $ISTHMUS_MOTO, or by its own get-moto.sh into $ISTHMUS_CACHE.
#   start_fake        the fake, its environment, and the end of it at exit; by way of FAKE_WITH, a program that runs it
#   fake PATH [JSON]  its control interface
#   run NAME OP INPUTS-FILE [STATE]   one operation; the JSON that it prints is in $TMP/json
. "$(dirname "${BASH_SOURCE[0]}")/../../integration/lib.sh"

find_moto() {
    if [ -n "${ISTHMUS_MOTO:-}" ]; then
        echo "$ISTHMUS_MOTO"
    elif [ -n "${ISTHMUS_CACHE:-}" ]; then
        mkdir -p "$ISTHMUS_CACHE"
        # Several tests may want it at the same time: one gets it.
        (
            flock 9
            [ -d "$ISTHMUS_CACHE/moto/root" ] || "$ISTHMUS_AWS_FAKE/get-moto.sh" "$ISTHMUS_CACHE/moto" >"$TMP/get-moto" 2>&1
        ) 9>"$ISTHMUS_CACHE/moto.lock" || return 1
        echo "$ISTHMUS_CACHE/moto"
    else
        return 1
    fi
}

stop_fake() {
    [ -z "${FAKE_PID:-}" ] || kill "$FAKE_PID" 2>/dev/null
    cleanup
}

# It answers within a minute, or has ended.
fake_runs() {
    FAKE_PORT=$((28000 + RANDOM % 4000)) # beside those of tests/real/kubernetes/lib.sh, below those that the kernel gives away
    ! fake /_fake/log >/dev/null 2>&1 || return 1 # another test's
    PYTHONPATH=$1/root/usr/lib/python3/dist-packages /usr/bin/python3 ${FAKE_WITH:-} "$ISTHMUS_AWS_FAKE/aws_fake.py" -p "$FAKE_PORT" \
        >"$TMP/fake.log" 2>&1 &
    FAKE_PID=$!
    for _ in $(seq 600); do
        kill -0 "$FAKE_PID" 2>/dev/null || return 1
        fake /_fake/log >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    return 1
}

start_fake() {
    [ -n "${ISTHMUS_AWS_FAKE:-}" ] || skip_all "ISTHMUS_AWS_FAKE is not set"
    local moto
    moto=$(find_moto) || skip_all "python3-moto is neither in ISTHMUS_MOTO nor to be had for ISTHMUS_CACHE"
    trap stop_fake EXIT
    # A port that somebody has already is another try.
    fake_runs "$moto" || fake_runs "$moto" || fake_runs "$moto" || skip_all "aws-fake does not start: $(tail -1 "$TMP/fake.log")"
    export AWS_ENDPOINT_URL=http://127.0.0.1:$FAKE_PORT AWS_REGION=us-west-2 AWS_DEFAULT_REGION=us-west-2
    export AWS_ACCESS_KEY_ID=AKIDEXAMPLE AWS_SECRET_ACCESS_KEY=secretexample AWS_EC2_METADATA_DISABLED=true
    export ISTHMUS_POLL_MS=100 # what it makes is there at once
    unset AWS_CA_BUNDLE AWS_PROFILE AWS_SESSION_TOKEN
}

fake() {
    if [ $# -gt 1 ]; then
        curl -sf --max-time 10 -d "$2" "http://127.0.0.1:$FAKE_PORT$1"
    else
        curl -sf --max-time 10 "http://127.0.0.1:$FAKE_PORT$1"
    fi
}

# What it printed is in $TMP/ran, with what it said on standard error at the end.
run() {
    timeout 100 "$ISTHMUS" plugin run --output json ${4:+--state "$4"} -i "$3" "$1" "$2" >"$TMP/json" 2>"$TMP/err"
    local status=$?
    cat "$TMP/json" "$TMP/err" | tee -a "$TMP/ran.all" >"$TMP/ran"
    cat "$TMP/ran"
    return $status
}

# changes NUMBER NAME INPUTS STATE: a plan tells of so many
changes() {
    run "$2" plan "$3" "$4" || return 1
    local found
    found=$(jq '.changes | length' "$TMP/json")
    [ "$found" = "$1" ] || {
        echo "$found changes, expected $1"
        return 1
    }
}

# refuses TEXT NAME OP INPUTS STATE: fails, and says so
refuses() {
    ! run "$2" "$3" "$4" "$5" && grep -qF -- "$1" "$TMP/ran"
}

# calls REGEX: how many calls of such an action the fake has seen
calls() {
    fake /_fake/log | jq --arg re "$1" '[.[] | select(.action | test("^(" + $re + ")$"))] | length'
}
