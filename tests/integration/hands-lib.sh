# shellcheck shell=bash
# What people put by hand into the lists of what k8s-apply made: seen, exactly that, and taken away, exactly that; and
# what is left to others. Sourced after lib.sh. Wants `hand_step OPERATION...`, which runs the plugin with the manifest
# $TMP/hands.yaml, and `kubectl`, which talks to the cluster.

hand_specs() { kubectl -n hands get "$HAND_KINDS" -o 'jsonpath={.items[*].spec}'; }
hands_mended() { hand_specs | diff "$TMP/specs" -; }
hands_empty() { hand_step observe plan | tail -1 | grep '"changes":\[\]'; }

# by_hand "what" "fields that the plan names" kubectl-arguments...
by_hand() {
    local what=$1 fields=$2
    shift 2
    hand_specs >"$TMP/specs"
    kubectl -n hands "$@" >"$TMP/out" 2>&1 || {
        pass_or_fail 1 "$what: the change itself"
        return
    }
    hand_step observe plan >"$TMP/out" 2>&1
    [ "$(grep -o '"field":"[^"]*"' "$TMP/out" | cut -d'"' -f4 | sort | tr '\n' ' ')" = "${fields:+$fields }" ]
    pass_or_fail $? "$what: the plan names ${fields:-nothing}"
    ok "$what: apply" hand_step observe plan apply
    [ -n "$fields" ] || return 0
    ok "$what: mends that and nothing else" hands_mended
    ok "$what: a second plan is empty" hands_empty
}

hands_services() { # hands_services TYPE: of the first one
    cat >"$TMP/hands.yaml" <<'X'
{kind: Namespace, apiVersion: v1, metadata: {name: hands}}
---
kind: Service
apiVersion: v1
metadata: {name: one, namespace: hands}
spec: {type: TYPE, ports: [{port: 80}], selector: {app: front}}
---
kind: Service
apiVersion: v1
metadata: {name: two, namespace: hands}
spec: {ports: [{port: 80, name: http}, {port: 443, name: https}], selector: {app: front}}
X
    sed -i "s/TYPE/$1/" "$TMP/hands.yaml"
    HAND_KINDS=services
}

hands_on_services() {
    by_hand "another number for a Service's only port" "spec.ports[0].port" \
        patch svc one --type=json -p '[{"op": "replace", "path": "/spec/ports/0/port", "value": 81}]'
    by_hand "another number for one of two ports, and another selector" "spec.ports[0].port spec.selector.app" \
        patch svc two --type=json \
        -p '[{"op": "replace", "path": "/spec/ports/0/port", "value": 81}, {"op": "replace", "path": "/spec/selector/app", "value": "x"}]'
    by_hand "one more port" "spec.ports[2]" \
        patch svc two --type=json -p '[{"op": "add", "path": "/spec/ports/-", "value": {"port": 9090, "name": "extra"}}]'
    by_hand "one port less" "spec.ports[1]" patch svc two --type=json -p '[{"op": "remove", "path": "/spec/ports/1"}]'
    # After a mending the manifest has the last word as before it.
    cp "$TMP/hands.yaml" "$TMP/before.yaml"
    sed 's/{port: 80, name: http}/{port: 82, name: http}/; s/\[{port: 80}\]/[{port: 8080}]/' "$TMP/before.yaml" >"$TMP/hands.yaml"
    ok "ports that the manifest changes after that" hand_step observe plan apply
    port_list() { [ "$(kubectl -n hands get svc -o 'jsonpath={.items[*].spec.ports[*].port}' | tr ' ' '\n' | sort -n | tr '\n' ' ')" = "82 443 8080 " ]; }
    ok "are changed, and the old ones are gone" port_list
    cp "$TMP/before.yaml" "$TMP/hands.yaml"
    ok "and back" hand_step observe plan apply
}

hands_workloads() {
    cat >>"$TMP/hands.yaml" <<'X'
---
kind: Deployment
apiVersion: apps/v1
metadata: {name: front, namespace: hands}
spec:
  selector: {matchLabels: {app: front}}
  template:
    metadata: {labels: {app: front}}
    spec:
      containers:
      - {name: c, image: nginx, ports: [{containerPort: 80, name: http}], resources: {limits: {cpu: "0.5"}}}
X
    HAND_KINDS=services,deployments
}

hands_on_workloads() {
    local containers=spec.template.spec.containers
    by_hand "a variable" "${containers}[0].env" set env deploy/front A=b
    by_hand "a container" "${containers}[1]" patch deploy front --type=json \
        -p '[{"op": "add", "path": "/spec/template/spec/containers/-", "value": {"name": "side", "image": "busybox"}}]'
    by_hand "another number for a container's port" "${containers}[0].ports[0].containerPort" patch deploy front \
        --type=json -p '[{"op": "replace", "path": "/spec/template/spec/containers/0/ports/0/containerPort", "value": 81}]'
    by_hand "a container that an injector put there" "" patch deploy front --field-manager=injector --type=json \
        -p '[{"op": "add", "path": "/spec/template/spec/containers/-", "value": {"name": "side", "image": "busybox"}}]'
    both() { [ "$(kubectl -n hands get deploy front -o "jsonpath={.${containers}[*].name}" | tr ' ' '\n' | sort | tr '\n' ' ')" = "c side " ]; }
    ok "is still there after it" both
    by_hand "a variable by hand beside it" "${containers}[0].env" set env deploy/front -c c A=b
    ok "takes nothing of the injector's with it" both
    by_hand "the number of pods, which the manifest does not say" "" scale deploy front --replicas=2
}
