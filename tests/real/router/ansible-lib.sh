# shellcheck shell=bash
# Debian's ansible without installing it. Sourced after lib.sh.
#   find_ansible                                $ANSIBLE, or why there is none, and false
#   inventory ADDRESS PORT KEY-FILE [VAR: VALUE...]   of the one host `router`
#   playbook FILE                               runs it
find_ansible() {
    local here
    here=$(dirname "${BASH_SOURCE[0]}")
    command -v python3 >/dev/null || { echo "no python3"; return 1; }
    command -v apt-get >/dev/null || { echo "no apt-get to bring ansible"; return 1; }
    [ -n "${ISTHMUS_CACHE:-}" ] || { echo "ISTHMUS_CACHE is unset: apt-get would unpack ansible (20 MB) there"; return 1; }
    ANSIBLE=$ISTHMUS_CACHE/ansible-1
    mkdir -p "$ISTHMUS_CACHE"
    # Several tests may want it at the same time: one gets it.
    (
        flock 8
        [ -e "$ANSIBLE/ready" ] || "$here/get-ansible.sh" "$ANSIBLE" >"$TMP/get-ansible" 2>&1
    ) 8>"$ANSIBLE.lock" || { echo "apt-get cannot bring ansible: $(tail -1 "$TMP/get-ansible")"; return 1; }
}

inventory() {
    cat >"$TMP/inventory.yaml" <<Y
all:
  hosts:
    router:
      ansible_host: $1
      ansible_port: $2
      ansible_user: ec2-user
      ansible_ssh_private_key_file: $3
      ansible_connection: ansible.netcommon.network_cli
      ansible_network_cli_ssh_type: paramiko
      ansible_network_os: cisco.ios.ios
      ansible_become: true
      ansible_become_method: enable
Y
    shift 3
    [ $# = 0 ] || printf '      %s\n' "$@" >>"$TMP/inventory.yaml"
}

playbook() {
    local libraries=$ANSIBLE/root/usr/lib
    cat >"$TMP/ansible.cfg" <<X
[defaults]
host_key_checking = False
retry_files_enabled = False
interpreter_python = /usr/bin/python3
collections_path = $libraries/python3/dist-packages
local_tmp = $TMP/local
home = $TMP/home
[persistent_connection]
control_path_dir = $TMP/pc
command_timeout = 120
connect_timeout = 120
X
    HOME=$TMP ANSIBLE_CONFIG=$TMP/ansible.cfg ANSIBLE_NOCOLOR=1 PATH=$ANSIBLE/root/usr/bin:$PATH \
        PYTHONPATH=$libraries/python3/dist-packages LD_LIBRARY_PATH=$libraries/$(uname -m)-linux-gnu \
        timeout 550 ansible-playbook -v -i "$TMP/inventory.yaml" "$1" </dev/null
}
