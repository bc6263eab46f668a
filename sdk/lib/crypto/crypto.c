// Digests and random words, as text.
#include <isthmus/crypto.h>

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define DIGEST 32

static void hex(const unsigned char *bytes, size_t count, char *text)
{
    for (size_t i = 0; i < count; i++) {
        text[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    text[2 * count] = '\0';
}

void ist_sha256_text(const char *bytes, size_t len, char text[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    if (EVP_Digest(bytes, len, digest, NULL, EVP_sha256(), NULL) != 1)
        abort();
    hex(digest, DIGEST, text);
}

void ist_random_hex(size_t count, char *text)
{
    unsigned char bytes[64];
    for (size_t done = 0; done < count;) {
        const size_t now = count - done < sizeof bytes ? count - done : sizeof bytes;
        if (RAND_bytes(bytes, (int)now) != 1)
            abort();
        hex(bytes, now, text + 2 * done);
        done += now;
    }
    text[2 * count] = '\0';
}

void ist_slow_hash(const char *secret, const char *salt, uint32_t rounds, char text[65])
{
    unsigned char digest[DIGEST];
    const size_t secret_len = strlen(secret), salt_len = strlen(salt);
    if (rounds > INT_MAX || secret_len > INT_MAX || salt_len > INT_MAX ||
        PKCS5_PBKDF2_HMAC(secret, (int)secret_len, (const unsigned char *)salt, (int)salt_len, (int)rounds,
                          EVP_sha256(), DIGEST, digest) != 1)
        abort();
    hex(digest, DIGEST, text);
}
