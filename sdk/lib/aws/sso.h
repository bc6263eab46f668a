// Sessions of IAM Identity Center (SSO). Not installed.
#ifndef IST_AWS_SSO_H
#define IST_AWS_SSO_H

#include "internal.h"

// What a profile says of its session: itself, or in a section [sso-session NAME]. All borrowed.
struct sso_session {
    const char *profile;
    const char *name; // NULL: the profile says all itself, and nothing renews it
    const char *region, *start_url, *account, *role;
};

// A token of the session that is good, renewed where it ends soon; the caller's (ist_free_secret).
int32_t sso_token(ist_aws *aws, const struct sso_session *session, char **token, ist_error *err);
// IST_ERR_DENIED: only the user can help, by signing in.
int32_t sso_sign_in(const char *profile, const char *why, ist_error *err);
// Of what the cache holds, which the user may have written: is it a token, and how long is it good? (milliseconds; 0: it is
// not) Exposed for fuzzing.
int64_t sso_token_left(const json_t *cached, int64_t now_ms);

#endif
