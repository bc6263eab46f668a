// Credentials of a profile: its own keys, or a role reached by another profile's, by the environment, the
// container, the instance or a web identity.
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#define MAX_CHAIN 8 // of source_profile

static int32_t own_keys(ist_aws *aws, const char *profile, struct aws_credentials *c, ist_error *err)
{
    const char *access = aws_profile_setting(aws, profile, "aws_access_key_id");
    const char *secret = aws_profile_setting(aws, profile, "aws_secret_access_key");
    const char *token = aws_profile_setting(aws, profile, "aws_session_token");
    if (access == NULL && secret == NULL)
        return IST_ERR_NOT_FOUND;
    if (access == NULL || secret == NULL)
        return ist_fail(err, IST_ERR_DENIED, "AWS credentials", "profile %s has one key without the other",
                        profile);
    *c = (struct aws_credentials){.access_key = ist_strdup(access),
                                  .secret_key = ist_strdup(secret),
                                  .session_token = token != NULL ? ist_strdup(token) : NULL,
                                  .source = ist_printf("profile %s", profile)};
    return IST_OK;
}

static int32_t from_credential_source(ist_aws *aws, const char *source, struct aws_credentials *c,
                                      ist_error *err)
{
    if (strcmp(source, "Environment") == 0)
        return aws_from_environment(aws, c, err);
    if (strcmp(source, "EcsContainer") == 0)
        return aws_from_container(aws, c, err);
    if (strcmp(source, "Ec2InstanceMetadata") == 0)
        return aws_from_instance(aws, c, err);
    return ist_fail(err, IST_ERR_INPUT, "AWS credentials", "credential_source %s is not known", source);
}

// The credentials with which the profile's role is assumed.
static int32_t base_of(ist_aws *aws, const char *profile, int depth, struct aws_credentials *c,
                       ist_error *err)
{
    const char *other = aws_profile_setting(aws, profile, "source_profile");
    const char *source = aws_profile_setting(aws, profile, "credential_source");
    int32_t rc;
    if (other != NULL && source != NULL)
        return ist_fail(err, IST_ERR_INPUT, "AWS credentials",
                        "profile %s has both source_profile and credential_source", profile);
    if (other != NULL && strcmp(other, profile) == 0)
        rc = own_keys(aws, profile, c, err); // a profile may assume its role with its own keys
    else if (other != NULL)
        rc = aws_from_profile(aws, other, depth + 1, c, err);
    else if (source != NULL)
        rc = from_credential_source(aws, source, c, err);
    else
        return ist_fail(err, IST_ERR_INPUT, "AWS credentials",
                        "profile %s has a role_arn and neither source_profile nor credential_source",
                        profile);
    if (rc == IST_ERR_NOT_FOUND)
        return ist_fail(err, IST_ERR_DENIED, "AWS credentials", "profile %s: %s has no credentials", profile,
                        other != NULL ? other : source);
    return rc;
}

static int32_t by_role(ist_aws *aws, const char *profile, int depth, struct aws_credentials *c,
                       ist_error *err)
{
    const char *role = aws_profile_setting(aws, profile, "role_arn");
    const char *session = aws_profile_setting(aws, profile, "role_session_name");
    const char *token_file = aws_profile_setting(aws, profile, "web_identity_token_file");
    const char *duration = aws_profile_setting(aws, profile, "duration_seconds");
    if (token_file != NULL)
        return aws_from_web_identity(aws, token_file, role, session, c, err);
    if (aws_profile_setting(aws, profile, "mfa_serial") != NULL) {
        ist_fail(err, IST_ERR_DENIED, "AWS credentials",
                 "profile %s wants a second factor (mfa_serial), for which nobody can be asked here",
                 profile);
        ist_hint(err,
                 "put keys of a session into the environment: `aws configure export-credentials --profile "
                 "%s --format env` asks for it and prints them",
                 profile);
        return IST_ERR_DENIED;
    }
    struct aws_credentials base = {0};
    int32_t rc = base_of(aws, profile, depth, &base, err);
    if (rc != IST_OK)
        return rc;
    rc = aws_assume_role(aws, &base, role, session, aws_profile_setting(aws, profile, "external_id"),
                         duration != NULL ? (int)strtol(duration, NULL, 10) : 0, c, err);
    aws_credentials_free(&base);
    return rc;
}

int32_t aws_from_profile(ist_aws *aws, const char *profile, int depth, struct aws_credentials *c,
                         ist_error *err)
{
    if (json_object_get(aws_profiles(aws), profile) == NULL)
        return IST_ERR_NOT_FOUND;
    if (depth > MAX_CHAIN)
        return ist_fail(err, IST_ERR_INPUT, "AWS credentials", "source_profile goes round in a circle at %s",
                        profile);
    // Keys of its own end the chain where a profile is another's source, as with AWS's own tools.
    int32_t rc = depth > 0 ? own_keys(aws, profile, c, err) : IST_ERR_NOT_FOUND;
    if (rc != IST_ERR_NOT_FOUND)
        return rc;
    if (aws_profile_setting(aws, profile, "role_arn") != NULL)
        return by_role(aws, profile, depth, c, err);
    rc = own_keys(aws, profile, c, err);
    const char *program = aws_profile_setting(aws, profile, "credential_process");
    if (rc == IST_ERR_NOT_FOUND && (aws_profile_setting(aws, profile, "sso_session") != NULL ||
                                    aws_profile_setting(aws, profile, "sso_start_url") != NULL))
        return aws_from_sso(aws, profile, c, err);
    if (rc == IST_ERR_NOT_FOUND && program != NULL)
        return aws_from_process(aws, profile, program, c, err);
    return rc;
}
