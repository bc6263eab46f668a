// What a plugin's file says of itself.
#include "host/elf.h"

#include "host/value.h"

#include <isthmus/alloc.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

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

// Opens it and reads its head: a descriptor, or -1 with *err.
static int open_elf(const char *path, Elf64_Ehdr *head, struct stat *st, ist_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    *head = (Elf64_Ehdr){0};
    *st = (struct stat){0};
    if (fd < 0 || fstat(fd, st) < 0) {
        ist_fail(err, IST_ERR_NOT_FOUND, path, "%s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    ssize_t n = S_ISREG(st->st_mode) ? pread(fd, head, sizeof(*head), 0) : 0;
    int rc = 0;
    if (n < (ssize_t)sizeof(*head) || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0)
        rc = ist_fail(err, IST_ERR_INTERNAL, path,
                      "file: expected an ELF shared object, found something else");
    else if (head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_type != ET_DYN ||
             head->e_phentsize != sizeof(Elf64_Phdr))
        rc = ist_fail(err, IST_ERR_INTERNAL, path,
                      "file: expected a 64-bit ELF shared object, found class %u type %u",
                      head->e_ident[EI_CLASS], head->e_type);
    if (rc) {
        close(fd);
        return -1;
    }
    return fd;
}

char *elf_build_id(const char *path, ist_error *err)
{
    Elf64_Ehdr head;
    struct stat st;
    int fd = open_elf(path, &head, &st, err);
    if (fd < 0)
        return NULL;
    char *id = build_id_of(fd, &head);
    close(fd);
    return id;
}

// ---- what it exports

// `count` items of `size` at `offset` lie within the file.
static bool within(size_t file, uint64_t offset, uint64_t count, uint64_t size)
{
    return offset <= file && count <= (file - offset) / (size ? size : 1);
}

static bool is_offered(const Elf64_Sym *symbol)
{
    unsigned bind = ELF64_ST_BIND(symbol->st_info), type = ELF64_ST_TYPE(symbol->st_info);
    return symbol->st_shndx != SHN_UNDEF && (bind == STB_GLOBAL || bind == STB_WEAK) && type != STT_SECTION &&
           ELF64_ST_VISIBILITY(symbol->st_other) == STV_DEFAULT;
}

static void take_symbols(const unsigned char *map, size_t size, const Elf64_Shdr *dynsym,
                         const Elf64_Shdr *strings, json_t *names)
{
    uint64_t count = dynsym->sh_size / sizeof(Elf64_Sym);
    if (!within(size, dynsym->sh_offset, count, sizeof(Elf64_Sym)) ||
        !within(size, strings->sh_offset, strings->sh_size, 1))
        return;
    for (uint64_t i = 1; i < count; i++) {
        Elf64_Sym symbol;
        memcpy(&symbol, map + dynsym->sh_offset + i * sizeof(symbol), sizeof(symbol));
        if (!is_offered(&symbol) || symbol.st_name >= strings->sh_size)
            continue;
        const char *name = (const char *)map + strings->sh_offset + symbol.st_name;
        char *text = ist_strndup(name, strings->sh_size - symbol.st_name);
        json_array_append_new(names, value_text(text, 0));
        ist_free(text);
    }
}

json_t *elf_exports(const char *path, ist_error *err)
{
    Elf64_Ehdr head;
    struct stat st;
    int fd = open_elf(path, &head, &st, err);
    if (fd < 0)
        return NULL;
    size_t size = (size_t)st.st_size;
    unsigned char *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (map == MAP_FAILED) {
        ist_fail(err, IST_ERR_INTERNAL, path, "%s", strerror(errno));
        return NULL;
    }
    json_t *names = json_array();
    if (within(size, head.e_shoff, head.e_shnum, sizeof(Elf64_Shdr)))
        for (unsigned i = 0; i < head.e_shnum; i++) {
            Elf64_Shdr section, strings;
            memcpy(&section, map + head.e_shoff + i * sizeof(section), sizeof(section));
            if (section.sh_type != SHT_DYNSYM || section.sh_link >= head.e_shnum)
                continue;
            memcpy(&strings, map + head.e_shoff + section.sh_link * sizeof(strings), sizeof(strings));
            take_symbols(map, size, &section, &strings, names);
        }
    munmap(map, size);
    return names;
}
