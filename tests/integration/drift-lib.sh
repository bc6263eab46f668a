# shellcheck shell=bash
# Drift: something that was applied is changed by hand; what plan, verify and apply then do. Sourced after lib.sh.
command -v kubectl >/dev/null || skip_all "kubectl is not installed"
command -v aws >/dev/null || skip_all "the aws command is not installed"
start_lab
serve_aws
isthmus apply stars --yes >"$TMP/out" 2>&1
pass_or_fail $? "apply"
lab snapshot >"$TMP/applied"

k() { kubectl --kubeconfig "$1" "${@:2}"; }
onprem() { k "$ISTHMUS_KUBECONFIG_CCP" "$@"; }
cloud() { k "$ISTHMUS_KUBECONFIG_AWS" "$@"; }
ec2() { aws ec2 --output text "$@"; }

# drift "what" "text that the plan shows" "text that verify shows, or -" command...
drift() {
    local what=$1 shown=$2 verified=$3
    shift 3
    "$@" >"$TMP/out" 2>&1 || {
        pass_or_fail 1 "$what: the change itself"
        return
    }
    if [ "$verified" != - ]; then
        ok "$what: verify fails and names it" verify_names "$verified" --set pipelines.stars.steps.router.with.settle=1s
    fi
    exits 2 "$what: plan sees it" isthmus plan stars --detailed-exitcode
    says "$shown" "$what: and names it"
    ok "$what: apply mends it" isthmus apply stars --yes --allow-deferred
    mended() { lab snapshot >"$TMP/now" && diff "$TMP/applied" "$TMP/now"; }
    ok "$what: and nothing else" mended
    exits 0 "$what: nothing is left" isthmus plan stars --detailed-exitcode
}
