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

// The same for a tree: new reference; the tree itself when no secret is in it.
json_t *render_redact_json(const struct render *render, json_t *json);
// The same for inputs whose secret fields are references already. A short secret that appears in another field
// ("admin", "cisco") is chance, and without the true value of that field nothing could be destroyed: only
// those of 8 bytes or more are taken out.
json_t *render_redact_inputs(const struct render *render, json_t *json);

// Events are objects with a member `event`; text formats them, jsonl prints them as they are (with `time`),
// json collects them into one document by kind:
//   pass        {text: "planning stars", steps: N}              what the live part shows from now on
//   step-start  {step, operation: "observe"|"plan"|"apply"|"destroy"|"verify"|"watch"}
//   progress    {step, operation, text, fraction}               what is being waited for
//   log         {step, level: "error"|"warn"|"info"|"debug"|"trace", text}
//   plan        {step, plugin, kind: "change"|"destroy"|"replace"|"resume"|"verify"|"unchanged", reason,
//                after,  a step that changes something first: this one is looked at again, and may come out otherwise
//                changes: [{action: "create"|"update"|"replace"|"delete", resource, reason,
//                           fields: [{field, before, after, secret}]}]}  no `after`: known after apply
//   deferred    {step, plugin, reason, doc}                     what it waits for, what its plugin does in general
//   step-done   {step, operation, result: "applied"|"destroyed"|"unchanged"|..., elapsed_ms}
//   step-end    {step}                                          leaves the live part, nothing to say
//   step-failed {step, operation, code, where, text, hint}      error: the same without a step
//   skipped     {step, because}
//   check       {step, name, result: "pass"|"fail"|"warn"|"skip", evidence}
//   question    {text}; answered {yes}; line {text}; print {text}: as it is
//   summary     {text, exit, ...counts}
void render_event(struct render *render, json_t *event); // steals
bool render_interactive(const struct render *render);    // a terminal, and text: somebody can be asked
void render_tick(struct render *render);                 // redraws elapsed times on a terminal; cheap
void render_line(struct render *render, const char *format, ...) __attribute__((format(printf, 2, 3)));
void render_finish(struct render *render);

#endif
