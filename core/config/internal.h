// What the files of core/config share among themselves.
#ifndef CORE_CONFIG_INTERNAL_H
#define CORE_CONFIG_INTERNAL_H

#include "config/pipeline.h"
#include "config/reference.h"

struct command_output { // what ${cmd....} gave, once a run
    char *command, *text;
    struct command_output *next;
};

struct config {
    struct arena *arena;
    const struct node *root; // all files merged, --set on top
    const struct node *vars; // NULL: none
    char *dir;               // absolute
    char *state;
    int jobs, grace_ms;
    bool clear_allowed; // isthmus.clear_secrets
    const char **names; // of pipelines
    size_t name_count;
    char **plugin_dirs;
    size_t plugin_dir_count;
    struct command_output *commands;
};

struct strings {
    char **items;
    size_t count;
};
void strings_add(struct strings *strings, const char *text); // once each
void strings_free(struct strings *strings);                  // the items too

// How often a written key has had an effect: one file may serve several steps.
struct use {
    struct place place;
    const char *key;
    const char *plugin; // the last that took it without effect
    bool effective;
};
struct uses {
    struct use *items;
    size_t count;
    struct strings clear; // files in which a secret stands as such
};

// What references mean at one place of the configuration.
struct scope {
    struct config *config;
    struct diags *diags;
    const struct node *vars;
    const struct pipeline *pipeline;     // NULL: steps cannot be referred to
    const struct step *step;             // whose each.* is meant; may be NULL
    const struct output_source *outputs; // NULL: no output is known yet
    bool recorded;                       // from state: steps need not be in the pipeline any more
    bool checking;                       // validate: commands are not run
    bool partial;                        // what is not known is left out, and the rest kept
    struct uses *uses;                   // NULL: not wanted
    const char *field, *field_path;      // of the table's row that is being filled, for messages; NULL: none
    const char *pending[16];             // variables being evaluated: a cycle is an error
    size_t pending_count;
    struct strings unknown, secrets;
};
void scope_free(struct scope *scope);
void scope_secrets(struct scope *scope, const json_t *json); // every text in it is one; NULL is fine

struct value {
    json_t *json;   // owned; NULL: unknown, or failed (and said so)
    json_t *record; // owned; the form for state; NULL when failed
    bool secret;    // a secret is somewhere within: the record holds a reference
    bool failed;
    bool open;      // partial: something within is not known
    char type[128]; // while unknown: the type of the output it will be, or ""
};
void value_clear(struct value *value);
// Of one that failed, where the rest is wanted all the same (partial): it counts as not known, and has been told.
void value_forgive(const struct scope *scope, struct value *value);

// The type of the part of an output that a reference names, or "" when it cannot be told. False when there can be no
// such part, with why.
bool output_type(const struct plugin_info *info, const struct part *part, char *type, size_t size, char *why,
                 size_t why_size);
// May a value of the type `coming` stand where `wanted` is expected? Where that depends on the value, it may.
bool type_fits(const char *wanted, const char *coming);
bool type_is_text(const char *type);    // what is written as one scalar, and no number
bool type_joins_text(const char *type); // may such a value stand within a longer text?
// Tells when what `node` stands for will be of a type that cannot stand at `path` of the configuration; false then.
bool check_coming(const struct scope *scope, const struct node *node, const char *path, const char *wanted,
                  const char *coming);

// The node that a lone ${var.X} or ${each.value} stands for, so that it is looked at where it is written; `node`
// itself when it is none. *path is where it is found again: owned, replaced; may become NULL.
const struct node *node_meant(const struct scope *scope, const struct node *node, char **path);

// `secret`: the field says so. config_path: where a literal is found again ("vars.x"), or NULL.
struct value evaluate(struct scope *scope, const struct node *node, const char *type, bool secret,
                      const char *config_path);
// A text as "${env.X}" or "a ${env.X}", outside a file; for what state recorded.
struct value evaluate_text(struct scope *scope, const char *text, const char *type, struct place place);
// Runs a command without a shell and keeps what it printed; NULL when it failed, with why (size bytes).
const char *command_output(struct config *config, const char *command, char *why, size_t size);

// One --set PATH=VALUE; what is wrong with it is told.
void config_set(struct config *config, struct diags *diags, const char *set);

// A map against a table: unknown keys, types, required ones, defaults. `what` is for messages: "plugin ccp".
// The values' json is NULL when something in it is unknown.
struct value table_values(struct scope *scope, const ist_field *fields, size_t count, const struct node *map,
                          struct place place, const char *what, const char *config_path);
// Its keys alone: unknown ones are errors.
void table_keys(struct scope *scope, const ist_field *fields, size_t count, const struct node *map,
                const char *what);
// Warns of keys without an effect in any step.
void uses_warn(const struct uses *uses, struct diags *diags);
void uses_free(struct uses *uses);

// References to steps in a node, below it too: told one by one.
typedef void reference_fn(void *arg, const struct node *node, const struct part *part);
void node_references(struct arena *arena, const struct node *node, reference_fn *tell, void *arg);
bool type_is_core(const char *type); // int, bool, real: what YAML itself would read
// What the environment, a file or a command gives is text; in a field of numbers or lists it is read as such.
// NULL when it is not UTF-8.
json_t *text_typed(const char *text, const char *type);
char *file_text(const char *path); // a plain file of at most 1 MiB; NULL with errno. The caller's (ist_free).
// "conf.d/stars.yaml" + "stars/x" -> an absolute path beside the file; ~/ is HOME. The caller's (ist_free).
char *path_beside(const char *file, const char *path);

// Of a role: its outputs as {name, type} pairs ending with NULL; NULL for an unknown role.
const ist_field *role_outputs(const char *role);

#endif
