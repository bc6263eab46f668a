#!/usr/bin/env bash
# k8s-svcmirror between real API servers, the daemon running: what kubectl sees in the other cluster, what becomes of
# changes, deletions while nobody watched, rivals, and clusters out of reach. PAIRS="modern:legacy ..." picks the servers.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
PAIRS=${PAIRS:-modern:classic classic:legacy legacy:modern}
DAEMON=

east() { CLUSTER=$E kubectl "$@"; }
west() { CLUSTER=$W kubectl "$@"; }
within() { # within SECONDS (two minutes at least: a busy machine takes its time) cmd...: succeeds before that time
    local end=$((SECONDS + ($1 < 120 ? 120 : $1)))
    shift
    until "$@" >"$TMP/within" 2>&1; do
        [ $SECONDS -lt $end ] || { cat "$TMP/within"; return 1; }
        sleep 0.1
    done
}

# ---- what is in the source ----

# endpoints NAME PORTS ADDRESSES...: of a Service of `shop`, in the words of the cluster
endpoints() {
    local name=$1 ports=$2 list='' a
    shift 2
    if [ "$EKIND" = legacy ]; then
        for a in "$@"; do list="$list{ip: $a},"; done
        echo "{apiVersion: v1, kind: Endpoints, metadata: {name: $name, namespace: shop}, subsets: [{addresses: [${list%,}], ports: [$ports]}]}"
    else
        for a in "$@"; do list="$list{addresses: [$a], conditions: {ready: true}},"; done
        echo "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: $name-a, namespace: shop, labels: {kubernetes.io/service-name: $name}}, addressType: IPv4, ports: [$ports], endpoints: [${list%,}]}"
    fi | east apply --server-side --force-conflicts -f - >/dev/null # a merge that custom resources know too
}
# service NAME SPEC
service() {
    echo "{apiVersion: v1, kind: Service, metadata: {name: $1, namespace: shop, labels: {team: a, argocd.argoproj.io/instance: x}}, spec: {$2}}" |
        east apply -f - >/dev/null
}
HTTP="{name: http, port: 80, protocol: TCP}"

# ---- what is in the target ----

addresses() { # of a Service there, ready, one line
    if [ "$WKIND" = legacy ]; then
        west -n shop get endpoints "$1" -o jsonpath='{.subsets[*].addresses[*].ip}'
    else
        west -n shop get endpointslices -l "kubernetes.io/service-name=$1" \
            -o jsonpath='{range .items[*].endpoints[?(@.conditions.ready==true)]}{.addresses[0]} {end}'
    fi | tr ' ' '\n' | grep . | sort -V | tr '\n' ' '
}
has() { # has NAME ADDRESSES...
    local name=$1
    shift
    is "$(addresses "$name")" "${*:+$* }"
}
field() { west -n shop get service "$1" -o jsonpath="$2"; }
is() { test "$1" = "$2" || { echo "found: $1"; return 1; }; }
gone() { ! west -n shop get service "$1" && has "$1"; }
versions() { # of all that we wrote, whatever writes a status aside
    west get services,endpoints -A -l isthmus.dev/owner -o jsonpath='{range .items[*]}{.kind}/{.metadata.name} {.metadata.resourceVersion}{"\n"}{end}'
    [ "$WKIND" = legacy ] || west get endpointslices -A -l isthmus.dev/owner -o jsonpath='{range .items[*]}{.metadata.name} {.metadata.resourceVersion}{"\n"}{end}'
}

# ---- the daemon ----

inputs() { # inputs EXTRA
    echo "{\"clusters\":[{\"name\":\"$E\",\"services\":[{\"namespace\":\"shop\",\"targets\":[\"$W\"]},
{\"namespace\":\"picked\",\"nameMatches\":[\"^pick\"],\"labels\":{\"tier\":\"web\"},\"annotation\":\"example.org/share=yes\"}]},{\"name\":\"$W\",\"services\":[]}],
\"kubeconfigs\":{\"$E\":\"${EAST_CONFIG:-$TMP/$E/kubeconfig}\",\"$W\":\"${WEST_CONFIG:-$TMP/$W/kubeconfig}\"},
\"pod_cidrs\":{\"$E\":[\"10.0.0.0/16\"]}$1}" >"$TMP/$E.json"
}
mirror() { plugin k8s-svcmirror "$TMP/$E.state" "$TMP/$E.json" "$@"; }
start_daemon() {
    PLUGIN_TOOL_TELL=1 "$PLUGIN_TOOL" k8s-svcmirror "$TMP/$E.state" "$TMP/$E.json" watch >"$TMP/$E.out" 2>"$TMP/$E.log" &
    DAEMON=$!
}
stop_daemon() {
    [ -n "$DAEMON" ] || return 0
    kill "$DAEMON" 2>/dev/null
    wait "$DAEMON" 2>/dev/null
    DAEMON=
}
stop_everything() {
    [ -z "$DAEMON" ] || kill "$DAEMON" 2>/dev/null
    stop_clusters
}
trap stop_everything EXIT

# ---- the cases ----

first() {
    east create namespace shop >/dev/null
    service web "ports: [$HTTP, {name: dns, port: 53, protocol: UDP, appProtocol: example.org/dns}], sessionAffinity: ClientIP, externalIPs: [192.0.2.9]"
    endpoints web "{name: http, port: 8080, protocol: TCP}, {name: dns, port: 53, protocol: UDP}" 10.0.1.7 10.0.1.8 172.31.0.9
    service db "clusterIP: None, ports: [$HTTP]"
    endpoints db "$HTTP" 10.0.2.1
    echo '{apiVersion: v1, kind: Service, metadata: {name: out, namespace: shop}, spec: {type: ExternalName, externalName: example.org}}' | east apply -f - >/dev/null
    service taken "ports: [$HTTP]"
    endpoints taken "$HTTP" 10.0.3.1
    inputs ''
    ok "$1: without the namespace" mirror observe plan
    says "there is no namespace shop" "$1: it says so"
    west create namespace shop >/dev/null
    west -n shop create service clusterip taken --tcp=99 >/dev/null
    inputs ',"grace":8000'
    ok "$1: apply" mirror observe plan apply
    start_daemon
    ok "$1: pods of the other cluster, and no address outside its pod CIDRs" within 20 has web 10.0.1.7 10.0.1.8
    ok "$1: a Service without a selector" is "$(field web '{.spec.selector}{.spec.externalIPs}')" ""
    ok "$1: with its ports" is "$(field web '{range .spec.ports[*]}{.name}:{.port}/{.protocol} {end}')" "http:80/TCP dns:53/UDP "
    ok "$1: its session affinity" is "$(field web '{.spec.sessionAffinity}')" ClientIP
    ok "$1: an address of its own" west -n shop get service web -o jsonpath='{.spec.clusterIP}'
    ok "$1: and no label of others" is "$(field web '{.metadata.labels.team}{.metadata.labels.argocd\.argoproj\.io/instance}')" ""
    ok "$1: a headless one stays so" is "$(field db '{.spec.clusterIP}')" None
    ok "$1: a name that is taken is left alone" is "$(field taken '{.spec.ports[0].port}{.metadata.labels.isthmus\.dev/owner}')" 99
    one_kind() {
        if [ "$WKIND" = legacy ]; then
            west -n shop get endpoints web
        else
            # whatever a controller makes of Endpoints, none of them is ours
            test -z "$(west -n shop get endpoints -l isthmus.dev/owner -o name)"
        fi
    }
    ok "$1: EndpointSlices or Endpoints, never both" one_kind
}

# What is unusual and allowed, and what becomes of it when it changes.
LONG=a23456789-123456789-123456789-123456789-123456789-123456789-123
odd() {
    local dns="{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}, {name: sig, port: 53, protocol: SCTP}"
    service none "clusterIP: None"
    endpoints none "" 10.0.7.1
    service dns "ports: [$dns], publishNotReadyAddresses: true, sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 77}}"
    endpoints dns "{name: dns, port: 5353, protocol: UDP}, {name: dns-tcp, port: 5354, protocol: TCP}, {name: sig, port: 5355, protocol: SCTP}" 10.0.7.2
    service idle "ports: [$HTTP]"
    service $LONG "ports: [$HTTP]"
    endpoints $LONG "$HTTP" 10.0.7.3
    service open "type: NodePort, ports: [$HTTP], externalTrafficPolicy: Local, externalIPs: [192.0.2.9]"
    case $EKIND in legacy | classic) ;; *) service six "ports: [$HTTP], ipFamilies: [IPv6], ipFamilyPolicy: SingleStack" ;; esac
    ok "$1: a headless one without ports" within 20 has none 10.0.7.1
    ok "$1: a name of 63 characters" within 20 has $LONG 10.0.7.3
    ok "$1: one number, three protocols" within 20 has dns 10.0.7.2
    spec_is() { is "$(field "$1" "$2")" "$3"; }
    ok "$1: all of them" spec_is dns '{range .spec.ports[*]}{.port}/{.protocol} {end}' "53/UDP 53/TCP 53/SCTP "
    ok "$1: a timeout of its own, and addresses that are not ready" spec_is dns '{.spec.sessionAffinityConfig.clientIP.timeoutSeconds} {.spec.publishNotReadyAddresses}' "77 true"
    ok "$1: one without endpoints" within 20 spec_is idle '{.spec.ports[*].port}' 80
    ok "$1: of a NodePort nothing but its ports" within 20 spec_is open '{.spec.type} {.spec.ports[*].nodePort}{.spec.externalIPs}{.spec.externalTrafficPolicy}' "ClusterIP "
    [ "$EKIND" != modern ] || ok "$1: one of IPv6" within 20 spec_is six '{.spec.ports[*].port}' 80
    east -n shop patch service dns --type=merge -p '{"spec":{"sessionAffinityConfig":{"clientIP":{"timeoutSeconds":99}}}}' >/dev/null
    ok "$1: the timeout changes" within 20 spec_is dns '{.spec.sessionAffinityConfig.clientIP.timeoutSeconds}' 99
    east -n shop patch service dns --type=merge -p '{"spec":{"sessionAffinity":"None","sessionAffinityConfig":null,"publishNotReadyAddresses":false,"ports":[{"name":"dns","port":53,"protocol":"UDP"}]}}' >/dev/null
    ok "$1: and goes, with all but one port" within 20 spec_is dns '{.spec.sessionAffinity}{.spec.sessionAffinityConfig}{.spec.publishNotReadyAddresses}{.spec.ports[*].protocol}' NoneUDP
    east -n shop patch service idle --type=merge -p '{"spec":{"type":"ExternalName","externalName":"example.org","clusterIP":"","clusterIPs":null}}' >/dev/null
    ok "$1: one that becomes an ExternalName goes" within 20 gone idle
    east -n shop delete service idle >/dev/null
    service idle "ports: [$HTTP]"
    ok "$1: and comes back as it was" within 20 spec_is idle '{.spec.ports[*].port}' 80
    stop_daemon
    ok "$1: nothing of it is left to do" mirror observe plan
    says '"changes":[]' "$1: so plan says"
    start_daemon
}

# What fits a rule is mirrored, by name, labels and annotation together, and only as long as it does.
picked() {
    local name
    for cluster in east west; do $cluster create namespace picked >/dev/null; done
    for name in pick-1 pick-2 other; do
        east -n picked create service clusterip "$name" --tcp=80 >/dev/null
        east -n picked label service "$name" tier=web --overwrite >/dev/null
        [ $name = pick-2 ] || east -n picked annotate service "$name" example.org/share=yes >/dev/null
    done
    are() { is "$(west -n picked get services -o name | tr '\n' ' ')" "$1"; }
    ok "$1: the one that fits a rule" within 20 are "service/pick-1 "
    east -n picked annotate service pick-2 example.org/share=yes >/dev/null
    east -n picked label service pick-1 tier=db --overwrite >/dev/null
    ok "$1: one is annotated, the other has another label" within 20 are "service/pick-2 "
    east -n picked annotate service pick-2 example.org/share=no --overwrite >/dev/null
    ok "$1: and none fits any more" within 20 are ""
}

reported() {
    stop_daemon
    ok "$1: verify" mirror observe verify
    ok "$1: plan" mirror observe plan
    says "an ExternalName has no endpoints" "$1: says why an ExternalName is not mirrored"
    says "(172.31.0.9)" "$1: which address was refused"
    says "Service shop/taken of $W is left alone" "$1: and which name was taken"
    versions >"$TMP/before"
    start_daemon
    service later "ports: [$HTTP]"
    endpoints later "$HTTP" 10.0.4.1
    ok "$1: a daemon that starts anew" within 20 has later 10.0.4.1
    unchanged() { versions | grep -v "later" | diff - "$TMP/before"; }
    ok "$1: writes nothing that is as it should be" unchanged
}

many() {
    local all
    all=$(seq -f '10.0.5.%g' 1 240)
    service big "ports: [$HTTP]"
    # shellcheck disable=SC2086
    endpoints big "$HTTP" $all
    # shellcheck disable=SC2086
    ok "$1: 240 endpoints" within 20 has big $all
    [ "$WKIND" != legacy ] || return 0
    parts() { west -n shop get endpointslices -l kubernetes.io/service-name=big -o jsonpath='{range .items[*]}{.metadata.name} {.metadata.resourceVersion} {.endpoints[*].addresses[0]}{"\n"}{end}'; }
    at_most_100() { parts | awk 'NF - 2 > 100 {exit 1}'; }
    ok "$1: in slices of at most 100" at_most_100
    parts >"$TMP/parts"
    # shellcheck disable=SC2086
    endpoints big "$HTTP" ${all/10.0.5.77/10.0.6.77}
    ok "$1: one that changes" within 20 has big $(echo "${all/10.0.5.77/10.0.6.77}" | sort -V)
    rewritten() { parts | grep -vxFf "$TMP/parts" | wc -l; }
    at_most_two() { test "$(rewritten)" -le 2; } # where it was and where it is: they may be two
    ok "$1: rewrites its slice alone" at_most_two
    parts >"$TMP/parts"
    # shellcheck disable=SC2086
    endpoints big "$HTTP" $(echo "$all" | grep -vx -e 10.0.5.77 -e 10.0.5.78)
    ok "$1: one that goes" within 20 has big $(echo "$all" | grep -vx -e 10.0.5.77 -e 10.0.5.78)
}

turns() {
    east -n shop delete service db >/dev/null
    service db "ports: [$HTTP]"
    endpoints db "$HTTP" 10.0.2.1
    has_ip() { field db '{.spec.clusterIP}' | grep -q '^[0-9]'; }
    ok "$1: headless no more is a delete and a create" within 20 has_ip
    ok "$1: and its endpoints are there" within 20 has db 10.0.2.1
}

while_down() {
    stop_daemon
    east -n shop delete service later >/dev/null
    east -n shop delete endpoints,endpointslices later later-a --ignore-not-found >/dev/null 2>&1
    service renamed "ports: [$HTTP]"
    endpoints renamed "$HTTP" 10.0.4.1
    west -n shop delete service taken >/dev/null
    west -n shop delete service web >/dev/null
    collected() { [ "$WKIND" = legacy ] || test -z "$(west -n shop get endpointslices -l kubernetes.io/service-name=web -o name)"; }
    ok "$1: slices go with their Service" within 30 collected
    start_daemon
    ok "$1: a deletion while nobody watched is found" within 20 gone later
    ok "$1: a renamed one is there" within 20 has renamed 10.0.4.1
    ok "$1: so is one whose name has become free" within 20 has taken 10.0.3.1
    ok "$1: and one that somebody took away" within 20 has web 10.0.1.7 10.0.1.8
}

rivals() {
    local i
    for i in $(seq 25); do
        west -n shop patch service web --type=merge -p "{\"spec\":{\"ports\":[{\"name\":\"http\",\"port\":$((1000 + i)),\"protocol\":\"TCP\"}]},\"metadata\":{\"annotations\":{\"rival\":\"$i\"}}}"
        [ "$WKIND" = legacy ] || west -n shop patch "$(west -n shop get endpointslices -l kubernetes.io/service-name=web -o name | head -1)" \
            --type=merge -p '{"endpoints":[]}'
        endpoints web "{name: http, port: 8080, protocol: TCP}, {name: dns, port: 53, protocol: UDP}" 10.0.1.7 "10.0.1.$((100 + i))"
    done >/dev/null 2>&1
    ok "$1: after a rival's writes the endpoints are right" within 20 has web 10.0.1.7 10.0.1.125
    ports_right() { is "$(field web '{range .spec.ports[*]}{.port} {end}')" "80 53 "; }
    ok "$1: and so is the Service" within 20 ports_right
    ok "$1: nothing is left to do" mirror observe plan
    says '"changes":[]' "$1: so plan says"
    ok "$1: what the rival alone has stays" is "$(field web '{.metadata.annotations.rival}')" 25
}

# Our labels are taken off, and a Service is opened on every node: while the daemon runs, and while it does not.
whose() {
    local owner='{.metadata.labels.isthmus\.dev/owner}'
    unlabel() { west -n shop label service renamed isthmus.dev/owner- app.kubernetes.io/managed-by- isthmus.dev/source-cluster-; }
    open_it() { west -n shop patch service renamed --type=merge -p '{"spec":{"type":"NodePort","externalIPs":["192.0.2.44"]}}'; }
    marked() { is "$(field renamed "$owner")" step; }
    closed() { is "$(field renamed '{.spec.type}{.spec.externalIPs}{.spec.ports[*].nodePort}{.spec.externalTrafficPolicy}')" ClusterIP; }
    ok "$1: a label goes" unlabel
    ok "$1: and is put back" within 20 marked
    ok "$1: a Service is opened" open_it
    ok "$1: and closed" within 20 closed
    stop_daemon
    ok "$1: an apply writes down what there is" mirror observe plan apply
    unlabel >/dev/null
    open_it >/dev/null
    mirror observe plan >"$TMP/out" 2>&1
    says '"isthmus.dev/owner":"step"' "$1: plan sees the label"
    says '"field":"spec.type"' "$1: and the type"
    ok "$1: apply mends both" mirror observe plan apply
    ok "$1: the label" marked
    ok "$1: and the type" closed
    mirror observe plan >"$TMP/out" 2>&1
    says '"changes":[]' "$1: nothing is left to do"
    start_daemon
    unlabel >/dev/null
    ok "$1: a daemon that starts anew knows it as well" within 20 marked
}

out_of_reach() {
    local api
    api=$(cat "$TMP/$E/api.pid")
    kill -9 "$api"
    while kill -0 "$api" 2>/dev/null; do sleep 0.1; done
    ok "$1: a cluster out of reach keeps its endpoints for a while" has renamed 10.0.4.1
    ok "$1: then none is ready" within 40 has renamed
    still() { west -n shop get service renamed; }
    ok "$1: the Service stays" still
    mapfile -d '' -t args <"$TMP/$E/api.args"
    (cd "$TMP/$E" && exec "${args[@]}" >>api.log 2>&1) &
    echo $! >"$TMP/$E/api.pid"
    disown $!
    ok "$1: and all are back with it" within 40 has renamed 10.0.4.1
}

away() {
    stop_daemon
    west -n shop label service renamed isthmus.dev/owner- >/dev/null
    ok "$1: destroy" mirror observe destroy
    left() { is "$(versions)" "" && west get namespace shop && ! west -n shop get service renamed; }
    ok "$1: leaves nothing of ours, and what was there" left
}

round=0
for pair in $PAIRS; do
    round=$((round + 1)) EKIND=${pair%:*} WKIND=${pair#*:} E=east$round W=west$round
    start_cluster "$E" "$EKIND"
    start_cluster "$W" "$WKIND"
    cp "/proc/$(cat "$TMP/$E/api.pid")/cmdline" "$TMP/$E/api.args"
    disown -a
    for part in first odd picked reported many turns while_down rivals whose out_of_reach away; do "$part" "$pair"; done
    for pid in $(cat "$TMP/$E"/*.pid "$TMP/$W"/*.pid); do kill "$pid" 2>/dev/null; done
done
finish
