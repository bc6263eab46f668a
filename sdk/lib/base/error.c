// How a function says what went wrong.
#include <isthmus/error.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// What was cut within a letter of UTF-8 loses the rest of it: JSON takes no half ones.
static size_t whole_letters(const char *text, size_t n)
{
    size_t lead = n;
    while (lead > 0 && n - lead < 3 && ((unsigned char)text[lead - 1] & 0xc0) == 0x80)
        lead--;
    if (lead == 0)
        return n;
    const unsigned char first = (unsigned char)text[lead - 1];
    const size_t len = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
    return n - (lead - 1) < len ? lead - 1 : n;
}

static void copy_lines(char *to, size_t size, const char *from, int lines)
{
    size_t n = 0;
    for (; from && from[n] && n + 1 < size; n++)
        to[n] = (from[n] == '\n' && !lines) || from[n] == '\r' ? ' ' : from[n];
    to[whole_letters(to, n)] = '\0';
}

static void copy_line(char *to, size_t size, const char *from)
{
    copy_lines(to, size, from, 0);
}

int32_t ist_fail(ist_error *err, int32_t code, const char *where, const char *format, ...)
{
    if (!err)
        return code;
    char text[sizeof(err->text)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    err->code = code;
    // `where` may be err's own, when a caller adds to what a callee said.
    char place[sizeof(err->where)];
    copy_line(place, sizeof(place), where);
    memcpy(err->where, place, sizeof(place));
    copy_line(err->text, sizeof(err->text), text);
    err->hint[0] = '\0';
    return code;
}

void ist_hint(ist_error *err, const char *format, ...)
{
    if (!err)
        return;
    char text[sizeof(err->hint)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    copy_lines(err->hint, sizeof(err->hint), text, 1); // a picture of networks has lines
}

const char *ist_code_name(int32_t code)
{
    switch (code) {
    case IST_OK:
        return "ok";
    case IST_ERR_INTERNAL:
        return "internal";
    case IST_ERR_INPUT:
        return "input";
    case IST_ERR_NOT_FOUND:
        return "not found";
    case IST_ERR_CONFLICT:
        return "conflict";
    case IST_ERR_DENIED:
        return "denied";
    case IST_ERR_NETWORK:
        return "network";
    case IST_ERR_TIMEOUT:
        return "timeout";
    case IST_ERR_CANCELLED:
        return "cancelled";
    case IST_ERR_REMOTE:
        return "remote";
    case IST_ERR_READ_ONLY:
        return "read only";
    case IST_ERR_QUESTION:
        return "question";
    case IST_ERR_LIMIT:
        return "limit";
    case IST_AGAIN:
        return "again";
    default:
        return "unknown";
    }
}
