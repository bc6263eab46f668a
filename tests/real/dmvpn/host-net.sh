#!/bin/sh
# Inside: name and addresses from the kernel's command line (host= wan= gw= lan=), as a provider's image would by DHCP.
value() { sed -n "s/.*\b$1=\([^ ]*\).*/\1/p" /proc/cmdline; }
hostname "$(value host)"
ip link set lo up
ip link set vec0 name wan
ip addr replace "$(value wan)" dev wan
ip link set wan up
ip route replace default via "$(value gw)"
ip link set vec1 name lan
ip addr replace "$(value lan)" dev lan
ip link set lan up
