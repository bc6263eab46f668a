#!/usr/bin/env bash
# all.sh BENCH...: runs the benches that BENCH names ("mirror", "mirror|engine"), or all of them. BUILD and SRC as in the
# tests. Each result is a line `NAME ratio N.NN (ours, floor)`.
declare -A known
for script in "$@"; do
    name=$(basename "$script" .sh)
    known[$name]=1
done
for name in ${BENCH//[|,]/ }; do
    if [ -z "${known[$name]-}" ]; then
        echo "BENCH=$name: no such bench; there are: ${!known[*]}" >&2
        exit 2
    fi
done
for script in "$@"; do
    case "|${BENCH//[, ]/|}|" in
    "||" | *"|$(basename "$script" .sh)|"*) bash "$SRC/$script" || exit 1 ;;
    esac
done
