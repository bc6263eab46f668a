// What Isthmus knows it made. One small interface; SQLite is the backend that is there.
#ifndef CORE_STATE_STORE_H
#define CORE_STATE_STORE_H

#include <isthmus/error.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct store;

// Opens (and makes, 0600) the state at `path`; a newer schema is refused, an older one migrated after a
// backup.
int store_open(const char *path, struct store **store, ist_error *err);
void store_close(struct store *store);
int64_t store_serial(struct store *store);           // grows with every committed change
const unsigned char *store_key(struct store *store); // 32 random bytes of this installation
int store_backup(struct store *store, const char *path, ist_error *err); // `path` must not exist yet
const char *store_path(const struct store *store);                       // borrowed

// The lock: an flock on PATH.lock, so that a dead holder never blocks; the file tells holder, pid, boot id,
// since.
int store_lock(struct store *store, const char *what,
               ist_error *err);         // IST_ERR_CONFLICT: who holds it, how long
int store_lock_fd(struct store *store); // -1 when not held; workers inherit it
void store_unlock(struct store *store);
// Who holds it: {what, pid, boot, since, host, alive}, or NULL in *holder when nobody does. New reference.
int store_lock_holder(struct store *store, json_t **holder, ist_error *err);
// Sets the lock file aside, so that the next run makes a new one: for a holder that lives but never ends.
int store_lock_break(struct store *store, ist_error *err);

// Steps. A record is an object: {step, plugin, version, pipeline, status: "applying"|"applied"|"destroying",
// inputs: {public inputs}, outputs: {without secrets}, needs: [..], record_version, generation, changed:
// time, resources: {name: {status, token, generation, data}}}. New references. A step that is not there is a
// NULL record, not an error. The resources are written by store_intent and store_outcome alone: put() leaves
// them as they are. remove() forgets them, but not their generations: a step that comes back gets new tokens.
int store_step_get(struct store *store, const char *pipeline, const char *step, json_t **record,
                   ist_error *err);
int store_steps(struct store *store, const char *pipeline, json_t **records,
                ist_error *err);                                          // array, recorded order
int store_pipelines(struct store *store, json_t **names, ist_error *err); // array of names that have steps
int store_step_put(struct store *store, const char *pipeline, const char *step, const json_t *record,
                   ist_error *err);
int store_step_remove(struct store *store, const char *pipeline, const char *step, ist_error *err);
int store_step_rename(struct store *store, const char *pipeline, const char *from, const char *to,
                      ist_error *err);

// The journal of resources: durable when they return. store_intent computes the token:
// HMAC-SHA256(installation key, pipeline, step, resource, generation), hex. An open intent keeps its token;
// one opened over a resource that exists keeps what was known of it as `previous` until the outcome.
int store_intent(struct store *store, const char *pipeline, const char *step, const char *resource,
                 const json_t *data, char token[65], ist_error *err);
// data NULL: the resource is gone, its generation moves on.
int store_outcome(struct store *store, const char *pipeline, const char *step, const char *resource,
                  const json_t *data, ist_error *err);

// Runs: history of what was done. `summary` is an object.
int store_run_begin(struct store *store, const char *pipeline, const char *command, int64_t *run,
                    ist_error *err);
int store_run_end(struct store *store, int64_t run, const json_t *summary, ist_error *err);
int store_runs(struct store *store, json_t **runs, ist_error *err); // array, newest first
int store_export(struct store *store, json_t **all, ist_error *err);
int store_import(struct store *store, const json_t *all, ist_error *err); // into an empty state only

#endif
