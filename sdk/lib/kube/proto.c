// See proto.h. What wire types mean: https://protobuf.dev/programming-guides/encoding/
#include "proto.h"

#include <time.h>

#define DEEPEST  32
#define ITEM_MAX (8u << 20)

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

struct span {
    const unsigned char *at, *end;
};

// One member as it stands there: the bytes of BYTES, or the value of VARINT.
struct member {
    uint64_t number;
    int wire;
    uint64_t value;
    struct span bytes;
};

// Reading one message into JSON.
struct reader {
    const char *const *unread; // see kube_proto_read()
    int depth;
};

// ---- members ----

static int take_varint(struct span *in, uint64_t *value)
{
    uint64_t sum = 0;
    for (unsigned shift = 0; in->at < in->end && shift < 64; shift += 7) {
        unsigned char c = *in->at++;
        sum |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80) {
            *value = sum;
            return 1;
        }
    }
    return 0;
}

static size_t left(const struct span *in)
{
    return (size_t)(in->end - in->at);
}

// 0: none, or it is not there as a whole.
static int take_member(struct span *in, struct member *member)
{
    uint64_t key, len = 0;
    if (!take_varint(in, &key))
        return 0;
    *member = (struct member){.number = key >> 3, .wire = (int)(key & 7)};
    if (member->wire == VARINT)
        return take_varint(in, &member->value);
    if (member->wire == FIXED64 || member->wire == FIXED32)
        len = member->wire == FIXED64 ? 8 : 4;
    else if (member->wire != BYTES || !take_varint(in, &len))
        return 0;
    if (len > left(in))
        return 0;
    member->bytes = (struct span){in->at, in->at + len};
    in->at += len;
    return 1;
}

// Members come in the order of the table: it is looked for from where the last one was.
static const struct kube_proto_field *field_of(const struct kube_proto_field *fields,
                                               const struct kube_proto_field **hint, uint64_t number)
{
    const struct kube_proto_field *at = *hint && (*hint)->number <= number ? *hint : fields;
    while (at->number && at->number < number)
        at++;
    if (at->number != number)
        return NULL;
    *hint = at;
    return at;
}

static int wire_of(const struct kube_proto_field *field)
{
    return field->type == KUBE_PROTO_BOOL || field->type == KUBE_PROTO_INT ? VARINT : BYTES;
}

// ---- values ----

static int is_ascii(const struct span *text)
{
    unsigned char seen = 0, least = 0xff;
    for (const unsigned char *at = text->at; at < text->end; at++) {
        seen |= *at;
        least = *at < least ? *at : least;
    }
    return seen < 0x80 && least > 0;
}

// A server that writes JSON puts U+FFFD for what is no UTF-8; we do the same for every byte beyond ASCII of such a text.
static json_t *mended(const struct span *text)
{
    ist_buf buf = {.max = 3 * ITEM_MAX};
    for (const unsigned char *at = text->at; at < text->end; at++)
        if (*at && *at < 0x80)
            ist_buf_add(&buf, (const char *)at, 1); // below its maximum
        else
            ist_buf_add(&buf, "\xef\xbf\xbd", 3);
    json_t *made = json_stringn_nocheck(buf.data ? buf.data : "", buf.len);
    ist_buf_free(&buf);
    return made;
}

static json_t *text_value(const struct span *text)
{
    const char *at = (const char *)text->at;
    json_t *made = NULL;
    if (is_ascii(text))
        return json_stringn_nocheck(at, left(text));
    if (!memchr(at, '\0', left(text)))
        made = json_stringn(at, left(text));
    return made ? made : mended(text);
}

static json_t *int_value(uint64_t value)
{
    return json_integer((json_int_t)value); // negative ones are sign-extended
}

// Seconds and nanoseconds since 1970; of the latter nothing is written.
static json_t *time_value(struct span in)
{
    struct member member;
    struct tm tm;
    char text[40];
    time_t seconds = 0;
    if (in.at == in.end)
        return json_null();
    while (in.at < in.end) {
        if (!take_member(&in, &member))
            return NULL;
        if (member.number == 1 && member.wire == VARINT)
            seconds = (time_t)member.value;
    }
    if (!gmtime_r(&seconds, &tm) || strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        return NULL;
    return json_string(text);
}

static json_t *int_or_string_value(struct span in)
{
    struct member member;
    uint64_t is_text = 0, number = 0;
    struct span text = {in.at, in.at};
    while (in.at < in.end) {
        if (!take_member(&in, &member))
            return NULL;
        if (member.number == 1 && member.wire == VARINT)
            is_text = member.value;
        else if (member.number == 2 && member.wire == VARINT)
            number = member.value;
        else if (member.number == 3 && member.wire == BYTES)
            text = member.bytes;
    }
    return is_text ? text_value(&text) : int_value(number);
}

// An entry of a map of strings: its key is borrowed.
static int take_entry(struct span in, struct span *key, struct span *value)
{
    struct member member;
    *key = *value = (struct span){in.at, in.at};
    while (in.at < in.end) {
        if (!take_member(&in, &member))
            return 0;
        if (member.number == 1 && member.wire == BYTES)
            *key = member.bytes;
        else if (member.number == 2 && member.wire == BYTES)
            *value = member.bytes;
    }
    return 1;
}

// ---- into JSON ----

static json_t *read_message(struct reader *r, const struct kube_proto_field *fields, struct span in);

static int is_unread(const struct reader *r, const char *name)
{
    for (const char *const *at = r->unread; at && *at; at++)
        if (!strcmp(*at, name))
            return 1;
    return 0;
}

// In metadata the names of members are anybody's: there all are read.
static json_t *read_inner(struct reader *r, const struct kube_proto_field *field, struct span in)
{
    const char *const *unread = r->unread;
    if (!strcmp(field->name, "metadata"))
        r->unread = NULL;
    json_t *made = ++r->depth < DEEPEST ? read_message(r, field->of, in) : NULL;
    r->depth--;
    r->unread = unread;
    return made;
}

static json_t *read_value(struct reader *r, const struct kube_proto_field *field, const struct member *member)
{
    switch (field->type) {
    case KUBE_PROTO_STRING:
        return text_value(&member->bytes);
    case KUBE_PROTO_BOOL:
        return json_boolean(member->value != 0);
    case KUBE_PROTO_INT:
        return int_value(member->value);
    case KUBE_PROTO_TIME:
        return time_value(member->bytes);
    case KUBE_PROTO_INT_OR_STRING:
        return int_or_string_value(member->bytes);
    default:
        return read_inner(r, field, member->bytes);
    }
}

static int read_entry(json_t *object, const char *name, const struct member *member)
{
    struct span key, value;
    json_t *map = json_object_get(object, name);
    if (!take_entry(member->bytes, &key, &value))
        return 0;
    if (!map) {
        map = json_object();
        json_object_set_new_nocheck(object, name, map);
    }
    json_t *text = text_value(&key);
    json_object_set_new(map, json_string_value(text), text_value(&value));
    json_decref(text);
    return 1;
}

static int read_element(json_t *object, const char *name, json_t *value)
{
    json_t *list = json_object_get(object, name);
    if (!json_is_array(list)) {
        list = json_array();
        json_object_set_new_nocheck(object, name, list);
    }
    return json_array_append_new(list, value) == 0;
}

static int is_left_out(const struct kube_proto_field *field, const struct member *member)
{
    if (field->flags & (KUBE_PROTO_GIVEN | KUBE_PROTO_REPEATED))
        return 0;
    return field->type == KUBE_PROTO_STRING ? member->bytes.at == member->bytes.end
                                            : wire_of(field) == VARINT && member->value == 0;
}

static int read_field(struct reader *r, json_t *object, const struct kube_proto_field *field,
                      const struct member *member)
{
    if (field->type == KUBE_PROTO_STRINGS)
        return read_entry(object, field->name, member);
    json_t *value = read_value(r, field, member);
    if (!value)
        return 0;
    if (field->flags & KUBE_PROTO_REPEATED)
        return read_element(object, field->name, value);
    return json_object_set_new_nocheck(object, field->name, value) == 0;
}

static void add_absent(const struct reader *r, json_t *object, const struct kube_proto_field *fields)
{
    for (; fields->number; fields++)
        if (fields->flags & KUBE_PROTO_ALWAYS && !is_unread(r, fields->name) &&
            !json_object_get(object, fields->name))
            json_object_set_new_nocheck(object, fields->name, json_null());
}

static json_t *read_message(struct reader *r, const struct kube_proto_field *fields, struct span in)
{
    json_t *object = json_object();
    const struct kube_proto_field *hint = NULL;
    int plain = 1;
    while (plain && in.at < in.end) {
        struct member member;
        plain = take_member(&in, &member);
        const struct kube_proto_field *field = plain ? field_of(fields, &hint, member.number) : NULL;
        if (field && !is_left_out(field, &member) && !is_unread(r, field->name))
            plain = member.wire == wire_of(field) && read_field(r, object, field, &member);
    }
    if (!plain) {
        json_decref(object);
        return NULL;
    }
    add_absent(r, object, fields);
    return object;
}

static struct span span_of(const char *bytes, size_t len)
{
    return (struct span){(const unsigned char *)bytes, (const unsigned char *)bytes + len};
}

int32_t kube_proto_read(const struct kube_proto_field *fields, const char *bytes, size_t len,
                        const char *const *unread, const char *where, json_t **json, ist_error *err)
{
    struct reader r = {.unread = unread};
    json_t *made = read_message(&r, fields, span_of(bytes, len));
    if (!made)
        return ist_fail(err, IST_ERR_REMOTE, where, "an object in protobuf that is none");
    *json = made;
    return IST_OK;
}

// ---- skimming ----

static int skim_message(const struct kube_proto_field *fields, struct span in, int depth, uint64_t *digest);

static int skim_value(const struct kube_proto_field *field, const struct member *member, int depth,
                      uint64_t *digest)
{
    struct reader none = {0};
    if (field->type == KUBE_PROTO_MESSAGE)
        return depth < DEEPEST && skim_message(field->of, member->bytes, depth + 1, digest);
    if (field->type == KUBE_PROTO_STRING && is_ascii(&member->bytes)) {
        *digest = kube_digest_string((const char *)member->bytes.at, left(&member->bytes));
        return 1;
    }
    json_t *value = field->type == KUBE_PROTO_STRINGS ? NULL : read_value(&none, field, member);
    if (value)
        *digest = kube_digest(value);
    json_decref(value);
    return value != NULL;
}

// What a repeated member or a map has come to so far.
struct run {
    const struct kube_proto_field *field; // NULL: none is under way
    uint64_t sum;
    struct span key; // of a map: the last one; servers write them in order
};

static int is_before(const struct span *a, const struct span *b)
{
    size_t common = left(a) < left(b) ? left(a) : left(b);
    int order = common ? memcmp(a->at, b->at, common) : 0;
    return order ? order < 0 : left(a) < left(b);
}

static void end_run(struct run *run, uint64_t *sum)
{
    if (run->field)
        *sum += kube_digest_member(run->field->name, strlen(run->field->name), kube_digest_stir(run->sum));
    run->field = NULL;
}

static int add_to_run(struct run *run, const struct member *member, int depth)
{
    struct span key, text;
    uint64_t value;
    if (run->field->type != KUBE_PROTO_STRINGS) {
        if (!skim_value(run->field, member, depth, &value))
            return 0;
        run->sum = kube_digest_stir(run->sum ^ value);
        return 1;
    }
    if (!take_entry(member->bytes, &key, &text) || !is_ascii(&key) || !is_ascii(&text))
        return 0;
    if (run->key.at && !is_before(&run->key, &key))
        return 0;
    run->key = key;
    run->sum += kube_digest_member((const char *)key.at, left(&key),
                                   kube_digest_string((const char *)text.at, left(&text)));
    return 1;
}

static int skim_field(const struct kube_proto_field *field, const struct member *member, struct run *run,
                      int depth, uint64_t *sum)
{
    uint64_t value;
    int repeated = field->type == KUBE_PROTO_STRINGS || field->flags & KUBE_PROTO_REPEATED;
    if (member->wire != wire_of(field))
        return 0;
    if (!repeated) {
        if (!skim_value(field, member, depth, &value))
            return 0;
        *sum += kube_digest_member(field->name, strlen(field->name), value);
        return 1;
    }
    if (!run->field) {
        run->field = field;
        run->key.at = NULL;
        run->sum = kube_digest_type(field->type == KUBE_PROTO_STRINGS ? JSON_OBJECT : JSON_ARRAY);
    }
    return add_to_run(run, member, depth);
}

// Members that are always written and did not come, with numbers behind `from` (NULL: any) and before `to` (0: any).
static void add_nulls(const struct kube_proto_field *fields, uint64_t from, uint64_t to, uint64_t *sum)
{
    for (; fields->number && (!to || fields->number < to); fields++)
        if (fields->number > from && fields->flags & KUBE_PROTO_ALWAYS)
            *sum += kube_digest_member(fields->name, strlen(fields->name),
                                       kube_digest_stir(kube_digest_type(JSON_NULL)));
}

// What the members of one message add up to; `but` (may be NULL): without the one of that name.
static int skim_members(const struct kube_proto_field *fields, struct span in, const char *but, int depth,
                        uint64_t *sum)
{
    const struct kube_proto_field *hint = NULL;
    struct run run = {0};
    uint64_t last = 0;
    while (in.at < in.end) {
        struct member member;
        if (!take_member(&in, &member) || member.number < last)
            return 0;
        const struct kube_proto_field *field = field_of(fields, &hint, member.number);
        int again = member.number == last;
        if (!again) {
            end_run(&run, sum);
            add_nulls(fields, last, member.number, sum);
        }
        if (again && !run.field && field)
            return 0; // twice
        last = member.number;
        if (!field || is_left_out(field, &member) || (but && !strcmp(field->name, but)))
            continue;
        if (!skim_field(field, &member, &run, depth, sum))
            return 0;
    }
    end_run(&run, sum);
    add_nulls(fields, last, 0, sum);
    return 1;
}

static int skim_message(const struct kube_proto_field *fields, struct span in, int depth, uint64_t *digest)
{
    uint64_t sum = kube_digest_type(JSON_OBJECT);
    if (!skim_members(fields, in, NULL, depth, &sum))
        return 0;
    *digest = kube_digest_stir(sum);
    return 1;
}

// The metadata of an object, which is its first member; `in` is behind it then.
static int take_metadata(struct span *in, struct span *metadata)
{
    struct member member;
    if (!take_member(in, &member) || member.number != 1 || member.wire != BYTES)
        return 0;
    *metadata = member.bytes;
    return 1;
}

int kube_proto_skim(const struct kube_proto_field *fields, const char *bytes, size_t len, const char *api,
                    const char *kind, json_t **head, uint64_t *digest)
{
    struct span in = span_of(bytes, len), at;
    struct reader r = {0};
    uint64_t sum = kube_digest_head(api, kind);
    json_t *metadata = take_metadata(&in, &at) ? read_message(&r, fields->of, at) : NULL;
    if (!metadata || !skim_members(fields + 1, in, "status", 1, &sum)) {
        json_decref(metadata);
        return 0;
    }
    sum += kube_digest_member("metadata", strlen("metadata"), kube_digest_metadata(metadata));
    *head = json_pack("{s:s, s:s, s:o}", "apiVersion", api, "kind", kind, "metadata", metadata);
    *digest = kube_digest_stir(sum);
    return 1;
}

int kube_proto_find_label(const char *bytes, size_t len, const char *label, const char **value,
                          size_t *value_len)
{
    struct span in = span_of(bytes, len), metadata, key, text;
    struct member member;
    *value = NULL;
    *value_len = 0;
    if (!take_metadata(&in, &metadata))
        return 0;
    while (metadata.at < metadata.end) {
        if (!take_member(&metadata, &member))
            return 0;
        if (member.number != KUBE_PROTO_LABELS || member.wire != BYTES)
            continue;
        if (!take_entry(member.bytes, &key, &text))
            return 0;
        if (left(&key) == strlen(label) && !memcmp(key.at, label, left(&key))) {
            *value = (const char *)text.at;
            *value_len = left(&text);
        }
    }
    return 1;
}
