// What the files of the SQLite backend share: the open database, statements, transactions.
#ifndef CORE_STATE_SQLITE_H
#define CORE_STATE_SQLITE_H

#include "state/store.h"

#include <sqlite3.h>

struct store {
    sqlite3 *db;
    char *path; // owned
    unsigned char key[32];
    int lock_fd; // -1: not held
};

// Fills *err from what SQLite said last; `what` reads like "read the steps". Returns the code.
int sql_error(struct store *store, const char *what, ist_error *err);
// Runs statements without parameters or rows. IST_OK or an error.
int sql_run(struct store *store, const char *sql, const char *what, ist_error *err);
// Prepares `sql` and binds `texts` (a NULL ends the list; it cannot be bound) to ?1, ?2, ...
int sql_prepare(struct store *store, sqlite3_stmt **statement, ist_error *err, const char *sql, ...);
// One step of a statement that returns no rows; finalises it in any case.
int sql_finish(struct store *store, sqlite3_stmt *statement, const char *what, ist_error *err);
// The first column of the first row as an integer; `otherwise` when there is no row. Finalises.
int64_t sql_integer(sqlite3_stmt *statement, int64_t otherwise);

// A write is one transaction: begin, the statements, then end with how they went. A change of what was made
// (counted) moves the serial on. Returns rc, or the error of the commit.
int sql_begin(struct store *store, ist_error *err);
int sql_end(struct store *store, int rc, bool counted, ist_error *err);

// The text of a JSON column; NULL for a NULL column. New reference.
json_t *sql_json(sqlite3_stmt *statement, int column);
int sql_bind_json(sqlite3_stmt *statement, int index, const json_t *json); // NULL binds NULL

// Brings the schema of a database that is open to today's, after a backup when there is something to lose.
int store_migrate(struct store *store, ist_error *err);
#define STORE_SCHEMA 2

char *store_now(void); // "2026-01-31T12:00:00.123Z"; ist_free
#endif
