#!/usr/bin/env bash
# A large VPC: 200 subnets, 50 route tables, 500 rules over 50 groups. What it costs is calls, and they are counted.
# What a no-op plan takes beside the raw describe calls is `make bench`'s, which sources this file (SCALE_ONLY_MAKE).
# shellcheck disable=SC1091
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lab-lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/plugin-lib.sh"
command -v jq >/dev/null || skip_all "jq is missing"
start_lab

# many: one call of EC2 a line, as a form, by one curl; the answers, one after another
many() {
    local form first=1
    while read -r form; do
        [ $first = 1 ] || echo next
        first=0
        printf 'url = "%s/"\ndata = "Version=2016-11-15&%s"\naws-sigv4 = "aws:amz:us-west-2:ec2"\nuser = "%s:%s"\ncacert = "%s"\nsilent\n' \
            "$AWS_ENDPOINT_URL" "$form" "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" "$AWS_CA_BUNDLE"
    done | curl -sS --max-time 120 -K -
}
ids() { grep -o "<$1>[^<]*" | sed 's/.*>//'; }
calls_since() { tail -n "+$(($1 + 1))" "$TMP/lab/journal.jsonl" | jq -r 'select(.service == "aws" and .method != "ASKS") | .action' | sort | uniq -c | sed 's/^ *//'; }
mark() { wc -l <"$TMP/lab/journal.jsonl"; }

VPC=$(echo "Action=CreateVpc&CidrBlock=10.0.0.0/16" | many | ids vpcId)
for i in $(seq 0 199); do echo "Action=CreateSubnet&VpcId=$VPC&CidrBlock=10.0.$i.0/24"; done | many | ids subnetId >"$TMP/subnets"
for _ in $(seq 50); do echo "Action=CreateRouteTable&VpcId=$VPC"; done | many | ids routeTableId >"$TMP/tables"
for i in $(seq 50); do echo "Action=CreateSecurityGroup&VpcId=$VPC&GroupName=workers-$i&GroupDescription=workers"; done | many | ids groupId >"$TMP/groups"
# Four subnets a table, one of them told by its tag.
paste -d' ' <(sed -n '1~1p' "$TMP/subnets") <(for _ in 1 2 3 4; do cat "$TMP/tables"; done) |
    while read -r subnet table; do echo "Action=AssociateRouteTable&SubnetId=$subnet&RouteTableId=$table"; done | many >"$TMP/out"
echo "Action=CreateTags&ResourceId.1=$VPC&Tag.1.Key=Name&Tag.1.Value=large" | many >"$TMP/out"
echo "Action=CreateNetworkInterface&SubnetId=$(head -1 "$TMP/subnets")&PrivateIpAddress=10.0.0.10" | many >"$TMP/out"
ok "200 subnets, 50 tables, 50 groups" test "$(wc -l <"$TMP/subnets") $(wc -l <"$TMP/tables") $(wc -l <"$TMP/groups")" = "200 50 50"

list() { paste -sd, "$1"; }
cat >"$TMP/aws-routes.yaml" <<END
vpc_id: $VPC
route_tables: [$(list "$TMP/tables")]
security_groups: [$(list "$TMP/groups")]
next_hop: {kind: ip, id: 10.0.0.10}
onPremCidr: 10.1.0.0/16
onPremPodCidr: 192.168.0.0/16
extra_cidrs: [$(seq -s, -f '172.16.%.0f.0/24' 8)]
END
cat >"$TMP/aws-vpc.yaml" <<END
name_prefix: large
END
was=$(mark)
ok "apply makes 500 routes and 500 rules" run aws-routes apply
calls_since "$was" >"$TMP/calls"
# Observe, plan and apply each read once; a route is a call, the rules of a group are one.
ok "a call a route" grep -qx "500 EC2:CreateRoute" "$TMP/calls"
ok "and one a group" grep -qx "50 EC2:AuthorizeSecurityGroupIngress" "$TMP/calls"
few() { awk '/Describe/ { n += $1 } END { exit !(n <= 9) }' "$TMP/calls" || { cat "$TMP/calls"; return 1; }; }
ok "and few reads" few
was=$(mark)
no_change() { run aws-routes plan && jq -e '.changes | length == 0' "$TMP/json"; }
ok "a second plan is empty" no_change
calls_since "$was" >"$TMP/calls"
three() { [ "$(awk '{ n += $1 } END { print NR, n }' "$TMP/calls")" = "3 3" ] || { cat "$TMP/calls"; return 1; }; }
ok "by three calls: tables, groups and the next hop" three
was=$(mark)
ok "aws-vpc finds it" run aws-vpc plan
calls_since "$was" >"$TMP/calls"
few_kinds() { awk '{ n += $1 } END { exit !(n <= 12) }' "$TMP/calls" || { cat "$TMP/calls"; return 1; }; }
ok "by few calls too" few_kinds
[ -z "${SCALE_ONLY_MAKE:-}" ] || return 0

# ---- an answer that is lost, and one rule that is there already: the batch falls back to single calls ----
GROUP=$(head -1 "$TMP/groups")
echo "Action=RevokeSecurityGroupIngress&GroupId=$GROUP&IpPermissions.1.IpProtocol=-1&IpPermissions.1.IpRanges.1.CidrIp=10.1.0.0/16&IpPermissions.1.IpRanges.2.CidrIp=192.168.0.0/16" | many >"$TMP/out"
lab faults add service='^aws$' action=EC2:AuthorizeSecurityGroupIngress effect=cut-after >/dev/null
ok "two rules are revoked, and the answer to their making is lost" run aws-routes apply
lab faults clear >/dev/null
ok "nothing is left to do" no_change
rules() { echo "Action=DescribeSecurityGroupRules&Filter.1.Name=group-id&Filter.1.Value.1=$GROUP" | many | grep -o '<cidrIpv4>[^<]*' | grep -v 0.0.0.0/0 | sort | uniq -c | awk '$1 != 1 { bad = 1 } END { print NR, bad + 0 }'; }
ok "ten rules, none twice" test "$(rules)" = "10 0"
finish
