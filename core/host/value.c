// Trees of data as plugins see them: nodes that belong to the pool of their call.
#include "host/value.h"

#include <isthmus/alloc.h>

#include <string.h>

#define MAX_DEPTH  60 // what stands around a value on the wire brings it to 64
#define INDEX_FROM 16 // maps of fewer keys are searched in order

struct ist_value {
    struct value_pool *pool;
    ist_value *prev, *next; // in the pool
    ist_value *parent;
    uint32_t kind;
    int64_t i;
    double d;
    char *bytes; // strings and bytes
    size_t len;
    ist_value **items; // lists and maps
    char **keys;       // maps
    size_t count, room;
    size_t *index; // of keys: open addressing, 0 empty, else position + 1
    size_t index_size;
    // Of a list or map that nobody has looked into yet: what its children will be made of; owned. A record of a thousand
    // resources, of which a plugin asks a few, costs no more than these.
    json_t *source;
};

struct value_pool {
    ist_value all; // head of a ring
};

struct value_pool *value_pool_new(void)
{
    struct value_pool *pool = ist_calloc(1, sizeof(*pool));
    pool->all.prev = pool->all.next = &pool->all;
    return pool;
}

static void value_drop(ist_value *v)
{
    v->prev->next = v->next;
    v->next->prev = v->prev;
    for (size_t i = 0; v->keys && i < v->count; i++)
        ist_free(v->keys[i]);
    // Secrets pass through here: nothing of them stays in freed memory.
    if (v->bytes)
        explicit_bzero(v->bytes, v->len);
    ist_free(v->bytes);
    ist_free(v->items);
    ist_free(v->keys);
    ist_free(v->index);
    json_decref(v->source);
    ist_free(v);
}

void value_pool_free(struct value_pool *pool)
{
    if (!pool)
        return;
    while (pool->all.next != &pool->all)
        value_drop(pool->all.next);
    ist_free(pool);
}

ist_value *value_new(struct value_pool *pool, uint32_t kind)
{
    ist_value *v = ist_calloc(1, sizeof(*v));
    v->pool = pool;
    v->kind = kind;
    v->prev = &pool->all;
    v->next = pool->all.next;
    v->next->prev = v;
    pool->all.next = v;
    return v;
}

void value_set_int(ist_value *value, int64_t i)
{
    value->i = i;
}

void value_set_real(ist_value *value, double d)
{
    value->d = d;
}

// How long the UTF-8 sequence at p is (of at most `left` bytes), 0 when there is none: no overlong forms, no
// surrogates, nothing over U+10FFFF (RFC 3629).
static size_t utf8_length(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || left < n)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

bool value_is_utf8(const char *bytes, size_t len)
{
    const unsigned char *p = (const unsigned char *)bytes;
    for (size_t i = 0; i < len;) {
        size_t n = utf8_length(p + i, len - i);
        if (!n)
            return false;
        i += n;
    }
    return true;
}

json_t *value_text(const char *text, size_t max)
{
    size_t len = text ? strnlen(text, max ? max : 65536) : 0;
    if (value_is_utf8(text, len))
        return json_stringn_nocheck(text, len);
    ist_buf buf = {.max = len * 3 + 1};
    const unsigned char *p = (const unsigned char *)text;
    for (size_t i = 0; i < len;) {
        size_t n = utf8_length(p + i, len - i);
        if (n)
            ist_buf_add(&buf, text + i, n);
        else
            ist_buf_puts(&buf, "\xef\xbf\xbd");
        i += n ? n : 1;
    }
    json_t *json = json_stringn_nocheck(buf.data ? buf.data : "", buf.len);
    ist_buf_free(&buf);
    return json;
}

ist_value *value_new_bytes(struct value_pool *pool, const char *bytes, size_t len)
{
    ist_value *v = value_new(pool, value_is_utf8(bytes, len) ? IST_STRING : IST_BYTES);
    v->bytes = ist_malloc(len + 1);
    if (len)
        memcpy(v->bytes, bytes, len);
    v->bytes[len] = '\0';
    v->len = len;
    return v;
}

// ---- reading

static void look_into(const ist_value *v);

static uint32_t host_kind(const ist_value *v)
{
    return v ? v->kind : IST_NULL;
}

static int64_t host_get_int(const ist_value *v)
{
    return v && (v->kind == IST_INT || v->kind == IST_BOOL) ? v->i : 0;
}

static double host_get_real(const ist_value *v)
{
    if (v && v->kind == IST_INT)
        return (double)v->i;
    return v && v->kind == IST_REAL ? v->d : 0.0;
}

static const char *host_get_bytes(const ist_value *v, size_t *len)
{
    const int has = v && v->bytes;
    if (len)
        *len = has ? v->len : 0;
    return has ? v->bytes : NULL;
}

static size_t host_count(const ist_value *v)
{
    look_into(v);
    return v ? v->count : 0;
}

static const ist_value *host_at(const ist_value *v, size_t i)
{
    look_into(v);
    return v && i < v->count ? v->items[i] : NULL;
}

static const char *host_key_at(const ist_value *v, size_t i)
{
    look_into(v);
    return v && v->keys && i < v->count ? v->keys[i] : NULL;
}

static size_t key_hash(const char *key)
{
    uint64_t h = 1469598103934665603u; // FNV-1a
    for (; *key; key++)
        h = (h ^ (unsigned char)*key) * 1099511628211u;
    return (size_t)h;
}

// Where `key` is in the index, or the empty slot where it would go.
static size_t index_slot(const ist_value *v, const char *key)
{
    size_t at = key_hash(key) & (v->index_size - 1);
    while (v->index[at] && strcmp(v->keys[v->index[at] - 1], key) != 0)
        at = (at + 1) & (v->index_size - 1);
    return at;
}

static void index_add(ist_value *v)
{
    if (v->count < INDEX_FROM)
        return;
    if (v->count * 2 > v->index_size) {
        ist_free(v->index);
        v->index_size = v->room * 4;
        v->index = ist_calloc(v->index_size, sizeof(*v->index));
        for (size_t i = 0; i < v->count; i++)
            v->index[index_slot(v, v->keys[i])] = i + 1;
    } else {
        v->index[index_slot(v, v->keys[v->count - 1])] = v->count;
    }
}

static size_t map_find(const ist_value *v, const char *key)
{
    if (v->index) {
        size_t found = v->index[index_slot(v, key)];
        return found ? found - 1 : v->count;
    }
    size_t i = 0;
    while (i < v->count && strcmp(v->keys[i], key) != 0)
        i++;
    return i;
}

static const ist_value *host_get(const ist_value *v, const char *key)
{
    if (!v || v->kind != IST_MAP || !key)
        return NULL;
    look_into(v);
    size_t i = map_find(v, key);
    return i < v->count ? v->items[i] : NULL;
}

// ---- putting together

static void value_room(ist_value *v)
{
    if (v->count < v->room)
        return;
    v->room = v->room ? v->room * 2 : 8; // a power of two: the index's size follows it
    v->items = ist_realloc(v->items, v->room, sizeof(*v->items));
    if (v->kind == IST_MAP)
        v->keys = ist_realloc(v->keys, v->room, sizeof(*v->keys));
}

// A child has one parent: one that has got a parent already, or is the parent itself, is copied.
static ist_value *value_adopt(ist_value *parent, ist_value *item)
{
    if (!item)
        item = value_new(parent->pool, IST_NULL);
    if (item->parent || item == parent) {
        json_t *json = value_to_json(item);
        item = value_from_json(parent->pool, json);
        json_decref(json);
    }
    item->parent = parent;
    return item;
}

static void host_add(ist_value *list, ist_value *item)
{
    if (!list || list->kind != IST_LIST)
        return;
    look_into(list);
    item = value_adopt(list, item);
    value_room(list);
    list->items[list->count++] = item;
}

static void host_put(ist_value *map, const char *key, ist_value *item)
{
    if (!map || map->kind != IST_MAP || !key)
        return;
    look_into(map);
    item = value_adopt(map, item);
    size_t i = map_find(map, key);
    if (i < map->count) {
        map->items[i]->parent = NULL;
        map->items[i] = item;
        return;
    }
    value_room(map);
    map->items[map->count] = item;
    map->keys[map->count++] = ist_strdup(key);
    index_add(map);
}

static void value_release_tree(ist_value *v, int depth)
{
    for (size_t i = 0; i < v->count && depth < MAX_DEPTH * 4; i++)
        value_release_tree(v->items[i], depth + 1);
    value_drop(v);
}

static void host_release(ist_value *v)
{
    if (v && !v->parent)
        value_release_tree(v, 0);
}

void value_fill_host(ist_host *host)
{
    host->kind = host_kind;
    host->get_int = host_get_int;
    host->get_real = host_get_real;
    host->get_bytes = host_get_bytes;
    host->count = host_count;
    host->at = host_at;
    host->key_at = host_key_at;
    host->get = host_get;
    host->add = host_add;
    host->put = host_put;
    host->release = host_release;
}

// ---- to and from JSON

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static json_t *base64_json(const char *bytes, size_t len)
{
    const unsigned char *p = (const unsigned char *)bytes;
    char *text = ist_malloc((len + 2) / 3 * 4 + 1);
    size_t n = 0;
    for (size_t i = 0; i < len; i += 3) {
        uint32_t three = (uint32_t)p[i] << 16 | (i + 1 < len ? (uint32_t)p[i + 1] << 8 : 0) |
                         (i + 2 < len ? (uint32_t)p[i + 2] : 0);
        text[n++] = base64_digits[three >> 18];
        text[n++] = base64_digits[three >> 12 & 63];
        text[n++] = i + 1 < len ? base64_digits[three >> 6 & 63] : '=';
        text[n++] = i + 2 < len ? base64_digits[three & 63] : '=';
    }
    text[n] = '\0';
    json_t *json = json_pack("{s:o}", "$b64", json_stringn_nocheck(text, n));
    ist_free(text);
    return json;
}

// Decodes into a new buffer; NULL when `text` is not base64 with its padding.
static char *base64_bytes(const char *text, size_t len, size_t *out_len)
{
    if (len % 4 || !len)
        return NULL;
    size_t pad = text[len - 1] == '=' ? text[len - 2] == '=' ? 2 : 1 : 0;
    char *out = ist_malloc(len / 4 * 3 + 1);
    size_t n = 0;
    for (size_t i = 0; i < len; i += 4) {
        uint32_t four = 0;
        for (size_t k = 0; k < 4; k++) {
            const char *at = text[i + k] ? strchr(base64_digits, text[i + k]) : NULL;
            if (!at && !(i + k >= len - pad)) {
                ist_free(out);
                return NULL;
            }
            four = four << 6 | (at ? (uint32_t)(at - base64_digits) : 0);
        }
        for (int shift = 16; shift >= 0; shift -= 8)
            out[n++] = (char)(four >> shift & 255);
    }
    *out_len = n - pad;
    return out;
}

static ist_value *bytes_of_object(struct value_pool *pool, const json_t *json)
{
    const json_t *text = json_object_size(json) == 1 ? json_object_get(json, "$b64") : NULL;
    if (!json_is_string(text))
        return NULL;
    size_t len;
    char *bytes = base64_bytes(json_string_value(text), json_string_length(text), &len);
    ist_value *v = bytes && !value_is_utf8(bytes, len) ? value_new_bytes(pool, bytes, len) : NULL;
    ist_free(bytes);
    return v;
}

static ist_value *unseen(struct value_pool *pool, uint32_t kind, const json_t *source)
{
    ist_value *v = value_new(pool, kind);
    v->source = json_incref((json_t *)(uintptr_t)source);
    return v;
}

// Lists and maps wait until somebody looks into them.
static ist_value *made_of(struct value_pool *pool, const json_t *json)
{
    ist_value *v;
    switch (json ? json_typeof(json) : JSON_NULL) {
    case JSON_TRUE:
    case JSON_FALSE:
        v = value_new(pool, IST_BOOL);
        v->i = json_is_true(json);
        return v;
    case JSON_INTEGER:
        v = value_new(pool, IST_INT);
        v->i = (int64_t)json_integer_value(json);
        return v;
    case JSON_REAL:
        v = value_new(pool, IST_REAL);
        v->d = json_real_value(json);
        return v;
    case JSON_STRING:
        return value_new_bytes(pool, json_string_value(json), json_string_length(json));
    case JSON_ARRAY:
        return unseen(pool, IST_LIST, json);
    case JSON_OBJECT:
        v = bytes_of_object(pool, json);
        return v ? v : unseen(pool, IST_MAP, json);
    default:
        return value_new(pool, IST_NULL);
    }
}

// An operation has one thread, and so has what reads its values.
static void look_into(const ist_value *value)
{
    if (!value || !value->source)
        return;
    ist_value *v = (ist_value *)(uintptr_t)value;
    json_t *source = v->source, *child;
    const char *key;
    size_t i;
    v->source = NULL;
    json_array_foreach(source, i, child) host_add(v, made_of(v->pool, child));
    json_object_foreach(source, key, child) host_put(v, key, made_of(v->pool, child));
    json_decref(source);
}

ist_value *value_from_json(struct value_pool *pool, const json_t *json)
{
    ist_value *v = made_of(pool, json);
    look_into(v); // the caller may change `json` itself
    return v;
}

static json_t *to_json(const ist_value *v, int depth);

static json_t *children_to_json(const ist_value *v, int depth)
{
    json_t *json = v->kind == IST_LIST ? json_array() : json_object();
    look_into(v);
    for (size_t i = 0; i < v->count; i++) {
        json_t *child = to_json(v->items[i], depth + 1);
        if (!child) {
            json_decref(json);
            return NULL;
        }
        if (v->kind == IST_LIST) {
            json_array_append_new(json, child);
        } else {
            json_t *key = value_text(v->keys[i], 0);
            json_object_set_new_nocheck(json, json_string_value(key), child);
            json_decref(key);
        }
    }
    return json;
}

static json_t *to_json(const ist_value *v, int depth)
{
    if (depth >= MAX_DEPTH)
        return NULL;
    switch (v ? v->kind : IST_NULL) {
    case IST_BOOL:
        return json_boolean(v->i);
    case IST_INT:
        return json_integer((json_int_t)v->i);
    case IST_REAL: {
        json_t *real = json_real(v->d);
        return real ? real : json_null(); // JSON knows no infinity
    }
    case IST_STRING:
        return json_stringn_nocheck(v->bytes, v->len);
    case IST_BYTES:
        return base64_json(v->bytes, v->len);
    case IST_LIST:
    case IST_MAP:
        return children_to_json(v, depth);
    default:
        return json_null();
    }
}

json_t *value_to_json(const ist_value *value)
{
    return to_json(value, 0);
}
