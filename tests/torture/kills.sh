#!/usr/bin/env bash
# Kills: apply and destroy of test files, killed at random moments (the core alone, or with all its workers)
# and taken up again: the same files as of a run that nobody killed, nothing twice, nothing left behind.
# KILLS=1000 for the long run; SEED=N to repeat one.
# shellcheck source=../integration/lib.sh
. "$(dirname "$0")/../integration/lib.sh"
# shellcheck source=files.sh
. "$(dirname "$0")/files.sh"

KILLS=${KILLS:-100}
SEED=${SEED:-20261122}
RANDOM=$SEED
echo "# seed $SEED, $KILLS kills"

write_conf <<'END'
vars: {text: one}
pipelines:
  p:
    steps:
      net:
        plugin: test-file
        with: {dir: "@WORLD@/net", count: 4, secret: hush-hush, delay_ms: 2}
      router:
        plugin: test-file
        with: {dir: "@WORLD@/router", count: 2, content: "${steps.net.id} ${var.text}", secret: "${steps.net.minted}", delay_ms: 2}
      routes:
        plugin: test-file
        with: {dir: "@WORLD@/routes", count: 3, content: "${var.text}", delay_ms: 1}
        needs: [router]
      alone:
        plugin: test-file
        with: {dir: "@WORLD@/alone", count: 5, content: "${var.text}", delay_ms: 3}
END

# The same pipeline later: one step is gone, another has got another plugin, a third new inputs that replace.
export ISTHMUS_PLUGIN_PATH=$BUILD/tests/torture/.libs
LATER=$TMP/later.d
mkdir "$LATER"
cp "$CONF/isthmus.yaml" "$LATER"
sed -e '/^      routes:/,/needs:/d' -e '/alone:/,$s/test-file/test-other/' -e 's/count: 2,/count: 2, kind: fancy,/' \
    "$CONF/p.yaml" >"$LATER/p.yaml"

killed=0 rounds=0 runs=0

# Runs a command again and again, killed at random, until it ends by itself; 0 when that end was good.
until_done() {
    local pid rc wait victims
    while :; do
        runs=$((runs + 1))
        "$ISTHMUS" "$@" >"$TMP/log" 2>&1 &
        pid=$!
        wait=$((RANDOM % WINDOW))
        sleep "$((wait / 1000)).$(printf %03d $((wait % 1000)))"
        if [ $((RANDOM % 2)) = 0 ]; then
            victims=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null)
            # shellcheck disable=SC2086
            kill -9 $pid $victims 2>/dev/null
        else
            kill -9 $pid 2>/dev/null
        fi
        wait $pid 2>/dev/null
        rc=$?
        [ $rc = 137 ] || return $rc
        killed=$((killed + 1))
    done
}

# One life: made, changed, destroyed. Says what is wrong.
life() {
    until_done -C "$CONF" apply p --yes || { echo "apply: exit $?"; cat "$TMP/log"; return 1; }
    same_world "$TMP/one" || { echo "after apply (kill $killed)"; return 1; }
    until_done -C "$CONF" apply p --yes --set text=two || { echo "second apply: exit $?"; cat "$TMP/log"; return 1; }
    same_world "$TMP/two" || { echo "after the second apply (kill $killed)"; return 1; }
    ist plan p --set text=two --detailed-exitcode >"$TMP/log" 2>&1 || { cat "$TMP/log"; return 1; }
    until_done -C "$LATER" apply p --yes --allow-deferred --set text=two || { echo "third apply: exit $?"; cat "$TMP/log"; return 1; }
    same_world "$TMP/three" || { echo "after the third apply (kill $killed)"; return 1; }
    until_done -C "$LATER" destroy p --yes || { echo "destroy: exit $?"; cat "$TMP/log"; return 1; }
    same_world /dev/null || { echo "after destroy (kill $killed)"; return 1; }
}

# What runs that nobody kills leave, and how long one takes: kills fall anywhere in that time.
began=${EPOCHREALTIME/[.,]/}
ok "an uninterrupted apply makes the files" ist apply p --yes
WINDOW=$(((${EPOCHREALTIME/[.,]/} - began) * 5 / 4000))
[ "$WINDOW" -le 200 ] || WINDOW=200 # on a busy machine
world >"$TMP/one"
ok "it made fourteen of them" test "$(wc -l <"$TMP/one")" = 14
ok "an uninterrupted change changes them" ist apply p --yes --set text=two
world >"$TMP/two"
ok "an uninterrupted change of plugin and steps" ist -C "$LATER" apply p --yes --allow-deferred --set text=two
world >"$TMP/three"
ok "leaves eleven" test "$(wc -l <"$TMP/three")" = 11
ok "an uninterrupted destroy removes them" ist destroy p --yes
ok "nothing is left" same_world /dev/null

result=0
while [ $killed -lt "$KILLS" ]; do
    rounds=$((rounds + 1))
    life >"$TMP/out" 2>&1 || { result=1; break; }
done
pass_or_fail $result "$KILLS kills of apply and destroy leave the same files, nothing twice, nothing behind"
echo "# a window of $WINDOW ms; $killed kills in $runs runs, $rounds lives"
ok "the state is whole" ist state list
ok "and it holds no step" test -z "$(ist state list)"
ok "no secret is in it" sh -c "! strings -a '$TMP'/state.db* | grep -E 'hush-hush|minted-'"
ok "no folder of a run is left" sh -c "! ls '$TMP'/state.db.run 2>/dev/null | grep ."
finish
