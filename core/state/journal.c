// The journal of resources: what is about to be made, under which token, and what came of it. Each call is
// one transaction that is on the disk when it returns.
#include "state/sqlite.h"

#include <isthmus/alloc.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

// Parts are joined with NUL, which none can contain: two different lists never make the same message.
static int token_of(const struct store *store, const char *const parts[3], int64_t generation, char token[65],
                    ist_error *err)
{
    ist_buf message = {0};
    for (size_t i = 0; i < 3; i++)
        ist_buf_add(&message, parts[i], strlen(parts[i]) + 1);
    ist_buf_printf(&message, "%lld", (long long)generation);
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    unsigned char *made = HMAC(EVP_sha256(), store->key, sizeof(store->key), (unsigned char *)message.data,
                               message.len, mac, &len);
    ist_buf_free(&message);
    if (!made || len != 32)
        return ist_fail(err, IST_ERR_INTERNAL, "HMAC-SHA256", "no token could be made");
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < 32; i++) {
        token[2 * i] = digits[mac[i] >> 4];
        token[2 * i + 1] = digits[mac[i] & 15];
    }
    token[64] = '\0';
    return IST_OK;
}

struct entry {
    bool exists, open; // open: an intent without its outcome
    int64_t generation;
    char token[65];
    json_t *data; // owned; of a resource that is done
};

static int read_entry(struct store *store, const char *const names[3], struct entry *entry, ist_error *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = sql_prepare(store, &statement, err,
                         "SELECT status, generation, token, data FROM resources"
                         " WHERE pipeline = ?1 AND step = ?2 AND resource = ?3",
                         names[0], names[1], names[2], NULL);
    if (rc != IST_OK)
        return rc;
    int row = sqlite3_step(statement);
    if (row == SQLITE_ROW) {
        entry->exists = true;
        entry->open = strcmp((const char *)sqlite3_column_text(statement, 0), "intent") == 0;
        entry->generation = sqlite3_column_int64(statement, 1);
        const char *token = (const char *)sqlite3_column_text(statement, 2);
        size_t len = strnlen(token, sizeof(entry->token) - 1);
        memcpy(entry->token, token, len);
        entry->token[len] = '\0';
        entry->data = entry->open ? NULL : sql_json(statement, 3);
    } else if (row != SQLITE_DONE) {
        rc = sql_error(store, "read the journal", err);
    }
    sqlite3_finalize(statement);
    return rc;
}

static int next_generation(struct store *store, const char *const names[3], int64_t *next, ist_error *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = sql_prepare(store, &statement, err,
                         "SELECT next FROM generations WHERE pipeline = ?1 AND step = ?2 AND resource = ?3",
                         names[0], names[1], names[2], NULL);
    if (rc == IST_OK)
        *next = sql_integer(statement, 1);
    return rc;
}

static int open_intent(struct store *store, const char *const names[3], struct entry *entry, ist_error *err)
{
    int rc = IST_OK;
    if (!entry->open) {
        rc = next_generation(store, names, &entry->generation, err);
        if (rc == IST_OK)
            rc = token_of(store, names, entry->generation, entry->token, err);
    }
    return rc;
}

static int write_intent(struct store *store, const char *const names[3], const struct entry *entry,
                        const json_t *data, ist_error *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = sql_prepare(
        store, &statement, err,
        "INSERT INTO resources(pipeline, step, resource, position, status, token, generation, data, previous)"
        " VALUES(?1, ?2, ?3, (SELECT coalesce(max(position), 0) + 1 FROM resources), 'intent', ?4, ?5, ?6, "
        "?7)"
        " ON CONFLICT DO UPDATE SET status = 'intent', token = excluded.token, generation = "
        "excluded.generation,"
        " data = excluded.data, previous = coalesce(excluded.previous, previous)",
        names[0], names[1], names[2], entry->token, NULL);
    if (rc != IST_OK)
        return rc;
    sqlite3_bind_int64(statement, 5, entry->generation);
    sql_bind_json(statement, 6, data);
    sql_bind_json(statement, 7, entry->data);
    return sql_finish(store, statement, "write an intent", err);
}

int store_intent(struct store *store, const char *pipeline, const char *step, const char *resource,
                 const json_t *data, char token[65], ist_error *err)
{
    const char *const names[3] = {pipeline, step, resource};
    struct entry entry = {0};
    int rc = sql_begin(store, err);
    if (rc != IST_OK)
        return rc;
    rc = read_entry(store, names, &entry, err);
    if (rc == IST_OK)
        rc = open_intent(store, names, &entry, err);
    if (rc == IST_OK)
        rc = write_intent(store, names, &entry, data, err);
    rc = sql_end(store, rc, true, err);
    if (rc == IST_OK)
        memcpy(token, entry.token, sizeof(entry.token));
    json_decref(entry.data);
    return rc;
}

static int advance(struct store *store, const char *const names[3], int64_t generation, ist_error *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = sql_prepare(store, &statement, err,
                         "INSERT INTO generations VALUES(?1, ?2, ?3, ?4)"
                         " ON CONFLICT DO UPDATE SET next = max(next, excluded.next)",
                         names[0], names[1], names[2], NULL);
    if (rc != IST_OK)
        return rc;
    sqlite3_bind_int64(statement, 4, generation + 1);
    return sql_finish(store, statement, "advance a generation", err);
}

static int write_outcome(struct store *store, const char *const names[3], const struct entry *entry,
                         const json_t *data, ist_error *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = sql_prepare(
        store, &statement, err,
        data ? "INSERT INTO resources(pipeline, step, resource, position, status, token, generation, data)"
               " VALUES(?1, ?2, ?3, (SELECT coalesce(max(position), 0) + 1 FROM resources), 'done', ?4, ?5, "
               "?6)"
               " ON CONFLICT DO UPDATE SET status = 'done', data = excluded.data, previous = NULL"
             : "DELETE FROM resources WHERE pipeline = ?1 AND step = ?2 AND resource = ?3",
        names[0], names[1], names[2], data ? entry->token : NULL, NULL);
    if (rc != IST_OK)
        return rc;
    if (data) {
        sqlite3_bind_int64(statement, 5, entry->generation);
        sql_bind_json(statement, 6, data);
    }
    return sql_finish(store, statement, "write an outcome", err);
}

int store_outcome(struct store *store, const char *pipeline, const char *step, const char *resource,
                  const json_t *data, ist_error *err)
{
    const char *const names[3] = {pipeline, step, resource};
    struct entry entry = {0};
    int rc = sql_begin(store, err);
    if (rc != IST_OK)
        return rc;
    rc = read_entry(store, names, &entry, err);
    // An outcome without an intent: an object whose name we choose, under a batch's intent.
    if (rc == IST_OK && !entry.exists)
        rc = next_generation(store, names, &entry.generation, err);
    if (rc == IST_OK)
        rc = write_outcome(store, names, &entry, data, err);
    // What was created or removed is complete. A second outcome of the same object completes nothing new.
    if (rc == IST_OK && (entry.open || !entry.exists || !data))
        rc = advance(store, names, entry.generation, err);
    json_decref(entry.data);
    return sql_end(store, rc, true, err);
}
