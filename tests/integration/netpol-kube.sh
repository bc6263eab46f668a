#!/usr/bin/env bash
# k8s-netpol over two clusters of the lab: what it refuses (a Cilium ClusterMesh, networks that overlap, policies of kinds
# that it does not judge under a guard), what it only tells, and which pods a policy would select elsewhere.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
export XDG_CACHE_HOME=$TMP/cache
end() {
    "$ISTHMUS" lab down --dir "$TMP/west" >/dev/null 2>&1
    cleanup
}
trap end EXIT
command -v kubectl >/dev/null || skip_all "there is no kubectl"
start_lab
"$ISTHMUS" lab up --dir "$TMP/west" >"$TMP/out" 2>&1 || { echo "Bail out! $(tail -1 "$TMP/out")"; exit 1; }
EAST=$TMP/lab/ccp.kubeconfig WEST=$TMP/west/ccp.kubeconfig
east() { kubectl --kubeconfig "$EAST" "$@"; }
west() { kubectl --kubeconfig "$WEST" "$@"; }
conf() { # conf INPUTS: lines of the step's `with`
    mkdir -p "$TMP/conf"
    printf 'isthmus:\n  state: %s\n' "$TMP/state.db" >"$TMP/conf/isthmus.yaml"
    cat >"$TMP/conf/p.yaml" <<END
pipelines:
  p:
    steps:
      policies:
        plugin: k8s-netpol
        with:
          kubeconfigs: {east: $EAST, west: $WEST}
          $1
END
}
step() { timeout 120 "$ISTHMUS" -C "$TMP/conf" "$@"; }
# A kind of policies that somebody installed, and one of it.
other() { # other GROUP VERSION KIND PLURAL SCOPE NAME
    east apply -f - >/dev/null <<END || return
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: $4.$1}
spec:
  group: $1
  scope: $5
  names: {kind: $3, plural: $4, singular: ${3,,}}
  versions: [{name: $2, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
END
    east wait --for condition=established --timeout=30s "crd/$4.$1" >/dev/null || return
    printf 'apiVersion: %s/%s\nkind: %s\nmetadata: {name: %s%s}\n' "$1" "$2" "$3" "$6" \
        "$([ "$5" = Cluster ] || echo ', namespace: shop')" | east apply -f - >/dev/null
}

for each in east west; do "$each" create namespace shop >/dev/null; done
west apply -f - >/dev/null <<END
apiVersion: v1
kind: Pod
metadata: {name: w, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, image: x}]}
END
west -n shop wait --for=condition=Ready pod/w --timeout=30s >/dev/null
ADDRESS=$(west -n shop get pod w -o jsonpath='{.status.podIP}')
east apply -f - >/dev/null <<END
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: front, namespace: shop, annotations: {isthmus.dev/clusters: "*"}}
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}
END
companion() { [ "$(east -n shop get networkpolicy front-isthmus-west -o jsonpath='{.spec.ingress[0].from[0].ipBlock.cidr}')" = "$ADDRESS/32" ]; }

# ---- networks that overlap
conf 'pod_cidrs: {east: [192.168.0.0/16], west: [192.168.0.0/22]}'
exits 1 "pod CIDRs that overlap: nothing is applied" step apply p --yes
says "pods of two clusters have addresses of their own" "since an address would stand for pods of both"
ok "and nothing is written" sh -c "! kubectl --kubeconfig '$EAST' -n shop get networkpolicy front-isthmus-west 2>/dev/null"

# ---- a mesh
conf 'pod_cidrs: {east: [10.99.0.0/16], west: [192.168.0.0/16]}'
cilium() { # cilium CLUSTER ID
    "$1" apply -f - >/dev/null <<END
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: cilium, namespace: kube-system}
spec: {selector: {matchLabels: {k8s-app: cilium}}, template: {metadata: {labels: {k8s-app: cilium}}, spec: {hostNetwork: true, containers: [{name: cilium-agent, image: x}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: clustermesh-apiserver, namespace: kube-system}
spec: {replicas: 0, selector: {matchLabels: {k8s-app: mesh}}, template: {metadata: {labels: {k8s-app: mesh}}, spec: {containers: [{name: apiserver, image: x}]}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: cilium-config, namespace: kube-system}
data: {cluster-id: "$2", cluster-name: $1, enable-ipv4-masquerade: "false"}
END
}
for each in east west; do "$each" -n kube-system delete daemonset calico-node >/dev/null; done
cilium east 1
cilium west 2
exits 1 "two clusters of a Cilium ClusterMesh: nothing is applied" step apply p --yes
says "Cilium ClusterMesh: east and west are in one: no ipBlock matches pods that Cilium knows" "and it says why"
says "Cilium's own policies select pods of both clusters" "and what there is instead"
west -n kube-system delete deployment clustermesh-apiserver >/dev/null
ok "one that is in no mesh" step apply p --yes
ok "gets its companion" companion
for each in east west; do "$each" -n kube-system delete daemonset cilium >/dev/null; done

# ---- policies that nothing here judges
ok "kinds of policies that others brought" other cilium.io v2 CiliumNetworkPolicy ciliumnetworkpolicies Namespaced l7
other crd.projectcalico.org v1 GlobalNetworkPolicy globalnetworkpolicies Cluster everybody
other policy.networking.k8s.io v1alpha1 AdminNetworkPolicy adminnetworkpolicies Cluster tenants
other policy.networking.k8s.io v1alpha2 ClusterNetworkPolicy clusternetworkpolicies Cluster baseline
step verify p >"$TMP/out" 2>&1
says "4 policies of kinds that are not judged here" "verify counts them"
map() { timeout 60 "$ISTHMUS" policy map --cluster "east=$EAST" --cluster "west=$WEST"; }
ok "a map of the clusters" map
for each in "CiliumNetworkPolicy shop/l7" "GlobalNetworkPolicy everybody" "AdminNetworkPolicy tenants" \
    "ClusterNetworkPolicy baseline"; do
    says "$each is not modelled" "names $each"
done
ok "without a guard what is to be written is written" step apply p --yes
west -n shop label pod w app=db --overwrite >/dev/null
conf 'pod_cidrs: {east: [10.99.0.0/16], west: [192.168.0.0/16]}
          guard: no-new-paths'
exits 1 "under a guard nothing is" step apply p --yes
says "whether a path is new cannot be told" "since whether a path is new cannot be told"
ok "and what stands is as it was" companion
for each in ciliumnetworkpolicies.cilium.io/l7 globalnetworkpolicies.crd.projectcalico.org/everybody \
    adminnetworkpolicies.policy.networking.k8s.io/tenants clusternetworkpolicies.policy.networking.k8s.io/baseline; do
    east delete -n shop "${each%/*}" "${each#*/}" >/dev/null 2>&1 || east delete "${each%/*}" "${each#*/}" >/dev/null
done
ok "when they are gone a withdrawal is let through" step apply p --yes
ok "and made" sh -c "! kubectl --kubeconfig '$EAST' -n shop get networkpolicy front-isthmus-west 2>/dev/null"
west -n shop label pod w app=web --overwrite >/dev/null
east -n shop run e --image=x --labels=app=web >/dev/null
east -n shop wait --for=condition=Ready pod/e --timeout=30s >/dev/null
exits 1 "a new path is not" step apply p --yes
says "guard: no-new-paths: 1 paths would be new, first west:shop/w" "and it is named"

# ---- peers are stretched, targets are not
step verify p >"$TMP/out" 2>&1
says "in west it would select shop/w (ingress), and no policy there isolates them" "verify names pods that a policy would select elsewhere"
west -n shop create -f - >/dev/null <<END
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: deny}, spec: {podSelector: {}, policyTypes: [Ingress]}}
END
step verify p >"$TMP/out" 2>&1
ok "unless a policy there isolates them" sh -c "! grep -q 'it would select' '$TMP/out'"
finish
