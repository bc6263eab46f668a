// A plugin of the tests whose check does as it is told: one way for each that the host has to cope with. It needs libc
// and plugin.h alone.
#include <isthmus/plugin.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const ist_field inputs[] = {
    {"do", "enum(look|crash|hang|flood|fail|break|intent|chatter|quiet)", "look", 0, "0.1.0",
     "What check does."},
    {"text", "string", NULL, 0, "0.1.0", "Wrong when it is \"bad\", unwise when it is \"odd\"."},
    {"other", "string", NULL, 0, "0.1.0", "Needs a text."},
    {"items", "list(string)", NULL, 0, "0.1.0", "The same of each."},
    {"parts", "list(object)", NULL, 0, "0.1.0", "Parts."},
    {"parts[].name", "string", NULL, IST_REQUIRED, "0.1.0", "The same of each."},
    {"named", "map(object)", NULL, 0, "0.1.0", "Parts by name."},
    {"named{}.text", "string", NULL, 0, "0.1.0", "The same of each."},
    {"writes", "path", NULL, 0, "0.1.0", "A file that it would write."},
    {"reads", "map(path)", NULL, 0, "0.1.0", "Files that have to be there."},
    {"token", "secret", NULL, 0, "0.1.0", "Wrong when it is over 8 characters."},
};
static const ist_field outputs[] = {
    {"text", "string", NULL, 0, "0.1.0", "Not known before apply."},
    {"items", "list(string)", NULL, 0, "0.1.0", "Not known before apply."},
};

struct looking {
    const ist_host *host;
    ist_call *call;
    int wrong;
};

static void look_at(struct looking *l, const ist_value *text, const char *path)
{
    const char *what = l->host->get_bytes(text, NULL);
    if (what && !strcmp(what, "bad")) {
        l->host->problem(l->call, IST_LOG_ERROR, path, "is bad", "try something better");
        l->wrong = 1;
    }
    if (what && !strcmp(what, "odd"))
        l->host->problem(l->call, IST_LOG_WARN, path, "is odd", NULL);
}

static int is_unknown(struct looking *l, const char *path)
{
    const ist_value *unknown = l->host->unknown(l->call);
    for (size_t i = 0; i < l->host->count(unknown); i++)
        if (!strcmp(l->host->get_bytes(l->host->at(unknown, i), NULL), path))
            return 1;
    return 0;
}

static void look_at_token(struct looking *l, const ist_value *in)
{
    char text[200];
    size_t len = 0;
    const char *token = l->host->get_bytes(l->host->get(in, "token"), &len);
    if (!token || len <= 8)
        return;
    // As a careless plugin would: the host takes the value out.
    snprintf(text, sizeof(text), "%.100s is over 8 characters", token);
    l->host->problem(l->call, IST_LOG_ERROR, "token", text, NULL);
    l->wrong = 1;
}

static int32_t look(const ist_host *host, ist_call *call)
{
    struct looking l = {host, call, 0};
    const ist_value *in = host->inputs(call), *items = host->get(in, "items"),
                    *parts = host->get(in, "parts"), *named = host->get(in, "named");
    char path[64];
    look_at(&l, host->get(in, "text"), "text");
    if (host->get(in, "other") && !host->get(in, "text") && !is_unknown(&l, "text")) {
        host->problem(call, IST_LOG_ERROR, "other", "needs a text", NULL);
        l.wrong = 1;
    }
    for (size_t i = 0; i < host->count(items); i++) {
        snprintf(path, sizeof(path), "items[%zu]", i);
        look_at(&l, host->at(items, i), path);
    }
    for (size_t i = 0; i < host->count(parts); i++) {
        snprintf(path, sizeof(path), "parts[%zu].name", i);
        look_at(&l, host->get(host->at(parts, i), "name"), path);
    }
    for (size_t i = 0; i < host->count(named); i++) {
        snprintf(path, sizeof(path), "named.%s.text", host->key_at(named, i));
        look_at(&l, host->get(host->at(named, i), "text"), path);
    }
    const ist_value *reads = host->get(in, "reads");
    for (size_t i = 0; i < host->count(reads); i++) {
        snprintf(path, sizeof(path), "reads.%.40s", host->key_at(reads, i));
        if (access(host->get_bytes(host->at(reads, i), NULL), R_OK) != 0) {
            host->problem(call, IST_LOG_ERROR, path, "is not there", NULL);
            l.wrong = 1;
        }
    }
    look_at_token(&l, in);
    return l.wrong ? IST_ERR_INPUT : IST_OK;
}

static int32_t flood(const ist_host *host, ist_call *call)
{
    for (int i = 0; i < 1000000; i++)
        host->problem(call, IST_LOG_ERROR, "text", "is wrong in a million ways", NULL);
    return IST_ERR_INPUT;
}

static int32_t check(const ist_host *host, ist_call *call)
{
    char token[65];
    const char *how = host->get_bytes(host->get(host->inputs(call), "do"), NULL);
    if (!how || host->operation(call) != IST_OP_CHECK)
        return look(host, call);
    if (!strcmp(how, "crash"))
        raise(SIGSEGV);
    while (!strcmp(how, "hang"))
        pause();
    if (!strcmp(how, "flood"))
        return flood(host, call);
    if (!strcmp(how, "intent"))
        return host->intent(call, "thing", NULL, token);
    if (!strcmp(how, "quiet"))
        return IST_ERR_INTERNAL;
    if (!strcmp(how, "chatter"))
        host->log(call, IST_LOG_WARN, "talks instead of telling");
    if (!strcmp(how, "fail"))
        host->fail(call, IST_ERR_INPUT, "text", "is not to its liking", "another text");
    if (!strcmp(how, "break"))
        host->fail(call, IST_ERR_REMOTE, "somewhere", "did not work", NULL);
    return !strcmp(how, "fail") ? IST_ERR_INPUT : !strcmp(how, "break") ? IST_ERR_REMOTE : look(host, call);
}

static int32_t observe(const ist_host *host, ist_call *call)
{
    host->set_observed(call, host->new_null(call));
    return IST_OK;
}

static int32_t plan(const ist_host *host, ist_call *call)
{
    int32_t rc = look(host, call);
    if (rc == IST_OK && !host->count(host->recorded(call)))
        host->change(call, IST_CREATE, "thing", NULL);
    return rc;
}

static int32_t apply(const ist_host *host, ist_call *call)
{
    const ist_value *text = host->get(host->inputs(call), "text");
    ist_value *items = host->new_list(call);
    host->outcome(call, "thing", host->new_map(call));
    host->add(items, host->new_bytes(call, "bad", 3));
    host->set_output(call, "text", text ? text : host->new_bytes(call, "fine", 4));
    host->set_output(call, "items", items);
    return IST_OK;
}

static int32_t destroy(const ist_host *host, ist_call *call)
{
    return host->outcome(call, "thing", NULL);
}

IST_PLUGIN(.name = "test-check", .version = "0.1.0", .doc = "A plugin of the tests with a check.",
           IST_INPUTS(inputs), IST_OUTPUTS(outputs), .observe = observe, .plan = plan, .apply = apply,
           .destroy = destroy, .check = check);
