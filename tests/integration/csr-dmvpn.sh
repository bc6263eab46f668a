#!/usr/bin/env bash
# csr-dmvpn alone against the lab: launch, configure as one confirmed change, verify, drift, faults, destroy.
# shellcheck disable=SC1091,SC2016 # messages hold back quotes
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lab-lib.sh"
. "$(dirname "$0")/router-lib.sh"
export ISTHMUS_LAB_MINUTE_MS=3000 # a minute of the lab's routers
start_lab
ok "there is a VPC with the walk-through's subnets" make_vpc
# The same for a verify that is to fail: a tunnel that does not come up is not waited for.
sed 's/^settle: .*/settle: 100ms/' "$TMP/in.yaml" >"$TMP/soon.yaml"
output() { tr -d ' ",' <"$TMP/rec.json" | sed -n "s/^$1://p" | head -1; }
said() { grep -qF -- "$1" "$TMP/plan.json" "$TMP/plan.err" || { cat "$TMP/plan.err"; return 1; }; }

# ---- the happy path ----
none_written() { csr plan && [ "$(writes)" = "$BEFORE" ]; }
BEFORE=$(writes)
ok "the first plan writes nothing" none_written
shows() { grep -qF -- "$1" "$TMP/plan.json" || { cat "$TMP/typed" "$TMP/plan.json"; return 1; }; }
ok "it shows each command that will be sent" shows 'ip nhrp nhs 10.250.0.1 nbma'
ok "and secrets as secrets" shows 'pre-shared-key <secret>'
ok "what is put right is said" grep -q 'ospf.authKey: the key is given, but authentication was never turned on' "$TMP/plan.err"
ok "apply launches and configures the router" csr apply
ok "the second plan is empty" changes 0
calls() { lab log --output jsonl | grep -c "$1"; }
frugal() { # each fact once, and nothing asked again in plan for what observe has seen
    local aws shows
    aws=$(calls '"service": *"aws"') shows=$(calls '"action": *"running-config"')
    csr plan && [ $(($(calls '"service": *"aws"') - aws)) = 6 ] && [ $(($(calls '"action": *"running-config"') - shows)) = 1 ]
}
ok "with six calls to AWS and one look at the configuration" frugal
ok "verify passes" csr verify
for name in "IKEv2 SA is ready" "IPsec carries packets both ways" "next hop server answers" "OSPF neighbour is full" \
    "route to the nodes on premises" "route to the pods on premises" "no unconfirmed change"; do
    ok "  $name" check_is pass "$name"
done
saved() { router show startup-config | grep -q 'interface Tunnel0'; }
ok "the configuration is saved" saved
pinned() { grep -q '"host_key": "SHA256:' "$TMP/rec.json"; }
ok "the host key first seen is kept in state" pinned
no_secret() {
    query cloudformation GetTemplate StackName=aws-csr >"$TMP/template" && grep -q UserData "$TMP/template" &&
        ! grep -qE 'abcdefghijklmn|keykey00|DEADBEEF' "$TMP/template"
}
ok "the stack's template holds no secret" no_secret
bootstrap() { # user data is bootstrap, and the same ever after
    ec2 DescribeInstanceAttribute Attribute=userData "InstanceId=$(output instance_id)" && value value | base64 -d |
        grep -q 'ios-config-0001="hostname aws-csr"'
}
ok "user data is bootstrap" bootstrap

# ---- drift: exactly that, and apply mends exactly that ----
drift() { # drift "what" "evidence in plan" LINE...
    local what=$1 evidence=$2
    shift 2
    configure "$@" >"$TMP/typed"
    ok "$what: plan shows it" csr plan
    ok "$what: and nothing else" shows "$evidence"
    ok "$what: apply mends it" csr apply
    ok "$what: the plan is empty again" changes 0
}
drift "a line of the tunnel is gone" '"interface Tunnel0 / tunnel key 100"' 'interface Tunnel0' 'no tunnel key 100'
drift "a line too much in a section of ours" 'no ip nhrp map multicast 192.0.2.1' 'interface Tunnel0' 'ip nhrp map multicast 192.0.2.1'
drift "a key was changed by hand" 'pre-shared-key <secret>' 'crypto ikev2 keyring ISTHMUS' 'peer DMVPN' 'pre-shared-key another'
drift "the tunnel was shut down" 'interface Tunnel0 / no shutdown' 'interface Tunnel0' 'shutdown'
drift "a static route is gone" 'ip route 10.0.110.0' 'no ip route 10.0.110.0 255.255.255.0 10.0.109.1'
drift "an access list on the tunnel" '"interface Tunnel0 / no ip access-group BLOCK in"' 'ip access-list extended BLOCK' 'deny ip any any' 'interface Tunnel0' 'ip access-group BLOCK in'
drift "another MTU" '"interface Tunnel0 / ip mtu 1400"' 'interface Tunnel0' 'ip mtu 1200'
drift "another protection" '"interface Tunnel0 / tunnel protection ipsec profile ISTHMUS"' 'crypto ipsec profile OTHER' 'set transform-set ISTHMUS' 'interface Tunnel0' 'tunnel protection ipsec profile OTHER'
drift "a passive tunnel" 'router ospf 10 / no passive-interface Tunnel0' 'router ospf 10' 'passive-interface Tunnel0'
drift "the inside interface was shut down" 'interface GigabitEthernet2 / no shutdown' 'interface GigabitEthernet2' 'shutdown'
typed 'show running-config' >"$TMP/before"
platform() { configure 'access-list 160 deny udp any any eq 4500' 'interface GigabitEthernet1' 'ip access-group 160 in' >"$TMP/typed"; changes 0; }
ok "an access list on the outside interface is the platform's, no drift" platform
IN=$TMP/soon.yaml csr verify >"$TMP/out" 2>&1
ok "verify fails and names it" check_is fail "nothing on the router is in the way" "interface GigabitEthernet1: ip access-group 160 in"
configure 'interface GigabitEthernet1' 'no ip access-group 160 in' 'no access-list 160 deny udp any any eq 4500' >"$TMP/typed"
ok "without it all is well" csr verify
# A route of somebody's that is narrower than what OSPF learns, or as wide and nearer, takes the packets.
astray() { # astray ROUTE "what": verify names the line, and plan leaves it alone
    configure "ip route $1" >"$TMP/typed"
    IN=$TMP/soon.yaml csr verify >"$TMP/out" 2>&1
    ok "$2: verify fails and names it" check_is fail "nothing on the router is in the way" "ip route $1: it comes before"
    ok "$2: it is no drift" changes 0
    configure "no ip route $1" >"$TMP/typed"
}
astray "192.168.7.0 255.255.255.0 Null0" "a part of the pods' addresses led to nowhere"
astray "192.168.0.0 255.255.0.0 Null0" "all of them led to nowhere"
ok "then OSPF's route is not in the table" check_is fail "route to the pods on premises" "192.168.0.0/16 is in no route"
astray "10.0.111.0 255.255.255.128 Null0" "a part of a subnet in the VPC led to nowhere"
configure 'ip route 192.168.0.0 255.255.0.0 Null0 250' >"$TMP/typed"
ok "a floating route to nowhere waits behind OSPF's" csr verify
configure 'no ip route 192.168.0.0 255.255.0.0 Null0 250' >"$TMP/typed"
# ---- a flat network on premises: its pods are in the nodes' ----
sed '/^onPremPodCidr/d' "$TMP/in.yaml" >"$TMP/flat.yaml"
IN=$TMP/flat.yaml csr apply >"$TMP/out" 2>&1
ok "a flat network on premises: apply lets no other in" eval 'IN=$TMP/flat.yaml changes 0'
IN=$TMP/flat.yaml csr verify >"$TMP/out" 2>&1
ok "verify passes" test $? = 0
ok "and asks for no route to pods" eval '! grep -qF "route to the pods" "$TMP/verify.json" "$TMP/out"'
ok "with pods of their own again: apply changes it back" csr apply
# ---- what a run before has made under another name goes ----
other() { # other "what" "from" "to" LINE-GONE LINE-THERE: an input changes, and changes back
    sed "s|$2|$3|" "$TMP/in.yaml" >"$TMP/renamed.yaml"
    IN=$TMP/renamed.yaml csr apply >"$TMP/out" 2>&1
    ok "$1: apply changes it" eval "! router show running-config | grep -qxF '$4' && router show running-config | grep -qxF '$5'"
    ok "$1: nothing is left to do" eval 'IN=$TMP/renamed.yaml changes 0'
    ok "$1: apply changes it back" csr apply
    ok "$1: and nothing of it is left" eval "router show running-config | grep -qxF '$4' && ! router show running-config | grep -qxF '$5'"
    ok "$1: the plan is empty again" changes 0
}
other "another OSPF process" "processId: 10" "processId: 20" "router ospf 10" "router ospf 20"
other "another tunnel key" "HubTunnelIP: 10.250.0.1" "HubTunnelIP: 10.250.0.1, network_id: 200" " tunnel key 100" " tunnel key 200"
other "another area" "vpcArea: 2" "vpcArea: 7" " network 10.0.109.0 0.0.0.255 area 2" " network 10.0.109.0 0.0.0.255 area 7"
same_as_before() { typed 'show running-config' >"$TMP/after"; diff <(grep -v '^[!*]' "$TMP/before") <(grep -v '^[!*]' "$TMP/after"); }
ok "the configuration is what it was" same_as_before
killed() { # a run that recorded its intent and was killed: both names are ours until one is gone
    configure 'router ospf 30' 'router-id 10.250.0.9' >"$TMP/typed"
    sed -i 's|"router ospf 10"|"router ospf 10", "router ospf 30"|' "$TMP/rec.json"
    csr plan && shows 'no router ospf 30' && csr apply && changes 0
}
ok "what a killed run left is removed by the next" killed
stranger() { configure 'router ospf 40' 'network 10.99.0.0 0.0.255.255 area 0' >"$TMP/typed"; changes 0 && configure 'no router ospf 40' >"$TMP/typed"; }
ok "a process of somebody else is left alone" stranger
# A key that the router shows encrypted cannot be compared: sent once more, and known by its hash from then on.
drift "keys are shown as type 6" 'pre-shared-key <secret>' 'password encryption aes'
ok "and are shown so still" eval "typed 'show running-config' | grep -q 'pre-shared-key 6 [A-P]'"
drift "a key behind type 6 was changed by hand" 'pre-shared-key <secret>' 'crypto ikev2 keyring ISTHMUS' 'peer DMVPN' 'pre-shared-key another'
clear() { configure 'no password encryption aes' >"$TMP/typed"; changes 0; }
ok "keys shown in clear again are compared as they are" clear
foreign() { configure 'interface Loopback7' 'ip address 10.99.0.1 255.255.255.255' 'ip route 10.98.0.0 255.255.0.0 10.0.109.1' >"$TMP/typed"; changes 0; }
ok "what others configure is left alone" foreign

# ---- the machine's own drift, which no change set would find ----
machine() { # machine "what" "evidence" ACTION KEY=VALUE...: verify and plan name it, apply mends it
    local what=$1 evidence=$2
    shift 2
    ec2 "$@" >"$TMP/out" 2>&1
    IN=$TMP/soon.yaml csr verify >"$TMP/out" 2>&1
    ok "$what: verify names it" check_is fail "interfaces and security group" "$evidence"
    ok "$what: plan shows it" csr plan
    ok "$what: and what it was" shows "$evidence"
    ok "$what: apply mends it" csr apply
    ok "$what: the plan is empty again" changes 0
}
machine "source/dest check is on" "Inside.SourceDestCheck" ModifyNetworkInterfaceAttribute \
    "NetworkInterfaceId=$(output id | grep eni)" SourceDestCheck.Value=true
machine "UDP 4500 is closed" "IKE and ESP behind NAT" RevokeSecurityGroupIngress "GroupId=$(output security_group)" \
    IpPermissions.1.IpProtocol=udp IpPermissions.1.FromPort=4500 IpPermissions.1.ToPort=4500 IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0
ec2 DescribeAddresses >"$TMP/out"
machine "the Elastic IP is taken away" "Association" DisassociateAddress "AssociationId=$(value associationId)"

# ---- a router that was configured and cannot be read: an error that names the cause, and no update ----
unread() { # unread "cause" "what to do" "from" "to"
    sed "s|$3|$4|" "$TMP/in.yaml" >"$TMP/bad.yaml"
    BEFORE=$(writes)
    IN=$TMP/bad.yaml fails plan && said "its configuration cannot be read" && said "$1" && said "$2" &&
        ! grep -q '"action"' "$TMP/plan.json" && [ "$(writes)" = "$BEFORE" ]
}
ssh-keygen -q -t ed25519 -N '' -f "$TMP/stranger"
keyless() { ! unread x "$@" && said "private key $TMP/none: No such file" && said "$1" && [ "$(writes)" = "$BEFORE" ]; }
ok "a private key that is not there is named" keyless 'set `ssh.private_key` to the private key of the EC2 key pair my-key' "$ISTHMUS_ROUTER_KEY" "$TMP/none"
ok "a private key that the router does not know" unread "login refused" 'EC2 key pair my-key' "$ISTHMUS_ROUTER_KEY" "$TMP/stranger"
ok "another user" unread "login refused" '`ssh.user`' "ssh: {" "ssh: {user: nobody, "
ok "a router that does not answer" unread "Connection refused" '`InboundSSH` (0.0.0.0/0)' "port: $ISTHMUS_ROUTER_PORT" "port: 1"
read -r type key _ <"$TMP/stranger.pub"
echo "[$(address)]:$ISTHMUS_ROUTER_PORT $type $key" >"$TMP/strange_hosts"
ssh-keyscan -t ecdsa -p "$ISTHMUS_ROUTER_PORT" "$(address)" >"$TMP/true_hosts" 2>/dev/null
ok "a router that known_hosts does not list" unread "is unknown" '`ssh.known_hosts`' "ssh: {" "ssh: {known_hosts: $TMP/strange_hosts, "
swap() { sed -i "s|\"host_key\": \"[^\"]*\"|\"host_key\": \"$1\"|" "$TMP/rec.json"; }
PINNED=$(sed -n 's/.*"host_key": "\([^"]*\)".*/\1/p' "$TMP/rec.json")
swap SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
ok "a router with another host key than the one in state" unread "is not the known one" '`ssh.known_hosts`' x x
listed() { sed "s|ssh: {|ssh: {known_hosts: $TMP/true_hosts, |" "$TMP/in.yaml" >"$TMP/listed.yaml" && IN=$TMP/listed.yaml changes 0; }
ok "which a known_hosts file overrules" listed
swap "$PINNED"
ok "and nothing was changed by all that" changes 0

# ---- what does not fit is named ----
breaks() { # breaks "what" "check" "evidence" LINE...
    local what=$1 check=$2 evidence=$3
    shift 3
    configure "$@" >"$TMP/typed"
    IN=$TMP/soon.yaml csr verify >"$TMP/out" 2>&1
    ok "$what: verify fails and names it" check_is fail "$check" "$evidence"
    csr apply >"$TMP/out" 2>&1
}
breaks "wrong pre-shared key" "IKEv2 SA is ready" "pre-shared key" 'crypto ikev2 keyring ISTHMUS' 'peer DMVPN' 'pre-shared-key wrong'
breaks "wrong NHRP key" "next hop server answers" "NHRP authentication" 'interface Tunnel0' 'ip nhrp authentication wrong'
breaks "wrong OSPF area" "OSPF neighbour is full" "area" 'router ospf 10' 'no network 10.250.0.0 0.0.0.255 area 0' 'network 10.250.0.0 0.0.0.255 area 9'
breaks "an access list on the tunnel" "the configuration is as it was made" "no ip access-group 150 in" 'access-list 150 deny ospf any any' 'access-list 150 permit ip any any' 'interface Tunnel0' 'ip access-group 150 in'
breaks "wrong proposal" "IKEv2 SA is ready" "proposal" 'crypto ikev2 proposal ISTHMUS' 'group 14'
ok "and all is well afterwards" csr verify

# ---- inputs that cannot work ----
refused() { # refused "text" "from" "to"
    sed "s|$2|$3|" "$TMP/in.yaml" >"$TMP/bad.yaml"
    IN=$TMP/bad.yaml fails plan && grep -qF -- "$1" "$TMP/plan.json" "$TMP/plan.err"
}
ok "an NHRP key of nine characters is refused" refused "NHRP takes 8 at most" "key: keykey00" "key: keykey000"
ok "an end of range that is no mask is refused" refused "is no mask" "end: 0.0.0.0" "end: 10.0.0.255"
ok "an OSPF key of 18 characters is refused once it is to be used" refused "md5 authentication takes 16 at most" "authKey: DEADBEEF0123456789" "authKey: DEADBEEF0123456789, authentication: md5"
ok "a hub outside of the tunnel network is refused" refused "tunnel network" "HubTunnelIP: 10.250.0.1" "HubTunnelIP: 10.251.0.1"

# ---- faults of the router and of the way to it ----
shake() { configure 'interface Tunnel0' 'no ip mtu 1400' 'no ip tcp adjust-mss 1360' >"$TMP/typed"; }
survives() { # survives "what" RULE...: recovers by itself, or by being run again
    local what=$1
    shift
    shake
    lab faults add service=router "$@" >/dev/null
    again() { csr apply || csr apply || csr apply; }
    ok "$what: apply gets there" again
    lab faults clear >/dev/null
    ok "$what: and nothing is left to do" changes 0
}
survives "cut before a line" effect=cut-before 'action=ip mtu'
survives "cut after a line" effect=cut-after 'action=ip tcp adjust-mss'
survives "reload in the middle of a change" effect=reload 'action=ip tcp adjust-mss'
survives "cut before the confirmation" effect=cut-before 'action=configure confirm'
survives "cut after the confirmation" effect=cut-after 'action=configure confirm'
survives "cut before write memory" effect=cut-before 'action=write memory'
survives "NVRAM is busy" effect=status code=nvram-busy times=2 'action=write memory'
survives "NVRAM asks" effect=status code=nvram-question 'action=write memory'
survives "NVRAM compresses" effect=status code=nvram-compressed 'action=write memory'
survives "log lines in the stream" effect=status code=syslog times=0 'action=^(show|ip|no|configure)'
survives "slow echo" effect=status code=slow-echo 'action=show running-config'
survives "a slow router" effect=delay delay=300 times=5 'action=.'
survives "the connection is refused twice" effect=cut-before times=2 'action=^connect$'
denied() { shake; lab faults add service=router effect=status code=denied 'action=ip mtu' >/dev/null; fails apply && grep -q 'authorization failed' "$TMP/apply.json" "$TMP/apply.err"; }
ok "a command that AAA denies is named" denied
lab faults clear >/dev/null
taken_back() { typed 'show running-config' | grep -q '^ ip mtu' && return 1; router show archive config rollback timer | grep -q 'No Rollback'; }
ok "and what was sent before it is taken back" taken_back
ok "apply goes on from there" csr apply

# ---- another operator ----
# Only where it is exclusive a router tells who is in it.
configure 'configuration mode exclusive auto' >"$TMP/typed"
mkfifo "$TMP/keys"
other() {
    ssh_router -tt <"$TMP/keys" >"$TMP/other" 2>&1 &
    local pid=$! rc
    exec 8>"$TMP/keys"
    printf 'configure terminal\n' >&8
    eventually eval 'router show configuration lock | grep -q EXCLUSIVE'
    sed 's|nhrp: {key|nhrp: {shortcut: false, key|' "$TMP/in.yaml" >"$TMP/change.yaml"
    IN=$TMP/change.yaml fails apply
    rc=$?
    printf 'end\nexit\n' >&8
    exec 8>&-
    wait $pid
    [ $rc = 0 ] && grep -q 'is in configuration mode' "$TMP/apply.json" "$TMP/apply.err"
}
ok "while somebody else is in configuration mode nothing is changed" other

# ---- destroy ----
ok "destroy removes the stack" csr destroy
gone() { ec2 DescribeInstances Filter.1.Name=instance-state-name Filter.1.Value.1=running && ! grep -q instanceId "$TMP/answer"; }
ok "the instance is gone" gone
ok "destroying again is no error" csr destroy
ok "apply right after makes a fresh one" csr apply
ok "that works" csr verify

# ---- who the router is ----
swap SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
other_key() { fails apply && grep -q 'is not the known one' "$TMP/apply.json" "$TMP/apply.err"; }
ok "a router with another host key than the one in state is not talked to" other_key
ok "destroy does not need to talk to it" csr destroy

# ---- faults of CloudFormation ----
optin() { lab faults add service=aws effect=status code=OptInRequired 'action=CloudFormation/EC2:RunInstances' >/dev/null; fails apply && grep -q 'Router (AWS::EC2::Instance): OptInRequired' "$TMP/apply.err" "$TMP/apply.json"; }
ok "an image that is not subscribed to is named" optin
lab faults clear >/dev/null
ok "the stack that rolled back is no dead end" csr apply
ok "and works" changes 0
for rule in "effect=cut-after action=CreateChangeSet" "effect=cut-before action=ExecuteChangeSet" \
    "effect=cut-after action=ExecuteChangeSet" "effect=status status=500 code=InternalFailure action=DescribeStacks times=2"; do
    csr destroy >"$TMP/out" 2>&1
    # shellcheck disable=SC2086 # a rule is words
    lab faults add service=aws $rule >/dev/null
    again() { csr apply || csr apply; }
    ok "$rule: apply gets there" again
    lab faults clear >/dev/null
    ok "$rule: once" changes 0
done
lab faults add service=aws effect=cut-after action=DeleteStack >/dev/null
ok "a lost answer to DeleteStack does not matter" csr destroy
taken() {
    ec2 CreateNetworkInterface "SubnetId=$PUBLIC" PrivateIpAddress=10.0.106.10 "Description=a pod"
    fails plan && grep -q '10.0.106.10 is taken by eni-.*a pod' "$TMP/plan.json" "$TMP/plan.err" && said '10.0.106.11 is free'
}
ok "an address that a pod has taken is told, with its holder and a free one" taken
elsewhere() { sed 's|^name: aws|&\npublic_address: 10.0.106.11|' "$TMP/in.yaml" >"$TMP/other.yaml" && IN=$TMP/other.yaml csr apply && IN=$TMP/other.yaml csr verify; }
ok "with that one it works" elsewhere
md5() { sed 's|authKey: DEADBEEF0123456789|authKey: DEADBEEF01234567, authentication: md5|' "$TMP/other.yaml" >"$TMP/md5.yaml" && IN=$TMP/md5.yaml csr apply; }
ok "OSPF authentication is turned on when asked for" md5
sed -i 's/^settle: .*/settle: 100ms/' "$TMP/md5.yaml"
IN=$TMP/md5.yaml csr verify >"$TMP/out" 2>&1
ok "which a hub without it answers with no neighbour" check_is fail "OSPF neighbour is full" "authentication"
again_none() { IN=$TMP/other.yaml csr apply && router show running-config >"$TMP/shown" && ! grep -E 'ospf (authentication|message)' "$TMP/shown"; }
ok "and turned off again without a trace" again_none
finish
