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
one_of_each() {
    [ "$(aws ec2 describe-instances --filters Name=instance-state-name,Values=pending,running,stopping,stopped --query 'length(Reservations[])' --output text)" = 1 ] &&
        [ "$(aws ec2 describe-addresses --query 'length(Addresses)' --output text)" = 1 ] &&
        [ "$(aws ec2 describe-network-interfaces --query "length(NetworkInterfaces[?starts_with(Description,'DMVPN router')])" --output text)" = 2 ] &&
        [ "$(aws ec2 describe-security-groups --filters Name=description,Values='DMVPN router' --query 'length(SecurityGroups)' --output text)" = 1 ]
}

# ---- the image ----
ok "the first plan" csr plan
ok "warns that SSH is open to everybody" shows 'SSH to the router is open to everybody (`InboundSSH: 0.0.0.0/0`)'
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
sed -i 's/^ssh_key: .*/ssh_key: other-key/' "$TMP/in.yaml"
ok "another key pair" csr plan
ok "replaces the instance" shows '"action": "replace"'
ok "and says so" shows "its instance is replaced, interfaces and address stay"
ok "apply makes it" csr apply
stayed() { [ "$(output id | grep eni) $(output nbma_address)" = "$WAS" ] && [ "$(output instance_id)" != "$OLD" ]; }
ok "they stayed" stayed
ok "one of each" one_of_each
ok "the plan is empty" changes 0
ok "and the router works" csr verify
cp "$TMP/in.yaml" "$TMP/plain.yaml"

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
lost StartInstances eval 'aws ec2 stop-instances --instance-ids "$(id)" && aws ec2 wait instance-stopped --instance-ids "$(id)"'
lost AuthorizeSecurityGroupIngress aws ec2 revoke-security-group-ingress --group-id "$GROUP" --ip-permissions 'IpProtocol=50,IpRanges=[{CidrIp=0.0.0.0/0}]'
lost RevokeSecurityGroupIngress aws ec2 authorize-security-group-ingress --group-id "$GROUP" --ip-permissions 'IpProtocol=47,IpRanges=[{CidrIp=0.0.0.0/0}]'
lost AuthorizeSecurityGroupEgress aws ec2 revoke-security-group-egress --group-id "$GROUP" --ip-permissions 'IpProtocol=-1,IpRanges=[{CidrIp=0.0.0.0/0}]'
outside() { aws ec2 describe-network-interfaces --query "NetworkInterfaces[?Description=='DMVPN router, outside']|[0].$1" --output text; }
lost AssociateAddress eval 'aws ec2 disassociate-address --association-id "$(outside Association.AssociationId)"'
lost AttachNetworkInterface eval 'aws ec2 detach-network-interface --attachment-id "$(aws ec2 describe-network-interfaces --query "NetworkInterfaces[?Description=='"'DMVPN router, inside'"']|[0].Attachment.AttachmentId" --output text)"'
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
fault effect=status code=InternalError 'action=CloudFormation/EC2:AssociateAddress' times=1
fault effect=status code=InternalError 'action=CloudFormation/EC2:ReleaseAddress' times=1
first_failed() { fails apply && told "Association (AWS::EC2::EIPAssociation)"; }
ok "apply fails, and names the first resource that did" first_failed
lab faults clear >/dev/null
ok "the stack is UPDATE_ROLLBACK_FAILED" status_is UPDATE_ROLLBACK_FAILED
ok "plan says so" csr plan
ok "and what is done about it" shows "it is UPDATE_ROLLBACK_FAILED: its rollback is continued"
ok "apply does it, and goes on" csr apply
ok "one of each" one_of_each
ok "the plan is empty" changes 0
ok "and the router works" csr verify

# ---- a deletion that fails ----
aws ec2 create-network-interface --subnet-id "${PRIVATE[1]}" --groups "$GROUP" --description "somebody else's" >"$TMP/eni"
blocked() { fails destroy && grep -qF 'Group (AWS::EC2::SecurityGroup)' "$TMP/destroy.json" "$TMP/destroy.err"; }
ok "somebody uses the router's group: destroy fails and names it" blocked
ok "the stack is DELETE_FAILED" status_is DELETE_FAILED
aws ec2 delete-network-interface --network-interface-id "$(grep -o 'eni-[0-9a-f]*' "$TMP/eni" | head -1)" >/dev/null
ok "without that destroy goes on" csr destroy
none() { [ "$(aws ec2 describe-addresses --query 'length(Addresses)' --output text)" = 0 ] && ! cfn describe-stacks --stack-name aws-csr; }
ok "and nothing is left" none
finish
