// Loads a plugin into this process and checks its descriptor before anything of it is believed. The order:
// ELF, entry, magic, major, size, required operations, name, tables, role; each refusal names what was
// expected and what was found.
#ifndef CORE_HOST_LOADER_H
#define CORE_HOST_LOADER_H

#include <isthmus/error.h>
#include <isthmus/plugin.h>
#include <jansson.h>

struct module {
    void *handle;
    const ist_plugin *plugin;
};

// Loads PATH, which has to be the plugin `name` (NULL: what the file's name says). 0, or a code with *err.
int module_open(const char *path, const char *name, struct module *module, ist_error *err);
void module_close(struct module *module);
// The checks alone, of a descriptor that is there.
int descriptor_check(const ist_plugin *plugin, const char *name, ist_error *err);
// The descriptor as data: {name, version, build, doc, role, role_version, abi: [major, minor], record_version, flags,
// inputs: [{name, type, def, flags, since, doc}], outputs, commands, permissions, operations: [names]}. A new
// reference.
json_t *descriptor_json(const ist_plugin *plugin);
// "csr-dmvpn" of ".../csr-dmvpn.so"; the caller's (ist_free).
char *plugin_name_of_path(const char *path);

#endif
