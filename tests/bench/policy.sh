#!/usr/bin/env bash
# Reachability of 10,000 pods under 1,000 policies, from manifests as `kubectl get -o json` writes them: time and peak
# memory, beside reading the same files as JSON and doing nothing with them. PODS, POLICIES and TIMES change the load.
# shellcheck source=../integration/lib.sh
. "$(dirname "$0")/../integration/lib.sh"
MEASURE=$BUILD/tests/bench/measure
PODS=${PODS:-10000} POLICIES=${POLICIES:-1000} TIMES=${TIMES:-5}
mkdir "$TMP/alike" "$TMP/single"

# pods OWNED: ten pods a ReplicaSet with labels of their own, or (0) each alone with labels of its own
pods() {
    awk -v n="$PODS" -v owned="$1" 'BEGIN {
        printf "{\"apiVersion\":\"v1\",\"kind\":\"PodList\",\"items\":["
        for (i = 0; i < n; i++) {
            w = owned ? int(i / 10) : i
            printf "%s{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"app-%d-%d\",\"namespace\":\"ns-%d\",", i ? "," : "", w, i, w % 100
            printf "\"uid\":\"00000000-0000-0000-0000-%012d\",\"labels\":{\"app\":\"app-%d\",\"tier\":\"%s\",\"team\":\"team-%d\",\"version\":\"v%d\",\"pod-template-hash\":\"%x\"},", i, w, i % 3 ? (i % 3 > 1 ? "db" : "cache") : "web", w % 20, w % 3, w * 7919
            if (owned) printf "\"ownerReferences\":[{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\",\"name\":\"app-%d\",\"uid\":\"r-%d\",\"controller\":true}],", w, w
            printf "\"annotations\":{\"checksum/config\":\"%064d\"}},", i
            printf "\"spec\":{\"nodeName\":\"node-%d\",\"serviceAccountName\":\"default\",\"containers\":[{\"name\":\"main\",\"image\":\"registry.example.com/app:%d\",\"ports\":[{\"name\":\"http\",\"containerPort\":%d,\"protocol\":\"TCP\"},{\"name\":\"metrics\",\"containerPort\":9090,\"protocol\":\"TCP\"}],\"env\":[", w % 50, w, 8080 + w % 4
            for (e = 0; e < 12; e++) printf "%s{\"name\":\"VARIABLE_%d\",\"value\":\"value-%d\"}", e ? "," : "", e, e
            printf "],\"resources\":{\"requests\":{\"cpu\":\"100m\",\"memory\":\"128Mi\"}}}]},\"status\":{\"phase\":\"Running\",\"podIP\":\"10.%d.%d.%d\",\"podIPs\":[{\"ip\":\"10.%d.%d.%d\"}]}}", i / 62500, i / 250 % 250, i % 250 + 1, i / 62500, i / 250 % 250, i % 250 + 1
        }
        print "]}"
    }'
}
policies() {
    awk -v n="$POLICIES" 'BEGIN {
        printf "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":["
        for (i = 0; i < 100; i++)
            printf "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"ns-%d\",\"labels\":{\"env\":\"%s\",\"team\":\"team-%d\"}}},", i, i % 2 ? "dev" : "prod", i % 20
        for (i = 0; i < n; i++) {
            printf "%s{\"apiVersion\":\"networking.k8s.io/v1\",\"kind\":\"NetworkPolicy\",\"metadata\":{\"name\":\"p-%d\",\"namespace\":\"ns-%d\"},\"spec\":{", i ? "," : "", i, i % 100
            if (i < 100) { printf "\"podSelector\":{},\"policyTypes\":[\"Ingress\"]}}"; continue }
            printf "\"podSelector\":{\"matchLabels\":{\"app\":\"app-%d\"}},\"policyTypes\":[\"Ingress\",\"Egress\"],", i
            printf "\"ingress\":[{\"from\":[{\"podSelector\":{\"matchLabels\":{\"tier\":\"web\"}}},{\"namespaceSelector\":{\"matchLabels\":{\"team\":\"team-%d\"}},\"podSelector\":{\"matchExpressions\":[{\"key\":\"version\",\"operator\":\"In\",\"values\":[\"v1\",\"v2\"]}]}}],\"ports\":[{\"port\":\"http\"},{\"port\":9090}]}],", i % 20
            printf "\"egress\":[{\"to\":[{\"namespaceSelector\":{\"matchExpressions\":[{\"key\":\"env\",\"operator\":\"NotIn\",\"values\":[\"dev\"]}]}}],\"ports\":[{\"port\":8080,\"endPort\":8090}]},{\"to\":[{\"ipBlock\":{\"cidr\":\"10.96.0.0/12\"}}]},{\"to\":[{\"namespaceSelector\":{},\"podSelector\":{\"matchLabels\":{\"app\":\"app-%d\"}}}],\"ports\":[{\"port\":\"metrics\"}]}]}}", i * 7 % 1000
        }
        print "]}"
    }'
}
pods 1 >"$TMP/alike/pods.json"
pods 0 >"$TMP/single/pods.json"
policies | tee "$TMP/alike/policies.json" >"$TMP/single/policies.json"

compare() { # compare NAME FOLDER: both in turn, in the same run
    local ours floor
    read -r floor _ floor_peak <<<"$("$MEASURE" "$TIMES" "$BUILD/tests/bench/read-json" "$2"/*.json)"
    read -r ours _ peak <<<"$("$MEASURE" "$TIMES" "$ISTHMUS" policy map --cluster "x=$2")" || exit 1
    awk -v n="$1" -v o="$ours" -v f="$floor" -v p="$peak" -v fp="$floor_peak" 'BEGIN {
        printf "%s ratio %.2f (%.0f ms, %.0f ms)\n", n, o / f, o, f
        printf "  peak %.0f MB (reading alone %.0f MB); aims: 2000 ms, 200 MB\n", p / 1024, fp / 1024
    }'
}
compare "policy map: $PODS pods in ReplicaSets, $POLICIES policies" "$TMP/alike"
compare "policy map: $PODS pods alone, $POLICIES policies" "$TMP/single"
