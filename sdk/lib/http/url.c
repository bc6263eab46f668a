#include <isthmus/alloc.h>
#include <isthmus/http.h>

#include <string.h>

// RFC 3986's unreserved characters. isalnum() would follow the locale.
static int is_unreserved(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

char *ist_url_encode(const char *text, int keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";
    const size_t len = strlen(text);
    if (len > (SIZE_MAX - 1) / 3)
        return ist_strdup("");
    char *out = ist_malloc(len * 3 + 1);
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (is_unreserved(c) || (keep_slash && c == '/')) {
            out[n++] = (char)c;
        } else {
            out[n++] = '%';
            out[n++] = digits[c >> 4];
            out[n++] = digits[c & 15];
        }
    }
    out[n] = '\0';
    return out;
}

char *ist_form_encode(const json_t *fields)
{
    ist_buf form = {.max = 8u << 20};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)fields, key, value)
    {
        if (!json_is_string(value))
            continue;
        char *k = ist_url_encode(key, 0);
        char *v = ist_url_encode(json_string_value(value), 0);
        ist_buf_printf(&form, "%s%s=", form.len > 0 ? "&" : "", k);
        ist_buf_puts(&form, v);
        ist_free(k);
        ist_free_secret(v); // a password of a login form goes this way
    }
    return ist_buf_take(&form);
}
