#!/usr/bin/env bash
# Debian's ansible (its collection cisco.ios, network_cli by paramiko) against the lab's IOS-XE: what a client of other
# makers reads there, writes, and finds unchanged. One playbook: ansible takes its seconds for each task.
# shellcheck disable=SC1091
. "$(dirname "$0")/../../integration/lib.sh"
. "$(dirname "$0")/../../integration/alone-lib.sh"
command -v python3 >/dev/null || skip_all "no python3"
if [ -n "${ISTHMUS_CACHE:-}" ] && command -v apt-get >/dev/null; then
    ANSIBLE=$ISTHMUS_CACHE/ansible-1
    mkdir -p "$ISTHMUS_CACHE"
    (
        flock 9
        [ -e "$ANSIBLE/ready" ] || "$(dirname "$0")/get-ansible.sh" "$ANSIBLE" >"$TMP/get-ansible" 2>&1
    ) 9>"$ANSIBLE.lock" || skip_all "apt-get cannot bring ansible: $(tail -1 "$TMP/get-ansible")"
else
    skip_all "ISTHMUS_CACHE is unset: apt-get would unpack ansible (20 MB) there"
fi
start_alone

# What is there before it comes.
typed 'terminal length 0' 'configure terminal' 'archive' 'path bootflash:isthmus' 'maximum 5' 'end' 'write memory' >/dev/null
cat >"$TMP/inventory.yaml" <<Y
all:
  hosts:
    router:
      ansible_host: $ADDRESS
      ansible_port: $PORT
      ansible_user: ec2-user
      ansible_ssh_private_key_file: $TMP/key
      ansible_connection: ansible.netcommon.network_cli
      ansible_network_cli_ssh_type: paramiko
      ansible_network_os: cisco.ios.ios
      ansible_become: true
      ansible_become_method: enable
      ansible_ios_commit_confirm_immediate: true
      ansible_ios_commit_confirm_timeout: 2
Y
cat >"$TMP/play.yaml" <<'Y'
- hosts: router
  gather_facts: false
  tasks:
    - name: facts
      cisco.ios.ios_facts: {gather_subset: [default, interfaces, config]}
    - name: first
      cisco.ios.ios_config: &lines
        parents: interface Tunnel5
        lines:
          - description made by another hand
          - ip address 10.99.0.1 255.255.255.0
          - ip mtu 1400
        save_when: changed
    - name: second
      cisco.ios.ios_config: *lines
    - name: refused
      cisco.ios.ios_config: {parents: interface Tunnel5, lines: [ip address 10.99.0.1 255.0.255.0]}
      ignore_errors: true
    - name: defaults
      cisco.ios.ios_config: {parents: interface Tunnel5, lines: [ip mtu 1400], defaults: true}
Y
cat >"$TMP/ansible.cfg" <<X
[defaults]
host_key_checking = False
retry_files_enabled = False
interpreter_python = /usr/bin/python3
local_tmp = $TMP/local
home = $TMP/home
[persistent_connection]
control_path_dir = $TMP/pc
command_timeout = 120
connect_timeout = 120
X
play() {
    HOME=$TMP ANSIBLE_CONFIG=$TMP/ansible.cfg ANSIBLE_NOCOLOR=1 PATH=$ANSIBLE/root/usr/bin:$PATH \
        PYTHONPATH=$ANSIBLE/root/usr/lib/python3/dist-packages ANSIBLE_COLLECTIONS_PATH=$ANSIBLE/root/usr/lib/python3/dist-packages \
        timeout 550 ansible-playbook -v -i "$TMP/inventory.yaml" "$TMP/play.yaml" </dev/null
}
task() { awk -v t="TASK [$1]" 'index($0, "TASK [") == 1 { on = index($0, t) == 1 } on' "$TMP/played"; } # what a task printed
fact() { task facts | grep -qF -- "\"ansible_net_$1\": $2"; }
play >"$TMP/played" 2>&1
ok "the playbook comes to its end" eval 'tail -3 "$TMP/played"; grep -qE "^router .*unreachable=0 +failed=0 .*ignored=1" "$TMP/played" || { cat "$TMP/played"; false; }'
ok "it reads the router's name" fact hostname '"spoke-router-in-the-cloud"'
ok "its release" fact version '"17.09.04a"'
ok "its model and its mode" eval "fact model '\"C8000V\"' && fact iostype '\"IOS-XE\"' && fact operatingmode '\"autonomous\"'"
ok "its addresses" eval 'fact all_ipv4_addresses "[\"10.0.106.10\"]"'
ok "its configuration" eval 'task facts | grep -qF "hostname spoke-router-in-the-cloud"'
ok "writes lines under their parent" eval 'task first | grep -q "^changed: .router." && task first | grep -qF "\"interface Tunnel5\", \"description made by another hand\""'
kept() { typed 'terminal length 0' 'show startup-config' >"$TMP/session"; cat "$TMP/session"; grep -q "^ ip address 10.99.0.1 255.255.255.0" "$TMP/session"; }
ok "and saves them" kept
confirmed() { sed -n '/configure terminal revert timer 2/,/configure confirm/p' "$TMP/r/journal.jsonl" | grep 'ip mtu 1400'; }
ok "as one confirmed change" confirmed
ok "the second time nothing is changed" eval 'task second | grep -q "^ok: .router."'
ok "nor against the configuration with its defaults" eval 'task defaults | grep -q "^ok: .router."'
ok "what the router refuses is an error" eval 'task refused | grep -qF "Invalid input"'
pending() { typed 'show archive config rollback timer' | grep -F 'Timer value: 2 min'; }
ok "and what came before it in that change is left to the timer" pending
finish
