// isthmus/yaml.h: YAML documents as JSON trees (manifests, kubeconfigs). The core's configuration has a
// reader of its own, which keeps lines and columns.
#ifndef ISTHMUS_YAML_H
#define ISTHMUS_YAML_H

#include <isthmus/json.h>

#ifdef __cplusplus
extern "C" {
#endif

// All documents of a stream as a JSON array (empty documents are left out). Duplicate keys, unknown tags,
// more than 64 levels, 16 MiB or 10,000 expanded alias nodes are errors with "name:line:column". YAML 1.2
// core schema: only true/false are booleans.
IST_EXPORT int32_t ist_yaml_parse_all(const char *text, size_t len, const char *name, json_t **documents,
                                      ist_error *err);
IST_EXPORT int32_t ist_yaml_parse(const char *text, size_t len, const char *name, json_t **document,
                                  ist_error *err);
// What an unquoted scalar means: null, bool, int, real or string. New reference; NULL when it is not UTF-8.
IST_EXPORT json_t *ist_yaml_scalar(const char *text);
IST_EXPORT char *ist_yaml_text(const json_t *json); // block style, the caller's (ist_free)

#ifdef __cplusplus
}
#endif
#endif
