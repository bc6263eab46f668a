// AWS Signature Version 4, the verifying side: header and presigned, strictly.
// The algorithm: "Create a signed AWS API request", IAM User Guide.
#include "inner.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SKEW = 300, MAX_EXPIRES = 604800 };

// The parts of a signature, cut out of one scratch copy.
struct claim {
    bool presigned;
    char *credential, *date, *region, *service,
        *terminator; // of the credential scope; credential is the key id
    char *signed_headers, *signature;
    char *when;   // X-Amz-Date
    long expires; // presigned
    char *token;  // session token or NULL
};

static bool refuse(struct aws_signed *out, int status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static bool refuse(struct aws_signed *out, int status, const char *code, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(out->message, sizeof out->message, format, ap);
    va_end(ap);
    out->status = status;
    out->code = code;
    return false;
}

static void hex_of(const unsigned char *data, size_t len, char *hex)
{
    for (size_t i = 0; i < len; i++)
        snprintf(hex + 2 * i, 3, "%02x", data[i]);
}

static void sha256_hex(const char *data, size_t len, char hex[65])
{
    unsigned char digest[32];
    SHA256((const unsigned char *)data, len, digest);
    hex_of(digest, sizeof digest, hex);
}

static void hmac(const void *key, size_t key_len, const char *text, unsigned char out[32])
{
    unsigned len = 32;
    HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, strlen(text), out, &len);
}

// ---- the canonical request ----

struct pair {
    char *name, *value;
};

static int by_pair(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : strcmp(x->value, y->value);
}

static void put_query(FILE *out, const char *query, bool presigned)
{
    size_t count = 0, room = 1;
    for (const char *p = query; *p; p++)
        room += *p == '&';
    struct pair *pairs = lab_calloc(room, sizeof *pairs);
    for (const char *p = query; *p;) {
        size_t len = strcspn(p, "&"), name = strcspn(p, "=&");
        char *n = lab_decode(p, name),
             *v = name < len ? lab_decode(p + name + 1, len - name - 1) : lab_strdup("");
        if (len && !(presigned && !strcmp(n, "X-Amz-Signature")))
            pairs[count++] = (struct pair){aws_encode(n), aws_encode(v)};
        free(n);
        free(v);
        p += len + (p[len] == '&');
    }
    qsort(pairs, count, sizeof *pairs, by_pair);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "%s%s=%s", i ? "&" : "", pairs[i].name, pairs[i].value);
        free(pairs[i].name);
        free(pairs[i].value);
    }
    free(pairs);
}

// The path with "." and ".." taken out and what is left encoded once more (all services but S3).
static void put_path(FILE *out, const char *path)
{
    char *copy = lab_strdup(path), *rest = copy, *part;
    char **parts = lab_calloc(strlen(path) + 2, sizeof *parts);
    size_t count = 0;
    while ((part = strsep(&rest, "/"))) {
        if (!strcmp(part, ".."))
            count -= count > 0;
        else if (*part && strcmp(part, ".") != 0)
            parts[count++] = part;
    }
    for (size_t i = 0; i < count; i++) {
        char *encoded = aws_encode(parts[i]);
        fprintf(out, "/%s", encoded);
        free(encoded);
    }
    size_t len = strlen(path);
    if (!count || (len && path[len - 1] == '/'))
        fputc('/', out);
    free(parts);
    free(copy);
}

static void put_value(FILE *out, const char *value)
{
    while (*value == ' ')
        value++;
    for (size_t len = strlen(value); *value; value++, len--) {
        if (*value == ' ' && (value[1] == ' ' || strspn(value, " ") == len))
            continue;
        fputc(*value, out);
    }
}

static char *canonical(const struct aws_message *m, const struct claim *claim)
{
    char *text = NULL, *names = lab_strdup(claim->signed_headers), *rest = names, *name, hash[65];
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    fprintf(out, "%s\n", m->method);
    put_path(out, m->path);
    fputc('\n', out);
    put_query(out, m->query, claim->presigned);
    fputc('\n', out);
    while ((name = strsep(&rest, ";"))) {
        const char *value = m->header(m->arg, name);
        fprintf(out, "%s:", name);
        put_value(out, value ? value : "");
        fputc('\n', out);
    }
    sha256_hex(m->body, m->body_len, hash);
    fprintf(out, "\n%s\n%s", claim->signed_headers, hash);
    fclose(out);
    free(names);
    return text;
}

// ---- what the request claims ----

static char *query_value(const char *query, const char *name)
{
    struct lab_request rq = {.query = query};
    return lab_query_get(&rq, name);
}

// "AKID/20150830/us-east-1/service/aws4_request", cut in place.
static bool cut_scope(char *scope, struct claim *claim)
{
    claim->credential = strsep(&scope, "/");
    claim->date = strsep(&scope, "/");
    claim->region = strsep(&scope, "/");
    claim->service = strsep(&scope, "/");
    claim->terminator = strsep(&scope, "/");
    return claim->terminator && !scope && !strcmp(claim->terminator, "aws4_request");
}

static char *field(char *text, const char *name)
{
    char *at = strstr(text, name);
    return at ? at + strlen(name) : NULL;
}

static bool claim_of_header(const struct aws_message *m, const char *header, struct claim *claim,
                            struct aws_signed *out)
{
    const char *prefix = "AWS4-HMAC-SHA256 ";
    if (strncmp(header, prefix, strlen(prefix)) != 0)
        return refuse(out, 400, "IncompleteSignature", "Authorization header requires 'AWS4-HMAC-SHA256'.");
    const char *when = m->header(m->arg, "X-Amz-Date"), *token = m->header(m->arg, "X-Amz-Security-Token");
    out->scratch = lab_strdup(header + strlen(prefix));
    char *credential = field(out->scratch, "Credential="), *names = field(out->scratch, "SignedHeaders="),
         *signature = field(out->scratch, "Signature=");
    if (!credential || !names || !signature || !when)
        return refuse(out, 400, "IncompleteSignature",
                      "Authorization header requires 'Credential', 'Signature', 'SignedHeaders' and a date.");
    credential[strcspn(credential, ", ")] = 0;
    names[strcspn(names, ", ")] = 0;
    signature[strcspn(signature, ", ")] = 0;
    claim->signed_headers = names;
    claim->signature = signature;
    claim->when = (char *)(uintptr_t)when;
    claim->token = (char *)(uintptr_t)token;
    if (!cut_scope(credential, claim))
        return refuse(out, 400, "IncompleteSignature",
                      "Credential must have exactly 5 slash-delimited elements.");
    return true;
}

static bool claim_of_query(const struct aws_message *m, struct claim *claim, struct aws_signed *out)
{
    static const char *const names[] = {"X-Amz-Credential", "X-Amz-SignedHeaders", "X-Amz-Signature",
                                        "X-Amz-Date",       "X-Amz-Expires",       "X-Amz-Security-Token"};
    char *values[6], *all = lab_strdup("");
    size_t at[6] = {0};
    bool whole = true;
    for (size_t i = 0; i < 6; i++) {
        values[i] = query_value(m->query, names[i]);
        whole = whole && (values[i] || i == 5);
        char *longer = lab_format("%s%s|", all, values[i] ? values[i] : "");
        at[i] = strlen(all);
        free(all);
        all = longer;
    }
    for (char *p = all; *p; p++)
        *p = *p == '|' ? 0 : *p;
    out->scratch = all;
    claim->presigned = true;
    claim->signed_headers = all + at[1];
    claim->signature = all + at[2];
    claim->when = all + at[3];
    claim->expires = strtol(all + at[4], NULL, 10);
    claim->token = values[5] ? all + at[5] : NULL;
    for (size_t i = 0; i < 6; i++)
        free(values[i]);
    if (!whole || !cut_scope(all + at[0], claim))
        return refuse(out, 400, "IncompleteSignature",
                      "AWS query-string parameters must include the whole signature.");
    return true;
}

static bool timely(const struct claim *claim, struct aws_signed *out)
{
    struct tm tm = {0};
    const char *end = strptime(claim->when, "%Y%m%dT%H%M%SZ", &tm);
    if (!end || *end)
        return refuse(out, 400, "IncompleteSignature", "Date must be in ISO-8601 'basic format'. Got '%s'.",
                      claim->when);
    int64_t signed_at = (int64_t)timegm(&tm), now = (int64_t)time(NULL);
    if (strncmp(claim->when, claim->date, 8) != 0)
        return refuse(
            out, 403, "SignatureDoesNotMatch",
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP");
    if (claim->presigned && (claim->expires < 1 || claim->expires > MAX_EXPIRES))
        return refuse(out, 400, "AuthorizationQueryParametersError",
                      "X-Amz-Expires must be between 1 and 604800");
    int64_t life = claim->presigned ? claim->expires : SKEW;
    if (signed_at > now + SKEW)
        return refuse(out, 403, "SignatureDoesNotMatch",
                      "Signature not yet current: %s is still later than now (5 min.)", claim->when);
    if (now > signed_at + life)
        return refuse(out, 403, "SignatureDoesNotMatch",
                      "Signature expired: %s is now earlier than the allowed time (%s)", claim->when,
                      claim->presigned ? "X-Amz-Expires" : "5 min.");
    return true;
}

static bool right_signature(const struct aws_message *m, const struct claim *claim, const char *secret)
{
    unsigned char key[32];
    char hash[65], hex[65], *first = lab_format("AWS4%s", secret), *request = canonical(m, claim);
    sha256_hex(request, strlen(request), hash);
    char *text = lab_format("AWS4-HMAC-SHA256\n%s\n%s/%s/%s/aws4_request\n%s", claim->when, claim->date,
                            claim->region, claim->service, hash);
    hmac(first, strlen(first), claim->date, key);
    hmac(key, sizeof key, claim->region, key);
    hmac(key, sizeof key, claim->service, key);
    hmac(key, sizeof key, "aws4_request", key);
    hmac(key, sizeof key, text, key);
    hex_of(key, sizeof key, hex);
    free(first);
    free(request);
    free(text);
    return !strcmp(hex, claim->signature);
}

static bool host_signed(const char *names)
{
    char *wrapped = lab_format(";%s;", names);
    bool found = strstr(wrapped, ";host;");
    free(wrapped);
    return found;
}

// What the request claims, by header or query; false after refuse().
static bool claim_of(const struct aws_message *m, struct claim *claim, struct aws_signed *out)
{
    const char *header = m->header(m->arg, "Authorization");
    if (header)
        return claim_of_header(m, header, claim, out);
    if (strstr(m->query, "X-Amz-Signature="))
        return claim_of_query(m, claim, out);
    return refuse(out, 403, "MissingAuthenticationToken", "Request is missing Authentication Token");
}

static bool is_whole(const struct claim *claim)
{
    return claim->region && claim->service && claim->date && claim->when;
}

bool aws_signed_with(const struct aws_message *m, const char *secret)
{
    struct claim claim = {0};
    struct aws_signed out = {0};
    bool right = claim_of(m, &claim, &out) && is_whole(&claim) && right_signature(m, &claim, secret);
    aws_signed_free(&out);
    return right;
}

bool aws_verify(struct lab_aws *aws, const struct aws_message *m, struct aws_signed *out)
{
    struct claim claim = {0};
    *out = (struct aws_signed){0};
    if (!claim_of(m, &claim, out) || !is_whole(&claim))
        return false;
    const json_t *key = json_object_get(aws->keys, claim.credential);
    if (!key)
        return refuse(out, 403, "InvalidClientTokenId",
                      "The security token included in the request is invalid.");
    const char *token = json_string_value(json_object_get(key, "token"));
    if (token ? !claim.token || strcmp(token, claim.token) != 0 : claim.token && *claim.token)
        return refuse(out, 403, "InvalidClientTokenId",
                      "The security token included in the request is invalid");
    json_int_t expires = json_integer_value(json_object_get(key, "expires"));
    if (expires && (json_int_t)time(NULL) >= expires)
        return refuse(out, 403, "ExpiredToken", "The security token included in the request is expired");
    if (!timely(&claim, out))
        return false;
    bool global = !strcmp(claim.region, "us-east-1") &&
                  (!strcmp(claim.service, "iam") || !strcmp(claim.service, "sts"));
    if (strcmp(claim.region, AWS_REGION) != 0 && !global)
        return refuse(out, 403, "SignatureDoesNotMatch",
                      "Credential should be scoped to a valid region, not '%s'.", claim.region);
    if (!host_signed(claim.signed_headers))
        return refuse(out, 403, "SignatureDoesNotMatch",
                      "'Host' or ':authority' must be a 'SignedHeader' in the AWS "
                      "Authorization.");
    if (!right_signature(m, &claim, json_string_value(json_object_get(key, "secret"))))
        return refuse(
            out, 403, "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. Check your AWS "
            "Secret Access Key and signing method. Consult the service documentation for details.");
    out->key = claim.credential;
    out->service = claim.service;
    out->region = claim.region;
    out->arn = json_string_value(json_object_get(key, "arn"));
    out->user_id = json_string_value(json_object_get(key, "user_id"));
    return true;
}

void aws_signed_free(struct aws_signed *s)
{
    free(s->scratch);
    s->scratch = NULL;
}

char *aws_scope_service(const struct lab_request *rq)
{
    const char *header = lab_header(rq, "Authorization");
    char *scope = header && strstr(header, "Credential=") ? lab_strdup(strstr(header, "Credential=") + 11)
                                                          : query_value(rq->query, "X-Amz-Credential");
    struct claim claim = {0};
    if (!scope)
        return NULL;
    scope[strcspn(scope, ", ")] = 0;
    char *service = cut_scope(scope, &claim) ? lab_strdup(claim.service) : NULL;
    free(scope);
    return service;
}
