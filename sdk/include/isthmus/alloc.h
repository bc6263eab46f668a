// isthmus/alloc.h: memory that is there or the process ends: a plugin that eats it all costs its step only.
#ifndef ISTHMUS_ALLOC_H
#define ISTHMUS_ALLOC_H

#include <isthmus/plugin.h>
#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

IST_EXPORT void *ist_malloc(size_t size) __attribute__((malloc, returns_nonnull));
IST_EXPORT void *ist_calloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
// Grows (or makes) an array; overflow of count * size ends the process too.
IST_EXPORT void *ist_realloc(void *old, size_t count, size_t size) __attribute__((returns_nonnull));
IST_EXPORT void ist_free(void *memory);      // NULL is fine
IST_EXPORT void ist_free_secret(char *text); // overwrites before freeing
IST_EXPORT char *ist_strdup(const char *text) __attribute__((malloc, returns_nonnull));
IST_EXPORT char *ist_strndup(const char *text, size_t len) __attribute__((malloc, returns_nonnull));
IST_EXPORT char *ist_printf(const char *format, ...)
    __attribute__((format(printf, 1, 2), malloc, returns_nonnull));
IST_EXPORT char *ist_vprintf(const char *format, va_list args)
    __attribute__((format(printf, 1, 0), malloc, returns_nonnull));

// A growing buffer with a limit, always NUL-terminated after the first add. Zero-initialise, with `max` set.
typedef struct ist_buf {
    char *data; // owned; NULL while empty
    size_t len, room;
    size_t max; // 0: 16 MiB
} ist_buf;
// 0, or IST_ERR_LIMIT when it would grow over max (the buffer is then unchanged).
IST_EXPORT int32_t ist_buf_add(ist_buf *buf, const void *bytes, size_t len);
IST_EXPORT int32_t ist_buf_puts(ist_buf *buf, const char *text);
IST_EXPORT int32_t ist_buf_printf(ist_buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
IST_EXPORT char *ist_buf_take(ist_buf *buf); // the text ("" when empty), now the caller's; buf is empty again
IST_EXPORT void ist_buf_free(ist_buf *buf);

#ifdef __cplusplus
}
#endif
#endif
