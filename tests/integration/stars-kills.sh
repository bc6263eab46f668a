#!/usr/bin/env bash
# apply killed at random moments, core and workers together or the core alone, and resumed: the lab ends with the
# same objects as after an uninterrupted run, nothing twice. KILLS says how many (15), SEED which.
. "$(dirname "$0")/lib.sh"
KILLS=${KILLS:-15}
SEED=${SEED:-$RANDOM}
RANDOM=$SEED
echo "# SEED=$SEED KILLS=$KILLS"

start_lab
timeout 300 "$ISTHMUS" -C "${CONF:-$SRC/conf.d}" apply stars --yes >"$TMP/out" 2>&1
pass_or_fail $? "an uninterrupted apply"
lab snapshot >"$TMP/whole"
ok "and its destroy" isthmus destroy stars --yes
took=${SECONDS}

killed=0
while [ "$killed" -lt "$KILLS" ]; do
    # One life: killed again and again until it is through, then compared and taken away.
    for attempt in 1 2 3 4 5 6; do
        setsid "$ISTHMUS" -C "${CONF:-$SRC/conf.d}" apply stars --yes --allow-deferred >"$TMP/out" 2>&1 &
        pid=$!
        sleep "$(awk -v r="$RANDOM" -v t="$took" 'BEGIN { print r / 32768 * (t > 12 ? 12 : t) }')"
        if ! kill -0 $pid 2>/dev/null; then
            wait $pid 2>/dev/null
            break
        fi
        workers=$(pgrep -P $pid)
        kill -KILL $pid
        # shellcheck disable=SC2086
        [ $((RANDOM % 2)) = 0 ] || [ -z "$workers" ] || kill -KILL $workers 2>/dev/null
        wait $pid 2>/dev/null
        killed=$((killed + 1))
        [ "$killed" -lt "$KILLS" ] || break
    done
    ok "after $killed kills ($attempt in a row) apply resumes" isthmus apply stars --yes --allow-deferred
    same() { lab snapshot >"$TMP/now" && diff "$TMP/whole" "$TMP/now"; }
    ok "and ends with the same objects" same
    ok "destroy" isthmus destroy stars --yes
done
finish
