// A host in the test itself, for tests of the SDK: it knows an operation, the time, a deadline, cancelling, traces and
// which secrets were registered, and nothing else.
#ifndef TEST_FAKE_CALL_H
#define TEST_FAKE_CALL_H

#include <isthmus/env.h>

struct fake_call {
    uint32_t operation;
    int64_t deadline; // monotonic ms; 0: a minute from fake_env() on
    int cancel
        [2];  // a pipe of the test's, whose reading end is what waits poll; not opened: cannot be cancelled
    int stop; // set atomically: cancelled
    int64_t ahead_ms; // so far the clock is ahead of the real one
    int wants_trace;
    const char *hidden[2]; // a variable that only the host tells of, and its value
    char warnings[8192];   // lines of IST_LOG_WARN
    char debug[8192];      // lines of IST_LOG_DEBUG
    char trace[65536];     // lines
    char secrets[8192];    // lines
};

// The environment of such a call. The call must outlive it.
ist_env fake_env(struct fake_call *call);
int64_t fake_now_ms(void); // monotonic

#endif
