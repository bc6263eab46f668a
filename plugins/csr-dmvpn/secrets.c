// What state keeps of a secret: nothing that could be turned back into it. Only where the router shows a hash or a
// cipher text instead of the secret is there a record at all: a slow salted hash of the two together.
#include "csr.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#define ROUNDS 200000
#define SALT   16
#define DIGEST 32

static void hex(const unsigned char *bytes, size_t len, char *text)
{
    for (size_t i = 0; i < len; i++) {
        text[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    text[2 * len] = 0;
}

static void slow_hash(const char *wanted, const char *shown, const char *salt, char text[2 * DIGEST + 1])
{
    unsigned char digest[DIGEST];
    char *both = ist_printf("%s\n%s", wanted, shown);
    PKCS5_PBKDF2_HMAC(both, (int)strlen(both), (const unsigned char *)salt, (int)strlen(salt), ROUNDS,
                      EVP_sha256(), DIGEST, digest);
    hex(digest, DIGEST, text);
    ist_free_secret(both);
}

int32_t csr_same_secret(void *arg, const ist_ios_shown_secret *s)
{
    const json_t *record = json_object_get(arg, s->line);
    const char *salt = ist_json_str(record, "salt"), *hash = ist_json_str(record, "hash");
    char text[2 * DIGEST + 1];
    if (!salt || !hash)
        return 0;
    slow_hash(s->wanted, s->shown, salt, text);
    return strcmp(text, hash) == 0;
}

// Called for each secret that cannot be compared: this is how they are found.
static int32_t record(void *arg, const ist_ios_shown_secret *s)
{
    unsigned char bytes[SALT];
    char salt[2 * SALT + 1], text[2 * DIGEST + 1];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return 0;
    hex(bytes, sizeof bytes, salt);
    slow_hash(s->wanted, s->shown, salt, text);
    json_object_set_new(arg, s->line, json_pack("{ss ss}", "salt", salt, "hash", text));
    return 1;
}

json_t *csr_secret_records(const ist_ios_config *running, const ist_ios_config *wanted)
{
    json_t *records = json_object();
    ist_ios_diff_options options = {.size = sizeof options, .same_secret = record, .arg = records};
    ist_ios_diff diff;
    if (ist_ios_config_diff(running, wanted, &options, &diff, NULL) == IST_OK)
        ist_ios_diff_free(&diff);
    return records;
}
