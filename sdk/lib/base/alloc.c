// Memory that is there or the process ends, and the growing buffer.
#include <isthmus/alloc.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_MAX ((size_t)16 << 20)

static _Noreturn void out_of_memory(void)
{
    static const char line[] = "out of memory\n";
    ssize_t ignored = write(STDERR_FILENO, line, sizeof(line) - 1);
    (void)ignored;
    abort();
}

void *ist_malloc(size_t size)
{
    void *memory = malloc(size ? size : 1);
    if (!memory)
        out_of_memory();
    return memory;
}

void *ist_calloc(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size ? size : 1);
    if (!memory)
        out_of_memory();
    return memory;
}

void *ist_realloc(void *old, size_t count, size_t size)
{
    void *memory = reallocarray(old, count ? count : 1, size ? size : 1);
    if (!memory)
        out_of_memory();
    return memory;
}

void ist_free(void *memory)
{
    free(memory);
}

void ist_free_secret(char *text)
{
    if (!text)
        return;
    explicit_bzero(text, strlen(text));
    free(text);
}

char *ist_strndup(const char *text, size_t len)
{
    size_t n = strnlen(text, len);
    char *copy = ist_malloc(n + 1);
    memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

char *ist_strdup(const char *text)
{
    return ist_strndup(text, strlen(text));
}

char *ist_vprintf(const char *format, va_list args)
{
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0)
        out_of_memory();
    return text;
}

char *ist_printf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = ist_vprintf(format, args);
    va_end(args);
    return text;
}

int32_t ist_buf_add(ist_buf *buf, const void *bytes, size_t len)
{
    size_t max = buf->max ? buf->max : DEFAULT_MAX;
    if (len > max || buf->len > max - len)
        return IST_ERR_LIMIT;
    if (buf->len + len + 1 > buf->room) {
        size_t room = buf->room ? buf->room : 256;
        while (room < buf->len + len + 1)
            room *= 2;
        buf->data = ist_realloc(buf->data, room, 1);
        buf->room = room;
    }
    if (len)
        memcpy(buf->data + buf->len, bytes, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
    return IST_OK;
}

int32_t ist_buf_puts(ist_buf *buf, const char *text)
{
    return ist_buf_add(buf, text, strlen(text));
}

int32_t ist_buf_printf(ist_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = ist_vprintf(format, args);
    va_end(args);
    int32_t rc = ist_buf_puts(buf, text);
    ist_free(text);
    return rc;
}

char *ist_buf_take(ist_buf *buf)
{
    char *text = buf->data ? buf->data : ist_strdup("");
    buf->data = NULL;
    buf->len = buf->room = 0;
    return text;
}

void ist_buf_free(ist_buf *buf)
{
    if (!buf)
        return;
    free(buf->data);
    buf->data = NULL;
    buf->len = buf->room = 0;
}
