// The schema, version by version. A state is only ever moved forward; a newer one is refused.
#include "state/sqlite.h"

#include <isthmus/alloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define WAL_TRIES      500
#define WAL_WAIT_MS    20
#define APPLICATION_ID 0x49535448 // "ISTH"

// migrations[n] makes version n + 1 of version n. They are never edited once released: add one.
static const char *const migrations[STORE_SCHEMA] = {
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE steps(pipeline TEXT NOT NULL, step TEXT NOT NULL, position INTEGER NOT NULL,"
    "  record TEXT NOT NULL, PRIMARY KEY(pipeline, step));"
    "CREATE TABLE resources(pipeline TEXT NOT NULL, step TEXT NOT NULL, resource TEXT NOT NULL,"
    "  position INTEGER NOT NULL, status TEXT NOT NULL, token TEXT NOT NULL, generation INTEGER NOT NULL,"
    "  data TEXT, PRIMARY KEY(pipeline, step, resource));"
    "CREATE TABLE generations(pipeline TEXT NOT NULL, step TEXT NOT NULL, resource TEXT NOT NULL,"
    "  next INTEGER NOT NULL, PRIMARY KEY(pipeline, step, resource)) WITHOUT ROWID;"
    "CREATE TABLE runs(run INTEGER PRIMARY KEY AUTOINCREMENT, pipeline TEXT NOT NULL, command TEXT NOT NULL,"
    "  began TEXT NOT NULL, ended TEXT, summary TEXT);"
    "INSERT INTO meta VALUES('serial', 1)",
    // An intent opened over a resource that exists must not lose the id of what is there.
    "ALTER TABLE resources ADD COLUMN previous TEXT",
};

static int64_t pragma(struct store *store, const char *sql, ist_error *err)
{
    sqlite3_stmt *statement = NULL;
    if (sql_prepare(store, &statement, err, sql, NULL) != IST_OK)
        return -1;
    int step = sqlite3_step(statement);
    int64_t value = step == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : -1;
    if (step != SQLITE_ROW)
        sql_error(store, "read it", err);
    sqlite3_finalize(statement);
    return value;
}

static int insert_key(struct store *store, ist_error *err)
{
    unsigned char key[sizeof(store->key)];
    if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
        return ist_fail(err, IST_ERR_INTERNAL, "getrandom",
                        "no random bytes for the key of this installation");
    sqlite3_stmt *statement = NULL;
    int rc = sql_prepare(store, &statement, err, "INSERT INTO meta VALUES('key', ?1)", NULL);
    if (rc == IST_OK) {
        sqlite3_bind_blob(statement, 1, key, sizeof(key), SQLITE_TRANSIENT);
        rc = sql_finish(store, statement, "write the key", err);
    }
    explicit_bzero(key, sizeof(key));
    return rc;
}

static int backup_before(struct store *store, int64_t version, ist_error *err)
{
    char *path = ist_printf("%s.schema-%lld.backup", store->path, (long long)version);
    for (int i = 2; access(path, F_OK) == 0; i++) {
        ist_free(path);
        path = ist_printf("%s.schema-%lld.backup-%d", store->path, (long long)version, i);
    }
    int rc = store_backup(store, path, err);
    ist_free(path);
    return rc;
}

static int steps_from(struct store *store, int64_t version, ist_error *err)
{
    int rc = IST_OK;
    for (int64_t v = version; v < STORE_SCHEMA && rc == IST_OK; v++) {
        rc = sql_run(store, migrations[v], "bring its schema up to date", err);
        if (rc == IST_OK && v == 0)
            rc = insert_key(store, err);
    }
    if (rc != IST_OK)
        return rc;
    char *pragmas =
        ist_printf("PRAGMA application_id = %d; PRAGMA user_version = %d", APPLICATION_ID, STORE_SCHEMA);
    rc = sql_run(store, pragmas, "write its version", err);
    ist_free(pragmas);
    return rc;
}

static int migrate_from(struct store *store, int64_t version, ist_error *err)
{
    if (version > 0) {
        int rc = backup_before(store, version, err);
        if (rc != IST_OK)
            return rc;
    }
    // Two programs may open a new file at once: who comes second finds it done.
    int rc = sql_run(store, "BEGIN EXCLUSIVE", "begin a migration", err);
    if (rc != IST_OK)
        return rc;
    int64_t now = pragma(store, "PRAGMA user_version", err);
    if (now < STORE_SCHEMA)
        rc = now < 0 ? IST_ERR_INPUT : steps_from(store, now, err);
    return sql_end(store, rc, false, err);
}

// SQLite answers "busy" to this one at once, whatever patience it was told to have, when another program has the
// new file open in the same moment.
static int turn_on_wal(struct store *store, ist_error *err)
{
    int rc = IST_ERR_CONFLICT;
    for (int i = 0; i < WAL_TRIES && rc == IST_ERR_CONFLICT; i++) {
        if (i)
            nanosleep(&(struct timespec){.tv_nsec = WAL_WAIT_MS * 1000000L}, NULL);
        rc = sql_run(store, "PRAGMA journal_mode = WAL", "turn on its write-ahead log", err);
    }
    return rc;
}

int store_migrate(struct store *store, ist_error *err)
{
    ist_error why = {0};
    // One read transaction: another program may be making the tables of a new file right now.
    int64_t version =
        sql_run(store, "BEGIN", "read it", &why) == IST_OK ? pragma(store, "PRAGMA user_version", &why) : -1;
    int64_t application = version < 0 ? -1 : pragma(store, "PRAGMA application_id", &why);
    int64_t tables = application < 0 ? -1 : pragma(store, "SELECT count(*) FROM sqlite_schema", &why);
    if (!sqlite3_get_autocommit(store->db))
        sql_run(store, "COMMIT", "read it", NULL);
    if (tables < 0) {
        if (err)
            *err = why;
        return why.code;
    }
    if (application != APPLICATION_ID && (application != 0 || tables > 0))
        return ist_fail(err, IST_ERR_INPUT, store->path, "this is a database, but not the state of Isthmus");
    if (version > STORE_SCHEMA) {
        ist_fail(err, IST_ERR_INPUT, store->path,
                 "written by a newer Isthmus: its schema is %lld, this program knows %d", (long long)version,
                 STORE_SCHEMA);
        ist_hint(err, "use the newer program; an older backup lies beside the file if one was migrated");
        return IST_ERR_INPUT;
    }
    // The mode stays in the file: a write lock is needed only once.
    int rc = IST_OK;
    if (version == 0)
        rc = turn_on_wal(store, err);
    return rc != IST_OK || version == STORE_SCHEMA ? rc : migrate_from(store, version, err);
}
