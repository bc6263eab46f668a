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
};

// How a command's questions are met.
#define IOS_NO_ANSWER 0 // any question is an error
#define IOS_CONFIRM   1 // [confirm] is answered with Enter
#define IOS_REBOOT    2 // and that the other side hangs up is fine

// Sends one line and reads until the prompt after its echo. *text (may be NULL) is what was printed, the caller's.
// `shown` stands for the line in traces and errors.
int32_t ios_command(ist_ios *ios, const char *line, const char *shown, int answers, int64_t wait_ms,
                    char **text, ist_error *err);
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
