#!/bin/sh
# Inside: name and addresses from the kernel's command line (host= wan= gw= lan=), as a provider's image would by DHCP.
# With nat=ADDRESS/PREFIX the outside interface has that private address, and a provider's 1:1 NAT (an Elastic IP) is
# between it and the wire: a namespace of its own, out of reach of who configures this machine.
value() { sed -n "s/.*\b$1=\([^ ]*\).*/\1/p" /proc/cmdline; }
hostname "$(value host)"
ip link set lo up
nat=$(value nat)
if [ -n "$nat" ]; then
    public=$(value wan) private=${nat%/*} near=${nat%.*}.1
    ip netns add provider
    ip link set vec0 netns provider
    ip link add wan type veth peer name inside netns provider
    ip -n provider addr add "$public" dev vec0
    ip -n provider addr add "$near/${nat#*/}" dev inside
    ip -n provider link set vec0 up
    ip -n provider link set inside up
    ip -n provider route add default via "$(value gw)"
    ip netns exec provider iptables-legacy -t nat -A PREROUTING -i vec0 -d "${public%/*}" -j DNAT --to-destination "$private"
    ip netns exec provider iptables-legacy -t nat -A POSTROUTING -o vec0 -s "$private" -j SNAT --to-source "${public%/*}"
    ip netns exec provider sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
    ip addr replace "$nat" dev wan
    ip link set wan up
    ip route replace default via "$near"
else
    ip link set vec0 name wan
    ip addr replace "$(value wan)" dev wan
    ip link set wan up
    ip route replace default via "$(value gw)"
fi
ip link set vec1 name lan
ip addr replace "$(value lan)" dev lan
ip link set lan up
