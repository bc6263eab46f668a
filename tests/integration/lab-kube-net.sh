#!/bin/bash
# Reachability inside one cluster of the lab: Stars, probe pods, policies and who enforces them.
. "$(dirname "$0")/lib.sh"
command -v kubectl >/dev/null || skip_all "kubectl is not here"
start_lab
export KUBECONFIG=$TMP/lab/ccp.kubeconfig

k() { timeout 30 kubectl --request-timeout=20s "$@"; }
MANIFESTS=$SRC/conf.d/stars/manifests
# "C>F C>B ..." : the arrows of the picture, as the collector draws them; a probe that it cannot ask is "?".
picture() {
    k get --raw /api/v1/namespaces/management-ui/services/http:management-ui:80/proxy/responses >"$TMP/responses" || return 1
    python3 - "$TMP/responses" <<'EOF'
import json, sys
letter = {"backend": "B", "client": "C", "frontend": "F"}
arrows = []
for name, answer in sorted(json.load(open(sys.argv[1]))["responses"].items()):
    if answer is None:
        arrows.append(name + "?")
        continue
    for target in answer["json"]["status"]["targets"]:
        to = letter[target["url"].split("/")[2].split(".")[0]]
        if target["reachable"] and to != name:
            arrows.append(name + ">" + to)
print(" ".join(sorted(arrows)))
EOF
}
draws() {
    local got
    got=$(picture)
    [ "$got" = "$1" ] || { echo "expected \"$1\", got \"$got\""; return 1; }
}
command -v python3 >/dev/null || skip_all "python3 is not here"

ok "the Stars application is applied" k apply -f "$MANIFESTS/stars.yaml" -f "$MANIFESTS/client.yaml" -f "$MANIFESTS/management-ui.yaml"
for place in stars/backend stars/frontend client/client management-ui/management-ui; do
    k wait -n "${place%/*}" --for=condition=Ready pods --all --timeout=10s >/dev/null
done
ok "without policies all reach all" draws "B>C B>F C>B C>F F>B F>C"
cat >"$TMP/deny.yaml" <<EOF
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny}
spec: {podSelector: {matchLabels: {}}}
EOF
k apply -n stars -f "$TMP/deny.yaml" >/dev/null && k apply -n client -f "$TMP/deny.yaml" >/dev/null
ok "denied by default, the picture is empty" draws "B? C? F?"
for ns in stars client; do
    k apply -f - >/dev/null <<EOF
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow-ui, namespace: $ns}
spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {role: management-ui}}}]}]}
EOF
done
ok "with the UI allowed, three stars without arrows" draws ""
k apply -f - >/dev/null <<EOF
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: backend-policy, namespace: stars}
spec:
  podSelector: {matchLabels: {role: backend}}
  ingress: [{from: [{podSelector: {matchLabels: {role: frontend}}}], ports: [{protocol: TCP, port: 6379}]}]
EOF
ok "the frontend reaches the backend" draws "F>B"
client=$(k get pods -n client -o 'jsonpath={.items[0].status.podIP}')
k apply -f - >/dev/null <<EOF
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: frontend-policy, namespace: stars}
spec:
  podSelector: {matchLabels: {role: frontend}}
  ingress: [{from: [{ipBlock: {cidr: $client/32}}], ports: [{port: 80}]}]
EOF
ok "and the client the frontend, known by its address" draws "C>F F>B"
k delete service backend -n stars >/dev/null
ok "without a service its name does not resolve" draws "B? C>F"
k apply -f "$MANIFESTS/stars.yaml" >/dev/null
ok "once it is back, the arrow is" draws "C>F F>B"
k delete daemonset calico-node -n kube-system >/dev/null
ok "policies hold only while something enforces them" eventually draws "B>C B>F C>B C>F F>B F>C"

# ---- probe pods ----
frontend=$(k get pods -n stars -l role=frontend -o 'jsonpath={.items[0].status.podIP}')
k apply -f - >/dev/null <<EOF
apiVersion: v1
kind: Pod
metadata: {name: listener, namespace: default}
spec:
  containers: [{name: l, image: busybox, env: [{name: ISTHMUS_PROBE_LISTEN, value: "18080"}]}]
EOF
k wait --for=condition=Ready pod/listener --timeout=5s >/dev/null
listener=$(k get pod listener -o 'jsonpath={.status.podIP}')
k apply -f - >/dev/null <<EOF
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: default}
spec:
  restartPolicy: Never
  containers:
  - name: c
    image: busybox
    env: [{name: ISTHMUS_PROBE_TARGETS, value: "a=tcp:$listener:18080 b=tcp:$frontend:80 c=tcp:$frontend:81 d=tcp:192.168.77.7:80 e=icmp:$listener"}]
EOF
ok "a probe pod completes" within 5 succeeded k
own=$(k get pod client -o 'jsonpath={.status.podIP}')
k get pod client -o 'jsonpath={.status.containerStatuses[0].state.terminated.message}' >"$TMP/out"
says "a ok source=$own" "its message says which source a listener saw"
says "b ok source=$own" "a declared port listens"
says "c fail refused" "another is refused"
says "d fail timeout" "an address that nobody has is a timeout"
says "e ok" "a ping is answered"
k get pod client -o 'jsonpath={.metadata.annotations}' >"$TMP/out"
says "nothing has the address 192.168.77.7" "the lab says why in an annotation"
k delete pod listener --wait=true --timeout=10s >/dev/null
exits 1 "what is deleted is gone after its grace" k get pod listener
finish
