#!/usr/bin/env bash
# A plan of `stars` that finds nothing to do, beside the reads it makes, sent raw by one curl, one after another:
# every call of the journal but what curl cannot speak (the router's SSH).
. "$(dirname "$0")/../integration/lib.sh"
command -v kubectl >/dev/null || { echo "stars: skipped: kubectl is not installed"; exit 0; }
start_lab
isthmus apply stars --yes >"$TMP/out" 2>&1 || { tail -5 "$TMP/out"; exit 1; }
before=$(lab log --output jsonl | wc -l)
from=$(date +%s%N)
isthmus plan stars >"$TMP/out" 2>&1 || { tail -5 "$TMP/out"; exit 1; }
planned=$((($(date +%s%N) - from) / 1000000))
lab log --output jsonl | tail -n +$((before + 1)) >"$TMP/journal"

server() { sed -n 's/.*server: *"\{0,1\}\(https[^"]*\)"\{0,1\}.*/\1/p' "$1" | head -1; }
for c in ccp aws; do
    kubeconfig=$TMP/lab/$c.kubeconfig
    kubectl --kubeconfig "$kubeconfig" config view --raw -o jsonpath='{.users[0].user.client-certificate-data}' | base64 -d >"$TMP/$c.crt"
    kubectl --kubeconfig "$kubeconfig" config view --raw -o jsonpath='{.users[0].user.client-key-data}' | base64 -d >"$TMP/$c.key"
done
# One curl transfer a line of the journal. AWS calls go without their filters, which makes them no cheaper.
awk -v ccp="$(server "$ISTHMUS_KUBECONFIG_CCP")" -v aws="$(server "$ISTHMUS_KUBECONFIG_AWS")" -v tmp="$TMP" \
    -v endpoint="$AWS_ENDPOINT_URL" -v region="$AWS_REGION" -v keys="$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" '
    function member(name) { return match($0, "\"" name "\": *\"[^\"]*\"") ? substr($0, RSTART + length(name) + 4, RLENGTH - length(name) - 5) : "" }
    function begin(url) { if (n++) print "next"; printf "url = \"%s\"\nsilent\noutput = /dev/null\ncacert = %s/lab/ca.crt\n", url, tmp }
    {
        service = member("service"); path = member("path"); action = member("action")
        if (service ~ /^kube/) {
            c = service; sub("kube/", "", c)
            begin((c == "ccp" ? ccp : aws) path)
            printf "cert = %s/%s.crt\nkey = %s/%s.key\n", tmp, c, tmp, c
        } else if (service == "aws") {
            split(action, part, ":")
            begin(endpoint path)
            printf "user = \"%s\"\naws-sigv4 = \"aws:amz:%s:%s\"\n", keys, region, tolower(part[1])
            if (path == "/") printf "data = \"Action=%s&Version=2016-11-15\"\n", part[2]
        }
    }
    END { print n > (tmp "/calls") }' "$TMP/journal" >"$TMP/curl"
from=$(date +%s%N)
curl -K "$TMP/curl" || exit 1
raw=$((($(date +%s%N) - from) / 1000000))
awk -v p="$planned" -v r="$raw" -v n="$(cat "$TMP/calls")" 'BEGIN {
    printf "no-op plan of stars: %d ms; its %d reads sent raw: %d ms; plan / raw %.2f\n", p, n, r, p / r }'
