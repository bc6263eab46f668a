// A plain driver for fuzz targets, where libFuzzer is not: runs every file of a corpus, and of each a number of
// mutants that depend on nothing but the file, so that a failure comes back.
//     fuzz-x FOLDER-OR-FILE...     (MUTANTS in the environment: how many of each, 200)
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SIZE_MAX_INPUT (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return below ? (uint32_t)(seed >> 33) % below : 0;
}

// Changes, inserts, cuts or repeats something in `bytes`; returns the new size.
static size_t mutate(uint8_t *bytes, size_t size, size_t room)
{
    static const char interesting[] = "{}[]()<>\"'\\&*!|%#:-,\n\t \0\x7f\xff\xc3\x28";
    size_t at = draw((uint32_t)size + 1), len = draw(8) + 1;
    switch (draw(4)) {
    case 0:
        if (at < size)
            bytes[at] = (uint8_t)draw(256);
        return size;
    case 1:
        if (at + len > size)
            return at;
        memmove(bytes + at, bytes + at + len, size - at - len);
        return size - len;
    case 2:
        if (at + len > size || size + len > room)
            return size;
        memmove(bytes + at + len, bytes + at, size - at);
        return size + len;
    default:
        if (size + 1 > room)
            return size;
        memmove(bytes + at + 1, bytes + at, size - at);
        bytes[at] = (uint8_t)interesting[draw(sizeof(interesting) - 1)];
        return size + 1;
    }
}

static int run_file(const char *path, unsigned long mutants)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return 1;
    }
    uint8_t *whole = malloc(SIZE_MAX_INPUT), *mutant = malloc(SIZE_MAX_INPUT);
    if (!whole || !mutant)
        abort();
    size_t size = fread(whole, 1, SIZE_MAX_INPUT / 2, file);
    fclose(file);
    LLVMFuzzerTestOneInput(whole, size);
    seed = size;
    for (unsigned long i = 0; i < mutants; i++) {
        memcpy(mutant, whole, size);
        size_t now = size;
        for (uint32_t n = draw(6) + 1; n > 0; n--)
            now = mutate(mutant, now, SIZE_MAX_INPUT);
        LLVMFuzzerTestOneInput(mutant, now);
    }
    free(whole);
    free(mutant);
    return 0;
}

static int run_path(const char *path, unsigned long mutants)
{
    struct stat st;
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return run_file(path, mutants);
    struct dirent **entries;
    int failed = 0, count = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char child[4096];
        if (entries[i]->d_name[0] != '.') {
            snprintf(child, sizeof(child), "%s/%s", path, entries[i]->d_name);
            failed |= run_path(child, mutants);
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return failed;
}

int main(int argc, char **argv)
{
    const char *asked = getenv("MUTANTS");
    int failed = 0;
    for (int i = 1; i < argc; i++)
        failed |= run_path(argv[i], asked ? strtoul(asked, NULL, 10) : 200);
    return failed;
}
