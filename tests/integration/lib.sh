# shellcheck shell=bash
# TAP for shell tests, a lab of one's own, and the program. Sourced; the caller ends with `finish`.
#   start_lab            DIR, its environment, and the end of it at exit
#   ok "says what" cmd   one case: passes when cmd succeeds; its output is shown as comments when it does not
#   within SECONDS cmd   waits until cmd succeeds; `eventually cmd` for a minute
#   skip_all "why"       when a counterpart is missing
set -uo pipefail
SRC=${SRC:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
BUILD=${BUILD:-$SRC/build}
ISTHMUS=$BUILD/core/isthmus
TMP=$(mktemp -d "${TMPDIR:-/tmp}/isthmus-test.XXXXXX")
CASES=0
FAILED=0
export AWS_EC2_METADATA_DISABLED=true # what machine the test runs on is nobody's business

cleanup() {
    [ -z "${AWS_SERVED:-}" ] || kill "$AWS_SERVED" 2>/dev/null
    [ ! -d "$TMP/lab" ] || "$ISTHMUS" lab down --dir "$TMP/lab" >/dev/null 2>&1
    rm -rf "$TMP"
}
trap cleanup EXIT

skip_all() {
    echo "1..0 # SKIP $1"
    exit 0
}

finish() {
    echo "1..$CASES"
    # A wait in vain is a defect of the test where nobody looked at its end, too: it made the test slow.
    [ ! -s "$TMP/in-vain" ] || sed 's/^/# waited in vain for /' "$TMP/in-vain"
    [ "$FAILED" = 0 ] && [ ! -s "$TMP/in-vain" ]
    exit $?
}

pass_or_fail() { # pass_or_fail STATUS NAME
    CASES=$((CASES + 1))
    if [ "$1" = 0 ]; then
        echo "ok $CASES - $2"
    else
        echo "not ok $CASES - $2"
        FAILED=$((FAILED + 1))
        { grep -E '^(error|  hint)' "$TMP/out"; tail -40 "$TMP/out"; } 2>/dev/null | sed -e 's/^/# /' -e '$a\'
    fi
}

skip() { # skip "says what" "why": one case that this machine cannot make
    CASES=$((CASES + 1))
    echo "ok $CASES - $1 # SKIP $2"
}

ok() {
    local name=$1
    shift
    "$@" >"$TMP/out" 2>&1
    pass_or_fail $? "$name"
}

# exits CODE "says what" cmd...: the exit status is what counts
exits() {
    local want=$1 name=$2 got
    shift 2
    "$@" >"$TMP/out" 2>&1
    got=$?
    [ $got = "$want" ] || echo "exit $got, expected $want" >>"$TMP/out"
    pass_or_fail $((got != want)) "$name"
}

says() { # says "text" "says what": the last output holds it
    grep -qF -- "$1" "$TMP/out"
    pass_or_fail $? "$2"
}

# A test waits for what it needs to be so, never for a time: on a machine that is busy everything takes longer.
within() {
    local seconds=$1 end=$((SECONDS + $1))
    shift
    until "$@" >"$TMP/within" 2>&1; do
        [ $SECONDS -lt $end ] || { echo "${seconds} s: $*" >>"$TMP/in-vain"; cat "$TMP/within"; return 1; }
        sleep 0.1
    done
    cat "$TMP/within"
}
eventually() { within 60 "$@"; }
# Whether pod/client is done, by a kubectl of any age: succeeded KUBECTL [OPTION...]
succeeded() { [ "$("$@" get pod/client -o 'jsonpath={.status.phase}')" = Succeeded ]; }
# Whether a process has ended; a zombie has.
ended() { case $(ps -o stat= -p "$1") in '' | Z*) true ;; *) false ;; esac; }

start_lab() { # start_lab [OPTIONS]
    [ -x "$BUILD/sdk/lab/isthmus-lab" ] || skip_all "the lab is not built here"
    "$ISTHMUS" lab up --dir "$TMP/lab" "$@" >"$TMP/out" 2>&1 || {
        echo "Bail out! the lab does not start: $(tail -1 "$TMP/out")"
        exit 1
    }
    # shellcheck disable=SC1091
    . "$TMP/lab/env"
    export HOME=$TMP
    AWS=$(pyenv which aws 2>/dev/null || command -v aws) && put_aws "$AWS"
}

# put_aws COMMAND...: what `aws` is from here on. It reads AWS_ENDPOINT_URL since 2.13; the one of Debian 12, which is
# older, takes it as an option.
put_aws() {
    mkdir -p "$TMP/bin"
    # shellcheck disable=SC2016 # expanded when it is called
    printf '#!/bin/sh\nexec %s --endpoint-url "$AWS_ENDPOINT_URL" "$@"\n' "$*" >"$TMP/bin/aws"
    chmod 755 "$TMP/bin/aws"
    case $PATH in "$TMP/bin":*) ;; *) PATH=$TMP/bin:$PATH ;; esac
}

# An aws that gets the token of a role from AWS's own STS, wherever the lab is.
old_aws() { case $(aws --version 2>&1) in aws-cli/2.[0-9].* | aws-cli/2.1[012].*) ;; *) false ;; esac; }

# From here on the aws command, where it is the one written in Python, is loaded once and not for each call.
serve_aws() {
    local python
    python=$(head -c 200 "$AWS" | tr -d '\0' | sed -n '1s/^#! *//p')
    case $python in */python*) ;; *) return ;; esac
    "$python" "$SRC/tests/integration/aws-served.py" "$TMP/aws.served" >"$TMP/aws.log" 2>&1 &
    AWS_SERVED=$!
    disown
    put_aws "$python" -SE "$SRC/tests/integration/aws-served.py" "$TMP/aws.served" "$AWS"
}

isthmus() { timeout 300 "$ISTHMUS" -C "${CONF:-$SRC/conf.d}" "$@"; }
# verify_names "text" [OPTION...]: `verify stars` fails and says so; that it may yet come right is not waited for.
verify_names() { eventually verify_fails "$@"; }
verify_fails() {
    isthmus verify stars --set pipelines.stars.steps.picture.with.picture.settle=1s "${@:2}" >"$TMP/verify" 2>&1
    [ $? = 1 ] && grep -qF -- "$1" "$TMP/verify" && return 0
    cat "$TMP/verify"
    return 1
}
lab() { "$ISTHMUS" lab "$1" --dir "$TMP/lab" "${@:2}"; }
# How many calls that change something the lab has seen so far.
writes() { lab log --output jsonl | grep -c '"write": *true'; }

# Every secret of the walk-through and of the lab, in raw, percent and base64 form, a line each: for grep -F -f.
# Base64 has three forms, by where in a longer text the secret begins; what its neighbours decide is cut off.
secret_forms() {
    local secret pad
    {
        printf '%s\n' abcdefghijklmn012345 DEADBEEF0123456789 keykey00 'abcd123!' "${ISTHMUS_CCP_PASSWORD:-}" \
            "${AWS_SECRET_ACCESS_KEY:-}" "${AWS_SESSION_TOKEN:-}"
        sed -n 's/^ *token: *"\{0,1\}\([^" ]*\).*/\1/p' "$TMP"/lab/*.kubeconfig
    } | sort -u | while read -r secret; do
        [ -n "$secret" ] || continue
        printf '%s\n' "$secret"
        printf %s "$secret" | od -An -v -tx1 | tr -d '\n' | sed 's/ /%/g'
        echo
        printf %s "$secret" | sed 's/%/%25/g; s/!/%21/g; s,/,%2F,g; s/+/%2B/g; s/=/%3D/g; s/:/%3A/g'
        echo
        for pad in "" x xx; do
            # Of PAD bytes in front the first PAD + 1 characters are not the secret's alone, nor are the last two.
            printf %s "$pad$secret" | base64 -w0 | tr -d = | sed -E "s/^.{$((${#pad} ? ${#pad} + 1 : 0))}//; s/.{2}\$//"
            echo
        done
    done | sort -u
}
