// A plan in a file: what was shown, sealed with the key of this installation. It is carried out only where it
// still says what would happen; a run that it began may always be taken up again.
#include "engine/run.h"

#include <errno.h>
#include <fcntl.h>
#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT 1

static void seal_of(struct run *run, const json_t *plan, char seal[65])
{
    json_t *bare = json_copy((json_t *)(uintptr_t)plan);
    json_object_del(bare, "seal");
    char *text = ist_json_text(bare);
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    HMAC(EVP_sha256(), store_key(run->store), 32, (unsigned char *)text, strlen(text), mac, &len);
    for (size_t i = 0; i < 32; i++)
        snprintf(seal + 2 * i, 3, "%02x", mac[i]);
    ist_free(text);
    json_decref(bare);
}

// What one step would do; NULL for a step that is only read.
static json_t *entry_of(struct run *run, const struct task *task)
{
    if (!task->selected)
        return NULL;
    const struct plugin_info *info = task->info;
    json_t *entry = json_pack("{s:s, s:s, s:s, s:b, s:b, s:b}", "step", task->name, "plugin",
                              info ? info->name : ist_json_str_or(task->record, "plugin", "?"), "build",
                              info && info->build ? info->build : "", "deferred", task->deferred != NULL,
                              "gone", !task->step, "resume", task->resume);
    json_t *changes = task->changes && !task->deferred ? json_incref(task->changes) : json_array();
    json_object_set_new(entry, "changes", render_redact_json(run->render, changes));
    json_decref(changes);
    return entry;
}

static json_t *plan_of(struct run *run)
{
    char digest[65];
    config_digest(run->pipeline->config, run->pipeline->name, store_key(run->store), digest);
    json_t *steps = json_array(), *only = json_array();
    for (size_t i = 0; i < run->count; i++) {
        json_t *entry = entry_of(run, &run->tasks[i]);
        if (entry)
            json_array_append_new(steps, entry);
    }
    for (size_t i = 0; i < run->options->only_count; i++)
        json_array_append_new(only, json_string(run->options->only[i]));
    return json_pack("{s:i, s:s, s:s, s:I, s:o, s:o}", "isthmus_plan", FORMAT, "pipeline",
                     run->pipeline->name, "digest", digest, "serial", (json_int_t)store_serial(run->store),
                     "only", only, "steps", steps);
}

static int write_whole(const char *path, const char *text, ist_error *err)
{
    char *temporary = ist_printf("%s.new", path);
    unlink(temporary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    size_t len = strlen(text), done = 0;
    ssize_t n = fd < 0 ? -1 : 0;
    while (fd >= 0 && n >= 0 && done < len)
        if ((n = write(fd, text + done, len - done)) > 0)
            done += (size_t)n;
    bool ok = n >= 0 && fsync(fd) == 0;
    int saved = errno;
    if (fd >= 0)
        close(fd);
    ok = ok && rename(temporary, path) == 0;
    if (!ok)
        unlink(temporary);
    ist_free(temporary);
    return ok ? IST_OK : ist_fail(err, IST_ERR_LIMIT, path, "cannot write the plan: %s", strerror(saved));
}

int planfile_write(struct run *run, ist_error *err)
{
    char seal[65];
    json_t *plan = plan_of(run);
    seal_of(run, plan, seal);
    json_object_set_new(plan, "seal", json_string(seal));
    char *text = json_dumps(plan, JSON_INDENT(1));
    int rc = write_whole(run->options->plan_out, text ? text : "", err);
    free(text);
    json_decref(plan);
    return rc;
}

// ---- reading

int planfile_load(const char *path, json_t **plan, ist_error *err)
{
    json_error_t why;
    struct stat st;
    if (stat(path, &st) < 0)
        return ist_fail(err, IST_ERR_NOT_FOUND, path, "cannot read the plan: %s", strerror(errno));
    if (st.st_size > IST_JSON_MAX_SIZE)
        return ist_fail(err, IST_ERR_LIMIT, path, "this is no plan: over %u bytes", IST_JSON_MAX_SIZE);
    json_t *read = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
    if (!read)
        return ist_fail(err, IST_ERR_INPUT, path, "this is no plan: line %d: %s", why.line, why.text);
    if (ist_json_int(read, "isthmus_plan", 0) != FORMAT || !ist_json_str(read, "pipeline") ||
        !ist_json_str(read, "seal") || !json_is_array(json_object_get(read, "steps"))) {
        json_decref(read);
        return ist_fail(err, IST_ERR_INPUT, path, "this is no plan of this version of Isthmus");
    }
    *plan = read;
    return IST_OK;
}

char *planfile_command(const struct run *run)
{
    return run->plan ? ist_printf("apply plan %.16s", ist_json_str(run->plan, "seal")) : ist_strdup("apply");
}

// Did a run of this plan begin last, and not come to its end?
static int was_begun(struct run *run, bool *begun, ist_error *err)
{
    json_t *runs = NULL;
    int rc = store_runs(run->store, &runs, err);
    char *command = planfile_command(run);
    const json_t *entry;
    size_t i;
    json_array_foreach(runs, i, entry)
    {
        const char *of = ist_json_str_or(entry, "pipeline", ""),
                   *what = ist_json_str_or(entry, "command", "");
        if (strcmp(of, run->pipeline->name) != 0 || strncmp(what, "verify", 6) == 0)
            continue;
        *begun = strcmp(what, command) == 0 && ist_json_int(entry, "summary.exit", -1) != EXIT_DONE;
        break;
    }
    ist_free(command);
    json_decref(runs);
    return rc;
}

static int check_builds(struct run *run, ist_error *err)
{
    size_t i;
    const json_t *entry;
    json_array_foreach(json_object_get(run->plan, "steps"), i, entry)
    {
        const char *name = ist_json_str_or(entry, "plugin", ""), *build = ist_json_str_or(entry, "build", "");
        const struct plugin_info *info = catalog_find(run->catalog, name, NULL);
        if (info && strcmp(info->build ? info->build : "", build) != 0)
            return ist_fail(err, IST_ERR_CONFLICT, run->options->plan_in,
                            "plugin %s is another build than the one that planned", name);
    }
    return IST_OK;
}

int planfile_read(struct run *run, ist_error *err)
{
    const char *path = run->options->plan_in;
    char seal[65], digest[65];
    int rc = planfile_load(path, &run->plan, err);
    if (rc != IST_OK)
        return rc;
    seal_of(run, run->plan, seal);
    if (strcmp(seal, ist_json_str_or(run->plan, "seal", "")) != 0)
        return ist_fail(err, IST_ERR_CONFLICT, path, "the plan was changed, or made with another state");
    config_digest(run->pipeline->config, run->pipeline->name, store_key(run->store), digest);
    if (strcmp(digest, ist_json_str_or(run->plan, "digest", "")) != 0)
        rc = ist_fail(
            err, IST_ERR_CONFLICT, path,
            "the configuration, a file it includes or the environment has changed since the plan was made");
    if (rc == IST_OK)
        rc = check_builds(run, err);
    if (rc == IST_OK)
        rc = was_begun(run, &run->resuming_plan, err);
    if (rc == IST_OK && !run->resuming_plan &&
        store_serial(run->store) != ist_json_int(run->plan, "serial", -1))
        rc = ist_fail(err, IST_ERR_CONFLICT, path, "the state has changed since the plan was made");
    if (rc != IST_OK)
        ist_hint(err, "plan again: `isthmus plan %s -o %s`", run->pipeline->name, path);
    return rc;
}

static const json_t *planned_entry(const struct run *run, const char *step)
{
    size_t i;
    const json_t *entry;
    json_array_foreach(json_object_get(run->plan, "steps"), i,
                       entry) if (strcmp(ist_json_str_or(entry, "step", ""), step) == 0) return entry;
    return NULL;
}

// After an interruption less may be left to do, and a deferred step may have got its turn; never more.
static bool within(const struct task *task, const json_t *fresh, const json_t *planned)
{
    if (ist_json_bool(planned, "deferred", 0))
        return true;
    if (task->deferred)
        return false;
    size_t i, j;
    const json_t *change, *agreed;
    json_array_foreach(json_object_get(fresh, "changes"), i, change)
    {
        bool found = strcmp(ist_json_str_or(change, "action", ""), "create") == 0;
        json_array_foreach(json_object_get(planned, "changes"), j, agreed) found =
            found ||
            strcmp(ist_json_str_or(agreed, "resource", ""), ist_json_str_or(change, "resource", "")) == 0;
        if (!found)
            return false;
    }
    return true;
}

int planfile_compare(struct run *run, ist_error *err)
{
    for (size_t i = 0; i < run->count; i++) {
        struct task *task = &run->tasks[i];
        json_t *fresh = entry_of(run, task);
        const json_t *planned = planned_entry(run, task->name);
        bool same =
            !fresh ||
            (planned && (run->resuming_plan ? within(task, fresh, planned) : json_equal(fresh, planned)));
        json_decref(fresh);
        if (same && task->result == RESULT_OK)
            continue;
        if (!same)
            ist_fail(err, IST_ERR_CONFLICT, run->options->plan_in,
                     "step %s would now change other things than planned", task->name);
        else
            ist_fail(err, IST_ERR_CONFLICT, run->options->plan_in, "step %s cannot be planned again",
                     task->name);
        ist_hint(err, "plan again: `isthmus plan %s -o %s`", run->pipeline->name, run->options->plan_in);
        return IST_ERR_CONFLICT;
    }
    return IST_OK;
}
