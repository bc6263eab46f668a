# shellcheck shell=bash
# A small world: three network namespaces on this machine and two machines of User-Mode Linux between them.
#   inet    203.0.113.1/28 to the hub's outside, 198.51.100.1/28 to the spoke's: the way between them, where is captured
#   onprem  a node 10.1.0.10 that carries the pod 192.168.1.184; the hub's inside is 10.1.0.1/24
#   vpc     the router 10.0.109.1 of a VPC that carries the pod 10.0.110.197; the spoke's inside is 10.0.109.10/24
WORLD=ist$$ # prefix of the namespaces: several runs do not meet
in_ns() { local ns=$1; shift; ip netns exec "$WORLD-$ns" "$@"; }
# beside NS COMMAND...: in the background; $! is the program's own. It ends with this shell, however that ends.
beside() { setpriv --pdeathsig KILL ip netns exec "$WORLD-$1" "${@:2}" & }

world_up() {
    local ns
    # What a run that was killed has left behind: names alone, for its programs ended with it.
    for ns in $(ip netns list | grep -oE '^ist[0-9]+-(inet|onprem|vpc)'); do
        ended "$(echo "$ns" | grep -oE '[0-9]+')" && ip netns del "$ns"
    done
    for ns in inet onprem vpc; do
        ip netns add "$WORLD-$ns" && ip -n "$WORLD-$ns" link set lo up || return 1
    done
    in_ns inet sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
    in_ns inet ip tuntap add dev hub mode tap && in_ns inet ip tuntap add dev spoke mode tap || return 1
    in_ns inet ip addr add 203.0.113.1/28 dev hub
    in_ns inet ip addr add 198.51.100.1/28 dev spoke
    in_ns inet ip link set hub up
    in_ns inet ip link set spoke up
    in_ns onprem ip addr add 192.168.1.184/32 dev lo
    in_ns vpc ip addr add 10.0.110.197/32 dev lo
}
world_down() {
    local ns
    for ns in inet onprem vpc; do ip netns del "$WORLD-$ns" 2>/dev/null; done
}

declare -A MACHINE # name -> pid
# machine_up NAME: hub or spoke, with what it wrote on its disk before. Waits until SSH answers.
machine_up() {
    local name=$1 inside=$1-in wan gw lan ns near far pod
    case $name in
    hub) wan=203.0.113.2/28 gw=203.0.113.1 lan=10.1.0.1/24 ns=onprem near=10.1.0.10/24 far=10.1.0.1 pod=192.168.1.184 ;;
    spoke) wan=198.51.100.9/28 gw=198.51.100.1 lan=10.0.109.10/24 ns=vpc near=10.0.109.1/24 far=10.0.109.10 pod=10.0.110.197 ;;
    esac
    in_ns inet ip tuntap add dev "$inside" mode tap && in_ns inet ip link set "$inside" up || return 1
    # A pid namespace of its own, so that its helpers (which hold the lock of its disk) end with it: as its first
    # process does when unshare goes, and unshare when this shell does.
    beside inet unshare -m -p --fork --kill-child sh -c '
        mount --make-rprivate / && mount -t proc proc "$1/proc" && mount --bind /dev "$1/dev" &&
        mount --bind /dev/shm "$1/dev/shm" && mount --bind "$2" "$1/mnt" && mount --bind "$3" "$1/media" || exit 1
        root=$1; shift 3
        exec chroot "$root" /usr/bin/linux.uml "$@"' sh "$IMAGE/root" "$IMAGE" "$TMP" \
        mem=256M "ubd0=/media/$name.cow,/mnt/disk.ext4" root=/dev/ubda rw con=null con0=null,fd:1 quiet \
        "vec0:transport=tap,ifname=$name,depth=128" "vec1:transport=tap,ifname=$inside,depth=128" \
        "host=$name" "wan=$wan" "gw=$gw" "lan=$lan" systemd.show_status=0 </dev/null >>"$TMP/$name.console" 2>&1
    MACHINE[$name]=$!
    until on "$name" true 2>/dev/null; do
        kill -0 "${MACHINE[$name]}" 2>/dev/null || { tail -5 "$TMP/$name.console" | sed 's/^/# /'; return 1; }
        [ $SECONDS -lt "$GIVE_UP" ] || return 1
    done
    # Opened by the machine, it can go where its other end belongs.
    in_ns inet ip link set "$inside" netns "$WORLD-$ns"
    in_ns "$ns" ip addr add "$near" dev "$inside"
    in_ns "$ns" ip link set "$inside" up
    in_ns "$ns" ip route replace default via "$far" src "$pod"
}
machine_down() { # the power goes: nothing is written that was not written
    local name=$1
    [ -n "${MACHINE[$name]:-}" ] || return 0
    kill -KILL "${MACHINE[$name]}" 2>/dev/null
    { wait "${MACHINE[$name]}"; } 2>/dev/null
    unset "MACHINE[$name]"
    for ns in inet onprem vpc; do in_ns "$ns" ip link del "$name-in" 2>/dev/null; done
}
on() { # on NAME COMMAND...: as a person would
    local name=$1 address=203.0.113.2
    [ "$name" = hub ] || address=198.51.100.9
    shift
    in_ns inet ssh -i "$IMAGE/key" -o BatchMode=yes -o ConnectTimeout=3 -o UserKnownHostsFile="$TMP/known_hosts" \
        -o LogLevel=ERROR root@$address "$@"
}
