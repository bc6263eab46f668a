#!/usr/bin/env bash
# The walk-through with a Linux host in the router's place, killed while it changes that host: before the change is put in
# place there, in the middle of it, when it is about to be confirmed; and a host that is out of reach for a moment. What
# the host had begun goes on there by itself; the next run ends as one that nobody killed. The host makes one change at a
# time: who holds its lock holds it where it is, so that no kill depends on time.
# shellcheck disable=SC1091,SC2016 # messages hold back quotes
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/router-lib.sh"
need_namespaces
command -v flock >/dev/null || skip_all "no flock command"
start_lab
CONF=$TMP/conf.d
cp -r "$SRC/conf.d" "$CONF"
sed -i 's/^        plugin: csr-dmvpn$/        plugin: frr-dmvpn/' "$CONF/stars.yaml"
apply() { isthmus apply stars --yes --allow-deferred; }
ok "an uninterrupted apply" apply
lab snapshot >"$TMP/whole"
HOST=$(ls -d "$TMP"/lab/host-*)
D=$HOST/var/lib/isthmus-dmvpn
frr_conf() { sed -n 's/^ *ip ospf hello-interval //p' "$HOST/etc/frr/frr.conf"; }
by_hand() { sed -i 's/hello-interval 10/hello-interval 77/' "$HOST/etc/frr/frr.conf"; }

shortly() { within 200 "$@"; }
hold() { # until let_go; comes behind who has it now
    rm -f "$TMP/held" "$TMP/let-go"
    mkfifo "$TMP/let-go"
    flock "$HOST/run/isthmus-dmvpn.lock" sh -c ': >"$0/held"; read -r _ <"$0/let-go"' "$TMP" &
    HOLDER=$!
}
held() { [ -e "$TMP/held" ]; }
let_go() {
    shortly held && echo >"$TMP/let-go"
    wait "$HOLDER"
}
under_way() { # under_way OPERATION...: in the background
    setsid "$ISTHMUS" -C "$CONF" "$@" >"$TMP/killed" 2>&1 &
    PID=$!
}
strike() {
    # shellcheck disable=SC2046
    kill -9 "$PID" $(pgrep -P "$PID") 2>/dev/null
    wait "$PID" 2>/dev/null
    :
}
as_whole() {
    apply && isthmus plan stars --detailed-exitcode && [ "$(frr_conf)" = 10 ] && [ ! -e "$D/pending" ] &&
        lab snapshot >"$TMP/now" && diff "$TMP/whole" "$TMP/now"
}
staged() { [ -e "$D/new/etc/frr/frr.conf" ] && [ "$(wc -l 2>/dev/null <"$D/files")" -gt 10 ]; }
pending() { [ -e "$D/pending" ]; }
at_it() { [ -e "$D/log" ]; } # it waits for its lock, or is past that
settled() { [ -e "$D/result" ]; }

before() { # the change waits for the lock with nothing done
    by_hand
    rm -rf "$D/new" "$D/result"
    hold
    shortly held || return 1
    under_way apply stars --yes
    shortly staged || { cat "$TMP/killed"; return 1; }
    strike
    let_go
}
ok "killed before it is put in place" before
ok "the next run ends as one that nobody killed" as_whole

unconfirmed() { # held as soon as it is begun: it ends, and nobody confirms it
    by_hand
    rm -rf "$D/new" "$D/result"
    under_way apply stars --yes
    shortly pending || { cat "$TMP/killed"; return 1; }
    hold
    shortly held || return 1
    strike
    let_go
}
ok "killed when it was about to be confirmed" unconfirmed
ok "the next run ends as one that nobody killed" as_whole

lost() { # what would have been asked next never is
    by_hand
    rm -rf "$D/new" "$D/result" "$D/log"
    hold
    shortly held || return 1
    under_way apply stars --yes
    shortly at_it || { cat "$TMP/killed"; return 1; }
    strike
    let_go
    shortly settled && pending
}
if lost; then
    pass_or_fail 0 "killed while the host makes it: the host goes on, and waits for somebody to confirm it"
    ok "the next run takes that back first" eval 'apply >"$TMP/taken" 2>&1 && grep -q "never confirmed: it is taken back first" "$TMP/taken"'
else
    pass_or_fail 1 "killed while the host makes it: the host goes on, and waits for somebody to confirm it"
fi
ok "and ends as one that nobody killed" as_whole

# The login that looks at what was changed is cut off.
away() {
    local status
    by_hand
    lab faults add service=router 'action=^connect$' effect=cut-before times=1 skip=2 >/dev/null
    isthmus apply stars --yes >"$TMP/away" 2>&1
    status=$?
    lab faults clear >/dev/null
    [ "$status" = 0 ] || grep -q '^error:.*router' "$TMP/away" || { cat "$TMP/away"; return 1; }
}
ok "a login that is cut off: it recovers, or says of whom" away
ok "and the next run ends as one that nobody disturbed" as_whole

ok "destroy" isthmus destroy stars --yes
ok "leaves no host" eval '! ls -d "$TMP"/lab/host-* 2>/dev/null'
finish
