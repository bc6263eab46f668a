// The SQLite backend: opening, statements, transactions, and what its errors mean to an administrator.
#include "state/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <stdlib.h>
#include <stdarg.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BUSY_MS 15000

static void hint_of(struct store *store, int code, ist_error *err)
{
    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
        ist_hint(err, "restore a backup of %s, or `isthmus state import` an export into a new file",
                 store->path);
    else if (code == SQLITE_FULL || code == SQLITE_IOERR)
        ist_hint(err, "free space on the file system of %s and run the same command again", store->path);
}

static int32_t code_of(int code)
{
    switch (code) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_TOOBIG:
        return IST_ERR_LIMIT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return IST_ERR_CONFLICT;
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY:
        return IST_ERR_DENIED;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return IST_ERR_INPUT;
    default:
        return IST_ERR_INTERNAL;
    }
}

int sql_error(struct store *store, const char *what, ist_error *err)
{
    int code = sqlite3_errcode(store->db) & 0xff;
    const char *text = sqlite3_errmsg(store->db);
    char *where = ist_printf("state %s", store->path);
    int rc = ist_fail(err, code_of(code), where, "cannot %s: %s", what, text);
    ist_free(where);
    hint_of(store, code, err);
    return rc;
}

int sql_run(struct store *store, const char *sql, const char *what, ist_error *err)
{
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK ? IST_OK : sql_error(store, what, err);
}

int sql_prepare(struct store *store, sqlite3_stmt **statement, ist_error *err, const char *sql, ...)
{
    sqlite3_stmt *made = NULL;
    if (sqlite3_prepare_v2(store->db, sql, -1, &made, NULL) != SQLITE_OK)
        return sql_error(store, "prepare a statement", err);
    va_list texts;
    va_start(texts, sql);
    const char *text;
    for (int i = 1; (text = va_arg(texts, const char *)); i++)
        sqlite3_bind_text(made, i, text, -1, SQLITE_TRANSIENT);
    va_end(texts);
    *statement = made;
    return IST_OK;
}

int sql_finish(struct store *store, sqlite3_stmt *statement, const char *what, ist_error *err)
{
    int rc = sqlite3_step(statement) == SQLITE_DONE ? IST_OK : sql_error(store, what, err);
    sqlite3_finalize(statement);
    return rc;
}

int64_t sql_integer(sqlite3_stmt *statement, int64_t otherwise)
{
    if (sqlite3_step(statement) == SQLITE_ROW)
        otherwise = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return otherwise;
}

int sql_begin(struct store *store, ist_error *err)
{
    return sql_run(store, "BEGIN IMMEDIATE", "begin a change", err);
}

int sql_end(struct store *store, int rc, bool counted, ist_error *err)
{
    if (rc == IST_OK && counted)
        rc = sql_run(store, "UPDATE meta SET value = value + 1 WHERE name = 'serial'", "count the change",
                     err);
    if (rc == IST_OK)
        rc = sql_run(store, "COMMIT", "commit", err);
    // After a full disk SQLite may have rolled back by itself.
    if (rc != IST_OK && !sqlite3_get_autocommit(store->db))
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

json_t *sql_json(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return text ? json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) : NULL;
}

int sql_bind_json(sqlite3_stmt *statement, int index, const json_t *json)
{
    if (!json)
        return sqlite3_bind_null(statement, index);
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    return text ? sqlite3_bind_text(statement, index, text, -1, free) : sqlite3_bind_null(statement, index);
}

char *store_now(void)
{
    struct timespec now;
    struct tm utc;
    char day[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &utc);
    return ist_printf("%s.%03ldZ", day, now.tv_nsec / 1000000);
}

// Makes the folders above `path`, private to the user.
static int make_parents(const char *path, ist_error *err)
{
    char *copy = ist_strdup(path);
    int rc = IST_OK;
    for (char *slash = strchr(copy + 1, '/'); slash && rc == IST_OK; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0700) < 0 && errno != EEXIST)
            rc = ist_fail(err, IST_ERR_DENIED, copy, "cannot make the folder of the state: %s",
                          strerror(errno));
        *slash = '/';
    }
    ist_free(copy);
    return rc;
}

// The file is made by us first: SQLite would make it readable by others.
static int make_file(const char *path, ist_error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return ist_fail(err, IST_ERR_DENIED, path, "cannot open the state: %s", strerror(errno));
    close(fd);
    return IST_OK;
}

static int configure(struct store *store, ist_error *err)
{
    sqlite3_busy_timeout(store->db, BUSY_MS);
    sqlite3_extended_result_codes(store->db, 0);
    // What is deleted is overwritten, and no page may point outside the file.
    return sql_run(store,
                   "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA secure_delete = ON;"
                   "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -512",
                   "open it", err);
}

static int check_whole(struct store *store, ist_error *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = sql_prepare(store, &statement, err, "PRAGMA quick_check(1)", NULL);
    if (rc != IST_OK)
        return rc;
    int step = sqlite3_step(statement);
    const char *said = step == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    if (step != SQLITE_ROW) {
        rc = sql_error(store, "check it", err);
    } else if (!said || strcmp(said, "ok") != 0) {
        rc = ist_fail(err, IST_ERR_INPUT, store->path, "the state is damaged: %s", said ? said : "no answer");
        hint_of(store, SQLITE_CORRUPT, err);
    }
    sqlite3_finalize(statement);
    return rc;
}

static int read_key(struct store *store, ist_error *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = sql_prepare(store, &statement, err, "SELECT value FROM meta WHERE name = 'key'", NULL);
    if (rc != IST_OK)
        return rc;
    if (sqlite3_step(statement) == SQLITE_ROW &&
        sqlite3_column_bytes(statement, 0) == (int)sizeof(store->key))
        memcpy(store->key, sqlite3_column_blob(statement, 0), sizeof(store->key));
    else
        rc = ist_fail(err, IST_ERR_INPUT, store->path,
                      "the state has no key of this installation: it is damaged");
    sqlite3_finalize(statement);
    return rc;
}

int store_open(const char *path, struct store **store, ist_error *err)
{
    int rc = make_parents(path, err);
    if (rc != IST_OK || (rc = make_file(path, err)) != IST_OK)
        return rc;
    struct store *made = ist_calloc(1, sizeof(*made));
    made->lock_fd = -1;
    made->path = ist_strdup(path);
    if (sqlite3_open_v2(path, &made->db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        rc = sql_error(made, "open it", err);
    if (rc == IST_OK)
        rc = configure(made, err);
    if (rc == IST_OK)
        rc = store_migrate(made, err);
    if (rc == IST_OK)
        rc = check_whole(made, err);
    if (rc == IST_OK)
        rc = read_key(made, err);
    if (rc == IST_OK)
        *store = made;
    else
        store_close(made);
    return rc;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    store_unlock(store);
    sqlite3_close(store->db);
    explicit_bzero(store->key, sizeof(store->key));
    ist_free(store->path);
    ist_free(store);
}

const char *store_path(const struct store *store)
{
    return store->path;
}

int64_t store_serial(struct store *store)
{
    sqlite3_stmt *statement = NULL;
    if (sql_prepare(store, &statement, NULL, "SELECT value FROM meta WHERE name = 'serial'", NULL) != IST_OK)
        return -1;
    return sql_integer(statement, -1);
}

const unsigned char *store_key(struct store *store)
{
    return store->key;
}

int store_backup(struct store *store, const char *path, ist_error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return ist_fail(err, IST_ERR_DENIED, path, "cannot write the backup: %s", strerror(errno));
    close(fd);
    sqlite3_stmt *statement = NULL;
    int rc = sql_prepare(store, &statement, err, "VACUUM INTO ?1", path, NULL);
    if (rc == IST_OK)
        rc = sql_finish(store, statement, "write the backup", err);
    if (rc != IST_OK)
        unlink(path);
    return rc;
}
