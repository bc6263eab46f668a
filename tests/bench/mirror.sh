#!/usr/bin/env bash
# Mirroring 500 services with 10 endpoints each, beside `kubectl apply --server-side` of the same objects and beside
# the same requests sent raw over one connection. Ratios of one run against one lab.
. "$(dirname "$0")/../integration/lib.sh"
command -v kubectl >/dev/null || { echo "mirror: skipped: kubectl is not installed"; exit 0; }
start_lab
SERVICES=${SERVICES:-500}

mkdir "$TMP/conf"
cat >"$TMP/conf/bench.yaml" <<END
pipelines:
  bench:
    steps:
      cluster:
        plugin: ccp
        with:
          - !include $SRC/conf.d/stars/aws.yaml
          - {url: $ISTHMUS_CCP_URL, username: admin, password: "\${env.ISTHMUS_CCP_PASSWORD}", ca_file: $ISTHMUS_LAB_CA, provider: myAwsProv}
      mirror:
        plugin: k8s-svcmirror
        with:
          clusters:
            - {name: ccp, kubeconfig: $ISTHMUS_KUBECONFIG_CCP, services: [{namespace: bench}]}
            - {name: aws, kubeconfig: "\${steps.cluster.kubeconfig}", services: []}
          create_namespaces: true
END
run() { "$ISTHMUS" -C "$TMP/conf" "$@" >"$TMP/out" 2>&1 || { cat "$TMP/out"; exit 1; }; }
run apply bench --yes --only cluster

# objects NAMESPACE: Service and EndpointSlice, as JSON lines
objects() {
    awk -v n="$SERVICES" -v ns="$1" 'BEGIN {
        for (i = 0; i < n; i++) {
            printf "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"s%d\",\"namespace\":\"%s\"},\"spec\":{\"ports\":[{\"port\":80,\"protocol\":\"TCP\"}]}}\n", i, ns
            printf "{\"apiVersion\":\"discovery.k8s.io/v1\",\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"s%d-0\",\"namespace\":\"%s\",\"labels\":{\"kubernetes.io/service-name\":\"s%d\"}},\"addressType\":\"IPv4\",\"ports\":[{\"port\":80,\"protocol\":\"TCP\"}],\"endpoints\":[", i, ns, i
            for (j = 0; j < 10; j++) printf "%s{\"addresses\":[\"192.168.%d.%d\"],\"conditions\":{\"ready\":true}}", j ? "," : "", i % 250, j + 1
            print "]}"
        }
    }'
}
ms() { # ms cmd...: how long it took, in milliseconds
    local from to
    from=$(date +%s%N)
    "$@" >"$TMP/out" 2>&1 || { tail -5 "$TMP/out"; exit 1; }
    to=$(date +%s%N)
    echo $(((to - from) / 1000000))
}

for pair in "$ISTHMUS_KUBECONFIG_CCP bench" "$ISTHMUS_KUBECONFIG_AWS kubectl" "$ISTHMUS_KUBECONFIG_AWS raw"; do
    kubectl --kubeconfig "${pair% *}" create ns "${pair#* }" >/dev/null || exit 1
done
objects bench >"$TMP/source.json"
kubectl --kubeconfig "$ISTHMUS_KUBECONFIG_CCP" apply --server-side -f "$TMP/source.json" >/dev/null || exit 1

mirrored=$(ms "$ISTHMUS" -C "$TMP/conf" apply bench --yes --allow-deferred)
again=$(ms "$ISTHMUS" -C "$TMP/conf" plan bench)
objects kubectl >"$TMP/kubectl.json"
by_kubectl=$(ms kubectl --kubeconfig "$ISTHMUS_KUBECONFIG_AWS" apply --server-side -f "$TMP/kubectl.json")

server=$(sed -n 's/.*server: *"\{0,1\}\(https[^"]*\)"\{0,1\}.*/\1/p' "$ISTHMUS_KUBECONFIG_AWS" | head -1)
kubectl --kubeconfig "$ISTHMUS_KUBECONFIG_AWS" config view --raw -o jsonpath='{.users[0].user.client-certificate-data}' | base64 -d >"$TMP/crt"
kubectl --kubeconfig "$ISTHMUS_KUBECONFIG_AWS" config view --raw -o jsonpath='{.users[0].user.client-key-data}' | base64 -d >"$TMP/key"
objects raw | awk -v server="$server" -v dir="$TMP" '{
    kind = NR % 2 ? "api/v1/namespaces/raw/services/s" : "apis/discovery.k8s.io/v1/namespaces/raw/endpointslices/s"
    i = int((NR - 1) / 2)
    file = dir "/body." NR
    print $0 > file
    close(file)
    if (NR > 1) print "next"
    printf "url = \"%s/%s%d%s?fieldManager=raw&force=true\"\nrequest = PATCH\nheader = \"Content-Type: application/apply-patch+yaml\"\ndata-binary = \"@%s\"\nsilent\nfail\noutput = /dev/null\ncacert = %s/lab/ca.crt\ncert = %s/crt\nkey = %s/key\n", server, kind, i, NR % 2 ? "" : "-0", file, dir, dir, dir
}' >"$TMP/curl"
raw=$(ms curl -K "$TMP/curl")

awk -v s="$SERVICES" -v i="$mirrored" -v a="$again" -v k="$by_kubectl" -v r="$raw" 'BEGIN {
    printf "mirror %d services: isthmus %d ms, kubectl apply --server-side %d ms, raw requests %d ms\n", s, i, k, r
    printf "  isthmus / kubectl %.2f, isthmus / raw %.2f; nothing left to do: %d ms\n", i / k, i / r, a
}'
