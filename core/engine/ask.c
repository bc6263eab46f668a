// Questions to the user: one is open at a time, and the run goes on around it.
#include "engine/run.h"

#include <isthmus/alloc.h>
#include <string.h>
#include <unistd.h>

bool ask_can(const struct run *run)
{
    return !run->options->yes && render_interactive(run->render) && isatty(STDIN_FILENO);
}

static void show(struct run *run)
{
    if (!run->question_count || run->questions[0].shown)
        return;
    run->questions[0].shown = true;
    render_event(run->render, json_pack("{s:s, s:s}", "event", "question", "text", run->questions[0].text));
}

void ask(struct run *run, const char *text, struct task *task,
         void (*answered)(struct run *run, struct task *task, bool yes))
{
    run->questions = ist_realloc(run->questions, run->question_count + 1, sizeof(*run->questions));
    run->questions[run->question_count++] =
        (struct question){.text = ist_printf("%s [y/N] ", text), .task = task, .answered = answered};
    if (task)
        task->asking = true;
    run->asked = true;
    show(run);
}

static void answer(struct run *run, bool yes)
{
    struct question first = run->questions[0];
    run->question_count--;
    memmove(run->questions, run->questions + 1, run->question_count * sizeof(*run->questions));
    ist_free(first.text);
    run->answer_len = 0;
    render_event(run->render, json_pack("{s:s, s:b}", "event", "answered", "yes", yes));
    if (first.task)
        first.task->asking = false;
    first.answered(run, first.task, yes);
    show(run);
}

void ask_read(struct run *run)
{
    char bytes[64];
    ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));
    if (n <= 0) {
        answer(run, false);
        return;
    }
    for (ssize_t i = 0; i < n && run->question_count; i++) {
        if (bytes[i] != '\n') {
            if (run->answer_len + 1 < sizeof(run->answer))
                run->answer[run->answer_len++] = bytes[i];
            continue;
        }
        run->answer[run->answer_len] = '\0';
        answer(run, strcasecmp(run->answer, "y") == 0 || strcasecmp(run->answer, "yes") == 0);
    }
}

// Whoever ends the run answers every open question with no.
void ask_forget(struct run *run)
{
    while (run->question_count)
        answer(run, false);
    ist_free(run->questions);
    run->questions = NULL;
}

static void confirmed(struct run *run, struct task *task, bool yes)
{
    (void)task;
    run->confirmed = yes;
}

bool ask_confirm(struct run *run, const char *text)
{
    run->confirmed = false;
    ask(run, text, NULL, confirmed);
    while (run->question_count && !run->cancelled)
        loop_once(run);
    ask_forget(run);
    return run->confirmed;
}
