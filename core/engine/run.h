// One run of the engine: its tasks, the passes over them, and what the files of the engine share.
//
// A task is a step of this run. A pass visits every task once, in an order that the pass gives as edges, up
// to `jobs` at a time. A task at work is a small state machine: begin() asks a worker for an operation,
// done() hears how it ended and asks for the next one or finishes the task. One poll loop drives all of it;
// nothing else blocks.
#ifndef CORE_ENGINE_RUN_H
#define CORE_ENGINE_RUN_H

#include "engine/engine.h"
#include "engine/planfile.h"
#include "host/runner.h"

enum task_state { TASK_WAITING, TASK_RUNNING, TASK_FINISHED };
enum task_result { RESULT_NONE, RESULT_OK, RESULT_FAILED, RESULT_SKIPPED, RESULT_CANCELLED };

struct task {
    char *name;                     // owned
    const struct step *step;        // NULL: gone from the configuration
    const struct plugin_info *info; // of the configuration; of the record when gone
    const struct plugin_info *old;  // of the record, when that is another plugin or the step is gone
    json_t *record;                 // owned; NULL: never applied
    bool selected;                  // else it is read for those that need it
    bool replaced;                  // another plugin on a live step

    // The pass.
    size_t *unblocks, unblock_count; // tasks that wait for this one
    size_t blockers;                 // how many this one still waits for
    const struct task *failed_need;  // one of those, that did not finish well
    enum task_state state;
    enum task_result result;
    int64_t began; // monotonic ms

    // Inputs and what operations told.
    struct resolved inputs;
    bool resolved;
    json_t *observed; // owned; NULL: not observed
    json_t *outputs;  // owned object: the outputs that are known
    bool outputs_all; // true: an output that is not among them has no value
    json_t *told;     // owned object: outputs of the operation under way
    json_t *changes;  // owned array: of the last plan, as the event `plan` has them
    json_t *seen;     // owned array: the changes that were shown before apply; NULL: none were
    size_t told_count;

    // The operation under way.
    uint32_t operation; // 0: none
    uint64_t reading;   // of the last observe: the plan after it is of the same
    struct worker *worker;
    bool pooled;
    int64_t deadline, cancelled_at, restart_at; // monotonic ms, 0: none
    int crashes, agains;
    struct diags
        *wrong;    // what is wrong with its inputs, told when it fails of them; owned, NULL: nothing yet
    bool asking;   // waits for the user's answer
    bool removing; // apply: what an earlier configuration made is going
    // Nothing is recorded of this step, and one of its plugin is gone from the configuration: perhaps that one under
    // another name, which keeps this one from what it still has. NULL: none.
    const struct task *instead_of;

    // How it stands.
    char *deferred; // owned: why it is planned only when its turn comes
    const struct task
        *stirred_by; // plan: one that it needs, or that needs in turn, changes something first; NULL: none
    bool moved;      // apply: this run has changed something that it needs, or that is needed in turn
    bool
        derives; // apply: what it needs has changed the world since it was planned, and its inputs are the same
    bool mending;    // one that it needs, or that needs in turn, creates a part of it anew
    bool put_off;    // plan: deferred for that alone; those after it are planned all the same
    bool resume;     // its last apply or destroy was interrupted
    bool changed;    // this run changed something of it
    bool reported;   // its failure has been told
    bool unreadable; // destroy: what it gave could not be read again
    bool excluded;   // it could not be planned
    char *last_text; // watch: what it said last, or why it waits
    // Watch.
    int64_t restarts;
    int64_t since;  // wall clock ms: when the watch that is under way began
    int64_t asked;  // monotonic ms: it was asked whether it lives, and has not answered; 0: it has
    json_t *status; // what the plugin told of itself; owned, NULL: nothing yet
    bool renew;     // the plugin asks for its inputs anew
    bool unread;    // what it needs could not be read yet
    bool leaving;   // gone from the configuration, or another plugin's now: it ends
    bool anew;      // it ends in order to begin with other inputs
    bool held;      // it begins when the one of its name that is leaving has ended
};

struct run;
struct pass {
    const char *title; // "planning"
    void (*begin)(struct run *run, struct task *task);
    // The operation ended; err->code is IST_OK or why not. Crashes and IST_AGAIN never come here: they are
    // followed by an observe, whose end does.
    void (*done)(struct run *run, struct task *task, const ist_error *err);
    bool skips; // a task is skipped when one that it waits for did not finish well
};

struct question {
    char *text; // owned
    struct task *task;
    void (*answered)(struct run *run, struct task *task, bool yes);
    bool shown;
};

// A configuration that took the place of the first.
struct reloaded {
    struct config *config; // all owned; NULL: none did
    struct catalog *catalog;
    struct pipeline *pipeline;
};

struct supervisor;
struct run {
    struct pipeline *pipeline;
    struct catalog *catalog;
    struct store *store;
    struct render *render;
    const struct run_options *options;
    struct worker_options worker_options;
    struct worker_pool *pool;
    struct task *tasks;
    size_t count;
    json_t *index; // name -> number of the task
    char *run_dir; // owned; made by the first worker that needs it

    const struct pass *pass;
    size_t *ready, ready_head, ready_count; // tasks whose turn it is
    size_t running, finished;
    int jobs, grace_ms;

    struct question *questions; // owned; the first is open
    size_t question_count;
    char answer[64];
    size_t answer_len;
    bool asked;     // the user was asked: what was observed before may have changed
    bool confirmed; // the answer
    bool to_do;     // what report_plan found: something would be changed

    int cancelled;                 // signals heard
    json_t *plan;                  // apply FILE: the plan; owned
    bool resuming_plan;            // its run began before and did not end
    int64_t history;               // number of the run; 0: none
    json_t *watch;                 // what the watch of this pipeline says of itself; owned, NULL: none runs
    struct supervisor *supervisor; // watch: NULL in every other run
    struct run *beside;            // the watch that goes on while this one reads for it, quietly; NULL: none
    struct reloaded reloaded;      // what the run ended with, freed with it
    size_t passed, failed_checks, warned, skipped_checks;
};

int64_t run_now(void); // monotonic ms
struct task *task_find(const struct run *run, const char *name);
bool task_has_action(const json_t *changes, const char *action);

// tasks.c: who takes part, and in which order.
int tasks_make(struct run *run);
void tasks_free(struct run *run);
void edges_none(struct run *run);
void edges_forward(struct run *run);  // needs first: configured, of what is gone recorded
void edges_apply(struct run *run);    // the same; what is gone goes after those that had needed it
void edges_recorded(struct run *run); // needs first, as recorded
void edges_reverse(struct run *run);  // users first, as recorded

// loop.c
void pass_run(struct run *run, const struct pass *pass, void (*edges)(struct run *run));
// The same in pieces: pass_step() begins what may begin; loop_once() goes between.
void pass_begin(struct run *run, const struct pass *pass, void (*edges)(struct run *run));
void pass_step(struct run *run);
void loop_once(struct run *run); // waits for what comes, and handles it
void task_finish(struct run *run, struct task *task, enum task_result result);
void task_fail(struct run *run, struct task *task, const ist_error *err);

// step.c: one operation.
void step_ask(struct run *run, struct task *task, uint32_t operation);
void step_read(struct run *run, struct task *task);     // the worker has said something
void step_deadline(struct run *run, struct task *task); // called when a deadline or a restart is due
void step_release(struct run *run, struct task *task, bool clean);
bool step_resolve_inputs(struct run *run, struct task *task); // false: it failed, or is not all known
int step_recall_inputs(struct run *run, struct task *task, ist_error *err); // from the record
// Could it, with what is known now, without what is about these systems (NULL: none) and those that are forgotten?
// What the configuration says now, as state would keep it: new reference, NULL when not all is known.
json_t *step_inputs_now(struct run *run, const struct step *step);
bool step_can_recall(struct run *run, const struct task *task, const json_t *without);

// The passes.
extern const struct pass plan_pass, apply_pass, freed_pass, recall_pass, destroy_pass, verify_pass,
    watch_pass;
void plan_show(struct run *run);                      // every plan, in order
void plan_merge_outputs(struct task *task);           // after a plan without changes
bool apply_freed(const struct run *run);              // is there anything for freed_pass?
bool plan_refuses(struct task *task, ist_error *err); // prevent_destroy, or an interrupted create as replace
int destroy_check(struct run *run);                   // before anything is removed: 0 or an exit code
void destroy_warn(
    struct run *run); // of what a watch may have made that state does not know; after the reading
void destroy_ask(struct run *run, struct task *task);                    // from the record
json_t *destroy_changes(const struct run *run, const struct task *task); // what it would remove
bool destroy_forgets(const struct run *run,
                     const struct task *task); // --forget leaves nothing of it to remove
// Reads what a step that is going gave, when another one that is going needs it; asks or finishes.
void destroy_read(struct run *run, struct task *task);
void destroy_was_read(struct run *run, struct task *task, const ist_error *err);
int watch_run(struct run *run);

// forget.c: --forget
bool forget_step(const struct run *run, const struct task *task);    // it names this step
bool forget_resource(const struct run *run, const json_t *resource); // it names the system of this resource
bool forget_all(const struct run *run, const struct task *task);     // of all that this step has recorded
// Do its resources say which system they are in, or are there none (any more)?
bool forget_goes_by_system(const struct task *task);
int forget_resources(struct run *run, struct task *task,
                     ist_error *err);                       // state lets go of those of a system
void forget_tell(struct run *run, const struct task *task); // of a whole step: what stays, by name
// A copy of recorded inputs without what is about the systems that --forget names and those in `systems` (may be NULL):
// the way to one that is gone may be lost with it. New reference; NULL when nothing was.
json_t *forget_inputs(const struct run *run, const json_t *inputs, const json_t *systems);
json_t *
forget_systems(const json_t *records); // what the resources of all steps are in: name -> true; new reference
// Is there something about a system of that name in any step's recorded inputs? State may have let go of what was in it
// already, in a run that was cut short: the same command goes on. True when nothing is recorded at all.
bool forget_mentioned(const json_t *records, const char *name);
// A system could not be reached: the hint of `err` becomes the one command that goes on past it. When the way to it
// is what is missing, its place becomes that system.
void forget_hint(struct run *run, struct task *task, ist_error *err);

// journal.c: the records of steps.
int journal_begin(struct run *run, struct task *task, const char *status, ist_error *err);
int journal_applied(struct run *run, struct task *task, ist_error *err); // writes only what differs
int journal_gone(struct run *run, struct task *task, ist_error *err);
int journal_reload(struct run *run, struct task *task, ist_error *err);
void journal_event(struct run *run, struct task *task, const struct worker_event *event); // intent, outcome

// planfile.c
int planfile_write(struct run *run, ist_error *err);
int planfile_read(struct run *run, ist_error *err);    // seal, digest, serial and builds are checked
int planfile_compare(struct run *run, ist_error *err); // with the plan that was just made
char *planfile_command(const struct run *run);         // "apply" or "apply PLAN": for the history; ist_free

// ask.c
void ask(struct run *run, const char *text, struct task *task,
         void (*answered)(struct run *run, struct task *task, bool yes));
void ask_read(struct run *run); // stdin is readable
void ask_forget(struct run *run);
bool ask_can(const struct run *run);
bool ask_confirm(struct run *run, const char *text); // waits for the answer

// signals.c
int signals_fd(void);             // readable when one came
int signals_begin(void);          // SIGINT and SIGTERM are counted from now on
int signals_count(void);          // so far; drains the descriptor
void signals_hangups_begin(void); // SIGHUP is counted too
int signals_hangups(void);        // so far
void signals_end(void);

// report.c
void report_error(struct run *run, const ist_error *err);
void report_failed(struct run *run, struct task *task, const ist_error *err);
// Something wrong with one of its inputs ("" for all of them), to be shown by report_failed() at the line it stands in.
void report_wrong(struct task *task, const char *path, const char *text, const char *hint);
void report_log(struct run *run, const char *step, const char *level, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void report_done(struct run *run, struct task *task, const char *result);
int report_plan(struct run *run);    // the summary; returns the exit code
int report_stopped(struct run *run); // before anything was changed
int report_apply(struct run *run);
int report_verify(struct run *run);

#endif
