// What the files of the IOS session share.
#ifndef IST_IOS_INTERNAL_H
#define IST_IOS_INTERNAL_H

#include <isthmus/alloc.h>
#include <isthmus/ios.h>

#include <stdbool.h>

struct ist_ios {
    ist_env env;
    ist_ssh *ssh;
    char hostname[128];
    int mode; // of the last prompt: '>', '#' or 'c'
    ist_buf logs;
    bool pages; // `terminal length 0` was refused: what is typed ahead would be keys for the pager
};

#define IOS_MAX_OUTPUT (16u << 20)
#define IOS_COMMAND_MS 30000 // a command that prints nothing for so long is not coming back
#define IOS_SHOW_MS    60000

// What has come since something was typed.
struct reading {
    ist_buf buf;      // plain text so far
    const char *echo; // what must come first, NULL: nothing
    size_t after;     // where the output begins, once the echo was seen
    bool echoed;
    bool paged; // a pager has stopped it
};
// Waits for more of it; IST_AGAIN: nothing came.
int32_t ios_receive(ist_ios *ios, struct reading *r, int64_t wait_ms, ist_error *err);
// A router that logs to this terminal does so in the middle of an echo, too: takes the log line out of one, if that is
// what keeps it from being seen (and keeps it aside), so that it is in one piece. True: it did.
bool ios_join_echo(ist_ios *ios, struct reading *r, const char *echo);
const char *ios_last_line(const struct reading *r);
bool ios_ends_with(const char *line, const char *end); // but for spaces
// What was printed from `from` (behind an echo) up to `end` (where a prompt begins), log lines kept aside. The caller's.
char *ios_output(ist_ios *ios, const char *from, const char *end);
// The line as a keyboard would type it: a question mark asks for help unless it is quoted. The caller's.
char *ios_keys(const char *line);

// How a command's questions are met.
#define IOS_NO_ANSWER 0 // any question is an error
#define IOS_CONFIRM   1 // [confirm] is answered with Enter
#define IOS_REBOOT    2 // and that the other side hangs up is fine

// Sends one line and reads until the prompt after its echo. *text (may be NULL) is what was printed, the caller's.
// `shown` stands for the line in traces and errors.
int32_t ios_command(ist_ios *ios, const char *line, const char *shown, int answers, int64_t wait_ms,
                    char **text, ist_error *err);
// burst.c: lines typed at once, each ahead of its prompt, so that there is one wait for all of them. out[i] is what line i
// printed, the caller's; after a failure only the first *answered of them are. With IST_OK and *answered < count an echo
// was lost: out[*answered] holds what all lines from there printed. Nothing of it may ask a question.
int32_t ios_burst(ist_ios *ios, const ist_ios_command *lines, size_t count, int64_t wait_ms, char **out,
                  size_t *answered, ist_error *err);
// How many of these lines may go in one burst; at least 1.
size_t ios_burst_fits(const ist_ios_command *lines, size_t count);
// Show commands in one burst, at most 8, what may be long last. text[i] is the caller's, NULL where the device does not know the command.
int32_t ios_shows(ist_ios *ios, const char *const *commands, size_t count, char **text, ist_error *err);
// Reads until what may be a prompt, of any host name; sets ios->mode, and the name is learned by the first command.
int32_t ios_first_prompt(ist_ios *ios, int64_t wait_ms, ist_error *err);
// IST_ERR_READ_ONLY unless this operation may write.
int32_t ios_writes(const ist_ios *ios, const char *what, ist_error *err);

// ---- pure functions over what came ----
bool ios_is_log_line(const char *line, size_t len);
// A line that says that a command was not understood or not allowed; *len its length, NULL: none.
const char *ios_syntax_error(const char *output, size_t *len);
// Removes carriage returns, applies backspaces.
size_t ios_plain(char *text, size_t len);

#endif
