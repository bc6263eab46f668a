// The bearer tokens of EKS clusters, as a cluster looks at them.
#ifndef TEST_EKS_TOKEN_H
#define TEST_EKS_TOKEN_H

// The presigned URL within an Authorization header's value. The caller's (free); NULL: it is no such token.
char *eks_token_url(const char *authorization);

#endif
