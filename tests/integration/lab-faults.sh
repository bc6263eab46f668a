#!/usr/bin/env bash
# Fault rules: each effect, on the calls it names and no others, as often as it says.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lab-lib.sh"
start_lab

count() { ec2 DescribeVpcs | grep -o '<vpcId>' | wc -l; }
fault() { lab faults clear && lab faults add "$@"; }
make() { ec2 CreateVpc CidrBlock=10.9.0.0/16; }

exits 1 "a rule without an effect is refused" lab faults add service=aws
exits 1 "so is an unknown effect" lab faults add effect=rain
says "cut-before" "which names the known ones"
exits 1 "and a broken expression" lab faults add effect=delay 'action=('
exits 1 "and an unknown key" lab faults add effect=delay colour=red

fault service=aws action=CreateVpc effect=status status=500 code=InternalError >/dev/null
ok "status: the call fails with the code" refused InternalError make
ok "once" make
not_made() { [ "$(count)" = 1 ]; }
ok "and has not acted" not_made
fault service=aws action=CreateVpc effect=status code=UnauthorizedOperation status=403 skip=1 times=2 >/dev/null
ok "skip: the first passes" make
ok "times: the second fails" refused UnauthorizedOperation make
ok "and the third" refused UnauthorizedOperation make
ok "and the fourth passes" make
fault service=aws action=DescribeVpcs effect=throttle >/dev/null
ok "throttle: EC2 says RequestLimitExceeded" refused RequestLimitExceeded ec2 DescribeVpcs
fault service=aws effect=throttle >/dev/null
ok "STS says Throttling" refused Throttling query sts GetCallerIdentity
fault service=aws effect=expired-token >/dev/null
ok "expired-token: EC2 says RequestExpired" refused RequestExpired ec2 DescribeVpcs
fault service=aws action=CreateVpc effect=cut-before >/dev/null
before=$(count)
cut() { ! make; }
ok "cut-before: no answer comes" cut
same() { [ "$(count)" = "$before" ]; }
ok "and nothing was done" same
fault service=aws action=CreateVpc effect=cut-after >/dev/null
ok "cut-after: no answer comes" cut
one_more() { [ "$(count)" = $((before + 1)) ]; }
ok "but it was done" one_more
fault service=aws action=DescribeVpcs effect=delay delay=700 >/dev/null
slow() { local start; start=$(date +%s%N); ec2 DescribeVpcs >/dev/null && [ $((($(date +%s%N) - start) / 1000000)) -ge 700 ]; }
ok "delay: the call takes its time" slow
fault service=aws action=DescribeVpcs effect=delay delay=15000 >/dev/null
others_go_on() {
    ec2 DescribeVpcs >/dev/null &
    sleep 0.3
    TMP2=$(mktemp -d "$TMP/x.XXXX")
    ( TMP=$TMP2; query sts GetCallerIdentity >/dev/null ) || return 1
    kill $! # which is not served yet
}
ok "and others are served meanwhile" others_go_on
fault service=aws action=DescribeVpcs effect=stale times=2 >/dev/null
before=$(count) # a stale read without a write since is as good as a fresh one
make >/dev/null
ok "stale: a read does not see the last write" same
ok "the next one does" one_more
fault service=ccp effect=status status=503 >/dev/null
ok "a rule for one service" sh -c "[ \$(curl -sS --cacert '$ISTHMUS_LAB_CA' -o /dev/null -w '%{http_code}' '$ISTHMUS_CCP_URL/v3/clusters/') = 503 ]"
fault effect=reload >/dev/null
not_for_http() { ec2 DescribeVpcs && lab faults list | grep -q '"hits": 0'; }
ok "a reload waits for a router" not_for_http
leaves_others() { lab faults add service=ccp effect=status times=0 && ec2 DescribeVpcs; }
ok "leaves the others alone" leaves_others
listed() { lab faults list | grep -q '"service": "ccp"'; }
ok "rules are listed with their hits" listed
ok "and cleared" lab faults clear
none_left() { [ "$(lab faults list)" = "[]" ]; }
ok "all of them" none_left
journal() { lab log --output jsonl | grep '"action":"EC2:CreateVpc"' | grep -q '"status":0'; }
ok "the journal shows a cut call with status 0" journal
finish
