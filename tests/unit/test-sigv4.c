// Signature Version 4 against AWS's own test suite: every case of $ISTHMUS_TEST_DATA/sigv4.
#include "../../sdk/lib/aws/sigv4.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

static char *slurp(const char *dir, const char *name, const char *file)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s/%s", dir, name, file);
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return NULL;
    ist_buf text = {0};
    char chunk[4096];
    for (size_t n = fread(chunk, 1, sizeof(chunk), f); n > 0; n = fread(chunk, 1, sizeof(chunk), f))
        ist_buf_add(&text, chunk, n);
    fclose(f);
    return ist_buf_take(&text);
}

struct vector {
    json_t *context;
    struct sigv4 who;
    struct sigv4_request request;
    char *raw, *method, *path, *query;
    const char *headers[32];
};

// "GET /path with blanks?query HTTP/1.1", headers with continuation lines, an empty line, the body.
static void parse_request(struct vector *v)
{
    char *line_end = strchr(v->raw, '\n');
    assert_non_null(line_end);
    char *first_blank = strchr(v->raw, ' ');
    char *version = strstr(v->raw, " HTTP/1.1");
    v->method = ist_strndup(v->raw, (size_t)(first_blank - v->raw));
    char *target = ist_strndup(first_blank + 1, (size_t)(version - first_blank - 1));
    const size_t path = strcspn(target, "?");
    v->path = ist_strndup(target, path);
    v->query = ist_strdup(target[path] == '?' ? target + path + 1 : "");
    ist_free(target);
    size_t count = 0;
    char *line = line_end + 1;
    while (*line != '\0' && *line != '\n') {
        char *end = strchr(line, '\n');
        assert_true(count < 31);
        v->headers[count++] = line;
        if (end == NULL)
            break;
        *end = '\0';
        line = end + 1;
    }
    v->request = (struct sigv4_request){.method = v->method, .path = v->path, .query = v->query};
    v->request.headers = v->headers;
    if (*line == '\n' && line[1] != '\0') {
        v->request.body = line + 1;
        v->request.body_len = strlen(line + 1);
    }
}

static void load(struct vector *v, const char *dir, const char *name)
{
    memset(v, 0, sizeof(*v));
    char *text = slurp(dir, name, "context.json");
    assert_non_null(text);
    assert_int_equal(ist_json_parse(text, strlen(text), name, &v->context, NULL), IST_OK);
    ist_free(text);
    v->raw = slurp(dir, name, "request.txt");
    assert_non_null(v->raw);
    parse_request(v);
    struct tm at = {0};
    assert_non_null(strptime(ist_json_str(v->context, "timestamp"), "%Y-%m-%dT%H:%M:%SZ", &at));
    v->who = (struct sigv4){
        .access_key = ist_json_str(v->context, "credentials.access_key_id"),
        .secret_key = ist_json_str(v->context, "credentials.secret_access_key"),
        .session_token = ist_json_str(v->context, "credentials.token"),
        .region = ist_json_str(v->context, "region"),
        .service = ist_json_str(v->context, "service"),
        .time = (int64_t)timegm(&at),
        .normalize = ist_json_bool(v->context, "normalize", 1),
    };
}

static void unload(struct vector *v)
{
    json_decref(v->context);
    ist_free(v->raw);
    ist_free(v->method);
    ist_free(v->path);
    ist_free(v->query);
}

static int failures;

static void expect(const char *dir, const char *name, const char *file, const char *found)
{
    char *wanted = slurp(dir, name, file);
    assert_non_null(wanted);
    if (strcmp(wanted, found) != 0) {
        print_error("%s/%s\n--- expected\n%s\n--- found\n%s\n", name, file, wanted, found);
        failures++;
    }
    ist_free(wanted);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// The parameters of a query in ASCII, and in an order of their own: the signature does not depend on how they are sent.
static char *sorted(const char *query)
{
    char *parts[64], *rest = NULL;
    size_t count = 0;
    ist_buf ascii = {0}, text = {0};
    for (const char *c = query; *c != '\0'; c++)
        ist_buf_printf(&ascii, (*c & 0x80) != 0 ? "%%%02X" : "%c", (unsigned char)*c);
    char *all = ist_buf_take(&ascii);
    for (char *part = strtok_r(all, "&", &rest); part != NULL && count < 64;
         part = strtok_r(NULL, "&", &rest))
        parts[count++] = part;
    qsort(parts, count, sizeof(*parts), by_text);
    for (size_t i = 0; i < count; i++)
        ist_buf_printf(&text, "%s\n", parts[i]);
    ist_free(all);
    return ist_buf_take(&text);
}

// What is sent in the end: the header Authorization, or the query of the URL.
static void expect_sent(const char *dir, const char *name, const char *file, const char *found)
{
    char *whole = slurp(dir, name, file), *wanted, *sent = ist_strdup(found);
    assert_non_null(whole);
    char *header = strstr(whole, "\nAuthorization:"), *version = strstr(whole, " HTTP/1.1");
    assert_non_null(version);
    if (header != NULL) {
        header += strlen("\nAuthorization:");
        wanted = ist_strndup(header, strcspn(header, "\n"));
    } else {
        *version = '\0';
        char *query = strchr(whole, '?'), *text = sorted(sent);
        assert_non_null(query);
        wanted = sorted(query + 1);
        ist_free(sent);
        sent = text;
    }
    if (strcmp(wanted, sent) != 0) {
        print_error("%s/%s\n--- expected\n%s\n--- found\n%s\n", name, file, wanted, sent);
        failures++;
    }
    ist_free(sent);
    ist_free(wanted);
    ist_free(whole);
}

static const char *data_dir(char *path, size_t size)
{
    const char *data = getenv("ISTHMUS_TEST_DATA");
    if (data == NULL)
        return NULL;
    snprintf(path, size, "%s/sigv4", data);
    return path;
}

static void every_published_vector_signs_alike(void **state)
{
    (void)state;
    char path[512];
    const char *dir = data_dir(path, sizeof(path));
    if (dir == NULL) {
        print_message("ISTHMUS_TEST_DATA is not set: no vectors\n");
        skip();
    }
    DIR *folder = opendir(dir);
    assert_non_null(folder);
    int cases = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        struct vector v;
        struct sigv4_result result;
        load(&v, dir, entry->d_name);
        sigv4_sign(&v.who, &v.request, &result);
        expect(dir, entry->d_name, "header-canonical-request.txt", result.canonical_request);
        expect(dir, entry->d_name, "header-string-to-sign.txt", result.string_to_sign);
        expect(dir, entry->d_name, "header-signature.txt", result.signature);
        expect_sent(dir, entry->d_name, "header-signed-request.txt", result.authorization);
        sigv4_result_free(&result);
        sigv4_presign(&v.who, &v.request, (int)ist_json_int(v.context, "expiration_in_seconds", 0), &result);
        expect(dir, entry->d_name, "query-canonical-request.txt", result.canonical_request);
        expect(dir, entry->d_name, "query-string-to-sign.txt", result.string_to_sign);
        expect(dir, entry->d_name, "query-signature.txt", result.signature);
        expect_sent(dir, entry->d_name, "query-signed-request.txt", result.query);
        sigv4_result_free(&result);
        unload(&v);
        cases++;
    }
    closedir(folder);
    assert_int_equal(failures, 0);
    assert_true(cases >= 20);
}

// The one example that the AWS documentation works through by hand, for machines without the data folder.
static void the_documented_example_signs_alike(void **state)
{
    (void)state;
    const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded; charset=utf-8",
                                   "Host: iam.amazonaws.com", "X-Amz-Date: 20150830T123600Z", NULL};
    const struct sigv4 who = {.access_key = "AKIDEXAMPLE",
                              .secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                              .region = "us-east-1",
                              .service = "iam",
                              .time = 1440938160,
                              .normalize = 1};
    const struct sigv4_request request = {
        .method = "GET", .path = "/", .query = "Action=ListUsers&Version=2010-05-08", .headers = headers};
    struct sigv4_result result;
    sigv4_sign(&who, &request, &result);
    assert_string_equal(result.signature, "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
    assert_non_null(
        strstr(result.authorization, "SignedHeaders=content-type;host;x-amz-date, Signature=5d672d"));
    sigv4_result_free(&result);
}

static void another_secret_or_body_signs_differently(void **state)
{
    (void)state;
    const char *const headers[] = {"Host: h", NULL};
    struct sigv4 who = {
        .access_key = "A", .secret_key = "s", .region = "r", .service = "ec2", .normalize = 1};
    struct sigv4_request request = {
        .method = "POST", .path = "/", .headers = headers, .body = "a", .body_len = 1};
    struct sigv4_result one, two, three;
    sigv4_sign(&who, &request, &one);
    request.body = "b";
    sigv4_sign(&who, &request, &two);
    who.secret_key = "t";
    sigv4_sign(&who, &request, &three);
    assert_string_not_equal(one.signature, two.signature);
    assert_string_not_equal(two.signature, three.signature);
    sigv4_result_free(&one);
    sigv4_result_free(&two);
    sigv4_result_free(&three);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_published_vector_signs_alike),
        cmocka_unit_test(the_documented_example_signs_alike),
        cmocka_unit_test(another_secret_or_body_signs_differently),
    };
    return cmocka_run_group_tests_name("sigv4", tests, NULL, NULL);
}
