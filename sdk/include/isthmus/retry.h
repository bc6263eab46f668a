// isthmus/retry.h: waiting before a call is made again, with full jitter: a random time between nothing and a
// ceiling that doubles, so that many callers that failed together do not come back together.
#ifndef ISTHMUS_RETRY_H
#define ISTHMUS_RETRY_H

#include <isthmus/env.h>

#ifdef __cplusplus
extern "C" {
#endif

// Zero-initialise for the defaults; `attempt` is the number of waits so far.
typedef struct ist_backoff {
    int64_t base_ms; // ceiling of the first wait; 0: 200 ms
    int64_t cap_ms;  // ceiling of any wait; 0: 20 s
    int tries;       // calls in all, the first one included; 0: 5
    int attempt;
} ist_backoff;

// The next wait in milliseconds, or -1 when the tries are used up. Counts one attempt.
IST_EXPORT int64_t ist_backoff_next(ist_backoff *backoff);
// Waits it, at least `hint_ms` (what the other side asked for; 0: nothing). IST_OK: try again. IST_ERR_LIMIT:
// the tries are used up, or the deadline would pass during the wait: report what failed last.
// IST_ERR_CANCELLED.
IST_EXPORT int32_t ist_backoff_wait(const ist_env *env, ist_backoff *backoff, int64_t hint_ms);

#ifdef __cplusplus
}
#endif
#endif
