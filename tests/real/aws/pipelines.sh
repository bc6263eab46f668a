#!/usr/bin/env bash
# The pipeline that tests/integration/aws-pipelines.sh runs in the lab, the same file and the same cases, in another AWS.
# What that has not got is lent by the lab: of EKS the Kubernetes behind its endpoint (one of the same name), of EC2 the
# router that an instance boots (which listens where the Elastic IP says).
# shellcheck disable=SC1091,SC2034
. "$(dirname "$0")/fake-lib.sh"
. "$SRC/tests/integration/alone-lib.sh"
command -v curl >/dev/null && command -v ssh-keygen >/dev/null || skip_all "curl or ssh-keygen is missing"
[ -n "${ISTHMUS_AWS_FAKE:-}" ] || skip_all "ISTHMUS_AWS_FAKE is not set"
. "$SRC/tests/integration/pipeline-lib.sh"
start_lab
ok "the lab has a cluster of that name" pipeline apply --yes --only vpc --only eks --set pipelines.hybrid.steps.eks.with.enable_snat=true
KUBERNETES=$(aws eks describe-cluster --name hybrid --query cluster --output json)
KEY=$AWS_ACCESS_KEY_ID SECRET=$AWS_SECRET_ACCESS_KEY
start_alone # its own EXIT, which that of the fake takes over
FAKE_WITH=$SRC/tests/real/aws/moto-more.py
start_fake
trap 'exec 9>&-; kill "$ALONE_PID" ${WATCHER:-} 2>/dev/null; stop_fake' EXIT
put_aws "$AWS"
serve_aws
# Tokens for Kubernetes are signed with the lab's key, and say that they are for AWS's own STS.
fake /_fake/config "$(jq -n --arg key "$KEY" --arg secret "$SECRET" --argjson cluster "$KUBERNETES" \
    '{keys: {($key): $secret}, eks_endpoint: $cluster.endpoint, eks_ca: $cluster.certificateAuthority.data, eks_seconds: 1}')" >"$TMP/out"
export AWS_ACCESS_KEY_ID=$KEY AWS_SECRET_ACCESS_KEY=$SECRET AWS_ENDPOINT_URL_STS=https://sts.us-west-2.amazonaws.com
export ISTHMUS_STATE=$TMP/fake.db ISTHMUS_ROUTER_PORT=$PORT
for role in AWSServiceRoleForAmazonEKS k8s-node-instance-role; do
    aws iam create-role --role-name $role --assume-role-policy-document '{}' >"$TMP/out"
done
aws ec2 import-key-pair --key-name my-key --public-key-material "fileb://$TMP/key.pub" >"$TMP/out"
export ISTHMUS_ROUTER_KEY=$TMP/key
aws ec2 register-image --name Cisco-C8K-17.09.01a --root-device-name /dev/xvda --architecture x86_64 >"$TMP/out"

# What EC2 boots is a router of the lab's, with the user data that EC2 was given, as long as EC2 has it.
boots() {
    local known="i-spoke" id address data seen
    echo "end i-spoke" >&9
    while kill -0 $$ 2>/dev/null; do
        seen=
        while read -r id address data; do
            [ -n "$id" ] || continue
            seen="$seen $id"
            case " $known " in *" $id@$address "*) continue ;; esac
            base64 -d <<<"$data" >"$TMP/user-data.$id"
            echo "boot $id $address $TMP/user-data.$id" >&9
            known="$known $id@$address"
        done < <(fake /_more/routers | jq -r '.[] | join(" ")')
        sleep 0.3
    done
}
boots >"$TMP/boots" 2>&1 &
WATCHER=$!

write_calls() { fake /_fake/log | jq -r '.[] | select(.status == 200) | .action | select(test("^(Describe|Get|List|GET |AssumeRole|HEAD )") | not)'; }
lose_each() { fake /_more/lose "$(jq -R . "$TMP/made" | jq -s .)" >"$TMP/out"; }
lost_each() { fake /_more/lose | jq -r '.[]'; }
cycle
finish
