# shellcheck shell=bash
# A VPC in the lab, and csr-dmvpn run alone against it. Sourced after lib.sh and lab-lib.sh.
#   make_vpc                the walk-through's subnets; inputs in $TMP/in.yaml
#   csr OP [OPTIONS]        one operation, its JSON in $TMP/OP.json, the record kept in $TMP/rec.json
#   router COMMAND...       one exec command on the launched router, by ssh
#   becomes STATE ID        waits until an instance is running, stopped ...
#   typed LINE...           lines typed into a session with it

make_vpc() {
    local igw table
    ec2 CreateVpc CidrBlock=10.0.0.0/16 || return 1
    VPC=$(value vpcId)
    subnet() { ec2 CreateSubnet "VpcId=$VPC" "CidrBlock=$1" >"$TMP/subnet" && value subnetId; }
    PUBLIC=$(subnet 10.0.106.0/24)
    PRIVATE=("$(subnet 10.0.109.0/24)" "$(subnet 10.0.110.0/24)" "$(subnet 10.0.111.0/24)")
    ec2 CreateInternetGateway && igw=$(value internetGatewayId)
    ec2 AttachInternetGateway "VpcId=$VPC" "InternetGatewayId=$igw"
    ec2 DescribeRouteTables Filter.1.Name=vpc-id "Filter.1.Value.1=$VPC" && table=$(value routeTableId)
    ec2 CreateRoute "RouteTableId=$table" DestinationCidrBlock=0.0.0.0/0 "GatewayId=$igw" || return 1
    cat >"$TMP/in.yaml" <<Y
InstanceType: c4.large
InboundSSH: 0.0.0.0/0
ike_keyring_peer:
  ip_range: {start: 0.0.0.0, end: 0.0.0.0}
  pre-shared-key: abcdefghijklmn012345
ike_profile: {remote_peer_ip: $ISTHMUS_HUB_ADDRESS}
DmvpnIp: 10.250.0.9
DmvpnNetmask: 255.255.255.0
nhrp: {key: keykey00, HubTunnelIP: 10.250.0.1}
ospf: {processId: 10, authKey: DEADBEEF0123456789, tunnelNetwork: 10.250.0.0, tunnelWildcard: 0.0.0.255, vpcArea: 2, tunnelArea: 0}
name: aws
vpc_id: $VPC
public_subnet: {id: $PUBLIC, cidr: 10.0.106.0/24}
private_subnets: [{id: ${PRIVATE[0]}, cidr: 10.0.109.0/24}, {id: ${PRIVATE[1]}, cidr: 10.0.110.0/24}, {id: ${PRIVATE[2]}, cidr: 10.0.111.0/24}]
ssh_key: my-key
ssh: {private_key: $ISTHMUS_ROUTER_KEY, port: $ISTHMUS_ROUTER_PORT}
onPremCidr: 10.1.0.0/16
onPremPodCidr: 192.168.0.0/16
settle: 3s
Y
}

csr() {
    local op=$1
    shift
    timeout 120 "$ISTHMUS" plugin run "${PLUGIN:-csr-dmvpn}" "$op" --in-process --inputs "${IN:-$TMP/in.yaml}" \
        --state "$TMP/rec.json" "$@" >"$TMP/$op.json" 2>"$TMP/$op.err"
    local rc=$?
    cat "$TMP/$op.err"
    # What comes out is never to hold a secret.
    if grep -lE 'abcdefghijklmn012345|keykey00|DEADBEEF0123456789' "$TMP/$op.json" "$TMP/$op.err" "$TMP/rec.json"; then
        return 99
    fi
    return $rc
}
fails() { ! csr "$@"; }
changes() { # changes N: after observe and plan there are N
    csr plan || return 1
    [ "$(grep -c '"action"' "$TMP/plan.json")" = "$1" ] && return 0
    cat "$TMP/plan.json"
    return 1
}
check_is() { # check_is RESULT NAME [EVIDENCE]
    grep -F -A2 "\"name\": \"$2\"" "$TMP/verify.json" >"$TMP/check" && grep -qF "\"result\": \"$1\"" "$TMP/check" &&
        grep -qF -- "${3:-}" "$TMP/check" && return 0
    cat "$TMP/verify.json"
    return 1
}
# The waiters of the aws command look every 15 or 30 seconds, which is too seldom for a lab.
instance_is() { ec2 DescribeInstances "InstanceId.1=$2" | grep -q "<name>$1</name>"; } # instance_is STATE ID
becomes() { within 300 instance_is "$@"; }
address() { tr -d ' ",' <"$TMP/rec.json" | sed -n 's/^nbma_address://p' | head -1; }
ssh_router() {
    timeout 30 ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
        -i "$ISTHMUS_ROUTER_KEY" -p "$ISTHMUS_ROUTER_PORT" "ec2-user@$(address)" "$@"
}
router() { ssh_router "$*" | tr -d '\r'; }
typed() { printf '%s\n' 'terminal length 0' "$@" exit | ssh_router -tt | tr -d '\r'; }
configure() { typed 'configure terminal' "$@" end; }

# Of which the lab's Linux hosts are made.
has_namespaces() { unshare -Urm true 2>/dev/null || { [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; }; }
need_namespaces() {
    has_namespaces || skip_all "a Linux host of the lab needs namespaces of its own, and here are none"
}
