#!/usr/bin/env bash
# AWS by its own command line: the walk-through's calls; and by curl: what a client must get right.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lab-lib.sh"
command -v aws >/dev/null || skip_all "there is no aws command here"
start_lab --eks-seconds 0.2
export AWS_PAGER='' AWS_RETRY_MODE=standard AWS_MAX_ATTEMPTS=1

# ---- signatures ----
ok "the operator is who it is" sh -c 'aws sts get-caller-identity | grep -q user/operator'
wrong_secret() { AWS_SECRET_ACCESS_KEY=wrong refused AuthFailure ec2 DescribeVpcs; }
ok "a wrong secret is refused by EC2" wrong_secret
wrong_sts() { AWS_SECRET_ACCESS_KEY=wrong refused SignatureDoesNotMatch query sts GetCallerIdentity; }
ok "and by STS in its own words" wrong_sts
unknown_key() { AWS_ACCESS_KEY_ID=AKIANOBODY refused InvalidClientTokenId query sts GetCallerIdentity; }
ok "an unknown key is refused" unknown_key
unsigned() { curl -sS --cacert "$AWS_CA_BUNDLE" -d Action=DescribeVpcs "$AWS_ENDPOINT_URL/" >"$TMP/answer"; grep -q MissingAuthenticationToken "$TMP/answer"; }
ok "an unsigned call is refused" unsigned
eks_wrong() { AWS_SECRET_ACCESS_KEY=wrong aws eks list-clusters >"$TMP/said" 2>&1; grep -q InvalidSignatureException "$TMP/said"; }
ok "EKS refuses in JSON" eks_wrong
assumed() {
    # shellcheck disable=SC2046
    set -- $(aws sts assume-role --role-arn "$ROLE" --role-session-name me --query 'Credentials.[AccessKeyId,SecretAccessKey,SessionToken]' --output text)
    AWS_ACCESS_KEY_ID=$1 AWS_SECRET_ACCESS_KEY=$2 AWS_SESSION_TOKEN=$3 aws sts get-caller-identity | grep -q assumed-role/k8s-ccp-user/me &&
        AWS_ACCESS_KEY_ID=$1 AWS_SECRET_ACCESS_KEY=$2 refused InvalidClientTokenId query sts GetCallerIdentity
}
ok "a role is assumed, its token needed" assumed

# ---- the walk-through's cluster ----
ccp_login && order && eventually ready
id() { aws ec2 "describe-$1" --filters "Name=tag:Name,Values=$2" --query "$3" --output text; }
VPC=$(id vpcs 'aws*' 'Vpcs[0].VpcId')
PUB=$(id subnets '*public-subnet1' 'Subnets[0].SubnetId')
PRIV=$(id subnets '*private-subnet1' 'Subnets[0].SubnetId')
found() { [[ $VPC == vpc-* && $PUB == subnet-* && $PRIV == subnet-* ]]; }
ok "VPC and subnets are found by their names" found
tables() { [ "$(aws ec2 describe-route-tables --filters "Name=vpc-id,Values=$VPC" 'Name=tag:Name,Values=*private-route-table*' --query 'length(RouteTables)')" = 3 ]; }
ok "so are the three private route tables" tables
worker_group() { aws ec2 describe-security-groups --filters "Name=vpc-id,Values=$VPC" 'Name=group-name,Values=*worker group*' --query 'SecurityGroups[0].GroupId' --output text >"$TMP/wg" && grep -q sg- "$TMP/wg"; }
ok "and the worker group" worker_group
ok "the cluster is ACTIVE in EKS" sh -c 'aws eks describe-cluster --name aws --query cluster.status | grep -q ACTIVE'
token() { # as the walk-through's kubeconfig does it, but by aws
    server=$(aws eks describe-cluster --name aws --query cluster.endpoint --output text)
    bearer=$(aws eks get-token --cluster-name aws ${1:+--role-arn "$1"} --query status.token --output text)
    printf 'header = "Authorization: Bearer %s"\n' "$bearer" | curl -sS -K - --cacert "$ISTHMUS_LAB_CA" -o /dev/null -w '%{http_code}' "$server/api/v1/namespaces"
}
role_in() { [ "$(token "$ROLE")" = 200 ]; }
if old_aws; then
    skip "a token of the access role opens the cluster" "this aws asks AWS's own STS"
else
    ok "a token of the access role opens the cluster" role_in
fi
user_out() { [ "$(token)" = 401 ]; }
ok "one of a stranger does not" user_out

# ---- objects and their rules ----
AMI=$(aws ec2 describe-images --owners aws-marketplace --filters 'Name=name,Values=Cisco-C8K-17.12*' --query 'Images[0].ImageId' --output text)
eni() { aws ec2 create-network-interface --subnet-id "$PRIV" --private-ip-address 10.0.109.10 --tag-specifications 'ResourceType=network-interface,Tags=[{Key=Name,Value=inside}]' --query NetworkInterface.NetworkInterfaceId --output text; }
ENI=$(eni)
made() { [[ $ENI == eni-* ]]; }
ok "an interface is made at .10" made
ok "the address is not given twice" refused InvalidIPAddress.InUse ec2 CreateNetworkInterface "SubnetId=$PRIV" PrivateIpAddress=10.0.109.10
outside_subnet() { refused InvalidParameterValue ec2 CreateNetworkInterface "SubnetId=$PRIV" PrivateIpAddress=10.0.110.10; }
ok "nor one of another subnet" outside_subnet
ok "the check goes off" aws ec2 modify-network-interface-attribute --network-interface-id "$ENI" --no-source-dest-check
TABLE=$(id route-tables aws-private-route-table1 'RouteTables[0].RouteTableId')
ok "a route is made" aws ec2 create-route --route-table-id "$TABLE" --destination-cidr-block 192.168.0.0/16 --network-interface-id "$ENI"
ok "a second to the same prefix is refused" refused RouteAlreadyExists ec2 CreateRoute "RouteTableId=$TABLE" DestinationCidrBlock=192.168.0.0/16 "NetworkInterfaceId=$ENI"
WG=$(cat "$TMP/wg")
rule() { ec2 AuthorizeSecurityGroupIngress "GroupId=$WG" IpPermissions.1.IpProtocol=-1 IpPermissions.1.IpRanges.1.CidrIp=192.168.0.0/16; }
ok "a rule is made" rule
ok "and refused a second time" refused InvalidPermission.Duplicate rule
ok "a group that is used stays" refused DependencyViolation ec2 DeleteSecurityGroup "GroupId=$WG"
ok "so does a subnet" refused DependencyViolation ec2 DeleteSubnet "SubnetId=$PRIV"
ok "and the VPC" refused DependencyViolation ec2 DeleteVpc "VpcId=$VPC"
ok "an unknown filter is refused" refused InvalidParameterValue ec2 DescribeVpcs Filter.1.Name=colour Filter.1.Value.1=red
ok "an unknown id too" refused InvalidVpcID.NotFound ec2 DescribeVpcs VpcId.1=vpc-0
ok "and an unknown action" refused InvalidAction ec2 PaintVpc
pages() {
    ec2 DescribeNetworkInterfaces MaxResults=5 >/dev/null || return 1
    for _ in 1 2 3 4; do ec2 CreateNetworkInterface "SubnetId=$PRIV" "TagSpecification.1.ResourceType=network-interface" TagSpecification.1.Tag.1.Key=page TagSpecification.1.Tag.1.Value=1 >/dev/null || return 1; done
    ec2 CreateNetworkInterface "SubnetId=$PRIV" >/dev/null
    ec2 CreateNetworkInterface "SubnetId=$PRIV" >/dev/null
    all=$(ec2 DescribeNetworkInterfaces | grep -o '<networkInterfaceId>' | wc -l)
    ec2 DescribeNetworkInterfaces MaxResults=5 >"$TMP/page"
    [ "$(grep -o '<networkInterfaceId>' "$TMP/page" | wc -l)" = 5 ] && next=$(value nextToken) && [ -n "$next" ] || return 1
    ec2 DescribeNetworkInterfaces MaxResults=1000 "NextToken=$next" >"$TMP/page"
    [ "$(grep -o '<networkInterfaceId>' "$TMP/page" | wc -l)" = $((all - 5)) ]
}
ok "long lists come in pages" pages

# ---- client tokens ----
run() { ec2 RunInstances "ImageId=$AMI" "InstanceType=${1:-c5.large}" MinCount=1 MaxCount=1 "SubnetId=$PUB" KeyName=my-key ClientToken=once UserData=aG9zdG5hbWUgcjE=; }
run >/dev/null
I1=$(value instanceId)
same_instance() { run >/dev/null && [ -n "$I1" ] && [ "$(value instanceId)" = "$I1" ]; }
ok "a client token gives the same instance" same_instance
ok "with other parameters it is an error" refused IdempotentParameterMismatch run t3.medium
user_data() { aws ec2 describe-instance-attribute --instance-id "$I1" --attribute userData --query UserData.Value --output text | base64 -d | grep -q 'hostname r1'; }
ok "user data is readable" user_data
power() { # power ACTION STATE: done, and the state comes to be
    aws ec2 "$1-instances" --instance-ids "$I1" >/dev/null && aws ec2 wait "instance-$2" --instance-ids "$I1"
}
resize() { aws ec2 modify-instance-attribute --instance-id "$I1" --instance-type "Value=$1"; }
type_is() { [ "$(aws ec2 describe-instances --instance-ids "$I1" --query 'Reservations[0].Instances[0].InstanceType' --output text)" = "$1" ]; }
resize_refused() { ! resize t3.large 2>"$TMP/answer" && grep -q IncorrectInstanceState "$TMP/answer"; }
ok "a running instance keeps its size" resize_refused
ok "it is stopped" power stop stopped
ok "stopping it again is no error" power stop stopped
ok "then it may be resized" resize t3.large
ok "which shows" type_is t3.large
ok "it is started" power start running
ok "the instance is terminated" aws ec2 terminate-instances --instance-ids "$I1"
corpse() { run >/dev/null && [ "$(value instanceId)" = "$I1" ] && grep -qE 'shutting-down|terminated' "$TMP/answer"; }
ok "its token then gives the terminated one" corpse
ok "which does not start again" refused IncorrectInstanceState ec2 StartInstances "InstanceId.1=$I1"
ok "an unknown one neither" refused InvalidInstanceID.NotFound ec2 StopInstances InstanceId.1=i-0

# ---- Elastic IPs ----
first() { ec2 AllocateAddress Domain=vpc >/dev/null && [ "$(value publicIp)" = "$ISTHMUS_ROUTER_ADDRESS" ]; }
ok "the first Elastic IP is the one in the environment" first
A=$(value allocationId)
ok "it goes to an interface" ec2 AssociateAddress "AllocationId=$A" "NetworkInterfaceId=$ENI"
ASSOCIATION=$(value associationId)
ok "which is not done twice" refused Resource.AlreadyAssociated ec2 AssociateAddress "AllocationId=$A" "NetworkInterfaceId=$ENI"
ok "and it is not released while it is there" refused InvalidIPAddress.InUse ec2 ReleaseAddress "AllocationId=$A"
ok "freed" ec2 DisassociateAddress "AssociationId=$ASSOCIATION"
ok "it is released" ec2 ReleaseAddress "AllocationId=$A"
missing_tag_type() { refused InvalidParameterValue ec2 CreateVpc CidrBlock=10.7.0.0/16 TagSpecification.1.ResourceType=subnet TagSpecification.1.Tag.1.Key=a; }
ok "tags for another kind of thing are refused" missing_tag_type
tagged() { aws ec2 create-tags --resources "$ENI" --tags Key=mine,Value=yes && aws ec2 describe-tags --filters Name=key,Values=mine --query 'Tags[0].ResourceId' --output text | grep -q "$ENI"; }
ok "tags are set and found" tagged
finish
