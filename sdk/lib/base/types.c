// The scalar types: what each accepts and its normal form.
#include "types.h"

#include <isthmus/alloc.h>

#include <errno.h>
#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int32_t ist_expected(ist_error *err, const char *what, const json_t *found, const char *why)
{
    char shown[120];
    if (json_is_string(found))
        snprintf(shown, sizeof(shown), "\"%.100s\"", json_string_value(found));
    else if (json_is_object(found))
        snprintf(shown, sizeof(shown), "a map");
    else if (json_is_array(found))
        snprintf(shown, sizeof(shown), "a list");
    else {
        char *text = ist_json_text(found);
        snprintf(shown, sizeof(shown), "%s", text);
        ist_free(text);
    }
    return ist_fail(err, IST_ERR_INPUT, "", "expected %s, found %s%s%s", what, shown, why ? ": " : "",
                    why ? why : "");
}

static json_t *same(const json_t *value)
{
    return json_incref((json_t *)(uintptr_t)value);
}

static int32_t bool_of(const json_t *value, json_t **normal, ist_error *err)
{
    if (!json_is_boolean(value))
        return ist_expected(err, "true or false", value, NULL);
    *normal = same(value);
    return IST_OK;
}

static int32_t int_of(const json_t *value, json_t **normal, ist_error *err)
{
    if (!json_is_integer(value))
        return ist_expected(err, "an integer", value, json_is_string(value) ? "it is text" : NULL);
    *normal = same(value);
    return IST_OK;
}

static int32_t real_of(const json_t *value, json_t **normal, ist_error *err)
{
    if (!json_is_number(value))
        return ist_expected(err, "a number", value, NULL);
    *normal = json_real(json_number_value(value));
    return IST_OK;
}

// Numbers become text, so that `key: 12345678` is a key: the core hands over what was written.
static int32_t text_of(const json_t *value, json_t **normal, ist_error *err)
{
    if (json_is_integer(value)) {
        char text[32];
        snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        *normal = json_string(text);
        return IST_OK;
    }
    if (!json_is_string(value))
        return ist_expected(err, "text", value, json_is_real(value) ? "put it in quotes" : NULL);
    *normal = same(value);
    return IST_OK;
}

static int32_t filled(const char *what, const json_t *value, json_t **normal, ist_error *err)
{
    if (!json_is_string(value) || !json_string_length(value))
        return ist_expected(err, what, value, json_is_string(value) ? "it is empty" : NULL);
    *normal = same(value);
    return IST_OK;
}

static int32_t path_of(const json_t *value, json_t **normal, ist_error *err)
{
    return filled("a path", value, normal, err);
}

static int32_t secret_of(const json_t *value, json_t **normal, ist_error *err)
{
    // The value itself is never shown.
    if (!json_is_string(value) && !json_is_integer(value))
        return ist_fail(err, IST_ERR_INPUT, "", "expected a secret as text");
    if (json_is_string(value) && !json_string_length(value))
        return ist_fail(err, IST_ERR_INPUT, "", "expected a secret, found an empty text");
    return text_of(value, normal, err);
}

static int32_t cidr_of(const json_t *value, json_t **normal, ist_error *err)
{
    static const char what[] = "a CIDR such as 10.1.0.0/16";
    const char *text = json_string_value(value);
    if (!text)
        return ist_expected(err, what, value, NULL);
    ist_net4 net;
    ist_error why;
    if (ist_net4_parse(text, &net, &why) != IST_OK)
        return ist_expected(err, what, value, why.text);
    if (!strchr(text, '/'))
        return ist_expected(err, what, value, "no prefix length: one address is written with /32");
    char canonical[19];
    ist_net4_text(net, canonical);
    *normal = json_string(canonical);
    return IST_OK;
}

// A network of either family. An IPv6 one stays as it is written: its many spellings matter to people only.
static int32_t network_of(const json_t *value, json_t **normal, ist_error *err)
{
    static const char what[] = "a network such as 10.1.0.0/16 or fd00:1::/48";
    const char *text = json_string_value(value);
    ist_net net;
    ist_error why;
    if (!text)
        return ist_expected(err, what, value, NULL);
    if (!strchr(text, ':'))
        return cidr_of(value, normal, err);
    if (ist_net_parse(text, &net, &why) != IST_OK)
        return ist_expected(err, what, value, why.text);
    if (!strchr(text, '/'))
        return ist_expected(err, what, value, "no prefix length: one address is written with /128");
    *normal = same(value);
    return IST_OK;
}

static int32_t ipv4_of(const json_t *value, json_t **normal, ist_error *err)
{
    uint32_t address;
    if (!json_is_string(value) || ist_ipv4_parse(json_string_value(value), &address) != IST_OK)
        return ist_expected(err, "an IPv4 address such as 10.1.0.9", value, NULL);
    char canonical[16];
    ist_ipv4_text(address, canonical);
    *normal = json_string(canonical);
    return IST_OK;
}

typedef struct unit {
    const char *name;
    int64_t factor;
} unit;

// "1h30m", "10MiB": numbers each followed by a unit (the empty one where the table has it). -1: not so.
static int64_t in_units(const char *text, const unit *units, size_t count)
{
    int64_t sum = 0;
    if (!*text)
        return -1;
    while (*text) {
        char *end;
        errno = 0;
        if (*text < '0' || *text > '9')
            return -1;
        long long number = strtoll(text, &end, 10);
        size_t len = strcspn(end, "0123456789"), i = 0;
        while (i < count && (strlen(units[i].name) != len || strncmp(units[i].name, end, len) != 0))
            i++;
        int64_t part;
        if (errno || i == count || __builtin_mul_overflow((int64_t)number, units[i].factor, &part) ||
            __builtin_add_overflow(sum, part, &sum))
            return -1;
        text = end + len;
    }
    return sum;
}

static int32_t quantity(const char *what, const unit *units, size_t count, const json_t *value,
                        json_t **normal, ist_error *err)
{
    int64_t sum = -1;
    if (json_is_integer(value)) // already normal
        sum = json_integer_value(value);
    else if (json_is_string(value))
        sum = in_units(json_string_value(value), units, count);
    if (sum < 0)
        return ist_expected(err, what, value, NULL);
    *normal = json_integer(sum);
    return IST_OK;
}

static int32_t duration_of(const json_t *value, json_t **normal, ist_error *err)
{
    static const unit units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    return quantity("a duration such as 30s, 5m or 1h30m", units, 5, value, normal, err);
}

static int32_t size_of(const json_t *value, json_t **normal, ist_error *err)
{
    static const unit units[] = {{"", 1},           {"B", 1},         {"k", 1000},      {"kB", 1000},
                                 {"K", 1 << 10},    {"KiB", 1 << 10}, {"M", 1 << 20},   {"MiB", 1 << 20},
                                 {"MB", 1000000},   {"G", 1 << 30},   {"GiB", 1 << 30}, {"GB", 1000000000},
                                 {"TiB", 1LL << 40}};
    return quantity("a size such as 512KiB or 10MiB", units, sizeof(units) / sizeof(units[0]), value, normal,
                    err);
}

// What is wrong with the part of a URL that names a host and a port; NULL: nothing.
static const char *authority_fault(const char *text, size_t len)
{
    const char *end = text + len, *user = memrchr(text, '@', len), *host = user ? user + 1 : text;
    const char *bracket = host < end && *host == '[' ? memchr(host, ']', (size_t)(end - host)) : host;
    if (!bracket)
        return "a bracket is left open";
    const char *colon = memchr(bracket, ':', (size_t)(end - bracket));
    if ((colon ? colon : end) == host)
        return "it names no host";
    for (const char *p = host; *host != '[' && p < (colon ? colon : end); p++)
        if (strchr("\\\"<>{}|^`", *p))
            return "its host has a character that no host has";
    if (!colon)
        return NULL;
    long port = 0;
    for (const char *p = colon + 1; p < end; p++) {
        if (*p < '0' || *p > '9')
            return "its port is no number";
        port = port > 65535 ? port : port * 10 + (*p - '0');
    }
    return port < 1 || port > 65535 ? "a port is a number from 1 to 65535" : NULL;
}

static int32_t url_of(const json_t *value, json_t **normal, ist_error *err)
{
    static const char what[] = "a URL such as https://host:443/";
    const char *text = json_string_value(value), *why = NULL;
    size_t scheme = text ? strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789+.-") : 0;
    if (!scheme || strncmp(text + scheme, "://", 3) != 0)
        return ist_expected(err, what, value, NULL);
    for (const char *p = text; *p && !why; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f)
            why = "it holds a space or a control character";
    const char *host = text + scheme + 3;
    if (!why)
        why = authority_fault(host, strcspn(host, "/?#"));
    if (why)
        return ist_expected(err, what, value, why);
    *normal = same(value);
    return IST_OK;
}

static int32_t regex_of(const json_t *value, json_t **normal, ist_error *err)
{
    static const char what[] = "an extended regular expression";
    const char *text = json_string_value(value);
    if (!text || !*text)
        return ist_expected(err, what, value, text ? "it is empty, which fits everything" : NULL);
    regex_t compiled;
    int rc = regcomp(&compiled, text, REG_EXTENDED | REG_NOSUB);
    if (rc) {
        char why[128];
        regerror(rc, &compiled, why, sizeof(why));
        return ist_expected(err, what, value, why);
    }
    regfree(&compiled);
    *normal = same(value);
    return IST_OK;
}

// A path (several joined by ':'), the text of one, or its map, which becomes the text.
static int32_t kubeconfig_of(const json_t *value, json_t **normal, ist_error *err)
{
    if (!json_is_object(value))
        return filled("a kubeconfig: its path or its text", value, normal, err);
    char *text = ist_json_text(value);
    *normal = json_string(text);
    ist_free_secret(text);
    return IST_OK;
}

static int32_t next_hop_of(const json_t *value, json_t **normal, ist_error *err)
{
    static const char what[] = "a next hop: {kind: eni, id: eni-...} or {kind: ip, id: 10.0.0.1}";
    const char *id = json_string_value(value), *kind = NULL;
    uint32_t address;
    if (json_is_object(value)) {
        kind = json_string_value(json_object_get(value, "kind"));
        id = json_string_value(json_object_get(value, "id"));
        if (!kind || !id || json_object_size(value) != 2)
            return ist_expected(err, what, value, NULL);
    }
    if (!id)
        return ist_expected(err, what, value, NULL);
    int is_ip = ist_ipv4_parse(id, &address) == IST_OK, is_eni = strncmp(id, "eni-", 4) == 0 && id[4];
    if ((!is_ip && !is_eni) || (kind && strcmp(kind, is_ip ? "ip" : "eni") != 0))
        return ist_expected(err, what, json_is_object(value) ? json_object_get(value, "id") : value, NULL);
    *normal = json_pack("{s:s, s:s}", "kind", is_ip ? "ip" : "eni", "id", id);
    return *normal ? IST_OK : ist_expected(err, what, value, "it is not UTF-8");
}

static int32_t any_of(const json_t *value, json_t **normal, ist_error *err)
{
    (void)err;
    *normal = same(value);
    return IST_OK;
}

static int32_t object_of(const json_t *value, json_t **normal, ist_error *err)
{
    if (!json_is_object(value))
        return ist_expected(err, "a map", value, NULL);
    *normal = same(value);
    return IST_OK;
}

#define OCTET "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
#define IPV4  "(" OCTET "\\.){3}" OCTET

static const ist_scalar_type types[] = {
    {"bool", bool_of, "boolean", NULL, "true or false"},
    {"int", int_of, "integer", NULL, "an integer"},
    {"real", real_of, "number", NULL, "a number"},
    {"string", text_of, "string", NULL, "text"},
    {"text", text_of, "string", NULL, "text of several lines"},
    {"cidr", cidr_of, "string", "^" IPV4 "/(3[0-2]|[12]?[0-9])$", "10.1.0.0/16"},
    {"network", network_of, "string", NULL, "10.1.0.0/16 or fd00:1::/48"},
    {"ipv4", ipv4_of, "string", "^" IPV4 "$", "10.1.0.9"},
    {"duration", duration_of, "string", "^([0-9]+(ms|s|m|h|d))+$", "1h30m"},
    {"size", size_of, NULL, NULL, "10MiB"},
    {"path", path_of, "string", NULL, "a path, relative to the file it stands in"},
    {"url", url_of, "string", "^[a-z][a-z0-9+.-]*://", "https://host:443/"},
    {"secret", secret_of, "string", NULL, "a secret, best as ${env.NAME}"},
    {"regex", regex_of, "string", NULL, "an extended regular expression"},
    {"kubeconfig", kubeconfig_of, NULL, NULL, "a path of a kubeconfig, or its text"},
    {"next-hop", next_hop_of, NULL, NULL, "{kind: eni, id: eni-...}"},
    {"any", any_of, NULL, NULL, "anything"},
    {"object", object_of, "object", NULL, "a map"},
};

const ist_scalar_type *ist_scalar_type_of(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (strlen(types[i].name) == len && strncmp(types[i].name, name, len) == 0)
            return &types[i];
    return NULL;
}
