#!/usr/bin/env bash
# build-image.sh CACHE: a Debian 13 machine for User-Mode Linux in a folder there, whose path it prints: root (with the
# kernel linux.uml), disk.ext4, and the SSH keys that go with it. Root; the mirror that this machine itself installs
# from. About a minute, half of it spent unpacking, and then never again: `ready` tells that it is whole. Two at a time
# make it once. Another content, another name.
set -euo pipefail
DIR=$(realpath -m "${1:?cache}")/dmvpn-4
HERE=$(dirname "$(realpath "$0")")
R=$DIR/root
exec 3>&1 1>&2
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
mkdir -p "${DIR%/*}"
exec 9>"$DIR.lock"
flock 9
if [ -e "$DIR/ready" ]; then
    echo "$DIR" >&3
    exit 0
fi
umount "$R/proc" "$R/sys" "$R/dev" 2>/dev/null || : # of one that was killed
rm -rf --one-file-system "$DIR"
mkdir -p "$DIR"
. /etc/os-release
MIRROR=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' |
    awk -v c="$VERSION_CODENAME" '$1 == c { print $2; exit }')
need=()
command -v mmdebstrap >/dev/null || need+=(mmdebstrap)
command -v depmod >/dev/null || need+=(kmod)
command -v mkfs.ext4 >/dev/null || need+=(e2fsprogs)
get() { apt-get -o DPkg::Lock::Timeout=600 install -qq -y --no-install-recommends "${need[@]}"; }
[ ${#need[@]} = 0 ] || get || { apt-get update -qq && get; }
# Most of what frr-dmvpn would install is there already, so that the test is about the tunnel and not about dpkg; one
# package lies where apt keeps what it has downloaded, so that installing is seen too, without a network.
mmdebstrap --mode=root --variant=apt --format=directory --skip=cleanup/apt \
    --include=systemd-sysv,openssh-server,iproute2,iputils-ping,kmod,procps,frr,strongswan-swanctl,charon-systemd \
    --include=iptables,python3,tcpdump,socat,user-mode-linux \
    --aptopt='APT::Install-Recommends "false"' --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook='chroot "$1" apt-get clean' \
    --customize-hook='chroot "$1" apt-get install -qq -y --download-only frr-pythontools' \
    trixie "$R" "$MIRROR" 9>&- 3>&-
V=$(ls "$R/usr/lib/uml/modules")
mkdir -p "$R/usr/lib/modules"
mv "$R/usr/lib/uml/modules/$V" "$R/usr/lib/modules/$V" # where modprobe looks
depmod -b "$R" "$V"
# A bare host: nothing of a DMVPN runs.
chroot "$R" systemctl disable frr.service strongswan.service 2>/dev/null
chroot "$R" systemctl mask apt-daily.timer apt-daily-upgrade.timer systemd-resolved.service e2scrub_all.timer \
    dpkg-db-backup.timer fstrim.timer systemd-timesyncd.service getty.target systemd-networkd.service 2>/dev/null
cp "$HERE/host-net.sh" "$R/usr/local/sbin/host-net"
chmod 755 "$R/usr/local/sbin/host-net"
cat >"$R/etc/systemd/system/host-net.service" <<'X'
[Unit]
Description=Addresses of this machine, from its kernel's command line
DefaultDependencies=no
Wants=network-pre.target network.target
After=network-pre.target systemd-modules-load.service
Before=network.target ssh.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/host-net
[Install]
WantedBy=multi-user.target
X
chroot "$R" systemctl enable host-net.service 2>/dev/null
rm -f "$R"/etc/ssh/ssh_host_*
ssh-keygen -q -t ed25519 -N '' -C '' -f "$R/etc/ssh/ssh_host_ed25519_key"
cp "$R/etc/ssh/ssh_host_ed25519_key.pub" "$DIR/host.pub"
ssh-keygen -q -t ed25519 -N '' -C '' -f "$DIR/key"
install -d -m 700 "$R/root/.ssh"
install -m 600 "$DIR/key.pub" "$R/root/.ssh/authorized_keys"
printf 'LANG=C\n' >"$R/etc/default/locale"
echo '/dev/ubda / ext4 noatime 0 0' >"$R/etc/fstab"
truncate -s 1500M "$DIR/disk.ext4"
mkfs.ext4 -q -F -E lazy_itable_init=1,lazy_journal_init=1 -d "$R" "$DIR/disk.ext4"
touch "$DIR/ready"
echo "$DIR" >&3
