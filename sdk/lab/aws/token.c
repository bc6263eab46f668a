// EKS bearer tokens: "k8s-aws-v1." and the unpadded base64url of a presigned GetCallerIdentity, the cluster's
// name among its signed headers (the form that aws-iam-authenticator and `aws eks get-token` make).
#include "inner.h"

#include <stdlib.h>
#include <string.h>

struct presigned {
    const char *host, *cluster;
};

static const char *header_of(const void *arg, const char *name)
{
    const struct presigned *p = arg;
    return !strcasecmp(name, "host") ? p->host : !strcasecmp(name, "x-k8s-aws-id") ? p->cluster : NULL;
}

// The identity that the presigned URL proves; borrowed, NULL: none.
static const char *identity(struct lab *lab, char *url, const char *cluster)
{
    struct aws_signed by;
    if (strncmp(url, "https://", 8) != 0)
        return NULL;
    char *host = url + 8, *query = strchr(host, '?');
    if (!query)
        return NULL;
    *query++ = 0;
    char *path = strchr(host, '/');
    if (path && strcmp(path, "/") != 0)
        return NULL;
    if (path)
        *path = 0;
    if (strcmp(host, lab->aws->endpoint_host) != 0 && strcmp(host, "sts." AWS_REGION ".amazonaws.com") != 0 &&
        strcmp(host, "sts.amazonaws.com") != 0)
        return NULL;
    struct presigned p = {.host = host, .cluster = cluster};
    struct aws_message m = {
        .method = "GET", .path = "/", .query = query, .body = "", .header = header_of, .arg = &p};
    struct lab_request rq = {.query = query};
    char *action = lab_query_get(&rq, "Action"), *names = lab_query_get(&rq, "X-Amz-SignedHeaders");
    bool good = action && !strcmp(action, "GetCallerIdentity") && names && strstr(names, "x-k8s-aws-id") &&
                aws_verify(lab->aws, &m, &by);
    const char *arn = good ? by.arn : NULL;
    if (good)
        aws_signed_free(&by);
    free(action);
    free(names);
    return arn;
}

// arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION is a session of arn:aws:iam::ACCOUNT:role/NAME.
static bool session_of(const char *arn, const char *role)
{
    const char *session = strstr(arn, ":assumed-role/"), *name = strstr(role, ":role/");
    if (!session || !name)
        return !strcmp(arn, role);
    session += strlen(":assumed-role/");
    name += strlen(":role/");
    size_t len = strcspn(session, "/");
    return strlen(name) == len && !strncmp(session, name, len);
}

// Who one is, is one thing; the cluster lets in whom the container platform mapped (its access role) or who made it, and
// those of its access entries that have a policy.
static bool is_let_in(const json_t *cluster, const char *arn)
{
    const char *principal;
    json_t *entry;
    if (session_of(arn, aws_text(cluster, "_accessRole")))
        return true;
    json_object_foreach(json_object_get(cluster, "_entries"), principal, entry)
    {
        if (session_of(arn, principal) && json_array_size(json_object_get(entry, "_policies")) > 0)
            return true;
    }
    return false;
}

const char *lab_aws_token_arn(struct lab *lab, const char *cluster_name, const char *token)
{
    static const char prefix[] = "k8s-aws-v1.";
    struct aws_call c = aws_self(lab);
    const json_t *cluster = aws_get(&c, "cluster", cluster_name);
    if (!cluster || strncmp(token, prefix, sizeof prefix - 1) != 0 || strchr(token, '='))
        return NULL;
    char *url = lab_unbase64(token + sizeof prefix - 1, NULL);
    const char *arn = url ? identity(lab, url, cluster_name) : NULL;
    free(url);
    return arn && is_let_in(cluster, arn) ? arn : NULL;
}
