// What follows from a version of Kubernetes before there is a cluster of it that could be asked.
#include "eks.h"

#include <stdlib.h>
#include <string.h>

// The minor version of "1.29"; -1: it is none.
static long minor_of(const char *version)
{
    const char *dot = version != NULL ? strchr(version, '.') : NULL;
    char *end = NULL;
    const long minor = dot != NULL ? strtol(dot + 1, &end, 10) : -1;
    return dot != NULL && end != dot + 1 ? minor : -1;
}

int32_t version_check_step(const char *has, const char *wants, ist_error *err)
{
    const long from = minor_of(has), to = minor_of(wants);
    if (from < 0 || to < 0 || to == from || to == from + 1)
        return IST_OK;
    ist_fail(err, IST_ERR_CONFLICT, "version", "the cluster has %s, and EKS %s: %s is refused", has,
             to < from ? "takes none back to an earlier version" : "upgrades by one minor version at a time",
             wants);
    if (to > from)
        ist_hint(err, "set `version` to 1.%ld first, and apply", from + 1);
    else
        ist_hint(err, "set `version` to %s", has);
    return IST_ERR_CONFLICT;
}

// Since when a version of an API is not served any more, for the kinds between spaces ("": for all of them).
// Source: https://kubernetes.io/docs/reference/using-api/deprecation-guide/
static const struct {
    const char *api, *kinds;
    long minor;
} gone[] = {
    {"extensions/v1beta1", " Ingress ", 22},
    {"extensions/v1beta1", "", 16},
    {"apps/v1beta1", "", 16},
    {"apps/v1beta2", "", 16},
    {"admissionregistration.k8s.io/v1beta1", " MutatingWebhookConfiguration ValidatingWebhookConfiguration ",
     22},
    {"apiextensions.k8s.io/v1beta1", "", 22},
    {"apiregistration.k8s.io/v1beta1", "", 22},
    {"authentication.k8s.io/v1beta1", " TokenReview ", 22},
    {"authorization.k8s.io/v1beta1", "", 22},
    {"certificates.k8s.io/v1beta1", " CertificateSigningRequest ", 22},
    {"coordination.k8s.io/v1beta1", " Lease ", 22},
    {"networking.k8s.io/v1beta1", " Ingress IngressClass ", 22},
    {"rbac.authorization.k8s.io/v1beta1", "", 22},
    {"scheduling.k8s.io/v1beta1", "", 22},
    {"storage.k8s.io/v1beta1", " CSIDriver CSINode StorageClass VolumeAttachment ", 22},
    {"batch/v1beta1", "", 25},
    {"discovery.k8s.io/v1beta1", "", 25},
    {"events.k8s.io/v1beta1", "", 25},
    {"autoscaling/v2beta1", "", 25},
    {"policy/v1beta1", "", 25},
    {"node.k8s.io/v1beta1", "", 25},
    {"autoscaling/v2beta2", "", 26},
    {"flowcontrol.apiserver.k8s.io/v1beta1", "", 26},
    {"storage.k8s.io/v1beta1", " CSIStorageCapacity ", 27},
    {"flowcontrol.apiserver.k8s.io/v1beta2", "", 29},
    {"flowcontrol.apiserver.k8s.io/v1beta3", "", 32},
};

static int is_of(const char *kinds, const char *kind)
{
    char *word = ist_printf(" %s ", kind);
    const int found = *kinds == '\0' || strstr(kinds, word) != NULL;
    ist_free(word);
    return found;
}

int version_gone_since(const char *version, const char *api, const char *kind)
{
    const long minor = minor_of(version);
    for (size_t i = 0; i < sizeof(gone) / sizeof(*gone); i++)
        if (strcmp(gone[i].api, api) == 0 && is_of(gone[i].kinds, kind))
            return minor < 0 || minor >= gone[i].minor ? (int)gone[i].minor : 0;
    return 0;
}
