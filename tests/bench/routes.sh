#!/usr/bin/env bash
# A plan of `aws-vpc` and `aws-routes` over 200 subnets, 50 tables and 500 rules that finds nothing to do, beside the
# describe calls that it makes, with the same filters, sent raw one after another by one curl over one connection: what
# the program itself costs, its start included. The plan looks at its two steps side by side; curl does not.
SCALE_ONLY_MAKE=1
# shellcheck disable=SC1091
. "$(dirname "$0")/../integration/aws-scale.sh" >/dev/null
# best NAME command...: milliseconds of the quickest of five
best() {
    local name=$1 least=999999 from took
    shift
    for _ in 1 2 3 4 5; do
        from=$(date +%s%N)
        "$@" >"$TMP/out" 2>&1 || { echo "$name: $(tail -1 "$TMP/out")" >&2; exit 1; }
        took=$((($(date +%s%N) - from) / 1000000))
        [ $took -ge $least ] || least=$took
    done
    echo $least
}
filter() { # filter NAME FILE: a Filter of these values
    echo "Filter.1.Name=$1&$(awk '{ printf "%sFilter.1.Value.%d=%s", (NR > 1 ? "&" : ""), NR, $1 }' "$2")"
}
describe() {
    {
        echo "Action=DescribeVpcs"
        for kind in Subnets RouteTables SecurityGroups Instances; do
            echo "Action=Describe$kind&Filter.1.Name=vpc-id&Filter.1.Value.1=$VPC"
        done
        echo "Action=DescribeNetworkInterfaces&Filter.1.Name=vpc-id&Filter.1.Value.1=$VPC&Filter.2.Name=description&Filter.2.Value.1=aws-K8S-*&Filter.2.Value.2=aws-k8s-*"
        describe_routes
    } | many
}
describe_routes() {
    echo "Action=DescribeRouteTables&$(filter route-table-id "$TMP/tables")"
    echo "Action=DescribeSecurityGroups&$(filter group-id "$TMP/groups")"
    echo "Action=DescribeNetworkInterfaces&Filter.1.Name=addresses.private-ip-address&Filter.1.Value.1=10.0.0.10&Filter.2.Name=vpc-id&Filter.2.Value.1=$VPC"
}
routes_alone() { describe_routes | many; }
run aws-routes destroy >/dev/null || exit 1
mkdir "$TMP/conf"
{
    printf 'pipelines:\n  large:\n    steps:\n'
    printf '      vpc:\n        plugin: aws-vpc\n        with: {name_prefix: large}\n'
    printf '      routes:\n        plugin: aws-routes\n        with:\n'
    sed 's/^/          /' "$TMP/aws-routes.yaml"
} >"$TMP/conf/large.yaml"
export ISTHMUS_STATE=$TMP/large.db
"$ISTHMUS" -C "$TMP/conf" apply large --yes >"$TMP/out" 2>&1 || { tail -3 "$TMP/out" >&2; exit 1; }
plan=$(best plan "$ISTHMUS" -C "$TMP/conf" plan large)
grep -q "No changes" "$TMP/out" || { tail -3 "$TMP/out" >&2; exit 1; }
raw=$(best raw describe)
alone=$(best raw routes_alone)
awk -v p="$plan" -v r="$raw" -v a="$alone" 'BEGIN { printf "no-op plan of 200 subnets, 500 routes and 500 rules: %d ms; its 9 reads sent raw: %d ms (the 3 of the routes: %d ms); plan / raw %.2f\n", p, r, a, p / r }'
