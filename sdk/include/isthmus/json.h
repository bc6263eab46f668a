// isthmus/json.h: jansson, strict and capped, and paths into trees.
#ifndef ISTHMUS_JSON_H
#define ISTHMUS_JSON_H

#include <isthmus/error.h>
#include <jansson.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IST_JSON_MAX_DEPTH 64
#define IST_JSON_MAX_SIZE  (16u << 20)

// Parses one document: no duplicate keys, no NUL in keys, depth and size capped. `where` names it in errors.
IST_EXPORT int32_t ist_json_parse(const char *text, size_t len, const char *where, json_t **json,
                                  ist_error *err);
IST_EXPORT char *ist_json_text(const json_t *json); // compact, keys sorted, the caller's (ist_free)

// A path such as "status.loadBalancer.ingress[0].hostname", "metadata.labels.'kubernetes.io/name'".
// Borrowed; NULL when a part is absent or of another kind.
IST_EXPORT json_t *ist_json_at(const json_t *json, const char *path);
IST_EXPORT const char *ist_json_str(const json_t *json, const char *path); // borrowed, NULL when absent
IST_EXPORT const char *ist_json_str_or(const json_t *json, const char *path, const char *otherwise);
IST_EXPORT int64_t ist_json_int(const json_t *json, const char *path, int64_t otherwise);
IST_EXPORT int ist_json_bool(const json_t *json, const char *path, int otherwise);

// A list of texts as a set; what is no list is an empty one, and entries of other kinds are passed over.
IST_EXPORT int ist_json_has(const json_t *list, const char *text);
IST_EXPORT void ist_json_add(json_t *list, const char *text); // once

#ifdef __cplusplus
}
#endif
#endif
