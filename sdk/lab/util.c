// Small hands of the lab: memory, text, ids, time, addresses, files of its folder.
#include "core.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static void *must(void *memory)
{
    if (!memory) {
        fputs("isthmus-lab: out of memory\n", stderr);
        abort();
    }
    return memory;
}

void *lab_calloc(size_t count, size_t size)
{
    return must(calloc(count ? count : 1, size ? size : 1));
}

char *lab_strdup(const char *text)
{
    return must(strdup(text));
}

char *lab_format(const char *format, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, format);
    if (vasprintf(&text, format, ap) < 0)
        text = NULL;
    va_end(ap);
    return must(text);
}

char *lab_id(const char *prefix, int digits)
{
    unsigned char random[32];
    char hex[2 * sizeof random + 1];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        abort(); // 32 bytes never come short once the pool is ready
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(hex + 2 * i, 3, "%02x", random[i]);
    return lab_format("%s%.*s", prefix, digits, hex);
}

char *lab_now(void)
{
    struct timespec now;
    struct tm tm;
    char text[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    return lab_format("%s.%03dZ", text, (int)(now.tv_nsec / 1000000));
}

int64_t lab_mono_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void lab_export(struct lab *lab, const char *name, const char *value)
{
    json_object_set_new(lab->env, name, json_string(value));
}

void lab_write_file(struct lab *lab, const char *name, const char *text)
{
    // Written beside and renamed: a reader sees the old file or the new one, never half of it.
    char *path = lab_format("%s/%s", lab->dir, name);
    char *temporary = lab_format("%s.new", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t len = strlen(text);
    if (fd < 0 || write(fd, text, len) != (ssize_t)len || rename(temporary, path) != 0)
        lab_log(lab, "cannot write %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(temporary);
    free(path);
}

void lab_log(struct lab *lab, const char *format, ...)
{
    // Standard error is DIR/lab.log once the lab runs in the background.
    (void)lab;
    char *now = lab_now(), *line = NULL;
    va_list ap;
    va_start(ap, format);
    if (vasprintf(&line, format, ap) >= 0)
        fprintf(stderr, "%s %s\n", now, line);
    va_end(ap);
    free(line);
    free(now);
}

char *lab_base64(const void *data, size_t len)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *in = data;
    char *text = lab_calloc(1, 4 * ((len + 2) / 3) + 1), *out = text;
    for (size_t i = 0; i < len; i += 3) {
        unsigned left = (unsigned)(len - i);
        unsigned v =
            (unsigned)in[i] << 16 | (left > 1 ? (unsigned)in[i + 1] << 8 : 0) | (left > 2 ? in[i + 2] : 0);
        *out++ = alphabet[v >> 18];
        *out++ = alphabet[v >> 12 & 63];
        *out++ = left > 1 ? alphabet[v >> 6 & 63] : '=';
        *out++ = left > 2 ? alphabet[v & 63] : '=';
    }
    return text;
}

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

char *lab_unbase64(const char *text, size_t *len)
{
    char *data = lab_calloc(1, strlen(text) * 3 / 4 + 2);
    size_t n = 0;
    unsigned bits = 0, value = 0;
    for (const char *p = text; *p && *p != '='; p++) {
        if (*p == '\n' || *p == '\r' || *p == ' ')
            continue;
        int s = sextet(*p);
        if (s < 0) {
            free(data);
            return NULL;
        }
        value = (value << 6 | (unsigned)s) & 0xffffff;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            data[n++] = (char)(value >> bits & 0xff);
        }
    }
    data[n] = 0;
    if (len)
        *len = n;
    return data;
}

char *lab_ip(uint32_t address)
{
    return lab_format("%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255);
}

bool lab_parse_ip(const char *text, uint32_t *address)
{
    struct in_addr in;
    if (!text || inet_pton(AF_INET, text, &in) != 1)
        return false;
    *address = ntohl(in.s_addr);
    return true;
}

bool lab_parse_cidr(const char *text, uint32_t *network, int *prefix)
{
    char address[20];
    const char *slash = text ? strchr(text, '/') : NULL;
    if (!slash || (size_t)(slash - text) >= sizeof address)
        return false;
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = 0;
    char *end;
    long bits = strtol(slash + 1, &end, 10);
    uint32_t parsed;
    if (end == slash + 1 || *end || bits < 0 || bits > 32 || !lab_parse_ip(address, &parsed))
        return false;
    *network = parsed;
    *prefix = (int)bits;
    return true;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

char *lab_decode(const char *text, size_t len)
{
    char *out = lab_calloc(1, len + 1), *to = out;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '%' && len - i > 2 && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
            *to++ = (char)(hex(text[i + 1]) * 16 + hex(text[i + 2]));
            i += 2;
        } else {
            *to++ = text[i] == '+' ? ' ' : text[i];
        }
    }
    return out;
}

char *lab_query_get(const struct lab_request *rq, const char *name)
{
    for (const char *p = rq->query; *p;) {
        size_t len = strcspn(p, "&"), key = strcspn(p, "=&");
        char *decoded = lab_decode(p, key);
        bool found = !strcmp(decoded, name);
        free(decoded);
        if (found)
            return key < len ? lab_decode(p + key + 1, len - key - 1) : lab_strdup("");
        p += len + (p[len] == '&');
    }
    return NULL;
}
