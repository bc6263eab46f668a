#!/usr/bin/env bash
# The core by itself: start-up, validate and a plan without changes of 200 steps over test files, memory; each
# beside a peer that does the least such a command could do.
# shellcheck source=../integration/lib.sh
. "$(dirname "$0")/../integration/lib.sh"
# shellcheck source=../torture/files.sh
. "$(dirname "$0")/../torture/files.sh"
MEASURE=$BUILD/tests/bench/measure
TIMES=${TIMES:-11}

{
    printf 'pipelines:\n  p:\n    steps:\n'
    for ((i = 0; i < 200; i++)); do
        printf '      s%d: {plugin: test-file, with: {dir: "@WORLD@/s%d"}' "$i" "$i"
        [ $((i % 10)) = 0 ] || printf ', needs: [s%d]' $((i - 1))
        printf '}\n'
    done
} | write_conf
ist apply p --yes >/dev/null 2>&1 || { echo "the steps could not be applied" >&2; exit 1; }

line() { # line "what" AIM-MS command...
    local what=$1 aim=$2 median best peak
    shift 2
    read -r median best peak <<<"$("$MEASURE" "$TIMES" "$@")"
    printf '%-44s %8s ms (best %s, aim %s)  peak %s KiB\n' "$what" "$median" "$best" "$aim" "$peak"
}

line "start-up: isthmus version" 50 "$ISTHMUS" version
line "  beside: true" - true
line "validate of 200 steps" 30 "$ISTHMUS" -C "$CONF" validate p
line "plan of 200 steps, nothing to do" 100 "$ISTHMUS" -C "$CONF" plan p --detailed-exitcode
line "  beside: reading the 200 files, one cat each" - sh -c "for f in '$WORLD'/*/*; do cat \"\$f\"; done"
line "apply of 200 steps, nothing to do" - "$ISTHMUS" -C "$CONF" apply p --yes
line "status of 200 steps" - "$ISTHMUS" -C "$CONF" status p
echo "memory of the core: aim 30720 KiB"
