// A token for an EKS cluster while other clusters are to be served: it is signed here, but who signs it may be known to the
// network alone (a role, a web identity, the instance's metadata), and that may take its time. A copy of this process
// asks; what comes of it is good for many tokens.
#include "../aws/internal.h"
#include "../plugin/helper.h"
#include "internal.h"

struct signer {
    const struct kube_login *login;
    const struct kube_eks *eks;
    int64_t skew_ms; // as the cluster, or AWS, has told before
};

static int32_t ask(const ist_env *env, const void *arg, ist_buf *out, ist_error *err)
{
    const struct signer *signer = arg;
    ist_aws *aws = NULL;
    int32_t rc = kube_eks_client(env, signer->login, signer->eks, &aws, err);
    if (rc == IST_OK) {
        aws->skew_ms = signer->skew_ms;
        rc = aws_credentials_text(aws, out, err);
    }
    ist_aws_free(aws);
    return rc;
}

static int32_t fetch(ist_kube *kube, const struct kube_eks *eks, ist_error *err)
{
    const struct signer signer = {.login = &kube->login, .eks = eks, .skew_ms = kube->aws->skew_ms};
    char *text = NULL;
    size_t len = 0;
    int32_t rc = IST_OK;
    if (!kube->helper)
        rc = helper_fork(&kube->env, "AWS credentials", ask, &signer, &kube->helper, err);
    if (rc == IST_OK)
        rc = helper_step(&kube->env, kube->helper, &text, &len, err);
    if (rc == IST_AGAIN)
        return rc;
    helper_stop(kube->helper);
    kube->helper = NULL;
    if (rc == IST_OK)
        rc = aws_credentials_take(kube->aws, text, len, err);
    ist_free_secret(text);
    return rc;
}

void kube_eks_anew(ist_kube *kube)
{
    if (kube->aws)
        aws_forget(kube->aws);
}

void kube_eks_clock(ist_kube *kube, const char *date)
{
    if (kube->aws)
        (void)aws_correct_clock(kube->aws, date);
}

int32_t kube_eks_soon(ist_kube *kube, const struct kube_eks *eks, struct kube_credential *credential,
                      ist_error *err)
{
    int32_t rc = IST_OK;
    if (!kube->aws)
        rc = kube_eks_client(&kube->env, &kube->login, eks, &kube->aws, err);
    if (rc == IST_OK && kube->aws && aws_credentials_left(kube->aws) <= AWS_RENEW_BEFORE_MS)
        rc = fetch(kube, eks, err);
    if (rc != IST_OK && rc != IST_AGAIN && kube->aws && aws_credentials_left(kube->aws) > 0)
        rc = IST_OK; // for some minutes yet
    if (rc != IST_OK)
        return rc;
    return ist_aws_eks_token(kube->aws, eks->cluster, &credential->token, &credential->expires_ms, err);
}
