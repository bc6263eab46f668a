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
drift "a deployment is scaled" "backend" - onprem -n stars scale deployment backend --replicas=0
finish
