#!/usr/bin/env bash
# The daemon that mirrors services between two real API servers, and what happens to such daemons: servers that
# restart, forget or go away, a daemon that is killed or stands still, writers that compete, clocks that differ.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"
MANY=${MANY:-300}

start_cluster east modern
start_cluster west classic
# Two users, so that the audit log tells two daemons apart; writes alone are logged.
for user in one two; do
    add_user west $user system:masters
done
audit west
kubectl_of east create namespace app >/dev/null
kubectl_of west create namespace app >/dev/null
inputs one '"grace":4000,"after_grace":"removed"'
inputs two '"grace":4000,"after_grace":"removed"'

# ---- the target's server restarts in the middle of the first sync
put first 10.0.0.1
ok "applied once: which clusters these are is recorded" plugin k8s-svcmirror "$TMP/one.state" "$TMP/one.json" observe plan apply
"$LOAD" seed-services "$TMP/east/kubeconfig" many "$MANY" 3
kubectl_of west create namespace many >/dev/null
daemon one
within 30 "the first sync begins" at_least many 20
ok "the target's API server is killed in the middle of the first sync and comes back" restart_api west
within 60 "and all of it is there" has many "$MANY"
alive() { kill -0 "$PID_one"; }
ok "the daemon lives on" alive
once() { [ "$(written many | sort | uniq -d | wc -l)" -le 16 ]; } # those whose answer was lost, at most
ok "nothing was written twice but what got no answer" once

# ---- the source's server goes away while the daemon comes up, before all was read
stop one
mark
pause_api east
daemon one
sleep 1
ok "a source that does not answer while the daemon starts" alive
resume_api east
within 30 "is read when it does" logs one 'cluster east: synced'
within 30 "and the target is its own again" logs one 'cluster west: holds the lease'
put second 10.0.0.2
within 20 "changes go on" is second 10.0.0.2
ok "nothing was deleted, nothing written that was there" wrote_only second

# ---- the daemon is killed; much happens while it is not there
put third 10.0.0.3
within 20 "a third service" is third 10.0.0.3
crash one
drop first
drop second
put renamed 10.0.0.2
put third 10.0.0.33
daemon one
within 30 "killed: what was deleted meanwhile is taken away" gone first
within 20 "what was renamed is there under its new name" is renamed 10.0.0.2
ok "and not under the old one" gone second
within 20 "what moved is where it is now" is third 10.0.0.33

# ---- history is compacted while the daemon sleeps
signal one STOP
drop renamed
put late 10.0.0.4
compact east
restart_api east
signal one CONT
within 40 "compacted: the deletion is found" gone renamed
within 20 "and what came" is late 10.0.0.4

# ---- somebody else writes the same fields, as fast as they can
mark
storm late 40
within 30 "a competing writer: it ends as it should be" is late 10.0.0.4
calm() { [ "$(wrote | grep -c late)" -le 90 ]; }
ok "with no more writes than there were faults" calm
ok "and the daemon lives" alive

# ---- a writer that stands still; a second takes over
daemon two
within 20 "a second daemon waits" logs two 'cluster east: synced'
put fourth 10.0.0.5
within 20 "while the first writes" is fourth 10.0.0.5
mark
put fifth 10.0.0.6
within 20 "and goes on" is fifth 10.0.0.6
of_lease() { kubectl_of west -n kube-system get leases isthmus-step -o "jsonpath={.spec.$1}"; }
signal one STOP
was=$(of_lease holderIdentity) renewed='' at=$EPOCHREALTIME gap=0
put sixth 10.0.0.7
another() { # another one holds it. GAP: how long this machine has kept us from looking, in microseconds
    local now=$EPOCHREALTIME holder renews
    [ $((${now/./} - ${at/./})) -le $gap ] || gap=$((${now/./} - ${at/./}))
    at=$now
    read -r holder renews < <(of_lease 'holderIdentity} {.spec.renewTime}{"\n"') || return 1
    [ "$holder" != "$was" ] || renewed=$renews
    [ "$holder" != "$was" ]
}
within 15 "stopped: the second has taken over" another
taken=$(of_lease acquireTime)
within 15 "and writes" is sixth 10.0.0.7
# From the last word of the one to the first of the other, by what the Lease says.
in_time() {
    echo "renewed last at $renewed, taken over at $taken"
    [ $gap -lt 1000000 ] || { echo "this machine is too busy: it stood still for $gap us"; return 0; }
    awk -v a="$(date -d "$renewed" +%s.%3N)" -v b="$(date -d "$taken" +%s.%3N)" 'BEGIN {exit !(b > a && b - a <= 15)}'
}
ok "within 15 s" in_time
signal one CONT
put seventh 10.0.0.8
within 20 "the first wakes, the second writes on" is seventh 10.0.0.8
within 20 "and the first knows it" logs one 'no longer the one who writes'
put seventh 10.0.0.88
within 20 "which still does not write" is seventh 10.0.0.88
never_both() { # each user's writes are of one piece: first all of one, then all of two
    wrote user | uniq >"$TMP/turns"
    cat "$TMP/turns"
    [ "$(tr '\n' ' ' <"$TMP/turns")" = "one two " ]
}
ok "and never did both write" never_both
stop two
put eighth 10.0.0.9
within 12 "the second ends and gives the lease back: the first takes it at once" is eighth 10.0.0.9

# ---- clocks that differ: a holder's times are another clock's, what counts is whether it moves
stop one
holder "2031-01-01T00:00:00.000000Z"
daemon one
put ninth 10.0.0.10
within 20 "a holder whose clock is years ahead is dead all the same when it does not move" is ninth 10.0.0.10
stop one
holder "2001-01-01T00:00:00.000000Z"
daemon one
put tenth 10.0.0.11
at=$SECONDS gap=0
for i in 1 2 3 4 5 6; do
    sleep 2
    holder "2001-01-01T00:00:0$i.000000Z"
    [ $((SECONDS - at)) -le $gap ] || gap=$((SECONDS - at))
    at=$SECONDS
done
lives() {
    [ $gap -lt 8 ] || { echo "this machine is too busy: the holder stood still for $gap s"; return 0; }
    gone tenth
}
ok "one whose clock is years behind lives while it moves" lives
within 20 "and is followed when it stops" is tenth 10.0.0.11

# ---- a source goes away for good, or so it seems
pause_api east dead
sleep 1
ok "dead source: its endpoints stay for the grace" is tenth 10.0.0.11
within 20 "then they are removed" is tenth ""
resume_api east
within 20 "it is back, and so are they" is tenth 10.0.0.11

# ---- another cluster behind the same name
stop one
inputs one '"grace":600000,"after_grace":"removed"'
daemon one
within 30 "with a long grace" logs one 'cluster west: holds the lease'
within 30 "all is there again" settled
mark
rebuild east
within 60 "another cluster answers under the name: a question" logs one "$QUESTION"
sleep 2
ok "nothing is deleted for it" wrote_only ""
ok "what was mirrored is still there" is tenth 10.0.0.11
ok "and the daemon lives" alive
crash one
daemon one
within 30 "a daemon that comes up later asks it too" logs one "$QUESTION"
sleep 2
ok "and deletes nothing" wrote_only ""
stop one
finish
