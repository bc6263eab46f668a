// A plugin's check of its inputs: what AWS takes as an IAM principal, a tag and a name.
// Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html (characters and lengths of names),
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html (ARNs), and
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html (tags).
#include <isthmus/alloc.h>
#include <isthmus/check.h>

#include <string.h>

#define LETTERS      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS       "0123456789"
#define NAME_LETTERS LETTERS DIGITS "+=,.@_-"
#define NAME_MOST    64
#define KEY_MOST     128
#define VALUE_MOST   256

// Letters of UTF-8, which is what AWS counts.
static size_t letters_of(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

// arn:PARTITION:iam::ACCOUNT:role/[PATH/]NAME, or user/
static int is_principal(const char *text)
{
    if (strncmp(text, "arn:aws", 7) != 0)
        return 0;
    text += 7;
    text += strspn(text, "abcdefghijklmnopqrstuvwxyz-");
    if (strncmp(text, ":iam::", 6) != 0 || strspn(text + 6, DIGITS) != 12)
        return 0;
    text += 18;
    if (strncmp(text, ":role/", 6) != 0 && strncmp(text, ":user/", 6) != 0)
        return 0;
    const char *name = strrchr(text, '/') + 1;
    return *name && strlen(name) <= NAME_MOST && strspn(text + 6, NAME_LETTERS "/") == strlen(text + 6);
}

static int is_part(const char *text)
{
    return strspn(text, NAME_LETTERS "/:") == strlen(text) &&
           (strpbrk(text, "/:") || strlen(text) <= NAME_MOST);
}

int ist_check_iam(ist_checking *c, const char *path, int whole)
{
    const char *text = ist_checking_text(c, path);
    if (!text || !text[strspn(text, " ")]) // ist_check_names() says that of an empty one
        return 1;
    const int is_arn = strncmp(text, "arn:", 4) == 0;
    if (whole || is_arn ? is_principal(text) : is_part(text))
        return 1;
    if (whole || is_arn)
        ist_wrong_hint(c, path, "arn:aws:iam::123456789012:role/NAME",
                       "\"%s\" is no ARN of an IAM role or user", text);
    else
        ist_wrong(c, path, "\"%s\" is no name of an IAM role: at most 64 letters, digits and +=,.@_-", text);
    return 0;
}

int ist_check_length(ist_checking *c, const char *path, size_t most, const char *what)
{
    const char *text = ist_checking_text(c, path);
    const size_t len = text ? letters_of(text) : 0;
    if (len <= most)
        return 1;
    ist_wrong(c, path, "has %zu characters: AWS takes %zu at most as %s", len, most, what);
    return 0;
}

int ist_check_stack_name(ist_checking *c, const char *path, size_t most)
{
    const char *text = ist_checking_text(c, path);
    const size_t len = text ? strlen(text) : 0;
    if (!len || text[0] == ' ' || text[len - 1] == ' ' ||
        (len <= most && strspn(text, LETTERS) && strspn(text, LETTERS DIGITS "-") == len))
        return 1;
    ist_wrong(
        c, path,
        "\"%s\" cannot begin the name of a CloudFormation stack: at most %zu letters, digits and -, with a "
        "letter first",
        text, most);
    return 0;
}

int ist_check_tags(ist_checking *c, const char *path)
{
    const char *key;
    json_t *value;
    int good = 1;
    json_object_foreach((json_t *)(uintptr_t)ist_checking_at(c, path), key, value)
    {
        const char *text = json_string_value(value);
        const char *why = !*key                          ? "a tag has a key"
                          : strncmp(key, "aws:", 4) == 0 ? "AWS keeps keys that begin with aws: for itself"
                          : letters_of(key) > KEY_MOST   ? "AWS takes keys of 128 characters at most"
                          : text && letters_of(text) > VALUE_MOST
                              ? "AWS takes values of 256 characters at most"
                              : NULL;
        if (why)
            ist_wrong(c, path, "`%.140s`: %s", key, why);
        good &= !why;
    }
    return good;
}
