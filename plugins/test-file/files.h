// The "world" of the test plugin: small files in a folder. A file's name is its id, chosen at random when it
// is made, so that making one twice shows; what it is stands in its head.
#ifndef PLUGINS_TEST_FILE_FILES_H
#define PLUGINS_TEST_FILE_FILES_H

#include <stdbool.h>
#include <stddef.h>

#define FILE_TEXT 4096

struct file {
    char dir[FILE_TEXT];
    char id[33]; // 32 hex digits
    char token[65];
    char resource[64];
    char kind[64];
    char secret[256];
    char content[FILE_TEXT];
};

// 0, or -1 with errno. Reading fills all but dir and id, which say which one.
int file_read(struct file *file);
// Makes it with a new id, or rewrites it in place; whole or not at all.
int file_create(struct file *file);
int file_write(const struct file *file);
int file_remove(const struct file *file);
// The file in `dir` that carries `token`: 1 and *file, 0 when there is none, -1 with errno.
int file_find(const char *dir, const char *token, struct file *file);
// Copies what fits; false when `text` is longer. NULL is "".
bool text_copy(char *to, size_t size, const char *text);

#endif
