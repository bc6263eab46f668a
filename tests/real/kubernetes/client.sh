#!/usr/bin/env bash
# The client against real API servers of several ages: reading, writing, conflicts, preconditions, pages, refusals.
. "$(dirname "$0")/lib.sh"

service() { # service SELECTOR
    printf 'apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: demo}\n'
    printf 'spec: {ports: [{port: 80, protocol: TCP}], selector: {app: %s}}\n' "$1"
}

for CLUSTER in modern classic legacy; do
    start_cluster $CLUSTER $CLUSTER
    ok "$CLUSTER: version $(kube version)" kube version
    ok "$CLUSTER: what it is" kube uid
    same_uid() { [ "$(kube uid)" = "\"$(kubectl get ns kube-system -o 'jsonpath={.metadata.uid}')\"" ]; }
    ok "$CLUSTER: is the uid of kube-system" same_uid
    exits 1 "$CLUSTER: extensions/v1beta1 Deployment is refused" kube kind extensions/v1beta1 Deployment
    says "does not serve extensions/v1beta1 Deployment" "$CLUSTER: by its name"

    echo '{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"demo"}}' >"$TMP/ns"
    service web >"$TMP/web"
    service other >"$TMP/other"
    ok "$CLUSTER: a dry run" kube dry "$TMP/ns"
    exits 1 "$CLUSTER: leaves nothing" kube get v1 Namespace "" demo
    says "not found" "$CLUSTER: and a get says so"
    ok "$CLUSTER: apply" kube apply "$TMP/ns"
    ok "$CLUSTER: apply in it" kube apply "$TMP/web"
    kubectl -n demo patch svc web --field-manager=somebody -p '{"spec":{"selector":{"app":"theirs"}}}' >/dev/null
    exits 1 "$CLUSTER: a field that somebody else changed is a conflict" kube apply "$TMP/other"
    says 'conflict with "somebody"' "$CLUSTER: that names them"
    ok "$CLUSTER: force takes it over" kube force "$TMP/other"
    sed 's/selector/selectr/' "$TMP/web" >"$TMP/bad"
    exits 1 "$CLUSTER: a misspelt field is refused" kube apply "$TMP/bad"
    says "selectr" "$CLUSTER: by its name"
    exits 1 "$CLUSTER: delete of another uid is refused" kube delete v1 Service demo web 00000000-0000-0000-0000-000000000000
    ok "$CLUSTER: delete" kube delete v1 Service demo web
    ok "$CLUSTER: delete of what is gone" kube delete v1 Service demo web

    for i in $(seq 620); do
        printf 'apiVersion: v1\nkind: Service\nmetadata: {name: s%s, namespace: demo, labels: {many: "1"}}\nspec: {clusterIP: None, ports: [{port: 80}]}\n---\n' "$i"
    done >"$TMP/many"
    kubectl create -f "$TMP/many" >/dev/null
    pages() { [ "$(kube list v1 Service demo many=1 | grep -o '"resourceVersion"' | wc -l)" = 620 ]; }
    ok "$CLUSTER: 620 objects come in pages" pages
    for pid in $(cat "$TMP/$CLUSTER"/*.pid); do kill "$pid"; done
done
finish
