#!/usr/bin/env bash
# Everything from a bare clone, on Debian: installs what is missing (saying what), configures and builds, then
#   ./autogen.sh build    nothing more
#   ./autogen.sh demo     runs the Stars pipeline against the lab and shows what came of it
#   ./autogen.sh check    runs all tests; the last line is "N passed, N failed, N skipped"
set -euo pipefail
cd "$(dirname "$(realpath "$0")")"
BUILD=${BUILD:-$PWD/build}
JOBS=$(nproc)

packages=(gcc make autoconf automake libtool pkg-config
    libcurl4-openssl-dev libyaml-dev libjansson-dev libssl-dev libssh2-1-dev libexpat1-dev libsqlite3-dev
    libmicrohttpd-dev libssh-dev libcmocka-dev openssh-client)
# What the tests run, COMMAND:PACKAGE: real clients of the lab, the other compiler for the headers, small tools.
clients=(curl:curl jq:jq ps:procps python3:python3 kubectl:kubernetes-client aws:awscli g++:g++)

say() { printf '%s\n' "$*" >&2; }

install_packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "Installing with apt: ${missing[*]}"
    local sudo=()
    [ "$(id -u)" = 0 ] || sudo=(sudo)
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive sh -c '
        apt-get install -qq -y --no-install-recommends "$@" >/dev/null 2>&1 && exit 0
        apt-get update -qq && apt-get install -qq -y --no-install-recommends "$@" >/dev/null' sh "${missing[@]}"
}

build() {
    say "Building in $BUILD (what it prints: configure.out, make.out)"
    command -v apt-get >/dev/null && install_packages "${packages[@]}"
    # The tree that is configured again by itself when configure.ac or a local.mk changed.
    [ -x configure ] || autoreconf -fi >/dev/null 2>&1 || autoreconf -fi
    mkdir -p "$BUILD"
    # shellcheck disable=SC2086 # several flags
    [ -f "$BUILD/Makefile" ] || (cd "$BUILD" && "$OLDPWD/configure" ${CONFIGURE_FLAGS:-} >configure.out 2>&1) || {
        tail -20 "$BUILD/configure.out" >&2
        exit 1
    }
    sed -n '/^isthmus [0-9]/,$p' "$BUILD/configure.out" 2>/dev/null >&2 || true
    make -C "$BUILD" -s -j"$JOBS" >"$BUILD/make.out" 2>&1 || {
        tail -40 "$BUILD/make.out" >&2
        exit 1
    }
}

install_clients() {
    command -v apt-get >/dev/null || return 0
    local client missing=()
    for client in "${clients[@]}"; do
        command -v "${client%%:*}" >/dev/null || missing+=("${client#*:}")
    done
    [ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"
}

# The last line of `check`: cases, not programs.
count_results() {
    find "$@" -name '*.trs' -print0 2>/dev/null | xargs -0 cat 2>/dev/null | awk '
        /^:test-result: *(PASS|XFAIL)/ { passed++ }
        /^:test-result: *(FAIL|XPASS|ERROR)/ { failed++ }
        /^:test-result: *SKIP/ { skipped++ }
        END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }'
}

check() {
    install_clients
    build
    local failed=0
    # Tests wait more than they work: two a core.
    make -C "$BUILD" -j"$((JOBS * 2))" check >"$BUILD/check.out" 2>&1 || failed=1
    grep -E '^(PASS|FAIL|SKIP|ERROR|XPASS):' "$BUILD/check.out" | grep -v '^PASS' || true
    [ $failed = 0 ] || grep -q '^FAIL\|^ERROR' "$BUILD/check.out" || tail -40 "$BUILD/check.out"
    count_results "$BUILD/tests"
    return $failed
}

demo() {
    export CFLAGS=${CFLAGS:--O1 -g1} # somebody waits for it: a quarter less to build
    build
    DEMO_DIR=${DEMO_DIR:-$PWD/.demo} BUILD=$BUILD bash tests/demo.sh
}

case ${1:-} in
build | check | demo) "$1" ;;
*)
    sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
    exit 1
    ;;
esac
