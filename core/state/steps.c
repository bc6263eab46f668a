// The records of steps: what was asked of each, what came of it, and the resources that it has.
#include "state/sqlite.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <string.h>

// resources -> {name: {status, token, generation, data, previous}} of one step, or of every step of a
// pipeline as {step: {...}} when `step` is NULL.
static int read_resources(struct store *store, const char *pipeline, const char *step, json_t **resources,
                          ist_error *err)
{
    sqlite3_stmt *statement = NULL;
    int rc =
        sql_prepare(store, &statement, err,
                    step ? "SELECT step, resource, status, token, generation, data, previous FROM resources"
                           " WHERE pipeline = ?1 AND step = ?2 ORDER BY position"
                         : "SELECT step, resource, status, token, generation, data, previous FROM resources"
                           " WHERE pipeline = ?1 ORDER BY position",
                    pipeline, step, NULL);
    if (rc != IST_OK)
        return rc;
    json_t *all = json_object();
    int row;
    while ((row = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *of = (const char *)sqlite3_column_text(statement, 0);
        json_t *mine = json_object_get(all, of);
        if (!mine)
            json_object_set_new(all, of, mine = json_object());
        json_t *data = sql_json(statement, 5), *previous = sql_json(statement, 6);
        json_t *resource =
            json_pack("{s:s, s:s, s:I, s:o}", "status", sqlite3_column_text(statement, 2), "token",
                      sqlite3_column_text(statement, 3), "generation",
                      (json_int_t)sqlite3_column_int64(statement, 4), "data", data ? data : json_null());
        if (previous)
            json_object_set_new(resource, "previous", previous);
        json_object_set_new(mine, (const char *)sqlite3_column_text(statement, 1), resource);
    }
    if (row != SQLITE_DONE)
        rc = sql_error(store, "read the resources", err);
    sqlite3_finalize(statement);
    if (rc == IST_OK)
        *resources = all;
    else
        json_decref(all);
    return rc;
}

static int read_record(struct store *store, sqlite3_stmt *statement, const json_t *resources, json_t **record,
                       ist_error *err)
{
    json_t *read = sql_json(statement, 1);
    const char *step = (const char *)sqlite3_column_text(statement, 0);
    if (!json_is_object(read)) {
        json_decref(read);
        return ist_fail(err, IST_ERR_INPUT, store->path, "the record of step %s is damaged", step);
    }
    json_t *mine = json_object_get(resources, step);
    json_object_set_new(read, "step", json_string(step));
    json_object_set_new(read, "resources", mine ? json_incref(mine) : json_object());
    *record = read;
    return IST_OK;
}

int store_step_get(struct store *store, const char *pipeline, const char *step, json_t **record,
                   ist_error *err)
{
    json_t *resources = NULL, *found = NULL;
    sqlite3_stmt *statement = NULL;
    int rc = read_resources(store, pipeline, step, &resources, err);
    if (rc == IST_OK)
        rc = sql_prepare(store, &statement, err,
                         "SELECT step, record FROM steps WHERE pipeline = ?1 AND step = ?2", pipeline, step,
                         NULL);
    if (rc == IST_OK) {
        int row = sqlite3_step(statement);
        if (row == SQLITE_ROW)
            rc = read_record(store, statement, resources, &found, err);
        else if (row != SQLITE_DONE)
            rc = sql_error(store, "read a step", err);
        sqlite3_finalize(statement);
    }
    json_decref(resources);
    if (rc == IST_OK)
        *record = found;
    return rc;
}

int store_steps(struct store *store, const char *pipeline, json_t **records, ist_error *err)
{
    json_t *resources = NULL, *all = NULL;
    sqlite3_stmt *statement = NULL;
    int rc = read_resources(store, pipeline, NULL, &resources, err);
    if (rc == IST_OK)
        rc = sql_prepare(store, &statement, err,
                         "SELECT step, record FROM steps WHERE pipeline = ?1 ORDER BY position", pipeline,
                         NULL);
    if (rc == IST_OK) {
        all = json_array();
        int row = SQLITE_DONE;
        while (rc == IST_OK && (row = sqlite3_step(statement)) == SQLITE_ROW) {
            json_t *record = NULL;
            rc = read_record(store, statement, resources, &record, err);
            if (record)
                json_array_append_new(all, record);
        }
        if (rc == IST_OK && row != SQLITE_DONE)
            rc = sql_error(store, "read the steps", err);
        sqlite3_finalize(statement);
    }
    json_decref(resources);
    if (rc == IST_OK)
        *records = all;
    else
        json_decref(all);
    return rc;
}

int store_pipelines(struct store *store, json_t **names, ist_error *err)
{
    sqlite3_stmt *statement = NULL;
    int rc =
        sql_prepare(store, &statement, err, "SELECT DISTINCT pipeline FROM steps ORDER BY pipeline", NULL);
    if (rc != IST_OK)
        return rc;
    json_t *all = json_array();
    int row;
    while ((row = sqlite3_step(statement)) == SQLITE_ROW)
        json_array_append_new(all, json_string((const char *)sqlite3_column_text(statement, 0)));
    if (row != SQLITE_DONE)
        rc = sql_error(store, "read the pipelines", err);
    sqlite3_finalize(statement);
    if (rc == IST_OK)
        *names = all;
    else
        json_decref(all);
    return rc;
}

int store_step_put(struct store *store, const char *pipeline, const char *step, const json_t *record,
                   ist_error *err)
{
    int rc = sql_begin(store, err);
    if (rc != IST_OK)
        return rc;
    json_t *bare = json_copy((json_t *)(uintptr_t)record);
    json_object_del(bare, "resources");
    sqlite3_stmt *statement = NULL;
    rc = sql_prepare(store, &statement, err,
                     "INSERT INTO steps VALUES(?1, ?2,"
                     " (SELECT coalesce(max(position), 0) + 1 FROM steps WHERE pipeline = ?1), ?3)"
                     " ON CONFLICT DO UPDATE SET record = excluded.record",
                     pipeline, step, NULL);
    if (rc == IST_OK) {
        sql_bind_json(statement, 3, bare);
        rc = sql_finish(store, statement, "write a step", err);
    }
    json_decref(bare);
    return sql_end(store, rc, true, err);
}

static int run_with(struct store *store, ist_error *err, const char *sql, const char *pipeline,
                    const char *step)
{
    sqlite3_stmt *statement = NULL;
    int rc = sql_prepare(store, &statement, err, sql, pipeline, step, NULL);
    return rc == IST_OK ? sql_finish(store, statement, "change a step", err) : rc;
}

int store_step_remove(struct store *store, const char *pipeline, const char *step, ist_error *err)
{
    // A resource that is still there moves its generation on too: what comes next is another one.
    static const char *const statements[] = {
        "INSERT INTO generations SELECT pipeline, step, resource, generation + 1 FROM resources"
        " WHERE pipeline = ?1 AND step = ?2"
        " ON CONFLICT DO UPDATE SET next = max(next, excluded.next)",
        "DELETE FROM resources WHERE pipeline = ?1 AND step = ?2",
        "DELETE FROM steps WHERE pipeline = ?1 AND step = ?2",
    };
    int rc = sql_begin(store, err);
    if (rc != IST_OK)
        return rc;
    for (size_t i = 0; i < sizeof(statements) / sizeof(*statements) && rc == IST_OK; i++)
        rc = run_with(store, err, statements[i], pipeline, step);
    return sql_end(store, rc, true, err);
}

// What other steps say of this one moves with it: their edges.
static int rename_needs(struct store *store, const char *pipeline, const char *from, const char *to,
                        ist_error *err)
{
    json_t *records = NULL;
    int rc = store_steps(store, pipeline, &records, err);
    size_t i, j;
    json_t *record, *need;
    json_array_foreach(records, i, record)
    {
        bool changed = false;
        json_t *needs = json_object_get(record, "needs");
        json_array_foreach(needs, j, need)
        {
            if (strcmp(json_string_value(need) ? json_string_value(need) : "", from) != 0)
                continue;
            json_array_set_new(needs, j, json_string(to));
            changed = true;
        }
        const char *step = ist_json_str_or(record, "step", "");
        if (rc != IST_OK || (!changed && strcmp(step, to) != 0))
            continue;
        json_t *bare = json_copy(record);
        json_object_del(bare, "resources");
        sqlite3_stmt *statement = NULL;
        rc = sql_prepare(store, &statement, err,
                         "UPDATE steps SET record = ?3 WHERE pipeline = ?1 AND step = ?2", pipeline, step,
                         NULL);
        if (rc == IST_OK) {
            sql_bind_json(statement, 3, bare);
            rc = sql_finish(store, statement, "write a step", err);
        }
        json_decref(bare);
    }
    json_decref(records);
    return rc;
}

int store_step_rename(struct store *store, const char *pipeline, const char *from, const char *to,
                      ist_error *err)
{
    json_t *old = NULL, *taken = NULL;
    int rc = sql_begin(store, err);
    if (rc != IST_OK)
        return rc;
    rc = store_step_get(store, pipeline, from, &old, err);
    if (rc == IST_OK)
        rc = store_step_get(store, pipeline, to, &taken, err);
    if (rc == IST_OK && !old)
        rc = ist_fail(err, IST_ERR_NOT_FOUND, store->path, "pipeline %s has no step %s in state", pipeline,
                      from);
    if (rc == IST_OK && taken)
        rc = ist_fail(err, IST_ERR_CONFLICT, store->path, "pipeline %s has a step %s in state already",
                      pipeline, to);
    json_decref(old);
    json_decref(taken);
    static const char *const statements[] = {
        "UPDATE steps SET step = ?3 WHERE pipeline = ?1 AND step = ?2",
        "UPDATE resources SET step = ?3 WHERE pipeline = ?1 AND step = ?2",
        ("INSERT INTO generations SELECT pipeline, ?3, resource, next FROM generations"
         " WHERE pipeline = ?1 AND step = ?2 ON CONFLICT DO UPDATE SET next = max(next, excluded.next)"),
    };
    for (size_t i = 0; i < sizeof(statements) / sizeof(*statements) && rc == IST_OK; i++) {
        sqlite3_stmt *statement = NULL;
        rc = sql_prepare(store, &statement, err, statements[i], pipeline, from, to, NULL);
        if (rc == IST_OK)
            rc = sql_finish(store, statement, "rename a step", err);
    }
    if (rc == IST_OK)
        rc = rename_needs(store, pipeline, from, to, err);
    return sql_end(store, rc, true, err);
}
