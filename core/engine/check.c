// The checks of a pipeline's plugins: asked side by side, told in order.
#include "engine/check.h"

#include "host/worker.h"
#include "render/redact.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>

#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CHECK_MS     60000 // of one step: a check reads what it was given, and a few files
#define SIDE_BY_SIDE 16
#define PROBLEMS_MAX 1000 // of one step: more is a flood

struct job { // the check of one step
    const struct step *step;
    struct resolved known;
    json_t *shown;              // owned: of known.inputs, what the plugin is shown; NULL: all
    json_t *unknown, *problems; // owned
    struct redactor *redactor;
    char *broke; // owned: what became of a check that told nothing more; NULL: it came to its end
    ist_error failure;
};

struct lane { // a plugin: its steps one after the other
    const struct plugin_info *info;
    struct worker *worker;
    size_t *jobs, count, at; // numbers of jobs; the one under way
    int64_t deadline;
};

struct checker {
    struct worker_pool *pool;
};

struct checking {
    struct checker *checker;
    struct job *jobs;
    struct lane *lanes;
    size_t job_count, lane_count;
};

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct checker *checker_new(void)
{
    return ist_calloc(1, sizeof(struct checker));
}

void checker_free(struct checker *checker)
{
    if (!checker)
        return;
    worker_pool_free(checker->pool);
    ist_free(checker);
}

struct worker_pool *checker_take_workers(struct checker *checker)
{
    struct worker_pool *pool = checker ? checker->pool : NULL;
    if (checker)
        checker->pool = NULL;
    return pool;
}

// ---- who is asked

static struct lane *lane_of(struct checking *c, const struct plugin_info *info)
{
    for (size_t i = 0; i < c->lane_count; i++)
        if (c->lanes[i].info == info)
            return &c->lanes[i];
    c->lanes = ist_realloc(c->lanes, c->lane_count + 1, sizeof(*c->lanes));
    c->lanes[c->lane_count] = (struct lane){.info = info};
    return &c->lanes[c->lane_count++];
}

static void add_job(struct checking *c, const struct pipeline *pipeline, const struct step *step)
{
    struct job job = {.step = step, .problems = json_array()};
    if (step_known(pipeline, step, &job.known, &job.unknown)) {
        json_decref(job.problems);
        return;
    }
    job.redactor = redactor_new();
    for (size_t i = 0; i < job.known.secret_count; i++)
        redactor_add(job.redactor, job.known.secrets[i], strlen(job.known.secrets[i]));
    struct lane *lane = lane_of(c, step->info);
    lane->jobs = ist_realloc(lane->jobs, lane->count + 1, sizeof(*lane->jobs));
    lane->jobs[lane->count++] = c->job_count;
    c->jobs = ist_realloc(c->jobs, c->job_count + 1, sizeof(*c->jobs));
    c->jobs[c->job_count++] = job;
}

// ---- files that a step will write

// The files that the steps before one are given as paths, and that are not there: one of those may write it.
static json_t *files_to_come(const struct checking *c, size_t before)
{
    json_t *files = json_object();
    for (size_t i = 0; i < before; i++) {
        const struct plugin_info *info = c->jobs[i].step->info;
        for (size_t k = 0; k < info->input_count; k++) {
            const char *path =
                json_string_value(json_object_get(c->jobs[i].known.inputs, info->inputs[k].name));
            if (path && strcmp(info->inputs[k].type, "path") == 0 && access(path, F_OK) != 0)
                json_object_set_new(files, path, json_true());
        }
    }
    return files;
}

static bool is_to_come(const json_t *files, const json_t *value)
{
    return json_is_string(value) && json_object_get(files, json_string_value(value));
}

// Takes what names such a file out of the inputs: it is not known yet.
static void take_out(json_t *json, const char *path, const json_t *files, json_t *unknown)
{
    size_t i;
    const char *key;
    json_t *child;
    void *next;
    json_array_foreach(json, i, child)
    {
        char *inner = ist_printf("%s[%zu]", path, i);
        take_out(child, inner, files, unknown);
        if (is_to_come(files, child)) {
            json_array_append_new(unknown, json_string(inner));
            json_array_set_new(json, i, json_null());
        }
        ist_free(inner);
    }
    json_object_foreach_safe(json, next, key, child)
    {
        char *inner = strpbrk(key, ".[]") ? ist_printf("%s['%s']", path, key)
                                          : ist_printf("%s%s%s", path, *path ? "." : "", key);
        take_out(child, inner, files, unknown);
        if (is_to_come(files, child)) {
            json_array_append_new(unknown, json_string(inner));
            json_object_del(json, key);
        }
        ist_free(inner);
    }
}

static void forget_files_to_come(struct checking *c)
{
    for (size_t i = 1; i < c->job_count; i++) {
        json_t *files = files_to_come(c, i);
        if (json_object_size(files)) {
            json_t *inputs = json_deep_copy(c->jobs[i].known.inputs);
            take_out(inputs, "", files, c->jobs[i].unknown);
            json_decref(c->jobs[i].shown);
            c->jobs[i].shown = inputs;
        }
        json_decref(files);
    }
}

// Two names may lead to one file: by what is there, and where nothing is yet, by the name alone.
static bool is_one_file(const char *a, const char *b)
{
    struct stat one, other;
    if (strcmp(a, b) == 0)
        return true;
    return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

struct written {
    const struct job *job;
    const char *input, *path; // borrowed
};

struct written_list {
    struct written *files;
    size_t count;
};

// input: a row of the table, or a path that fits one.
static void add_written(struct written_list *list, const struct job *job, const char *row, const char *input,
                        const char *path, struct diags *diags)
{
    for (size_t n = 0; path && n < list->count; n++) {
        const struct written *other = &list->files[n];
        if (!is_one_file(other->path, path))
            continue;
        bool secret = false;
        diag_error(diags, step_nearest_place(job->step, input, &secret),
                   "`%s`: step `%s` writes this file too, as its `%s`", input, other->job->step->name,
                   other->input);
        diag_hint(diags, "each would overwrite what the other wrote: give each a file of its own");
        break;
    }
    if (!path)
        return;
    list->files = ist_realloc(list->files, list->count + 1, sizeof(*list->files));
    list->files[list->count++] = (struct written){job, row, path};
}

// What two steps write, the second would take for its own: the one whose turn comes later is told of.
static void refuse_written_twice(const struct checking *c, struct diags *diags)
{
    struct written_list list = {0};
    for (size_t i = 0; i < c->job_count; i++) {
        const struct job *job = &c->jobs[i];
        const struct plugin_info *info = job->step->info;
        for (size_t k = 0; k < info->input_count; k++) {
            const char *row = info->inputs[k].name, *each = strstr(row, "{}."), *key;
            json_t *value;
            if (!(info->inputs[k].flags & IST_WRITTEN))
                continue;
            if (!each) {
                add_written(&list, job, row, row, json_string_value(json_object_get(job->known.inputs, row)),
                            diags);
                continue;
            }
            char *map = ist_strndup(row, (size_t)(each - row));
            json_object_foreach(json_object_get(job->known.inputs, map), key, value)
            {
                char *input = ist_printf("%s.%s%s", map, key, each + 2);
                add_written(&list, job, row, input, json_string_value(json_object_get(value, each + 3)),
                            diags);
                ist_free(input);
            }
            ist_free(map);
        }
    }
    ist_free(list.files);
}

static void jobs_free(struct checking *c)
{
    for (size_t i = 0; i < c->job_count; i++) {
        resolved_free(&c->jobs[i].known);
        json_decref(c->jobs[i].shown);
        json_decref(c->jobs[i].unknown);
        json_decref(c->jobs[i].problems);
        redactor_free(c->jobs[i].redactor);
        ist_free(c->jobs[i].broke);
    }
    for (size_t i = 0; i < c->lane_count; i++)
        ist_free(c->lanes[i].jobs);
    ist_free(c->jobs);
    ist_free(c->lanes);
}

// ---- asking

// The check under way is over, and what follows in this lane with it: a plugin that broke is not asked again.
static void lane_broke(struct checking *c, struct lane *lane, const char *how)
{
    c->jobs[lane->jobs[lane->at]].broke = ist_strdup(how);
    if (lane->worker) {
        worker_kill(lane->worker);
        worker_free(lane->worker);
    }
    lane->worker = NULL;
    lane->at = lane->count;
}

static void lane_ask(struct checking *c, struct lane *lane)
{
    struct job *job = &c->jobs[lane->jobs[lane->at]];
    int64_t timeout = job->step->timeout_ms;
    if (timeout <= 0 || timeout > CHECK_MS)
        timeout = CHECK_MS;
    struct worker_request request = {.operation = IST_OP_CHECK,
                                     .step = job->step->name,
                                     .inputs = job->shown ? job->shown : job->known.inputs,
                                     .unknown = job->unknown,
                                     .timeout_ms = timeout};
    ist_error err;
    lane->deadline = now() + timeout;
    if ((!lane->worker && worker_pool_take(c->checker->pool, lane->info, &lane->worker, &err)) ||
        worker_ask(lane->worker, &request, &err))
        lane_broke(c, lane, err.text);
}

static void lane_ended(struct checking *c, struct lane *lane)
{
    if (++lane->at < lane->count) {
        lane_ask(c, lane);
        return;
    }
    worker_pool_give(c->checker->pool, lane->worker);
    lane->worker = NULL;
}

// ---- hearing

static void heard_log(struct job *job, const json_t *body)
{
    int64_t level = ist_json_int(body, "level", IST_LOG_INFO);
    if (level <= IST_LOG_WARN && !ist_json_bool(body, "output", 0))
        json_array_append_new(job->problems, json_pack("{s:i,s:s,s:s}", "level", (int)IST_LOG_WARN, "path",
                                                       "", "text", ist_json_str_or(body, "text", "")));
}

// false: nothing more is read of this lane now.
static bool lane_heard(struct checking *c, struct lane *lane, const struct worker_event *event)
{
    struct job *job = &c->jobs[lane->jobs[lane->at]];
    const char *secret = ist_json_str(event->body, "value");
    switch (event->type) {
    case WORKER_PROBLEM:
        json_array_append(job->problems, event->body);
        break;
    case WORKER_LOG:
        heard_log(job, event->body);
        break;
    case WORKER_SECRET:
        if (secret)
            redactor_add(job->redactor, secret, strlen(secret));
        break;
    case WORKER_INTENT: // no check has a journal; the runner refuses it before it comes here
    case WORKER_OUTCOME:
        worker_answer(lane->worker, IST_ERR_READ_ONLY, NULL);
        break;
    case WORKER_RESULT:
        job->failure = event->error;
        lane_ended(c, lane);
        return false;
    default:
        break;
    }
    if (json_array_size(job->problems) <= PROBLEMS_MAX)
        return true;
    lane_broke(c, lane, "it tells of over 1000 problems");
    return false;
}

static void lane_read(struct checking *c, struct lane *lane)
{
    for (int i = 0; i < 1000 && lane->worker; i++) {
        struct worker_event event = {0};
        ist_error err = {0};
        int rc = worker_read(lane->worker, &event, &err);
        if (rc == 0)
            return;
        if (rc < 0) {
            lane_broke(c, lane, err.text);
            return;
        }
        bool more = lane_heard(c, lane, &event);
        worker_event_free(&event);
        if (!more)
            return;
    }
}

static void lane_late(struct checking *c, struct lane *lane)
{
    int64_t timeout = c->jobs[lane->jobs[lane->at]].step->timeout_ms;
    char *how = ist_printf("it did not end within %lld s",
                           (long long)(timeout > 0 && timeout < CHECK_MS ? timeout : CHECK_MS) / 1000);
    lane_broke(c, lane, how);
    ist_free(how);
}

// Until every lane is at its end.
static void run_lanes(struct checking *c)
{
    struct pollfd fds[SIDE_BY_SIDE];
    struct lane *polled[SIDE_BY_SIDE];
    size_t begun = 0;
    for (;;) {
        nfds_t count = 0;
        int64_t until = INT64_MAX;
        for (size_t i = 0; i < c->lane_count && count < SIDE_BY_SIDE; i++) {
            struct lane *lane = &c->lanes[i];
            if (i >= begun) {
                begun = i + 1;
                lane_ask(c, lane);
            }
            if (!lane->worker)
                continue;
            fds[count] = (struct pollfd){.fd = worker_fd(lane->worker), .events = POLLIN};
            polled[count++] = lane;
            until = lane->deadline < until ? lane->deadline : until;
        }
        if (!count)
            return;
        int64_t wait = until - now();
        poll(fds, count, wait < 0 ? 0 : (int)wait);
        for (nfds_t i = 0; i < count; i++) {
            if (fds[i].revents)
                lane_read(c, polled[i]);
            if (polled[i]->worker && polled[i]->deadline <= now())
                lane_late(c, polled[i]);
        }
    }
}

// ---- telling

static void tell(const struct job *job, struct pipeline *pipeline, struct diags *diags, const json_t *problem)
{
    const char *path = ist_json_str_or(problem, "path", ""), *hint = ist_json_str_or(problem, "hint", "");
    const bool warn = ist_json_int(problem, "level", IST_LOG_ERROR) == IST_LOG_WARN;
    bool secret = false;
    struct place place = step_nearest_place(job->step, path, &secret);
    char *text = redactor_text(job->redactor, ist_json_str_or(problem, "text", ""));
    char *where = *path ? ist_printf("`%s`", path) : ist_printf("step `%s`", job->step->name);
    if (warn)
        pipeline_warns(pipeline, job->step->name, path, text);
    if (warn)
        diag_warn(diags, place, "%s: %s", where, text);
    else
        diag_error(diags, place, "%s: %s", where, text);
    if (secret)
        diag_hide_value(diags);
    diag_hide_secrets(diags, job->known.secrets, job->known.secret_count);
    if (*hint) {
        char *clean = redactor_text(job->redactor, hint);
        diag_hint(diags, "%s", clean);
        ist_free(clean);
    }
    ist_free(where);
    ist_free(text);
}

static void tell_all(const struct job *job, struct pipeline *pipeline, struct diags *diags)
{
    size_t i;
    bool errors = false;
    const json_t *problem;
    json_array_foreach(job->problems, i, problem)
    {
        errors = errors || ist_json_int(problem, "level", IST_LOG_ERROR) != IST_LOG_WARN;
        tell(job, pipeline, diags, problem);
    }
    if (job->broke) {
        diag_error(diags, job->step->place, "the check of plugin `%s` of step `%s` broke: %s",
                   job->step->plugin, job->step->name, job->broke);
        diag_hint(diags, "`isthmus plugin run %s check` runs it alone, with --in-process under a debugger",
                  job->step->plugin);
    } else if (job->failure.code != IST_OK && !errors) {
        json_t *said =
            json_pack("{s:s,s:s,s:s}", "path", "", "text", job->failure.text, "hint", job->failure.hint);
        // fail() of an input is as good as problem(); of anything else, `where` is part of the sentence.
        if (job->failure.code == IST_ERR_INPUT)
            json_object_set_new(said, "path", json_string(job->failure.where));
        else
            json_object_set_new(said, "text", json_sprintf("%s: %s", job->failure.where, job->failure.text));
        tell(job, pipeline, diags, said);
        json_decref(said);
    }
}

void checker_run(void *arg, struct pipeline *pipeline, struct diags *diags)
{
    struct checking c = {.checker = arg};
    for (size_t i = 0; i < pipeline->count; i++)
        if (pipeline->steps[i].info && pipeline->steps[i].info->has_check)
            add_job(&c, pipeline, &pipeline->steps[i]);
    if (c.job_count && !c.checker->pool) {
        struct worker_options options = {.lock_fd = -1};
        c.checker->pool = worker_pool_new(&options, SIDE_BY_SIDE);
    }
    refuse_written_twice(&c, diags);
    forget_files_to_come(&c);
    if (c.job_count)
        run_lanes(&c);
    for (size_t i = 0; i < c.job_count; i++)
        tell_all(&c.jobs[i], pipeline, diags);
    jobs_free(&c);
}
