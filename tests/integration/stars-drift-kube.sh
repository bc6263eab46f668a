#!/usr/bin/env bash
# What somebody changes by hand in the clusters is found, exactly that, and mended, exactly that;
# and whatever single piece is missing, verify fails and names it.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/drift-lib.sh"

drift "a slice is edited" "EndpointSlice" - \
    cloud -n stars patch endpointslice "$(cloud -n stars get endpointslice -o name | head -1 | cut -d/ -f2)" \
    --type=json -p '[{"op":"replace","path":"/endpoints/0/addresses/0","value":"192.168.99.99"}]'
drift "a policy is deleted" "frontend-policy" "client -> frontend" onprem -n stars delete networkpolicy frontend-policy
drift "a policy that lets nobody in is opened" "spec.ingress" "backend -> frontend" \
    onprem -n stars patch networkpolicy default-deny --type merge -p '{"spec":{"ingress":[{}]}}'
drift "a mirrored service is deleted" "frontend" - cloud -n stars delete service frontend
# In the server's eyes another port than the manifest's, of the same name: an apply is refused.
drift "the port of a service is changed" "spec.ports[0].port: 81 -> 80" "Service stars/frontend" \
    onprem -n stars patch service frontend --type=json -p '[{"op":"replace","path":"/spec/ports/0/port","value":81}]'
drift "a deployment is scaled" "backend" - onprem -n stars scale deployment backend --replicas=0
drift "a deployment is scaled up" "frontend" - onprem -n stars scale deployment frontend --replicas=3

# ---- a namespace is deleted, with all that several steps put into it ----
# What was there is made again in one go, and nobody is asked: the plan told it, or why it cannot tell it yet.
namespace_again() { # namespace_again onprem|cloud NAMESPACE "text that the plan shows"...
    local what="namespace $2 ($1) is deleted" in=$1 ns=$2 text
    shift 2
    "$in" delete ns "$ns" >/dev/null
    exits 2 "$what: plan sees it" isthmus plan stars --detailed-exitcode
    for text; do says "$text" "$what: and tells: $text"; done
    ok "$what: apply makes all of it again" isthmus apply stars --yes
    ok "$what: and nothing else" mended
    exits 0 "$what: nothing is left" isthmus plan stars --detailed-exitcode
}
mended() { lab snapshot >"$TMP/now" && diff "$TMP/applied" "$TMP/now"; }
namespace_again onprem stars "create  Namespace stars in ccp" "create  Deployment stars/backend in ccp" \
    "policies (k8s-apply): deferred: app mends something first (namespace stars does not exist in ccp)" \
    "create  NetworkPolicy stars/frontend-policy in ccp"
namespace_again cloud client "create  Deployment client/client in aws" \
    "policies (k8s-apply): deferred: app mends something first (namespace client does not exist in aws)"
namespace_again cloud management-ui "create  Deployment management-ui/management-ui in aws"
namespace_again onprem client "create  Namespace client in ccp" "create  Service client/client in ccp"
namespace_again onprem management-ui "create  Service management-ui/management-ui in ccp"
namespace_again cloud stars "create  Service stars/frontend in aws" "create  Service stars/backend in aws"

# ---- pods that end, while apply runs ----
scaled() { [ "$(onprem -n stars get deployment frontend -o 'jsonpath={.status.readyReplicas}')" = "$1" ]; }
mirrored() { [ "$(cloud -n stars get endpointslices -l kubernetes.io/service-name=frontend -o 'jsonpath={.items[*].endpoints[*].addresses[0]}' | wc -w)" = "$1" ]; }
pods() { onprem -n stars get pods -l role=frontend -o name; }
onprem -n stars scale deployment frontend --replicas=3 >/dev/null
ok "a deployment is scaled up by hand" eventually scaled 3
for pod in $(pods); do # so that none of them is gone before it is told to
    onprem -n stars patch "$pod" --type merge -p '{"metadata":{"finalizers":["example.org/hold"]}}' >/dev/null
done
exits 2 "plan sees it" isthmus plan stars --detailed-exitcode
says "services (k8s-svcmirror): may change, app comes first; as things are now:" \
    "and that the mirror is looked at when that is mended"
isthmus apply stars --yes --output jsonl >"$TMP/applying" 2>&1 &
applying=$!
waits() { grep -q "2 pods of it still ending" "$TMP/applying"; }
ok "apply waits for the pods that end" eventually waits
running() { kill -0 $applying && mirrored 1; }
ok "and nothing of them is mirrored" running
for pod in $(pods); do
    onprem -n stars patch "$pod" --type merge -p '{"metadata":{"finalizers":null}}' >/dev/null
done
wait $applying; status=$?
cp "$TMP/applying" "$TMP/out"
pass_or_fail $status "then it is done, and nothing had to be asked"
exits 0 "a plan right after it is empty" isthmus plan stars --detailed-exitcode
ok "the mirror holds one address" mirrored 1
finish
