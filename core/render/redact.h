// Takes secrets out of text: as they are, and in the forms in which they travel.
#ifndef CORE_RENDER_REDACT_H
#define CORE_RENDER_REDACT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define REDACTED       "(secret)"
#define REDACT_MINIMUM 4 // bytes; shorter values would blot out half of every line

struct redactor;
struct redactor *redactor_new(void);
void redactor_free(struct redactor *redactor); // overwrites what it held
// A value of several lines is known as a whole, on one line, and by each line that looks like key material.
void redactor_add(struct redactor *redactor, const char *value, size_t len);
char *redactor_text(const struct redactor *redactor, const char *text); // ist_free
// Strings, numbers and keys of a tree. New reference: the same tree when nothing was found.
json_t *redactor_json(const struct redactor *redactor, json_t *json);
// The same, of secrets of at least `shortest` bytes alone.
json_t *redactor_json_over(const struct redactor *redactor, json_t *json, size_t shortest);
bool redactor_finds(const struct redactor *redactor, const char *text);

#endif
