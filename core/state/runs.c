// The history of runs.
#include "state/sqlite.h"

#include <isthmus/alloc.h>

// How many runs are kept: enough for a year of a run a day and a bad week.
#define KEEP "1000"

int store_run_begin(struct store *store, const char *pipeline, const char *command, int64_t *run,
                    ist_error *err)
{
    char *now = store_now();
    sqlite3_stmt *statement = NULL;
    int rc = sql_begin(store, err);
    if (rc == IST_OK) {
        rc = sql_prepare(store, &statement, err,
                         "INSERT INTO runs(pipeline, command, began) VALUES(?1, ?2, ?3)", pipeline, command,
                         now, NULL);
        if (rc == IST_OK)
            rc = sql_finish(store, statement, "write the history", err);
        int64_t made = sqlite3_last_insert_rowid(store->db);
        if (rc == IST_OK)
            rc = sql_run(store, "DELETE FROM runs WHERE run <= (SELECT max(run) FROM runs) - " KEEP,
                         "shorten the history", err);
        rc = sql_end(store, rc, false, err);
        if (rc == IST_OK)
            *run = made;
    }
    ist_free(now);
    return rc;
}

int store_run_end(struct store *store, int64_t run, const json_t *summary, ist_error *err)
{
    char *now = store_now();
    sqlite3_stmt *statement = NULL;
    int rc = sql_prepare(store, &statement, err, "UPDATE runs SET ended = ?1, summary = ?3 WHERE run = ?2",
                         now, NULL);
    if (rc == IST_OK) {
        sqlite3_bind_int64(statement, 2, run);
        sql_bind_json(statement, 3, summary);
        rc = sql_finish(store, statement, "write the history", err);
    }
    ist_free(now);
    return rc;
}

int store_runs(struct store *store, json_t **runs, ist_error *err)
{
    sqlite3_stmt *statement = NULL;
    int rc =
        sql_prepare(store, &statement, err,
                    "SELECT run, pipeline, command, began, ended, summary FROM runs ORDER BY run DESC", NULL);
    if (rc != IST_OK)
        return rc;
    json_t *all = json_array();
    int row;
    while ((row = sqlite3_step(statement)) == SQLITE_ROW) {
        json_t *summary = sql_json(statement, 5);
        json_array_append_new(
            all, json_pack("{s:I, s:s, s:s, s:s, s:s?, s:o}", "run",
                           (json_int_t)sqlite3_column_int64(statement, 0), "pipeline",
                           sqlite3_column_text(statement, 1), "command", sqlite3_column_text(statement, 2),
                           "began", sqlite3_column_text(statement, 3), "ended",
                           sqlite3_column_text(statement, 4), "summary", summary ? summary : json_null()));
    }
    if (row != SQLITE_DONE)
        rc = sql_error(store, "read the history", err);
    sqlite3_finalize(statement);
    if (rc == IST_OK)
        *runs = all;
    else
        json_decref(all);
    return rc;
}
