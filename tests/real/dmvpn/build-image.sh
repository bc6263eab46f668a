#!/usr/bin/env bash
# build-image.sh DIR: a Debian 13 machine for User-Mode Linux: DIR/root (with the kernel linux.uml), DIR/disk.ext4, and
# the SSH keys that go with it. Root; the mirror that this machine itself installs from. About two minutes, and then
# never again: DIR/ready tells that it is whole.
set -euo pipefail
DIR=$(realpath -m "${1:?dir}")
HERE=$(dirname "$(realpath "$0")")
R=$DIR/root
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
rm -rf "$DIR"
mkdir -p "$DIR"
. /etc/os-release
MIRROR=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' |
    awk -v c="$VERSION_CODENAME" '$1 == c { print $2; exit }')
need=()
command -v debootstrap >/dev/null || need+=(debootstrap)
command -v depmod >/dev/null || need+=(kmod)
command -v mkfs.ext4 >/dev/null || need+=(e2fsprogs)
[ ${#need[@]} = 0 ] || apt-get install -qq -y --no-install-recommends "${need[@]}"
debootstrap --variant=minbase --include=systemd-sysv,openssh-server,iproute2,iputils-ping,kmod,procps \
    trixie "$R" "$MIRROR"
printf '#!/bin/sh\nexit 101\n' >"$R/usr/sbin/policy-rc.d" # nothing is started in here
chmod 755 "$R/usr/sbin/policy-rc.d"
mount -t proc proc "$R/proc"
trap 'umount "$R/proc" 2>/dev/null || :' EXIT
# Most of what frr-dmvpn would install is there already, so that the test is about the tunnel and not about dpkg; one
# package lies where apt keeps what it has downloaded, so that installing is seen too, without a network.
chroot "$R" apt-get install -qq -y --no-install-recommends frr strongswan-swanctl charon-systemd iptables \
    python3 tcpdump socat user-mode-linux
chroot "$R" apt-get clean
chroot "$R" apt-get install -qq -y --no-install-recommends --download-only frr-pythontools
rm -f "$R/usr/sbin/policy-rc.d"
umount "$R/proc"
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
