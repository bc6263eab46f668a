// Loads one plugin: the file, its entry, its descriptor.
#include "host/loader.h"

#include "host/elf.h"
#include "host/runner.h"

#include <isthmus/alloc.h>

#include <dlfcn.h>
#include <string.h>

char *plugin_name_of_path(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    size_t len = strlen(base);
    return ist_strndup(base, len > 3 && !strcmp(base + len - 3, ".so") ? len - 3 : len);
}

int module_open(const char *path, const char *name, struct module *module, ist_error *err)
{
    char *own = name ? ist_strdup(name) : plugin_name_of_path(path);
    // A name without a slash would be looked for in the system's library folders.
    char *file = strchr(path, '/') ? ist_strdup(path) : ist_printf("./%s", path);
    struct module found = {0};
    int rc = 0;
    char *id = elf_build_id(file, err);
    if (!id) {
        rc = IST_ERR_INTERNAL;
        goto out;
    }
    found.handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!found.handle) {
        rc = ist_fail(err, IST_ERR_INTERNAL, own, "cannot be loaded: %s", dlerror());
        goto out;
    }
    // A function's address comes out of dlsym as an object's: stored through the pointer, as POSIX has it.
    ist_plugin_entry_fn *entry;
    *(void **)&entry = dlsym(found.handle, "ist_plugin_entry");
    if (!entry) {
        rc = ist_fail(err, IST_ERR_INTERNAL, own, "entry: expected the symbol ist_plugin_entry, found none");
        goto out;
    }
    found.plugin = entry(runner_host());
    rc = descriptor_check(found.plugin, own, err);
out:
    if (rc)
        module_close(&found);
    else
        *module = found;
    ist_free(id);
    ist_free(file);
    ist_free(own);
    return rc;
}

void module_close(struct module *module)
{
    if (module->handle)
        dlclose(module->handle);
    module->handle = NULL;
    module->plugin = NULL;
}
