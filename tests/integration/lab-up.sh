#!/usr/bin/env bash
# A lab's life: up in under a second, private, several side by side, and nothing left after it.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lab-lib.sh"

before=$(date +%s%N)
ok "a lab comes up" "$LAB" up --dir "$TMP/a"
took=$((($(date +%s%N) - before) / 1000000))
quick() { echo "$took ms"; [ $took -lt 5000 ]; }
ok "and quickly" quick
mode() { [ "$(stat -c %a "$TMP/a")" = 700 ] && [ -z "$(find "$TMP/a" -type f -perm /077)" ]; }
ok "its folder is 0700, its files 0600" mode
exits 1 "a second in the same folder is refused" "$LAB" up --dir "$TMP/a"
says "already" "and says why"
exits 1 "a folder that cannot be made is refused" "$LAB" up --dir "$TMP/none/deeper"
says "No such file" "and says why"
ok "another lab comes up beside it" "$LAB" up --dir "$TMP/b"
address() { sed -n "s/^export AWS_ENDPOINT_URL='\(.*\)'/\1/p" "$TMP/$1/env"; }
apart() { [ -n "$(address a)" ] && [ "$(address a)" != "$(address b)" ]; }
ok "on a network of its own" apart
make_vpc() { ( . "$TMP/a/env"; ec2 CreateVpc CidrBlock=10.9.0.0/16 ); }
ok "what is made in one" make_vpc
other_empty() { ( . "$TMP/b/env"; ec2 DescribeVpcs | grep -q '<vpcSet></vpcSet>' ); }
ok "is not in the other" other_empty
strange_key() { ( . "$TMP/a/env"; key=$AWS_ACCESS_KEY_ID; . "$TMP/b/env"; AWS_ACCESS_KEY_ID=$key; refused AuthFailure ec2 DescribeVpcs ); }
ok "nor does a key of one open the other" strange_key

env_whole() {
    ( for name in AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_REGION AWS_DEFAULT_REGION AWS_ENDPOINT_URL AWS_CA_BUNDLE \
        ISTHMUS_LAB_DIR ISTHMUS_LAB_CA ISTHMUS_CCP_URL ISTHMUS_CCP_USERNAME ISTHMUS_CCP_PASSWORD ISTHMUS_KUBECONFIG_CCP \
        ISTHMUS_KUBECONFIG_AWS KUBECONFIG ISTHMUS_ROUTER_ADDRESS ISTHMUS_ROUTER_PORT ISTHMUS_ROUTER_KEY \
        ISTHMUS_HUB_ADDRESS ISTHMUS_STATE ISTHMUS_CFG; do unset "$name"; done
      . "$TMP/a/env"
      for name in AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_REGION AWS_DEFAULT_REGION AWS_ENDPOINT_URL AWS_CA_BUNDLE \
        ISTHMUS_LAB_DIR ISTHMUS_LAB_CA ISTHMUS_CCP_URL ISTHMUS_CCP_USERNAME ISTHMUS_CCP_PASSWORD ISTHMUS_KUBECONFIG_CCP \
        ISTHMUS_KUBECONFIG_AWS KUBECONFIG ISTHMUS_ROUTER_ADDRESS ISTHMUS_ROUTER_PORT ISTHMUS_ROUTER_KEY \
        ISTHMUS_HUB_ADDRESS ISTHMUS_STATE ISTHMUS_CFG; do
          [ -n "${!name:-}" ] || { echo "no $name"; exit 1; }
      done
      [ -d "$ISTHMUS_CFG" ] && [ -s "$ISTHMUS_ROUTER_KEY" ] )
}
ok "DIR/env has every name" env_whole
journal() { "$LAB" log --dir "$TMP/a" --output jsonl | grep '"action":"EC2:CreateVpc"' | grep -q '"write":true'; }
ok "the journal has the call, as a write" journal
reads() { "$LAB" log --dir "$TMP/b" --output jsonl | grep '"action":"EC2:DescribeVpcs"' | grep -q '"write":false'; }
ok "and a describe as none" reads
exits 1 "an unknown command is an error" "$LAB" sideways --dir "$TMP/a"
exits 1 "so is an unknown option" "$LAB" up --dir "$TMP/c" --sideways
exits 1 "a bad number" "$LAB" up --dir "$TMP/c" --eks-seconds soon
exits 1 "and a missing folder" "$LAB" up

pids="$(cat "$TMP/a/pid") $(cat "$TMP/b/pid")"
ok "one goes down" "$LAB" down --dir "$TMP/a"
still() { ( . "$TMP/b/env"; ec2 DescribeVpcs ); }
ok "the other stays" still
ok "it goes down too" "$LAB" down --dir "$TMP/b"
no_process() { # a zombie waits only for its reaper
    for pid in $pids; do
        state=$(sed 's/.*) //; s/ .*//' "/proc/$pid/stat" 2>/dev/null || true)
        [ -z "$state" ] || [ "$state" = Z ] || { echo "$pid is in state $state"; return 1; }
    done
}
ok "no process is left" no_process
exits 1 "down again says that none runs" "$LAB" down --dir "$TMP/a"
says "no lab runs" "in these words"
ok "the journal outlives the lab" journal
ok "a lab comes up again in the same folder" "$LAB" up --dir "$TMP/a"
kill -KILL "$(cat "$TMP/a/pid")"
ok "and, killed, once more" eventually "$LAB" up --dir "$TMP/a"
ok "and goes" "$LAB" down --dir "$TMP/a"
finish
