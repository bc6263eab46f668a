#!/usr/bin/env bash
# csr-dmvpn against a router that is no easy company: one that cuts us off, takes lines without an effect, denies commands,
# pages for ever, logs into the middle of what is typed; low privilege; and runs that are killed halfway.
# shellcheck disable=SC1091,SC2016 # messages hold back quotes
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/router-lib.sh"
. "$(dirname "$0")/alone-lib.sh"
export HOME=$TMP/home XDG_CACHE_HOME=$TMP/cache
unset "${!AWS_@}" "${!ISTHMUS_@}"
export ISTHMUS_LAB_MINUTE_MS=1500
mkdir -p "$HOME/.ssh"
start_alone
ssh_router() { connect "$TMP/key" "$@"; }
typed() { printf '%s\n' 'terminal length 0' "$@" exit | ssh_router -tt | tr -d '\r'; }
configure 'interface GigabitEthernet2' 'ip address 10.0.109.10 255.255.255.0' 'no shutdown' \
    'username reader privilege 1 password 0 reader-pw' 'enable secret enable-pw' >"$TMP/typed"
ssh-keyscan -p "$PORT" "$ADDRESS" >"$HOME/.ssh/known_hosts" 2>/dev/null
existing_router 'revert_minutes: 2' 'settle: 60s' >"$TMP/in.yaml"
JOURNAL=$TMP/r/journal.jsonl
running() { typed 'show running-config' | sed -n '/^version/,/^end/p' >"${1:-$TMP/now}"; }
seen() { grep -c "\"action\": *\"$1" "$JOURNAL"; }
said() { grep -qF -- "$1" "$TMP/apply.err" "$TMP/apply.json" || { cat "$TMP/apply.err"; return 1; }; }
clear() { echo clear >&9; }
strike() { fault "effect=status,code=$1,times=${3:-1},action=$2"; }
settled() { router show archive config rollback timer | grep -q 'No Rollback'; }
shake() { configure 'interface Tunnel0' 'no ip mtu 1400' 'no ip tcp adjust-mss 1360' >"$TMP/typed"; running "$TMP/shaken"; }
as_shaken() { eventually settled && running && diff "$TMP/shaken" "$TMP/now"; }
mended() { clear; csr apply && changes 0; }
ok "apply configures the router" csr apply

# ---- cut off ----
# What is run logs in twice, to look and to change; then nobody gets in any more, and the session that made the change is
# dead as well: its last line cuts it.
shut() { fault 'effect=cut-before,times=0,skip=2,action=^connect$'; }
shake
shut
fault 'effect=cut-after,action=ip tcp adjust-mss'
ok "a change that cuts us off fails" fails apply
ok "the report says that the router takes it back by itself" said 'the router takes back by itself what it was sent, within 2 minutes'
clear
ok "which it does" as_shaken
ok "it is not saved" eval '[ "$(seen "write memory")" = 1 ]'
ok "the next apply mends it" mended
# Only new logins are cut: the session at hand takes it back at once.
shake
shut
ok "a change after which nobody can log in fails" fails apply
ok "it is taken back by the session that is left" said 'the change was taken back'
clear
ok "so that all is as before" as_shaken
ok "the next apply mends that too" mended

# ---- read back ----
shake
strike swallowed 'ip tcp adjust-mss'
ok "a line that is taken without an effect is found by reading back" fails apply
ok "it is named" said 'shows another configuration: interface Tunnel0 / ip tcp adjust-mss 1360'
ok "and the rest is taken back" as_shaken
shake
configure 'interface Tunnel0' 'ip nhrp authentication other' >"$TMP/typed"
strike swallowed 'ip nhrp authentication'
secret() { fails apply && said 'ip nhrp authentication <secret>'; }
ok "so is a secret, which is not shown" secret
ok "then all is mended" mended

# ---- too slow: the timer ends before the change is confirmed ----
shake
fault 'effect=delay,delay=5000,action=show archive config rollback timer,skip=2'
late() { fails apply && said 'the change was taken back before it could be confirmed'; }
ok "a change that reverts before it is confirmed is no success" late
ok "and nothing is left of it" as_shaken
ok "the next is one" mended

# ---- AAA: commands that the server denies ----
denied() { # denied "what" COMMAND "words": named, and nothing of the change is left
    local before
    shake
    before=$(seen 'write memory')
    strike denied "$2" 0
    ok "$1 denied: apply fails" fails apply
    ok "$1 denied: it is named" said "$3"
    clear
    ok "$1 denied: the router is as before" as_shaken
    ok "$1 denied: nothing was saved" eval '[ "$(seen "write memory")" = '"$before"' ]'
}
denied "entering configuration mode" '^configure terminal' 'Command authorization failed'
denied "a line" 'ip tcp adjust-mss' 'the router refuses "ip tcp adjust-mss 1360": Command authorization failed'
denied "the confirmation" '^configure confirm' '"configure confirm": Command authorization failed'
denied "the configuration" '^show running-config' '"show running-config": Command authorization failed'
ok "after all that" mended
shake
strike denied '^write memory' 0
unsaved() { fails apply && said 'write memory' && said 'confirmed and in effect, but not saved'; }
ok "saving denied: apply says that it is in effect and not saved" unsaved
unconfirmed() { clear; csr plan && grep -q 'before it was confirmed and saved' "$TMP/plan.json"; }
ok "saving denied: the next plan knows" unconfirmed
ok "saving denied: the next apply saves it" mended
shake
strike nvram-full '^write memory' 0
full() { fails apply && said 'open failed (Not enough space)' && said 'not saved'; }
ok "no space in NVRAM: it is told at once" full
ok "no space in NVRAM: mended when there is" mended
strike denied '^terminal' 0
shake
ok "pages and width that cannot be set: apply copes" csr apply
ok "pages and width that cannot be set: nothing is left to do" changes 0
ok "pages and width that cannot be set: verify copes" csr verify
clear
strike denied '^show users' 0
strike denied '^show configuration lock' 0
shake
ok "a router that tells of nobody else is configured all the same" csr apply
clear

# ---- privilege ----
login() { sed "s/private_key: [^}]*/$1/" "$TMP/in.yaml" >"$TMP/login.yaml"; IN=$TMP/login.yaml; }
login 'user: reader, password: reader-pw'
low() { fails plan && grep -qF "$1" "$TMP/plan.err"; }
ok "a user of low privilege without the enable secret is told what is missing" low 'less than privilege 15, and no enable secret is given'
login 'user: reader, password: reader-pw, enable_secret: wrong-pw'
ok "a wrong enable secret is told" low 'the enable secret was refused'
login 'user: reader, password: reader-pw, enable_secret: enable-pw'
ok "with the right one it is as with any other" changes 0
login 'user: reader, password: wrong'
ok "a wrong password is told" low 'login refused'
unset IN

# ---- others ----
other() { # other COMMAND PROMPT cmd...: while somebody else is logged in and has typed that
    local pid rc command=$1 prompt=$2
    shift 2
    rm -f "$TMP/keys"
    mkfifo "$TMP/keys"
    ssh_router -tt <"$TMP/keys" >"$TMP/other" 2>&1 &
    pid=$!
    exec 8>"$TMP/keys"
    printf '%s\n' "$command" >&8
    eventually grep -q "$prompt" "$TMP/other"
    "$@"
    rc=$?
    printf 'end\nexit\n' >&8
    exec 8>&-
    wait $pid
    return $rc
}
shake
ok "who else is logged in is told" other "show clock" "UTC" eval 'csr apply && said "is logged in too"'
configure 'configuration mode exclusive auto' >"$TMP/typed"
shake
ok "who is in an exclusive configuration mode stops the change" other "configure terminal" "(config)#" eval 'fails apply && said "is in configuration mode"'
ok "nothing was changed" as_shaken
strike denied '^show configuration lock' 0
ok "also when that cannot be asked" other "configure terminal" "(config)#" eval 'fails apply && said "Configuration mode is locked"'
clear
configure 'no configuration mode exclusive auto' >"$TMP/typed"
ok "later it goes through" mended
foreign() {
    configure_pending() { typed 'configure terminal revert timer 10' end >"$TMP/typed"; }
    shake
    configure_pending
    fails apply && said 'a confirmed change that is not ours is pending' && typed 'configure confirm' >"$TMP/typed" && mended
}
ok "a confirmed change of somebody else is not touched" foreign

# ---- secrets as the router encrypts them ----
sed -i 's/^ospf: {/ospf: {authentication: md5, authKey: DEADBEEF01234567, /' "$TMP/in.yaml"
ok "an OSPF key is set" csr apply
hidden() { configure 'service password-encryption' >"$TMP/typed"; running && grep -qE 'md5 7 [0-9A-F]+$' "$TMP/now" && changes 0; }
ok "shown as type 7 it is compared by meaning" hidden
forged() { configure 'interface Tunnel0' 'no ip ospf message-digest-key 1' 'ip ospf message-digest-key 1 md5 anotherkey' >"$TMP/typed"; changes 1 && csr apply && changes 0; }
ok "and another one is found" forged
configure 'no service password-encryption' >"$TMP/typed"
sed -i 's/authentication: md5, authKey: DEADBEEF01234567, //' "$TMP/in.yaml"
ok "without a key again" csr apply

# ---- what the terminal prints ----
shake
strike syslog-echo 'interface Tunnel0'
ok "a log line in the middle of an echo does no harm" csr apply
ok "nothing is left to do" changes 0
strike syslog-echo '^terminal width'
ok "nor before the configuration" changes 0
long() { # a key as long as it may be
    sed "s/pre-shared-key: .*/pre-shared-key: $(printf 'k%.0s' $(seq 127))/" "$TMP/in.yaml" >"$TMP/long.yaml"
    strike denied '^terminal width' 0
    IN=$TMP/long.yaml csr apply && IN=$TMP/long.yaml changes 0
}
ok "the longest line there is goes through, on a terminal of any width" long
ok "and back" mended

# ---- destroy, disturbed ----
lost() { fault 'effect=cut-after,action=no router ospf 10'; fails destroy; }
ok "destroy that is cut off fails" lost
ok "what it had begun is taken back" eval 'eventually settled && running && grep -q "^interface Tunnel0" "$TMP/now"'
ok "destroy again gets there" csr destroy
ok "and nothing is left" eval 'running && ! grep -qE "ISTHMUS|Tunnel0|router ospf|archive" "$TMP/now"'
# ---- killed halfway, wherever that is; with the engine, whose journal outlives it ----
mkdir "$TMP/conf.d"
{
    printf 'isthmus: {clear_secrets: allow}\npipelines:\n  one:\n    steps:\n      endpoint:\n        plugin: csr-dmvpn\n        with:\n'
    sed 's/^/          /' "$TMP/in.yaml"
} >"$TMP/conf.d/one.yaml"
export ISTHMUS_STATE=$TMP/state.db
one() { timeout 120 "$ISTHMUS" -C "$TMP/conf.d" "$@" one; }
empty() { one plan --detailed-exitcode; }
ok "the engine's apply makes it anew" one apply --yes
ok "and finds nothing to do then" empty
alone() { [ "$(router show users | grep -c ' vty ')" = 1 ]; }
killed() { # killed ACTION SEEN: kill -9 when SEEN is done, while the router takes its time over ACTION
    local before pid
    shake
    before=$(wc -l <"$JOURNAL")
    fault "effect=delay,delay=3000,action=$1"
    "$ISTHMUS" -C "$TMP/conf.d" apply --yes one >"$TMP/killed" 2>&1 &
    pid=$!
    at() { tail -n +$((before + 1)) "$JOURNAL" | grep -q "\"action\": *\"$2"; }
    eventually at "$1" "$2" || { cat "$TMP/killed"; tail -n +$((before + 1)) "$JOURNAL" | tail; return 1; }
    kill -9 $pid
    wait $pid
    clear
    eventually alone # the session that died is in configuration mode until the router has noticed
    one apply --yes && empty && settled
}
ok "killed before the first line: the next run gets there" killed 'ip mtu' 'configure terminal revert'
ok "killed between two lines" killed 'ip tcp adjust-mss' 'ip mtu'
ok "killed before the confirmation" killed 'configure confirm' 'ip tcp adjust-mss'
ok "killed before it was saved" killed 'write memory' 'configure confirm'
ok "and all is well" one verify
ok "destroy" one destroy --yes
ok "leaves nothing" eval 'running && ! grep -qE "ISTHMUS|Tunnel0|router ospf|archive" "$TMP/now"'
finish
