#include "sigv4.h"

#include <isthmus/alloc.h>
#include <isthmus/http.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define ALGORITHM "AWS4-HMAC-SHA256"

// ---- hashes ----

static void hex(const unsigned char *bytes, size_t len, char *text)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * len] = '\0';
}

static void sha256_hex(const char *bytes, size_t len, char text[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    if (EVP_Digest(bytes, len, digest, &n, EVP_sha256(), NULL) != 1)
        abort(); // SHA-256 is always there; without it nothing can be signed
    hex(digest, n, text);
}

static void hmac(const unsigned char *key, size_t key_len, const char *text, unsigned char digest[32])
{
    unsigned int n = 32;
    if (HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, strlen(text), digest, &n) == NULL)
        abort();
}

// ---- names and values in order ----

struct pair {
    char *name, *value; // owned
    size_t order;       // as given: repeated headers keep it
};

struct pairs {
    struct pair *items;
    size_t count;
};

// Takes both strings.
static void add_pair(struct pairs *p, char *name, char *value)
{
    p->items = ist_realloc(p->items, p->count + 1, sizeof(*p->items));
    p->items[p->count] = (struct pair){name, value, p->count};
    p->count++;
}

static void free_pairs(struct pairs *p)
{
    for (size_t i = 0; i < p->count; i++) {
        ist_free(p->items[i].name);
        ist_free_secret(p->items[i].value);
    }
    ist_free(p->items);
    *p = (struct pairs){0};
}

static int by_name_and_value(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    const int names = strcmp(x->name, y->name);
    return names != 0 ? names : strcmp(x->value, y->value);
}

static int by_name_and_order(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    const int names = strcmp(x->name, y->name);
    return names != 0 ? names : (x->order > y->order) - (x->order < y->order);
}

static void sort_pairs(struct pairs *p, int (*order)(const void *, const void *))
{
    if (p->count > 1)
        qsort(p->items, p->count, sizeof(*p->items), order);
}

// ---- the query ----

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

// Decodes what is percent-encoded and encodes all again, so that every spelling of a query signs the same.
static char *recode(const char *text, size_t len)
{
    char *plain = ist_malloc(len + 1);
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '%' && i + 2 < len && nibble(text[i + 1]) >= 0 && nibble(text[i + 2]) >= 0) {
            plain[n++] = (char)(nibble(text[i + 1]) * 16 + nibble(text[i + 2]));
            i += 2;
        } else {
            plain[n++] = text[i];
        }
    }
    plain[n] = '\0';
    char *encoded = ist_url_encode(plain, 0);
    ist_free_secret(plain);
    return encoded;
}

static void split_query(const char *query, struct pairs *to)
{
    while (query != NULL && *query != '\0') {
        const size_t len = strcspn(query, "&");
        const size_t name = strcspn(query, "=&");
        if (len > 0)
            add_pair(to, recode(query, name),
                     name < len ? recode(query + name + 1, len - name - 1) : ist_strdup(""));
        query += len + (query[len] == '&');
    }
}

static void add_parameter(struct pairs *to, const char *name, const char *value)
{
    add_pair(to, ist_strdup(name), ist_url_encode(value, 0));
}

static char *join_query(struct pairs *p)
{
    ist_buf out = {0};
    sort_pairs(p, by_name_and_value);
    for (size_t i = 0; i < p->count; i++)
        ist_buf_printf(&out, "%s%s=%s", i > 0 ? "&" : "", p->items[i].name, p->items[i].value);
    return ist_buf_take(&out);
}

// ---- the path ----

// RFC 3986 5.2.4 and doubled slashes, as AWS normalises; a trailing slash stays.
static char *normal_path(const char *path)
{
    const char **segments = ist_calloc(strlen(path) + 1, sizeof(*segments));
    size_t *lengths = ist_calloc(strlen(path) + 1, sizeof(*lengths));
    size_t count = 0;
    int slash_at_end = 0;
    for (const char *s = path; *s != '\0';) {
        s += strspn(s, "/");
        const size_t len = strcspn(s, "/");
        slash_at_end = s[len] == '/' || len == 0;
        if (len == 0)
            break;
        if (len == 1 && s[0] == '.') {
            slash_at_end = 1;
        } else if (len == 2 && s[0] == '.' && s[1] == '.') {
            count -= count > 0;
            slash_at_end = 1;
        } else {
            segments[count] = s;
            lengths[count++] = len;
        }
        s += len;
    }
    ist_buf out = {0};
    for (size_t i = 0; i < count; i++)
        ist_buf_printf(&out, "/%.*s", (int)lengths[i], segments[i]);
    if (count == 0 || slash_at_end)
        ist_buf_puts(&out, "/");
    ist_free(segments);
    ist_free(lengths);
    return ist_buf_take(&out);
}

static char *canonical_path(const struct sigv4 *who, const char *path)
{
    char *normal = who->normalize ? normal_path(path) : ist_strdup(*path != '\0' ? path : "/");
    char *encoded = ist_url_encode(normal, 1);
    ist_free(normal);
    return encoded;
}

// ---- the headers ----

// Trimmed, with runs of blanks inside made one.
static char *trimmed(const char *value)
{
    char *out = ist_malloc(strlen(value) + 1);
    size_t n = 0;
    for (; *value != '\0'; value++) {
        const int blank = *value == ' ' || *value == '\t';
        if (!blank)
            out[n++] = *value;
        else if (n > 0 && out[n - 1] != ' ')
            out[n++] = ' ';
    }
    if (n > 0 && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
    return out;
}

static void add_header(struct pairs *to, const char *line)
{
    const size_t len = strcspn(line, ":");
    char *name = ist_strndup(line, len);
    for (char *c = name; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    add_pair(to, name, trimmed(line[len] == ':' ? line + len + 1 : ""));
}

static int has_header(const struct pairs *p, const char *name)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->items[i].name, name) == 0)
            return 1;
    return 0;
}

// "host:example\nx-amz-date:...\n" and "host;x-amz-date". Repeated names are joined by commas in the order
// given.
static void join_headers(struct pairs *p, char **lines, char **names)
{
    ist_buf l = {0}, n = {0};
    sort_pairs(p, by_name_and_order);
    for (size_t i = 0; i < p->count; i++) {
        if (i > 0 && strcmp(p->items[i].name, p->items[i - 1].name) == 0) {
            ist_buf_printf(&l, ",%s", p->items[i].value);
            continue;
        }
        ist_buf_printf(&l, "%s%s:%s", i > 0 ? "\n" : "", p->items[i].name, p->items[i].value);
        ist_buf_printf(&n, "%s%s", i > 0 ? ";" : "", p->items[i].name);
    }
    ist_buf_puts(&l, "\n");
    *lines = ist_buf_take(&l);
    *names = ist_buf_take(&n);
}

// ---- signing ----

static void key_of(const struct sigv4 *who, const char *day, unsigned char key[32])
{
    char *first = ist_printf("AWS4%s", who->secret_key);
    unsigned char date[32], region[32], service[32];
    hmac((const unsigned char *)first, strlen(first), day, date);
    hmac(date, 32, who->region, region);
    hmac(region, 32, who->service, service);
    hmac(service, 32, "aws4_request", key);
    ist_free_secret(first);
}

static void format_date(int64_t seconds, char date[17])
{
    const time_t t = (time_t)seconds;
    struct tm utc;
    if (gmtime_r(&t, &utc) == NULL || strftime(date, 17, "%Y%m%dT%H%M%SZ", &utc) == 0)
        snprintf(date, 17, "19700101T000000Z");
}

static char *scope_of(const struct sigv4 *who, const char *date)
{
    return ist_printf("%.8s/%s/%s/aws4_request", date, who->region, who->service);
}

// Fills canonical_request, string_to_sign and signature. `query` is canonical already.
static void sign(const struct sigv4 *who, const struct sigv4_request *request, const char *query,
                 const char *lines, const char *names, struct sigv4_result *result)
{
    char body[65], canonical[65], day[9];
    unsigned char key[32], digest[32];
    sha256_hex(request->body != NULL ? request->body : "", request->body != NULL ? request->body_len : 0,
               body);
    char *path = canonical_path(who, request->path);
    result->canonical_request =
        ist_printf("%s\n%s\n%s\n%s\n%s\n%s", request->method, path, query, lines, names, body);
    sha256_hex(result->canonical_request, strlen(result->canonical_request), canonical);
    char *scope = scope_of(who, result->date);
    result->string_to_sign = ist_printf(ALGORITHM "\n%s\n%s\n%s", result->date, scope, canonical);
    snprintf(day, sizeof(day), "%.8s", result->date);
    key_of(who, day, key);
    hmac(key, sizeof(key), result->string_to_sign, digest);
    hex(digest, sizeof(digest), result->signature);
    ist_free(scope);
    ist_free(path);
}

void sigv4_sign(const struct sigv4 *who, const struct sigv4_request *request, struct sigv4_result *result)
{
    *result = (struct sigv4_result){0};
    format_date(who->time, result->date);
    struct pairs headers = {0}, parameters = {0};
    for (size_t i = 0; request->headers != NULL && request->headers[i] != NULL; i++)
        add_header(&headers, request->headers[i]);
    if (!has_header(&headers, "x-amz-date"))
        add_pair(&headers, ist_strdup("x-amz-date"), ist_strdup(result->date));
    if (who->session_token != NULL && !has_header(&headers, "x-amz-security-token"))
        add_pair(&headers, ist_strdup("x-amz-security-token"), ist_strdup(who->session_token));
    char *lines, *names;
    join_headers(&headers, &lines, &names);
    split_query(request->query, &parameters);
    char *query = join_query(&parameters);
    sign(who, request, query, lines, names, result);
    char *scope = scope_of(who, result->date);
    result->authorization = ist_printf(ALGORITHM " Credential=%s/%s, SignedHeaders=%s, Signature=%s",
                                       who->access_key, scope, names, result->signature);
    ist_free(scope);
    ist_free(query);
    ist_free_secret(lines);
    ist_free(names);
    free_pairs(&headers);
    free_pairs(&parameters);
}

void sigv4_presign(const struct sigv4 *who, const struct sigv4_request *request, int seconds,
                   struct sigv4_result *result)
{
    *result = (struct sigv4_result){0};
    format_date(who->time, result->date);
    struct pairs headers = {0}, parameters = {0};
    for (size_t i = 0; request->headers != NULL && request->headers[i] != NULL; i++)
        add_header(&headers, request->headers[i]);
    char *lines, *names;
    join_headers(&headers, &lines, &names);
    split_query(request->query, &parameters);
    char *scope = scope_of(who, result->date);
    char *credential = ist_printf("%s/%s", who->access_key, scope);
    char expires[16];
    snprintf(expires, sizeof(expires), "%d", seconds);
    add_parameter(&parameters, "X-Amz-Algorithm", ALGORITHM);
    add_parameter(&parameters, "X-Amz-Credential", credential);
    add_parameter(&parameters, "X-Amz-Date", result->date);
    add_parameter(&parameters, "X-Amz-Expires", expires);
    add_parameter(&parameters, "X-Amz-SignedHeaders", names);
    if (who->session_token != NULL)
        add_parameter(&parameters, "X-Amz-Security-Token", who->session_token);
    char *query = join_query(&parameters);
    sign(who, request, query, lines, names, result);
    result->query = ist_printf("%s&X-Amz-Signature=%s", query, result->signature);
    ist_free_secret(query);
    ist_free(credential);
    ist_free(scope);
    ist_free_secret(lines);
    ist_free(names);
    free_pairs(&headers);
    free_pairs(&parameters);
}

void sigv4_result_free(struct sigv4_result *result)
{
    ist_free_secret(result->canonical_request);
    ist_free(result->string_to_sign);
    ist_free_secret(result->authorization);
    ist_free_secret(result->query);
    *result = (struct sigv4_result){0};
}
