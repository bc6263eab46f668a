#!/usr/bin/env bash
# A cluster of one's own, joined to the networks on premises, without a container platform: the example that is shipped,
# from nothing and back. tests/real/aws/pipelines.sh does the same in another AWS.
# shellcheck disable=SC1091,SC2016,SC2034
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/pipeline-lib.sh"
start_lab
serve_aws
ours() { lab log --output jsonl | jq -r "select(.write and .service == \"aws\" and .method != \"ASKS\" and .status == $1) | .action"; }
write_calls() { ours 200; }
lose_each() {
    while read -r action; do lab faults add service='^aws$' "action=^$action\$" effect=cut-after calls=writes; done <"$TMP/made" >"$TMP/out"
}
lost_each() { ours 0; }
lab snapshot >"$TMP/whole"
cycle
as_it_was() { lab snapshot >"$TMP/now" && diff "$TMP/whole" "$TMP/now"; }
ok "and the lab is as it was, to the last object" as_it_was
finish
