// What the inputs ask of the platform, and how a cluster that exists differs from it.
#ifndef CCP_DESIRED_H
#define CCP_DESIRED_H

#include "ccp.h"

#include <isthmus/aws.h>

// Of a cluster that is ordered, where the inputs say nothing. To one that is there, saying nothing is no wish.
#define DESIRED_TYPE    "t2.large"
#define DESIRED_WORKERS 2

const char *desired_type(const json_t *inputs); // EC2 instance type of the nodes of a new cluster; borrowed
// The body of the creating call. ami may be NULL: the platform's own. New reference.
json_t *desired_body(const json_t *inputs, const char *region, const char *provider, const char *role_arn,
                     const char *ami);
// Array of {field, before, after, replace}: what differs. What the platform does not tell is taken to agree;
// provider and role, which others have to be asked about, are not among it.
// New reference.
json_t *desired_differences(const json_t *inputs, const char *region, const json_t *cluster);
// "region us-east-1, not eu-west-1; worker_count 2, not 3". The caller's.
char *desired_differences_text(const json_t *differences);

// The newest image for EKS nodes that Amazon offers in the region; NULL when there is none to be seen. The
// caller's.
int32_t desired_ami(const ist_env *env, ist_aws *aws, char **ami, ist_error *err);

#endif
