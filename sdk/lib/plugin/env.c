// The operation a function serves: whom to tell, when to stop, whether it may write.
#include <isthmus/alloc.h>
#include <isthmus/env.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

static int64_t clock_of(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

uint32_t ist_operation_of(const ist_env *env)
{
    return env && env->host ? env->host->operation(env->call) : 0;
}

int32_t ist_may_write(const ist_env *env)
{
    uint32_t op = ist_operation_of(env);
    return op != IST_OP_OBSERVE && op != IST_OP_PLAN && op != IST_OP_VERIFY && op != IST_OP_CHECK;
}

const char *ist_environment(const ist_env *env, const char *name)
{
    const int asked = env && env->host && IST_HAS(env->host, environment) && env->host->environment;
    const char *value = asked ? env->host->environment(env->call, name) : getenv(name);
    return value && *value ? value : NULL;
}

int64_t ist_poll_ms(const ist_env *env, int64_t usual_ms)
{
    const char *text = ist_environment(env, "ISTHMUS_POLL_MS");
    char *end = NULL;
    const long long given = text ? strtoll(text, &end, 10) : 0;
    return text && !*end && given > 0 && given < 3600000 ? given : usual_ms;
}

int64_t ist_now_ms(const ist_env *env)
{
    return env && env->host ? env->host->now_ms(env->call) : clock_of(CLOCK_MONOTONIC);
}

int64_t ist_clock_ms(const ist_env *env)
{
    return env && env->host ? env->host->clock_ms(env->call) : clock_of(CLOCK_REALTIME);
}

int64_t ist_remaining_ms(const ist_env *env)
{
    if (!env || !env->host)
        return INT64_MAX;
    int64_t left = env->host->deadline_ms(env->call) - env->host->now_ms(env->call);
    return left > 0 ? left : 0;
}

int32_t ist_sleep_ms(const ist_env *env, int64_t ms)
{
    if (env && env->host)
        return env->host->sleep_until(env->call, env->host->now_ms(env->call) + ms);
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};
    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        ;
    return IST_OK;
}

int32_t ist_wait_fd(const ist_env *env, int fd, short events, int64_t ms)
{
    int64_t left = ist_remaining_ms(env);
    int deadline_first = ms < 0 || left <= ms;
    int64_t wait = deadline_first ? left : ms;
    int64_t until = ist_now_ms(env) + (wait > INT32_MAX ? INT32_MAX : wait);
    struct pollfd fds[2] = {
        {.fd = fd, .events = events},
        {.fd = env && env->host ? env->host->cancel_fd(env->call) : -1, .events = POLLIN}};
    for (;;) {
        int64_t now = ist_now_ms(env);
        int n = poll(fds, 2, until > now ? (int)(until - now) : 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (fds[1].revents)
            return IST_ERR_CANCELLED;
        if (n > 0)
            return IST_OK;
        return deadline_first && env && env->host ? IST_ERR_TIMEOUT : IST_AGAIN;
    }
}

static void __attribute__((format(printf, 3, 0)))
log_text(const ist_env *env, uint32_t level, const char *format, va_list args)
{
    char *text = ist_vprintf(format, args);
    env->host->log(env->call, level, text);
    ist_free(text);
}

void ist_log(const ist_env *env, uint32_t level, const char *format, ...)
{
    if (!env || !env->host || (level == IST_LOG_TRACE && !env->host->wants_trace(env->call)))
        return;
    va_list args;
    va_start(args, format);
    log_text(env, level, format, args);
    va_end(args);
}

void ist_progress(const ist_env *env, const char *format, ...)
{
    if (!env || !env->host)
        return;
    va_list args;
    va_start(args, format);
    char *text = ist_vprintf(format, args);
    va_end(args);
    env->host->progress(env->call, text, -1);
    ist_free(text);
}

void ist_secret(const ist_env *env, const char *text)
{
    if (env && env->host && text && *text)
        env->host->register_secret(env->call, text, __builtin_strlen(text));
}

int32_t ist_report(const ist_env *env, const ist_error *err)
{
    if (env && env->host)
        env->host->fail(env->call, err->code, err->where, err->text, err->hint);
    return err->code;
}

int ist_wake_fd(const ist_env *env)
{
    const int told = env && env->host && IST_HAS(env->host, wake_fd) && env->host->wake_fd;
    return told ? env->host->wake_fd(env->call) : -1;
}

void ist_renew(const ist_env *env, const char *format, ...)
{
    if (!env || !env->host || !IST_HAS(env->host, renew) || !env->host->renew)
        return;
    va_list args;
    va_start(args, format);
    char *reason = ist_vprintf(format, args);
    va_end(args);
    env->host->renew(env->call, reason);
    ist_free(reason);
}
