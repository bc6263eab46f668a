// A plugin's check of its inputs: names, alone and in lists, and the types of machines.
#include <isthmus/alloc.h>
#include <isthmus/check.h>

#include <string.h>

// Says what is wrong with one text; 1 when nothing is.
typedef int text_fn(ist_checking *c, const char *path, const char *text);

// Asks of the text at `path`, or of each item of a list there.
static int each_text(ist_checking *c, const char *path, text_fn *is_good)
{
    const json_t *value = ist_checking_at(c, path);
    int good = 1;
    if (json_is_string(value))
        return is_good(c, path, json_string_value(value));
    for (size_t i = 0; i < json_array_size(value); i++) {
        char *inner = ist_printf("%s[%zu]", path, i);
        const char *text = json_string_value(json_array_get(value, i));
        if (text)
            good &= is_good(c, inner, text);
        ist_free(inner);
    }
    return good;
}

static int is_name(ist_checking *c, const char *path, const char *text)
{
    const size_t len = strlen(text);
    if (!text[strspn(text, " ")]) {
        ist_wrong(c, path, "is empty");
        return 0;
    }
    if (text[0] == ' ' || text[len - 1] == ' ') {
        ist_wrong(c, path, "\"%s\" has a space %s it", text, text[0] == ' ' ? "before" : "behind");
        return 0;
    }
    return ist_check_line(c, path);
}

int ist_check_names(ist_checking *c, const char *path)
{
    const json_t *list = ist_checking_at(c, path);
    int good = each_text(c, path, is_name);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        size_t k = 0;
        while (k < i && !json_equal(json_array_get(list, k), one))
            k++;
        if (k == i || !json_is_string(one) || !json_string_length(one))
            continue;
        char *inner = ist_printf("%s[%zu]", path, i);
        ist_wrong(c, inner, "\"%s\" is there twice", json_string_value(one));
        ist_free(inner);
        good = 0;
    }
    return good;
}

int ist_check_region(ist_checking *c, const char *path)
{
    const char *text = ist_checking_text(c, path);
    if (!ist_check_names(c, path) || !text)
        return !text;
    const size_t len = strlen(text);
    if (len < 64 && text[0] >= 'a' && text[0] <= 'z' && text[len - 1] >= '0' && text[len - 1] <= '9' &&
        strchr(text, '-') && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len)
        return 1;
    ist_wrong(c, path, "\"%s\" is no AWS region such as us-west-2", text);
    return 0;
}

// nano to large, xlarge and its multiples, metal and its sizes.
static int is_size(const char *text)
{
    static const char *const words[] = {"nano", "micro", "small", "medium", "large", "xlarge", "metal"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(text, words[i]) == 0)
            return 1;
    if (strncmp(text, "metal-", 6) == 0) {
        text += 6;
        const size_t digits = strspn(text, "0123456789");
        return digits && text[0] != '0' && strcmp(text + digits, "xl") == 0;
    }
    const size_t digits = strspn(text, "0123456789");
    return digits && text[0] != '0' && strcmp(text + digits, "xlarge") == 0;
}

static int is_instance_type(ist_checking *c, const char *path, const char *text)
{
    const char *dot = strchr(text, '.');
    const size_t family = dot ? (size_t)(dot - text) : 0;
    // A family has a letter first and its generation's digit: c5, m6g, u-6tb1, c7i-flex.
    if (family >= 2 && text[0] >= 'a' && text[0] <= 'z' &&
        strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == family &&
        strcspn(text, "0123456789") < family && is_size(dot + 1))
        return 1;
    ist_wrong_hint(c, path, "a family, a dot and a size: c5.large, m6i.2xlarge, c5.metal",
                   "\"%s\" is no EC2 instance type", text);
    return 0;
}

int ist_check_instance_types(ist_checking *c, const char *path)
{
    return each_text(c, path, is_instance_type);
}

int ist_check_aws_id(ist_checking *c, const char *path, const char *prefix)
{
    const json_t *value = ist_checking_at(c, path);
    const size_t n = strlen(prefix), count = json_is_array(value) ? json_array_size(value) : 1;
    int good = 1;
    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_is_array(value) ? json_array_get(value, i) : value);
        if (!text || !text[strspn(text, " ")] ||
            (strncmp(text, prefix, n) == 0 && text[n] &&
             strspn(text + n, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(text + n)))
            continue;
        char *inner = json_is_array(value) ? ist_printf("%s[%zu]", path, i) : ist_strdup(path);
        ist_wrong(c, inner, "\"%s\" is no id such as %s0123456789abcdef0", text, prefix);
        ist_free(inner);
        good = 0;
    }
    return good;
}

int ist_check_duration(ist_checking *c, const char *path)
{
    const json_int_t week = 7 * 86400000LL, ms = json_integer_value(ist_checking_at(c, path));
    if (!json_is_integer(ist_checking_at(c, path)) || (ms > 0 && ms <= week))
        return 1;
    ist_wrong(c, path, ms > 0 ? "is over a week" : "is no time at all");
    return 0;
}
