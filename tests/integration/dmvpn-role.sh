#!/usr/bin/env bash
# The role dmvpn-endpoint: every plugin that has it passes the role's own test, which takes any plugin's name; and all
# mean the same by its words.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/router-lib.sh"
command -v jq >/dev/null || skip_all "jq is missing"
export HOME=$TMP XDG_CACHE_HOME=$TMP/cache
unset "${!ISTHMUS_@}"
export ISTHMUS_STATE=$TMP/state.db ISTHMUS

"$ISTHMUS" plugin list --output json >"$TMP/list" 2>&1
endpoints=()
for plugin in $(jq -r '.. | objects | select(.name? and .path?) | .name' "$TMP/list" | sort -u); do
    "$ISTHMUS" plugin show "$plugin" --output json >"$TMP/$plugin.json" 2>/dev/null
    [ "$(jq -r '.role?' "$TMP/$plugin.json")" != dmvpn-endpoint ] || endpoints+=("$plugin")
done
pass_or_fail $((${#endpoints[@]} < 2)) "two endpoints at least have the role"

# Each in a lab of its own, all at the same time.
tests=()
if [ -x "$BUILD/sdk/lab/isthmus-lab" ]; then
    for plugin in "${endpoints[@]}"; do
        [ "$plugin" != frr-dmvpn ] || has_namespaces || continue
        bash "$SRC/sdk/roles/dmvpn-endpoint.sh" "$plugin" >"$TMP/$plugin.tap" 2>&1 &
        tests+=("$plugin:$!")
    done
fi
for one in "${tests[@]}"; do
    wait "${one#*:}"
    pass_or_fail $? "${one%:*} passes the test of the role"
    grep -A40 '^not ok' "$TMP/${one%:*}.tap" | sed 's/^/# /'
    counted() { grep -q '^1\.\.[1-9][0-9]$' "$TMP/${one%:*}.tap"; }
    ok "with all of its cases" counted
done
# One that has not the role does not pass: its first case says so.
no_endpoint() { ! bash "$SRC/sdk/roles/dmvpn-endpoint.sh" test-file >"$TMP/other.tap" 2>&1 && grep -q '^not ok 1 - test-file has the role' "$TMP/other.tap"; }
[ ${#tests[@]} = 0 ] || ok "a plugin without the role does not pass" no_endpoint

# What all have in common is the role: nothing of it is missing anywhere, and no type or secrecy differs.
for plugin in "${endpoints[@]}"; do
    jq -S '[.inputs[] | {name, type, secret}]' "$TMP/$plugin.json" >"$TMP/$plugin.inputs"
    jq -S '[.outputs[] | {name, type}]' "$TMP/$plugin.json" >"$TMP/$plugin.outputs"
done
common() { jq -S -s '.[0] as $a | .[1] as $b | ($a | map(.name)) as $names | $b | map(select(.name as $n | $names | index($n)))' "$1" "$2"; }
for plugin in "${endpoints[@]:1}"; do
    for side in inputs outputs; do
        common "$TMP/${endpoints[0]}.$side" "$TMP/$plugin.$side" >"$TMP/theirs"
        common "$TMP/$plugin.$side" "$TMP/${endpoints[0]}.$side" >"$TMP/ours"
        ok "${endpoints[0]} and $plugin mean the same by their $side" diff \
            <(jq -S 'sort_by(.name)' "$TMP/ours") <(jq -S 'sort_by(.name)' "$TMP/theirs")
    done
done
"$SRC/plugins/frr-dmvpn/host/embed.sh" "$TMP/scripts.c"
ok "frr-dmvpn carries its scripts as they are" diff "$TMP/scripts.c" "$SRC/plugins/frr-dmvpn/scripts.c"
finish
