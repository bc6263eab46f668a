// Fingerprints and known_hosts files (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT").
#include "ssh_internal.h"

#include <isthmus/alloc.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <string.h>

static void copy_text(char *to, size_t room, const char *from, size_t len)
{
    if (len >= room)
        len = room - 1;
    memcpy(to, from, len);
    to[len] = 0;
}

void ssh_fingerprint(const unsigned char *blob, size_t len, ist_ssh_host_key *key)
{
    unsigned char digest[SHA256_DIGEST_LENGTH], base64[64];
    // A key blob begins with its algorithm's name as an SSH string (RFC 4253, 6.6).
    size_t name =
        len >= 4 ? (size_t)blob[0] << 24 | (size_t)blob[1] << 16 | (size_t)blob[2] << 8 | blob[3] : 0;
    if (len < 4 || name > len - 4)
        name = 0;
    copy_text(key->algorithm, sizeof key->algorithm, (const char *)blob + (len >= 4 ? 4 : 0), name);
    SHA256(blob, len, digest);
    int n = EVP_EncodeBlock(base64, digest, sizeof digest);
    while (n > 0 && base64[n - 1] == '=')
        n--;
    memcpy(key->sha256, "SHA256:", 7);
    copy_text(key->sha256 + 7, sizeof key->sha256 - 7, (const char *)base64, (size_t)n);
}

// Base64 of a known length; returns the bytes (owned) or NULL.
static unsigned char *decode(const char *text, size_t len, size_t *size)
{
    if (!len || len % 4 || len > 65536)
        return NULL;
    unsigned char *out = ist_malloc(len / 4 * 3 + 1);
    int n = EVP_DecodeBlock(out, (const unsigned char *)text, (int)len);
    if (n < 0) {
        ist_free(out);
        return NULL;
    }
    *size = (size_t)n - (text[len - 1] == '=') - (text[len - 2] == '=');
    return out;
}

static const char *next_word(const char *p, size_t *len)
{
    p += strspn(p, " \t");
    *len = strcspn(p, " \t\r\n");
    return *len ? p : NULL;
}

int32_t ist_ssh_fingerprint(const char *public_key, ist_ssh_host_key *key, ist_error *err)
{
    size_t type_len, len, size = 0;
    const char *type = next_word(public_key, &type_len);
    const char *base64 = type ? next_word(type + type_len, &len) : NULL;
    unsigned char *blob = base64 ? decode(base64, len, &size) : NULL;
    if (!blob)
        return ist_fail(err, IST_ERR_INPUT, "public key", "not an OpenSSH public key");
    ssh_fingerprint(blob, size, key);
    ist_free(blob);
    return IST_OK;
}

// ---- known_hosts ----

static bool hashed_match(const char *pattern, size_t len, const char *name)
{
    // |1|base64 salt|base64 HMAC-SHA1 of the name
    const char *bar = memchr(pattern + 3, '|', len - 3);
    size_t salt_len, mac_len;
    unsigned mac_size = 0;
    unsigned char mac[EVP_MAX_MD_SIZE];
    if (!bar)
        return false;
    unsigned char *salt = decode(pattern + 3, (size_t)(bar - pattern - 3), &salt_len);
    unsigned char *wanted = decode(bar + 1, len - (size_t)(bar + 1 - pattern), &mac_len);
    bool same =
        salt && wanted &&
        HMAC(EVP_sha1(), salt, (int)salt_len, (const unsigned char *)name, strlen(name), mac, &mac_size) &&
        mac_size == mac_len && memcmp(mac, wanted, mac_len) == 0;
    ist_free(salt);
    ist_free(wanted);
    return same;
}

static bool wildcard(const char *pattern, size_t len, const char *name)
{
    if (!len)
        return !*name;
    if (*pattern == '*') {
        for (;; name++) {
            if (wildcard(pattern + 1, len - 1, name))
                return true;
            if (!*name)
                return false;
        }
    }
    return *name && (*pattern == '?' || *pattern == *name) && wildcard(pattern + 1, len - 1, name + 1);
}

static bool hosts_match(const char *list, size_t len, const char *name)
{
    bool found = false;
    if (len > 3 && !strncmp(list, "|1|", 3))
        return hashed_match(list, len, name);
    // Each `*` costs another scan: more than a few of them is nobody's known_hosts.
    for (size_t i = 0, stars = 0; i < len; i++) {
        stars += list[i] == '*';
        if (stars > 8)
            return false;
    }
    for (size_t at = 0; at < len;) {
        const char *p = list + at, *comma = memchr(p, ',', len - at);
        size_t n = comma ? (size_t)(comma - p) : len - at;
        bool negated = n && *p == '!';
        if (wildcard(p + negated, n - negated, name)) {
            if (negated)
                return false;
            found = true;
        }
        at += n + 1;
    }
    return found;
}

int32_t ist_ssh_known(const char *text, const char *host, uint16_t port, const ist_ssh_host_key *key)
{
    char *name = port == 22 ? ist_strdup(host) : ist_printf("[%s]:%u", host, port);
    int32_t answer = 0;
    for (const char *line = text; *line && answer >= 0;) {
        size_t row = strcspn(line, "\n"), marker_len = 0, hosts_len, type_len, key_len, size;
        char *copy = ist_strndup(line, row);
        const char *p = copy + strspn(copy, " \t");
        bool revoked = !strncmp(p, "@revoked", 8), authority = !strncmp(p, "@cert-authority", 15);
        if (*p == '@')
            p = next_word(p, &marker_len) + marker_len;
        const char *hosts = *p == '#' ? NULL : next_word(p, &hosts_len);
        const char *type = hosts ? next_word(hosts + hosts_len, &type_len) : NULL;
        const char *base64 = type ? next_word(type + type_len, &key_len) : NULL;
        if (base64 && !authority && hosts_match(hosts, hosts_len, name)) {
            unsigned char *blob = decode(base64, key_len, &size);
            ist_ssh_host_key listed = {{0}, {0}};
            if (blob)
                ssh_fingerprint(blob, size, &listed);
            bool same = blob && strcmp(listed.sha256, key->sha256) == 0;
            ist_free(blob);
            if (revoked)
                answer = same ? -1 : answer;
            else if (same)
                answer = 1;
            else if (answer == 0 && !strcmp(listed.algorithm, key->algorithm))
                answer = -2; // another key of this kind; a later line may still list this one
        }
        ist_free(copy);
        line += row + (line[row] == '\n');
        if (answer == -2 && *line)
            answer = ist_ssh_known(line, host, port, key) > 0 ? 1 : -1;
    }
    ist_free(name);
    return answer == -2 ? -1 : answer;
}
