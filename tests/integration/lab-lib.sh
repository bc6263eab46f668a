# shellcheck shell=bash
# On top of lib.sh: calls of the lab's services by curl, which signs for itself. Sourced.
LAB=$BUILD/sdk/lab/isthmus-lab
[ -x "$LAB" ] || skip_all "the lab is not built here"
ROLE=arn:aws:iam::123456789012:role/k8s-ccp-user

# query SERVICE ACTION [KEY=VALUE...]: one call of a Query service; the answer on stdout, 0 when it is a 200
query() {
    local service=$1 action=$2 version args=() code
    shift 2
    case $service in
    ec2) version=2016-11-15 ;;
    sts) version=2011-06-15 ;;
    iam) version=2010-05-08 ;;
    *) version=2010-05-15 ;;
    esac
    for word in "$@"; do args+=(--data-urlencode "$word"); done
    # The key goes in by standard input: nothing of it is in an argument.
    code=$(printf 'user = "%s:%s"\n' "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" |
        curl -sS -K - --max-time 20 --cacert "$AWS_CA_BUNDLE" --aws-sigv4 "aws:amz:us-west-2:$service" -o "$TMP/answer" \
            -w '%{http_code}' --data-urlencode "Action=$action" --data-urlencode "Version=$version" "${args[@]}" \
            "$AWS_ENDPOINT_URL/")
    cat "$TMP/answer" 2>/dev/null
    echo
    [ "$code" = 200 ]
}
ec2() { query ec2 "$@"; }
value() { sed -n "s:.*<$1>\([^<]*\)</$1>.*:\1:p" "$TMP/answer" | head -1; } # of the last answer's first such element

# refused CODE cmd...: the call fails with this code of AWS
refused() {
    local code=$1
    shift
    "$@" && return 1
    grep -qF "<Code>$code</Code>" "$TMP/answer"
}

ccp_login() { # CCP_TOKEN, of version 3
    CCP_TOKEN=$(curl -sS --cacert "$ISTHMUS_LAB_CA" -D - -o /dev/null --data-urlencode "username=$ISTHMUS_CCP_USERNAME" \
        --data-urlencode "password=${1:-$ISTHMUS_CCP_PASSWORD}" "$ISTHMUS_CCP_URL/v3/system/login" |
        tr -d '\r' | sed -n 's/^[Xx]-[Aa]uth-[Tt]oken: //p')
    [ -n "$CCP_TOKEN" ]
}
# ccp METHOD PATH [BODY]: the answer on stdout, its status in STATUS of $TMP/status
ccp() {
    curl -sS --max-time 20 --cacert "$ISTHMUS_LAB_CA" -H "X-Auth-Token: $CCP_TOKEN" -X "$1" -o "$TMP/answer" \
        -w '%{http_code}' ${3:+-H 'Content-Type: application/json' --data-binary "$3"} "$ISTHMUS_CCP_URL$2" >"$TMP/status"
    cat "$TMP/answer" 2>/dev/null
}
ccp_is() { # ccp_is STATUS METHOD PATH [BODY]
    local want=$1
    shift
    ccp "$@"
    [ "$(cat "$TMP/status")" = "$want" ]
}
provider() { ccp GET /v3/providers | tr '}' '\n' | sed -n 's/.*"id":"\([^"]*\)".*"name":"myAwsProv".*/\1/p'; }
order() { # the walk-through's cluster
    ccp POST /v3/clusters/ "{\"provider\":\"$(provider)\",\"name\":\"aws\",\"type\":\"eks\",\"region\":\"us-west-2\",
      \"vpc_sizing\":{\"subnet\":\"10.0.0.0/16\",\"public_subnets\":[\"10.0.106.0/24\",\"10.0.107.0/24\",\"10.0.108.0/24\"],
      \"private_subnets\":[\"10.0.109.0/24\",\"10.0.110.0/24\",\"10.0.111.0/24\"]},\"instance_type\":\"t2.small\",
      \"worker_count\":2,\"access_role_arn\":\"$ROLE\",\"ssh_keys\":[\"my-key\"]}" >"$TMP/order"
    CLUSTER=$(sed -n 's/.*"id":"\([^"]*\)".*/\1/p' "$TMP/order")
    [ "$(cat "$TMP/status")" = 201 ]
}
ready() { ccp GET "/v3/clusters/$CLUSTER/" | grep -q '"status":"READY"'; }
