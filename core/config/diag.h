// Everything that is wrong with a configuration, at once: each with its place, the line, a caret, a
// suggestion.
#ifndef CORE_CONFIG_DIAG_H
#define CORE_CONFIG_DIAG_H

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
size_t diags_errors(const struct diags *diags);
// "conf.d/x.yaml:12:5: error: unknown key `nhpr`, did you mean `nhrp`?", then the source line and the caret.
void diags_print(const struct diags *diags, FILE *to, bool colour);
// The nearest of `count` words by edit distance, or NULL when none is near.
const char *nearest(const char *word, const char *const *words, size_t count);

#endif
