// A reader of what API servers write: compact JSON without rarities, three times as fast as the general one, which
// reads whatever this one passes up. managedFields are half of what a server says of an object, and nobody here reads
// them: they are passed over.
#include "internal.h"

#include <string.h>

#define DEEPEST 4   // of a watch event: {object: {metadata: {managedFields: ...}}}
#define KEY_MAX 320 // a label's key has at most 317

struct reader {
    const char *at, *end;
    char *scratch; // a string with escapes, unescaped
    size_t room;
    const char *const *unread;         // names of members that are passed over outside of metadata, or NULL
    const char *managed, *managed_end; // the elements of managedFields that were passed over last, or NULL
};

static json_t *read_value(struct reader *r, int depth, int metadata);

// Behind the string that begins at `at`, which is a quote; NULL: it does not end.
static const char *behind_string(const char *at, const char *end)
{
    for (at = kube_string_stop(at + 1, end); at < end && *at != '"'; at = kube_string_stop(at, end))
        at += end - at > 1 ? 2 : 1;
    return at < end ? at + 1 : NULL;
}

// Behind the array or object that begins at `at`; NULL: it does not end.
static const char *behind_brackets(const char *at, const char *end)
{
    int depth = 0;
    while (at && at < end) {
        char c = *at;
        if (c == '"') {
            at = behind_string(at, end);
            continue;
        }
        at++;
        if (c == '[' || c == '{')
            depth++;
        else if ((c == ']' || c == '}') && --depth == 0)
            return at;
    }
    return NULL;
}

static int is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static char next(struct reader *r)
{
    while (r->at < r->end && is_space(*r->at))
        r->at++;
    return r->at < r->end ? *r->at : '\0';
}

static int take(struct reader *r, char c)
{
    if (next(r) != c || r->at == r->end)
        return 0;
    r->at++;
    return 1;
}

static int take_word(struct reader *r, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0)
        return 0;
    r->at += len;
    return 1;
}

// What a backslash before `c` means; 0: more than one character, or nothing.
static char unescaped(char c)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *found = c ? strchr(from, c) : NULL;
    return found ? to[found - from] : '\0';
}

static int unescape(struct reader *r, const char *text, size_t len, size_t *n)
{
    if (r->room < len) {
        r->room = len + 256;
        r->scratch = ist_realloc(r->scratch, r->room, 1);
    }
    *n = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '\\' && !(c = unescaped(text[++i]))) // the quote behind it ends what could be passed
            return 0;
        r->scratch[(*n)++] = c;
    }
    return 1;
}

// A string; borrowed until the next. 0: none, or one that is rare.
static int take_string(struct reader *r, const char **text, size_t *len, int *plain)
{
    const char *from = r->at + 1, *at = from;
    int escapes = 0;
    unsigned char seen = 0;
    for (; at < r->end && *at != '"'; at++) {
        unsigned char c = (unsigned char)*at;
        if (c < 0x20)
            return 0;
        seen |= c;
        if (c == '\\') {
            escapes = 1;
            at++;
        }
    }
    if (at >= r->end)
        return 0;
    r->at = at + 1;
    *text = from;
    *len = (size_t)(at - from);
    *plain = seen < 0x80 && !escapes;
    if (!escapes)
        return 1;
    if (!unescape(r, from, *len, len))
        return 0;
    *text = r->scratch;
    return 1;
}

static json_t *read_string(struct reader *r)
{
    const char *text;
    size_t len;
    int plain;
    if (!take_string(r, &text, &len, &plain))
        return NULL;
    return plain ? json_stringn_nocheck(text, len) : json_stringn(text, len);
}

static json_t *read_number(struct reader *r)
{
    const char *from = r->at;
    int negative = *r->at == '-';
    json_int_t value = 0;
    for (r->at += negative; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++)
        if (r->at - from < 18)
            value = 10 * value + (*r->at - '0');
    size_t digits = (size_t)(r->at - from) - (size_t)negative;
    int zeros = digits > 1 && from[negative] == '0', more = r->at < r->end && strchr(".eE", *r->at) && *r->at;
    return digits == 0 || digits > 17 || zeros || more ? NULL : json_integer(negative ? -value : value);
}

static int is_unread(const struct reader *r, const char *key)
{
    for (const char *const *name = r->unread; name && *name; name++)
        if (!strcmp(*name, key))
            return 1;
    return 0;
}

static int pass_over(struct reader *r)
{
    char c = next(r);
    if (c == '"')
        r->at = behind_string(r->at, r->end);
    else if (c == '[' || c == '{')
        r->at = behind_brackets(r->at, r->end);
    else
        while (r->at < r->end && !strchr(",}]", *r->at))
            r->at++;
    return r->at && r->at < r->end;
}

// The value of a member. In metadata the names of members are anybody's: there all are read.
static json_t *read_member(struct reader *r, const char *key, int depth)
{
    const char *const *unread = r->unread;
    int metadata = !strcmp(key, "metadata");
    if (metadata)
        r->unread = NULL;
    json_t *value = read_value(r, depth, metadata && depth < DEEPEST);
    r->unread = unread;
    return value;
}

static int read_members(struct reader *r, json_t *object, int depth, int metadata)
{
    char key[KEY_MAX];
    size_t members = 0;
    for (int more = !take(r, '}'); more; more = take(r, ',')) {
        const char *text;
        size_t len;
        int plain;
        if (next(r) != '"' || !take_string(r, &text, &len, &plain) || !plain || len >= KEY_MAX)
            return 0;
        memcpy(key, text, len);
        key[len] = '\0';
        if (!take(r, ':'))
            return 0;
        if (next(r) == '[' && metadata && !strcmp(key, "managedFields")) {
            r->at = behind_brackets(r->at, r->end);
            if (!r->at)
                return 0;
        } else if (is_unread(r, key)) {
            if (!pass_over(r))
                return 0;
        } else {
            json_t *value = read_member(r, key, depth);
            if (!value || json_object_set_new_nocheck(object, key, value) != 0)
                return 0;
            members++;
        }
        if (next(r) == '}') {
            r->at++;
            return members == json_object_size(object); // else a key stands there twice
        }
    }
    return members == 0 && json_object_size(object) == 0 && r->at[-1] == '}';
}

static int read_elements(struct reader *r, json_t *array, int depth)
{
    if (take(r, ']'))
        return 1;
    do {
        json_t *value = read_value(r, depth, 0);
        if (!value || json_array_append_new(array, value) != 0)
            return 0;
    } while (take(r, ','));
    return take(r, ']');
}

static json_t *read_value(struct reader *r, int depth, int metadata)
{
    char c = next(r);
    json_t *made = NULL;
    if (c == '"')
        return read_string(r);
    if ((c == '{' || c == '[') && depth < (int)IST_JSON_MAX_DEPTH) {
        r->at++;
        made = c == '{' ? json_object() : json_array();
        if (c == '{' ? read_members(r, made, depth + 1, metadata) : read_elements(r, made, depth + 1))
            return made;
        json_decref(made);
        return NULL;
    }
    if (c == 't' && take_word(r, "true"))
        return json_true();
    if (c == 'f' && take_word(r, "false"))
        return json_false();
    if (c == 'n' && take_word(r, "null"))
        return json_null();
    return c == '-' || (c >= '0' && c <= '9') ? read_number(r) : NULL;
}

// ---- skimming ----

static int skim_value(struct reader *r, int depth, uint64_t *digest);

static int skim_key(struct reader *r, const char **key, size_t *len)
{
    int plain;
    return next(r) == '"' && take_string(r, key, len, &plain) && plain && take(r, ':');
}

static int skim_members(struct reader *r, int depth, uint64_t *digest)
{
    uint64_t sum = kube_digest_type(JSON_OBJECT), value;
    const char *key;
    size_t len;
    if (!take(r, '}')) {
        do {
            if (!skim_key(r, &key, &len) || !skim_value(r, depth, &value))
                return 0;
            sum += kube_digest_member(key, len, value);
        } while (take(r, ','));
        if (!take(r, '}'))
            return 0;
    }
    *digest = kube_digest_stir(sum);
    return 1;
}

static int skim_elements(struct reader *r, int depth, uint64_t *digest)
{
    uint64_t sum = kube_digest_type(JSON_ARRAY), value;
    if (!take(r, ']')) {
        do {
            if (!skim_value(r, depth, &value))
                return 0;
            sum = kube_digest_stir(sum ^ value);
        } while (take(r, ','));
        if (!take(r, ']'))
            return 0;
    }
    *digest = kube_digest_stir(sum);
    return 1;
}

static int skim_value(struct reader *r, int depth, uint64_t *digest)
{
    char c = next(r);
    if ((c == '{' || c == '[') && depth < (int)IST_JSON_MAX_DEPTH) {
        r->at++;
        return c == '{' ? skim_members(r, depth + 1, digest) : skim_elements(r, depth + 1, digest);
    }
    if (c == '"') {
        const char *text;
        size_t len;
        int plain;
        if (!take_string(r, &text, &len, &plain) || !plain)
            return 0;
        *digest = kube_digest_string(text, len);
        return 1;
    }
    json_t *value = read_value(r, depth, 0);
    if (value)
        *digest = kube_digest(value);
    json_decref(value);
    return value != NULL;
}

static int skim_object(struct reader *r, json_t *head, uint64_t *sum)
{
    const char *key;
    size_t len;
    do {
        uint64_t value = 0;
        if (!skim_key(r, &key, &len))
            return 0;
        if (len == 8 && !memcmp(key, "metadata", len)) {
            json_t *metadata = next(r) == '{' ? read_value(r, 1, 1) : NULL;
            if (!metadata || json_object_get(head, "metadata"))
                return json_decref(metadata), 0;
            json_object_set_new(head, "metadata", metadata);
            value = kube_digest_metadata(metadata);
        } else if (!skim_value(r, 1, &value)) {
            return 0;
        }
        int is_said =
            (len == 10 && !memcmp(key, "apiVersion", len)) || (len == 4 && !memcmp(key, "kind", len));
        if (!is_said && (len != 6 || memcmp(key, "status", len) != 0))
            *sum += kube_digest_member(key, len, value);
    } while (take(r, ','));
    return take(r, '}') && json_object_get(head, "metadata");
}

int kube_skim(const char *text, size_t len, const char *api, const char *kind, json_t **head,
              uint64_t *digest)
{
    struct reader r = {.at = text, .end = text + len};
    uint64_t sum = kube_digest_head(api, kind);
    json_t *made = json_object();
    json_object_set_new(made, "apiVersion", json_string(api));
    json_object_set_new(made, "kind", json_string(kind));
    int plain = len <= IST_JSON_MAX_SIZE && take(&r, '{') && skim_object(&r, made, &sum);
    plain = plain && (next(&r), r.at == r.end);
    ist_free(r.scratch);
    if (!plain) {
        json_decref(made);
        return 0;
    }
    *head = made;
    *digest = kube_digest_stir(sum);
    return 1;
}

// ---- labels ----

// The value of a label, behind its key: borrowed, by length; NULL where it is no plain text.
static int take_label(struct reader *r, const char **value, size_t *len)
{
    int plain;
    return next(r) == '"' && take_string(r, value, len, &plain) && plain;
}

struct sought {
    const char *label, *value; // value: NULL until it is found
    size_t value_len;
};

// Takes the value of one member.
typedef int take_member(struct reader *r, const char *key, size_t len, struct sought *sought);

static int walk(struct reader *r, take_member *take_one, struct sought *sought)
{
    const char *key;
    size_t len;
    if (!take(r, '{') || take(r, '}'))
        return r->at[-1] == '}';
    do {
        if (!skim_key(r, &key, &len) || !take_one(r, key, len, sought))
            return 0;
    } while (take(r, ','));
    return take(r, '}');
}

static int take_one_label(struct reader *r, const char *key, size_t len, struct sought *sought)
{
    int found = len == strlen(sought->label) && !memcmp(key, sought->label, len);
    return found ? take_label(r, &sought->value, &sought->value_len) : pass_over(r);
}

static int take_of_metadata(struct reader *r, const char *key, size_t len, struct sought *sought)
{
    if (len == 6 && !memcmp(key, "labels", len))
        return walk(r, take_one_label, sought);
    int managed = len == 13 && !memcmp(key, "managedFields", len) && next(r) == '[';
    const char *from = r->at + 1;
    if (!pass_over(r))
        return 0;
    if (managed) {
        r->managed = from;
        r->managed_end = r->at - 1;
    }
    return 1;
}

int kube_find_label(const char *text, size_t len, const char *label, const char **value, size_t *value_len,
                    size_t *from, size_t *to)
{
    struct reader r = {.at = text, .end = text + len};
    struct sought sought = {.label = label};
    int plain = len <= IST_JSON_MAX_SIZE && take(&r, '{'), heads = 0;
    while (plain) {
        const char *key;
        size_t n;
        plain = skim_key(&r, &key, &n);
        if (plain && n == 8 && !memcmp(key, "metadata", n))
            plain = ++heads == 1 && walk(&r, take_of_metadata, &sought);
        else if (plain)
            plain = pass_over(&r);
        if (!plain || !take(&r, ','))
            break;
    }
    plain = plain && heads && take(&r, '}') && (next(&r), r.at == r.end);
    ist_free(r.scratch);
    if (!plain)
        return 0;
    *value = sought.value;
    *value_len = sought.value_len;
    *from = r.managed ? (size_t)(r.managed - text) : 0;
    *to = r.managed ? (size_t)(r.managed_end - text) : 0;
    return 1;
}

int32_t kube_parse_slim(const char *text, size_t len, const char *where, json_t **json, ist_error *err)
{
    return kube_parse_without(text, len, NULL, where, json, err);
}

int32_t kube_parse_without(const char *text, size_t len, const char *const *unread, const char *where,
                           json_t **json, ist_error *err)
{
    struct reader r = {.at = text, .end = text + len, .unread = unread};
    json_t *made = len <= IST_JSON_MAX_SIZE && next(&r) == '{' ? read_value(&r, 0, 0) : NULL;
    if (made && (next(&r), r.at != r.end)) { // something behind it
        json_decref(made);
        made = NULL;
    }
    ist_free(r.scratch);
    if (!made)
        return ist_json_parse(text, len, where, json, err);
    *json = made;
    return IST_OK;
}
