// isthmus/file.h: small files with secrets in them, and keeping one as a resource of a step.
#ifndef ISTHMUS_FILE_H
#define ISTHMUS_FILE_H

#include <isthmus/env.h>

#ifdef __cplusplus
extern "C" {
#endif

// A whole regular file of at most `max` bytes, NUL-terminated; *text is the caller's (ist_free_secret), len
// may be NULL. IST_ERR_NOT_FOUND when there is none.
IST_EXPORT int32_t ist_file_read(const char *path, size_t max, char **text, size_t *len, ist_error *err);
// Puts the file in place at once and whole, mode 0600; folders that are missing are made with 0700.
IST_EXPORT int32_t ist_file_write(const char *path, const char *text, size_t len, ist_error *err);

// A file that a step keeps: a kubeconfig for people. Its record is {path, sha256}. All strings are borrowed.
typedef struct ist_kept_file {
    const char *resource; // its name in plan and journal: "kubeconfig file"
    const char *path;     // NULL or "": no such file is wanted
    const char *text;     // NULL: not known before apply
} ist_kept_file;

// Plans what makes the file as wanted: nothing, a create, an update (never shown), or the removal of one
// recorded before. `recorded` is ist_recorded()'s.
IST_EXPORT int32_t ist_kept_file_plan(const ist_env *env, const json_t *recorded, const ist_kept_file *file,
                                      ist_error *err);
// Makes it so; a file of a path recorded before goes.
IST_EXPORT int32_t ist_kept_file_apply(const ist_env *env, const json_t *recorded, const ist_kept_file *file,
                                       ist_error *err);
// Removes the recorded file, unless somebody changed it: then it stays, with a warning.
IST_EXPORT int32_t ist_kept_file_destroy(const ist_env *env, const json_t *recorded, const char *resource,
                                         ist_error *err);

#ifdef __cplusplus
}
#endif
#endif
