// A pipeline as the engine uses it: loaded, merged, checked against the plugins' tables; references still
// open.
#ifndef CORE_CONFIG_PIPELINE_H
#define CORE_CONFIG_PIPELINE_H

#include "config/diag.h"
#include "config/node.h"
#include "host/catalog.h"

// Where the configuration comes from.
struct config_source {
    const char *dir;         // -C DIR; NULL: ./conf.d, else /etc/isthmus/conf.d, else the shipped one
    const char *const *sets; // --set PATH=VALUE, count of them
    size_t set_count;
    bool optional; // with no dir given, no configuration at all is an empty one
};

struct config; // the merged conf.d
// -1 when a file cannot be read; else 0, and what is wrong beyond that is in `diags`, so that the pipelines
// can be checked too and all is told at once: look at diags_errors() before using anything.
int config_load(const struct config_source *source, struct diags *diags, struct config **config);
void config_free(struct config *config);
const char *
config_state_path(const struct config *config); // isthmus.state, ISTHMUS_STATE, or the XDG default
int config_jobs(const struct config *config);
int config_grace_ms(const struct config *config);
// A keyed digest (hex, 64) of configuration, includes and environment used by a pipeline.
void config_digest(const struct config *config, const char *pipeline, const unsigned char key[32],
                   char digest[65]);
size_t config_pipelines(const struct config *config, const char *const **names);
// As YAML (origin: each value with its file and line). Secrets, which the plugins' tables tell, are shown as
// "(secret)". catalog may be NULL: then by the names of keys alone.
int config_show(const struct config *config, struct catalog *catalog, bool origin, FILE *to);
// The same as JSON, which is the caller's; with origin each scalar is {value, origin: {file, line}}.
json_t *config_show_json(const struct config *config, struct catalog *catalog, bool origin);
const char *const *config_plugin_dirs(const struct config *config, size_t *count); // isthmus.plugins

struct step {
    const char *name; // "router", or "net[eu]" of a for_each
    const char *plugin;
    const struct plugin_info *info;
    struct node *with;  // merged inputs, defaults not yet filled, references open
    const char **needs; // names of steps: explicit and by reference; borrowed
    size_t needs_count;
    bool prevent_destroy;
    int64_t timeout_ms;
    struct place place;
    const char *base;              // "net": the name in the file
    const char *each_key;          // "eu"; NULL without for_each
    const struct node *each_value; // NULL without for_each
    bool wrong;                    // its inputs are: errors have said so
};

struct pipeline {
    const char *name;
    struct step *steps; // in a topological order
    size_t count;
    struct config *config;   // borrowed
    const struct node *vars; // its own over those of all; NULL: none
    const char **clear;      // files in which secrets stand as such
    size_t clear_count;
    json_t *warned; // what plugins have warned of already: {"STEP PATH TEXT": true}; NULL: nothing
};

// Checks and expands: for_each, when, needs, cycles, unknown plugins, keys, types, outputs, overlap of CIDRs
// is the plugins' matter. All errors at once.
int pipeline_load(struct config *config, struct catalog *catalog, const char *name, struct diags *diags,
                  struct pipeline **pipeline);
// The same, and `check` is asked of it while all errors are still gathered; steps whose inputs are `wrong`, and those of
// no plugin (info NULL), are among its steps then.
typedef void pipeline_check_fn(void *arg, struct pipeline *pipeline, struct diags *diags);
int pipeline_load_checked(struct config *config, struct catalog *catalog, const char *name,
                          struct diags *diags, pipeline_check_fn *check, void *arg,
                          struct pipeline **pipeline);
void pipeline_free(struct pipeline *pipeline);
// Warns of what is valid but unwise: secrets in clear in files that everybody can read.
void pipeline_advise(const struct pipeline *pipeline, struct diags *diags);
// Where an input stands ("subnet.privateCidrs[1]"), for what only the plugin can say of it, or what holds it;
// false: not in a file.
bool step_input_place(const struct step *step, const char *path, struct place *place);
// The same, or in the end of the step; *secret: a secret may stand there.
struct place step_nearest_place(const struct step *step, const char *path, bool *secret);
// Is a warning of a step's plugin new? It is remembered, so that it is shown once in a run.
bool pipeline_warns(struct pipeline *pipeline, const char *step, const char *path, const char *text);

// What a step's outputs are when its inputs are resolved. `known` false: the output is not known yet.
struct output_source {
    // Borrowed json or NULL. *known says whether step's output is known.
    const json_t *(*get)(void *arg, const char *step, const char *output, bool *known);
    void *arg;
};

struct resolved {
    json_t
        *inputs; // object, normalised by type, defaults filled, secrets in clear; NULL when not all is known
    json_t *public_inputs; // the same for state: secret values are {"$ref": "env.X"} or "steps.a.out",
                           // {"$text": "a ${env.X}"}, {"$config": "pipelines..."}, or {"$secret": true}; what
                           // is not known is {"$unknown": "steps.a.out"}
    char **unknown;        // what is not known: "steps.vpc.route_tables"
    size_t unknown_count;
    char **secrets; // values to redact
    size_t secret_count;
};
int step_resolve(const struct pipeline *pipeline, const struct step *step,
                 const struct output_source *outputs, struct diags *diags, struct resolved *resolved);
// What is known of the inputs of a checked step before anything runs: members that are not known yet, or that are wrong
// (which has been told), are absent, items of lists are null; *unknown (the caller's) is an array of their paths. 0, or
// -1: nothing can be made of them.
int step_known(const struct pipeline *pipeline, const struct step *step, struct resolved *resolved,
               json_t **unknown);
void resolved_free(struct resolved *resolved);
// From what state recorded (public_inputs) back to inputs, references read again: for destroy. A step that a
// reference names need not be in the pipeline any more: `outputs` alone is asked for it. Secrets that were
// written in the configuration are read there again ({"$config": "pipelines.p.steps.s.with.key"}); when they
// are gone from it such inputs are left out, with a warning.
int inputs_from_record(const struct pipeline *pipeline, const json_t *public_inputs,
                       const struct output_source *outputs, struct diags *diags, struct resolved *resolved);
// The inputs of a plugin used alone: the YAML of `file` (NULL: none), `sets` ("a.b=VALUE") on top of it. 0, or -1
// with diagnostics.
int inputs_alone(const struct plugin_info *info, const char *file, const char *const *sets, size_t count,
                 struct diags *diags, struct resolved *resolved);

#endif
