#!/usr/bin/env bash
# What reviews would say again and again: format, banned functions, long files. Each finding is a line.
set -uo pipefail
cd "$(dirname "$(realpath "$0")")/.." || exit 1
status=0
# The frozen copy of the first ABI stays as it was.
mapfile -t sources < <(git ls-files '*.c' '*.h' | grep -v '^tests/torture/first-abi/')
if command -v clang-format >/dev/null; then
    printf '%s\0' "${sources[@]}" | xargs -0 -P "$(nproc)" -n 50 clang-format --dry-run -Werror --ferror-limit=1 || status=1
fi
if command -v cppcheck >/dev/null; then
    cppcheck -q -j "$(nproc)" --std=c11 --error-exitcode=1 --inline-suppr --enable=warning,portability \
        --suppress=missingInclude --suppress=varFuncNullUB --suppress=unknownMacro --suppress=preprocessorErrorDirective \
        -I sdk/include -I core -I sdk/lab core sdk plugins || status=1
fi
bash tests/tidy.sh || status=1
grep -nE '\b(strcpy|strcat|sprintf|strtok|gets|atoi|system|popen)\(' "${sources[@]}" | grep -v '^tests/torture/' && status=1
wc -l "${sources[@]}" | awk '$2 != "total" && $1 > 800 { print "over 800 lines: " $2 " (" $1 ")"; bad = 1 } END { exit bad }' || status=1
exit $status
