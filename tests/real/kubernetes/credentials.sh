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
skew=\$(cat $TMP/$cluster/skew 2>/dev/null || echo 0)
[ ! -e $TMP/$cluster/tells ] || ends=',"expirationTimestamp":"'\$(date -u -d "\$((life + skew)) seconds" +%Y-%m-%dT%H:%M:%SZ)'"'
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
few_refused() { [ "$(grep -c 401 "$TMP/one.log")" -le 1 ]; } # on a busy machine one may have been on its way too long
ok "and hardly a request was refused" few_refused
stop one

# ---- a helper whose clock is far behind ours
echo -3600 | tee "$TMP/east/skew" >"$TMP/west/skew"
life 600
before
daemon one
many 1 20 201
within 60 "tokens that have ended by our clock, though not by the server's, are used" mirrored
ok "as long as they are not refused: one run of the helper" at_most 1
ok "and it says that clocks differ" logs one 'clocks differ'
stop one
rm "$TMP/east/skew" "$TMP/west/skew"

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
before
: >"$TMP/one.log"
touch "$TMP/east/hangs"
hung() { [ "$(runs east)" -gt "$EAST" ]; }
within 40 "a helper hangs" hung
life 600 # only now: a token of so long a life would keep it from being run
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

# ---- certificates in files, replaced before they end
certificate() { # certificate USER [CA]: for the west, in the place of the one that is there
    local pki=$TMP/west/pki ca=${2:-$TMP/west/pki/ca}
    openssl req -newkey rsa:2048 -nodes -keyout "$pki/new.key" -out "$pki/new.csr" -subj "/CN=$1" 2>/dev/null
    openssl x509 -req -in "$pki/new.csr" -CA "$ca.crt" -CAkey "$ca.key" -CAcreateserial -days 2 -out "$pki/new.crt" 2>/dev/null
    mv "$pki/new.key" "$pki/user.key"
    mv "$pki/new.crt" "$pki/user.crt"
}
may() { kubectl_of west create clusterrolebinding "$1" --clusterrole cluster-admin --user "$1" >/dev/null; }
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=other -keyout "$TMP/other.key" -out "$TMP/other.crt" 2>/dev/null
may first
may second
certificate first
user_is west cert "{client-certificate: $TMP/west/pki/user.crt, client-key: $TMP/west/pki/user.key}"
EAST_CONFIG=$TMP/east/kubeconfig WEST_CONFIG=$TMP/west/kubeconfig.cert inputs one '"grace":600000'
daemon one
within 40 "with a certificate" mirrored
certificate second
within 40 "another one is in its place: it is taken" logs one 'cluster west: new credentials from its files'
kubectl_of west delete clusterrolebinding first >/dev/null
many 331 335
within 40 "and the one before is not needed any more" mirrored
exits 1 "no request was refused" logs one 'forbidden\|401'
exits 1 "and the lease was held all the time" logs one 'no longer the one who writes'
: >"$TMP/one.log"
openssl genrsa -out "$TMP/west/pki/user.key" 2048 2>/dev/null
within 40 "half of a new pair is not taken" logs one 'client-key is not the key of client-certificate'
many 336 340
within 40 "the one before does" mirrored
certificate second "$TMP/other"
within 60 "one that the cluster does not accept is told of" logs one 401
few 336 338
certificate second
within 60 "with one that it does all goes on, nothing was lost" mirrored
ok "in the same daemon" alive one
stop one

# ---- EKS: the token is signed here, but who signs it is known to STS alone
mkdir "$TMP/sts"
PORT=$((PORT + 5))
python3 "$(dirname "$0")/sts.py" $PORT "$TMP/sts" >"$TMP/sts/ready" 2>"$TMP/sts/err" &
echo $! >"$TMP/sts/server.pid"
disown
STS=$PORT
road east http
way east http "bearer k8s-aws-v1. $(cat "$TMP/east/pki/token")"
sed -i 's#user: {token: [^}]*}#user: {exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: aws-iam-authenticator, args: [token, -i, shop, -r, "arn:aws:iam::123456789012:role/isthmus"]}}#' \
    "$TMP/east/kubeconfig.http"
EAST_CONFIG=$TMP/east/kubeconfig.http WEST_CONFIG=$TMP/west/kubeconfig inputs one '"grace":600000'
export AWS_ENDPOINT_URL_STS=http://127.0.0.1:$STS AWS_REGION=eu-west-1 AWS_ACCESS_KEY_ID=AKIDEXAMPLE AWS_SECRET_ACCESS_KEY=not-a-secret
assumed() { grep -c '^answered' "$TMP/sts/log" 2>/dev/null; }
assumed_since() { [ "$(assumed)" -ge $((ASSUMED + $1)) ]; }
echo 20 >"$TMP/sts/life"
daemon one
many 401 410
within 60 "a role is assumed, its tokens are taken: mirrored" mirrored
ASSUMED=$(assumed)
ok "the role's keys end and are asked for anew, under changes" churn_until 120 assumed_since 2
within 40 "which arrive all" mirrored
refusals() { grep -c ' 401$' "$TMP/east/http.log"; }
exits 1 "in time: no request was refused" refusals
touch "$TMP/sts/hangs"
waits() { [ "$(grep -c '^asked' "$TMP/sts/log")" -gt "$(assumed)" ]; }
within 60 "STS does not answer any more" waits
away() { # away NAME: its slice in the west is taken away by somebody, and put back
    kubectl_of west -n app delete endpointslices -l "kubernetes.io/service-name=$1" >/dev/null
    within 30 "what concerns the other cluster goes on: $1 is put back there" mirrored
}
away s-401
still_waits() { waits && [ -e "$TMP/sts/hangs" ]; }
ok "and it still does not" still_waits
exits 1 "the lease is held" logs one 'no longer the one who writes'
rm "$TMP/sts/hangs"
many 411 415 7
within 90 "when it answers, nothing was lost" mirrored
echo denied >"$TMP/sts/life"
within 60 "a role that may not be assumed any more: it says so in STS's words" logs one 'AccessDenied'
away s-402
echo 600 >"$TMP/sts/life"
many 416 420 8
within 90 "and goes on when it may" mirrored
told() { grep -v '"type":"secret"' "$TMP/one.log" | grep -qF -e not-a-secret -e sts-secret -e sts-session; } # but as a secret
exits 1 "no key was told" told
ok "by the same daemon" alive one
stop one
finish
