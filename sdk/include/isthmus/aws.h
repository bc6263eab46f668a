// isthmus/aws.h: an AWS client: signatures (Signature Version 4), the credential chain, the Query protocol
// (EC2, IAM, STS, CloudFormation) and REST JSON (EKS), pagination, retries by error class.
#ifndef ISTHMUS_AWS_H
#define ISTHMUS_AWS_H

#include <isthmus/http.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ist_aws ist_aws; // one account and region; for one thread

typedef struct ist_aws_options {
    uint32_t size;
    const char
        *region; // NULL: AWS_REGION, AWS_DEFAULT_REGION, the profile's, that of the instance it runs on
    const char *profile;                                 // NULL: AWS_PROFILE, else "default"
    const char *role_arn;                                // assumed with the chain's credentials, or NULL
    const char *access_key, *secret_key, *session_token; // explicit: no chain
    const char *endpoint; // NULL: AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL, then AWS's own
    const char *ca_file;  // NULL: AWS_CA_BUNDLE, then the system's
} ist_aws_options;

IST_EXPORT int32_t ist_aws_new(const ist_env *env, const ist_aws_options *options, ist_aws **aws,
                               ist_error *err);
IST_EXPORT void ist_aws_free(ist_aws *aws);
IST_EXPORT const char *ist_aws_region(const ist_aws *aws); // borrowed

// One Query call. `params` (borrowed; may be NULL): object; nested maps and lists become "Filter.1.Value.1"
// as the service numbers them. The answer is a tree of the XML: elements that repeat as item/member become
// arrays, all leaves are strings, the outer "<Action>Response" and "<Action>Result" are stripped. Reads
// (Describe*, Get*, List*) and nothing else pass in observe and plan. Throttling and server errors are
// retried; a lost answer of a write is retried only when params hold a ClientToken, otherwise it is
// IST_ERR_NETWORK and the caller looks by its tag. On an AWS error: err->text is "Code: message (request
// id)", err->where "EC2 CreateRoute in eu-west-1"; the code alone is ist_aws_error_code().
IST_EXPORT int32_t ist_aws_query(ist_aws *aws, const char *service, const char *action, const json_t *params,
                                 json_t **answer, ist_error *err);
// The same, following NextToken/nextToken/Marker: `list` names the array ("vpcSet"); *items is the whole of
// it.
IST_EXPORT int32_t ist_aws_query_all(ist_aws *aws, const char *service, const char *action,
                                     const json_t *params, const char *list, json_t **items, ist_error *err);
// One REST JSON call, e.g. ("eks", "GET", "/clusters/aws", NULL).
IST_EXPORT int32_t ist_aws_rest(ist_aws *aws, const char *service, const char *method, const char *path,
                                const json_t *body, json_t **answer, ist_error *err);
// One call of a service that speaks JSON 1.1, e.g. ("ssm", "AmazonSSM.GetParameter", {"Name": "/x"}). What the word after
// the dot says is a read, by Describe, Get or List.
IST_EXPORT int32_t ist_aws_json(ist_aws *aws, const char *service, const char *target, const json_t *body,
                                json_t **answer, ist_error *err);
// The code of the last AWS error of this client ("RouteAlreadyExists"), "" when there was none. Borrowed.
IST_EXPORT const char *ist_aws_error_code(const ist_aws *aws);

// A presigned URL good for `seconds`; `headers` (object, may be NULL) are signed too. The caller's
// (ist_free_secret).
IST_EXPORT int32_t ist_aws_presign(ist_aws *aws, const char *service, const char *method, const char *path,
                                   const json_t *query, const json_t *headers, int seconds, char **url,
                                   ist_error *err);
// A bearer token for an EKS cluster: "k8s-aws-v1." + base64url of a presigned GetCallerIdentity with
// x-k8s-aws-id signed. Good until *expires_ms (clock; 14 minutes, or as long as the credentials are). Registered as a secret. The caller's.
IST_EXPORT int32_t ist_aws_eks_token(ist_aws *aws, const char *cluster, char **token, int64_t *expires_ms,
                                     ist_error *err);
// The ARN of the IAM role of this name (or ARN), else of the only one whose ARN contains it.
// IST_ERR_NOT_FOUND, or IST_ERR_INPUT with a list of those that fit. The caller's.
IST_EXPORT int32_t ist_aws_find_role(ist_aws *aws, const char *name, char **arn, ist_error *err);
// Does EC2 offer each of these instance types (array of strings) in the region? One read; IST_ERR_INPUT names the first
// that it does not.
IST_EXPORT int32_t ist_aws_check_instance_types(ist_aws *aws, const json_t *types, const char *where,
                                                ist_error *err);
// Does EC2 offer it in this availability zone (NULL: in any of the region)? One read; IST_ERR_INPUT names the zones that
// have it.
IST_EXPORT int32_t ist_aws_check_instance_type(ist_aws *aws, const char *type, const char *zone,
                                               const char *where, ist_error *err);
// Tags as a filter-ready object, and the value of a tag in an answer's tagSet (borrowed, NULL when absent).
IST_EXPORT const char *ist_aws_tag(const json_t *resource, const char *key);

// What is left of a network: its interfaces and security groups (but "default"), by a filter of EC2 each: "interface eni-1
// (ELB a1b2), group sg-2 (k8s-elb-a1b2)". What cannot be read is left out. The caller's (ist_free); NULL: nothing.
IST_EXPORT char *ist_aws_blockers(ist_aws *aws, const char *eni_filter, const char *eni_value,
                                  const char *group_filter, const char *group_value);

#ifdef __cplusplus
}
#endif
#endif
