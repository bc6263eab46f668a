// The lab's own verifier of signatures against AWS's published vectors: what Isthmus sends is judged by it, so it is
// judged by others first. A folder a case; the lab's services normalise paths, so the other cases are left out.
#include "aws/inner.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_HEADERS = 32 };

// Of the lab's HTTP side, which no message here comes from.
const char *lab_header(const struct lab_request *rq, const char *name)
{
    (void)rq, (void)name;
    return NULL;
}

struct message {
    char *text;
    struct aws_message m;
    struct {
        const char *name;
        char *value;
    } headers[MAX_HEADERS];
    size_t count;
};

static char *slurp(const char *folder, const char *name)
{
    char *path = lab_format("%s/%s", folder, name), *text = NULL;
    size_t size = 0;
    FILE *in = fopen(path, "re"), *out = open_memstream(&text, &size);
    for (int c; in && (c = getc(in)) != EOF;)
        putc(c, out);
    fclose(out);
    if (in)
        fclose(in);
    if (!in) {
        free(text);
        text = NULL;
    }
    free(path);
    return text;
}

static const char *header_of(const void *arg, const char *name)
{
    const struct message *m = arg;
    for (size_t i = 0; i < m->count; i++) {
        if (!strcasecmp(m->headers[i].name, name))
            return m->headers[i].value;
    }
    return NULL;
}

// Two headers of one name count as one, joined by a comma.
static void add_header(struct message *m, const char *name, const char *value)
{
    value += strspn(value, " ");
    for (size_t i = 0; i < m->count; i++) {
        if (!strcasecmp(m->headers[i].name, name)) {
            char *joined = lab_format("%s,%s", m->headers[i].value, value);
            free(m->headers[i].value);
            m->headers[i].value = joined;
            return;
        }
    }
    assert_true(m->count < MAX_HEADERS);
    m->headers[m->count].name = name;
    m->headers[m->count++].value = lab_strdup(value);
}

// An HTTP request as text, cut up in place; steals text.
static void parse(struct message *m, char *text)
{
    *m = (struct message){.text = text};
    char *rest = text, *line = strsep(&rest, "\n"), *version = strstr(line, " HTTP/1.1");
    assert_non_null(version);
    *version = 0;
    m->m.method = strsep(&line, " ");
    m->m.path = line;
    char *query = strchr(line, '?');
    if (query)
        *query++ = 0;
    m->m.query = query ? query : "";
    while ((line = strsep(&rest, "\n")) && *line) {
        char *value = strchr(line, ':');
        assert_non_null(value);
        *value++ = 0;
        add_header(m, line, value);
    }
    m->m.body = rest ? rest : "";
    m->m.body_len = strlen(m->m.body);
    m->m.header = header_of;
    m->m.arg = m;
}

static void release(struct message *m)
{
    for (size_t i = 0; i < m->count; i++)
        free(m->headers[i].value);
    free(m->text);
}

// One signed request: good with its secret, bad with another, bad once its path is another.
static void check(const char *folder, const char *name, const char *secret)
{
    struct message m;
    char *text = slurp(folder, name);
    assert_non_null(text);
    parse(&m, text);
    if (!aws_signed_with(&m.m, secret))
        fail_msg("%s: %s is refused", folder, name);
    assert_false(aws_signed_with(&m.m, "another secret"));
    m.m.path = "/elsewhere";
    assert_false(aws_signed_with(&m.m, secret));
    release(&m);
}

static bool check_case(const char *folder)
{
    char *text = slurp(folder, "context.json");
    json_t *context = text ? json_loads(text, 0, NULL) : NULL;
    free(text);
    bool takes_part = context && json_is_true(json_object_get(context, "normalize"));
    if (takes_part) {
        const json_t *credentials = json_object_get(context, "credentials");
        const char *secret = json_string_value(json_object_get(credentials, "secret_access_key"));
        check(folder, "header-signed-request.txt", secret);
        check(folder, "query-signed-request.txt", secret);
    }
    json_decref(context);
    return takes_part;
}

static void published_vectors_are_accepted_and_spoilt_ones_refused(void **state)
{
    (void)state;
    const char *data = getenv("ISTHMUS_TEST_DATA");
    if (!data)
        skip(); // the vectors are not part of the project
    char *root = lab_format("%s/sigv4", data);
    DIR *dir = opendir(root);
    size_t cases = 0;
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        char *folder = lab_format("%s/%s", root, entry->d_name);
        if (*entry->d_name != '.')
            cases += check_case(folder);
        free(folder);
    }
    closedir(dir);
    free(root);
    assert_true(cases >= 15);
}

static void garbage_is_refused(void **state)
{
    static const char *const headers[] = {
        "",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request/e, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=, Signature=",
        "AWS4-HMAC-SHA1 Credential=a/b/c/d/aws4_request, SignedHeaders=host, Signature=0"};
    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct message m;
        parse(&m, lab_format("GET / HTTP/1.1\nHost: h\nX-Amz-Date: 20150830T123600Z\nAuthorization: %s\n\n",
                             headers[i]));
        assert_false(aws_signed_with(&m.m, "secret"));
        release(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors_are_accepted_and_spoilt_ones_refused),
        cmocka_unit_test(garbage_is_refused)};
    return cmocka_run_group_tests_name("lab-sigv4", tests, NULL, NULL);
}
