// AWS Signature Version 4, as AWS's general reference and its published test suite define it. No network, no
// clock, no environment: what is signed is all in the arguments.
#ifndef IST_AWS_SIGV4_H
#define IST_AWS_SIGV4_H

#include <stddef.h>
#include <stdint.h>

// Who signs and for what; all borrowed.
struct sigv4 {
    const char *access_key, *secret_key;
    const char *session_token; // NULL: none
    const char *region, *service;
    int64_t time;  // seconds since 1970
    int normalize; // remove "." and ".." and doubled slashes of the path; every service but S3 does
};

// What is signed; borrowed. `path` and `query` as they go over the wire. Every header given is signed and
// there must be a Host; X-Amz-Date and X-Amz-Security-Token are added when signing, and need no line here.
struct sigv4_request {
    const char *method, *path;
    const char *query;          // "" or NULL: none
    const char *const *headers; // "Name: value", ..., NULL
    const char *body;           // NULL: none
    size_t body_len;
};

// Everything is the caller's: sigv4_result_free().
struct sigv4_result {
    char *canonical_request;
    char *string_to_sign;
    char signature[65];
    char date[17];       // of X-Amz-Date: "20150830T123600Z"
    char *authorization; // of the header; NULL when presigning
    char *query;         // presigned: the whole new query with its signature; NULL otherwise
};

void sigv4_sign(const struct sigv4 *who, const struct sigv4_request *request, struct sigv4_result *result);
// Good for `seconds` from who->time.
void sigv4_presign(const struct sigv4 *who, const struct sigv4_request *request, int seconds,
                   struct sigv4_result *result);
void sigv4_result_free(struct sigv4_result *result);

#endif
