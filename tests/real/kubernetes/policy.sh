#!/usr/bin/env bash
# isthmus policy, of real API servers: a kubeconfig as the source, page by page, and what render writes is what they take.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
start_cluster east modern
start_cluster west "${KIND:-classic}"
# The controllers would only take the pods, which no node runs, away.
for name in east west; do
    kill "$(cat "$TMP/$name/kcm.pid")"
    rm "$TMP/$name/kcm.pid"
done
east() { CLUSTER=east kubectl "$@"; }
west() { CLUSTER=west kubectl "$@"; }
policy() { timeout 60 "$ISTHMUS" policy "$1" --cluster "east=$TMP/east/kubeconfig" --cluster "west=$TMP/west/kubeconfig" "${@:2}"; }

pod() { # pod CLUSTER NAME ADDRESS: in shop, labelled with its name
    "$1" -n shop apply -f - >/dev/null <<END
apiVersion: v1
kind: Pod
metadata: {name: $2, labels: {app: $2}}
spec: {nodeName: none, automountServiceAccountToken: false, containers: [{name: c, image: x, ports: [{name: web, containerPort: 8080}]}]}
END
    "$1" -n shop patch pod "$2" --subresource=status --type=merge \
        -p "{\"status\":{\"phase\":\"Running\",\"podIP\":\"$3\",\"podIPs\":[{\"ip\":\"$3\"}]}}" >/dev/null
}
guard() { # guard CLUSTER ANNOTATION: only `front` may come to `back`, on its port web
    "$1" -n shop apply -f - >/dev/null <<END
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: back, annotations: {isthmus.dev/clusters: "$2"}}
spec:
  podSelector: {matchLabels: {app: back}}
  ingress: [{from: [{podSelector: {matchLabels: {app: front}}}], ports: [{port: web}]}]
END
}
for name in east west; do
    $name create namespace shop >/dev/null
    $name -n shop create serviceaccount default >/dev/null 2>&1
done
pod west back 10.2.0.1
pod west other 10.2.0.2
pod east front 10.1.0.1
pod east stranger 10.1.0.2
guard west east

cat >"$TMP/expected" <<'END'
east:shop/front[Pod] => west:shop/back[Pod] : TCP 8080
END
echo ... >>"$TMP/expected"
ok "the map is read from two API servers" policy map --expect "$TMP/expected"
echo 'east:shop/stranger[Pod] => west:shop/back[Pod] : No Connections' >>"$TMP/expected"
ok "whoever is not meant stays out" policy map --expect "$TMP/expected"
exits 1 "without the annotation nobody from afar gets in" policy map --as-written --expect "$TMP/expected"
ok "a context may be named" timeout 60 "$ISTHMUS" policy map \
    --cluster "west=$TMP/west/kubeconfig#$(west config current-context)"
ok "explain answers of live clusters" policy explain shop/front shop/back web
says "allowed by shop/back: ingress rule 1" "with the rule"

ok "render writes the companion" policy render -o "$TMP/rendered"
ok "with the original as its owner" grep -q "uid: *\"\\{0,1\\}$(west -n shop get networkpolicy back -o jsonpath='{.metadata.uid}')" \
    "$TMP/rendered/west/shop.back-isthmus-east.yaml"
ok "the API server takes it" west apply --server-side --force-conflicts -f "$TMP/rendered/west"
ok "and as written the map is the same" policy map --as-written --expect "$TMP/expected"

# What is rendered of the published sets, dealt over two clusters and over one a workload: whether a server takes it, by its
# own validation.
SETS=$BUILD/tests/unit/test-netpol-sets
if [ -d "${ISTHMUS_TEST_DATA:-}/netpol" ] && [ -x "$SETS" ]; then
    west create namespace sets >/dev/null
    ok "the companions of all published sets" timeout 300 "$SETS" --companions "$TMP/sets.json"
    valid() {
        west create --dry-run=server -f "$TMP/sets.json" -o name >"$TMP/valid" 2>"$TMP/invalid" && [ ! -s "$TMP/invalid" ] &&
            [ "$(wc -l <"$TMP/valid")" = "$(grep -c '"kind": "NetworkPolicy"' "$TMP/sets.json")" ] && [ "$(wc -l <"$TMP/valid")" -gt 100 ]
    }
    valid || tail -n 3 "$TMP/invalid" | sed 's/^/# /'
    ok "an API server takes each of them" valid
else
    CASES=$((CASES + 1))
    echo "ok $CASES - an API server takes the companions of the published sets # SKIP ISTHMUS_TEST_DATA is not set, or the test program is not built"
fi

# More pods than fit on one page.
awk 'BEGIN { for (i = 0; i < 1100; i++) printf "---\n{apiVersion: v1, kind: Pod, metadata: {name: p%d, namespace: shop, labels: {app: crowd}}, spec: {nodeName: none, containers: [{name: c, image: x}]}}\n", i }' >"$TMP/crowd.yaml"
east create -f "$TMP/crowd.yaml" >/dev/null
ok "1,100 pods over several pages are all seen" sh -c \
    "[ \$(timeout 60 '$ISTHMUS' policy map --cluster 'e=$TMP/east/kubeconfig' --output json | grep -c '\"name\":\"p[0-9]') = 1100 ]"
finish
