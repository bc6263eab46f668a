// One step alone, outside of any pipeline and state: what an operation told, gathered, and what the next one
// is given. `isthmus plugin run` and `plugin check` stand on it, and so do the unit tests of plugins.
#ifndef CORE_HOST_SOLO_H
#define CORE_HOST_SOLO_H

#include "host/runner.h"

// What one operation told. All owned.
struct solo_report {
    int32_t code;
    ist_error error;
    json_t *observed; // NULL: not set
    json_t *outputs;  // object: name -> value
    json_t *
        changes; // array of {action: "create", resource, reason?, fields: [{field, before?, after?, secret}]}
    json_t *checks;   // array of {name, result: "pass", evidence}
    json_t *problems; // array of {level: "error"|"warning", path, text, hint}
    json_t *journal;  // array of {type: "intent"|"outcome", resource, data?, token?}
    json_t *logs;     // array of {level, text}, progress lines with level 0
    json_t *secrets;  // array of strings
    char *printed; // what a command printed, "" for nothing; empty where solo.tell is told of it as it comes
};
void solo_report_init(struct solo_report *report);
void solo_report_clear(struct solo_report *report);

struct solo {
    char *step;
    unsigned char key[32];     // of tokens
    json_t *observed;          // of the last observe; NULL: none
    json_t *recorded;          // object: resource -> {status, token, generation, data}
    json_t *generations;       // object: resource -> the next generation
    json_t *outputs;           // object: of the last apply, without secret ones
    json_t *secret_outputs;    // object: name -> true
    struct solo_report report; // of the operation under way or the last one
    const json_t *unknown;     // of check: paths of inputs that are not known, borrowed; NULL: all are
    // Told every event as it comes, or NULL; borrowed.
    void (*tell)(void *arg, const json_t *event);
    void *tell_arg;
    struct renewal *renewal; // of a watch, borrowed (renewal.h), or NULL
    // The journal answers this instead, when it is not IST_OK: for tests of plugins.
    int32_t journal_fails;
};

struct solo *solo_new(const char *step, const unsigned char key[32]);
void solo_free(struct solo *solo);
// What is kept between runs in a file (0600). A file that is not there is an empty step.
int solo_load(struct solo *solo, const char *path, ist_error *err);
int solo_save(const struct solo *solo, const char *path, ist_error *err);

void solo_begin(struct solo *solo);                // clears the report
void solo_event(struct solo *solo, json_t *event); // steals; every event but intent and outcome
int32_t solo_journal(struct solo *solo, json_t *event, char token[65]); // steals
void solo_end(struct solo *solo, uint32_t operation);                   // keeps what the next operation needs

// Runs one operation in this process. `inputs` is borrowed.
int32_t solo_run(struct solo *solo, const ist_plugin *plugin, uint32_t operation, const json_t *inputs,
                 const char *run_dir, bool trace, struct cancel *cancel);

#endif
