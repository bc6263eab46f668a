// A pipeline as the engine uses it: loaded, merged, checked against the plugins' tables; references still
// open.
#ifndef CORE_CONFIG_PIPELINE_H
#define CORE_CONFIG_PIPELINE_H

#include "config/diag.h"
#include "config/node.h"
#include "host/catalog.h"

// Where the configuration comes from.
struct config_source {
    const char *dir;         // -C DIR; NULL: ./conf.d, else /etc/isthmus/conf.d
    const char *const *sets; // --set PATH=VALUE, count of them
    size_t set_count;
};

struct config; // the merged conf.d
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
int config_show(const struct config *config, bool origin, FILE *to);

enum reference_kind { REF_STEP, REF_ENV, REF_FILE, REF_CMD, REF_VAR, REF_EACH };

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
};

struct pipeline {
    const char *name;
    struct step *steps; // in a topological order
    size_t count;
    struct config *config; // borrowed
};

// Checks and expands: for_each, when, needs, cycles, unknown plugins, keys, types, outputs, overlap of CIDRs
// is the plugins' matter. All errors at once.
int pipeline_load(struct config *config, struct catalog *catalog, const char *name, struct diags *diags,
                  struct pipeline **pipeline);
void pipeline_free(struct pipeline *pipeline);

// What a step's outputs are when its inputs are resolved. `known` false: the output is not known yet.
struct output_source {
    // Borrowed json or NULL. *known says whether step's output is known.
    const json_t *(*get)(void *arg, const char *step, const char *output, bool *known);
    void *arg;
};

struct resolved {
    json_t
        *inputs; // object, normalised by type, defaults filled, secrets in clear; NULL when not all is known
    json_t *public_inputs; // the same with secret values left as {"$ref": "env.X"} or {"$secret": true}: for
                           // state
    char **unknown;        // what is not known: "steps.vpc.route_tables"
    size_t unknown_count;
    char **secrets; // values to redact
    size_t secret_count;
};
int step_resolve(const struct pipeline *pipeline, const struct step *step,
                 const struct output_source *outputs, struct diags *diags, struct resolved *resolved);
void resolved_free(struct resolved *resolved);
// From what state recorded (public_inputs) back to inputs, references read again: for destroy.
int inputs_from_record(const struct plugin_info *info, const json_t *public_inputs,
                       const struct output_source *outputs, struct diags *diags, struct resolved *resolved);

#endif
