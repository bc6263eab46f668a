#!/usr/bin/env bash
# Every fuzz target over its corpus, and mutants of it.
cd "$BUILD" || exit 1
n=0
for target in tests/fuzz/fuzz-*; do
    case $target in *.o | *.c | *.log | *.trs) continue ;; esac
    [ -x "$target" ] || continue
    name=${target##*fuzz-}
    n=$((n + 1))
    if out=$(timeout 120 "./$target" "$SRC/tests/fuzz/corpus/$name" 2>&1); then
        echo "ok $n - $name takes whatever it is given"
    else
        echo "not ok $n - $name takes whatever it is given"
        printf '%s\n' "$out" | tail -30 | sed 's/^/# /'
    fi
done
echo "1..$n"
