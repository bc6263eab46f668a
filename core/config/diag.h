// Everything that is wrong with a configuration, at once: each with its place, the line, a caret, a
// suggestion.
#ifndef CORE_CONFIG_DIAG_H
#define CORE_CONFIG_DIAG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct place {
    const char *file; // owned by the arena or static: "conf.d/stars.yaml", "--set", "environment"
    int line, column; // from 1; 0: the whole file
};

struct diags;
struct diags *diags_new(void);
void diags_free(struct diags *diags);
void diag_error(struct diags *diags, struct place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void diag_warn(struct diags *diags, struct place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void diag_hint(struct diags *diags, const char *format, ...)
    __attribute__((format(printf, 2, 3))); // of the last one
// Of the last one: its source line is shown up to its column only, because a secret may stand there; or, for
// a key, up to the end of the key.
void diag_hide_value(struct diags *diags);
void diag_hide_after_key(struct diags *diags);
// Of the last one: its source line is not shown when one of `secrets` stands in it.
void diag_hide_secrets(struct diags *diags, char *const *secrets, size_t count);
size_t diags_errors(const struct diags *diags);
size_t diags_count(const struct diags *diags); // errors and warnings
// The i-th: its place and text, borrowed; false past the end.
bool diags_at(const struct diags *diags, size_t i, struct place *place, const char **text, bool *is_error);
// As a JSON array of {severity, file, line, column, text, hint}. New reference.
json_t *diags_json(const struct diags *diags);
// The same with the line and the caret below it as "source", for where they are read by people.
json_t *diags_json_shown(const struct diags *diags);
// "conf.d/x.yaml:12:5: error: unknown key `nhpr`, did you mean `nhrp`?", then the source line and the caret.
void diags_print(const struct diags *diags, FILE *to, bool colour);
// The nearest of `count` words by edit distance, or NULL when none is near.
const char *nearest(const char *word, const char *const *words, size_t count);

#endif
