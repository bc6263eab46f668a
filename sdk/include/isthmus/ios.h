// isthmus/ios.h: a session with the command line of an IOS or IOS-XE device, over SSH.
//
// Facts used: the prompt is host> or host#, in configuration modes host(config-xx)# with the host name cut to
// 20 characters; log lines "%FAC-n-MNEM: text" may appear anywhere in the stream and are no errors; errors
// are lines that begin with "%" (after spaces) or hold a few other words. The configuration itself is
// ios_config.h's, what the show commands say ios_show.h's.
#ifndef ISTHMUS_IOS_H
#define ISTHMUS_IOS_H

#include <isthmus/ssh.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ist_ios ist_ios; // a session in exec mode; for one thread

// Connects, opens a shell, waits for the prompt, turns paging off (terminal length 0, width 511) and enters
// privileged mode with enable_secret where the login does not land in it (NULL: that is then an error). In
// observe, plan and verify the session sends nothing but `show ...`, `terminal ...` and `enable`
// (IST_ERR_READ_ONLY otherwise).
IST_EXPORT int32_t ist_ios_open(const ist_env *env, const ist_ssh_options *options, const char *enable_secret,
                                ist_ios **ios, ist_error *err);
IST_EXPORT void ist_ios_free(ist_ios *ios);                  // NULL is fine
IST_EXPORT const char *ist_ios_hostname(const ist_ios *ios); // borrowed
IST_EXPORT const ist_ssh_host_key *ist_ios_host_key(const ist_ios *ios);
// Log lines seen in the stream so far, newline separated; borrowed, "" when none.
IST_EXPORT const char *ist_ios_log_lines(const ist_ios *ios);

// One show command: what it printed, without echo, prompt and log lines; the caller's (ist_free). An error
// line is IST_ERR_REMOTE with the device's words.
IST_EXPORT int32_t ist_ios_show(ist_ios *ios, const char *command, char **text, ist_error *err);
// One exec command that changes something. [confirm] questions are answered with Enter; any other question is
// an error. text may be NULL.
IST_EXPORT int32_t ist_ios_exec(ist_ios *ios, const char *command, char **text, ist_error *err);

// One line of configuration. `shown` is what logs, traces and errors show: the line with its secret cut.
typedef struct ist_ios_command {
    const char *text;
    const char *shown;
} ist_ios_command;

// Sends lines in configuration mode and leaves it with `end`. revert_minutes > 0: as a confirmed change
// (`configure terminal revert timer N`), which the device takes back by itself unless ist_ios_confirm()
// follows in time; it needs `archive` with `path`, see ist_ios_archive(). Stops at the first line that is
// refused: IST_ERR_REMOTE, text names the line and the device's words, *done (may be NULL) how many lines were accepted
// before it. Of a confirmed change up to 1 KiB of lines is typed ahead, so that there is one wait for all of them; what
// may ask a question goes alone. What was typed ahead behind a refused line has come to the device too: take it back,
// and leave sections with `exit`.
IST_EXPORT int32_t ist_ios_configure(ist_ios *ios, const ist_ios_command *lines, size_t count,
                                     int revert_minutes, size_t *done, ist_error *err);
IST_EXPORT int32_t ist_ios_confirm(ist_ios *ios, ist_error *err);    // configure confirm
IST_EXPORT int32_t ist_ios_revert_now(ist_ios *ios, ist_error *err); // configure revert now
// Is a confirmed change pending, and for how many more minutes (rounded up; 0: none)?
IST_EXPORT int32_t ist_ios_pending(ist_ios *ios, int *minutes, ist_error *err);
// 1 when `archive` with a path is configured, so that a confirmed change is possible.
IST_EXPORT int32_t ist_ios_archive(ist_ios *ios, int32_t *ready, ist_error *err);
// Who else is in configuration mode or holds its lock: *who is the caller's, NULL when nobody.
IST_EXPORT int32_t ist_ios_other_operator(ist_ios *ios, char **who, ist_error *err);
// What a change begins with, in one exchange. Zero-initialise.
typedef struct ist_ios_state {
    char *running;        // the running configuration
    char *other_operator; // as by ist_ios_other_operator()
    int pending;          // minutes, as by ist_ios_pending()
} ist_ios_state;
IST_EXPORT int32_t ist_ios_read(ist_ios *ios, ist_ios_state *state, ist_error *err); // untouched on failure
IST_EXPORT void ist_ios_state_free(ist_ios_state *state);                            // zeroes it again
// write memory, with each of its outcomes: done, done after a question, and busy (tried again for `wait_ms`).
IST_EXPORT int32_t ist_ios_save(ist_ios *ios, int64_t wait_ms, ist_error *err);

// The device's error line in an output ("% Invalid input detected at '^' marker."), or NULL. Borrowed from
// `output` (not terminated: *len characters). Log lines are no errors. Exposed for tests and fuzzing.
IST_EXPORT const char *ist_ios_error_in(const char *output, size_t *len);
// Is the last line of `stream` (what came so far) a prompt, and in which mode? The host name goes to host
// (room bytes). Returns '>' or '#' for exec modes, 'c' for any configuration mode, 0 for no prompt.
IST_EXPORT int ist_ios_prompt(const char *stream, size_t len, const char *known_host, char *host,
                              size_t room);

#ifdef __cplusplus
}
#endif
#endif
