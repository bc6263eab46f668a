#!/usr/bin/env bash
# isthmus watch as a service: what it tells, what it takes anew, and what no worker can do to it.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../torture/files.sh
. "$(dirname "$0")/../torture/files.sh"
export ISTHMUS_PLUGIN_PATH=$BUILD/tests/torture/.libs
PID='' LISTENER=''
trap '[ -z "$PID" ] || kill -9 "$PID" 2>/dev/null; [ -z "$LISTENER" ] || kill "$LISTENER" 2>/dev/null; cleanup' EXIT

status() { ist status p --output json 2>/dev/null; }
# of STEP FILTER VALUE: what the watch of a step says
of() {
    status | jq -c ".status.watch.steps.$1 | $2" >"$TMP/value"
    cat "$TMP/value"
    [ "$(cat "$TMP/value")" = "$3" ]
}
watching() { of "$1" .state '"watching"'; }
url() { status | jq -r .status.watch.listen; }
start() { # start OPTIONS: in the background, until all watch
    "$ISTHMUS" -C "$CONF" watch p -v --listen 127.0.0.1:0 "$@" >"$TMP/watch" 2>&1 &
    PID=$!
    eventually watching a >"$TMP/out" || { cat "$TMP/watch" >"$TMP/out"; pass_or_fail 1 "the watch begins"; }
    URL=$(url)
}
stop() {
    kill "$PID" 2>/dev/null
    wait "$PID"
    CODE=$?
    PID=
    return $CODE
}
scrape() { curl -sS --max-time 10 "$URL/metrics" >"$TMP/page" && awk -f "$SRC/tests/integration/exposition.awk" "$TMP/page"; }
sample() { scrape && grep -qF -- "$1" "$TMP/page"; }
code() { [ "$(curl -s -o "$TMP/body" -w '%{http_code}' --max-time 10 "$2" "${@:3}")" = "$1" ]; }
worker_of() { # worker_of N: pid of the N-th worker, in the order of the steps
    pgrep -P "$PID" | sed -n "$1p"
}
logged() { grep -qF -- "$1" "$TMP/watch"; }
content() { grep -rqF -- "$2" "$WORLD/$1"; }
drift() { find "$WORLD/$1" -type f ! -name '.*' -exec sed -i '$s/.*/content: drifted/' {} +; }

# a, and b that takes a's outputs (one a secret) and a plugin that cannot be reconfigured for c.
pipeline() { # pipeline CONTENT-OF-A [MORE]
    write_conf <<END
pipelines:
  p:
    steps:
      a: {plugin: test-file, with: {dir: "@WORLD@/a", content: "$1", ask_when: "$TMP/ask"}}
      b: {plugin: test-file, with: {dir: "@WORLD@/b", content: "from \${steps.a.id}", secret: "\${steps.a.minted}", ask_when: "$TMP/ask-b"}}
      c: {plugin: test-other, with: {dir: "@WORLD@/c", content: "$1"}}
$(printf '%s' "${2-}")
END
}

command -v jq >/dev/null || skip_all "there is no jq"
pipeline one
ist apply p --yes >"$TMP/out" 2>&1 || { echo "Bail out! $(tail -1 "$TMP/out")"; exit 1; }

# ---- what it tells
start
ok "status shows every step watched" eventually watching c
ok "since when a cluster is connected, its lag, generation and writes are told" \
    eventually sh -c "'$ISTHMUS' -C '$CONF' status p | grep -q 'folder  synced, connected for .*, lag 0.0 s, generation 1, writes 0'"
ok "the metrics page is what Prometheus reads" scrape
ok "a step that is watched is up" sample 'isthmus_step_up{pipeline="p",step="a"} 1'
ok "its cluster too" sample 'isthmus_cluster_up{pipeline="p",step="a",cluster="folder"} 1'
ok "a plugin's own numbers are there" sample 'isthmus_files_put_back_total{pipeline="p",step="a",dir="'"$WORLD"'/a"} 0'
drift a
ok "and count" eventually sample 'isthmus_files_put_back_total{pipeline="p",step="a",dir="'"$WORLD"'/a"} 1'
ok "/healthz answers 200" code 200 "$URL/healthz"
ok "/readyz answers 200" code 200 "$URL/readyz"
ok "every other page is 404" code 404 "$URL/"
ok "nothing is taken" code 405 "$URL/metrics" -X POST -d x=1
ok "no secret is told" sh -c "! grep -F minted- '$TMP/page' && ! '$ISTHMUS' -C '$CONF' status p --output json | grep minted-"
ok "one that asks and reads nothing holds nobody up" sh -c \
    "(exec 3<>/dev/tcp/127.0.0.1/${URL##*:}; printf 'GET /metr' >&3; sleep 1) & curl -sS --max-time 20 '$URL/healthz'"
exits 1 "destroy refuses while it is watched" ist destroy p --yes
says "watched by process $PID" "and says by whom"
ok "it ends well when it is told to" stop
exits 1 "an address that others reach is refused" ist watch p --listen 0.0.0.0:0
says "not on loopback" "with the reason"
exits 1 "a word that is no address is refused" ist watch p --listen here
"$ISTHMUS" -C "$CONF" watch p --listen none >"$TMP/watch" 2>&1 &
PID=$!
ok "without a page it watches too" eventually watching a
ok "and says that there is none" [ "$(url)" = null ]
stop

# ---- the service manager
"$BUILD/tests/integration/notify-listen" "$TMP/notify" "$TMP/told" &
LISTENER=$!
eventually test -S "$TMP/notify"
told() { grep -qx -- "$1" "$TMP/told"; }
export NOTIFY_SOCKET=$TMP/notify WATCHDOG_USEC=1000000
start
ok "it says READY=1 once it watches" eventually told READY=1
ok "it says how it stands" eventually grep -q '^STATUS=3 of 3 steps watched' "$TMP/told"
ok "it feeds the watchdog" eventually sh -c "[ \$(grep -c WATCHDOG=1 '$TMP/told') -ge 3 ]"
: >"$TMP/told"
kill -HUP "$PID"
ok "it says that it reloads" eventually told RELOADING=1
ok "and since when, by the monotonic clock" grep -qE '^MONOTONIC_USEC=[0-9]{6,}$' "$TMP/told"
ok "and that it is ready again" eventually told READY=1
stop
ok "it says that it stops" eventually told STOPPING=1
kill $LISTENER
LISTENER=
unset NOTIFY_SOCKET WATCHDOG_USEC

# ---- SIGHUP
start
eventually watching c
before=$(worker_of 1) other=$(pgrep -P "$PID" | sort | tr '\n' ' ')
pipeline two
kill -HUP "$PID"
ok "new inputs reach a running worker" eventually content a two
ok "which is the same one" [ "$(worker_of 1)" = "$before" ]
ok "it counts as another generation, not as a restart" of a '[.restarts,.status.clusters.folder.generation]' '[0,2]'
ok "one that cannot be reconfigured begins anew with them" eventually content c two
ok "and watches again" eventually of c '[.state,.restarts]' '["watching",1]'
ok "the page counts the reload" sample 'isthmus_config_reloads_total{pipeline="p"} 1'
pipeline three '      broken: {plugin: test-file, wiht: {}}'
kill -HUP "$PID"
ok "a wrong configuration is told with its place" eventually logged "p.yaml:7:"
ok "status says that the one before goes on" eventually sh -c \
    "'$ISTHMUS' -C '$CONF' status p | grep -q 'the last was not taken: .*p.yaml:7:'"
ok "and so does the page" sample 'isthmus_config_last_reload_successful{pipeline="p"} 0'
drift a
ok "the workers go on with it" eventually content a two
pipeline two '      d: {plugin: test-file, with: {dir: "@WORLD@/d", content: four}}'
sed -i "s|@WORLD@|$WORLD|g" "$CONF/p.yaml"
kill -HUP "$PID"
ok "a step that was not applied is not watched" eventually of d .state '"unread"'
ok "/readyz says so" code 503 "$URL/readyz"
ok "with the reason" grep -q "d: unread: .*has not been applied" "$TMP/body"
exits 0 "apply makes it while the others are watched" ist apply p --yes
ok "then it is watched, without being told" eventually watching d
sed -i '/^      [cd]: /d' "$CONF/p.yaml"
kill -HUP "$PID"
ok "steps that are gone end" eventually sh -c "[ \$(pgrep -P $PID | wc -l) = 2 ]"
ok "and are not shown" of d .state null
ok "the first worker has lived through all of it" [ "$(worker_of 1)" = "$before" ]
stop
: "$other"

# ---- inputs that are derived
pipeline two
start --refresh 0s
eventually watching b
id=$(ist state show p a --output json | jq -r '.. | .id? // empty' | head -1)
sed -i 's|content: "two", ask_when|kind: other, &|' "$CONF/p.yaml"
exits 0 "apply makes anew what others take from" ist apply p --yes --allow-deferred
touch "$TMP/ask-b"
ok "a worker that asks gets what it is derived from anew" eventually of b '.status.clusters.folder.generation' 2
ok "without a restart" of b .restarts 0
ok "the old id is gone" sh -c "! ls '$WORLD/a' | grep -q '${id:-none}'"
stop
start --refresh 2s
eventually watching b
sed -i 's|kind: other|kind: third|' "$CONF/p.yaml"
ist apply p --yes --allow-deferred >/dev/null 2>&1
ok "they are renewed without being asked for, too" eventually of b '.status.clusters.folder.generation' 2
stop

# ---- bad workers
bad() { # bad FAULT
    rm -f "$TMP/once"
    pipeline two "      bad: {plugin: test-file, with: {dir: \"$WORLD/bad\", fault: $1, fault_in: watch, fault_once: \"$TMP/once\"}}"
    ist apply p --yes >/dev/null 2>&1
}
for fault in crash flood hang; do
    bad $fault
    start --patience 5s
    ok "$fault: it happens" eventually test -e "$TMP/once"
    ok "$fault: the worker is begun anew" eventually of bad '[.state,.restarts]' '["watching",1]'
    ok "$fault: the page counts it" eventually sample 'isthmus_step_restarts_total{pipeline="p",step="bad"} 1'
    ok "$fault: the others never noticed" of a '[.state,.restarts]' '["watching",0]'
    stop
done
bad none
start --patience 5s
eventually watching bad
kill -STOP "$(worker_of 1)"
ok "a worker that is stopped is replaced" eventually of a '[.state,.restarts]' '["watching",1]'
drift a
ok "and the new one keeps on" eventually content a two

# ---- the supervisor
workers=$(pgrep -P "$PID" | tr '\n' ' ')
kill -9 "$PID"
wait "$PID" 2>/dev/null
# shellcheck disable=SC2086
ok "when the supervisor is killed its workers end" eventually sh -c "! kill -0 $workers 2>/dev/null && ! ps -o pid= -p ${workers// /,}0"
PID=
start
ok "another one takes its place" watching a
stop

# ---- what only a watch knows
MORE='its inputs are others than those that were applied: what a watch made with these is not known, and stays'
pipeline three
exits 1 "what a watch was given since the last apply is asked about before all goes" ist destroy p
says "$MORE" "with what stays, and what to do first"
pipeline two
ist apply p --yes >"$TMP/out" 2>&1
exits 1 "what was applied" ist destroy p
ok "needs no word" sh -c "! grep -qF '$MORE' '$TMP/out'"

# ---- the unit
unit=$BUILD/core/engine/isthmus-watch@.service
if command -v systemd-analyze >/dev/null; then
    mkdir -p "$TMP/units"
    sed "s|^ExecStart=[^ ]*|ExecStart=/bin/true|" "$unit" >"$TMP/units/isthmus-watch@stars.service"
    ok "systemd reads the unit without a complaint" sh -c \
        "out=\$(systemd-analyze verify '$TMP/units/isthmus-watch@stars.service' 2>&1 | grep -F isthmus | grep -v 'man isthmus'); echo \"\$out\"; [ -z \"\$out\" ]"
fi
ok "the unit names the program that is installed" grep -q '^ExecStart=/.*/bin/isthmus .*watch %i' "$unit"
finish
