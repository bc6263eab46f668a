// Each secret becomes a handful of patterns, one for every form in which it may appear; a text is searched
// for all of them at once, by their first two bytes and the longest first.
#include "render/redact.h"

#include <ctype.h>
#include <isthmus/alloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 65536

struct pattern {
    char *bytes;
    size_t len;
    size_t secret_len; // of the value that it is a form of
    uint32_t next;     // index + 1 in the same bucket; longest first
};

struct redactor {
    struct pattern *patterns;
    size_t count, room;
    size_t adding;     // length of the value whose forms are being added
    uint32_t *buckets; // by the first two bytes: index + 1, 0 for none
};

struct redactor *redactor_new(void)
{
    return ist_calloc(1, sizeof(struct redactor));
}

void redactor_free(struct redactor *redactor)
{
    if (!redactor)
        return;
    for (size_t i = 0; i < redactor->count; i++) {
        explicit_bzero(redactor->patterns[i].bytes, redactor->patterns[i].len);
        ist_free(redactor->patterns[i].bytes);
    }
    ist_free(redactor->patterns);
    ist_free(redactor->buckets);
    ist_free(redactor);
}

static uint32_t *bucket_of(const struct redactor *redactor, const char *bytes)
{
    return &redactor->buckets[(size_t)(unsigned char)bytes[0] << 8 | (unsigned char)bytes[1]];
}

static void add_pattern(struct redactor *redactor, const char *bytes, size_t len)
{
    if (len < REDACT_MINIMUM)
        return;
    if (!redactor->buckets)
        redactor->buckets = ist_calloc(BUCKETS, sizeof(*redactor->buckets));
    uint32_t *link = bucket_of(redactor, bytes);
    while (*link && redactor->patterns[*link - 1].len >= len) {
        const struct pattern *known = &redactor->patterns[*link - 1];
        if (known->len == len && memcmp(known->bytes, bytes, len) == 0)
            return;
        link = &redactor->patterns[*link - 1].next;
    }
    uint32_t next = *link;
    *link = (uint32_t)redactor->count + 1;
    if (redactor->count == redactor->room) {
        redactor->room = redactor->room ? 2 * redactor->room : 32;
        redactor->patterns = ist_realloc(redactor->patterns, redactor->room, sizeof(*redactor->patterns));
    }
    char *copy = ist_malloc(len + 1);
    memcpy(copy, bytes, len);
    copy[len] = '\0';
    redactor->patterns[redactor->count++] =
        (struct pattern){.bytes = copy, .len = len, .secret_len = redactor->adding, .next = next};
}

static void add_buf(struct redactor *redactor, ist_buf *buf)
{
    if (buf->len)
        add_pattern(redactor, buf->data, buf->len);
    if (buf->data)
        explicit_bzero(buf->data, buf->room);
    ist_buf_free(buf);
}

static void add_json(struct redactor *redactor, const char *value, size_t len, size_t flags)
{
    json_t *string = json_stringn_nocheck(value, len);
    char *dumped = json_dumps(string, JSON_ENCODE_ANY | flags);
    if (dumped && strlen(dumped) > 2) {
        add_pattern(redactor, dumped + 1, strlen(dumped) - 2);
        explicit_bzero(dumped, strlen(dumped));
    }
    free(dumped);
    json_decref(string);
}

// `quote`: how ' is written, which differs between writers.
static void add_xml(struct redactor *redactor, const char *value, size_t len, const char *quote,
                    bool double_quote)
{
    ist_buf buf = {0};
    for (size_t i = 0; i < len; i++) {
        switch (value[i]) {
        case '&':
            ist_buf_puts(&buf, "&amp;");
            break;
        case '<':
            ist_buf_puts(&buf, "&lt;");
            break;
        case '>':
            ist_buf_puts(&buf, "&gt;");
            break;
        case '"':
            ist_buf_puts(&buf, double_quote ? "&quot;" : "\"");
            break;
        case '\'':
            ist_buf_puts(&buf, quote);
            break;
        default:
            ist_buf_add(&buf, &value[i], 1);
        }
    }
    add_buf(redactor, &buf);
}

static void add_percent(struct redactor *redactor, const char *value, size_t len, const char *digits,
                        const char *plain, bool plus)
{
    ist_buf buf = {0};
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)value[i];
        if (isalnum(c) || strchr("-._~", c) || strchr(plain, c))
            ist_buf_add(&buf, &value[i], 1);
        else if (c == ' ' && plus)
            ist_buf_puts(&buf, "+");
        else
            ist_buf_printf(&buf, "%%%c%c", digits[c >> 4], digits[c & 15]);
    }
    add_buf(redactor, &buf);
}

// What the value leaves in base64 when `before` bytes (0 to 2) stand in front of it in the same group: the
// characters that depend on the value alone.
static void add_base64(struct redactor *redactor, const char *value, size_t len, size_t before,
                       const char *extra)
{
    static const char common[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    size_t first = (8 * before + 5) / 6, end = 8 * (before + len) / 6;
    ist_buf buf = {0};
    for (size_t i = first; i < end; i++) {
        uint32_t bits = 0;
        for (size_t b = 0; b < 6; b++) {
            size_t bit = 6 * i + b - 8 * before;
            bits = bits << 1 | ((uint32_t)(unsigned char)value[bit / 8] >> (7 - bit % 8) & 1u);
        }
        char c = bits < 62 ? common[bits] : extra[bits - 62];
        ist_buf_add(&buf, &c, 1);
    }
    add_buf(redactor, &buf);
}

static void add_forms(struct redactor *redactor, const char *value, size_t len)
{
    static const char upper[] = "0123456789ABCDEF", lower[] = "0123456789abcdef";
    add_pattern(redactor, value, len);
    add_json(redactor, value, len, 0);
    add_json(redactor, value, len, JSON_ENSURE_ASCII);
    add_json(redactor, value, len, JSON_ESCAPE_SLASH);
    add_xml(redactor, value, len, "&apos;", true);
    add_xml(redactor, value, len, "&#39;", true);
    add_xml(redactor, value, len, "'", false);
    const char *const plain[] = {"", "/", "/:@!$&'()*+,;="};
    for (size_t i = 0; i < 3; i++) {
        add_percent(redactor, value, len, upper, plain[i], false);
        add_percent(redactor, value, len, lower, plain[i], false);
        add_percent(redactor, value, len, upper, plain[i], true);
    }
    for (size_t before = 0; before < 3; before++) {
        add_base64(redactor, value, len, before, "+/");
        add_base64(redactor, value, len, before, "-_");
    }
}

// Does a line of a longer secret tell something by itself? Key material does; "apiVersion: v1" does not.
static bool material(const char *line, size_t len)
{
    if (len < 20)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)line[i]) && !strchr("+/=_-", line[i]))
            return false;
    return line[0] != '-';
}

static void add_lines(struct redactor *redactor, const char *value, size_t len)
{
    char *flat = ist_strndup(value, len);
    for (char *c = flat; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
    add_pattern(redactor, flat, strlen(flat));
    explicit_bzero(flat, strlen(flat));
    ist_free(flat);
    size_t start = 0;
    for (size_t i = 0; i <= len; i++) {
        // A line, or a word of one: "client-key-data: LS0tLS1CRUdJTi..."
        if (i < len && !strchr("\n\r\t \"',:", value[i]))
            continue;
        if (material(value + start, i - start))
            add_pattern(redactor, value + start, i - start);
        start = i + 1;
    }
}

void redactor_add(struct redactor *redactor, const char *value, size_t len)
{
    // What a file or a command gave usually ends with a newline that is no part of the secret.
    while (len && (value[len - 1] == '\n' || value[len - 1] == '\r'))
        len--;
    if (len < REDACT_MINIMUM)
        return;
    redactor->adding = len;
    add_forms(redactor, value, len);
    if (memchr(value, '\n', len))
        add_lines(redactor, value, len);
}

static size_t match(const struct redactor *redactor, const char *at, size_t left, size_t shortest)
{
    if (left < REDACT_MINIMUM)
        return 0;
    for (uint32_t i = *bucket_of(redactor, at); i; i = redactor->patterns[i - 1].next) {
        const struct pattern *pattern = &redactor->patterns[i - 1];
        if (pattern->len <= left && pattern->secret_len >= shortest &&
            memcmp(pattern->bytes, at, pattern->len) == 0)
            return pattern->len;
    }
    return 0;
}

// The text without secrets, or NULL when there is none in it.
static char *clean(const struct redactor *redactor, const char *text, size_t len, size_t shortest)
{
    if (!redactor->count)
        return NULL;
    ist_buf buf = {.max = SIZE_MAX / 2};
    size_t copied = 0;
    for (size_t i = 0; i < len;) {
        size_t found = match(redactor, text + i, len - i, shortest);
        if (!found) {
            i++;
            continue;
        }
        ist_buf_add(&buf, text + copied, i - copied);
        ist_buf_puts(&buf, REDACTED);
        copied = i += found;
    }
    if (!copied)
        return NULL;
    ist_buf_add(&buf, text + copied, len - copied);
    return ist_buf_take(&buf);
}

char *redactor_text(const struct redactor *redactor, const char *text)
{
    char *cleaned = clean(redactor, text, strlen(text), 0);
    return cleaned ? cleaned : ist_strdup(text);
}

bool redactor_finds(const struct redactor *redactor, const char *text)
{
    char *cleaned = clean(redactor, text, strlen(text), 0);
    ist_free(cleaned);
    return cleaned != NULL;
}

static json_t *clean_scalar(const struct redactor *redactor, json_t *json, size_t shortest)
{
    char *cleaned = NULL;
    if (json_is_string(json)) {
        cleaned = clean(redactor, json_string_value(json), json_string_length(json), shortest);
    } else if (json_is_number(json)) {
        char *number = json_dumps(json, JSON_ENCODE_ANY);
        cleaned = number ? clean(redactor, number, strlen(number), shortest) : NULL;
        free(number);
    }
    if (!cleaned)
        return json_incref(json);
    json_t *made = json_string_nocheck(cleaned);
    ist_free(cleaned);
    return made;
}

static json_t *clean_object(const struct redactor *redactor, json_t *json, size_t shortest)
{
    json_t *made = json_object(), *child;
    const char *key;
    bool changed = false;
    json_object_foreach(json, key, child)
    {
        char *name = clean(redactor, key, strlen(key), shortest);
        json_t *value = redactor_json_over(redactor, child, shortest);
        changed = changed || name || value != child;
        json_object_set_new_nocheck(made, name ? name : key, value);
        ist_free(name);
    }
    if (changed)
        return made;
    json_decref(made);
    return json_incref(json);
}

static json_t *clean_array(const struct redactor *redactor, json_t *json, size_t shortest)
{
    json_t *made = json_array(), *child;
    size_t i;
    bool changed = false;
    json_array_foreach(json, i, child)
    {
        json_t *value = redactor_json_over(redactor, child, shortest);
        changed = changed || value != child;
        json_array_append_new(made, value);
    }
    if (changed)
        return made;
    json_decref(made);
    return json_incref(json);
}

json_t *redactor_json_over(const struct redactor *redactor, json_t *json, size_t shortest)
{
    if (!redactor->count)
        return json_incref(json);
    if (json_is_object(json))
        return clean_object(redactor, json, shortest);
    if (json_is_array(json))
        return clean_array(redactor, json, shortest);
    return clean_scalar(redactor, json, shortest);
}

json_t *redactor_json(const struct redactor *redactor, json_t *json)
{
    return redactor_json_over(redactor, json, 0);
}
