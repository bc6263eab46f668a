// The plugins that can be found, and what their tables say. Descriptors are read by a worker and cached by
// build id, so that `validate` loads nothing twice and a broken plugin cannot take the core with it.
#ifndef CORE_HOST_CATALOG_H
#define CORE_HOST_CATALOG_H

#include <isthmus/plugin.h>
#include <isthmus/error.h>
#include <jansson.h>
#include <stdbool.h>

struct plugin_info {
    char *name, *version, *build, *doc, *role, *path;
    uint32_t role_version, abi_major, abi_minor, record_version, flags;
    ist_field *inputs, *outputs; // owned copies
    size_t input_count, output_count;
    json_t *commands;    // array of {word, name, doc, options: [{name, arg, doc}]}
    json_t *permissions; // array of strings
    bool has_apply, has_verify, has_watch, has_check;
};

struct catalog;
// `dirs` (count of them) are searched before ISTHMUS_PLUGIN_PATH, the build tree the program stands in, and
// the installed folder. `cache` is a file (0600) or NULL.
struct catalog *catalog_new(const char *const *dirs, size_t count, const char *cache);
void catalog_free(struct catalog *catalog);
// Borrowed. NULL with *err: not found (with the nearest name as hint) or refused (expected and found).
const struct plugin_info *catalog_find(struct catalog *catalog, const char *name, ist_error *err);
size_t catalog_names(struct catalog *catalog, const char *const **names); // sorted, borrowed
// Where the file of `name` is, without reading it; NULL: nowhere. The caller's (ist_free).
char *catalog_path(const struct catalog *catalog, const char *name);
// Makes one of descriptor_json() (loader.h). `build_id`: of the file, for a plugin that names no build.
struct plugin_info *plugin_info_new(const json_t *descriptor, const char *path, const char *build_id);
void plugin_info_free(struct plugin_info *info);
const ist_field *plugin_input(const struct plugin_info *info, const char *path);
const ist_field *plugin_output(const struct plugin_info *info, const char *name);

#endif
