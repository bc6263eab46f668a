// What state keeps of a secret: nothing that could be turned back into it. Only where the router shows a hash or a
// cipher text instead of the secret is there a record at all: a slow salted hash of the two together.
#include "csr.h"

#include <string.h>

#define SALT       16
#define MAX_ROUNDS 10000000 // what a record may ask for: seconds, not hours

static void hash_both(const ist_ios_shown_secret *s, const char *salt, uint32_t rounds, char text[65])
{
    char *both = ist_printf("%s\n%s", s->wanted, s->shown);
    ist_slow_hash(both, salt, rounds, text);
    ist_free_secret(both);
}

int32_t csr_same_secret(void *arg, const ist_ios_shown_secret *s)
{
    const json_t *record = json_object_get(arg, s->line);
    const char *salt = ist_json_str(record, "salt"), *hash = ist_json_str(record, "hash");
    const int64_t rounds = ist_json_int(record, "rounds", 0);
    char text[65];
    if (!salt || !hash || rounds < 1 || rounds > MAX_ROUNDS)
        return 0;
    hash_both(s, salt, (uint32_t)rounds, text);
    return strcmp(text, hash) == 0;
}

struct recording {
    json_t *records;
    uint32_t rounds;
};

// Called for each secret that cannot be compared: this is how they are found.
static int32_t record(void *arg, const ist_ios_shown_secret *s)
{
    const struct recording *to = arg;
    char salt[2 * SALT + 1], text[65];
    ist_random_hex(SALT, salt);
    hash_both(s, salt, to->rounds, text);
    json_object_set_new(
        to->records, s->line,
        json_pack("{ss sI ss}", "salt", salt, "rounds", (json_int_t)to->rounds, "hash", text));
    return 1;
}

json_t *csr_secret_records(const ist_ios_config *running, const ist_ios_config *wanted, uint32_t rounds)
{
    struct recording to = {json_object(), rounds};
    ist_ios_diff_options options = {.size = sizeof options, .same_secret = record, .arg = &to};
    ist_ios_diff diff;
    if (ist_ios_config_diff(running, wanted, &options, &diff, NULL) == IST_OK)
        ist_ios_diff_free(&diff);
    return to.records;
}
