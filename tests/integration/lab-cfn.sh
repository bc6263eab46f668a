#!/usr/bin/env bash
# CloudFormation as the router's stack uses it: change sets, events, roll-back, deletion.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lab-lib.sh"
start_lab --eks-seconds 0.2
cfn() { query cloudformation "$@"; }

ccp_login && order && eventually ready
named() { ec2 "Describe$1" Filter.1.Name=tag:Name "Filter.1.Value.1=$2" >/dev/null && value "$3"; }
VPC=$(named Vpcs aws-vpc vpcId)
PUB=$(named Subnets aws-public-subnet1 subnetId)
PRIV=$(named Subnets aws-private-subnet1 subnetId)
TABLE=$(named RouteTables aws-private-route-table1 routeTableId)
ec2 DescribeImages Filter.1.Name=name 'Filter.1.Value.1=Cisco-C8K-17.12*' >/dev/null
AMI=$(value imageId)
settled() { lab snapshot | grep -q '"state": "pending"' && return 1; kubectl --kubeconfig "$ISTHMUS_KUBECONFIG_AWS" get pods -A | grep -qE 'Pending|Creating' && return 1; return 0; }
eventually settled
lab snapshot >"$TMP/before"

template() { # template IMAGE CIDR
    cat <<END
{"Parameters": {"Vpc": {"Type": "String"}, "Image": {"Type": "String", "Default": "$1"}},
 "Resources": {
  "Group": {"Type": "AWS::EC2::SecurityGroup", "Properties": {"GroupDescription": "router", "VpcId": {"Ref": "Vpc"},
    "SecurityGroupIngress": [{"IpProtocol": "50", "CidrIp": "0.0.0.0/0"}, {"IpProtocol": "udp", "FromPort": 500, "ToPort": 500, "CidrIp": "0.0.0.0/0"}]}},
  "Outside": {"Type": "AWS::EC2::NetworkInterface", "Properties": {"SubnetId": "$PUB", "PrivateIpAddress": "10.0.106.10", "GroupSet": [{"Ref": "Group"}]}},
  "Inside": {"Type": "AWS::EC2::NetworkInterface", "Properties": {"SubnetId": "$PRIV", "PrivateIpAddress": "10.0.109.10", "GroupSet": [{"Fn::GetAtt": ["Group", "GroupId"]}], "SourceDestCheck": false}},
  "Router": {"Type": "AWS::EC2::Instance", "Properties": {"ImageId": {"Ref": "Image"}, "InstanceType": "c5.large", "KeyName": "my-key",
    "NetworkInterfaces": [{"DeviceIndex": "0", "NetworkInterfaceId": {"Ref": "Outside"}}, {"DeviceIndex": "1", "NetworkInterfaceId": {"Ref": "Inside"}}],
    "UserData": {"Fn::Base64": {"Fn::Join": ["\n", ["ios-config-1=\"hostname csr\"", {"Fn::Sub": "ios-config-2=\"snmp-server location \${AWS::StackName}\""}]]}}}},
  "Route": {"Type": "AWS::EC2::Route", "DependsOn": "Router", "Properties": {"RouteTableId": "$TABLE", "DestinationCidrBlock": "$2", "NetworkInterfaceId": {"Ref": "Inside"}}},
  "Address": {"Type": "AWS::EC2::EIP", "Properties": {"Domain": "vpc"}},
  "Link": {"Type": "AWS::EC2::EIPAssociation", "Properties": {"AllocationId": {"Fn::GetAtt": "Address.AllocationId"}, "NetworkInterfaceId": {"Ref": "Outside"}}}},
 "Outputs": {"Public": {"Value": {"Ref": "Address"}}}}
END
}
changeset() { # changeset NAME TYPE [TEMPLATE]
    cfn CreateChangeSet StackName=aws-csr "ChangeSetName=$1" "ChangeSetType=$2" "TemplateBody=${3:-$(template "$AMI" 10.1.0.0/16)}" \
        Parameters.member.1.ParameterKey=Vpc "Parameters.member.1.ParameterValue=$VPC"
}
changeset_is() { cfn DescribeChangeSet StackName=aws-csr "ChangeSetName=$1" | grep -q "<Status>$2</Status>"; }
stack_is() { cfn DescribeStacks "StackName=${2:-aws-csr}" | grep -q "<StackStatus>$1</StackStatus>"; }
as_before() { lab snapshot >"$TMP/now" && diff "$TMP/before" "$TMP/now"; }

bad() { refused ValidationError cfn ValidateTemplate "TemplateBody=$1"; }
ok "a template that is no JSON is refused" bad '{"Resources":'
ok "one without resources" bad '{"Resources": {}}'
ok "one with an unknown type" bad '{"Resources": {"A": {"Type": "AWS::EC2::Toaster"}}}'
ok "one with a loose reference" bad '{"Resources": {"A": {"Type": "AWS::EC2::EIP", "Properties": {"Domain": {"Ref": "B"}}}}}'
ok "one that runs in a circle" bad '{"Resources": {"A": {"Type": "AWS::EC2::EIP", "DependsOn": "B"}, "B": {"Type": "AWS::EC2::EIP", "DependsOn": "A"}}}'
yaml() { cfn ValidateTemplate 'TemplateBody=Parameters: {P: {Type: String}}
Resources:
  A:
    Type: AWS::EC2::EIP
    Properties: {Domain: !Ref P}'; }
ok "a template may be YAML" yaml
missing_parameter() { refused ValidationError cfn CreateStack StackName=x "TemplateBody=$(template "$AMI" 10.1.0.0/16)"; }
ok "parameters without defaults are needed" missing_parameter

ok "a change set makes the stack, for review" changeset one CREATE
ok "which is REVIEW_IN_PROGRESS" stack_is REVIEW_IN_PROGRESS
ok "and it becomes complete" eventually changeset_is one CREATE_COMPLETE
ok "its name is taken" refused AlreadyExistsException changeset one CREATE
ok "it is executed" cfn ExecuteChangeSet StackName=aws-csr ChangeSetName=one
ok "the stack comes up" eventually stack_is CREATE_COMPLETE
public() { cfn DescribeStacks StackName=aws-csr | grep -q "<OutputValue>$ISTHMUS_ROUTER_ADDRESS</OutputValue>"; }
ok "with its output" public
router() { timeout 15 ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes -o ConnectTimeout=10 -i "$ISTHMUS_ROUTER_KEY" -p "$ISTHMUS_ROUTER_PORT" "ec2-user@$ISTHMUS_ROUTER_ADDRESS" 'show running-config' | grep -E '^hostname csr|^snmp-server location aws-csr' | wc -l | grep -qx 2; }
ok "the router answers there, with its user data applied" router
events() { cfn DescribeStackEvents StackName=aws-csr | tr '>' '\n' | grep -c '^CREATE_COMPLETE<' | grep -qx 8; }
ok "every resource has its events" events
ok "no second stack of the name" refused AlreadyExistsException cfn CreateStack StackName=aws-csr "TemplateBody=$(template "$AMI" 10.1.0.0/16)"
ok "the template comes back" cfn GetTemplate StackName=aws-csr

nothing() { changeset two UPDATE && eventually changeset_is two FAILED && cfn DescribeChangeSet StackName=aws-csr ChangeSetName=two | grep -q "contain changes"; }
ok "a change set without changes FAILS with AWS's text" nothing
ok "and is not executed" refused InvalidChangeSetStatus cfn ExecuteChangeSet StackName=aws-csr ChangeSetName=two
no_update() { refused ValidationError cfn UpdateStack StackName=aws-csr UsePreviousTemplate=true Parameters.member.1.ParameterKey=Vpc Parameters.member.1.UsePreviousValue=true; }
ok "nor is an update with nothing to do" no_update
ec2 DeleteRoute "RouteTableId=$TABLE" DestinationCidrBlock=10.1.0.0/16 >/dev/null
ok "a route deleted by hand is not put back by one either" no_update
ec2 DescribeNetworkInterfaces Filter.1.Name=addresses.private-ip-address Filter.1.Value.1=10.0.109.10 >/dev/null
ec2 CreateRoute "RouteTableId=$TABLE" DestinationCidrBlock=10.1.0.0/16 "NetworkInterfaceId=$(value networkInterfaceId)" >/dev/null
other_route() { changeset three UPDATE "$(template "$AMI" 10.2.0.0/16)" && eventually changeset_is three CREATE_COMPLETE && cfn ExecuteChangeSet StackName=aws-csr ChangeSetName=three && eventually stack_is UPDATE_COMPLETE; }
ok "an update replaces what changed" other_route
replaced() { ec2 DescribeRouteTables "RouteTableId.1=$TABLE" | grep -q 10.2.0.0/16 && ! grep -q 10.1.0.0/16 "$TMP/answer"; }
ok "and takes the old away" replaced

in_place() {
    ec2 DescribeNetworkInterfaces Filter.1.Name=addresses.private-ip-address Filter.1.Value.1=10.0.109.10 >/dev/null
    local before; before=$(value networkInterfaceId)
    changeset four UPDATE "$(template "$AMI" 10.2.0.0/16 | sed 's/"FromPort": 500, "ToPort": 500/"FromPort": 4500, "ToPort": 4500/; s/"SourceDestCheck": false/"SourceDestCheck": true/')" &&
        eventually changeset_is four CREATE_COMPLETE && cfn ExecuteChangeSet StackName=aws-csr ChangeSetName=four && eventually stack_is UPDATE_COMPLETE &&
        ec2 DescribeNetworkInterfaces Filter.1.Name=addresses.private-ip-address Filter.1.Value.1=10.0.109.10 | grep -q '<sourceDestCheck>true' &&
        [ "$(value networkInterfaceId)" = "$before" ] && ec2 DescribeSecurityGroupRules | grep -q '<fromPort>4500' && ! grep -q '<fromPort>500<' "$TMP/answer"
}
ok "rules and checks change in place" in_place

ok "the stack is deleted" cfn DeleteStack StackName=aws-csr
gone() { refused ValidationError cfn DescribeStacks StackName=aws-csr; }
ok "and goes whole" eventually gone
ok "the lab is as before" as_before
ok "deleting it again is no error" cfn DeleteStack StackName=aws-csr

# ---- failures ----
lab faults add action=CloudFormation/EC2:RunInstances effect=status code=OptInRequired >/dev/null
start() { cfn CreateStack StackName=aws-csr "TemplateBody=$(template "$AMI" 10.1.0.0/16)" Parameters.member.1.ParameterKey=Vpc "Parameters.member.1.ParameterValue=$VPC"; }
ok "a stack whose instance is refused" start
ok "rolls back" eventually stack_is ROLLBACK_COMPLETE
reason() { cfn DescribeStackEvents StackName=aws-csr | grep -q OptInRequired; }
ok "says why in its events" reason
ok "is deleted" cfn DeleteStack StackName=aws-csr
ok "and leaves nothing" eventually as_before
finish
