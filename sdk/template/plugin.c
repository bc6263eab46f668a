// @NAME@: what it manages, in one sentence.
//
// Begin with the tables: they are the documentation, the validation and the schema. Then check, observe, plan, apply,
// destroy and verify; each may be called at any time and any number of times, so each looks before it acts.
#include <isthmus/alloc.h>
#include <isthmus/check.h>
#include <isthmus/env.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_CONTENT 65536

static const ist_field inputs[] = {
    {"path", "path", NULL, IST_REQUIRED | IST_FORCES_REPLACE, "0.1.0", "File that is managed."},
    {"content", "string", "hello", 0, "0.1.0", "What the file holds."},
};

static const ist_field outputs[] = {
    {"size", "int", NULL, 0, "0.1.0", "Length of the file in bytes."},
};

// The whole file as a JSON string, null when it is not there; NULL with *err on any other failure.
static json_t *read_file(const char *path, ist_error *err)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        if (errno == ENOENT)
            return json_null();
        ist_fail(err, IST_ERR_DENIED, path, "%s", strerror(errno));
        return NULL;
    }
    char text[MAX_CONTENT];
    size_t n = fread(text, 1, sizeof(text), file);
    fclose(file);
    json_t *json = json_stringn(text, n);
    if (!json)
        ist_fail(err, IST_ERR_INPUT, path, "holds something that is no UTF-8 text");
    return json;
}

static int32_t write_file(const char *path, const char *text, ist_error *err)
{
    FILE *file = fopen(path, "we");
    int bad = !file || fputs(text, file) < 0;
    if (file && fclose(file) != 0)
        bad = 1;
    return bad ? ist_fail(err, IST_ERR_DENIED, path, "%s", strerror(errno)) : IST_OK;
}

static void set_size(const ist_env *env, const char *text)
{
    ist_set_output(env, "size", json_integer((json_int_t)strlen(text)));
}

// Says what is wrong with the inputs, before anything runs. Those that come from other steps are not known yet, and
// absent: see isthmus/check.h.
static int32_t check(const ist_host *host, ist_call *call)
{
    ist_checking *c = ist_checking_new(&(ist_env){host, call});
    const char *content = ist_checking_text(c, "content");
    if (content && strlen(content) > MAX_CONTENT)
        ist_wrong(c, "content", "is %zu bytes long: at most %d", strlen(content), MAX_CONTENT);
    return ist_checking_end(c);
}

// Reads the world: what there is of the thing that is wanted.
static int32_t observe(const ist_host *host, ist_call *call)
{
    ist_env env = {host, call};
    ist_error err;
    json_t *in = ist_inputs(&env);
    json_t *found = read_file(ist_json_str(in, "path"), &err);
    if (found && json_is_string(found))
        set_size(&env, json_string_value(found));
    if (found)
        ist_set_observed(&env, json_pack("{s:o}", "content", found));
    json_decref(in);
    return found ? IST_OK : ist_report(&env, &err);
}

// Tells what apply would do. Outputs that are known already are set; the others are unknown until then.
static int32_t plan(const ist_host *host, ist_call *call)
{
    ist_env env = {host, call};
    int32_t rc = check(host, call);
    if (rc != IST_OK)
        return rc;
    json_t *in = ist_inputs(&env), *seen = ist_observed(&env);
    const char *path = ist_json_str(in, "path"), *wanted = ist_json_str(in, "content");
    const char *there = ist_json_str(seen, "content");
    if (!there)
        ist_change(&env, IST_CREATE, path, NULL);
    else if (strcmp(there, wanted) != 0)
        ist_change(&env, IST_UPDATE, path, NULL);
    if (!there || strcmp(there, wanted) != 0)
        ist_change_field(&env, path, "content", there ? json_string(there) : NULL, json_string(wanted));
    set_size(&env, wanted);
    json_decref(in);
    json_decref(seen);
    return IST_OK;
}

// Makes it so. The intent is on disk before the world is touched, so that destroy finds what was begun.
static int32_t apply(const ist_host *host, ist_call *call)
{
    ist_env env = {host, call};
    ist_error err;
    char token[65];
    json_t *in = ist_inputs(&env);
    const char *path = ist_json_str(in, "path"), *wanted = ist_json_str(in, "content");
    int32_t rc = ist_intent(&env, "file", json_pack("{s:s}", "path", path), token, &err);
    if (rc == IST_OK)
        rc = write_file(path, wanted, &err);
    if (rc == IST_OK)
        rc = ist_outcome(&env, "file", json_pack("{s:s}", "path", path), &err);
    if (rc == IST_OK)
        set_size(&env, wanted);
    json_decref(in);
    return rc == IST_OK ? IST_OK : ist_report(&env, &err);
}

// Removes what the record says was made here, and nothing else.
static int32_t destroy(const ist_host *host, ist_call *call)
{
    ist_env env = {host, call};
    ist_error err;
    int32_t rc = IST_OK;
    json_t *recorded = ist_recorded(&env);
    const char *path = ist_json_str(recorded, "file.data.path");
    if (path && unlink(path) < 0 && errno != ENOENT)
        rc = ist_fail(&err, IST_ERR_DENIED, path, "%s", strerror(errno));
    else if (path)
        rc = ist_outcome(&env, "file", NULL, &err);
    json_decref(recorded);
    return rc == IST_OK ? IST_OK : ist_report(&env, &err);
}

// Proves that it works, one check a fact, each with its evidence.
static int32_t verify(const ist_host *host, ist_call *call)
{
    ist_env env = {host, call};
    json_t *in = ist_inputs(&env), *seen = ist_observed(&env);
    const char *there = ist_json_str(seen, "content");
    int same = there && strcmp(there, ist_json_str(in, "content")) == 0;
    ist_check(&env, "content", same ? IST_PASS : IST_FAIL, "%s %s", ist_json_str(in, "path"),
              same    ? "holds what is wanted"
              : there ? "holds something else"
                      : "is not there");
    json_decref(in);
    json_decref(seen);
    return IST_OK;
}

IST_PLUGIN(.name = "@NAME@", .version = "0.1.0", .doc = "One sentence that says what it manages.",
           IST_INPUTS(inputs), IST_OUTPUTS(outputs), .observe = observe, .plan = plan, .apply = apply,
           .destroy = destroy, .verify = verify, .check = check);
