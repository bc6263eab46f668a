#!/usr/bin/env bash
# The Stars pipeline's Kubernetes steps, as they are shipped, over two real API servers with their controllers: applied,
# then kept by `isthmus watch` while pods move, plans and applies run beside it, another pipeline wants the same
# services, and it is killed. A loop plays the kubelets. No packet flows here: what is checked is what the clusters hold.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
start_cluster ccp legacy
start_cluster aws legacy
export XDG_CACHE_HOME=$TMP/cache ISTHMUS_STATE=$TMP/state.db CONF=$TMP/conf
ccp() { CLUSTER=ccp kubectl "$@"; }
aws() { CLUSTER=aws kubectl "$@"; }
WATCH=() KUBELET=
end_all() {
    local pid
    for pid in ${WATCH[@]+"${WATCH[@]}"} $KUBELET; do kill -KILL "$pid" 2>/dev/null; done
    stop_clusters
}
trap end_all EXIT
within() { # within SECONDS (two minutes at least: a busy machine takes its time) "says what" cmd...
    local end=$((SECONDS + ($1 < 120 ? 120 : $1))) name=$2
    shift 2
    while ! "$@" >"$TMP/out" 2>&1; do
        [ $SECONDS -lt $end ] || {
            tail -n 5 "$TMP/watch.log" | cut -c1-400 >>"$TMP/out" 2>/dev/null
            pass_or_fail 1 "$name"
            return
        }
        sleep 0.2
    done
    pass_or_fail 0 "$name"
}

# Pods that wait are put on a node, get the next address of their cluster, and are ready.
kubelet() {
    local n=10 cluster net ns name
    while :; do
        for cluster in ccp aws; do
            net=192.168.1
            [ $cluster = ccp ] || net=10.0.109
            while read -r ns name; do
                [ -n "$name" ] || continue
                n=$((n + 1))
                echo "{\"apiVersion\":\"v1\",\"kind\":\"Binding\",\"metadata\":{\"name\":\"$name\"},\"target\":{\"kind\":\"Node\",\"name\":\"n1\"}}" |
                    CLUSTER=$cluster kubectl create --raw "/api/v1/namespaces/$ns/pods/$name/binding" -f - >/dev/null
                CLUSTER=$cluster kubectl -n "$ns" patch pod "$name" --subresource=status --type=merge -p "{\"status\":{\"phase\":\"Running\",
 \"podIP\":\"$net.$n\",\"podIPs\":[{\"ip\":\"$net.$n\"}],\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}" >/dev/null
            done < <(CLUSTER=$cluster kubectl get pods -A --field-selector status.phase=Pending \
                -o 'jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name}{"\n"}{end}')
        done
        sleep 0.3
    done 2>/dev/null
}
accounts() { # pods of those namespaces wait for it
    local end=$((SECONDS + 60))
    until ccp -n default get serviceaccount default >/dev/null 2>&1 || [ $SECONDS -gt $end ]; do sleep 0.2; done
}
address() { # address CLUSTER NAMESPACE ROLE: of its pod that is not going
    CLUSTER=$1 kubectl -n "$2" get pods -l "role=$3" --field-selector status.phase=Running -o 'jsonpath={.items[*].status.podIP}'
}
endpoints() { CLUSTER=$1 kubectl -n "$2" get endpoints "$3" -o 'jsonpath={.subsets[*].addresses[*].ip}'; }
same() { echo "$1, expected $2" && [ -n "$2" ] && [ "$1" = "$2" ]; }
lets_in() { ccp -n stars get networkpolicy "$1" -o 'jsonpath={.spec.ingress[*].from[*].ipBlock.cidr}'; }

# ---- the shipped pipeline, without the steps that make the clusters and the way between them
mkdir "$CONF"
cp -r "$SRC/conf.d/stars" "$CONF/"
awk '/^  *steps:/ {print; next} /^      [a-z]+:/ {on = $1 ~ /^(app|services|policies|federation):/} /^      / {if (on) print; next} {print}' \
    "$SRC/conf.d/stars.yaml" | sed -e "s#\${steps.cluster.on_prem_kubeconfig}#$TMP/ccp/kubeconfig#" \
    -e "s#\${steps.eks.kubeconfig}#$TMP/aws/kubeconfig#" -e 's#${steps.eks.pod_cidrs}#["10.0.0.0/16"]#' \
    -e '/needs: \[routes\]/d' >"$CONF/stars.yaml"
cat >"$CONF/other.yaml" <<END
pipelines:
  other: # wants what stars has mirrored already
    steps:
      mirror:
        plugin: k8s-svcmirror
        with:
          clusters: [{name: aws, services: [{namespace: client}]}, {name: ccp, services: []}]
          kubeconfigs: {ccp: $TMP/ccp/kubeconfig, aws: $TMP/aws/kubeconfig}
          pod_cidrs: {aws: [10.0.0.0/16]}
END
accounts
kubelet &
KUBELET=$!
disown
ok "validate" isthmus validate stars
ok "apply: services, then policies, once the application is up" isthmus apply stars --yes
exits 0 "a second plan is empty" isthmus plan stars --detailed-exitcode

stands() { # everything that has to follow the pods of today
    same "$(endpoints aws stars frontend)" "$(address ccp stars frontend)" &&
        same "$(endpoints aws stars backend)" "$(address ccp stars backend)" &&
        same "$(endpoints ccp client client)" "$(address aws client client)" &&
        same "$(endpoints ccp management-ui management-ui)" "$(address aws management-ui management-ui)" &&
        same "$(lets_in allow-ui)" "$(address aws management-ui management-ui)/32" &&
        same "$(lets_in frontend-policy)" "$(address aws client client)/32"
}
ok "each cluster has the other's services, the policies name the pods of today" stands
cat >"$TMP/expected" <<'END'
ccp:stars/frontend[Deployment] => ccp:stars/backend[Deployment] : TCP 6379
aws:client/client[Deployment] => ccp:stars/frontend[Deployment] : TCP 80
aws:management-ui/management-ui[Deployment] => ccp:stars/frontend[Deployment] : All Connections
aws:management-ui/management-ui[Deployment] => ccp:stars/backend[Deployment] : All Connections
aws:management-ui/management-ui[Deployment] => aws:client/client[Deployment] : All Connections
aws:client/client[Deployment] => ccp:stars/backend[Deployment] : No Connections
ccp:stars/frontend[Deployment] => aws:client/client[Deployment] : No Connections
ccp:stars/backend[Deployment] => ccp:stars/frontend[Deployment] : No Connections
END
picture() { timeout 60 "$ISTHMUS" policy map --cluster "ccp=$TMP/ccp/kubeconfig" --cluster "aws=$TMP/aws/kubeconfig" --expect "$TMP/$1"; }
{ echo ...; cat "$TMP/expected"; } >"$TMP/pairs"
ok "the map of the live clusters is the Stars picture" picture pairs

# ---- kept so
watch() { # watch PIPELINE
    "$ISTHMUS" -C "$CONF" watch "$1" -v --listen 127.0.0.1:0 >>"$TMP/watch.log" 2>&1 &
    WATCH+=($!)
    disown
}
watching() { isthmus status "$1" | grep -q watching; }
move() { # move CLUSTER NAMESPACE ROLE: its pod is replaced
    CLUSTER=$1 kubectl -n "$2" delete pods -l "role=$3" --grace-period=0 --force >/dev/null 2>&1
}
watch stars
within 60 "isthmus watch" watching stars
move aws client client
move ccp stars frontend
within 60 "pods that move: services and policies follow, in both clusters" stands
ok "and the picture is the same" picture pairs
exits 0 "a plan beside it finds nothing to do" isthmus plan stars --detailed-exitcode
move aws management-ui management-ui
ok "an apply beside it, while things change" isthmus apply stars --yes
within 60 "does not disturb it" stands

# ---- another pipeline for the same services
versions() { ccp -n client get services,endpoints -o 'jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.resourceVersion} {.metadata.labels.isthmus\.dev/owner}{"\n"}{end}'; }
ok "another pipeline that wants the same services: apply" isthmus apply other --yes
watch other
within 60 "and watch" watching other
sleep 2
versions >"$TMP/before"
sleep 4
calm() { versions | diff "$TMP/before" -; }
ok "leaves them alone, and they do not fight" calm
ended() { ! kill -0 "$1" 2>/dev/null; }
kill -TERM "${WATCH[1]}"
within 60 "it ends when told" ended "${WATCH[1]}"
ok "its destroy takes nothing away" isthmus destroy other --yes
ok "that is not its own" stands

# ---- killed
kill -KILL "${WATCH[0]}"
move aws client client
move ccp stars backend
watch stars
within 90 "killed, and pods moved meanwhile: what was missed is found" stands
kill -TERM "${WATCH[2]}"
within 60 "it ends when told" ended "${WATCH[2]}"
finish
