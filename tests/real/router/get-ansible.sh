#!/usr/bin/env bash
# get-ansible.sh DIR: Debian's ansible with what of its collections talks to IOS, unpacked in DIR/root and not installed;
# DIR/ready tells that it is whole. The mirror that this machine itself installs from, some seconds.
set -euo pipefail
DIR=$(realpath -m "${1:?dir}")
COLLECTIONS=./usr/lib/python3/dist-packages/ansible_collections
rm -rf "$DIR"
mkdir -p "$DIR/debs/partial" "$DIR/root"
get() {
    # Nothing is installed: nobody who does so is waited for.
    apt-get install -qq -y --no-install-recommends --reinstall --download-only -o Debug::NoLocking=1 \
        -o Dir::Cache::archives="$DIR/debs" \
        ansible ansible-core python3-paramiko
}
get || { apt-get update -qq && get; }
for deb in "$DIR"/debs/*.deb; do
    case $(basename "$deb") in
    ansible_*) # the 100 collections of it are 250 MB
        dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$DIR/root" "$COLLECTIONS"/{ansible/{netcommon,utils},cisco/ios}
        ;;
    ansible-core_*) dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$DIR/root" ./usr/lib ./usr/bin ;;
    *) dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$DIR/root" --wildcards './usr/lib/*' || : ;; # data alone: no matter
    esac
done 2>"$DIR/unpacked"
rm -rf "$DIR/debs"
touch "$DIR/ready"
