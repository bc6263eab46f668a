#!/usr/bin/env bash
# Every public header alone, by both compilers, as C17 and as C++; and every one is among those installed.
. "$(dirname "$0")/lib.sh"
flags="-I$SRC/sdk/include $(pkg-config --cflags jansson) -Wall -Wextra -Wpedantic -Werror -fsyntax-only"
flags="$flags -Wno-gnu-zero-variadic-macro-arguments"

compiles() { # compiles COMPILER LANGUAGE STANDARD HEADER
    printf '#include <isthmus/%s>\nint use(void);\nint use(void) { return 0; }\n' "$4" >"$TMP/use.$2"
    # shellcheck disable=SC2086
    "$1" -std="$3" $flags -x "$2" "$TMP/use.$2"
}

case_of() { # case_of COMPILER LANGUAGE STANDARD HEADER
    if command -v "$1" >/dev/null; then
        ok "$4 compiles alone as $3 with $1" compiles "$@"
    else
        CASES=$((CASES + 1))
        echo "ok $CASES - $4 compiles alone as $3 with $1 # SKIP there is no $1"
    fi
}

cd "$SRC/sdk/include/isthmus" || exit 1
for header in *.h roles/*.h; do
    case_of gcc c c17 "$header"
    case_of clang c c17 "$header"
    case_of g++ c++ c++17 "$header"
    case_of clang++ c++ c++17 "$header"
    ok "$header is installed" grep -qE "isthmus/${header//./\\.}( |\$)" "$SRC/sdk/include/local.mk"
done

needs_libc_alone() {
    printf '#include <isthmus/plugin.h>\n' | gcc -std=c17 -I"$SRC/sdk/include" -M -xc - |
        tr ' ' '\n' | grep '\.h$' | grep -v '/usr/\(include\|lib\)' | grep -v 'isthmus/plugin\.h$'
    [ "${PIPESTATUS[5]}" != 0 ]
}
ok "plugin.h includes nothing of ours and nothing but libc" needs_libc_alone
finish
