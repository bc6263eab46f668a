#include <isthmus/retry.h>

#include <openssl/rand.h>

// Uniform enough for spreading calls: the bias of the modulo is below 2^-40 for waits of minutes.
static int64_t random_below(int64_t ceiling)
{
    uint64_t bits = 0;
    if (ceiling <= 0)
        return 0;
    if (RAND_bytes((unsigned char *)&bits, (int)sizeof(bits)) != 1)
        return ceiling / 2;
    return (int64_t)(bits % (uint64_t)(ceiling + 1));
}

int64_t ist_backoff_next(ist_backoff *backoff)
{
    const int64_t base = backoff->base_ms > 0 ? backoff->base_ms : 200;
    const int64_t cap = backoff->cap_ms > 0 ? backoff->cap_ms : 20000;
    const int tries = backoff->tries > 0 ? backoff->tries : 5;
    if (backoff->attempt >= tries - 1)
        return -1;
    int64_t ceiling = base;
    for (int i = 0; i < backoff->attempt && ceiling < cap; i++)
        ceiling *= 2;
    backoff->attempt++;
    return random_below(ceiling < cap ? ceiling : cap);
}

int32_t ist_backoff_wait(const ist_env *env, ist_backoff *backoff, int64_t hint_ms)
{
    int64_t wait = ist_backoff_next(backoff);
    if (wait < 0)
        return IST_ERR_LIMIT;
    if (wait < hint_ms)
        wait = hint_ms;
    if (wait >= ist_remaining_ms(env))
        return IST_ERR_LIMIT;
    const int32_t rc = ist_sleep_ms(env, wait);
    return rc == IST_ERR_TIMEOUT ? IST_ERR_LIMIT : rc;
}
