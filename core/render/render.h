// The one boundary where anything leaves: progress, plans, reports; as text, JSON or JSON lines; redacted
// here.
#ifndef CORE_RENDER_RENDER_H
#define CORE_RENDER_RENDER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum render_format { RENDER_TEXT, RENDER_JSON, RENDER_JSONL };

struct render_options {
    enum render_format format;
    bool terminal, colour, verbose, trace;
    FILE *out, *err;
};

struct render;
struct render *render_new(const struct render_options *options);
void render_free(struct render *render);

// Every value registered is replaced by "(secret)" in whatever is written from now on: raw, JSON-escaped,
// XML, percent and base64 forms (all three alignments). Values under 4 bytes are ignored.
void render_secret(struct render *render, const char *value, size_t len);
// Redacts into a new string (ist_free); for what is written elsewhere: plan files, history.
char *render_redact(const struct render *render, const char *text);

// Events: {event:
// "step-start"|"progress"|"log"|"plan"|"deferred"|"step-done"|"step-failed"|"check"|"summary"|..., step,
// ...}. Text formats it; jsonl prints it as it is (with time); json collects them into one document.
void render_event(struct render *render, json_t *event); // steals
void render_tick(struct render *render);                 // redraws elapsed times on a terminal; cheap
void render_line(struct render *render, const char *format, ...) __attribute__((format(printf, 2, 3)));
void render_finish(struct render *render);

#endif
