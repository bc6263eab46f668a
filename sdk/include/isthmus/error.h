// isthmus/error.h: how a function of libisthmus says what went wrong. Codes are plugin.h's.
#ifndef ISTHMUS_ERROR_H
#define ISTHMUS_ERROR_H

#include <isthmus/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

// Of a fixed size, so that nothing needs freeing. A function that fails fills it once, whole; one that
// succeeds does not touch it. `err` may be NULL everywhere.
typedef struct ist_error {
    int32_t code;    // IST_ERR_..., or IST_AGAIN
    char where[192]; // the call: "EC2 CreateRoute in eu-west-1", "GET https://.../v3/clusters/",
                     // "aws.yaml:12:3"
    char text[768];  // one line, what happened in the other side's words where it has any
    char hint[256];  // what to do about it, or ""; perhaps in several lines
} ist_error;

// Fills *err and returns `code`, so that `return ist_fail(err, ...)` reads well.
IST_EXPORT int32_t ist_fail(ist_error *err, int32_t code, const char *where, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
IST_EXPORT void ist_hint(ist_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
// "timeout", "denied", ...: static string.
IST_EXPORT const char *ist_code_name(int32_t code);

#ifdef __cplusplus
}
#endif
#endif
