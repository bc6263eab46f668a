// What the files of render share.
#ifndef CORE_RENDER_INTERNAL_H
#define CORE_RENDER_INTERNAL_H

#include "render/redact.h"
#include "render/render.h"

#include <stdint.h>

// A step at work, as the live part of a terminal shows it.
struct row {
    char *step, *doing, *waits; // owned; waits: what it said last, or NULL
    int64_t since;              // monotonic ms
};

struct render {
    struct render_options options;
    struct redactor *redactor;
    char *title; // "apply stars"
    int64_t began;
    int64_t steps, finished; // of the pass
    struct row *rows;
    size_t row_count;
    int drawn;        // lines of the live part on the screen now
    int64_t drawn_at; // monotonic ms
    bool asking;      // a question is open
    json_t *document; // json: everything so far
    json_t *checks;   // text: of the steps at work: {step: [check]}, or NULL
    json_t *ways;     // text: what ways.c has noted of the checks so far, or NULL
};

int64_t render_now(void); // monotonic ms
// "12s", "1m02s", "1h03m".
void render_elapsed(int64_t ms, char text[32]);
void progress_elapsed(struct render *render, const char *step,
                      char text[32]); // since the step's operation began

// text.c: one event as text.
void render_text(struct render *render, const json_t *event);
// What others wrote must not move the cursor: control characters become '?', new lines are indented. The caller's.
char *tame(const char *text, const char *indent);
// checks.c: kept until their step has ended (NULL: whatever is left).
void checks_note(struct render *render, const json_t *check);
void checks_print(struct render *render, const char *step);
// ways.c: who reaches whom, out of the checks; printed once, and forgotten.
void ways_note(struct render *render, const json_t *check);
void ways_print(struct render *render);
// progress.c: the live part.
void progress_note(struct render *render, const json_t *event); // an event may change it
void progress_draw(struct render *render);
void progress_clear(struct render *render);         // before other lines are written
size_t progress_width(const struct render *render); // of the terminal; 80 where it cannot be asked
void progress_free(struct render *render);

// Colours by meaning; "" when there is no colour.
const char *tint(const struct render *render, const char *what);

#endif
