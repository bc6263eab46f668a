#!/usr/bin/env bash
# A plan of `aws-routes` over 50 tables and 500 rules that finds nothing to do, beside the describe calls that it makes,
# sent raw by one curl each: what the program itself costs, its start included.
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
    echo "Filter.1.Name=$1&$(awk '{ printf "%sFilter.1.Value.%d=%s", NR > 1 ? "&" : "", NR, $1 }' "$2")"
}
# One after another over one connection, as the plan sends them.
describe() {
    {
        echo "Action=DescribeRouteTables&$(filter route-table-id "$TMP/tables")"
        echo "Action=DescribeSecurityGroups&$(filter group-id "$TMP/groups")"
        echo "Action=DescribeNetworkInterfaces&Filter.1.Name=addresses.private-ip-address&Filter.1.Value.1=10.0.0.10"
    } | many
}
plan=$(best plan run aws-routes plan)
raw=$(best raw describe)
awk -v p="$plan" -v r="$raw" 'BEGIN { printf "no-op plan of 500 routes and 500 rules: %d ms; its 3 reads sent raw: %d ms; plan / raw %.2f\n", p, r, p / r }'
