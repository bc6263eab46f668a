#!/usr/bin/env bash
# frr-dmvpn alone against the lab: a Debian image launched, configured as one change that is confirmed, drift by hand,
# the host rebooted and lost, keys that differ, destroy.
# shellcheck disable=SC1091,SC2016 # messages hold back quotes
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lab-lib.sh"
. "$(dirname "$0")/router-lib.sh"
need_namespaces
PLUGIN=frr-dmvpn
start_lab
ok "there is a VPC with the walk-through's subnets" make_vpc
sed 's/^settle: .*/settle: 100ms/' "$TMP/in.yaml" >"$TMP/soon.yaml"
on_host() { # on_host COMMAND: as a person would, by ssh
    timeout 60 ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
        -i "$ISTHMUS_ROUTER_KEY" -p "$ISTHMUS_ROUTER_PORT" "admin@$(address)" "sudo sh -c '$1'" </dev/null
}
shows() { grep -qF -- "$1" "$TMP/plan.json" || { cat "$TMP/plan.json"; return 1; }; }

# ---- the happy path ----
BEFORE=$(writes)
none_written() { csr plan && [ "$(writes)" = "$BEFORE" ]; }
ok "the first plan writes nothing" none_written
ok "it shows the stack" shows 'ami-0deb1a1301108ba08'
ok "and each file that will be written" shows '"/etc/frr/frr.conf"'
ok "apply launches and configures the host" csr apply
ok "the second plan is empty" changes 0
ok "verify passes" csr verify
for name in "IKEv2 SA is ready" "IPsec carries packets both ways" "next hop server answers" "OSPF neighbour is full" \
    "route to the nodes on premises" "route to the pods on premises" "no unconfirmed change"; do
    ok "  $name" check_is pass "$name"
done
instance() { ec2 DescribeInstances Filter.1.Name=instance-state-name Filter.1.Value.1="$1" >"$TMP/instances" && value instanceId; }
ok "it is one host" test -n "$(instance running)"
bootstrap() {
    ec2 DescribeInstanceAttribute Attribute=userData "InstanceId=$(instance running)" >"$TMP/data" && value value | base64 -d >"$TMP/user-data" &&
        grep -q 'hostname: aws-frr' "$TMP/user-data" && ! grep -qE 'abcdefghijklmn|keykey00|DEADBEEF' "$TMP/user-data"
}
ok "user data is bootstrap" bootstrap

# ---- drift: exactly that, and apply mends exactly that ----
drift() { # drift "what" "resource" COMMAND
    ok "$1: done by hand" on_host "$3"
    ok "$1: plan shows it" changes 1
    ok "$1: and nothing else" shows "\"resource\": \"$2\""
    ok "$1: apply mends it" csr apply
    ok "$1: the plan is empty again" changes 0
}
drift "a line of FRR's configuration" /etc/frr/frr.conf 'sed -i s/network-id.100/network-id.7/ /etc/frr/frr.conf; systemctl reload frr'
drift "a key" /etc/swanctl/conf.d/isthmus-secrets.conf 'sed -i s/secret.=.*/secret=another/ /etc/swanctl/conf.d/isthmus-secrets.conf'
drift "a service that was stopped and taken from the boot" strongswan.service 'systemctl stop strongswan; systemctl disable strongswan'
drift "the tunnel is gone" 'interface dmvpn0' 'ip link del dev dmvpn0'
drift "forwarding was turned off" forwarding 'sysctl -qw net.ipv4.ip_forward=0'
drift "the packet filter is gone" 'packet filter' 'iptables-nft -t filter -D OUTPUT -j ISTHMUS-OUT'
ok "verify passes" csr verify

# ---- what differs is named ----
differs() { # differs "what" "check" "evidence" FROM TO: with this text of the host's loaded configuration changed
    on_host "sed -i s/$4/$5/ $6; systemctl reload frr; swanctl --load-all" >"$TMP/out"
    IN=$TMP/soon.yaml csr verify >"$TMP/out" 2>&1
    ok "$1: verify names it" check_is fail "$2" "$3"
}
differs "another pre-shared key" "IKEv2 SA is ready" "pre-shared key" abcdefghijklmn012345 other /etc/swanctl/conf.d/isthmus-secrets.conf
ok "apply mends it" csr apply
differs "another NHRP key" "next hop server answers" "NHRP key" keykey00 keykey01 /etc/frr/frr.conf
ok "apply mends it" csr apply
differs "another area" "OSPF neighbour is full" "" "area.0" "area.7" /etc/frr/frr.conf
ok "apply mends it" csr apply
ok "what FRR runs and no file says: a key of OSPF, by hand" on_host 'vtysh -c "configure terminal" -c "interface dmvpn0" -c "ip ospf message-digest-key 7 md5 byhand01" -c "ip ospf authentication message-digest"'
IN=$TMP/soon.yaml csr verify >"$TMP/out" 2>&1
ok "verify names it" check_is fail "OSPF neighbour is full" ""
ok "FRR is told to read its file again" on_host 'systemctl reload frr'
ok "verify passes" csr verify

# ---- the machine ----
stopped() { [ -n "$(instance stopped)" ]; }
runs() { [ -n "$(instance running)" ]; }
ID=$(instance running)
ok "the instance is stopped by hand" ec2 StopInstances "InstanceId.1=$ID"
within 20 stopped
ok "plan shows it" csr plan
ok "as what it is" shows 'it is started'
ok "apply starts it" csr apply
ok "what was configured comes up by itself" changes 0
ok "and works" csr verify
ok "the instance is rebooted by hand" ec2 RebootInstances "InstanceId.1=$ID"
within 20 runs
ok "and works after it" within 30 csr verify
ok "the instance is terminated by hand" ec2 TerminateInstances "InstanceId.1=$ID"
gone() { [ -z "$(instance running)" ]; }
within 20 gone
ok "plan shows that it is made anew" csr plan
ok "with all files" shows '"/etc/frr/frr.conf"'
ok "apply makes it" csr apply
ok "the plan is empty" changes 0
ok "it works" csr verify

# ---- and away ----
ok "destroy" csr destroy
nothing() {
    [ -z "$(instance running)" ] && refused ValidationError query cloudformation DescribeStacks StackName=aws-frr &&
        grep -q '"resources": {}' "$TMP/rec.json" && ! ls -d "$TMP"/lab/host-* 2>/dev/null
}
ok "leaves nothing" nothing
finish
