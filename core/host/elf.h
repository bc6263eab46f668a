// What a plugin's file says of itself before anything of it runs.
#ifndef CORE_HOST_ELF_H
#define CORE_HOST_ELF_H

#include <isthmus/error.h>
#include <jansson.h>

// The GNU build id of an ELF file in hex, or "" when it has none; the caller's (ist_free). NULL with *err: the
// file cannot be read or is no 64-bit ELF shared object.
char *elf_build_id(const char *path, ist_error *err);
// The names of the symbols that it offers to others: a JSON array, a new reference. NULL with *err.
json_t *elf_exports(const char *path, ist_error *err);

#endif
