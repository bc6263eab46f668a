#!/usr/bin/env bash
# The Stars pipeline's Kubernetes steps, as they are shipped, over two real API servers with their controllers: applied,
# then kept by `isthmus watch` while pods move, plans and applies run beside it, another pipeline wants the same
# services, and it is killed. A loop plays the kubelets. No packet flows here: what is checked is what the clusters hold.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
start_cluster ccp legacy
start_cluster aws legacy
road ccp http # whose log tells which watches there are
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

# Pods that wait are put on a node, get the next address of their cluster, and are ready; those that are to end do.
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
            while read -r ns name end; do
                [ -z "$end" ] || CLUSTER=$cluster kubectl -n "$ns" delete pod "$name" --grace-period=0 --force >/dev/null
            done < <(CLUSTER=$cluster kubectl get pods -A \
                -o 'jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name} {.metadata.deletionTimestamp}{"\n"}{end}')
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
    "$SRC/conf.d/stars.yaml" | sed -e "s#\${steps.cluster.on_prem_kubeconfig}#$TMP/ccp/kubeconfig.http#" \
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

# ---- SIGHUP: the same watches go on
running() { grep ' /api.*watch=1' "$TMP/ccp/http.log"; }
watched() { # all is applied, and no watch is begun any more
    local before now
    isthmus status stars | grep -c ', generation 1' | grep -qx 4 || return 1
    before=$(running | wc -l)
    for _ in $(seq 20); do
        sleep 0.1
        now=$(running | wc -l)
        [ "$now" = "$before" ] && [ "$now" -ge 7 ] || return 1
    done
}
within 60 "each kind of each cluster is watched" watched
running >"$TMP/watches"
extra() { # extra ADDRESS: a service of a namespace that nobody asked for yet
    ccp apply -f - >/dev/null <<END
{kind: List, apiVersion: v1, items: [
 {kind: Namespace, apiVersion: v1, metadata: {name: extra}},
 {kind: Service, apiVersion: v1, metadata: {name: shop, namespace: extra}, spec: {ports: [{port: 80, protocol: TCP}]}},
 {kind: Endpoints, apiVersion: v1, metadata: {name: shop, namespace: extra}, subsets: [{addresses: [{ip: $1}], ports: [{port: 80}]}]}]}
END
}
extra 192.168.7.1
cp "$CONF/stars/multicluster_stars_svcs.yaml" "$TMP/services.yaml"
sed -i 's/^\( *\)- namespace: stars/&\n\1- namespace: extra/' "$CONF/stars/multicluster_stars_svcs.yaml"
kill -HUP "${WATCH[0]}"
there() { same "$(endpoints aws extra shop)" "$1"; }
within 60 "SIGHUP: the services of one more namespace" there 192.168.7.1
counts() { isthmus status stars | grep -cE '^ .* synced, connected for .*, lag 0\.0 s, generation 2' | grep -qx 2; }
within 60 "status says so: another generation, applied in both clusters" counts
same_watches() { running | diff "$TMP/watches" -; }
ok "the same watches go on: none was begun" same_watches
sed -i 's/namespace: extra/namespace: [extra/' "$CONF/stars/multicluster_stars_svcs.yaml"
kill -HUP "${WATCH[0]}"
refused() { grep -q 'configuration is not taken, .*multicluster_stars_svcs.yaml:' "$TMP/watch.log"; }
within 60 "SIGHUP with a file that cannot be read: it says where" refused
extra 192.168.7.2
within 60 "and what was before goes on" there 192.168.7.2
ok "with the same watches" same_watches
cp "$TMP/services.yaml" "$CONF/stars/multicluster_stars_svcs.yaml"
kill -HUP "${WATCH[0]}"
not_there() { ! aws -n extra get service shop; }
within 60 "mended, and without that namespace: its services go" not_there
ok "with the same watches still" same_watches
url() { isthmus status stars --output json | sed -n 's/.*"listen": *"\([^"]*\)".*/\1/p'; }
page() { curl -sS --max-time 10 "$(url)/metrics" >"$TMP/page" && awk -f "$SRC/tests/integration/exposition.awk" "$TMP/page"; }
ok "the metrics page is what Prometheus reads" page
ready() { curl -sSf --max-time 10 "$(url)/readyz"; }
within 60 "/readyz: ready" ready
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
exits 1 "destroy waits for nobody who watches: it refuses" isthmus destroy stars --yes
kill -TERM "${WATCH[2]}"
within 60 "it ends when told" ended "${WATCH[2]}"
ok "destroy" isthmus destroy stars --yes
left() { # what of the application, the mirrors and the policies is there, in both clusters
    local cluster
    for cluster in ccp aws; do
        CLUSTER=$cluster kubectl get services,endpoints,networkpolicies,deployments,replicationcontrollers,pods -A -o name |
            grep -vE '/(kubernetes|shop)$'
        CLUSTER=$cluster kubectl get namespaces -o name | grep -E '/(stars|client|management-ui)$'
        CLUSTER=$cluster kubectl get leases -A -o name | grep isthmus | grep -v isthmus-mirror # the other pipeline's
    done
}
nothing_left() { left && return 1; [ -n "$(ccp -n extra get service shop -o name)" ]; }
ok "takes away all that it made, pods and leases too, and nothing else" nothing_left
exits 1 "and nothing is left to be destroyed" sh -c "'$ISTHMUS' -C '$CONF' state list stars | grep ."
finish
