// isthmus/crypto.h: digests and random words, as text. All end the process when the system's library cannot.
#ifndef ISTHMUS_CRYPTO_H
#define ISTHMUS_CRYPTO_H

#include <isthmus/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

// SHA-256: 64 hex digits and NUL. Never of a secret that could be guessed: see ist_slow_hash.
IST_EXPORT void ist_sha256_text(const char *bytes, size_t len, char text[65]);
// `count` random bytes, fit for keys and salts, as 2 * count hex digits and NUL; `text` has room for them.
IST_EXPORT void ist_random_hex(size_t count, char *text);
// PBKDF2 (RFC 8018) with HMAC-SHA-256: 64 hex digits and NUL. For what may be kept of a secret: with a salt of its own
// and IST_SLOW_ROUNDS it cannot be looked up and is dear to guess. `rounds` is at least 1; keep it with the hash.
#define IST_SLOW_ROUNDS 200000
IST_EXPORT void ist_slow_hash(const char *secret, const char *salt, uint32_t rounds, char text[65]);

#ifdef __cplusplus
}
#endif
#endif
