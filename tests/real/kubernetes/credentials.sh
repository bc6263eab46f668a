#!/usr/bin/env bash
# Tokens that run out, are revoked, or come late, while the daemon watches and writes: short-lived ones of a service
# account from a helper or a file, against real API servers. No change is lost, and no helper is run more than it must.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=daemon.sh
. "$(dirname "$0")/daemon.sh"

start_cluster east classic
start_cluster west classic
b64() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
# mint CLUSTER SECONDS: a token of the account isthmus. An API server takes one for a minute after its end, and for ten
# seconds more what it has taken once: so it ends in the past.
mint() {
    local now issuer=https://kubernetes.default.svc head body
    now=$(date +%s)
    head=$(printf '{"alg":"RS256"}' | b64)
    body=$(printf '{"iss":"%s","aud":["%s"],"sub":"system:serviceaccount:kube-system:isthmus","iat":%d,"nbf":%d,"exp":%d,"jti":"%s","kubernetes.io":{"namespace":"kube-system","serviceaccount":{"name":"isthmus","uid":"%s"}}}' \
        $issuer $issuer $((now - 300)) $((now - 300)) $((now - 60 + $2)) $RANDOM "$(cat "$TMP/$1/uid")" | b64)
    printf '%s.%s.%s' "$head" "$body" "$(printf '%s.%s' "$head" "$body" | openssl dgst -sha256 -sign "$TMP/$1/pki/sa.key" -binary | b64)"
}
account() { # account CLUSTER: the one whose tokens these are
    kubectl_of "$1" -n kube-system create serviceaccount isthmus >/dev/null
    kubectl_of "$1" -n kube-system get serviceaccount isthmus -o 'jsonpath={.metadata.uid}' >"$TMP/$1/uid"
}
user_is() { # user_is CLUSTER SUFFIX USER: kubeconfig.SUFFIX, with that entry
    sed "s#user: {token: [^}]*}#user: $3#" "$TMP/$1/kubeconfig" >"$TMP/$1/kubeconfig.$2"
}
for cluster in east west; do
    kubectl_of $cluster create namespace app >/dev/null
    account $cluster
    kubectl_of $cluster create clusterrolebinding isthmus --clusterrole cluster-admin --serviceaccount kube-system:isthmus >/dev/null
    : >"$TMP/$cluster/runs"
    cat >"$TMP/$cluster/helper" <<X
#!/usr/bin/env bash
TMP=$TMP
$(declare -f b64 mint)
echo run >>$TMP/$cluster/runs
while [ -e $TMP/$cluster/hangs ]; do sleep 0.2; done
[ ! -e $TMP/$cluster/fails ] || { echo "no token today" >&2; exit 1; }
life=\$(cat $TMP/$cluster/life)
[ ! -e $TMP/$cluster/tells ] || ends=',"expirationTimestamp":"'\$(date -u -d "+\$life seconds" +%Y-%m-%dT%H:%M:%SZ)'"'
printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s"%s}}' "\$(mint $cluster \$life)" "\$ends"
X
    chmod +x "$TMP/$cluster/helper"
    user_is $cluster exec "{exec: {apiVersion: client.authentication.k8s.io/v1, command: $TMP/$cluster/helper, interactiveMode: Never}}"
    user_is $cluster file "{tokenFile: $TMP/$cluster/tokenfile}"
done
EAST_CONFIG=$TMP/east/kubeconfig.exec WEST_CONFIG=$TMP/west/kubeconfig.exec inputs one '"grace":600000'
life() { echo "$1" | tee "$TMP/east/life" >"$TMP/west/life"; }
runs() { wc -l <"$TMP/$1/runs"; }
grown() { [ "$(runs east)" -ge $((EAST + $1)) ] && [ "$(runs west)" -ge $((WEST + $1)) ]; }
# at_most N: so many more runs of each helper than before
at_most() {
    echo "east $(($(runs east) - EAST)), west $(($(runs west) - WEST)) runs"
    [ $(($(runs east) - EAST)) -le "$1" ] && [ $(($(runs west) - WEST)) -le "$1" ]
}
before() { EAST=$(runs east) WEST=$(runs west); }
alive() { kill -0 "$(pid_of "$1")"; }
ROUND=0
churn_until() { # churn_until SECONDS cmd...: changes until it comes true
    local end=$((SECONDS + $1))
    shift
    while ! "$@"; do
        [ $SECONDS -lt $end ] || return 1
        ROUND=$((ROUND + 1))
        many $((ROUND % 10 * 20 + 1)) $((ROUND % 10 * 20 + 20)) $((ROUND % 200 + 1))
        [ $((ROUND % 4)) != 0 ] || few $((ROUND % 10 * 20 + 3)) $((ROUND % 10 * 20 + 5))
    done
}

# ---- helpers that say when a token ends
touch "$TMP/east/tells" "$TMP/west/tells"
life 12
before
daemon one
ok "tokens that say when they end: changes over two of them" churn_until 60 grown 2
within 40 "arrive all" mirrored
exits 1 "and no request was refused" logs one 401
stop one

# ---- and such that do not: the API server does
rm "$TMP/east/tells" "$TMP/west/tells"
life 3
before
daemon one
ok "tokens that end without a word: changes over two of them" churn_until 120 grown 2
within 40 "arrive all" mirrored
ok "by no more runs of a helper than tokens ended" at_most 4
ok "and the daemon lives" alive one
stop one

# ---- many requests refused at once
road west http
user=$(sed -n 's/^users: .*user: \(.*\)}]$/\1/p' "$TMP/west/kubeconfig.exec")
sed -i "s#user: {token: [^}]*}#user: $user#" "$TMP/west/kubeconfig.http"
WEST_CONFIG=$TMP/west/kubeconfig.http inputs two '"grace":600000'
life 600
daemon two
within 60 "over HTTP/1.1" logs two 'cluster west: holds the lease'
within 30 "with nothing to write" mirrored
before
way west http 'answer 401 - ^PATCH'
many 211 260
asked() { grep -q '^PATCH .* 401' "$TMP/west/http.log"; }
within 20 "writes are refused as they come" asked
sleep 1
way west http
within 60 "when they no longer are, all is written" mirrored
refusals() { grep -c '^PATCH .* 401' "$TMP/west/http.log"; }
shared() { echo "$(refusals) refusals, $(($(runs west) - WEST)) runs" && [ $(($(runs west) - WEST)) -lt $(($(refusals) / 4)) ]; }
ok "and a helper was run for many of them at once" shared
stop two
life 3
daemon one
within 60 "tokens that end soon, again" logs one 'cluster west: holds the lease'

# ---- a helper that fails, or hangs
touch "$TMP/east/fails"
many 301 305
within 40 "a helper that fails is told of" logs one 'no token today'
many 306 310
rm "$TMP/east/fails"
within 60 "and asked again: nothing was lost" mirrored
life 600
before
: >"$TMP/one.log"
touch "$TMP/east/hangs"
hung() { [ "$(runs east)" -gt "$EAST" ]; }
within 40 "a helper hangs" hung
sleep 12
exits 1 "what concerns another cluster goes on: its lease is held" logs one 'cluster west: no longer the one who writes'
many 311 315
rm "$TMP/east/hangs"
within 60 "and when it answers, nothing was lost" mirrored
stop one

# ---- a token in a file, written anew in time or too late
rotate() { mint "$1" 600 >"$TMP/$1/tokenfile.new" && mv "$TMP/$1/tokenfile.new" "$TMP/$1/tokenfile"; }
mint west 3 >"$TMP/west/tokenfile"
rotate east
EAST_CONFIG=$TMP/east/kubeconfig.file WEST_CONFIG=$TMP/west/kubeconfig.file inputs two '"grace":600000'
daemon two
within 30 "with a token from a file" logs two 'cluster west: holds the lease'
many 321 325
refused() { logs two 401; }
churn_until 60 refused
many 326 330
rotate west
within 60 "that ran out and was written anew: nothing was lost" mirrored

# ---- revoked
for cluster in east west; do kubectl_of $cluster -n kube-system delete serviceaccount isthmus >/dev/null; done
: >"$TMP/two.log"
ok "revoked tokens are refused" churn_until 60 refused
few 326 328
for cluster in east west; do
    account $cluster
    rotate $cluster
done
within 60 "with new ones all goes on, nothing was lost" mirrored
ok "in the same daemon" alive two
stop two
finish
