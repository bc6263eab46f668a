// Digests of what an object says, whatever the order of its keys.
#include "internal.h"

#include <string.h>

uint64_t kube_digest_stir(uint64_t x)
{
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

static uint64_t bytes_digest(const char *bytes, size_t len)
{
    uint64_t hash = 14695981039346656037ull ^ len, part;
    for (; len >= sizeof part; bytes += sizeof part, len -= sizeof part) {
        memcpy(&part, bytes, sizeof part);
        hash = kube_digest_stir(hash ^ part);
    }
    for (part = 0; len; len--)
        part = part << 8 | (unsigned char)*bytes++;
    return kube_digest_stir(hash ^ part);
}

uint64_t kube_digest_member(const char *key, size_t len, uint64_t value)
{
    return kube_digest_stir(bytes_digest(key, len) ^ kube_digest_stir(value));
}

uint64_t kube_digest_type(json_type type)
{
    return (uint64_t)type + 1;
}

uint64_t kube_digest_string(const char *text, size_t len)
{
    return kube_digest_stir(kube_digest_type(JSON_STRING) ^ bytes_digest(text, len));
}

uint64_t kube_digest(const json_t *value)
{
    uint64_t sum = kube_digest_type(json_typeof(value)), bits;
    const char *key;
    json_t *child;
    size_t i;
    double real;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        json_object_foreach((json_t *)(uintptr_t)value, key, child) sum +=
            kube_digest_member(key, strlen(key), kube_digest(child));
        return kube_digest_stir(sum);
    case JSON_ARRAY:
        json_array_foreach(value, i, child) sum = kube_digest_stir(sum ^ kube_digest(child));
        return kube_digest_stir(sum);
    case JSON_STRING:
        return kube_digest_string(json_string_value(value), json_string_length(value));
    case JSON_INTEGER:
        return kube_digest_stir(sum ^ kube_digest_stir((uint64_t)json_integer_value(value)));
    case JSON_REAL:
        real = json_real_value(value);
        memcpy(&bits, &real, sizeof bits);
        return kube_digest_stir(sum ^ kube_digest_stir(bits));
    default:
        return kube_digest_stir(sum);
    }
}

uint64_t kube_digest_head(const char *api, const char *kind)
{
    return kube_digest_type(JSON_OBJECT) +
           kube_digest_member("apiVersion", 10, kube_digest_string(api, strlen(api))) +
           kube_digest_member("kind", 4, kube_digest_string(kind, strlen(kind)));
}

uint64_t kube_digest_metadata(const json_t *metadata)
{
    static const char *const written[] = {"name", "namespace", "labels", "annotations", "ownerReferences"};
    uint64_t sum = kube_digest_type(JSON_OBJECT);
    for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
        const json_t *value = json_object_get(metadata, written[i]);
        if (value)
            sum += kube_digest_member(written[i], strlen(written[i]), kube_digest(value));
    }
    return kube_digest_stir(sum);
}
