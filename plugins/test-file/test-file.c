// test-file: small files in a folder as resources. The tests of engine and workers stand on it: its ids are
// the world's own choice, its creations carry the journal's token, and it fails in every way on demand.
#include "files.h"

#include <isthmus/plugin.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

// The engine's tests build it a second time, as the plugin that replaces the first.
#ifndef TEST_FILE_NAME
#define TEST_FILE_NAME  "test-file"
#define TEST_FILE_FLAGS IST_PLUGIN_RECONFIGURES
#endif

#define FIELD(name, type, def, flags, doc)                                                                   \
    {                                                                                                        \
        name, type, def, flags, "0.1.0", doc                                                                 \
    }

static const ist_field inputs[] = {
    FIELD("dir", "path", NULL, IST_REQUIRED | IST_FORCES_REPLACE, "Folder that holds the files."),
    FIELD("content", "string", "hello", 0, "Text of each file, at most 4,000 bytes."),
    FIELD("count", "int", "1", 0, "How many files."),
    FIELD("kind", "string", "plain", IST_FORCES_REPLACE, "Word in the head of each file."),
    FIELD("secret", "secret", "", IST_SECRET, "Secret that each file holds."),
    FIELD("labels", "map(string)", "{}", 0, "Accepted and ignored: something to refer to."),
    FIELD("delay_ms", "int", "0", 0, "Wait around each change, half of it before and half after."),
    FIELD("fail_at", "int", "-1", 0, "File at which apply fails."),
    FIELD("crash_at", "int", "-1", 0,
          "File at which apply crashes, once it is made and before that is told."),
    FIELD("hang_at", "int", "-1", 0, "File at which apply never comes back, not even when cancelled."),
    FIELD("fault", "enum(none|fail|again|question|crash|hang|wait|flood|junk|memory|fork|close|stderr)",
          "none", 0, "What goes wrong as `fault_in` begins."),
    FIELD("fault_in", "enum(observe|plan|apply|destroy|verify|watch)", "apply", 0,
          "Operation that goes wrong."),
    FIELD("ask_when", "path", "", 0,
          "File whose existence makes the watch ask for its inputs anew; it is removed."),
    FIELD("fault_once", "path", "", 0,
          "File whose existence ends the fault; it is made as the fault happens."),
};

static const ist_field outputs[] = {
    FIELD("path", "string", NULL, 0, "Path of the first file."),
    FIELD("id", "string", NULL, 0, "Id of the first file, chosen as it is made."),
    FIELD("ids", "list(string)", NULL, 0, "Ids of all files."),
    FIELD("content", "string", NULL, 0, "Text of each file."),
    FIELD("dir", "string", NULL, 0, "Folder of the files."),
    FIELD("count", "int", NULL, 0, "How many files there are."),
    FIELD("minted", "secret", NULL, IST_SECRET,
          "A secret that the folder minted: never in state, observed anew."),
};

// One operation with what it was given.
struct work {
    const ist_host *h;
    ist_call *call;
    const char *dir, *content, *kind, *secret;
    int64_t count, delay_ms, fail_at, crash_at, hang_at;
    ist_value *made; // apply: map of resource -> the id it has got
};

// ---- telling

static int32_t failed(const struct work *w, int32_t code, const char *where, const char *text)
{
    w->h->fail(w->call, code, where, text, NULL);
    return code;
}

static int32_t failed_errno(const struct work *w, const char *what, const char *dir)
{
    char text[300];
    int code = errno == EACCES || errno == EPERM ? IST_ERR_DENIED
               : errno == ENOENT                 ? IST_ERR_NOT_FOUND
                                                 : IST_ERR_REMOTE;
    snprintf(text, sizeof(text), "%.200s: %s", dir, strerror(errno));
    return failed(w, code, what, text);
}

static ist_value *string(const struct work *w, const char *text)
{
    return w->h->new_bytes(w->call, text, strlen(text));
}

static const char *text_of(const struct work *w, const ist_value *map, const char *key)
{
    const char *text = w->h->get_bytes(w->h->get(map, key), NULL);
    return text ? text : "";
}

// ---- going wrong

static void flood(const struct work *w)
{
    for (;;)
        w->h->log(w->call, IST_LOG_INFO, "a line of no use, again and again, as fast as it goes");
}

static void eat_memory(void)
{
    // Touched page by page, so that it counts; the limit on the address space ends it.
    for (;;) {
        char *block = mmap(NULL, 64u << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (block == MAP_FAILED)
            abort();
        memset(block, 1, 1u << 20);
    }
}

// Every descriptor that is a socket is the wire, or was meant to be left alone.
static void each_socket(int junk)
{
    static const char noise[] = "\x7f\xff\xff\xffthis is no frame";
    for (int fd = 3; fd < 64; fd++) {
        struct stat st;
        if (fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode))
            continue;
        if (junk)
            (void)!write(fd, noise, sizeof(noise));
        else
            shutdown(fd, SHUT_RDWR);
    }
}

// A sanitizer would catch the signal and exit instead.
static void crash(void)
{
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
}

static void hang(void)
{
    for (;;)
        pause();
}

static int32_t go_wrong(const struct work *w, const char *fault)
{
    if (!strcmp(fault, "fail"))
        return failed(w, IST_ERR_REMOTE, "test-file", "failed as it was told to");
    if (!strcmp(fault, "again"))
        return failed(w, IST_AGAIN, "test-file", "wants to begin anew, as it was told to");
    if (!strcmp(fault, "question"))
        return failed(w, IST_ERR_QUESTION, "test-file", "cannot tell, as it was told to");
    if (!strcmp(fault, "wait") || !strcmp(fault, "hang"))
        w->h->progress(w->call, "begins to wait, as it was told to", -1);
    if (!strcmp(fault, "wait"))
        return w->h->sleep_until(w->call, INT64_MAX);
    if (!strcmp(fault, "crash"))
        crash();
    if (!strcmp(fault, "hang"))
        hang();
    if (!strcmp(fault, "flood"))
        flood(w);
    if (!strcmp(fault, "junk"))
        each_socket(1);
    if (!strcmp(fault, "close"))
        each_socket(0);
    if (!strcmp(fault, "memory"))
        eat_memory();
    if (!strcmp(fault, "stderr"))
        for (;;)
            (void)!write(STDERR_FILENO, "noise on stderr\n", 16);
    if (!strcmp(fault, "fork") && fork() == 0)
        hang(); // the child outlives the operation, if it is let
    return IST_OK;
}

static int32_t fault(const struct work *w, const char *operation)
{
    const ist_value *in = w->h->inputs(w->call);
    const char *what = text_of(w, in, "fault"), *when = text_of(w, in, "fault_in");
    const char *once = text_of(w, in, "fault_once");
    if (!*what || !strcmp(what, "none") || strcmp(when, operation) != 0)
        return IST_OK;
    if (*once) {
        if (access(once, F_OK) == 0)
            return IST_OK;
        FILE *mark = fopen(once, "we");
        if (mark)
            fclose(mark);
    }
    return go_wrong(w, what);
}

// ---- beginning

static int32_t begin(struct work *w, const ist_host *h, ist_call *call, const char *operation)
{
    *w = (struct work){.h = h, .call = call};
    const ist_value *in = h->inputs(call);
    w->dir = text_of(w, in, "dir");
    w->content = text_of(w, in, "content");
    w->kind = text_of(w, in, "kind");
    w->secret = text_of(w, in, "secret");
    w->count = h->get_int(h->get(in, "count"));
    w->delay_ms = h->get_int(h->get(in, "delay_ms"));
    const ist_value *at;
    w->fail_at = (at = h->get(in, "fail_at")) ? h->get_int(at) : -1;
    w->crash_at = (at = h->get(in, "crash_at")) ? h->get_int(at) : -1;
    w->hang_at = (at = h->get(in, "hang_at")) ? h->get_int(at) : -1;
    if (w->count < 0 || w->count > 10000)
        return failed(w, IST_ERR_INPUT, "count", "expected 0 to 10000");
    if (strlen(w->content) > 4000)
        return failed(w, IST_ERR_INPUT, "content", "expected at most 4000 bytes");
    if (strlen(w->secret) > 255 || strchr(w->secret, '\n'))
        return failed(w, IST_ERR_INPUT, "secret", "expected one line of at most 255 bytes");
    if (*w->secret)
        h->register_secret(call, w->secret, strlen(w->secret));
    return fault(w, operation);
}

static void name_of(int64_t i, char name[64])
{
    snprintf(name, 64, "file[%lld]", (long long)i);
}

static int64_t number_of(const char *name)
{
    return strncmp(name, "file[", 5) == 0 ? strtoll(name + 5, NULL, 10) : -1;
}

// ---- observe

// Reads what a record tells of: 1 and *file, 0 when it is not there, -1 with errno.
static int find_recorded(const struct work *w, const ist_value *record, struct file *file)
{
    const ist_value *data = w->h->get(record, "data");
    if (!strcmp(text_of(w, record, "status"), "intent") && !w->h->get(data, "id"))
        return file_find(text_of(w, data, "dir"), text_of(w, record, "token"), file);
    text_copy(file->dir, sizeof(file->dir), text_of(w, data, "dir"));
    text_copy(file->id, sizeof(file->id), text_of(w, data, "id"));
    if (file_read(file) == 0)
        return 1;
    return errno == ENOENT ? 0 : -1;
}

static ist_value *file_value(const struct work *w, const struct file *file)
{
    ist_value *v = w->h->new_map(w->call);
    w->h->put(v, "dir", string(w, file->dir));
    w->h->put(v, "id", string(w, file->id));
    w->h->put(v, "kind", string(w, file->kind));
    w->h->put(v, "content", string(w, file->content));
    w->h->put(v, "secret_same", w->h->new_bool(w->call, !strcmp(file->secret, w->secret)));
    return v;
}

// The outputs when files 0..count-1 have `ids`; NULL ids: not known yet.
static void tell_outputs(const struct work *w, const ist_value *ids)
{
    const ist_host *h = w->h;
    char text[FILE_TEXT + 64];
    h->set_output(w->call, "content", string(w, w->content));
    h->set_output(w->call, "dir", string(w, w->dir));
    h->set_output(w->call, "count", h->new_int(w->call, w->count));
    if (!ids)
        return;
    h->set_output(w->call, "ids", ids);
    const char *first = h->get_bytes(h->at(ids, 0), NULL);
    if (!first)
        return;
    h->set_output(w->call, "id", string(w, first));
    snprintf(text, sizeof(text), "%s/%s", w->dir, first);
    h->set_output(w->call, "path", string(w, text));
    snprintf(text, sizeof(text), "minted-%s", first);
    h->register_secret(w->call, text, strlen(text));
    h->set_output(w->call, "minted", string(w, text));
}

// The ids of all files that are wanted, or NULL when one is not there.
static const ist_value *all_ids(const struct work *w, const ist_value *files)
{
    ist_value *ids = w->h->new_list(w->call);
    char name[64];
    for (int64_t i = 0; i < w->count; i++) {
        name_of(i, name);
        const char *id = text_of(w, w->made, name);
        if (!*id)
            id = text_of(w, w->h->get(files, name), "id");
        if (!*id)
            return NULL;
        w->h->add(ids, string(w, id));
    }
    return ids;
}

static int32_t observe(const ist_host *h, ist_call *call)
{
    struct work w;
    int32_t rc = begin(&w, h, call, "observe");
    if (rc != IST_OK)
        return rc;
    const ist_value *recorded = h->recorded(call);
    ist_value *files = h->new_map(call);
    for (size_t i = 0; i < h->count(recorded); i++) {
        struct file file = {0};
        int found = find_recorded(&w, h->at(recorded, i), &file);
        if (found < 0)
            return failed_errno(&w, "read", file.dir);
        if (found)
            h->put(files, h->key_at(recorded, i), file_value(&w, &file));
    }
    h->set_observed(call, files);
    const ist_value *ids = all_ids(&w, files);
    if (ids)
        tell_outputs(&w, ids);
    return IST_OK;
}

// ---- what differs

typedef int32_t act(const struct work *w, uint32_t action, const char *name, const ist_value *file,
                    const char *reason);

static int32_t compare(const struct work *w, const char *name, act *fn)
{
    const ist_host *h = w->h;
    const ist_value *file = h->get(h->observed(w->call), name);
    const ist_value *record = h->get(h->recorded(w->call), name);
    if (!strcmp(text_of(w, record, "status"), "intent"))
        return fn(w, IST_CREATE, name, file, "begun by a run that was interrupted");
    if (!file)
        return fn(w, IST_CREATE, name, NULL, record ? "it is gone" : NULL);
    if (strcmp(text_of(w, file, "dir"), w->dir) != 0)
        return fn(w, IST_REPLACE, name, file, "dir cannot be changed in place");
    if (strcmp(text_of(w, file, "kind"), w->kind) != 0)
        return fn(w, IST_REPLACE, name, file, "kind cannot be changed in place");
    if (strcmp(text_of(w, file, "content"), w->content) != 0 || !h->get_int(h->get(file, "secret_same")))
        return fn(w, IST_UPDATE, name, file, NULL);
    return IST_OK;
}

static int32_t each_difference(const struct work *w, act *fn)
{
    const ist_host *h = w->h;
    const ist_value *recorded = h->recorded(w->call);
    int32_t rc = IST_OK;
    char name[64];
    for (size_t i = 0; rc == IST_OK && i < h->count(recorded); i++) {
        const char *known = h->key_at(recorded, i);
        if (number_of(known) >= w->count)
            rc = fn(w, IST_DELETE, known, h->get(h->observed(w->call), known), "fewer files are wanted");
    }
    for (int64_t i = 0; rc == IST_OK && i < w->count; i++) {
        name_of(i, name);
        rc = compare(w, name, fn);
    }
    return rc;
}

static void field(const struct work *w, const char *name, const char *key, const ist_value *file,
                  const char *after)
{
    const ist_value *before = w->h->get(file, key);
    if (!before || strcmp(text_of(w, file, key), after) != 0)
        w->h->change_field(w->call, name, key, before, string(w, after), 0);
}

static int32_t tell(const struct work *w, uint32_t action, const char *name, const ist_value *file,
                    const char *reason)
{
    const ist_host *h = w->h;
    h->change(w->call, action, name, reason);
    if (action == IST_DELETE)
        return IST_OK;
    field(w, name, "dir", file, w->dir);
    field(w, name, "kind", file, w->kind);
    field(w, name, "content", file, w->content);
    if (action != IST_UPDATE)
        h->change_field(w->call, name, "id", h->get(file, "id"), NULL, 0);
    if (*w->secret && !h->get_int(h->get(file, "secret_same")))
        h->change_field(w->call, name, "secret", NULL, NULL, 1);
    return IST_OK;
}

// Is any id still to be chosen?
static int32_t chooses_id(const struct work *w, uint32_t action, const char *name, const ist_value *file,
                          const char *reason)
{
    (void)w;
    (void)name;
    (void)reason;
    return action == IST_REPLACE || (action == IST_CREATE && !file) ? IST_AGAIN : IST_OK;
}

static int32_t plan(const ist_host *h, ist_call *call)
{
    struct work w;
    int32_t rc = begin(&w, h, call, "plan");
    if (rc != IST_OK)
        return rc;
    each_difference(&w, tell);
    const ist_value *ids = all_ids(&w, h->observed(call));
    tell_outputs(&w, each_difference(&w, chooses_id) == IST_OK ? ids : NULL);
    return IST_OK;
}

// ---- apply

static int32_t wait_half(const struct work *w)
{
    if (w->delay_ms <= 0)
        return IST_OK;
    int32_t rc = w->h->sleep_until(w->call, w->h->now_ms(w->call) + w->delay_ms / 2);
    return rc == IST_OK ? rc : failed(w, rc, "test-file", "was told to stop while it waited");
}

static int32_t journal_failed(const struct work *w, int32_t rc, const char *name)
{
    return rc == IST_OK ? rc : failed(w, rc, name, "the journal did not take it");
}

static int32_t remove_file(const struct work *w, const char *name, const ist_value *at)
{
    struct file file = {0};
    text_copy(file.dir, sizeof(file.dir), text_of(w, at, "dir"));
    text_copy(file.id, sizeof(file.id), text_of(w, at, "id"));
    int32_t rc = wait_half(w);
    if (rc != IST_OK)
        return rc;
    if (*file.id && file_remove(&file) < 0 && errno != ENOENT)
        return failed_errno(w, "unlink", file.dir);
    rc = wait_half(w);
    return rc == IST_OK ? journal_failed(w, w->h->outcome(w->call, name, NULL), name) : rc;
}

static ist_value *record_of(const struct work *w, const struct file *file)
{
    ist_value *data = w->h->new_map(w->call);
    w->h->put(data, "dir", string(w, file->dir));
    if (*file->id)
        w->h->put(data, "id", string(w, file->id));
    return data;
}

static void fill(const struct work *w, const char *name, struct file *file)
{
    text_copy(file->resource, sizeof(file->resource), name);
    text_copy(file->kind, sizeof(file->kind), w->kind);
    text_copy(file->secret, sizeof(file->secret), w->secret);
    text_copy(file->content, sizeof(file->content), w->content);
}

// An interrupted creation is looked for where it was begun, by its token, before anything is made again.
static int32_t create_file(const struct work *w, const char *name)
{
    const ist_value *record = w->h->get(w->h->recorded(w->call), name);
    const char *begun_in = text_of(w, w->h->get(record, "data"), "dir");
    struct file file = {0};
    const bool resumed = !strcmp(text_of(w, record, "status"), "intent") && *begun_in;
    text_copy(file.dir, sizeof(file.dir), resumed ? begun_in : w->dir);
    int32_t rc = w->h->intent(w->call, name, record_of(w, &file), file.token);
    if (rc != IST_OK)
        return journal_failed(w, rc, name);
    rc = wait_half(w);
    if (rc != IST_OK)
        return rc;
    struct file found = {0};
    int there = resumed ? file_find(begun_in, file.token, &found) : 0;
    if (there < 0)
        return failed_errno(w, "look for", begun_in);
    if (there)
        memcpy(file.id, found.id, sizeof(file.id));
    fill(w, name, &file);
    if (there ? file_write(&file) < 0 : file_create(&file) < 0)
        return failed_errno(w, "create", file.dir);
    w->h->put(w->made, name, string(w, file.id));
    if (number_of(name) == w->crash_at)
        crash();
    rc = wait_half(w);
    return rc == IST_OK ? journal_failed(w, w->h->outcome(w->call, name, record_of(w, &file)), name) : rc;
}

static int32_t update_file(const struct work *w, const char *name, const ist_value *at)
{
    struct file file = {0};
    text_copy(file.dir, sizeof(file.dir), text_of(w, at, "dir"));
    text_copy(file.id, sizeof(file.id), text_of(w, at, "id"));
    int32_t rc = wait_half(w);
    if (rc != IST_OK)
        return rc;
    if (file_read(&file) < 0)
        return failed_errno(w, "read", file.dir);
    fill(w, name, &file);
    if (file_write(&file) < 0)
        return failed_errno(w, "write", file.dir);
    return wait_half(w);
}

static int32_t carry_out(const struct work *w, uint32_t action, const char *name, const ist_value *file,
                         const char *reason)
{
    (void)reason;
    char text[128];
    int64_t i = number_of(name);
    snprintf(text, sizeof(text), "%.64s: %s", name, action == IST_DELETE ? "going" : "coming");
    w->h->progress(w->call, text, w->count ? (int32_t)(i * 1000 / w->count) : -1);
    if (i == w->fail_at)
        return failed(w, IST_ERR_REMOTE, name, "failed as it was told to");
    if (i == w->hang_at)
        hang();
    switch (action) {
    case IST_DELETE:
        return remove_file(w, name, file);
    case IST_UPDATE:
        return update_file(w, name, file);
    case IST_REPLACE: {
        int32_t rc = remove_file(w, name, file);
        return rc == IST_OK ? create_file(w, name) : rc;
    }
    default:
        return create_file(w, name);
    }
}

static int32_t apply(const ist_host *h, ist_call *call)
{
    struct work w;
    int32_t rc = begin(&w, h, call, "apply");
    if (rc != IST_OK)
        return rc;
    if (mkdir(w.dir, 0700) < 0 && errno != EEXIST)
        return failed_errno(&w, "mkdir", w.dir);
    w.made = h->new_map(call);
    rc = each_difference(&w, carry_out);
    if (rc == IST_OK)
        tell_outputs(&w, all_ids(&w, h->observed(call)));
    return rc;
}

// ---- destroy, verify, watch

static int32_t destroy(const ist_host *h, ist_call *call)
{
    struct work w;
    int32_t rc = begin(&w, h, call, "destroy");
    const ist_value *recorded = h->recorded(call);
    for (size_t i = h->count(recorded); rc == IST_OK && i > 0; i--) {
        struct file file = {0};
        int found = find_recorded(&w, h->at(recorded, i - 1), &file);
        // A file whose head somebody spoilt is ours all the same: it has the id that we recorded.
        if (found < 0 && errno != EBADMSG)
            return failed_errno(&w, "read", file.dir);
        if (number_of(h->key_at(recorded, i - 1)) == w.fail_at)
            return failed(&w, IST_ERR_REMOTE, h->key_at(recorded, i - 1), "failed as it was told to");
        rc = remove_file(&w, h->key_at(recorded, i - 1), found ? record_of(&w, &file) : NULL);
    }
    return rc;
}

static int32_t verify(const ist_host *h, ist_call *call)
{
    struct work w;
    int32_t rc = begin(&w, h, call, "verify");
    if (rc != IST_OK)
        return rc;
    const ist_value *recorded = h->recorded(call);
    char name[64], evidence[200];
    for (int64_t i = 0; i < w.count; i++) {
        struct file file = {0};
        name_of(i, name);
        const ist_value *record = h->get(recorded, name);
        int found = record ? find_recorded(&w, record, &file) : 0;
        const bool same = found == 1 && !strcmp(file.content, w.content);
        snprintf(evidence, sizeof(evidence), "%.32s %s", file.id,
                 same        ? "holds the content"
                 : found > 0 ? "holds something else"
                             : "is not there");
        h->check(call, name, same ? IST_PASS : IST_FAIL, evidence);
    }
    return IST_OK;
}

// The folder stands in for a cluster: how many files were put back is what was written to it.
static void tell_status(const struct work *w, int64_t began, int64_t generation, int64_t writes)
{
    const ist_host *h = w->h;
    ist_value *status = h->new_map(w->call), *clusters = h->new_map(w->call), *folder = h->new_map(w->call);
    ist_value *metrics = h->new_list(w->call), *metric = h->new_map(w->call), *labels = h->new_map(w->call);
    h->put(folder, "state", string(w, "synced"));
    h->put(folder, "connected_since_ms", h->new_int(w->call, began));
    h->put(folder, "lag_ms", h->new_int(w->call, 0));
    h->put(folder, "generation", h->new_int(w->call, generation));
    h->put(folder, "writes", h->new_int(w->call, writes));
    h->put(clusters, "folder", folder);
    h->put(status, "clusters", clusters);
    h->put(labels, "dir", string(w, w->dir));
    h->put(metric, "name", string(w, "files_put_back_total"));
    h->put(metric, "help", string(w, "Files whose content was put back."));
    h->put(metric, "counter", h->new_bool(w->call, 1));
    h->put(metric, "labels", labels);
    h->put(metric, "value", h->new_int(w->call, writes));
    h->add(metrics, metric);
    h->put(status, "metrics", metrics);
    h->status(w->call, status);
    h->release(status);
}

// The content of what is recorded, where somebody changed it. How many files there were.
static int64_t put_back(const struct work *w)
{
    const ist_value *recorded = w->h->recorded(w->call);
    int64_t writes = 0;
    for (size_t i = 0; i < w->h->count(recorded); i++) {
        struct file file = {0};
        if (find_recorded(w, w->h->at(recorded, i), &file) != 1 || !strcmp(file.content, w->content))
            continue;
        fill(w, w->h->key_at(recorded, i), &file);
        if (file_write(&file) < 0)
            continue;
        w->h->log(w->call, IST_LOG_INFO, "put back what was changed");
        writes++;
    }
    return writes;
}

// Every 50 ms; makes nothing anew.
static int32_t watch(const ist_host *h, ist_call *call)
{
    struct work w;
    int32_t rc = begin(&w, h, call, "watch");
    int64_t began = h->clock_ms(call), generation = 1, writes = 0, told = -1;
    while (rc == IST_OK) {
        writes += put_back(&w);
        const char *asks = text_of(&w, h->inputs(call), "ask_when");
        if (*asks && unlink(asks) == 0)
            h->renew(call, "it was told to");
        if (told != writes + generation)
            tell_status(&w, began, generation, writes);
        told = writes + generation;
        struct pollfd fds[] = {{.fd = h->cancel_fd(call), .events = POLLIN},
                               {.fd = h->wake_fd(call), .events = POLLIN}};
        if (poll(fds, 2, 50) > 0 && fds[1].revents && h->reconfigured(call)) {
            h->log(call, IST_LOG_INFO, "took new inputs");
            generation++;
            rc = begin(&w, h, call, "watch");
        }
        if (h->cancelled(call))
            rc = IST_ERR_CANCELLED;
    }
    return rc == IST_ERR_CANCELLED ? IST_OK : failed(&w, rc, "watch", "ended");
}

static int32_t list_command(const ist_host *h, ist_call *call, const ist_value *args)
{
    char line[FILE_TEXT + 64];
    const ist_value *words = h->get(args, "args");
    for (size_t i = 0; i < h->count(words); i++) {
        snprintf(line, sizeof(line), "%s\n", h->get_bytes(h->at(words, i), NULL));
        h->print(call, line);
    }
    return IST_OK;
}

static const ist_option list_options[] = {{"--long", NULL, "Accepted, for the sake of it.", 0}};
static const ist_command commands[] = {
    {"test-file", "echo", "Prints its arguments, a line each.", list_options, 1, sizeof(ist_option),
     list_command},
};

IST_PLUGIN(.name = TEST_FILE_NAME, .version = "0.1.0", .doc = "Small files in a folder; of the tests.",
           .flags = TEST_FILE_FLAGS, IST_INPUTS(inputs), IST_OUTPUTS(outputs), IST_COMMANDS(commands),
           .observe = observe, .plan = plan, .apply = apply, .destroy = destroy, .verify = verify,
           .watch = watch);
