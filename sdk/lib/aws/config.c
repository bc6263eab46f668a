// AWS's shared files: ~/.aws/credentials and ~/.aws/config, where AWS_SHARED_CREDENTIALS_FILE and
// AWS_CONFIG_FILE do not say otherwise.
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE (1u << 20)

const char *aws_env(const ist_aws *aws, const char *name)
{
    return ist_environment(&aws->env, name);
}

char *aws_read_file(const char *path)
{
    FILE *file = fopen(path, "rbe");
    if (file == NULL)
        return NULL;
    ist_buf text = {.max = MAX_FILE};
    char chunk[4096];
    int bad = 0;
    for (size_t n = fread(chunk, 1, sizeof(chunk), file); n > 0 && !bad;
         n = fread(chunk, 1, sizeof(chunk), file))
        bad = ist_buf_add(&text, chunk, n) != IST_OK;
    bad = bad || ferror(file);
    fclose(file);
    if (bad) {
        ist_buf_free(&text);
        return NULL;
    }
    return ist_buf_take(&text);
}

static int is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

// A trimmed copy of [from, to).
static char *trimmed(const char *from, const char *to)
{
    while (from < to && is_blank(*from))
        from++;
    while (to > from && is_blank(to[-1]))
        to--;
    return ist_strndup(from, (size_t)(to - from));
}

// The name in a title such as `profile dev` or `profile "my dev"`; NULL when it is of another kind.
static char *name_after(const char *title, const char *kind)
{
    const size_t kind_len = strlen(kind);
    if (strncmp(title, kind, kind_len) != 0 || !is_blank(title[kind_len]))
        return NULL;
    const char *rest = title + kind_len;
    while (is_blank(*rest))
        rest++;
    const size_t len = strlen(rest);
    const int quoted = len >= 2 && (rest[0] == '"' || rest[0] == '\'') && rest[len - 1] == rest[0];
    return quoted ? ist_strndup(rest + 1, len - 2) : ist_strdup(rest);
}

// What a section is kept under: the profile that "[dev]" names in credentials, "[profile dev]" or "[default]" in config;
// AWS_SERVICES or AWS_SSO_SESSION with the name of such a section; NULL for those of another kind.
static char *section_of(const char *from, const char *to, int is_config)
{
    char *title = trimmed(from, to);
    if (!is_config || strcmp(title, "default") == 0)
        return title;
    char *name = name_after(title, "profile");
    char *services = name_after(title, "services"), *session = name_after(title, "sso-session");
    if (services != NULL)
        name = ist_printf(AWS_SERVICES "%s", services);
    else if (session != NULL)
        name = ist_printf(AWS_SSO_SESSION "%s", session);
    ist_free(services);
    ist_free(session);
    ist_free(title);
    return name;
}

// The end of a value: a comment begins at '#' or ';' after a blank.
static const char *value_end(const char *from, const char *to)
{
    for (const char *c = from; c < to; c++)
        if ((*c == '#' || *c == ';') && c > from && is_blank(c[-1]))
            return c;
    return to;
}

// One setting. What stands indented below a setting without a value of its own ("ec2 =") is kept as "ec2.endpoint_url":
// *outer is that setting, or NULL; the line before decides about it.
static void set_pair(json_t *profile, const char *line, const char *end, char **outer)
{
    const int indented = is_blank(*line);
    const char *equals = memchr(line, '=', (size_t)(end - line));
    if (!indented) {
        ist_free(*outer);
        *outer = NULL;
    }
    if (equals == NULL || profile == NULL || (indented && *outer == NULL))
        return;
    char *key = trimmed(line, equals);
    char *value = trimmed(equals + 1, value_end(equals + 1, end));
    for (char *c = key; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    char *path = indented ? ist_printf("%s.%s", *outer, key) : ist_strdup(key);
    if (*key != '\0')
        json_object_set_new(profile, path, json_string(value)); // a value that is not UTF-8 is dropped
    if (!indented && *key != '\0' && *value == '\0')
        *outer = ist_strdup(key);
    ist_free(path);
    ist_free(key);
    ist_free_secret(value);
}

static json_t *section(json_t *profiles, const char *name)
{
    json_t *found = json_object_get(profiles, name);
    if (found == NULL && json_object_set_new(profiles, name, json_object()) == 0)
        found = json_object_get(profiles, name);
    return found;
}

void aws_config_parse(const char *text, size_t len, int is_config, json_t *profiles)
{
    json_t *current = NULL;
    char *outer = NULL;
    const char *const stop = text + len;
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        text += 3; // an editor's mark
    for (const char *line = text; line < stop;) {
        const char *end = memchr(line, '\n', (size_t)(stop - line));
        if (end == NULL)
            end = stop;
        if (*line == '[') {
            const char *close = memchr(line, ']', (size_t)(end - line));
            char *name = close != NULL ? section_of(line + 1, close, is_config) : NULL;
            current = name != NULL ? section(profiles, name) : NULL;
            ist_free(name);
            ist_free(outer);
            outer = NULL;
        } else if (line < end && *line != '#' && *line != ';') {
            set_pair(current, line, end, &outer);
        }
        line = end < stop ? end + 1 : stop;
    }
    ist_free(outer);
}

static void read_into(ist_aws *aws, const char *variable, const char *name, int is_config)
{
    const char *home = aws_env(aws, "HOME");
    const char *given = aws_env(aws, variable);
    if (given == NULL && home == NULL)
        return;
    char *path = given == NULL                                  ? ist_printf("%s/.aws/%s", home, name)
                 : strncmp(given, "~/", 2) == 0 && home != NULL ? ist_printf("%s%s", home, given + 1)
                                                                : ist_strdup(given);
    char *text = aws_read_file(path);
    if (text != NULL)
        aws_config_parse(text, strlen(text), is_config, aws->profiles);
    ist_free_secret(text);
    ist_free(path);
}

const json_t *aws_profiles(ist_aws *aws)
{
    if (aws->profiles == NULL) {
        aws->profiles = json_object();
        read_into(aws, "AWS_CONFIG_FILE", "config", 1);
        read_into(aws, "AWS_SHARED_CREDENTIALS_FILE", "credentials", 0); // keys here win over config's
    }
    return aws->profiles;
}

const char *aws_profile_setting(ist_aws *aws, const char *profile, const char *key)
{
    const char *value = json_string_value(json_object_get(json_object_get(aws_profiles(aws), profile), key));
    return value != NULL && *value != '\0' ? value : NULL;
}

const char *aws_profile_name(const ist_aws *aws)
{
    if (aws->options.profile != NULL)
        return aws->options.profile;
    const char *profile = aws_env(aws, "AWS_PROFILE");
    return profile != NULL ? profile : "default";
}
