// Trees of data as plugins see them (plugin.h), and as the core and the wire hold them (jansson).
#ifndef CORE_HOST_VALUE_H
#define CORE_HOST_VALUE_H

#include <isthmus/plugin.h>
#include <jansson.h>
#include <stdbool.h>

// All values of one call; freed at once when the operation has returned.
struct value_pool;
struct value_pool *value_pool_new(void);
void value_pool_free(struct value_pool *pool);

// Makes a value of `json` (borrowed; NULL is null) in the pool. {"$b64": "..."} alone in a map becomes bytes
// when it is base64 of something that is not UTF-8; any other map stays what it is. Of lists and maps within it a
// reference is kept until the pool is freed: they must not change.
ist_value *value_from_json(struct value_pool *pool, const json_t *json);
// The other way, a new reference; NULL when nested over 60 levels. Bytes become {"$b64": "..."}.
json_t *value_to_json(const ist_value *value);

ist_value *value_new(struct value_pool *pool, uint32_t kind);
void value_set_int(ist_value *value, int64_t i);
void value_set_real(ist_value *value, double d);
ist_value *value_new_bytes(struct value_pool *pool, const char *bytes, size_t len);

// Fills the members of the host's table that read values or put them together; the makers need a call.
void value_fill_host(ist_host *host);

// Text of a plugin as a JSON string: what is not UTF-8 shows as U+FFFD; cut at `max` bytes (0: 64 KiB); NULL
// is "".
json_t *value_text(const char *text, size_t max);
bool value_is_utf8(const char *bytes, size_t len);

#endif
