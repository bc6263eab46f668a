#!/usr/bin/env bash
# The client against real API servers of several ages: reading, writing, conflicts, preconditions, pages, refusals.
. "$(dirname "$0")/lib.sh"

service() { # service SELECTOR
    printf 'apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: demo}\n'
    printf 'spec: {ports: [{port: 80, protocol: TCP}], selector: {app: %s}}\n' "$1"
}

# Each kind that is read in protobuf, with every member that this server takes.
every_kind() {
    cat >"$1" <<'END'
apiVersion: v1
kind: Namespace
metadata: {name: every, labels: {a: "", b: "1"}, annotations: {note: "caf\u00e9 \U0001F600 \"x\" \t"}, finalizers: [isthmus.test/hold]}
---
apiVersion: v1
kind: Service
metadata:
  name: full
  namespace: every
  ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: gone, uid: 8d2a4a4e-0000-4000-8000-000000000001, controller: true, blockOwnerDeletion: false}]
  finalizers: [isthmus.test/hold]
spec:
  type: LoadBalancer
  selector: {app: web}
  externalIPs: [192.0.2.1]
  loadBalancerIP: 192.0.2.2
  loadBalancerSourceRanges: [192.0.2.0/24]
  externalTrafficPolicy: Local
  sessionAffinity: ClientIP
  sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}
  publishNotReadyAddresses: true
  ports:
  - {name: http, port: 80, targetPort: web, protocol: TCP, appProtocol: http}
  - {name: dns, port: 53, targetPort: 5353, protocol: UDP}
---
apiVersion: v1
kind: Service
metadata: {name: headless, namespace: every}
spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: outside, namespace: every}
spec: {type: ExternalName, externalName: example.com}
---
apiVersion: v1
kind: Endpoints
metadata: {name: full, namespace: every}
subsets:
- addresses: [{ip: 10.1.0.1, hostname: a, nodeName: node-1, targetRef: {kind: Pod, namespace: every, name: p, uid: u, resourceVersion: "5", fieldPath: x, apiVersion: v1}}]
  notReadyAddresses: [{ip: 10.1.0.2}]
  ports: [{name: http, port: 80, protocol: TCP}, {name: dns, port: 53, protocol: UDP, appProtocol: dns}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: every, namespace: every}
spec:
  podSelector: {matchLabels: {app: web}, matchExpressions: [{key: tier, operator: In, values: [a, b]}, {key: x, operator: DoesNotExist}]}
  policyTypes: [Ingress, Egress]
  ingress:
  - {}
  - from: [{podSelector: {}}, {namespaceSelector: {matchLabels: {a: b}}, podSelector: {}}, {ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]
    ports: [{port: 80, endPort: 90, protocol: TCP}, {port: web}, {protocol: UDP}]
  egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: none, namespace: every}
spec: {podSelector: {}}
---
apiVersion: v1
kind: Pod
metadata: {name: every, namespace: every, labels: {app: web}}
spec:
  hostNetwork: true
  automountServiceAccountToken: false
  initContainers: [{name: i, image: i, ports: [{containerPort: 1, hostPort: 1, name: i}]}]
  containers: [{name: c, image: c, ports: [{containerPort: 80, hostPort: 80, name: web, protocol: UDP}, {containerPort: 81, hostPort: 81}], env: [{name: A, value: b}]}, {name: d, image: d}]
END
    if [ "$CLUSTER" != modern ]; then # which are older than these
        sed -i -e 's/, endPort: 90//' -e '/name: dns, port: 53, targetPort/d' "$1"
    fi
    [ "$CLUSTER" = legacy ] || cat >>"$1" <<'END'
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: every, namespace: every, labels: {kubernetes.io/service-name: full}}
addressType: IPv4
endpoints:
- {addresses: [10.1.0.1], conditions: {ready: true, serving: false, terminating: true}, hostname: a, nodeName: node-1, zone: z, hints: {forZones: [{name: z}]}, targetRef: {kind: Pod, name: p}}
- {addresses: [10.1.0.2, 10.1.0.3], conditions: {}}
ports: [{name: http, port: 80, protocol: TCP, appProtocol: http}, {name: "", port: 81}, {name: all}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: none, namespace: every}
addressType: IPv6
endpoints: []
END
}
raw() { # raw PATH TYPES FILE
    curl -sf --cacert "$TMP/$CLUSTER/pki/ca.crt" -H "Authorization: Bearer $(token)" -H "Accept: $2" "$(server)/$1" >"$3"
}
both_forms() { # both_forms API KIND PATH
    raw "$3" application/json "$TMP/json" && raw "$3" application/vnd.kubernetes.protobuf "$TMP/pb" &&
        "$BUILD/tests/real/kubernetes/proto-tool" "$1" "$2" "$TMP/json" "$TMP/pb" >"$TMP/out" || { sed 's/^/# /' "$TMP/out"; return 1; }
    [ "$(cat "$TMP/out")" != "0 items" ]
}
only_json() { # only_json PATH
    raw "$1" "application/vnd.kubernetes.protobuf, application/json" "$TMP/json" && jq -e '.items | length > 0' "$TMP/json" >/dev/null
}
server() { sed -n 's/.*server: "\([^"]*\)".*/\1/p' "$TMP/$CLUSTER/kubeconfig"; }
token() { sed -n 's/.*token: \([^}]*\)}.*/\1/p' "$TMP/$CLUSTER/kubeconfig"; }

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

    every_kind "$TMP/every"
    kubectl apply -f "$TMP/every" >/dev/null
    for kind in "v1 Namespace api/v1/namespaces" "v1 Service api/v1/services" "v1 Endpoints api/v1/endpoints" \
        "v1 Pod api/v1/pods" "networking.k8s.io/v1 NetworkPolicy apis/networking.k8s.io/v1/networkpolicies" \
        "discovery.k8s.io/v1 EndpointSlice apis/discovery.k8s.io/v1/endpointslices"; do
        # shellcheck disable=SC2086
        set -- $kind
        case "$CLUSTER $2" in
        "legacy EndpointSlice") ;;
        "classic EndpointSlice") ok "$CLUSTER: $2, a custom resource, comes in JSON" only_json "$3" ;;
        *) ok "$CLUSTER: $2 in protobuf says what it says in JSON" both_forms "$@" ;;
        esac
    done
    for pid in $(cat "$TMP/$CLUSTER"/*.pid); do kill "$pid"; done
done
finish
