# shellcheck shell=bash
# A small world: four network namespaces on this machine and three machines of User-Mode Linux between them.
#   inet    the way between the machines' outsides, where is captured: .1 of the hub's 203.0.113.0/28, of the spoke's
#           198.51.100.0/28, .17 of the other spoke's 198.51.100.16/28, which is behind a 1:1 NAT
#   onprem  a node 10.1.0.10 that carries the pod 192.168.1.184; the hub's inside is 10.1.0.1/24
#   vpc     the router 10.0.109.1 of a VPC that carries the pod 10.0.110.197; the spoke's inside is 10.0.109.10/24
#   vpc2    the same for the other spoke: 10.2.109.1, the pod 10.2.110.5, 10.2.109.10/24
WORLD=ist$$ # prefix of the namespaces: several runs do not meet
in_ns() { local ns=$1; shift; ip netns exec "$WORLD-$ns" "$@"; }
# beside NS COMMAND...: in the background; $! is the program's own. It ends with this shell, however that ends.
beside() { setpriv --pdeathsig KILL ip netns exec "$WORLD-$1" "${@:2}" & }

world_up() {
    local ns pid name wan gw nat lan near far pod
    # What a run that was killed has left behind: names alone, for its programs ended with it.
    for ns in $(ip netns list | grep -oE '^ist[0-9]+-(inet|onprem|vpc2?)'); do
        pid=${ns#ist}
        ended "${pid%%-*}" && ip netns del "$ns"
    done
    for ns in inet onprem vpc vpc2; do
        ip netns add "$WORLD-$ns" && ip -n "$WORLD-$ns" link set lo up || return 1
    done
    in_ns inet sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
    for name in hub spoke spoke2; do
        machine "$name"
        in_ns inet ip tuntap add dev "$name" mode tap && in_ns inet ip addr add "$gw/28" dev "$name" &&
            in_ns inet ip link set "$name" up && in_ns "$ns" ip addr add "$pod/32" dev lo || return 1
    done
}
world_down() {
    local ns
    for ns in inet onprem vpc vpc2; do ip netns del "$WORLD-$ns" 2>/dev/null; done
}

machine() { # machine NAME: what it is, in the caller's variables
    nat=
    # shellcheck disable=SC2034 # the caller's
    case $1 in
    hub) wan=203.0.113.2 gw=203.0.113.1 lan=10.1.0.1/24 ns=onprem near=10.1.0.10/24 pod=192.168.1.184 ;;
    spoke) wan=198.51.100.9 gw=198.51.100.1 lan=10.0.109.10/24 ns=vpc near=10.0.109.1/24 pod=10.0.110.197 ;;
    spoke2) wan=198.51.100.26 gw=198.51.100.17 nat=172.31.0.9/28 lan=10.2.109.10/24 ns=vpc2 near=10.2.109.1/24 pod=10.2.110.5 ;;
    esac
}
declare -A MACHINE # name -> pid
# machine_on NAME: with what it wrote on its disk before.
machine_on() {
    local name=$1 inside=$1-in wan gw nat lan ns near pod
    machine "$name"
    in_ns inet ip tuntap add dev "$inside" mode tap && in_ns inet ip link set "$inside" up || return 1
    # A pid namespace of its own, so that its helpers (which hold the lock of its disk) end with it: as its first
    # process does when unshare goes, and unshare when this shell does.
    # TMPDIR is where its memory lies: a folder of the one that runs this is not there after chroot.
    beside inet env TMPDIR=/dev/shm unshare -m -p --fork --kill-child sh -c '
        mount --make-rprivate / && mount -t proc proc "$1/proc" && mount --bind /dev "$1/dev" &&
        mount --bind /dev/shm "$1/dev/shm" && mount --bind "$2" "$1/mnt" && mount --bind "$3" "$1/media" || exit 1
        root=$1; shift 3
        exec chroot "$root" /usr/bin/linux.uml "$@"' sh "$IMAGE/root" "$IMAGE" "$TMP" \
        mem=256M "ubd0=/media/$name.cow,/mnt/disk.ext4" root=/dev/ubda rw con=null con0=null,fd:1 quiet \
        "vec0:transport=tap,ifname=$name,depth=128" "vec1:transport=tap,ifname=$inside,depth=128" \
        "host=$name" "wan=$wan/28" "gw=$gw" "lan=$lan" ${nat:+"nat=$nat"} systemd.show_status=0 </dev/null >>"$TMP/$name.console" 2>&1
    MACHINE[$name]=$!
}
# machine_up NAME: switches it on where it is off, and waits until SSH answers.
machine_up() {
    local name=$1 inside=$1-in wan gw nat lan ns near pod
    machine "$name"
    [ -n "${MACHINE[$name]:-}" ] || machine_on "$name" || return 1
    until PATIENCE=5 on "$name" true 2>/dev/null; do
        kill -0 "${MACHINE[$name]}" 2>/dev/null || { tail -5 "$TMP/$name.console" | sed 's/^/# /'; return 1; }
        [ $SECONDS -lt "$GIVE_UP" ] || return 1
    done
    # Opened by the machine, it can go where its other end belongs.
    in_ns inet ip link set "$inside" netns "$WORLD-$ns"
    in_ns "$ns" ip addr add "$near" dev "$inside"
    in_ns "$ns" ip link set "$inside" up
    in_ns "$ns" ip route replace default via "${lan%/*}" src "$pod"
}
machine_down() { # the power goes: nothing is written that was not written
    local name=$1 ns
    [ -n "${MACHINE[$name]:-}" ] || return 0
    kill -KILL "${MACHINE[$name]}" 2>/dev/null
    { wait "${MACHINE[$name]}"; } 2>/dev/null
    unset "MACHINE[$name]"
    for ns in inet onprem vpc vpc2; do in_ns "$ns" ip link del "$name-in" 2>/dev/null; done
}
on() { # on NAME COMMAND...: as a person would
    local wan gw nat lan ns near pod
    machine "$1"
    shift
    in_ns inet ssh -i "$IMAGE/key" -o BatchMode=yes -o ConnectTimeout="${PATIENCE:-60}" -o UserKnownHostsFile="$TMP/known_hosts" \
        -o LogLevel=ERROR "root@$wan" "$@"
}
