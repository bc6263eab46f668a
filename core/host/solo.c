// One step alone: gathers what its operations tell and keeps its record between them.
#include "host/solo.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Logs may come from any thread of a plugin that runs in this process.
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

void solo_report_init(struct solo_report *report)
{
    memset(report, 0, sizeof(*report));
    report->outputs = json_object();
    report->changes = json_array();
    report->checks = json_array();
    report->problems = json_array();
    report->journal = json_array();
    report->logs = json_array();
    report->secrets = json_array();
    report->printed = ist_strdup("");
}

void solo_report_clear(struct solo_report *report)
{
    json_decref(report->observed);
    json_decref(report->outputs);
    json_decref(report->changes);
    json_decref(report->checks);
    json_decref(report->problems);
    json_decref(report->journal);
    json_decref(report->logs);
    json_decref(report->secrets);
    ist_free(report->printed);
    memset(report, 0, sizeof(*report));
}

struct solo *solo_new(const char *step, const unsigned char key[32])
{
    struct solo *solo = ist_calloc(1, sizeof(*solo));
    solo->step = ist_strdup(step);
    memcpy(solo->key, key, sizeof(solo->key));
    solo->recorded = json_object();
    solo->generations = json_object();
    solo->outputs = json_object();
    solo->secret_outputs = json_object();
    solo_report_init(&solo->report);
    return solo;
}

void solo_free(struct solo *solo)
{
    if (!solo)
        return;
    json_decref(solo->observed);
    json_decref(solo->recorded);
    json_decref(solo->generations);
    json_decref(solo->outputs);
    json_decref(solo->secret_outputs);
    solo_report_clear(&solo->report);
    OPENSSL_cleanse(solo->key, sizeof(solo->key));
    ist_free(solo->step);
    ist_free(solo);
}

// ---- the file

static void key_to_hex(const unsigned char *key, size_t len, char *hex)
{
    for (size_t i = 0; i < len; i++)
        snprintf(hex + i * 2, 3, "%02x", key[i]);
}

static int key_from_hex(const char *hex, unsigned char key[32])
{
    if (!hex || strlen(hex) != 64)
        return -1;
    for (size_t i = 0; i < 32; i++) {
        unsigned byte;
        if (sscanf(hex + i * 2, "%2x", &byte) != 1)
            return -1;
        key[i] = (unsigned char)byte;
    }
    return 0;
}

static void replace(json_t **slot, json_t *object)
{
    if (!json_is_object(object))
        return;
    json_decref(*slot);
    *slot = json_incref(object);
}

int solo_load(struct solo *solo, const char *path, ist_error *err)
{
    json_error_t why;
    FILE *file = fopen(path, "re");
    if (!file)
        return errno == ENOENT ? 0 : ist_fail(err, IST_ERR_INPUT, path, "%s", strerror(errno));
    json_t *json = json_loadf(file, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    fclose(file);
    if (!json)
        return ist_fail(err, IST_ERR_INPUT, path, "not valid JSON at line %d: %s", why.line, why.text);
    int rc = 0;
    if (key_from_hex(ist_json_str(json, "key"), solo->key) < 0) {
        rc = ist_fail(err, IST_ERR_INPUT, path, "is no record that `isthmus plugin run --state` wrote");
    } else {
        replace(&solo->recorded, json_object_get(json, "resources"));
        replace(&solo->generations, json_object_get(json, "generations"));
        replace(&solo->outputs, json_object_get(json, "outputs"));
    }
    json_decref(json);
    return rc;
}

// In one piece: jansson itself writes every token by a call of its own.
static int write_whole(int fd, const json_t *json)
{
    char *text = json_dumps(json, JSON_INDENT(2) | JSON_SORT_KEYS);
    size_t len = text ? strlen(text) : 0, done = 0;
    while (done < len) {
        const ssize_t n = write(fd, text + done, len - done);
        if (n == 0 || (n < 0 && errno != EINTR))
            break;
        done += n > 0 ? (size_t)n : 0;
    }
    free(text);
    return text && done == len ? 0 : -1;
}

int solo_save(const struct solo *solo, const char *path, ist_error *err)
{
    char hex[65];
    key_to_hex(solo->key, sizeof(solo->key), hex);
    json_t *json = json_pack("{s:s,s:s,s:O,s:O,s:O}", "step", solo->step, "key", hex, "resources",
                             solo->recorded, "generations", solo->generations, "outputs", solo->outputs);
    char *temporary = ist_printf("%s.%d", path, (int)getpid());
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int rc = 0;
    // Whole or not at all: a run that is killed leaves the record of the one before.
    if (fd < 0 || write_whole(fd, json) < 0 || fsync(fd) < 0 || rename(temporary, path) < 0)
        rc = ist_fail(err, IST_ERR_INTERNAL, path, "cannot be written: %s", strerror(errno));
    if (fd >= 0)
        close(fd);
    if (rc)
        unlink(temporary);
    ist_free(temporary);
    json_decref(json);
    return rc;
}

// ---- events

void solo_begin(struct solo *solo)
{
    solo_report_clear(&solo->report);
    solo_report_init(&solo->report);
}

static void take_field(struct solo_report *report, json_t *event)
{
    const char *resource = ist_json_str_or(event, "resource", "");
    json_t *change, *found = NULL;
    size_t i;
    json_array_foreach(report->changes, i,
                       change) if (!strcmp(ist_json_str_or(change, "resource", ""), resource)) found = change;
    if (!found) {
        // A field of a resource that no change() told of is shown all the same, as an update.
        found = json_pack("{s:s,s:s,s:[]}", "action", "update", "resource", resource, "fields");
        json_array_append_new(report->changes, found);
    }
    json_object_del(event, "type");
    json_object_del(event, "resource");
    json_array_append(json_object_get(found, "fields"), event);
}

static void take_print(struct solo_report *report, const char *text)
{
    char *both = ist_printf("%s%s", report->printed, text);
    ist_free(report->printed);
    report->printed = both;
}

static void take_result(struct solo_report *report, const json_t *event)
{
    report->code = (int32_t)ist_json_int(event, "code", IST_ERR_INTERNAL);
    if (report->code == IST_OK)
        return;
    ist_fail(&report->error, report->code, ist_json_str_or(event, "where", ""), "%s",
             ist_json_str_or(event, "text", ""));
    ist_hint(&report->error, "%s", ist_json_str_or(event, "hint", ""));
}

void solo_event(struct solo *solo, json_t *event)
{
    struct solo_report *report = &solo->report;
    const char *type = ist_json_str_or(event, "type", "");
    json_t *value = json_object_get(event, "value");
    pthread_mutex_lock(&log_lock);
    if (solo->tell)
        solo->tell(solo->tell_arg, event);
    if (!strcmp(type, "observed")) {
        json_decref(report->observed);
        report->observed = json_incref(value);
    } else if (!strcmp(type, "output")) {
        const char *name = ist_json_str_or(event, "name", "");
        json_object_set(report->outputs, name, value);
        if (ist_json_bool(event, "secret", 0))
            json_object_set_new(solo->secret_outputs, name, json_true());
    } else if (!strcmp(type, "change")) {
        json_object_set_new(event, "action",
                            json_string(action_name((uint32_t)ist_json_int(event, "action", 0))));
        json_object_set_new(event, "fields", json_array());
        json_object_del(event, "type");
        json_array_append(report->changes, event);
    } else if (!strcmp(type, "field")) {
        take_field(report, event);
    } else if (!strcmp(type, "check")) {
        json_object_set_new(event, "result",
                            json_string(check_name((uint32_t)ist_json_int(event, "result", 0))));
        json_object_del(event, "type");
        json_array_append(report->checks, event);
    } else if (!strcmp(type, "problem")) {
        bool warns = ist_json_int(event, "level", 0) == IST_LOG_WARN;
        json_object_set_new(event, "level", json_string(warns ? "warning" : "error"));
        json_object_del(event, "type");
        json_array_append(report->problems, event);
    } else if (!strcmp(type, "secret")) {
        json_array_append(report->secrets, value);
    } else if (!strcmp(type, "log") || !strcmp(type, "progress")) {
        json_array_append_new(report->logs,
                              json_pack("{s:I,s:O}", "level", (json_int_t)ist_json_int(event, "level", 0),
                                        "text", json_object_get(event, "text")));
    } else if (!strcmp(type, "print") && !solo->tell) { // else it has been told, and may be long
        take_print(report, ist_json_str_or(event, "text", ""));
    } else if (!strcmp(type, "result")) {
        take_result(report, event);
    }
    pthread_mutex_unlock(&log_lock);
    json_decref(event);
}

// ---- the journal

static void make_token(const struct solo *solo, const char *resource, int64_t generation, char token[65])
{
    unsigned char mac[32];
    unsigned int len = sizeof(mac);
    char *text = ist_printf("%s\n%s\n%lld", solo->step, resource, (long long)generation);
    HMAC(EVP_sha256(), solo->key, sizeof(solo->key), (const unsigned char *)text, strlen(text), mac, &len);
    key_to_hex(mac, sizeof(mac), token);
    ist_free(text);
}

static void intent(struct solo *solo, const char *resource, json_t *data, char token[65])
{
    json_t *record = json_object_get(solo->recorded, resource);
    const json_t *next = json_object_get(solo->generations, resource);
    int64_t generation = next ? (int64_t)json_integer_value(next) : 1;
    if (!strcmp(ist_json_str_or(record, "status", ""), "intent"))
        generation = ist_json_int(record, "generation", generation); // an open intent keeps its token
    make_token(solo, resource, generation, token);
    json_object_set_new(solo->recorded, resource,
                        json_pack("{s:s,s:s,s:I,s:O}", "status", "intent", "token", token, "generation",
                                  (json_int_t)generation, "data", data));
}

static void outcome(struct solo *solo, const char *resource, json_t *data)
{
    json_t *record = json_object_get(solo->recorded, resource);
    const json_t *next = json_object_get(solo->generations, resource);
    int64_t generation = ist_json_int(record, "generation", next ? (int64_t)json_integer_value(next) : 1);
    const bool was_open = !strcmp(ist_json_str_or(record, "status", ""), "intent");
    if (!data || was_open)
        json_object_set_new(solo->generations, resource, json_integer((json_int_t)generation + 1));
    if (!data)
        json_object_del(solo->recorded, resource);
    else
        json_object_set_new(solo->recorded, resource,
                            json_pack("{s:s,s:s,s:I,s:O}", "status", "done", "token",
                                      ist_json_str_or(record, "token", ""), "generation",
                                      (json_int_t)generation, "data", data));
}

int32_t solo_journal(struct solo *solo, json_t *event, char token[65])
{
    const char *resource = ist_json_str_or(event, "resource", "");
    json_t *data = json_object_get(event, "data");
    token[0] = '\0';
    if (solo->journal_fails != IST_OK) {
        json_decref(event);
        return solo->journal_fails;
    }
    // The record outlives the event, and its old one may hold `data`: keep a reference.
    json_incref(data);
    if (!strcmp(ist_json_str_or(event, "type", ""), "intent")) {
        json_t *kept = data ? json_incref(data) : json_null();
        intent(solo, resource, kept, token);
        json_decref(kept);
        json_object_set_new(event, "token", json_string(token));
    } else {
        outcome(solo, resource, data);
    }
    json_decref(data);
    json_array_append_new(solo->report.journal, event);
    return IST_OK;
}

void solo_end(struct solo *solo, uint32_t operation)
{
    const char *name;
    json_t *value;
    if (solo->report.code != IST_OK)
        return;
    if (operation == IST_OP_OBSERVE) {
        json_decref(solo->observed);
        solo->observed = json_incref(solo->report.observed);
    } else if (operation == IST_OP_APPLY) {
        json_object_clear(solo->outputs);
        json_object_foreach(solo->report.outputs, name,
                            value) if (!json_object_get(solo->secret_outputs, name))
            json_object_set(solo->outputs, name, value);
    } else if (operation == IST_OP_DESTROY) {
        json_object_clear(solo->outputs);
    }
}

// ---- in this process

static int32_t sink_event(void *arg, json_t *event)
{
    solo_event(arg, event);
    return IST_OK;
}

static int32_t sink_journal(void *arg, json_t *event, char token[65])
{
    return solo_journal(arg, event, token);
}

int32_t solo_run(struct solo *solo, const ist_plugin *plugin, uint32_t operation, const json_t *inputs,
                 const char *run_dir, bool trace, struct cancel *cancel)
{
    struct runner_request request = {.operation = operation,
                                     .step = solo->step,
                                     .inputs = inputs,
                                     .observed = operation == IST_OP_OBSERVE ? NULL : solo->observed,
                                     .recorded = solo->recorded,
                                     .last_outputs = solo->outputs,
                                     .run_dir = run_dir,
                                     .unknown = solo->unknown,
                                     .renewal = solo->renewal,
                                     .trace = trace};
    struct runner_sink sink = {.event = sink_event, .journal = sink_journal, .arg = solo};
    // The operation reads the record as it was, while it writes to the journal.
    json_t *recorded = json_deep_copy(solo->recorded);
    request.recorded = recorded;
    solo_begin(solo);
    int32_t code = runner_run(plugin, &request, cancel, &sink);
    solo_end(solo, operation);
    json_decref(recorded);
    return code;
}
