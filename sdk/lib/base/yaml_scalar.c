// What a plain scalar means under YAML 1.2's core schema: only true and false are booleans, and "no",
// "on", "1:30" or "0777" are what they look like.
#include <isthmus/alloc.h>
#include <isthmus/yaml.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int one_of(const char *text, const char *const words[3])
{
    for (int i = 0; i < 3; i++)
        if (strcmp(text, words[i]) == 0)
            return 1;
    return 0;
}

static size_t digits(const char *p, const char *set)
{
    return strspn(p, set);
}

// [-+]?[0-9]+, 0o[0-7]+ or 0x[0-9a-fA-F]+, within 64 bits; what is larger stays text, so that no digit of a
// long id or key is lost.
static json_t *integer_of(const char *text)
{
    const char *p = text;
    int base = 10;
    if (p[0] == '0' && (p[1] == 'o' || p[1] == 'x')) {
        base = p[1] == 'o' ? 8 : 16;
        p += 2;
    } else if (*p == '-' || *p == '+') {
        p++;
    }
    size_t n = digits(p, base == 8 ? "01234567" : base == 16 ? "0123456789abcdefABCDEF" : "0123456789");
    if (!n || p[n])
        return NULL;
    errno = 0;
    long long value = strtoll(base == 10 ? text : p, NULL, base);
    return errno ? NULL : json_integer(value);
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?; infinities and NaN stay text: JSON has none.
static json_t *real_of(const char *text)
{
    const char *p = text + (*text == '-' || *text == '+');
    size_t whole = digits(p, "0123456789");
    p += whole;
    size_t part = 0;
    if (*p == '.') {
        part = digits(p + 1, "0123456789");
        p += 1 + part;
    }
    if (!whole && !part)
        return NULL;
    if (*p == 'e' || *p == 'E') {
        p += 1 + (p[1] == '-' || p[1] == '+');
        size_t power = digits(p, "0123456789");
        if (!power)
            return NULL;
        p += power;
    }
    if (*p)
        return NULL;
    double value = strtod(text, NULL);
    return isfinite(value) ? json_real(value) : NULL;
}

json_t *ist_yaml_scalar(const char *text)
{
    static const char *const nulls[] = {"null", "Null", "NULL"};
    static const char *const trues[] = {"true", "True", "TRUE"};
    static const char *const falses[] = {"false", "False", "FALSE"};
    if (!*text || strcmp(text, "~") == 0 || one_of(text, nulls))
        return json_null();
    if (one_of(text, trues))
        return json_true();
    if (one_of(text, falses))
        return json_false();
    json_t *value = NULL;
    if (strchr("+-.0123456789", *text)) {
        value = integer_of(text);
        if (!value)
            value = real_of(text);
    }
    return value ? value : json_string(text);
}
