// A file as a resource of a step.
#include <isthmus/alloc.h>
#include <isthmus/crypto.h>
#include <isthmus/file.h>
#include <isthmus/json.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE (4u << 20)

static int is_wanted(const ist_kept_file *file)
{
    return file->path != NULL && file->path[0] != '\0';
}

static const json_t *record_of(const json_t *recorded, const char *resource)
{
    return json_object_get(json_object_get(recorded, resource), "data");
}

// Was a run ended between writing the file and telling of it?
static int is_unsettled(const json_t *recorded, const char *resource)
{
    return strcmp(ist_json_str_or(json_object_get(recorded, resource), "status", ""), "intent") == 0;
}

// 1 when the file at `path` has this digest, 0 when it has another, -1 when there is none that can be read.
static int has_digest(const char *path, const char *digest)
{
    char *text = NULL, found[65];
    size_t len = 0;
    if (ist_file_read(path, MAX_FILE, &text, &len, NULL) != IST_OK)
        return -1;
    ist_sha256_text(text, len, found);
    ist_free_secret(text);
    return strcmp(found, digest) == 0;
}

// May others than its owner read or write it? Its mode; 0 when nobody else may.
static unsigned open_mode(const char *path)
{
    struct stat is;
    return stat(path, &is) == 0 && is.st_mode & 077 ? is.st_mode & 0777 : 0;
}

// Removes what was recorded, if it is still what was written. Gone already is fine.
static int32_t remove_recorded(const ist_env *env, const json_t *record, ist_error *err)
{
    const char *path = ist_json_str(record, "path");
    if (path == NULL)
        return IST_OK;
    const int same = has_digest(path, ist_json_str_or(record, "sha256", ""));
    if (same == 0) {
        ist_log(env, IST_LOG_WARN, "%s was changed since Isthmus wrote it: it stays", path);
        return IST_OK;
    }
    if (same == 1 && unlink(path) != 0 && errno != ENOENT)
        return ist_fail(err, IST_ERR_DENIED, path, "cannot be removed: %s", strerror(errno));
    return IST_OK;
}

int32_t ist_kept_file_plan(const ist_env *env, const json_t *recorded, const ist_kept_file *file,
                           ist_error *err)
{
    const json_t *record = record_of(recorded, file->resource);
    const char *before = ist_json_str(record, "path");
    (void)err;
    if (!is_wanted(file)) {
        if (before != NULL)
            ist_change(env, IST_DELETE, file->resource, "no such file is asked for any more");
        return IST_OK;
    }
    char digest[65] = "";
    if (file->text != NULL)
        ist_sha256_text(file->text, strlen(file->text), digest);
    const int same = has_digest(file->path, digest);
    const int moved = before != NULL && strcmp(before, file->path) != 0;
    if (same < 0) {
        ist_change(env, moved ? IST_UPDATE : IST_CREATE, file->resource, NULL);
        ist_change_field(env, file->resource, "path", moved ? json_string(before) : NULL,
                         json_string(file->path));
    } else if (file->text == NULL) {
        // A file of an earlier cluster: it is overwritten once the new one is there.
        ist_change(env, before != NULL ? IST_UPDATE : IST_CREATE, file->resource,
                   "the file there is replaced");
        ist_change_field(env, file->resource, "path", NULL, json_string(file->path));
    } else if (same == 0 || moved) {
        ist_change(env, IST_UPDATE, file->resource,
                   moved ? "another path" : "the file there says something else");
        if (same == 0)
            ist_change_secret(env, file->resource, "content");
        if (moved)
            ist_change_field(env, file->resource, "path", json_string(before), json_string(file->path));
    } else if (is_unsettled(recorded, file->resource)) {
        ist_change(env, IST_CREATE, file->resource, "an earlier run was interrupted here");
    } else if (before != NULL && open_mode(file->path)) {
        char mode[8];
        snprintf(mode, sizeof mode, "%04o", open_mode(file->path));
        ist_change(env, IST_UPDATE, file->resource, "others may read the file");
        ist_change_field(env, file->resource, "mode", json_string(mode), json_string("0600"));
    }
    return IST_OK;
}

int32_t ist_kept_file_apply(const ist_env *env, const json_t *recorded, const ist_kept_file *file,
                            ist_error *err)
{
    const json_t *record = record_of(recorded, file->resource);
    const char *before = ist_json_str(record, "path");
    char digest[65], token[65];
    int32_t rc = IST_OK;
    if (before != NULL && (!is_wanted(file) || strcmp(before, file->path) != 0)) {
        rc = remove_recorded(env, record, err);
        if (rc == IST_OK)
            rc = ist_outcome(env, file->resource, NULL, err);
        record = NULL;
    }
    if (rc != IST_OK || !is_wanted(file) || file->text == NULL)
        return rc;
    ist_sha256_text(file->text, strlen(file->text), digest);
    const int same = has_digest(file->path, digest);
    const int known = record != NULL && strcmp(ist_json_str_or(record, "sha256", ""), digest) == 0;
    const int settled = known && !is_unsettled(recorded, file->resource) && !open_mode(file->path);
    if (same == 1 && (settled || record == NULL))
        return IST_OK; // ours already, or somebody else's with the same content: then it stays theirs
    rc = ist_intent(env, file->resource, json_pack("{s:s, s:s}", "path", file->path, "sha256", digest), token,
                    err);
    if (rc == IST_OK)
        rc = ist_file_write(file->path, file->text, strlen(file->text), err);
    if (rc == IST_OK)
        rc = ist_outcome(env, file->resource, json_pack("{s:s, s:s}", "path", file->path, "sha256", digest),
                         err);
    return rc;
}

int32_t ist_kept_file_destroy(const ist_env *env, const json_t *recorded, const char *resource,
                              ist_error *err)
{
    if (json_object_get(recorded, resource) == NULL)
        return IST_OK;
    int32_t rc = remove_recorded(env, record_of(recorded, resource), err);
    if (rc == IST_OK)
        rc = ist_outcome(env, resource, NULL, err);
    return rc;
}
