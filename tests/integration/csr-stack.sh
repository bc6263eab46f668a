#!/usr/bin/env bash
# csr-dmvpn alone against the lab: its CloudFormation stack. What is planned is what a change set does; every status in
# which a stack can be stuck has a way out; nothing is made twice.
# shellcheck disable=SC1091,SC2016 # messages hold back quotes
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lab-lib.sh"
. "$(dirname "$0")/router-lib.sh"
command -v aws >/dev/null || skip_all "the aws command is not installed"
start_lab
serve_aws
ok "there is a VPC with the walk-through's subnets" make_vpc
cp "$TMP/in.yaml" "$TMP/plain.yaml"
output() { tr -d ' ",' <"$TMP/rec.json" | sed -n "s/^$1://p" | head -1; }
shows() { grep -qF -- "$1" "$TMP/plan.json" "$TMP/plan.err" || { cat "$TMP/plan.json" "$TMP/plan.err"; return 1; }; }
fields() { grep -c '"field"' "$TMP/plan.json"; }
told() { grep -qF -- "$1" "$TMP/apply.json" "$TMP/apply.err" || { cat "$TMP/apply.json" "$TMP/apply.err"; return 1; }; }
cfn() { aws cloudformation --output text "$@"; }
status_is() { [ "$(cfn describe-stacks --stack-name aws-csr --query 'Stacks[0].StackStatus')" = "$1" ]; }
calls() { lab log --output jsonl | grep -c "\"action\": *\"$1\""; }
with() { cp "$TMP/plain.yaml" "$TMP/in.yaml" && printf '%s\n' "$@" >>"$TMP/in.yaml"; } # further inputs
fault() { lab faults add service=aws "$@" >/dev/null; }
has() { # has NUMBER TEXT ACTION [KEY=VALUE...]: so often the answer holds it
    [ "$(ec2 "${@:3}" | grep -oF "$2" | wc -l)" = "$1" ] && return 0
    cat "$TMP/answer"
    return 1
}
one_of_each() {
    has 1 '<instanceState>' DescribeInstances Filter.1.Name=instance-state-name Filter.1.Value.1=pending Filter.1.Value.2=running \
        Filter.1.Value.3=stopping Filter.1.Value.4=stopped &&
        has 1 '<allocationId>' DescribeAddresses &&
        has 2 '<description>DMVPN router, ' DescribeNetworkInterfaces &&
        has 1 '<groupDescription>DMVPN router<' DescribeSecurityGroups
}

# ---- the image ----
ok "the first plan" csr plan
ok "warns that SSH is open to everybody" shows 'SSH to the endpoint is open to everybody (`InboundSSH: 0.0.0.0/0`)'
AMI=$(aws ec2 describe-images --filters 'Name=name,Values=Cisco-C8K-*' --query 'Images[0].ImageId' --output text)
aws ssm put-parameter --name /router/image --type String --value "$AMI" >/dev/null
aws ssm put-parameter --name /router/nothing --type String --value words >/dev/null
with 'image_parameter: /router/image'
ok "an image by a parameter of Systems Manager" csr plan
ok "is that one" shows "$AMI"
with 'image_parameter: /router/nothing'
no_image() { fails plan && shows 'which is no image'; }
ok "one that holds no image is refused" no_image
with 'image_parameter: /router/unknown'
no_parameter() { fails plan && shows 'ParameterNotFound'; }
ok "and one that is not there" no_parameter
with 'image: cisco_CSR-*' 'image_owner: self'
no_owner() { fails plan && shows 'no image of self is named cisco_CSR-*'; }
ok "an image is looked for among its owner's" no_owner
with "ami: $AMI"
ok "an image by its id" csr plan
ok "is that one" shows "$AMI"
with

# ---- what would be refused half way is told in plan ----
refused() { fails plan && shows "$1" && [ "$(writes)" = "$written" ]; }
subnet_in() { aws ec2 create-subnet --vpc-id "$1" --cidr-block "$2" --availability-zone "$3" --query Subnet.SubnetId --output text; }
written=$(writes)
with 'public_address: 10.0.106.3'
ok "an address that AWS keeps for itself" refused "10.0.106.3 is AWS's own"
with 'public_address: 10.0.107.10'
ok "one of another subnet" refused "10.0.107.10 is not in 10.0.106.0/24"
with
sed -i 's/^ssh_key: .*/ssh_key: nobody/' "$TMP/in.yaml"
ok "a key pair that is not there" refused "EC2 has no key pair nobody in us-west-2"
FAR=$(subnet_in "$VPC" 10.0.200.0/24 us-west-2d) FARTHER=$(subnet_in "$VPC" 10.0.201.0/24 us-west-2d)
written=$(writes)
with
sed -i "s#^public_subnet: .*#public_subnet: {id: $FAR, cidr: 10.0.200.0/24}#" "$TMP/in.yaml"
ok "subnets of two zones" refused "one instance cannot be in both"
sed -i "s#^private_subnets: .*#private_subnets: [{id: $FARTHER, cidr: 10.0.201.0/24}]#" "$TMP/in.yaml"
ok "an instance type that their zone has not" refused "EC2 has instance type c4.large in us-west-2a, us-west-2b, us-west-2c, not in us-west-2d"
with
sed -i "s#^vpc_id: .*#vpc_id: $(aws ec2 create-vpc --cidr-block 10.9.0.0/16 --query Vpc.VpcId --output text)#" "$TMP/in.yaml"
written=$(writes)
ok "subnets of another VPC" refused "is in $VPC, not in vpc-"
with

# ---- a creation that fails, and statuses without a way back ----
fault effect=status code=OptInRequired 'action=CloudFormation/EC2:RunInstances' times=1
optin() { fails apply && told 'Router (AWS::EC2::Instance): OptInRequired' && told 'https://aws.amazon.com/marketplace/pp?sku='; }
ok "an image that is not subscribed to: the first resource that failed, and where to subscribe" optin
ok "the stack is ROLLBACK_COMPLETE" status_is ROLLBACK_COMPLETE
ok "plan says so" csr plan
ok "and makes it anew" shows "it is ROLLBACK_COMPLETE"
csr destroy >"$TMP/out" 2>&1
fault effect=status status=400 code=LimitExceeded action=ExecuteChangeSet
ok "nothing can be executed" fails apply
lab faults clear >/dev/null
ok "the stack is REVIEW_IN_PROGRESS" status_is REVIEW_IN_PROGRESS
ok "plan says so" csr plan
ok "and makes it" shows "it is REVIEW_IN_PROGRESS"
ok "apply makes it" csr apply
ok "with the events as progress" told "stack aws-csr: Router CREATE_COMPLETE"
ok "one of each" one_of_each
ok "the plan is empty" changes 0

# ---- changes ----
with 'InboundSSH: 10.9.0.0/16'
sed -i '/^InboundSSH: 0/d' "$TMP/in.yaml"
ok "a change of one property" csr plan
ok "is one field" [ "$(fields)" = 1 ]
ok "which is named" shows "Group.SecurityGroupIngress"
written=$(writes)
none_written() { csr plan && [ "$(writes)" = "$written" ]; }
ok "plan writes nothing" none_written
sets=$(calls CloudFormation:CreateChangeSet)
ok "apply makes it" csr apply
ok "by one change set" [ $(($(calls CloudFormation:CreateChangeSet) - sets)) = 1 ]
ok "the plan is empty" changes 0
with
ok "and back" csr apply
ok "the plan is empty" changes 0
with 'InboundSSH: 10.9.0.0/16'
sed -i '/^InboundSSH: 0/d' "$TMP/in.yaml"
ok "and there once more" csr apply
ok "the plan is empty" changes 0
with
csr apply >"$TMP/out" 2>&1
left_over() { [ "$(cfn list-change-sets --stack-name aws-csr --query 'length(Summaries[?ExecutionStatus==`AVAILABLE`])')" = 0 ]; }
ok "no change set is left over" left_over
# Of what CloudFormation would do, a thing is not in the plan.
with 'InboundSSH: 10.9.0.0/16'
sed -i '/^InboundSSH: 0/d' "$TMP/in.yaml"
change() { printf '<member><Type>Resource</Type><ResourceChange><Action>%s</Action><LogicalResourceId>%s</LogicalResourceId><Replacement>%s</Replacement></ResourceChange></member>' "$@"; }
would() { printf '<DescribeChangeSetResponse><DescribeChangeSetResult><Status>CREATE_COMPLETE</Status><ExecutionStatus>AVAILABLE</ExecutionStatus><Changes>%s</Changes></DescribeChangeSetResult></DescribeChangeSetResponse>' "$1"; }
surprise() { # surprise MESSAGE CHANGES: refused, the change set is gone, nothing is executed
    local executed
    executed=$(calls CloudFormation:ExecuteChangeSet)
    fault effect=answer action=DescribeChangeSet times=1 "body=$(would "$2")"
    fails apply && told "$1" && told 'the change set was deleted and nothing was changed: plan again' && left_over &&
        [ "$(calls CloudFormation:ExecuteChangeSet)" = "$executed" ]
}
ok "a change set that would remove something is deleted" surprise "Inside: the change set would Remove it" "$(change Modify Group False)$(change Remove Inside '')"
fault effect=status status=400 code=LimitExceeded action=ExecuteChangeSet times=1
unexecuted() { fails apply && told LimitExceeded && left_over; }
ok "so is one that cannot be executed" unexecuted
ok "so is one that would replace what is only changed" surprise "Group: the change set would Modify it by a replacement" "$(change Modify Group True)"
ok "and one that would do less" surprise "Group: the plan is to Modify it, and the change set would not" ""
lab faults clear >/dev/null
with
ok "the plan is empty" changes 0
with 'tags: {team: network}'
ok "a tag" csr plan
ok "is one field" [ "$(fields)" = 1 ]
ok "which is named" shows "Tags.team"
ok "apply makes it" csr apply
ok "the plan is empty" changes 0
with
sed -i 's/^InstanceType: .*/InstanceType: t3.medium/' "$TMP/in.yaml"
ok "another size, and no tag" csr plan
ok "are two fields" [ "$(fields)" = 2 ]
ok "apply makes it" csr apply
ok "the plan is empty" changes 0
ok "and the router works" csr verify
with
csr apply >"$TMP/out" 2>&1

# ---- another instance: interfaces and address stay ----
ssh-keygen -y -f "$ISTHMUS_ROUTER_KEY" >"$TMP/other.pub"
ok "there is another key pair" aws ec2 import-key-pair --key-name other-key --public-key-material "fileb://$TMP/other.pub"
WAS="$(output id | grep eni) $(output nbma_address)" OLD=$(output instance_id)
image() { aws ec2 describe-instances --instance-ids "$(output instance_id)" --query 'Reservations[0].Instances[0].ImageId' --output text; }
IMAGE=$(image)
with 'image: Cisco-C8K-*' # of which a new router would be made
sed -i 's/^ssh_key: .*/ssh_key: other-key/' "$TMP/in.yaml"
ok "another key pair" csr plan
ok "replaces the instance" shows '"action": "replace"'
ok "and says so" shows "its instance is replaced, interfaces and address stay"
ok "apply makes it" csr apply
stayed() { [ "$(output id | grep eni) $(output nbma_address)" = "$WAS" ] && [ "$(output instance_id)" != "$OLD" ]; }
ok "they stayed" stayed
same_image() { [ "$(image)" = "$IMAGE" ]; }
ok "and so did its image: another was not in the plan" same_image
ok "one of each" one_of_each
ok "the plan is empty" changes 0
ok "and the router works" csr verify
grep -v '^image: ' "$TMP/in.yaml" >"$TMP/plain.yaml"

# ---- what cannot be had costs nothing that works ----
instance() { [ "$(output instance_id)" = "$OLD" ] && csr verify; }
OLD=$(output instance_id)
aws ec2 create-network-interface --subnet-id "$PUBLIC" --private-ip-address 10.0.106.77 --description "a pod" >"$TMP/eni"
with 'public_address: 10.0.106.77'
taken() { fails plan && shows '10.0.106.77 is taken by eni-' && shows '(a pod)' && fails apply && instance; }
ok "an address that somebody holds: the router stays as it is" taken
with
sed -i 's/^ssh_key: .*/ssh_key: nobody/' "$TMP/in.yaml"
keyless() { fails plan && fails apply && told 'no key pair nobody' && instance; }
ok "so it does with a key pair that is not there" keyless
with 'public_address: 10.0.106.12'
ok "a free address" csr plan
ok "replaces the interface too, and the plan says so" shows "its outside interface is replaced, and the instance with it"
ok "apply makes it" csr apply
ok "one of each" one_of_each
ok "the plan is empty" changes 0
with 'private_address: 10.0.109.13'
fault effect=status code=OptInRequired 'action=CloudFormation/EC2:RunInstances' times=1
ok "an image to which nobody is subscribed any more: where to do that" optin
ok "both interfaces at once, after that" csr apply
ok "one of each" one_of_each
ok "the plan is empty" changes 0
ok "and the router works" csr verify
with
csr apply >"$TMP/out" 2>&1

# ---- what somebody else puts into the stack ----
cfn get-template --stack-name aws-csr --query TemplateBody --output json >"$TMP/template"
sed -i "0,/\"Resources\": *{/s//&\"Extra\": {\"Type\": \"AWS::EC2::SecurityGroup\", \"Properties\": {\"GroupDescription\": \"theirs\", \"VpcId\": \"$VPC\"}},/" "$TMP/template"
theirs() { cfn update-stack --stack-name aws-csr --template-body "file://$TMP/template" && eventually status_is UPDATE_COMPLETE; }
ok "a group more" theirs
MARK=$(cfn describe-stacks --stack-name aws-csr --query "Stacks[0].Tags[?Key=='isthmus-token']|[0].Value")
fault effect=answer 'action=^CloudFormation:DescribeStacks$' times=2 "body=<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackId>aws-csr</StackId><StackName>aws-csr</StackName><StackStatus>UPDATE_IN_PROGRESS</StackStatus><Tags><member><Key>isthmus-token</Key><Value>$MARK</Value></member></Tags></member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
touched() { fails apply && told 'somebody else changed the stack; it is UPDATE_COMPLETE now' && has 1 '<groupDescription>theirs<' DescribeSecurityGroups; }
ok "while they are at it apply waits, and does nothing then that nobody saw" touched
lab faults clear >/dev/null
ok "the plan" csr plan
ok "is one field" [ "$(fields)" = 1 ]
ok "which is named" shows Extra.Type
ok "apply takes it out" csr apply
ok "and nothing else" has 0 '<groupDescription>theirs<' DescribeSecurityGroups
ok "one of each" one_of_each
ok "the plan is empty" changes 0

# ---- a stack cannot be renamed ----
OLD=$(output instance_id)
with
sed -i 's/^name: .*/name: other/' "$TMP/in.yaml"
ok "another name" csr plan
ok "is another tag of the instance" shows Router.Tags
ok "and nothing else, though its user data would be another" [ "$(fields)" = 1 ]
ok "apply sets it" csr apply
one_stack() { [ "$(cfn describe-stacks --query 'Stacks[].StackName')" = aws-csr ] && [ "$(output instance_id)" = "$OLD" ] && one_of_each; }
ok "on the same stack" one_stack
ok "the plan is empty" changes 0
with
csr apply >"$TMP/out" 2>&1

# ---- answers that are lost ----
GROUP=$(output security_group)
lost() { # lost ACTION command...: what the command did is mended in one go, though the answer to ACTION is lost
    local action=$1
    shift
    "$@" >"$TMP/out" 2>&1
    fault effect=cut-after "action=$action" times=1
    ok "a lost answer to $action" csr apply
    lab faults clear >/dev/null
    ok "  one of each" one_of_each
    ok "  and nothing is left to do" changes 0
}
id() { output instance_id; }
resize() { # by hand
    aws ec2 stop-instances --instance-ids "$(id)" && becomes stopped "$(id)" &&
        aws ec2 modify-instance-attribute --instance-id "$(id)" --instance-type Value=c5.large && aws ec2 start-instances --instance-ids "$(id)" &&
        becomes running "$(id)"
}
aws_untag() { with 'tags: {a: b}' && csr apply && aws ec2 delete-tags --resources "$(id)" --tags Key=a; }
lost StartInstances eval 'aws ec2 stop-instances --instance-ids "$(id)" && becomes stopped "$(id)"'
lost AuthorizeSecurityGroupIngress aws ec2 revoke-security-group-ingress --group-id "$GROUP" --ip-permissions 'IpProtocol=50,IpRanges=[{CidrIp=0.0.0.0/0}]'
lost RevokeSecurityGroupIngress aws ec2 authorize-security-group-ingress --group-id "$GROUP" --ip-permissions 'IpProtocol=47,IpRanges=[{CidrIp=0.0.0.0/0}]'
lost AuthorizeSecurityGroupEgress aws ec2 revoke-security-group-egress --group-id "$GROUP" --ip-permissions 'IpProtocol=-1,IpRanges=[{CidrIp=0.0.0.0/0}]'
outside() { aws ec2 describe-network-interfaces --query "NetworkInterfaces[?Description=='DMVPN router, outside']|[0].$1" --output text; }
lost AssociateAddress eval 'aws ec2 disassociate-address --association-id "$(outside Association.AssociationId)"'
lost AttachNetworkInterface eval 'aws ec2 detach-network-interface --attachment-id "$(aws ec2 describe-network-interfaces --query "NetworkInterfaces[?Description=='"'DMVPN router, inside'"']|[0].Attachment.AttachmentId" --output text)"'
lost StopInstances resize
lost ModifyInstanceAttribute resize
lost ModifyNetworkInterfaceAttribute eval 'aws ec2 modify-network-interface-attribute --network-interface-id "$(aws ec2 describe-network-interfaces --query "NetworkInterfaces[?Description=='"'DMVPN router, inside'"']|[0].NetworkInterfaceId" --output text)" --source-dest-check'
lost CreateTags aws_untag
lost CreateChangeSet with 'tags: {a: b}'
lost ExecuteChangeSet with 'tags: {a: c}'
with
csr apply >"$TMP/out" 2>&1

# ---- an update that can neither be made nor taken back ----
lose_address() {
    aws ec2 disassociate-address --association-id "$(outside Association.AssociationId)" &&
        aws ec2 release-address --allocation-id "$(aws ec2 describe-addresses --query 'Addresses[0].AllocationId' --output text)"
}
ok "the Elastic IP is released" lose_address
fault effect=status code=AddressLimitExceeded 'action=CloudFormation/EC2:AllocateAddress' times=1
no_address() { fails apply && told 'Address (AWS::EC2::EIP): AddressLimitExceeded'; }
ok "and there is no other" no_address
ok "the stack is UPDATE_ROLLBACK_COMPLETE" status_is UPDATE_ROLLBACK_COMPLETE
ok "plan is not held up by a router that has no address" csr plan
ok "and names what is missing" shows Association.NetworkInterfaceId
ok "apply makes it" csr apply
ok "one of each" one_of_each
ok "the plan is empty" changes 0
ok "the Elastic IP is released" lose_address
fault effect=status code=InternalError 'action=CloudFormation/EC2:AssociateAddress' times=1
fault effect=status code=InternalError 'action=CloudFormation/EC2:ReleaseAddress' times=1
first_failed() { fails apply && told "Association (AWS::EC2::EIPAssociation)"; }
ok "apply fails, and names the first resource that did" first_failed
lab faults clear >/dev/null
ok "the stack is UPDATE_ROLLBACK_FAILED" status_is UPDATE_ROLLBACK_FAILED
ok "plan says so" csr plan
ok "and what is done about it" shows "it is UPDATE_ROLLBACK_FAILED: its rollback is continued"
fault effect=status code=InternalError 'action=CloudFormation/EC2:ReleaseAddress' times=1
SKIP='cloudformation continue-update-rollback --stack-name aws-csr --resources-to-skip Address'
again_failed() { fails apply && told 'Address (AWS::EC2::EIP)' && told 'mend what it names and apply again' && told "\`aws $SKIP\`" && told '`destroy`, which removes'; }
ok "which may fail too: what failed, and what else can be done" again_failed
lab faults clear >/dev/null
fault effect=cut-after action=ContinueUpdateRollback times=1
ok "apply does it though the answer is lost, and goes on" csr apply
lab faults clear >/dev/null
ok "one of each" one_of_each
ok "the plan is empty" changes 0
ok "and the router works" csr verify

ok "the Elastic IP is released once more" lose_address
fault effect=status code=InternalError 'action=CloudFormation/EC2:AssociateAddress' times=1
fault effect=status code=InternalError 'action=CloudFormation/EC2:ReleaseAddress' times=1
ok "apply fails as before" fails apply
lab faults clear >/dev/null
# shellcheck disable=SC2086 # words
skipped() { aws $SKIP && eventually status_is UPDATE_ROLLBACK_COMPLETE; }
ok "what cannot be taken back is left out by the command that was named" skipped
aws ec2 release-address --allocation-id "$(aws ec2 describe-addresses --query 'Addresses[?AssociationId==null]|[0].AllocationId' --output text)" # nobody's now
ok "apply mends it" csr apply
ok "one of each" one_of_each
ok "the plan is empty" changes 0

# ---- deletions that are refused, or fail ----
protect() { aws cloudformation update-termination-protection "--$1" --stack-name aws-csr >/dev/null; }
protect enable-termination-protection
protected() { fails destroy && grep -qF 'no-enable-termination-protection --stack-name aws-csr' "$TMP/destroy.json" "$TMP/destroy.err"; }
ok "a stack that somebody protected stays, and how that is lifted is said" protected
protect no-enable-termination-protection
aws ec2 create-network-interface --subnet-id "${PRIVATE[1]}" --groups "$GROUP" --description "somebody else's" >"$TMP/eni"
ENI=$(grep -o 'eni-[0-9a-f]*' "$TMP/eni" | head -1)
blocked() { fails destroy && grep -qF 'Group (AWS::EC2::SecurityGroup)' "$TMP/destroy.json" "$TMP/destroy.err"; }
ok "somebody uses the router's group: destroy fails and names it" blocked
ok "and who uses it" grep -qF "$GROUP is used by interface $ENI (somebody else's)" "$TMP/destroy.json"
ok "the stack is DELETE_FAILED" status_is DELETE_FAILED
ok "plan says so" csr plan
ok "and makes it anew" shows "it is DELETE_FAILED"
still() { fails apply && told "$GROUP is used by interface $ENI"; }
ok "which cannot be while somebody uses it" still
aws ec2 delete-network-interface --network-interface-id "$ENI" >/dev/null
ok "without that apply goes on" csr apply
ok "one of each" one_of_each
ok "the plan is empty" changes 0
ok "and the router works" csr verify

# ---- destroy while an update is under way ----
fault effect=answer status=400 action=DeleteStack times=1 'body=<ErrorResponse><Error><Code>ValidationError</Code><Message>Stack [aws-csr] cannot be deleted while in status UPDATE_IN_PROGRESS</Message></Error></ErrorResponse>'
asked=$(calls CloudFormation:DeleteStack)
ok "a stack that somebody changes: destroy waits until it is done, and goes on" csr destroy
ok "by asking a second time" [ $(($(calls CloudFormation:DeleteStack) - asked)) = 2 ]
gone() { ! query cloudformation DescribeStacks StackName=aws-csr; }
none() { has 0 '<allocationId>' DescribeAddresses && gone; }
ok "and nothing is left" none
lab faults clear >/dev/null

# ---- a creation that could not even be rolled back, and one that was never begun ----
fault effect=status code=InternalError 'action=CloudFormation/EC2:AssociateAddress' times=1
fault effect=status code=InternalError 'action=CloudFormation/EC2:ReleaseAddress' times=1
event() { printf '<member><StackName>aws-csr</StackName><EventId>%s</EventId><LogicalResourceId>%s</LogicalResourceId><ResourceType>AWS::%s</ResourceType><ResourceStatus>%s</ResourceStatus><ResourceStatusReason>%s</ResourceStatusReason></member>' "$@"; }
EVENTS=$(event 9 aws-csr CloudFormation::Stack ROLLBACK_IN_PROGRESS 'The following resource(s) failed to create: [Inside, Outside, Address].'
    event 8 Router EC2::Instance CREATE_FAILED 'Resource creation cancelled'
    event 7 Address EC2::EIP CREATE_FAILED 'The maximum number of addresses has been reached.'
    event 6 Inside EC2::NetworkInterface CREATE_FAILED 'Resource creation cancelled'
    event 5 Outside EC2::NetworkInterface CREATE_FAILED 'a spot that was cancelled: the address is in use'
    event 4 Group EC2::SecurityGroup CREATE_COMPLETE ''
    event 3 aws-csr CloudFormation::Stack CREATE_IN_PROGRESS 'User Initiated'
    event 2 Group EC2::SecurityGroup CREATE_FAILED 'long ago')
fault effect=answer action=DescribeStackEvents times=1000 "body=<DescribeStackEventsResponse><DescribeStackEventsResult><StackEvents>$EVENTS</StackEvents></DescribeStackEventsResult></DescribeStackEventsResponse>"
several() { fails apply && told 'Outside (AWS::EC2::NetworkInterface): a spot that was cancelled: the address is in use'; }
ok "a creation of which several resources fail: the first is named" several
lab faults clear >/dev/null
ok "the stack is ROLLBACK_FAILED" status_is ROLLBACK_FAILED
ok "plan says so" csr plan
ok "and makes it anew" shows "it is ROLLBACK_FAILED"
ok "apply does" csr apply
ok "one of each" one_of_each
ok "the plan is empty" changes 0
fault effect=cut-before action=DeleteStack times=1
ok "destroy, though its request never arrives" csr destroy
ok "and nothing is left" none
lab faults clear >/dev/null
fault effect=status status=400 code=LimitExceeded action=ExecuteChangeSet
ok "nothing can be executed" fails apply
lab faults clear >/dev/null
ok "the stack is REVIEW_IN_PROGRESS" status_is REVIEW_IN_PROGRESS
ok "destroy removes that too" csr destroy
ok "and nothing is left" none

# ---- the stack is deleted by hand, under routes that lead to it ----
mkdir -p "$TMP/conf"
TABLE=$(aws ec2 create-route-table --vpc-id "$VPC" --query RouteTable.RouteTableId --output text)
{
    printf 'pipelines:\n  p:\n    steps:\n      router:\n        plugin: csr-dmvpn\n        with:\n'
    sed 's/^/          /' "$TMP/in.yaml"
    printf '      routes:\n        plugin: aws-routes\n        with:\n          next_hop: ${steps.router.next_hop}\n'
    printf '          route_tables: [%s]\n          security_groups: []\n          onPremCidr: 10.1.0.0/16\n' "$TABLE"
} >"$TMP/conf/p.yaml"
isthmus() { XDG_STATE_HOME=$TMP/xdg timeout 120 "$ISTHMUS" -C "$TMP/conf" "$@"; }
ok "router and routes" isthmus apply p --yes
ok "the router's stack is deleted by hand" eval 'cfn delete-stack --stack-name aws-csr && eventually gone'
ok "one apply makes both anew" eval 'isthmus apply p --yes >"$TMP/told" 2>&1'
ok "saying why" grep -q "what it led to is gone" "$TMP/told"
ok "the plan is empty" isthmus plan p --detailed-exitcode
ok "destroy" isthmus destroy p --yes
ok "and nothing is left" none
finish
