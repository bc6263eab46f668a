#!/usr/bin/env bash
# `isthmus plugin`: list, show, run and check, with a plugin in every state of health; and that no worker
# outlives the core.
. "$(dirname "$0")/lib.sh"
export HOME=$TMP XDG_CACHE_HOME=$TMP/cache
WORLD=$TMP/world
mkdir "$WORLD"

run() { # run OP [INPUT=VALUE | OPTION]...
    local op=$1 word words=()
    shift
    for word in "$@"; do
        case $word in -*) words+=("$word") ;; *) words+=(--set "$word") ;; esac
    done
    timeout 60 "$ISTHMUS" plugin run test-file "$op" --set dir="$WORLD/files" --state="$TMP/record" "${words[@]}"
}

# ---- list and show
ok "plugins are listed" "$ISTHMUS" plugin list
says "test-file" "the test plugin among them"
ok "they are listed as JSON" "$ISTHMUS" plugin list --output json
cp "$TMP/out" "$TMP/list"
ok "which is JSON" python3 -m json.tool "$TMP/list"
"$ISTHMUS" plugin list | awk '{print $1}' >"$TMP/names"
while read -r name; do
    ok "$name is shown" "$ISTHMUS" plugin show "$name"
    ok "$name has a JSON Schema" "$ISTHMUS" plugin show "$name" --output schema
    says '"additionalProperties": false' "which refuses unknown keys ($name)"
    if command -v man >/dev/null; then
        "$ISTHMUS" plugin show "$name" --output man >"$TMP/page"
        man --warnings -E UTF-8 -l -Tutf8 -Z "$TMP/page" >/dev/null 2>"$TMP/out"
        ok "$name has a manual page without a warning" test ! -s "$TMP/out"
    fi
done <"$TMP/names"
exits 1 "an unknown plugin is an error" "$ISTHMUS" plugin show test-fiel
says 'did you mean `test-file`?' "with the nearest name"
printf 'no ELF' >"$TMP/broken.so"
exits 1 "a broken plugin is named" env ISTHMUS_PLUGIN_PATH="$TMP" "$ISTHMUS" plugin list
says "broken.so: file: expected an ELF shared object" "with what is wrong"
says "test-file" "and does not hide the others"

# ---- run
ok "plan" run plan count=2 'secret=open sesame'
says '"action": "create"' "tells what would be made"
ok "and makes nothing" test -z "$(ls "$WORLD")"
ok "apply" run apply count=2 'secret=open sesame'
ok "makes it" test "$(find "$WORLD/files" -type f | wc -l)" = 2
ok "no secret is in what it printed" sh -c "! grep -q 'open sesame\|minted-' '$TMP/out'"
ok "nor in its record" sh -c "! grep -q 'open sesame\|minted-' '$TMP/record'"
ok "the record is its owner's alone" test "$(stat -c %a "$TMP/record")" = 600
ok "plan again" run plan count=2 'secret=open sesame'
says '"changes": []' "has nothing to do"
ok "verify" run verify count=2 'secret=open sesame'
rm -f "$(find "$WORLD/files" -type f | head -1)"
exits 1 "verify fails once a file is gone" run verify count=2 'secret=open sesame'
says '"result": "fail"' "and says which"
ok "in this process, without a worker" run apply count=2 'secret=open sesame' --in-process
ok "it is mended" run verify count=2 'secret=open sesame' --in-process
printf 'count: 1\ncontent: from a file\n' >"$TMP/inputs.yaml"
ok "inputs from a file, --set on top of them" run apply --inputs="$TMP/inputs.yaml" content=over
ok "both have their effect" test "$(cat "$WORLD"/files/* | tail -1)" = over
exits 1 "a wrong input is refused before anything runs" run plan count=many
says 'expected an integer, found "many"' "by its type"
exits 1 "an unknown one too" run plan cuont=1
says 'did you mean `count`?' "with the nearest name"
exits 1 "an unknown operation is an error" run frobnicate
ok "destroy" run destroy
ok "removes what was made" test -z "$(ls "$WORLD/files")"

# ---- a plugin that is not well
for fault in crash:SIGSEGV junk:"a frame of 2047 MiB" close:"closed its wire" flood:flooded stderr:flooded \
    memory:SIGABRT fail:"failed as it was told to"; do
    [ "${fault%%:*}" != memory ] || ! grep -q '^IST_CFLAGS = .*-fsanitize' "$BUILD/Makefile" || continue
    exits 1 "one that does (${fault%%:*}) costs its operation" run observe fault="${fault%%:*}" fault_in=observe
    says "${fault#*:}" "and the error says so"
    says "test-file" "by its name"
done
ok "one that forks leaves nothing behind" run observe fault=fork fault_in=observe
ok "and is still served" run observe

hanging() { # hanging FAULT SIGNAL: what is left once the core has got the signal
    "$ISTHMUS" plugin run test-file observe --set dir="$WORLD" --set fault="$1" --set fault_in=observe \
        >"$TMP/out" 2>&1 &
    local core=$! worker
    eventually grep -q 'begins to wait' "$TMP/out" || return 1
    worker=$(pgrep -P $core)
    kill "-$2" $core
    wait $core 2>/dev/null
    eventually ended "$worker"
}
ok "a core that is killed takes a hanging worker with it" hanging hang KILL
ok "and a waiting one" hanging wait KILL
ok "Ctrl-C ends a wait" hanging wait INT
says "observe: was cancelled" "as a cancel"

# ---- check
SO=$BUILD/plugins/test-file/.libs/test-file.so
ok "a good plugin passes the check" "$ISTHMUS" plugin check "$SO" --set dir="$WORLD" --set 'secret=open sesame'
says "pass  idempotent" "reading it twice"
exits 1 "a wrong one fails it" "$ISTHMUS" plugin check "$BUILD/tests/torture/bad/bad-type.so"
says 'found "list(cdir)"' "for what is wrong"
exits 1 "what is no plugin fails it" "$ISTHMUS" plugin check "$SRC/README.md"
exits 1 "one that fails in plan fails it" "$ISTHMUS" plugin check "$SO" --set dir="$WORLD" --set fault=crash --set fault_in=plan
cat >"$TMP/loud.c" <<'END'
#include "plugin.h"
IST_EXPORT int loud;
int loud;
const ist_plugin *ist_plugin_entry(const ist_host *host) { (void)host; return 0; }
END
if command -v gcc >/dev/null; then
    gcc -shared -fPIC -I"$SRC/tests/torture/first-abi" -o "$TMP/loud.so" "$TMP/loud.c"
    exits 1 "one that exports more than its entry fails it" "$ISTHMUS" plugin check "$TMP/loud.so"
    says "found also loud" "with the name"
fi

# ---- commands that a plugin offers to people
mkdir "$TMP/conf" "$TMP/empty"
cat >"$TMP/conf/p.yaml" <<END
isthmus: {state: "$TMP/state.db"}
pipelines:
  p:
    steps:
      a: {plugin: test-file, with: {dir: "$WORLD/a"}}
      b: {plugin: test-file, with: {dir: "$WORLD/b", content: "\${steps.a.id}", secret: "\${steps.a.minted}"}}
END
cd "$TMP/empty" || exit 1
ok "a plugin's command runs without a configuration" "$ISTHMUS" test-file echo one two --long
ok "with its words" test "$(cat "$TMP/out")" = "one
two"
exits 1 "an unknown one is an error" "$ISTHMUS" test-file ecko
says "isthmus test-file echo" "that names those there are"
exits 1 "an unknown option too" "$ISTHMUS" test-file echo --lung
ok "--help shows its options" "$ISTHMUS" test-file echo --help
says "--long" "from its table"
exits 1 "a word that is no plugin's is no command" "$ISTHMUS" test-fiel
exits 1 "in a pipeline it needs what its step needs" "$ISTHMUS" test-file echo one p -C "$TMP/conf"
says "steps.a.id is not known" "and says what is missing"
ok "once that is there" "$ISTHMUS" -C "$TMP/conf" apply p --yes
ok "it runs for each step of the plugin" "$ISTHMUS" test-file echo one p -C "$TMP/conf"
ok "with a secret output read anew" test "$(cat "$TMP/out")" = "one
one"

# ---- what a plugin may do
exits 0 "--rbac prints the least roles of a plugin" "$ISTHMUS" plugin show k8s-svcmirror --rbac
says "name: isthmus-k8s-svcmirror-source" "one for the clusters that are read"
says "name: isthmus-k8s-svcmirror-target" "one for those that are written"
cp "$TMP/out" "$TMP/roles"
awk '/^---/ {source = 0} /-source$/ {source = 1} source' "$TMP/roles" >"$TMP/source"
ok "a source is read" grep -q services "$TMP/source"
ok "and not written" sh -c "! grep -E 'create|patch|update|delete' '$TMP/source'"
ok "leases are asked for in one namespace alone" sh -c \
    "awk '/^kind:/ {kind = \$2} /leases/ {print kind}' '$TMP/roles' | grep -qx Role"
exits 1 "a plugin without clusters has no roles" "$ISTHMUS" plugin show aws-vpc --rbac
says "names no permissions in clusters" "and it says so"
exits 0 "--iam-policy prints what it may do in AWS" "$ISTHMUS" plugin show aws-vpc --iam-policy
says '"ec2:DescribeVpcs"' "action by action"
passed() { "$ISTHMUS" plugin show aws-eks --iam-policy | grep -A12 iam:PassRole | tr -d ' \n' | grep -F '"Condition":{"StringEquals":{"iam:PassedToService":["eks.amazonaws.com"]}}'; }
ok "roles may be passed to the service that takes them, and to no other" passed
fits() { # of all that a managed policy may hold: 6,144 characters without white space
    local name
    for name in $("$ISTHMUS" plugin list | awk '{ print $1 }'); do
        [ "$("$ISTHMUS" plugin show "$name" --iam-policy 2>/dev/null | tr -d ' \n' | wc -c)" -le 6144 ] || { echo "$name"; return 1; }
    done
}
ok "each policy is one that IAM takes as it is" fits
exits 1 "a plugin that asks AWS for nothing has no policy" "$ISTHMUS" plugin show k8s-svcmirror --iam-policy
says "names no permissions in AWS" "and it says that, too"

# ---- the programs themselves
ok "the worker exports nothing of ours" sh -c "! nm -D --defined-only '$BUILD/core/isthmus-worker' | grep -q ' ist_'"
ok "the test plugin needs libc alone" \
    test "$(objdump -p "$SO" | awk '/NEEDED/ {print $2}' | grep -v '^lib[a]san\|^libubsan' | tr '\n' ' ')" = "libc.so.6 "
finish
