#!/usr/bin/env bash
# Watches against real API servers: changes, a restart of the server in the middle, and a history that is gone.
. "$(dirname "$0")/lib.sh"

svc() { kubectl -n default create service clusterip "$1" --tcp=80 >/dev/null; }
seen() { # seen "text": within 10 s
    for _ in $(seq 100); do
        grep -q -- "$1" "$TMP/watch" && return 0
        sleep 0.1
    done
    cat "$TMP/watch"
    return 1
}
times_seen() { grep -c -- "$1" "$TMP/watch"; }

for CLUSTER in modern classic; do
    start_cluster $CLUSTER $CLUSTER
    svc before
    timeout 100 "$KUBE_TOOL" "$TMP/$CLUSTER/kubeconfig" watch v1 Service 90 >"$TMP/watch" 2>&1 &
    watcher=$!
    ok "$CLUSTER: what is there comes first" seen '^A default/before '
    ok "$CLUSTER: then it is in sync" seen '^S$'
    svc during
    ok "$CLUSTER: what is added" seen '^A default/during '
    kubectl -n default delete svc during >/dev/null
    ok "$CLUSTER: what is deleted" seen '^D default/during$'

    restart_api $CLUSTER
    svc after-restart
    ok "$CLUSTER: the server was restarted, the watch goes on" seen '^A default/after-restart '
    once() { [ "$(times_seen '^A default/before ')" = 1 ]; }
    ok "$CLUSTER: and says nothing twice" once

    # While the client sleeps: an object goes, and the history that would tell of it goes too.
    kill -STOP $watcher
    kubectl -n default delete svc before >/dev/null
    svc late
    eval "etcd=\$((PORT_$CLUSTER + 1))"
    revision=$(curl -s "http://127.0.0.1:$etcd/v3/kv/range" -d '{"key":"AA=="}' | sed 's/.*"revision":"\([0-9]*\)".*/\1/')
    curl -s "http://127.0.0.1:$etcd/v3/kv/compaction" -d "{\"revision\":\"$revision\",\"physical\":true}" >/dev/null
    restart_api $CLUSTER
    kill -CONT $watcher
    ok "$CLUSTER: compacted meanwhile: the deletion is found" seen '^D default/before$'
    ok "$CLUSTER: and the addition" seen '^A default/late '
    kill $watcher 2>/dev/null
    for pid in $(cat "$TMP/$CLUSTER"/*.pid); do kill "$pid"; done
done
finish
