#!/usr/bin/env bash
# k8s-apply against a real API server with its validation, defaults and controllers.
. "$(dirname "$0")/lib.sh"
CLUSTER=classic
start_cluster classic classic
# shellcheck source=SCRIPTDIR/../../integration/hands-lib.sh
. "$SRC/tests/integration/hands-lib.sh"

cat >"$TMP/app.yaml" <<'X'
kind: List
apiVersion: v1
items:
- {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {team: a}}}
- kind: Service
  apiVersion: v1
  metadata: {name: front, namespace: shop}
  spec: {ports: [{port: 80}], selector: {app: front}}
---
kind: Deployment
apiVersion: apps/v1
metadata: {name: front, namespace: shop}
spec:
  selector: {matchLabels: {app: front}}
  template:
    metadata: {labels: {app: front}}
    spec: {containers: [{name: c, image: nginx, ports: [{containerPort: 80}]}]}
---
kind: Secret
apiVersion: v1
metadata: {name: key, namespace: shop}
stringData: {password: very-secret-words}
X
inputs() { # inputs EXTRA-JSON-MEMBERS
    printf '{"kubeconfigs":{"x":"%s"},"wait":false,"manifests":[{"file":"%s"}]%s}' \
        "$TMP/classic/kubeconfig" "$TMP/app.yaml" "${1:-}" >"$TMP/in.json"
}
step() { plugin k8s-apply "$TMP/state" "$TMP/in.json" "$@"; }
empty() { step observe plan | tail -1 | grep -q '"changes":\[\]'; }

inputs
ok "the first plan" step observe plan
cp "$TMP/out" "$TMP/plan"
says '"after":"nginx","field":"spec.template.spec.containers[0].image"' "tells what would be made"
exits 1 "and of the Secret nothing but its name" grep -E 'very-secret|stringData' "$TMP/plan"
nothing() { ! kubectl get ns shop 2>/dev/null; }
ok "and makes nothing" nothing
ok "apply" step observe plan apply
ok "a second plan is empty: defaulted fields are no difference" empty
owned() { [ "$(kubectl -n shop get deploy,svc,secret -l isthmus.dev/step=step -o name | wc -l)" = 3 ]; }
ok "what was made carries our mark" owned
leaks() { ! grep -rq -e very-secret-words -e "$(printf very-secret-words | base64)" "$TMP/state"; }
ok "the Secret's content is not in the state" leaks

only_labels() { [ "$(grep -o '"action"' "$TMP/drift" | wc -l)" = 1 ] && ! grep -q '"field":"spec' "$TMP/drift"; }

# ---- drift ----
kubectl -n shop patch svc front -p '{"spec":{"selector":{"app":"else"}}}' >/dev/null
kubectl -n shop scale deploy front --replicas=3 >/dev/null
kubectl -n shop delete secret key >/dev/null
step observe plan >"$TMP/out"
says '"field":"spec.selector.app"' "a changed selector is seen"
says '"resource":"Secret shop/key in x"' "a deleted Secret is seen"
cp "$TMP/out" "$TMP/drift"
only_two() { cat "$TMP/drift" && [ "$(grep -o '"action"' "$TMP/drift" | wc -l)" = 2 ]; }
ok "and nothing else: the replicas are not ours to say" only_two
ok "apply mends it" step observe plan apply
kubectl -n shop patch secret key -p '{"stringData":{"password":"another-secret-word"}}' >/dev/null
step observe plan >"$TMP/out"
cp "$TMP/out" "$TMP/drift"
says '"field":"data.password"' "a changed secret is seen"
unseen() { ! grep -q -e very-secret-words -e another-secret-word -e "$(printf very-secret-words | base64)" -e "$(printf another-secret-word | base64)" "$TMP/drift" "$TMP/state"; }
ok "and what it was and will be is nowhere" unseen
ok "it is mended too" step observe plan apply
ok "and the plan is empty again" empty

# ---- whose it is ----
kubectl -n shop label svc front isthmus.dev/step- app.kubernetes.io/managed-by- >/dev/null
step observe plan >"$TMP/drift"
cp "$TMP/drift" "$TMP/out"
says "isthmus.dev/step" "a label that somebody took off is seen"
ok "and nothing else" only_labels
ok "it is put back" step observe plan apply
ok "and the plan is empty" empty
ok "all carries our mark again" owned
kubectl -n shop patch svc front -p '{"spec":{"type":"NodePort"}}' >/dev/null
step observe plan >"$TMP/out"
says '"field":"spec.type"' "a Service that somebody opened on every node is seen"
ok "and closed" step observe plan apply
closed() { [ "$(kubectl -n shop get svc front -o 'jsonpath={.spec.type}{.spec.ports[0].nodePort}{.spec.externalTrafficPolicy}')" = ClusterIP ]; }
ok "without a node port" closed
ok "and the plan is empty again" empty
kubectl -n shop delete svc front >/dev/null
kubectl -n shop create service clusterip front --tcp=80:80 >/dev/null
exits 1 "another object under the name is a conflict" step observe
says "uid" "and the error says how it is known"
kubectl -n shop label svc front isthmus.dev/step=step >/dev/null
exits 1 "a copied label does not make it ours" step observe
kubectl -n shop delete svc front >/dev/null
ok "made again" step observe plan apply
ok "the plan is empty once more" empty

# ---- what is somebody else's ----
kubectl create ns theirs >/dev/null
kubectl -n theirs create configmap cm --from-literal a=1 >/dev/null
printf '\n---\n{kind: ConfigMap, apiVersion: v1, metadata: {name: cm, namespace: theirs}, data: {a: "2"}}\n' >>"$TMP/app.yaml"
exits 1 "an object that is not ours is a conflict" step observe
says "exists and was not made by Isthmus" "and the error says so"
inputs ',"adopt":true'
ok "unless it is to be adopted" step observe plan apply
changed() { [ "$(kubectl -n theirs get cm cm -o 'jsonpath={.data.a}')" = 2 ]; }
ok "then it is changed" changed

# ---- what no server of today serves ----
cp "$TMP/app.yaml" "$TMP/keep.yaml"
printf '\n---\n{kind: Deployment, apiVersion: extensions/v1beta1, metadata: {name: old}}\n' >>"$TMP/app.yaml"
exits 1 "extensions/v1beta1 is refused" step observe
says "it serves Deployment as apps/v1" "with the version to use"
cp "$TMP/keep.yaml" "$TMP/app.yaml"

# ---- what people put by hand into lists ----
hand_step() {
    printf '{"kubeconfigs":{"x":"%s"},"wait":false,"manifests":[{"file":"%s"}]}' "$TMP/$CLUSTER/kubeconfig" \
        "$TMP/hands.yaml" >"$TMP/hands.json"
    plugin k8s-apply "$TMP/hands-$CLUSTER" "$TMP/hands.json" "$@"
}
hands_services NodePort
hands_workloads
ok "Services and a Deployment, for people to change" hand_step observe plan apply
hands_on_services
hands_on_workloads
ok "they go again" hand_step destroy

# ---- killed in the middle, at eight places ----
inputs ',"adopt":true'
step destroy >/dev/null
kept() { kubectl -n theirs get cm cm >/dev/null && [ -z "$(kubectl get ns shop -o name 2>/dev/null)" ]; }
ok "destroy removes what was made and leaves what was adopted" kept
released() { ! kubectl -n theirs get cm cm -o yaml | grep -q isthmus.dev/step; }
ok "without our mark" released
mkdir "$TMP/conf"
cat >"$TMP/conf/p.yaml" <<X
pipelines:
  p:
    steps:
      app:
        plugin: k8s-apply
        with:
          kubeconfigs: {x: $TMP/classic/kubeconfig}
          manifests: [{file: $TMP/app.yaml}]
          adopt: true
          wait: false
X
export ISTHMUS_STATE=$TMP/state.db CONF=$TMP/conf
killed() { # the program itself: its journal is on disk before a write leaves
    local i
    for i in $(seq 8); do
        setsid "$ISTHMUS" -C "$CONF" apply p --yes >/dev/null 2>&1 &
        sleep "0.$(printf %03d $((i * 50)))"
        kill -KILL $! 2>/dev/null
        wait $! 2>/dev/null
        echo "killed after $((i * 50)) ms"
        isthmus apply p --yes && isthmus plan p --detailed-exitcode && isthmus destroy p --yes && kept || return 1
    done
}
ok "killed anywhere and resumed, it ends the same" killed

# ---- a custom kind and its definition in one go ----
cat >"$TMP/app.yaml" <<'X'
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Thing, plural: things}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
---
{apiVersion: example.com/v1, kind: Thing, metadata: {name: one, namespace: default}, spec: {size: 3}}
X
ok "a custom resource beside its definition" step observe plan apply
ok "leaves an empty plan" empty
ok "goes again" step destroy
no_crd() { ! kubectl get crd things.example.com >/dev/null 2>&1; }
ok "with its definition" no_crd

# ---- nobody there ----
start_cluster modern modern
CLUSTER=classic
dead=$(sed "s#https://127.0.0.1:[0-9]*#https://127.0.0.1:1#" "$TMP/modern/kubeconfig" >"$TMP/modern/dead" && echo "$TMP/modern/dead")
echo '{kind: ConfigMap, apiVersion: v1, metadata: {name: both, namespace: default}}' >"$TMP/app.yaml"
two() { printf '{"kubeconfigs":{"x":"%s","y":"%s"},"manifests":[{"file":"%s"}]}' "$TMP/classic/kubeconfig" "$1" "$TMP/app.yaml" >"$TMP/in.json"; }
two "$TMP/modern/kubeconfig"
ok "the same in two clusters" step observe plan apply
two "$dead"
exits 1 "destroy with one of them away is an error" step destroy
says "kubernetes y: GET" "that names it"
not_there() { ! kubectl -n default get cm both >/dev/null 2>&1; }
ok "but the other one is empty" not_there
two "$TMP/modern/kubeconfig"
ok "and when it is back, destroy goes on" step destroy
CLUSTER=modern
ok "until nothing is left" not_there
# A server of today's machinery with little validation: it takes what the other one refuses, two ports of one name. So
# what number the second one gets on the nodes is no question here.
hands_services ClusterIP
ok "Services for people to change there" hand_step observe plan apply
hands_on_services
ok "they go again there" hand_step destroy
CLUSTER=classic
sed "s#https://127.0.0.1:[0-9]*#https://127.0.0.1:1#" "$TMP/classic/kubeconfig" >"$TMP/classic/dead"
sed -i 's#/kubeconfig#/dead#' "$TMP/in.json"
exits 1 "an unreachable cluster is an error" step observe
says "kubernetes x: GET /api/v1/namespaces/kube-system" "that names the call"
finish
