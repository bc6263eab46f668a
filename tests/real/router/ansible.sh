#!/usr/bin/env bash
# Debian's ansible (its collection cisco.ios, network_cli by paramiko) against the lab's IOS-XE: what a client of other
# makers reads there, writes, and finds unchanged. One playbook: ansible takes its seconds for each task.
# shellcheck disable=SC1091
. "$(dirname "$0")/../../integration/lib.sh"
. "$(dirname "$0")/../../integration/alone-lib.sh"
. "$(dirname "$0")/ansible-lib.sh"
find_ansible >"$TMP/why" || skip_all "$(cat "$TMP/why")"
start_alone

# What is there before it comes.
typed 'terminal length 0' 'configure terminal' 'archive' 'path bootflash:isthmus' 'maximum 5' 'end' 'write memory' >/dev/null
inventory "$ADDRESS" "$PORT" "$TMP/key" 'ansible_ios_commit_confirm_immediate: true' 'ansible_ios_commit_confirm_timeout: 2'
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
task() { awk -v t="TASK [$1]" 'index($0, "TASK [") == 1 { on = index($0, t) == 1 } on' "$TMP/played"; } # what a task printed
fact() { task facts | grep -qF -- "\"ansible_net_$1\": $2"; }
playbook "$TMP/play.yaml" >"$TMP/played" 2>&1
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
