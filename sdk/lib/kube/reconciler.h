// What the files of the reconciler share. Not installed.
//
//   reconciler_run.c      one run: opening, the loop, what a model tells
//   reconciler_cluster.c  connecting, telling who answers, losing and regaining a cluster
//   reconciler_feed.c     one kind of one cluster: listed, then watched
//   reconciler_list.c    what lists bring, in JSON or protobuf
//   reconciler_aside.c    what is ours of a list of everything, until it can be compared
//   reconciler_object.c   the compact records of what is in a cluster, and keys
//   reconciler_see.c      what lists and watches bring: the model's or our own
//   reconciler_wanted.c   what want() says, digests
//   reconciler_decide.c   a key: what is wanted against what is there
//   reconciler_write.c    carrying a decision out, stage by stage
//   reconciler_force.c    what others left in an object of ours
//   reconciler_request.c  requests under way, retried by class
//   reconciler_lease.c    who writes
//   reconciler_holder.c   what a holder is called, and whether one of this machine is gone
//   reconciler_seize.c    the lease of a destruction
//   reconciler_configure.c  new inputs, new credentials
//   reconciler_status.c   numbers for the supervisor
//   reconciler_made.c     what this step made, by uid: ours also without its label
//   reconciler_once.c     observe, plan, apply, verify
//   reconciler_destroy.c  destroy
#ifndef IST_KUBE_RECONCILER_INTERNAL_H
#define IST_KUBE_RECONCILER_INTERNAL_H

#include "../http/internal.h"
#include "page.h"
#include "proto.h"

#include <isthmus/kube_reconciler.h>

#define REC_KINDS     16 // rows of a plugin's table at most
#define REC_FLIGHT    16 // writes under way in one cluster
#define REC_NEVER     INT64_MAX
#define REC_ARRIVE_MS 1500 // what was sent has arrived by then: nothing is sent in the last of a lease's time
#define REC_BODY_MS   30000 // a request without an answer
#define REC_LOGIN_MS  50    // how often a credential helper that runs is looked at
// What may not wait comes before everything that may, in the order of its coming.
#define REC_AHEAD_MS 3600000

// ---- records

// An object in a cluster, in a hundred bytes or so: never the document.
struct rec_object {
    struct rec_key *key;     // of our own: what it belongs to
    struct rec_object *next; // of the same key
    char *uid;               // "" while its creation is under way
    const char *source;      // label isthmus.dev/source-cluster, interned; NULL: none
    uint64_t version;        // resourceVersion, see rec_version()
    uint64_t digest;         // of the wanted object that it agrees with; 0: differs, or not known
    uint32_t hash;
    uint8_t kind, round;
    uint8_t own;      // carries our owner label, or did: see rec_made_has()
    uint8_t unmarked; // of our own: the label is gone
    uint8_t isthmus;  // somebody else's: another step of Isthmus keeps it
    uint8_t busy;     // a write is under way
    uint8_t deleting; // its finalizers run
    uint8_t mixed;    // somebody else's, and a creation of ours ran into it: our fields have to come off
    uint8_t kept;     // scratch of a decision
    char name[];      // "namespace\0name\0"
};

struct rec_key {
    struct rec_key *chain; // of the same slot
    struct rec_object *objects;
    struct rec_job *job; // being written
    json_t *notes;       // array of strings, or NULL
    int64_t due;         // monotonic; REC_NEVER
    int64_t since;       // when it was touched first since it was written; 0: nothing waits
    size_t heap;         // place in the heap of due keys, from 1; 0: not in it
    uint32_t hash;
    int failures;
    int rivals;       // how often somebody else undid what was written, a time after the other
    int64_t rival_at; // the last time; monotonic
    uint16_t
        jitter; // of the wait that follows, in thousandths: two that give way to each other fall out of step
    uint16_t said;     // how many objects want() said when one was compared last; 0: it was touched since
    uint8_t contested; // that happened while it was written
    uint8_t undone;    // and since it was written last: counted once
    uint8_t orphan;    // holds an object that belongs to no key any more
    uint8_t urgent;    // touched with 0 ms
    uint8_t touched;   // while it was written: to be decided again
    uint8_t follows;   // the step before asked for it: see ist_wanted_again()
    char text[];
};

struct rec_table {
    struct rec_object **slots;
    size_t room, count, dead;
};

// Digests of what want() has said while what is ours is listed for the first time: open addressing, 0 is none.
struct rec_expected {
    uint64_t *slots;
    size_t room, count;
};

struct rec_keys {
    struct rec_key **slots;
    size_t room, count;
    struct rec_key **heap; // by due
    size_t due, heap_room;
};

// The uids of what an earlier apply made, as digests in order.
struct rec_made {
    uint64_t *items;
    size_t count;
};

// ---- one kind of one cluster

enum rec_stage {
    REC_OFF,    // not served, or nothing is known yet
    REC_OTHERS, // listing what is not ours
    REC_WAIT,   // until every cluster was listed or tried
    REC_OURS,   // listing what is ours
    REC_WATCH,  // (or, in one reading, done)
};

// An item of a list as it came, in JSON or protobuf; borrowed.
struct rec_item {
    const char *bytes;
    size_t len;
    uint8_t binary;
};

struct rec_feed {
    struct rec_cluster *cluster;
    size_t kind;
    enum rec_stage stage;
    ist_http_stream *stream;
    ist_http_stream
        *parked;   // the watch that goes on after what it is of was listed again; NULL: another one is begun
    uint64_t told; // and which version that list was of: what is no newer is known; 0: none
    struct kube_page page;        // of a list in JSON
    struct kube_proto_page proto; // of one in protobuf
    uint8_t binary;               // which the one under way is, or the last
    uint8_t as_json;              // it came broken in protobuf
    json_t
        *unmarked; // array: objects of our own that lost their label, until what is ours was listed; or NULL
    char *more;    // continue token
    char *version; // to watch from
    int limit;
    uint8_t round;
    uint8_t whole;   // the list under way, or the last, was of everything: what is ours of it was put aside
    uint8_t spilled; // it was too much: it is listed by itself
    ist_buf aside;   // each behind its length
    size_t aside_at; // what is before was compared
    int listed;      // what is not ours was listed once in this run
    int compared;    // what is ours was
    int relist;      // the listing under way repeats an earlier one
    int answered;    // a watch was, since the cluster was connected
    uint32_t minted; // the credentials that it was asked with, as kube->minted
    int failures;    // tries in a row
    int misses;      // how often in a row a watch could not go on from where it was
    int64_t began, heard_at, retry_at;
    int64_t items, events;
};

// ---- requests

struct rec_request;
// Called once with what came of it; answer and err are borrowed. status 0: none, `err` says why.
typedef void rec_answer(struct rec_request *request, int status, const json_t *answer, const ist_error *err);

struct rec_request {
    struct rec_request *next;
    struct rec_cluster *cluster;
    ist_http_stream *stream;
    const char *method, *type; // static; type NULL: application/json
    char *path;                // owned
    char *body;                // owned; NULL: none
    int write;                 // fenced by the lease, counted against REC_FLIGHT
    int urgent;
    int attempts;     // sent so often
    int lost;         // an answer was lost: it may have acted
    int once;         // whoever asked tries again by itself
    int refreshed;    // credentials were made anew for it
    uint32_t minted;  // those that it was sent with, as kube->minted
    int64_t limit_ms; // 0: REC_BODY_MS
    int64_t asked_ms; // the answer's Retry-After; 0: none
    int64_t not_before;
    rec_answer *answer;
    void *arg;
};

// ---- clusters

enum rec_phase {
    REC_IDENTIFY, // asking who it is
    REC_DISCOVER, // asking what it serves
    REC_RUN,
};

struct rec_lease {
    char *name, *ns;     // NULL: nothing is written
    int64_t valid_until; // monotonic: nothing is sent after it; 0: not held
    int64_t next_at;     // of the next look or renewal
    int64_t sent_at;     // of the request under way
    int64_t seen_at;     // when `version` was seen first
    int64_t dead_at;     // when its holder was first seen to be gone; 0: it may live
    int64_t duration_ms; // as its holder says
    int64_t transitions;
    char *version;  // resourceVersion as last seen
    char *holder;   // as last seen
    char *acquired; // since when, in the holder's words
    struct rec_request *request;
    int held, denied, must_look;
    int waived; // one reading: it may not be used, so that writing goes on without
};

struct rec_cluster {
    ist_reconciler *run;
    size_t index;
    ist_cluster *item; // borrowed
    ist_kube *kube;    // borrowed
    enum rec_phase phase;
    uint32_t state;
    int tried;  // answered, or failed often enough that nobody waits for it
    int failed; // gave up (one reading)
    int compared;
    int faults;   // in a row
    int downs;    // how often it was given up without having been reached since
    int aborting; // what ends now ends for a reason that is known
    int64_t heard_at, retry_at, lost_at, connected_at, probe_at;
    int64_t connected_clock; // milliseconds since 1970
    int64_t renewed_at;      // when its credentials were read anew; 0: never
    int renew;               // they are to be
    int64_t files_at;        // when the files of its kubeconfig were looked at
    int64_t generation;      // of the inputs that it is as they say
    int stopping;            // a question stands
    int left;                // one reading: the writing there is left to him who holds the Lease
    ist_error fault;         // the last one; code 0: none
    ist_error unwritten;     // one reading: the first write that failed
    struct rec_request *active, *waiting, *waiting_tail, *urgent, *urgent_tail;
    size_t flight, queued; // writes
    struct rec_request *identity;
    size_t discovering;
    struct rec_feed feeds[REC_KINDS];
    uint8_t serves[REC_KINDS];
    uint8_t outdated
        [REC_KINDS];  // a fallback that is not needed (any more): what is ours of it is listed once, and goes
    int known;        // what it serves was asked once
    int asking;       // for a kind that it does not serve
    size_t asked;     // the next of them
    int64_t asked_at; // since when none was
    struct rec_table table;
    struct rec_keys keys;
    struct rec_made made;
    struct rec_expected expected;
    struct rec_lease lease;
    size_t jobs;
    int64_t writes, deletes, retries, conflicts, losses, relists, rivals;
    int64_t last_write_clock;
    json_t *metrics; // name -> {help, counter, value}
    struct rec_held *held;
    ist_error clash; // two keys want one object; code 0: none do
};

struct ist_reconciler {
    ist_env env;
    const ist_reconciler_plugin *plugin;
    size_t kinds;
    json_t *inputs, *recorded;
    ist_clusters *clusters;
    struct rec_cluster *items;
    void *model;
    char *owner;
    char *identity; // of this process as holder of leases
    int64_t grace_ms;
    int64_t began;
    int watching;    // else: one reading
    int settled;     // every cluster was listed or tried: want() may be asked
    int writing;     // decisions are carried out
    json_t *planned; // apply: cluster -> object -> digest; NULL: everything is written
    json_t *fields;  // one reading: what differs of objects that are there
    json_t *pool;    // interned strings
    size_t unplanned;
    // what want() said last
    struct rec_cluster *wanted_cluster;
    struct rec_key *wanted_key;
    struct ist_wanted *wanted;
    int64_t status_at; // 0: something has changed since
    int64_t told_at;
    int trimmed;
    int holding;        // keys are being walked through: none is freed
    int64_t generation; // of the configuration
    uint32_t models;    // how many there were: whose a question was
    json_t *coming;     // new inputs that wait until what is being written has ended; NULL: none
    int64_t coming_at;  // since when
    int anew;           // the run has to be opened anew
};

// ---- run
// `identity` (stolen; may be NULL): who we are among those who may hold a Lease. `inputs` (stolen; NULL: those that the
// host has).
int32_t rec_open(const ist_env *env, const ist_reconciler_plugin *plugin, int watching, char *identity,
                 json_t *inputs, ist_reconciler **run, ist_error *err);
void rec_close(ist_reconciler *run);
// Drives everything until `done` says so or the call is cancelled.
typedef int rec_done(ist_reconciler *run);
// IST_AGAIN: the run has to be opened anew, with what are its inputs by then.
int32_t rec_drive(ist_reconciler *run, rec_done *done, ist_error *err);
void rec_hand_over(ist_reconciler *run); // what is on its way arrives, then the leases are given back
// The model is told or asked something that changes what it wants.
void rec_stale(ist_reconciler *run);
const char *rec_intern(ist_reconciler *run, const char *text);

// ---- clusters
void rec_cluster_open(ist_reconciler *run, size_t index);
void rec_cluster_close(struct rec_cluster *cluster);
// Starts what is due; *until: when it has to be called again at the latest.
void rec_cluster_step(struct rec_cluster *cluster, int64_t now, int64_t *until);
void rec_cluster_heard(struct rec_cluster *cluster);
// Something could not be sent or was lost. 1: the cluster is given up for now, every stream of it is closed.
int rec_cluster_fault(struct rec_cluster *cluster, const ist_error *err);
void rec_cluster_listed(struct rec_cluster *cluster); // a feed has come a stage further
void rec_cluster_state(struct rec_cluster *cluster, uint32_t state);
// Everything of it was listed and compared, and it can be reached.
int rec_cluster_live(const struct rec_cluster *cluster);
// Since when it is out of reach, as far as it counts; 0: it is not.
int64_t rec_cluster_lost_at(const struct rec_cluster *cluster);
int64_t rec_backoff(int failures, int64_t base, int64_t cap);

// The credentials with which something was asked are refused, in an answer of this Date (or NULL): others are there, or on
// their way (1).
int rec_cluster_login(struct rec_cluster *cluster, uint32_t minted, const char *date, ist_error *err);
void rec_cluster_attach(struct rec_cluster *cluster); // to its client
// Another client for the same cluster, stolen.
void rec_cluster_client(struct rec_cluster *cluster, ist_kube *kube);
// Its credentials are refused: reads them anew, soon.
void rec_cluster_renew(struct rec_cluster *cluster);
void rec_cluster_renew_step(struct rec_cluster *cluster);

// What is being written is broken off. 0: it does not end by that.
int rec_cluster_halt(struct rec_cluster *cluster);
// Then: everything is seen once more, and nothing of before counts, as after rec_open(), but over the connections,
// watches and Leases that there are.
void rec_cluster_again(struct rec_cluster *cluster);
// New inputs, if there are any. 0: the run has to be closed and opened anew.
int rec_configure_step(ist_reconciler *run);
// Of the run that is opened in its place: the newest with which one can begin. New reference.
json_t *rec_following_inputs(const ist_reconciler *run);

// ---- feeds
void rec_feed_step(struct rec_feed *feed, int64_t now, int64_t *until);
void rec_feed_read(struct rec_feed *feed);
void rec_feed_stop(struct rec_feed *feed); // closes the stream; what was listed counts
void rec_feed_drop(struct rec_feed *feed); // and a watch that was put aside
void rec_feed_again(
    struct rec_feed *feed); // from its list on, for a model that has seen nothing; its watch goes on
void rec_feed_free(struct rec_feed *feed);
void rec_feed_anew(struct rec_feed *feed); // from its list on; what was seen counts until that is whole
// ---- lists
#define REC_ACCEPT_JSON "Accept: application/json"
const char *rec_list_accept(const struct rec_feed *feed); // the header of the next request; static
// What of these bytes can be taken by now: *used. What is broken in protobuf is asked for in JSON the next time.
int32_t rec_list_feed(struct rec_feed *feed, const char *bytes, size_t len, size_t *used, ist_error *err);
int32_t rec_list_end(struct rec_feed *feed, json_t **head, ist_error *err); // see kube_page_end()
void rec_list_reset(struct rec_feed *feed);
// An item of what is ours, as of a list: compared.
int32_t rec_feed_compare(struct rec_feed *feed, const struct rec_item *item, ist_error *err);

// ---- what is put aside
void rec_aside_begin(struct rec_feed *feed, int whole); // a listing does; of everything or not
void rec_aside_drop(struct rec_feed *feed);             // what is ours is listed by itself
// An item of a list of everything. 1: it is ours, and was put aside or will be listed by itself.
int rec_aside_put(struct rec_feed *feed, const struct rec_item *item);
int rec_aside_has(const struct rec_feed *feed); // the whole of what is ours, from the last list
// Compares some of it. *more: there is more of it.
int32_t rec_aside_take(struct rec_feed *feed, int *more, ist_error *err);

// ---- records
uint64_t rec_version(const char *text);        // a number, or a hash with the highest bit set
int rec_version_older(uint64_t a, uint64_t b); // for sure
struct rec_object *rec_find(struct rec_cluster *cluster, size_t kind, const char *ns, const char *name);
struct rec_object *rec_add(struct rec_cluster *cluster, size_t kind, const char *ns, const char *name,
                           const char *uid);
void rec_remove(struct rec_cluster *cluster, struct rec_object *object);
const char *rec_object_ns(const struct rec_object *object);
const char *rec_object_name(const struct rec_object *object);
void rec_set_uid(struct rec_object *object, const char *uid);
void rec_set_key(struct rec_cluster *cluster, struct rec_object *object, struct rec_key *key);
struct rec_key *rec_key(struct rec_cluster *cluster, const char *text, int make);
void rec_key_due(struct rec_cluster *cluster, struct rec_key *key, int64_t due);
void rec_key_drop(struct rec_cluster *cluster, struct rec_key *key); // frees it when nothing needs it
struct rec_key *rec_key_next_due(struct rec_cluster *cluster, int64_t now);
void rec_records_free(struct rec_cluster *cluster);
void rec_expect(struct rec_expected *expected, uint64_t digest);
int rec_is_expected(const struct rec_expected *expected, uint64_t digest);
void rec_expected_free(struct rec_expected *expected);

// ---- what came
// `gone`: DELETED. Listing says so by `listing`.
void rec_see(struct rec_feed *feed, json_t *object, int gone, int listing);
void rec_see_unmarked(struct rec_feed *feed); // what of ours came without its label while all else was listed
// Of what is ours, listed: is it as something that was asked for lately, by its digest? Then it is taken.
int rec_see_known(struct rec_feed *feed, json_t *head, uint64_t digest);
void rec_sweep(struct rec_feed *feed, int own); // what the listing that ends did not bring is gone
// A write of this object was answered: what came of it meanwhile counts now.
void rec_see_held(struct rec_cluster *cluster, size_t kind, const char *ns, const char *name);
void rec_held_free(struct rec_cluster *cluster);

// ---- what was made
// As of rec_made_text(); NULL: nothing.
void rec_made_read(struct rec_made *made, const char *text);
void rec_made_free(struct rec_made *made);
int rec_made_has(const struct rec_made *made, const char *uid);
// What state records of the objects of ours that are in the cluster. The caller's.
char *rec_made_text(const struct rec_cluster *cluster);
const char *rec_made_recorded(const json_t *recorded, const char *cluster); // borrowed, or NULL
// No step of Isthmus says that it is its own.
int rec_is_unmarked(const json_t *object);
// Nothing but the name and our labels. New reference.
json_t *rec_mark(const ist_reconciler *run, size_t kind, const char *ns, const char *name);

// ---- wanted
struct rec_want {
    json_t *object;
    uint32_t flags;
    size_t kind; // REC_KINDS: not in the table
};
struct ist_wanted {
    struct rec_want *items;
    size_t count, room;
    json_t *keep; // array of sources
    json_t *notes;
    int keep_all, again;
};
// What the model wants under a key; borrowed until the model changes or another key is asked.
struct ist_wanted *rec_want(struct rec_cluster *cluster, struct rec_key *key);
const struct rec_want *rec_want_find(const struct ist_wanted *wanted, size_t kind, const char *ns,
                                     const char *name);
void rec_wanted_free(struct ist_wanted *wanted);
// Is this object wanted under that key? Asks the model, and leaves alone what rec_want() lent out.
int rec_wants(struct rec_cluster *cluster, const struct rec_key *key, size_t kind, const char *ns,
              const char *name);
// 0 when an ownerReference waits for an object that is not there yet; else the uids are filled in.
int rec_resolve(struct rec_cluster *cluster, json_t *object);
int rec_owner_taken(struct rec_cluster *cluster, const json_t *object); // it waits for somebody else's object
uint64_t rec_digest(const json_t *object);
uint64_t rec_text_digest(const char *text);
char *rec_digest_text(const json_t *object); // 16 hex digits; NULL: zeroes. The caller's
int rec_is_own(const ist_reconciler *run, const json_t *object);

// ---- deciding and writing
// WITHDRAW takes our fields off what a creation ran into.
enum rec_op { REC_CREATE, REC_UPDATE, REC_DELETE, REC_WITHDRAW };
struct rec_action {
    enum rec_op op;
    size_t kind;
    json_t *object; // owned; NULL for a deletion
    char *ns, *name, *uid;
    int if_absent;
};
struct rec_job {
    struct rec_cluster *cluster;
    struct rec_key *key;
    struct rec_action *actions; // in the order of carrying out
    size_t count, at, stage_end, outstanding;
    int again, failed, aborted, urgent;
    int waits; // for an object that another key is making
    int64_t retry_ms;
};
// What has to be done for a key (count 0: nothing). Sets the key's notes.
struct rec_job *rec_decide(struct rec_cluster *cluster, struct rec_key *key);
// Two keys want one object: noted, and an error of one reading.
void rec_clash(struct rec_job *job, const char *other, size_t kind, const char *ns, const char *name);
void rec_job_free(struct rec_job *job);
void rec_job_start(struct rec_job *job);
// Is all that is under it as want() has said since it was touched?
int rec_is_settled(const struct rec_key *key);
void rec_key_note(struct rec_key *key, const char *format, ...) __attribute__((format(printf, 2, 3)));
// 1: more is due, and could be decided at once.
int rec_write_due(struct rec_cluster *cluster, int64_t now);
// Somebody else changed what was written for a key, and it was as wanted. When it may be written again: at once, but
// two that undo each other's writes come apart more and more. Monotonic.
int64_t rec_key_rival(struct rec_cluster *cluster, struct rec_key *key, int64_t now);
void rec_key_note_rival(struct rec_key *key); // notes it where it is so
// All that waits for a time to come is due now.
void rec_keys_hurry(struct rec_cluster *cluster, int64_t now);
// A merge patch that makes `live` (NULL: not known) what is wanted. New reference.
json_t *rec_force(const json_t *wanted, const json_t *live, const char *const *server_set);

// ---- requests
// Takes path and body.
struct rec_request *rec_request(struct rec_cluster *cluster, const char *method, char *path, char *body,
                                rec_answer *answer, void *arg);
void rec_request_send(struct rec_request *request);
int rec_passing(int status); // an answer that says: not now
void rec_requests_step(struct rec_cluster *cluster, int64_t now, int64_t *until);
void rec_requests_read(struct rec_cluster *cluster);
// All that is under way or waiting; each is answered with `err`.
void rec_requests_abort(struct rec_cluster *cluster, int writes_only, const ist_error *err);

// ---- lease
void rec_lease_open(struct rec_cluster *cluster);
// Gives it back, so that the next one need not wait; after the last write was answered.
void rec_lease_release(struct rec_cluster *cluster);
void rec_lease_close(struct rec_cluster *cluster);
void rec_lease_step(struct rec_cluster *cluster, int64_t now, int64_t *until);
int rec_may_write(const struct rec_cluster *cluster, int64_t now);
int rec_stands_by(const struct rec_cluster *cluster); // another one holds it, and writes

// What the above and a destruction share. Texts are the caller's, claims new references.
const char *rec_lease_ns(const json_t *inputs); // where it stands; borrowed
char *rec_lease_name(const char *owner);
char *rec_lease_path(const struct rec_lease *lease, int named);
json_t *rec_lease_claim(const struct rec_lease *lease, const ist_env *env, const char *owner,
                        const char *holder, int ours, int64_t duration_ms);
// What it says now; has it moved since it was last read?
int rec_lease_read(struct rec_lease *lease, const json_t *said, int64_t now);
// Once it was read: when nobody who lives holds it any more, should it not move until then.
int64_t rec_lease_free_at(const struct rec_lease *lease);
void rec_lease_tell_wait(const ist_env *env, const char *cluster, const struct rec_lease *lease, int64_t now);
void rec_lease_tell_holder(ist_error *err, const char *cluster,
                           const struct rec_lease *lease); // IST_ERR_CONFLICT
void rec_lease_clear(struct rec_lease *lease);

char *rec_identity(void); // of this process as a holder; the caller's
// Is it a process of this machine that has ended? 0 too when that cannot be told.
int rec_holder_is_gone(const char *identity);

// For a destruction: waits until nobody who lives holds it (IST_ERR_CONFLICT: somebody does), takes it, and keeps it
// before every call of `kube`. *seized: NULL when it may not be used.
struct rec_seized;
int32_t rec_lease_seize(const ist_env *env, ist_kube *kube, const char *cluster, const char *ns,
                        const char *owner, struct rec_seized **seized, ist_error *err);
// Removes it, or gives it back: where it cannot be removed, or the destruction failed. NULL is nothing.
void rec_lease_unseize(struct rec_seized *seized, int take_away);

// ---- status
json_t *rec_status(ist_reconciler *run);
void rec_status_step(ist_reconciler *run, int64_t now, int64_t *until);

#endif
