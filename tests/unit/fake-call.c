// The host's side of a call, as far as the SDK alone asks for it.
#include "fake-call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct fake_call *of(ist_call *call)
{
    return (struct fake_call *)(void *)call;
}

int64_t fake_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint32_t call_operation(ist_call *call)
{
    return of(call)->operation;
}

static int64_t call_now(ist_call *call)
{
    (void)call;
    return fake_now_ms();
}

static int64_t call_clock(ist_call *call)
{
    return (int64_t)time(NULL) * 1000 + of(call)->ahead_ms;
}

static int64_t call_deadline(ist_call *call)
{
    return of(call)->deadline;
}

static int32_t call_cancelled(ist_call *call)
{
    return __atomic_load_n(&of(call)->stop, __ATOMIC_SEQ_CST);
}

static int call_cancel_fd(ist_call *call)
{
    return of(call)->cancel[1] > 0 ? of(call)->cancel[0] : -1;
}

static int32_t call_sleep(ist_call *call, int64_t until)
{
    while (fake_now_ms() < until) {
        if (call_cancelled(call))
            return IST_ERR_CANCELLED;
        if (fake_now_ms() >= of(call)->deadline)
            return IST_ERR_TIMEOUT;
        usleep(1000);
    }
    return IST_OK;
}

static int32_t call_wants_trace(ist_call *call)
{
    return of(call)->wants_trace;
}

// One more line; what has no room any more is left out.
static void add_line(char *to, size_t size, const char *text, size_t len)
{
    size_t used = strlen(to);
    snprintf(to + used, size - used, "%.*s\n", (int)len, text);
}

static void call_log(ist_call *call, uint32_t level, const char *text)
{
    if (level == IST_LOG_TRACE)
        add_line(of(call)->trace, sizeof of(call)->trace, text, strlen(text));
    if (level == IST_LOG_WARN)
        add_line(of(call)->warnings, sizeof of(call)->warnings, text, strlen(text));
    if (level == IST_LOG_DEBUG)
        add_line(of(call)->debug, sizeof of(call)->debug, text, strlen(text));
}

static void call_progress(ist_call *call, const char *text, int32_t fraction)
{
    (void)call;
    (void)text;
    (void)fraction;
}

static void call_secret(ist_call *call, const char *bytes, size_t len)
{
    add_line(of(call)->secrets, sizeof of(call)->secrets, bytes, len);
}

static const char *call_environment(ist_call *call, const char *name)
{
    const char *const *hidden = of(call)->hidden;
    return hidden[0] && strcmp(hidden[0], name) == 0 ? hidden[1] : getenv(name);
}

static const ist_host host = {.size = sizeof(ist_host),
                              .major = IST_ABI_MAJOR,
                              .minor = IST_ABI_MINOR,
                              .operation = call_operation,
                              .wants_trace = call_wants_trace,
                              .log = call_log,
                              .progress = call_progress,
                              .register_secret = call_secret,
                              .clock_ms = call_clock,
                              .now_ms = call_now,
                              .deadline_ms = call_deadline,
                              .cancelled = call_cancelled,
                              .cancel_fd = call_cancel_fd,
                              .sleep_until = call_sleep,
                              .environment = call_environment};

ist_env fake_env(struct fake_call *call)
{
    if (!call->deadline)
        call->deadline = fake_now_ms() + 60000;
    return (ist_env){&host, (ist_call *)(void *)call};
}
