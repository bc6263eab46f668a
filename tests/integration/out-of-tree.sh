#!/usr/bin/env bash
# Every plugin as a vendor would build it: from the installed headers and isthmus.pc alone. The skeleton too.
. "$(dirname "$0")/lib.sh"
ROOT=$BUILD/tests/integration/installed
# Made by `make check` before the tests, and here only when this is run alone.
if ! make -C "$BUILD" -s tests/integration/installed.stamp >"$TMP/out" 2>&1; then
    pass_or_fail 1 "the tree installs"
    finish
fi
PC=$(find "$ROOT" -name isthmus.pc)
PREFIX=$(pkg-config --variable=prefix "$PC")
export PKG_CONFIG_PATH=${PC%/*} PKG_CONFIG_SYSROOT_DIR=$ROOT
export LD_LIBRARY_PATH=$ROOT$PREFIX/lib
export ISTHMUS_WORKER=$ROOT$PREFIX/libexec/isthmus/isthmus-worker
export XDG_CACHE_HOME=$TMP/cache
INSTALLED=$ROOT$PREFIX/bin/isthmus
ok "the installed program runs" "$INSTALLED" version
ok "the plugin of the tests is not installed" test ! -e "$ROOT$PREFIX/lib/isthmus/plugins/test-file.so"

# A sanitized library needs a sanitized plugin.
CFLAGS=$(sed -n 's/^IST_CFLAGS = //p' "$BUILD/Makefile" | grep -o -e '-fsanitize=[a-z,]*')

# pkg-config's sysroot stands before jansson's folders too, and those are the system's.
sdk_flags() { pkg-config "$@" isthmus | sed "s|$ROOT/usr/include|/usr/include|g"; }

build() { # build PLUGIN
    # shellcheck disable=SC2046,SC2086
    ${CC:-gcc} -std=c17 -D_GNU_SOURCE -fPIC -fvisibility=hidden -Wall -Wextra -Werror $CFLAGS \
        $(sdk_flags --cflags) -shared -o "$TMP/built/$1.so" "$SRC/plugins/$1"/*.c -Wl,-z,defs $(sdk_flags --libs)
}

mkdir "$TMP/built"
for dir in "$SRC"/plugins/*/; do
    name=$(basename "$dir")
    case $name in test-*) continue ;; esac
    ok "$name builds from what is installed" build "$name"
    ok "$name, so built, passes the check" "$INSTALLED" plugin check "$TMP/built/$name.so"
done

cd "$TMP" || exit 1
ok "a new plugin is written" "$INSTALLED" plugin new my-first
exits 1 "a plugin that is there already is not written over" "$INSTALLED" plugin new my-first
exits 1 "a name that is a path is refused" "$INSTALLED" plugin new ../other
cd my-first || exit 1
ok "it builds untouched" make CFLAGS="-Werror $CFLAGS" SDK_CFLAGS="$(sdk_flags --cflags)"
ok "it passes the check untouched" make check ISTHMUS="$INSTALLED"
says "pass  reads only" "which ran its observe and plan"
ok "it exports its entry and nothing else" \
    test "$(nm -D --defined-only my-first.so | awk '{print $3}' | grep -v '^_')" = ist_plugin_entry
run() { "$INSTALLED" plugin run ./my-first.so "$@" --set path="$TMP/thing" --state "$TMP/record"; }
ok "it plans" run plan
says '"action": "create"' "a creation"
ok "it applies" run apply
ok "the thing is there" grep -qx hello "$TMP/thing"
ok "it verifies" run verify
says '"result": "pass"' "that it is there"
ok "it plans again" run plan
says '"changes": []' "nothing"
ok "it destroys" run destroy
ok "and the thing is gone" test ! -e "$TMP/thing"

# ---- and by somebody who has not installed it
unset PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR LD_LIBRARY_PATH ISTHMUS_WORKER
cd "$TMP" || exit 1
ok "a program in its build folder writes a plugin too" "$ISTHMUS" plugin new my-second
ok "it builds there, untouched" make -C my-second CFLAGS="-Werror $CFLAGS"
ok "and passes the check" make -C my-second check
finish
