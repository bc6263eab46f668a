# How the host stands, in lines: @NAME BASE64, @file PATH MODE OWNER BASE64, @unit NAME ENABLED ACTIVE, @missing PACKAGE.
# Reads, and changes nothing. The caller puts PATHS='...' before it.
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
tell() { printf '@%s %s\n' "$1" "$(base64 -w0)"; }
[ "$(id -u)" = 0 ] || { echo 'not root' >&2; exit 77; }
ip -j addr | tell addresses
ip -j -4 route | tell routes
cat /var/lib/isthmus-dmvpn/pending 2>/dev/null | tell pending
for path in $PATHS; do
    [ ! -f "$path" ] || printf '@file %s %s %s\n' "$path" "$(stat -c '%a %U:%G' "$path")" "$(base64 -w0 <"$path")"
done
units='isthmus-dmvpn-firewall.service isthmus-dmvpn.service strongswan.service frr.service'
# shellcheck disable=SC2086
set -- $(systemctl show -P ActiveState $units 2>/dev/null)
for unit in $units; do
    enabled=$(systemctl is-enabled "$unit" 2>/dev/null | head -1)
    printf '@unit %s %s %s\n' "$unit" "${enabled:-absent}" "${1:-absent}"
    [ $# = 0 ] || shift
done
command -v vtysh >/dev/null || echo '@missing frr'
[ -e /usr/lib/frr/frr-reload.py ] || echo '@missing frr-pythontools'
command -v swanctl >/dev/null || echo '@missing strongswan-swanctl'
command -v charon-systemd >/dev/null || echo '@missing charon-systemd'
command -v iptables >/dev/null || echo '@missing iptables'
for zebra in /usr/lib/frr/zebra /usr/libexec/frr/zebra; do
    [ ! -x $zebra ] || $zebra --version 2>/dev/null | head -1 | tell frr
done
ip -4 -o addr show dev dmvpn0 2>/dev/null | tell tunnel
{ [ ! -x /usr/local/lib/isthmus-dmvpn/firewall ] || /usr/local/lib/isthmus-dmvpn/firewall check 2>&1 && echo stands; } | tell filter
cat /proc/sys/net/ipv4/ip_forward | tell forwarding
echo @end
