// Export and import: every table but the key, as one JSON document. Tokens of open intents travel as they
// are; later ones are made with the key of the installation that imports. An export of an older schema is read too.
#include "state/sqlite.h"

#include <isthmus/json.h>
#include <string.h>

#define FORMAT 1

struct table {
    const char *name, *columns; // columns in the table's order, without runs' own number
    int counts[STORE_SCHEMA];   // how many of them there were in each schema: new ones only follow
};
static const struct table tables[] = {
    {"steps", "pipeline, step, position, record", {4, 4}},
    {"resources", "pipeline, step, resource, position, status, token, generation, data, previous", {8, 9}},
    {"generations", "pipeline, step, resource, next", {4, 4}},
    {"runs", "pipeline, command, began, ended, summary", {5, 5}},
};
#define TABLES (sizeof(tables) / sizeof(*tables))

static json_t *cell(sqlite3_stmt *statement, int column)
{
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
        return json_integer((json_int_t)sqlite3_column_int64(statement, column));
    case SQLITE_TEXT:
        return json_string((const char *)sqlite3_column_text(statement, column));
    default:
        return json_null();
    }
}

static int export_table(struct store *store, const struct table *table, json_t *all, ist_error *err)
{
    char sql[256];
    snprintf(sql, sizeof(sql), "SELECT %s FROM %s", table->columns, table->name);
    sqlite3_stmt *statement = NULL;
    int rc = sql_prepare(store, &statement, err, sql, NULL);
    if (rc != IST_OK)
        return rc;
    json_t *rows = json_array();
    int row;
    while ((row = sqlite3_step(statement)) == SQLITE_ROW) {
        json_t *cells = json_array();
        for (int i = 0; i < table->counts[STORE_SCHEMA - 1]; i++)
            json_array_append_new(cells, cell(statement, i));
        json_array_append_new(rows, cells);
    }
    if (row != SQLITE_DONE)
        rc = sql_error(store, "read it", err);
    sqlite3_finalize(statement);
    json_object_set_new(all, table->name, rows);
    return rc;
}

int store_export(struct store *store, json_t **all, ist_error *err)
{
    json_t *made = json_pack("{s:s, s:i, s:i, s:I}", "what", "isthmus state", "format", FORMAT, "schema",
                             STORE_SCHEMA, "serial", (json_int_t)store_serial(store));
    // One read transaction, so that the tables agree.
    int rc = sql_run(store, "BEGIN", "read it", err);
    for (size_t i = 0; i < TABLES && rc == IST_OK; i++)
        rc = export_table(store, &tables[i], made, err);
    if (!sqlite3_get_autocommit(store->db))
        rc = sql_end(store, rc, false, err);
    if (rc == IST_OK)
        *all = made;
    else
        json_decref(made);
    return rc;
}

static int import_row(struct store *store, const struct table *table, const json_t *cells, ist_error *err)
{
    const int columns = table->counts[STORE_SCHEMA - 1];
    char sql[256];
    int len = snprintf(sql, sizeof(sql), "INSERT INTO %s(%s) VALUES(?1", table->name, table->columns);
    for (int i = 2; i <= columns; i++)
        len += snprintf(sql + len, sizeof(sql) - (size_t)len, ",?%d", i);
    snprintf(sql + len, sizeof(sql) - (size_t)len, ")");
    sqlite3_stmt *statement = NULL;
    int rc = sql_prepare(store, &statement, err, sql, NULL);
    if (rc != IST_OK)
        return rc;
    for (int i = 0; i < columns; i++) { // what an older schema did not have stays NULL
        const json_t *value = json_array_get(cells, (size_t)i);
        if (json_is_integer(value))
            sqlite3_bind_int64(statement, i + 1, json_integer_value(value));
        else if (json_is_string(value))
            sqlite3_bind_text(statement, i + 1, json_string_value(value), -1, SQLITE_TRANSIENT);
    }
    return sql_finish(store, statement, "import a row", err);
}

static int import_tables(struct store *store, const json_t *all, ist_error *err)
{
    const int64_t schema = ist_json_int(all, "schema", 0);
    int rc = IST_OK;
    for (size_t i = 0; i < TABLES && rc == IST_OK; i++) {
        const json_t *rows = json_object_get(all, tables[i].name);
        const int count = tables[i].counts[schema - 1];
        if (!json_is_array(rows))
            return ist_fail(err, IST_ERR_INPUT, "import", "the export has no list `%s`", tables[i].name);
        for (size_t j = 0; j < json_array_size(rows) && rc == IST_OK; j++) {
            const json_t *cells = json_array_get(rows, j);
            if (json_array_size(cells) != (size_t)count)
                return ist_fail(err, IST_ERR_INPUT, "import", "row %zu of `%s` has %zu columns, expected %d",
                                j + 1, tables[i].name, json_array_size(cells), count);
            rc = import_row(store, &tables[i], cells, err);
        }
    }
    return rc;
}

static int refuse(struct store *store, const json_t *all, ist_error *err)
{
    if (strcmp(ist_json_str_or(all, "what", ""), "isthmus state") != 0)
        return ist_fail(err, IST_ERR_INPUT, "import", "this is no export of a state of Isthmus");
    const long long format = ist_json_int(all, "format", 0), schema = ist_json_int(all, "schema", 0);
    if (format < 1 || schema < 1)
        return ist_fail(err, IST_ERR_INPUT, "import", "the export does not say its format and its schema");
    if (format > FORMAT || schema > STORE_SCHEMA)
        return ist_fail(
            err, IST_ERR_INPUT, "import",
            "written by a newer Isthmus: format %lld and schema %lld, this program knows %d and %d", format,
            schema, FORMAT, STORE_SCHEMA);
    sqlite3_stmt *statement = NULL;
    int rc = sql_prepare(store, &statement, err,
                         "SELECT (SELECT count(*) FROM steps) + (SELECT count(*) FROM resources)", NULL);
    if (rc == IST_OK && sql_integer(statement, 1) != 0)
        rc = ist_fail(err, IST_ERR_CONFLICT, store->path,
                      "the state is not empty: import goes into a new one only");
    return rc;
}

int store_import(struct store *store, const json_t *all, ist_error *err)
{
    int rc = sql_begin(store, err);
    if (rc != IST_OK)
        return rc;
    rc = refuse(store, all, err);
    // A plan made before must not fit by chance.
    if (rc == IST_OK)
        rc = import_tables(store, all, err);
    if (rc == IST_OK) {
        sqlite3_stmt *statement = NULL;
        rc = sql_prepare(store, &statement, err,
                         "UPDATE meta SET value = max(value, ?1) WHERE name = 'serial'", NULL);
        if (rc == IST_OK) {
            sqlite3_bind_int64(statement, 1, ist_json_int(all, "serial", 1));
            rc = sql_finish(store, statement, "write the serial", err);
        }
    }
    return sql_end(store, rc, true, err);
}
