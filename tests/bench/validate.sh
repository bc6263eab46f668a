#!/usr/bin/env bash
# `validate` of 200 steps, each referring to the one before, with and without cached descriptors, beside the bare
# start-up. The best of ten runs each: what the machine does beside it is not meant.
set -uo pipefail
ISTHMUS=$BUILD/core/isthmus
TMP=$(mktemp -d "${TMPDIR:-/tmp}/isthmus-bench.XXXXXX")
trap 'rm -rf "$TMP"' EXIT
export XDG_CACHE_HOME=$TMP/cache
mkdir "$TMP/conf"
{
    printf 'pipelines:\n  bench:\n    steps:\n'
    for i in $(seq 200); do
        printf '      s%d: {plugin: test-file, with: {dir: /tmp/x/%d, content: text %d, count: 2' "$i" "$i" "$i"
        [ "$i" = 1 ] || printf ', labels: {before: "${steps.s%d.id}"}' $((i - 1))
        printf '}}\n'
    done
} >"$TMP/conf/bench.yaml"

best() { # best COMMAND...: microseconds of the fastest of ten
    local least=999999999 from took
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        [ -z "${COLD:-}" ] || rm -rf "$XDG_CACHE_HOME"
        from=${EPOCHREALTIME/./}
        "$@" >/dev/null || { echo "failed: $*" >&2; exit 1; }
        took=$((${EPOCHREALTIME/./} - from))
        [ $took -ge $least ] || least=$took
    done
    echo $least
}

start=$(best "$ISTHMUS" version) || exit 1
warm=$(best "$ISTHMUS" -C "$TMP/conf" validate) || exit 1
cold=$(COLD=1 best "$ISTHMUS" -C "$TMP/conf" validate) || exit 1
awk -v s="$start" -v w="$warm" -v c="$cold" 'BEGIN {
    printf "start-up (isthmus version)             %7.1f ms  aim 50 ms\n", s / 1000
    printf "validate 200 steps, descriptors cached %7.1f ms  aim 30 ms  %.1f x start-up\n", w / 1000, w / s
    printf "validate 200 steps, none cached        %7.1f ms             %.1f x cached\n", c / 1000, c / w
}'
