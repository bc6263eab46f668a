#!/usr/bin/env bash
# What only plugins can say of inputs is said by `validate`, and before `plan` and `apply` do anything: every error at
# once, with its place; what is not known yet is passed over; a check that breaks is named.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
export HOME=$TMP XDG_CACHE_HOME=$TMP/cache ISTHMUS_STATE=$TMP/state.db LC_ALL=C NO_COLOR=1
export ISTHMUS_PLUGIN_PATH=$BUILD/tests/torture/bad
[ -e "$BUILD/tests/torture/bad/test-check.so" ] || skip_all "the plugin test-check is not built here"

steps() { # steps: of pipeline p, from the standard input
    { printf 'pipelines:\n  p:\n    steps:\n'; sed 's/^/      /'; } >"$TMP/p.yaml"
}
run() { timeout 120 "$ISTHMUS" -C "$TMP/p.yaml" "$@"; }
lacks() { # lacks "text" "says what": the last output does not hold it
    ! grep -qF -- "$1" "$TMP/out"
    pass_or_fail $? "$2"
}

steps <<'Y'
one:
  plugin: test-check
  with:
    text: bad
    items: [fine, bad, fine]
two:
  plugin: test-check
  with:
    parts:
      - name: fine
      - name: bad
    named: {x: {text: bad}}
    text: odd
three:
  plugin: test-check
  with: {text: "${steps.one.text}", nope: 1}
Y
exits 1 "validate refuses what a plugin's check refuses" run validate p
says "p.yaml:7:17: error: \`text\`: is bad" "with the place of the input"
says "          text: bad" "and its line"
says "try something better" "and what to do"
says "p.yaml:8:25: error: \`items[1]\`: is bad" "also of an item of a list"
says "p.yaml:14:21: error: \`parts[1].name\`: is bad" "also of a part of a list"
says "p.yaml:15:29: error: \`named.x.text\`: is bad" "also of a part of a map"
says "p.yaml:16:17: warning: \`text\`: is odd" "warnings are told too"
says "p.yaml:19:" "the errors of the configuration itself are told in the same run"
says "5 errors" "each once"
exits 1 "plan refuses it too" run plan p
exits 1 "and apply, before anything is made" run apply --yes p
says "is bad" "and says why"
ok "state was not even opened" test ! -e "$TMP/state.db"

steps <<'Y'
one: {plugin: test-check, with: {text: fine}}
two:
  plugin: test-check
  with:
    text: ${steps.one.text}
    other: here
    items: [odd, "${steps.one.text}", bad]
Y
exits 1 "known inputs are looked at beside those that are not known" run validate p
says "p.yaml:10:45: error: \`items[2]\`: is bad" "the items of a list keep their numbers"
lacks "needs a text" "an input that is not known is not missing"
says "1 error" "nothing else is said"

steps <<'Y'
one: {plugin: test-check, with: {text: odd}}
off:
  plugin: test-check
  when: false
  with: {text: bad}
each:
  plugin: test-check
  for_each: {a: fine, b: odd}
  with: {text: "${each.value}"}
Y
exits 0 "warnings alone refuse nothing, and a step that is off is not asked" run validate p
says "warning: \`text\`: is odd" "they are told"
exits 0 "plan tells of warnings" run plan p
ok "once" test "$(grep -c 'is odd' "$TMP/out")" = 2
exits 0 "apply goes on with warnings" run apply --yes p
ok "and tells of each once" test "$(grep -c 'is odd' "$TMP/out")" = 2
run plan --output json p >"$TMP/plan.json" 2>/dev/null
ok "a plan in JSON is one document" python3 -c 'import json,sys; json.load(open(sys.argv[1]))' "$TMP/plan.json"
exits 0 "all of it is removed again" run destroy --yes p

steps <<'Y'
one: {plugin: test-check, with: {text: fine}}
two: {plugin: test-check, with: {items: "${steps.one.items}"}}
Y
exits 0 "what only an earlier step can tell is not refused before" run validate p
exits 3 "but when its turn comes" run apply --yes p
says "items[0]" "with the input"
says "p.yaml:5:" "and its place"
says '        two: {plugin: test-check, with: {items: "${steps.one.items}"}}' "and its line"
cp "$TMP/out" "$TMP/text"
says "hint: try something better" "and what to do"
ok "and the caret under it" grep -qE '^ {48}\^$' "$TMP/text"
exits 0 "it is removed" run destroy --yes p
run apply --yes --output jsonl p >"$TMP/lines" 2>/dev/null
told() {
    python3 -c '
import json, sys
wrong = [e["diagnostics"] for e in map(json.loads, open(sys.argv[1])) if e["event"] == "step-failed"][0]
assert len(wrong) == 1 and wrong[0]["line"] == 5 and wrong[0]["text"] == "`items[0]`: is bad", wrong' "$TMP/lines"
}
ok "events have the same, each a line of JSON" told
# With the plugin gone too, the command that is told is one that works as it stands.
sed -i '/two:/d' "$TMP/p.yaml"
exits 1 "without its plugin nothing can be removed" env ISTHMUS_PLUGIN_PATH="$TMP" "$ISTHMUS" -C "$TMP/p.yaml" destroy p --yes
says "its plugin test-check cannot be found" "and that is said"
COMMAND=$(sed -n 's/^ *hint: install it; .*: \(isthmus .*\)$/\1/p' "$TMP/out")
typed() { (ISTHMUS_PLUGIN_PATH=$TMP PATH=$BUILD/core:$PATH timeout 60 bash -c "$1"); }
exits 0 "the command that lets go of it works as it stands: $COMMAND" typed "${COMMAND:-false}"
ok "and state holds nothing more" test -z "$(run state list p)"
exits 0 "so there is nothing to remove" run destroy --yes p

steps <<'Y'
one: {plugin: test-check, with: {token: opensesame-7731}}
Y
exits 1 "a secret is checked" run validate p
says "is over 8 characters" "and what is wrong with it told"
lacks "opensesame-7731" "without the secret, and without its line"
run validate --output json p >"$TMP/out" 2>&1
lacks "opensesame-7731" "in JSON neither"
steps <<'Y'
one: {plugin: test-check, with: {text: bad, token: opensame}}
Y
exits 1 "a wrong input beside a secret on one line" run validate p
says "is bad" "is told"
lacks "opensame" "without the line"

steps <<'Y'
bad: {plugin: test-check, with: {do: crash}}
Y
exits 1 "a check that crashes is an error" run validate p
says "the check of plugin \`test-check\` of step \`bad\` broke: " "it names plugin and step"
says "p.yaml:4:7: error" "and the place"
steps <<'Y'
slow: {plugin: test-check, timeout: 1s, with: {do: hang}}
other: {plugin: test-file, with: {path: /nowhere/x, content: y}}
Y
exits 1 "a check that does not end is an error" run validate p
says "step \`slow\` broke: it did not end within 1 s" "and named"
steps <<'Y'
flood: {plugin: test-check, with: {do: flood}}
Y
exits 1 "a check that floods is an error" run validate p
says "step \`flood\` broke: it tells of over 1000 problems" "and named"
steps <<'Y'
one: {plugin: test-check, with: {do: fail, text: x}}
Y
exits 1 "a check may fail as any other operation does" run validate p
says "p.yaml:4:56: error: \`text\`: is not to its liking" "of an input with its place"
steps <<'Y'
one: {plugin: test-check, with: {do: break}}
Y
exits 1 "a check that cannot be made is an error" run validate p
says "step \`one\`: somewhere: did not work" "with its reason"
steps <<'Y'
one: {plugin: test-check, with: {do: intent}}
Y
exits 1 "a check that writes is refused" run validate p
says "only apply and destroy write to the journal" "and says so"
steps <<'Y'
one: {plugin: test-check, with: {do: quiet}}
Y
exits 1 "a check that fails without a word is an error" run validate p
says "gave no reason" "that says as much"
steps <<'Y'
one: {plugin: test-check, with: {do: chatter}}
Y
exits 0 "a warning in the log refuses nothing" run validate p
says "warning: step \`one\`: talks instead of telling" "and is shown"

steps <<'Y'
one: {plugin: test-check, with: {writes: made-here}}
two: {plugin: test-check, needs: [one], with: {reads: {a: made-here, b: not-made}}}
Y
exits 1 "a file that no step writes has to be there" run validate p
says "p.yaml:5:79: error: \`reads.b\`: is not there" "and is named"
lacks "reads.a" "one that a step before may write is not known yet"
steps <<'Y'
one: {plugin: test-check, needs: [two], with: {writes: made-here}}
two: {plugin: test-check, with: {reads: {a: made-here}}}
Y
exits 1 "one that only a later step writes has to be there as well" run validate p

# ---- the private key of a router: read as it will be, before anything is launched
keyed() { # keyed FILE [PASSPHRASE]: a router whose private key that is
    {
        printf 'pipelines:\n  p:\n    steps:\n      r:\n        plugin: csr-dmvpn\n        with:\n'
        printf '          ssh: {private_key: %s%s}\n' "$1" "${2:+, passphrase: $2}"
    } >"$TMP/p.yaml"
    run validate p
}
key_at="p.yaml:7:30: error: \`ssh.private_key\`: private key $TMP"
refuses_key() { # refuses_key "why" "says what" FILE [PASSPHRASE]
    keyed "$3" "${4-}" >"$TMP/out" 2>&1
    says "$key_at/${3##*/}: $1" "$2"
}
ssh-keygen -q -t ed25519 -N '' -f "$TMP/key"
ssh-keygen -q -t ed25519 -a 1 -N opensesame -f "$TMP/locked"
ssh-keygen -q -t rsa -b 2048 -m PEM -N '' -f "$TMP/pem"
ssh-keygen -q -t rsa -b 2048 -m PEM -N opensesame -f "$TMP/locked-pem"
install -m 600 /dev/null "$TMP/empty"
(umask 077; printf 'not a key\n' >"$TMP/junk"; sed '3,$d' "$TMP/key" >"$TMP/cut"; head -c 70000 /dev/zero >"$TMP/large")
cp "$TMP/key" "$TMP/open"; chmod 644 "$TMP/open"; chmod 600 "$TMP/key.pub"
for good in key pem "locked opensesame" "locked-pem opensesame"; do
    read -r file word <<<"$good"
    keyed "$TMP/$file" "$word" >"$TMP/out" 2>&1
    lacks "ssh.private_key" "a private key is one: $good"
done
refuses_key "No such file" "a key that is not there" "$TMP/none"
refuses_key "it is a public key" "the public key in its place" "$TMP/key.pub"
refuses_key "it is empty" "an empty file" "$TMP/empty"
refuses_key "it is no private key" "another file" "$TMP/junk"
refuses_key "it cannot be read" "half a key" "$TMP/cut"
refuses_key "larger than a key can be" "one that is no key's size" "$TMP/large"
refuses_key "others may read" "a key that is open to others" "$TMP/open"
says "chmod 600" "with what to do"
refuses_key "it is encrypted, and there is no passphrase" "an encrypted key without its passphrase" "$TMP/locked"
refuses_key "it is encrypted, and there is no passphrase" "in the older form as well" "$TMP/locked-pem"
refuses_key "the passphrase does not open it" "or with another's" "$TMP/locked" knockknock
refuses_key "the passphrase does not open it" "in the older form as well" "$TMP/locked-pem" knockknock
lacks "knockknock" "and the passphrase is not shown"
mkdir "$TMP/folder"
refuses_key "it is a folder" "a folder" "$TMP/folder"

# ---- a flat network on premises: pods have addresses of the nodes'
flat() { # flat PLUGIN "INPUTS" [PODS]
    steps <<Y
a: {plugin: $1, with: {$2, onPremCidr: 10.1.0.0/16${3:+, onPremPodCidr: $3}}}
Y
    run validate p >"$TMP/out" 2>&1
}
csr="ike_keyring_peer: {ip_range: {start: 192.0.2.9, end: 255.255.255.255}, pre-shared-key: a0b1c2d3}, ike_profile: {remote_peer_ip: 192.0.2.9},
  DmvpnIp: 10.250.0.9, DmvpnNetmask: 255.255.255.0, nhrp: {key: keykey00, HubTunnelIP: 10.250.0.1},
  ospf: {processId: 10, tunnelNetwork: 10.250.0.0, tunnelWildcard: 0.0.0.255, vpcArea: 2, tunnelArea: 0}, name: aws, region: us-west-2,
  vpc_id: vpc-1, public_subnet: {id: subnet-1, cidr: 10.0.106.0/24}, private_subnets: [{id: subnet-2, cidr: 10.0.109.0/24}], ssh_key: my-key"
for pair in "csr-dmvpn $csr" "frr-dmvpn where: existing, ssh: {host: 192.0.2.8}, $csr" "aws-routes route_tables: [rtb-1], next_hop: {kind: eni, id: eni-1}" "aws-eks name: aws"; do
    flat "${pair%% *}" "${pair#* }"
    says "valid: 1 step" "${pair%% *}: the nodes' network alone is enough"
    flat "${pair%% *}" "${pair#* }" 10.1.0.0/16
    says "= leave \`onPremPodCidr\` out where pods have addresses of the nodes' network" "the same twice is an error that says so"
done

# ---- several clusters on premises: each kubeconfig by its name, or all of them where a map is wanted
tenants() { # tenants NAME: what refers to that one
    steps <<Y
a:
  plugin: ccp
  with: {url: https://192.0.2.1, password: xxxx, provider: x, name: aws, region: us-west-2, role_arn_name: y, subnet: {cidr: 10.0.0.0/16,
    publicCidrs: [10.0.1.0/24], privateCidrs: [10.0.2.0/24]}, on_prem_clusters: {east: {kubeconf_file: $TMP/east}, west-2: {}}}
b: {plugin: k8s-svcmirror, with: {kubeconfigs: "\${steps.a.on_prem_kubeconfigs}", clusters: [{name: east}, {name: west-2}]}}
c: {plugin: k8s-svcmirror, with: {kubeconfigs: {w: "\${steps.a.$1}"}, clusters: [{name: w}]}}
Y
    run validate p >"$TMP/out" 2>&1
}
tenants on_prem_kubeconfigs.west-2
says "valid: 3 steps" "ccp: kubeconfigs of several clusters, by name and as a map"
tenants on_prem_kubeconfgs.west-2
says "did you mean \`on_prem_kubeconfigs\`?" "and a name that is none of its outputs"

# ---- a step that is wrong in several ways
{
    printf 'pipelines:\n  p:\n    steps:\n      c:\n        plugin: ccp\n        with:\n'
    # shellcheck disable=SC2016
    printf '          %s\n' 'url: http://h' 'password: ${env.ISTHMUS_NOT_SET}' 'nmae: aws' 'worker_count: 0' \
        'ssh_keys: [x, "${env.ISTHMUS_NOT_SET}", x]' 'subnet: {cidr: 10.0.0.0/16, privateCidrs: [10.9.0.0/24], publicCidrs: 7}'
} >"$TMP/p.yaml"
unset ISTHMUS_NOT_SET
exits 1 "what is wrong with a step is told in one run" run validate p
for place in 7:16 8:21 9:11 10:25 11:25 11:51 12:54 12:81; do
    says "p.yaml:$place: error" "the fault at $place"
done
lacks "name\`: \"" "and nothing of what is only misspelt"

# ---- alone
exits 1 "plugin run NAME check" "$ISTHMUS" plugin run test-check check --set text=bad --set other=x
says "error: text: is bad" "tells of what is wrong"
says '"problems"' "and answers it as JSON"
exits 0 "plugin run NAME check of what is right" "$ISTHMUS" plugin run test-check check --set text=fine
exits 1 "the same in this process" "$ISTHMUS" plugin run test-check check --in-process --set text=bad
exits 1 "plugin run NAME plan checks first" "$ISTHMUS" plugin run test-check plan --set text=bad
says "text: is bad" "and says so"
exits 0 "plugin check asks check" "$ISTHMUS" plugin check "$BUILD/tests/torture/bad/test-check.so" --set text=fine
says "copes with inputs that are not known" "with nothing known"
exits 1 "plugin check finds one that writes" \
    "$ISTHMUS" plugin check "$BUILD/tests/torture/bad/test-check.so" --set do=intent
says "tried to reach something" "and says so"
exits 1 "plugin check finds one that tells secrets" \
    "$ISTHMUS" plugin check "$BUILD/tests/torture/bad/test-check.so" --set token=opensesame-7731
says "check told the value of a secret" "and says so"
"$ISTHMUS" plugin show test-check >"$TMP/out" 2>&1
says "apply, destroy, check" "plugin show names the operation"
finish
