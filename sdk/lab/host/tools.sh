#!/usr/bin/sh
# What a Linux host of the lab has in the place of the programs that would change a machine, under each of their names:
# they keep in /lab what they were told, and the lab reads it from there (config.c) and puts there what they answer
# (answers.c). Shell, coreutils, sed and grep are the real ones.
#   enabled/UNIT active/UNIT   services;  loaded/  the configuration that they were started or reloaded with
#   links/NAME                 interfaces that were made: a word and its value a line
#   fw/TABLE/CHAIN             rules of the packet filter
set -u
S=/lab
no() { echo "$*" >&2; exit 1; }

# ---- services ----

unit_file() {
    for dir in /etc/systemd/system /usr/lib/systemd/system; do
        [ ! -f "$dir/$1" ] || { echo "$dir/$1"; return 0; }
    done
    return 1
}
setting() { cat "$(unit_file "$1")" "/etc/systemd/system/$1.d/"*.conf 2>/dev/null | sed -n "s/^$2=//p"; }
load_frr() {
    rm -rf $S/loaded/frr && mkdir -p $S/loaded/frr && cp /etc/frr/frr.conf /etc/frr/daemons $S/loaded/frr/
}
load_swanctl() { cat /etc/swanctl/conf.d/*.conf >$S/loaded/swanctl.conf 2>/dev/null || :; }
run_all() { setting "$1" "$2" >$S/run.$$; rc=0; while read -r line; do sh -c "$line" </dev/null || rc=1; done <$S/run.$$; rm -f $S/run.$$; return $rc; }

start() {
    unit_file "$1" >/dev/null || { echo "Failed to start $1: Unit $1 not found." >&2; return 5; }
    [ ! -e "$S/active/$1" ] || return 0
    for other in $(setting "$1" Requires); do (start "$other") || return 1; done
    for other in $(setting "$1" Wants); do case $other in *.service) (start "$other") ;; esac; done
    case $1 in
    frr.service) load_frr || return 1 ;;
    strongswan.service) load_swanctl ;;
    *.timer) ;;
    *) (run_all "$1" ExecStart) || { echo "Job for $1 failed." >&2; return 1; } ;;
    esac
    : >"$S/active/$1"
}
stop() {
    [ -e "$S/active/$1" ] || return 0
    case $1 in
    frr.service) rm -rf $S/loaded/frr ;;
    strongswan.service) rm -f $S/loaded/swanctl.conf ;;
    *.timer) ;;
    *) (run_all "$1" ExecStop) ;;
    esac
    rm -f "$S/active/$1"
}
reload() {
    [ -e "$S/active/$1" ] || { echo "$1 is not active, cannot reload." >&2; return 1; }
    case $1 in frr.service) load_frr ;; *) (run_all "$1" ExecReload) ;; esac
}

systemctl() {
    local quiet='' verb='' rc=0 word
    while :; do
        case ${1:-} in -q | --quiet) quiet=1 ;; --no-reload) ;; *) break ;; esac
        shift
    done
    verb=${1:-list-units}
    [ $# = 0 ] || shift
    if [ "$verb" = show ]; then
        [ "${1:-}" = -P ] || no "systemctl show $*: not of the lab's host"
        verb=$2
        shift 2
    fi
    for word in "$@"; do
        case $word in *.*) ;; *) word=$word.service ;; esac
        case $verb in
        is-active)
            if [ -e "$S/active/$word" ]; then word=active; else word=inactive rc=3; fi
            [ "$quiet" ] || echo $word
            ;;
        is-enabled)
            if ! unit_file "$word" >/dev/null; then word=not-found rc=4; elif [ -e "$S/enabled/$word" ]; then word=enabled; else word=disabled rc=1; fi
            [ "$quiet" ] || echo $word
            ;;
        ActiveState) if [ -e "$S/active/$word" ]; then echo active; else echo inactive; fi ;;
        NeedDaemonReload) echo no ;; # files are read when they are needed
        enable) unit_file "$word" >/dev/null && : >"$S/enabled/$word" || rc=1 ;;
        disable) rm -f "$S/enabled/$word" ;;
        start) (start "$word") || rc=$? ;;
        stop) (stop "$word") ;;
        restart) (stop "$word") && (start "$word") || rc=$? ;;
        reload) (reload "$word") || rc=$? ;;
        *) no "systemctl $verb: the lab's host has no such verb" ;;
        esac
    done
    return $rc
}

# What is enabled comes up; what nobody wrote to a disk is gone.
boot() {
    rm -rf $S/active $S/links $S/loaded $S/fw /run
    mkdir -p $S/active $S/links $S/loaded $S/fw /run
    echo 0 >/proc/sys/net/ipv4/ip_forward
    for unit in "$S"/enabled/*; do [ ! -e "$unit" ] || (start "${unit##*/}"); done
}

# ---- interfaces, rules, settings of the kernel ----

ip() {
    local what='' dev='' file word
    while :; do
        case ${1:-} in -j | -4 | -o) what=$what$1 ;; *) break ;; esac
        shift
    done
    case "$what ${1:-} ${2:-}" in
    "-j addr "*) cat $S/addresses ; return ;;
    "-j-4 route "*) cat $S/routes; return ;;
    " xfrm "*) return 0 ;;
    " link add") shift 2; [ "$1" != name ] || shift; dev=$1; shift ;;
    *" link "* | *" addr "*)
        for word in "$@"; do
            [ "$dev" != : ] || { dev=$word; break; }
            [ "$word" != dev ] || dev=:
        done
        ;;
    *) no "ip $*: not of the lab's host" ;;
    esac
    file=$S/links/$dev
    case "$what ${1:-} ${2:-}" in
    " type "*)
        [ ! -e "$file" ] || no "RTNETLINK answers: File exists"
        while [ $# -gt 1 ]; do echo "$1 $2"; shift 2; done >"$file"
        return
        ;;
    esac
    [ -e "$file" ] || no "Device \"$dev\" does not exist."
    case "$1 $2" in
    "link show") echo "7: $dev@NONE: <NOARP,UP,LOWER_UP>" ;;
    "link del") rm -f "$file" ;;
    "link set")
        shift 4
        while [ $# -gt 0 ]; do
            case $1 in up | down) echo "state $1" ;; *) echo "$1 $2"; shift ;; esac
            shift
        done >>"$file"
        ;;
    "addr add") echo "address $3" >>"$file" ;;
    "addr show") sed -n "s,^address \(.*\),7: $dev    inet \1 scope global $dev,p" "$file" ;;
    *) no "ip $*: not of the lab's host" ;;
    esac
}

iptables() {
    local table=filter chain op
    while :; do
        case ${1:-} in -w) shift 2 ;; -t) table=$2; shift 2 ;; *) break ;; esac
    done
    op=$1 chain=$S/fw/$table/$2
    shift 2
    mkdir -p $S/fw/mangle $S/fw/filter
    case $op in
    -N) [ ! -e "$chain" ] && : >"$chain" ;;
    -F) [ -e "$chain" ] && : >"$chain" ;;
    -X) [ -e "$chain" ] && rm "$chain" ;;
    -C) grep -qxF -e "$*" "$chain" 2>/dev/null ;;
    -D) grep -qxF -e "$*" "$chain" 2>/dev/null && { grep -vxF -e "$*" "$chain" >"$chain.new"; mv "$chain.new" "$chain"; } ;;
    -I) shift; { echo "$*"; cat "$chain" 2>/dev/null; } >"$chain.new"; mv "$chain.new" "$chain" ;;
    *) no "iptables $op: not of the lab's host" ;;
    esac
}
iptables_restore() {
    local table='' word rest
    while read -r word rest; do
        case $word in
        \**) table=${word#?}; mkdir -p "$S/fw/$table" ;;
        :*) : >"$S/fw/$table/${word#:}" ;;
        -A) echo "${rest#* }" >>"$S/fw/$table/${rest%% *}" ;;
        esac
    done
}

sysctl() {
    local way='' key rest
    key_file() { echo "/proc/sys/$(echo "$1" | tr . /)"; }
    write() { local file; file=$(key_file "$1"); mkdir -p "${file%/*}"; echo "$2" >"$file"; }
    case $1 in -*) way=$1; shift ;; esac
    case $way in
    *p*) while read -r key rest; do write "$key" "${rest#= }"; done <"$1" ;;
    *w*) for rest in "$@"; do write "${rest%%=*}" "${rest#*=}"; done ;;
    *) for key in "$@"; do echo "$key = $(cat "$(key_file "$key")" 2>/dev/null || echo 0)"; done ;;
    esac
}

# ---- packages: what each of them brings, and Debian starts it at once ----

tools() { for tool in "$@"; do ln -sf $S/tools "/usr/sbin/$tool"; done; }
service() {
    mkdir -p /usr/lib/systemd/system
    printf '[Unit]\nDescription=%s\n' "$1" >"/usr/lib/systemd/system/$1.service"
    systemctl enable "$1"
    systemctl start "$1"
}
package() {
    case $1 in
    frr)
        tools vtysh
        mkdir -p /usr/lib/frr /etc/frr
        printf '#!/usr/bin/sh\necho "zebra version 10.3"\n' >/usr/lib/frr/zebra
        chmod 755 /usr/lib/frr/zebra
        grep -q ^frr: /etc/passwd || { echo 'frr:x:0:0::/:/bin/false' >>/etc/passwd; echo 'frr:x:0:' >>/etc/group; }
        [ -e /etc/frr/daemons ] || printf 'ospfd=no\nnhrpd=no\n' >/etc/frr/daemons
        [ -e /etc/frr/frr.conf ] || echo 'log syslog informational' >/etc/frr/frr.conf
        service frr
        ;;
    frr-pythontools) mkdir -p /usr/lib/frr && : >/usr/lib/frr/frr-reload.py ;;
    strongswan-swanctl) tools swanctl; mkdir -p /etc/swanctl/conf.d /etc/strongswan.d ;;
    charon-systemd) tools charon-systemd; service strongswan ;;
    iptables) tools iptables iptables-nft iptables-legacy iptables-restore iptables-nft-restore iptables-legacy-restore ;;
    *) no "E: Unable to locate package $1" ;;
    esac
}
unpackage() {
    case $1 in
    frr) systemctl stop frr; systemctl disable frr; rm -rf /usr/lib/frr/zebra /usr/sbin/vtysh /etc/frr /usr/lib/systemd/system/frr.service ;;
    frr-pythontools) rm -f /usr/lib/frr/frr-reload.py ;;
    strongswan-swanctl) rm -rf /usr/sbin/swanctl /etc/swanctl ;;
    charon-systemd) systemctl stop strongswan; systemctl disable strongswan; rm -f /usr/sbin/charon-systemd /usr/lib/systemd/system/strongswan.service ;;
    iptables) rm -f /usr/sbin/iptables* ;;
    esac
}
apt_get() {
    local verb='' word
    for word in "$@"; do
        case $word in
        -*) ;;
        *)
            if [ -z "$verb" ]; then verb=$word; continue; fi
            case $verb in install) package "$word" ;; purge) unpackage "$word" ;; esac
            ;;
        esac
    done
}

# ---- what the daemons answer ----

answer() { # answer UNIT FILE
    [ -e "$S/active/$1.service" ] || no "failed to connect to any daemons."
    cat "$S/told/$2"
}
swanctl() {
    case ${1:-} in
    --list-sas) answer strongswan sas ;;
    --load-all) [ -e $S/active/strongswan.service ] || no "connecting to vici failed"; load_swanctl ;;
    --list-conns) sed -n 's/^  \([a-z0-9-]*\) {$/\1: IKEv2/p' $S/loaded/swanctl.conf ;;
    --terminate) ;;
    *) no "swanctl $*: not of the lab's host" ;;
    esac
}
vtysh() { # vtysh -c COMMAND...: what it answers, and what a person changes of what runs, which no file says
    local section='' file=$S/loaded/frr/frr.conf
    [ -e $S/active/frr.service ] || no "failed to connect to any daemons."
    while [ "${1:-}" = -c ] && [ $# -gt 1 ]; do
        case $2 in
        "show ip nhrp cache json") answer frr nhrp ;;
        "show ip ospf neighbor json") answer frr neighbors ;;
        "show ip route json") answer frr routes ;;
        "show daemons") echo " mgmtd zebra ospfd watchfrr staticd nhrpd" ;;
        "show running-config")
            printf 'Building configuration...\n\nCurrent configuration:\n!\nfrr version 10.3\nhostname %s\n' "$(cat /etc/hostname 2>/dev/null)"
            grep -v '^! ' "$file"
            echo end
            ;;
        "configure terminal") section=: ;;
        "interface "* | "router "*) section=$2 ;;
        "no "*) [ "$section" ] && sed -i "/^$section\$/,/^exit/{/^ ${2#no }\$/d}" "$file" ;;
        *)
            [ "$section" ] || no "% Unknown command: $2"
            sed -i "/^$section\$/a\\ $2" "$file"
            ;;
        esac
        shift 2
    done
}
journalctl() {
    case " $* " in *strongswan*) cat $S/told/charon ;; *frr*) cat $S/told/frr ;; esac
}

case ${0##*/} in
systemctl) systemctl "$@" ;;
lab-boot) boot ;;
ip) ip "$@" ;;
iptables*-restore) iptables_restore ;;
iptables*) iptables "$@" ;;
sysctl) sysctl "$@" ;;
apt-get) apt_get "$@" ;;
swanctl) swanctl "$@" ;;
vtysh) vtysh "$@" ;;
journalctl) journalctl "$@" ;;
modprobe | sync) ;;
cloud-init) echo 'status: done' ;;
sudo) [ "${1:-}" != -n ] || shift; LAB_UID=0 exec "$@" ;;
id) echo "${LAB_UID:-0}" ;;
# Owners go by the place alone: the lab has one user to give files to.
stat) case ${3:-} in */etc/frr/*) owner=frr:frr ;; *) owner=root:root ;; esac; echo "$(/real/usr/bin/stat -c %a "$3") $owner" ;;
*) no "${0##*/}: not of the lab's host" ;;
esac
