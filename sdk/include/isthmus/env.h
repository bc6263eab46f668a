// isthmus/env.h: what a function of libisthmus needs of the operation it serves: whom to tell, when to stop,
// and whether it may write. A plugin makes one at the top of each operation: `ist_env env = {host, call};`.
// With both NULL (unit tests, tools) there is no deadline, no cancel, no log, and writes are allowed.
#ifndef ISTHMUS_ENV_H
#define ISTHMUS_ENV_H

#include <isthmus/json.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ist_env {
    const ist_host *host;
    ist_call *call;
} ist_env;

// May this operation write (apply, destroy, watch; verify only what it declares as probes)?
IST_EXPORT int32_t ist_may_write(const ist_env *env);
IST_EXPORT uint32_t ist_operation_of(const ist_env *env); // IST_OP_..., 0 without a call
// A variable of the user's environment, secret ones too; NULL when it is unset or empty. Borrowed: until the operation
// returns, or the variable is set anew.
IST_EXPORT const char *ist_environment(const ist_env *env, const char *name);

// Waiting. All return IST_OK, IST_ERR_CANCELLED or IST_ERR_TIMEOUT (the operation's deadline).
IST_EXPORT int32_t ist_sleep_ms(const ist_env *env, int64_t ms);
// The first pause between two looks at what somebody else makes (CloudFormation, a container platform): usual_ms, or what
// the environment's ISTHMUS_POLL_MS says, where that somebody is a simulator and done in no time.
IST_EXPORT int64_t ist_poll_ms(const ist_env *env, int64_t usual_ms);
// Waits for poll(2) events on fd, at most `ms` (-1: the deadline only); IST_AGAIN when that passed first.
IST_EXPORT int32_t ist_wait_fd(const ist_env *env, int fd, short events, int64_t ms);
IST_EXPORT int64_t ist_now_ms(const ist_env *env);       // monotonic
IST_EXPORT int64_t ist_clock_ms(const ist_env *env);     // since 1970
IST_EXPORT int64_t ist_remaining_ms(const ist_env *env); // until the deadline; INT64_MAX without one

// Telling.
IST_EXPORT void ist_log(const ist_env *env, uint32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
IST_EXPORT void ist_progress(const ist_env *env, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
IST_EXPORT void ist_secret(const ist_env *env, const char *text); // registers it; NULL and "" are ignored
// Reports err (as host->fail) and returns its code: the last line of an operation that failed.
IST_EXPORT int32_t ist_report(const ist_env *env, const ist_error *err);

// Values as jansson trees. Returned references are the caller's (json_decref); what is handed in is borrowed,
// but where a parameter says "steals".
IST_EXPORT json_t *ist_json(const ist_env *env, const ist_value *value);
IST_EXPORT ist_value *ist_value_of(const ist_env *env, const json_t *json);
IST_EXPORT json_t *ist_inputs(const ist_env *env);   // object
IST_EXPORT json_t *ist_observed(const ist_env *env); // what observe set, or null
IST_EXPORT json_t *ist_recorded(const ist_env *env); // object: resource -> {status, token, generation, data}
IST_EXPORT void ist_set_observed(const ist_env *env, json_t *observed); // steals
IST_EXPORT void ist_set_output(const ist_env *env, const char *name,
                               json_t *value); // steals; NULL: nothing is set
IST_EXPORT void ist_change(const ist_env *env, uint32_t action, const char *resource, const char *reason);
// before and after are stolen; NULL before: was not there; NULL after: known after apply.
IST_EXPORT void ist_change_field(const ist_env *env, const char *resource, const char *field, json_t *before,
                                 json_t *after);
IST_EXPORT void ist_change_secret(const ist_env *env, const char *resource, const char *field);
IST_EXPORT void ist_check(const ist_env *env, const char *name, uint32_t result, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
// A watch that lives long (plugin.h says what; with a host that is too old nothing is ever new).
IST_EXPORT void ist_status(const ist_env *env, json_t *status); // steals
IST_EXPORT json_t *ist_reconfigured(const ist_env *env);        // object, or NULL: nothing new
IST_EXPORT int ist_wake_fd(const ist_env *env);                 // -1: there is none
IST_EXPORT void ist_renew(const ist_env *env, const char *format, ...) __attribute__((format(printf, 2, 3)));
// The journal; data is stolen. token receives 64 hex digits.
IST_EXPORT int32_t ist_intent(const ist_env *env, const char *resource, json_t *data, char token[65],
                              ist_error *err);
IST_EXPORT int32_t ist_outcome(const ist_env *env, const char *resource, json_t *data, ist_error *err);

#ifdef __cplusplus
}
#endif
#endif
