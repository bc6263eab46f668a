// Loads one plugin: the file, its entry, its descriptor.
#include "host/loader.h"

#include "host/runner.h"

#include <isthmus/alloc.h>

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

// ---- the build id

static char *hex_of(const unsigned char *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    char *text = ist_malloc(len * 2 + 1);
    for (size_t i = 0; i < len; i++) {
        text[i * 2] = digits[bytes[i] >> 4];
        text[i * 2 + 1] = digits[bytes[i] & 15];
    }
    text[len * 2] = '\0';
    return text;
}

// A note of type NT_GNU_BUILD_ID among those in `notes`; NULL when there is none.
static char *build_id_in(const unsigned char *notes, size_t len)
{
    size_t at = 0;
    while (len - at >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr note;
        memcpy(&note, notes + at, sizeof(note));
        size_t name = at + sizeof(note), desc = name + ((size_t)note.n_namesz + 3) / 4 * 4;
        size_t end = desc + ((size_t)note.n_descsz + 3) / 4 * 4;
        if (end > len || desc < name)
            return NULL;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && !memcmp(notes + name, "GNU", 4))
            return hex_of(notes + desc, note.n_descsz);
        at = end;
    }
    return NULL;
}

static char *build_id_of(int fd, const Elf64_Ehdr *head)
{
    unsigned char notes[4096];
    char *id = NULL;
    for (unsigned i = 0; !id && i < head->e_phnum; i++) {
        Elf64_Phdr segment;
        off_t at = (off_t)(head->e_phoff + (uint64_t)i * sizeof(segment));
        if (pread(fd, &segment, sizeof(segment), at) != (ssize_t)sizeof(segment))
            break;
        if (segment.p_type != PT_NOTE || segment.p_filesz > sizeof(notes))
            continue;
        ssize_t n = pread(fd, notes, segment.p_filesz, (off_t)segment.p_offset);
        if (n > 0)
            id = build_id_in(notes, (size_t)n);
    }
    return id ? id : ist_strdup("");
}

char *elf_build_id(const char *path, ist_error *err)
{
    Elf64_Ehdr head;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        ist_fail(err, IST_ERR_NOT_FOUND, path, "%s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    char *id = NULL;
    ssize_t n = S_ISREG(st.st_mode) ? pread(fd, &head, sizeof(head), 0) : 0;
    if (n < (ssize_t)sizeof(head) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0)
        ist_fail(err, IST_ERR_INTERNAL, path, "file: expected an ELF shared object, found something else");
    else if (head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_type != ET_DYN ||
             head.e_phentsize != sizeof(Elf64_Phdr))
        ist_fail(err, IST_ERR_INTERNAL, path,
                 "file: expected a 64-bit ELF shared object, found class %u type %u", head.e_ident[EI_CLASS],
                 head.e_type);
    else
        id = build_id_of(fd, &head);
    close(fd);
    return id;
}
