// Credentials that a program of the user's prints, as a profile's credential_process says.
// Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
#include "../plugin/helper.h"
#include "internal.h"

#include <string.h>

#define MAX_WORDS 64

// Takes the next word off *at, as a POSIX shell would without expanding anything: quotes, and backslashes outside of
// single ones. The caller's; NULL at the end. *open is set where a quote is not closed.
static char *next_word(const char **at, int *open)
{
    const char *p = *at + strspn(*at, " \t");
    if (*p == '\0')
        return NULL;
    char *word = ist_malloc(strlen(p) + 1), quote = '\0';
    size_t len = 0;
    for (; *p != '\0' && (quote != '\0' || (*p != ' ' && *p != '\t')); p++) {
        if (quote == '\0' && (*p == '"' || *p == '\''))
            quote = *p;
        else if (*p == quote)
            quote = '\0';
        else if (*p == '\\' && p[1] != '\0' && quote != '\'' &&
                 (quote == '\0' || strchr("\"\\$`", p[1]) != NULL))
            word[len++] = *++p;
        else
            word[len++] = *p;
    }
    word[len] = '\0';
    *open = quote != '\0';
    *at = p;
    return word;
}

// {"Version": 1, "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"}
static int32_t read_answer(const char *text, size_t len, const char *profile, struct aws_credentials *c,
                           ist_error *err)
{
    char *where = ist_printf("credential_process of profile %s", profile);
    json_t *answer = NULL;
    ist_error parse = {0};
    int32_t rc;
    if (ist_json_parse(text, len, where, &answer, &parse) != IST_OK) // not its text: it may hold the keys
        rc = ist_fail(err, IST_ERR_DENIED, where, "it did not print JSON");
    else if (ist_json_int(answer, "Version", 0) != 1)
        rc = ist_fail(err, IST_ERR_DENIED, where, "its answer is not of Version 1");
    else
        rc = aws_credentials_from_json(answer, where, ist_printf("profile %s, credential_process", profile),
                                       c, err);
    json_decref(answer);
    ist_free(where);
    return rc;
}

static int32_t run(ist_aws *aws, const char *profile, const char *const *words, struct aws_credentials *c,
                   ist_error *err)
{
    const struct helper helper = {.what = "the credential_process of the profile",
                                  .path = words[0],
                                  .argv = words,
                                  .hint = "the profile names it in ~/.aws/config"};
    char *text = NULL;
    size_t len = 0;
    int32_t rc = helper_run(&aws->env, &helper, &text, &len, err);
    if (rc == IST_OK)
        rc = read_answer(text, len, profile, c, err);
    ist_free_secret(text);
    return rc;
}

int32_t aws_from_process(ist_aws *aws, const char *profile, const char *command, struct aws_credentials *c,
                         ist_error *err)
{
    char *words[MAX_WORDS + 1] = {NULL};
    size_t count = 0;
    int open = 0;
    int32_t rc = IST_OK;
    while (count < MAX_WORDS && (words[count] = next_word(&command, &open)) != NULL)
        count++;
    if (open || count == 0 || count == MAX_WORDS)
        rc = ist_fail(err, IST_ERR_INPUT, "AWS credentials", "profile %s: credential_process %s", profile,
                      open         ? "has a quote that is not closed"
                      : count == 0 ? "is empty"
                                   : "has too many words");
    if (rc == IST_OK)
        rc = run(aws, profile, (const char *const *)words, c, err);
    for (size_t i = 0; i < count; i++)
        ist_free(words[i]);
    return rc;
}
