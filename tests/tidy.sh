#!/usr/bin/env bash
# clang-tidy over the whole tree, or over the files named, on all cores. What was clean and has not changed (its text
# with all that it includes, the checks, the tool) is not asked again: the user's cache remembers, for every clone.
# The path analyser is nearly all of the cost, and most of that goes to a few functions with very many paths: it stops
# at TIDY_NODES states a function (20000: a tenth of the time). TIDY_NODES=225000 is the tool's own depth.
set -uo pipefail
cd "$(dirname "$(realpath "$0")")/.." || exit 1
export BUILD=${BUILD:-$PWD/build}
command -v clang-tidy >/dev/null && command -v clang >/dev/null || {
    echo "clang-tidy is not here" >&2
    exit 0
}
[ -f "$BUILD/config.h" ] && [ -f "$BUILD/core/cli/template.inc" ] || {
    echo "nothing is built in $BUILD" >&2
    exit 1
}
# A file's own folder is found by itself: one set of flags serves all.
FLAGS="-std=c17 -D_GNU_SOURCE -Isdk/include -Icore -Isdk/lab -Itests/unit -I$BUILD -I$BUILD/core/cli -I$BUILD/sdk/lab/host
    -DIST_PLUGINDIR=\"\" -DIST_LIBEXECDIR=\"\" -DIST_DATADIR=\"\"
    $(pkg-config --cflags jansson yaml-0.1 libcrypto libcurl libssh2 expat sqlite3 libmicrohttpd gnutls libssh cmocka 2>/dev/null)"
FLAGS+=" -Xclang -analyzer-config -Xclang max-nodes=${TIDY_NODES:-20000}"
for dir in plugins sdk/lib plugins/*/ sdk/lib/*/ sdk/lab/*/; do FLAGS+=" -iquote $dir"; done
export FLAGS
export STAMPS=${XDG_CACHE_HOME:-$HOME/.cache}/isthmus/tidy
mkdir -p "$STAMPS"
rules=$(clang-tidy --version | cat - .clang-tidy | sha256sum)
export rules

# Prints nothing for a file that is clean.
one() {
    local stamp out
    # shellcheck disable=SC2086 # several flags
    stamp=$STAMPS/$({ echo "$rules ${TIDY_NODES:-20000} $1"; clang $FLAGS -E -P "$1" 2>/dev/null; } | sha256sum | cut -c1-40)
    [ ! -e "$stamp" ] || return 0
    # shellcheck disable=SC2086
    if out=$(clang-tidy --quiet "$1" -- $FLAGS 2>/dev/null); then
        : >"$stamp"
    else
        printf '%s\n' "$out"
        return 1
    fi
}
export -f one
if [ $# -gt 0 ]; then printf '%s\n' "$@"; else git ls-files 'core/*.c' 'sdk/lib/*.c' 'sdk/lab/*.c' 'plugins/*.c' 'tests/unit/*.c'; fi |
    xargs -P "$(nproc)" -n 1 bash -c 'one "$1"' one
[ $? = 0 ]
