// isthmus/plugin.h: the whole ABI between Isthmus and a plugin. It needs nothing but libc.
//
// A plugin is one shared object NAME.so that manages one kind of thing. It exports one function,
// `ist_plugin_entry`, which is handed the host's table and returns a constant descriptor. All else goes
// through these two tables. Both carry their size and grow only at the end: compare `size` (or use IST_HAS)
// before using a member newer than the minor version you were built for.
//
// No enum, bool, off_t, FILE * or type of another library crosses; trees of data cross as opaque ist_value.
// Strings are UTF-8 and NUL-terminated. Everything a host function returns is borrowed and lives until the
// operation returns; everything handed to one is copied before it returns.
//
// Major 0 may still change; from 1 on it is frozen: what was built against it loads for ever.
#ifndef ISTHMUS_PLUGIN_H
#define ISTHMUS_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IST_MAGIC     0x49535448u // "ISTH"
#define IST_ABI_MAJOR 0u
#define IST_ABI_MINOR 4u

#define IST_EXPORT __attribute__((visibility("default")))

// Is `member` within the bytes that the other side really has?
#define IST_HAS(table, member)                                                                               \
    ((table)->size >= offsetof(__typeof__(*(table)), member) + sizeof((table)->member))

typedef struct ist_value ist_value; // a node of a tree of data; owned by the host
typedef struct ist_call ist_call;   // one operation under way; valid until the operation returns

// ---- results
// An operation returns IST_OK, or one of these after it called host->fail() with the same code.
//
#define IST_OK            0
#define IST_ERR_INTERNAL  (-1)  // a defect of the plugin
#define IST_ERR_INPUT     (-2)  // an input is wrong: say which
#define IST_ERR_NOT_FOUND (-3)  // what an input names does not exist
#define IST_ERR_CONFLICT  (-4)  // exists and belongs to somebody else, or changed meanwhile
#define IST_ERR_DENIED    (-5)  // credentials or permissions
#define IST_ERR_NETWORK   (-6)  // could not be reached
#define IST_ERR_TIMEOUT   (-7)  // the deadline passed
#define IST_ERR_CANCELLED (-8)  // the user wants to stop
#define IST_ERR_REMOTE    (-9)  // the other side answered with an error
#define IST_ERR_READ_ONLY (-10) // a write was tried in observe, plan or verify
#define IST_ERR_QUESTION  (-11) // what is true cannot be determined: stop and ask the user
#define IST_ERR_LIMIT     (-12) // a size, depth or quota
#define IST_AGAIN         (-20) // start this operation anew, observing first

// ---- operations
// All are idempotent and use no globals; two instances coexist. An operation runs on one thread, and host
// calls are made from that thread only, except cancelled() and log().
// plan compares inputs with observed(): change() for each difference, and the outputs that are known
// already; one that is not set is unknown until applied.
//
#define IST_OP_OBSERVE 1u // read the world; set_observed() and the outputs. Writes nothing.
#define IST_OP_PLAN    2u // tell what differs, and the outputs known already. Writes nothing.
#define IST_OP_APPLY   3u // make the changes that plan told of, given observed(); then set the outputs
#define IST_OP_DESTROY 4u // remove what recorded() says was made, and nothing else
#define IST_OP_VERIFY  5u // prove that it works: check() each fact. Writes only declared, labelled probes.
#define IST_OP_WATCH   6u // keep it so until cancelled; no intent(), no outcome()
#define IST_OP_CHECK   7u // say what is wrong with the inputs that are known: problem(). Reaches nothing.

// What an ist_change does to a resource.
#define IST_CREATE  1u
#define IST_UPDATE  2u
#define IST_REPLACE 3u
#define IST_DELETE  4u

// How a check() of verify ended.
#define IST_PASS 1u
#define IST_FAIL 2u
#define IST_WARN 3u
#define IST_SKIP 4u

#define IST_LOG_ERROR 1u
#define IST_LOG_WARN  2u
#define IST_LOG_INFO  3u
#define IST_LOG_DEBUG 4u
#define IST_LOG_TRACE 5u // one HTTP exchange or SSH line; the host redacts registered secrets

// ---- values
// kind(): strings hold text; bytes that are not UTF-8 are IST_BYTES. Maps keep their order of insertion.
//
#define IST_NULL   0u
#define IST_BOOL   1u
#define IST_INT    2u
#define IST_REAL   3u
#define IST_STRING 4u
#define IST_BYTES  5u
#define IST_LIST   6u
#define IST_MAP    7u

// ---- the host's table
//
typedef struct ist_host {
    uint32_t size, major, minor;

    // Reading values. A NULL value reads as IST_NULL; a wrong kind as 0, 0.0, NULL or nothing.
    uint32_t (*kind)(const ist_value *v);
    int64_t (*get_int)(const ist_value *v); // bools: 0 or 1
    double (*get_real)(const ist_value *v);
    const char *(*get_bytes)(const ist_value *v, size_t *len);    // strings and bytes; len may be NULL
    size_t (*count)(const ist_value *v);                          // of a list or map
    const ist_value *(*at)(const ist_value *v, size_t i);         // i-th of a list or map; NULL past the end
    const char *(*key_at)(const ist_value *v, size_t i);          // i-th key of a map
    const ist_value *(*get)(const ist_value *v, const char *key); // of a map; NULL when absent

    // Making values. They belong to the call. add() and put() take the child into the parent: a child has one
    // parent, and the same key again replaces.
    ist_value *(*new_null)(ist_call *);
    ist_value *(*new_bool)(ist_call *, int32_t truth);
    ist_value *(*new_int)(ist_call *, int64_t i);
    ist_value *(*new_real)(ist_call *, double d);
    ist_value *(*new_bytes)(ist_call *, const char *bytes, size_t len); // a string when it is UTF-8
    ist_value *(*new_list)(ist_call *);
    ist_value *(*new_map)(ist_call *);
    void (*add)(ist_value *list, ist_value *item);
    void (*put)(ist_value *map, const char *key, ist_value *item);
    void (*release)(ist_value *v); // optional: frees a value without a parent early (long watches)

    // What the operation was given.
    uint32_t (*operation)(ist_call *);        // IST_OP_...
    const char *(*step)(ist_call *);          // pipeline and step: "stars/router", "stars/net[eu]"
    const ist_value *(*inputs)(ist_call *);   // map: every row of the input table that has a value
    const ist_value *(*observed)(ist_call *); // what observe set; IST_NULL in observe and in watch
    // What state knows this step made: map of resource name -> {status: "intent"|"done", token: string,
    // generation: int, data: what intent() or outcome() stored}. Empty for a step never applied.
    const ist_value *(*recorded)(ist_call *);
    // The outputs that the last apply recorded, without the secret ones; an empty map before.
    const ist_value *(*last_outputs)(ist_call *);
    const char *(*run_dir)(ist_call *); // a private folder (0700) of this step and run for files
    int32_t (*wants_trace)(ist_call *); // 1: log(IST_LOG_TRACE) lines are wanted

    // What the operation tells.
    void (*set_observed)(ist_call *, const ist_value *v);
    void (*set_output)(ist_call *, const char *name, const ist_value *v); // a row of the output table
    // One resource that will change, and then field by field (a path such as "routes[10.1.0.0/16].target");
    // a NULL `after` is not known before apply; secrets show as changed only. `reason` may be NULL.
    void (*change)(ist_call *, uint32_t action, const char *resource, const char *reason);
    void (*change_field)(ist_call *, const char *resource, const char *field, const ist_value *before,
                         const ist_value *after, int32_t secret);
    void (*check)(ist_call *, const char *name, uint32_t result, const char *evidence);
    void (*fail)(ist_call *, int32_t code, const char *where, const char *text, const char *hint);
    void (*log)(ist_call *, uint32_t level, const char *text);
    // What is being waited for, shown live: "EKS cluster aws: CREATING". fraction 0..1000 or -1: unknown.
    void (*progress)(ist_call *, const char *text, int32_t fraction);

    // The journal (apply and destroy). intent() is durable when it returns, before the call that acts. The
    // server's own choice of id makes it needed: `token` (64 hex digits and NUL; HMAC of installation, step,
    // resource, generation) goes as ClientToken or as a tag in the same call; an intent found in recorded()
    // is looked for before anything is created again. outcome() records that it exists, with what destroy
    // needs (ids); data NULL: that it is gone. Objects whose name we choose may share one intent for a batch.
    int32_t (*intent)(ist_call *, const char *resource, const ist_value *data, char token[65]);
    int32_t (*outcome)(ist_call *, const char *resource, const ist_value *data);

    // Secrets: what a system minted (tokens, cookies, keys). From now on it is redacted wherever it appears.
    void (*register_secret)(ist_call *, const char *bytes, size_t len);

    // Time and cancelling. Every wait polls cancel_fd (readable once cancelled) beside its own descriptor.
    int64_t (*clock_ms)(ist_call *);    // wall clock, milliseconds since 1970
    int64_t (*now_ms)(ist_call *);      // monotonic
    int64_t (*deadline_ms)(ist_call *); // monotonic: when this operation must have ended
    int32_t (*cancelled)(ist_call *);
    int (*cancel_fd)(ist_call *);
    int32_t (*sleep_until)(ist_call *, int64_t monotonic_ms); // IST_OK, IST_ERR_CANCELLED or IST_ERR_TIMEOUT

    // Commands for people only: one line (or chunk) of what the command prints.
    void (*print)(ist_call *, const char *text);

    // Since minor 2. A variable of the user's environment, NULL when it is not set or not for plugins. Keys and
    // tokens (AWS_SECRET_ACCESS_KEY) are found here only: they are not in the worker's own environment.
    const char *(*environment)(ist_call *, const char *name);

    // Since minor 3: a watch that lives long. In every other operation there is never anything new, and what is
    // told goes nowhere.
    //
    // How the step stands, whole each time; the last one counts, so there is no need to tell more than a few a
    // second. A map, every part of it optional:
    //   ready     bool; false: it has not yet read what it needs, and /readyz says so. Without it: true
    //   clusters  map of name -> {state: string, connected_since_ms: int (wall clock; 0: not connected),
    //             lag_ms, lag_events, generation, writes: int, keep_until_ms: int (wall clock: when what is kept
    //             on behalf of a cluster that is out of reach goes; -1: never), notes: list(string), alarms}
    //   alarms    list of {name, text: string, cluster: string, active: bool}: something a person should see to
    //   metrics   list of {name, help: string, counter: bool, labels: map of strings, value: int or real}; names
    //             as Prometheus has them, without the "isthmus_" that the host puts before them. The host adds
    //             the labels pipeline and step.
    //   notes     list(string): what a person should know of the step as a whole
    void (*status)(ist_call *, const ist_value *v);
    // The inputs anew, when the configuration or what they are derived from (a token) has changed since inputs()
    // or the last call; else NULL. From then on inputs() answers these. Borrowed until it answers new ones again.
    // Only for a plugin with IST_PLUGIN_RECONFIGURES: the watch of another one is ended and begun anew.
    // It is also how the host sees that such a watch lives: wake_fd is readable now and then with nothing new,
    // and one that does not ask within two minutes is ended and begun anew.
    const ist_value *(*reconfigured)(ist_call *);
    // Readable while reconfigured() is to be asked: polled beside cancel_fd. -1: there is none.
    int (*wake_fd)(ist_call *);
    // Asks that what the inputs are derived from is read anew, because a credential among them is refused or will
    // be soon: new ones come by reconfigured(). `reason` for the log. A host that was asked a moment ago waits.
    void (*renew)(ist_call *, const char *reason);

    // Since minor 4: what is wrong with the inputs.
    //
    // The input at `path` ("nhrp.key", "routes[2].cidr"; NULL or "": the step as a whole) is wrong (IST_LOG_ERROR), or
    // valid and unwise (IST_LOG_WARN); `hint` may be NULL. In check every one is shown beside the line that the input
    // stands in. In any other operation the first error is what that operation fails with, as IST_ERR_INPUT, and a
    // warning is shown unless check has told of it already. Never holds the value of a secret.
    void (*problem)(ist_call *, uint32_t level, const char *path, const char *text, const char *hint);
    // The paths of inputs that are not known yet, a list of strings: empty but in check. inputs() lacks what they
    // name: a member of a map is absent, an item of a list is IST_NULL.
    const ist_value *(*unknown)(ist_call *);
} ist_host;

// ---- the plugin's table
//

// Flags of a field.
#define IST_REQUIRED       0x1u
#define IST_SECRET         0x2u // never in state, plans, logs or traces
#define IST_FORCES_REPLACE 0x4u // a change of it cannot be made in place
#define IST_ELSEWHERE      0x8u // accepted so that one file can serve several steps; no effect in this one
#define IST_DEPRECATED     0x10u
#define IST_WRITTEN        0x20u // a path: the step writes this file, so that no other step of a pipeline may

// One row of a table of inputs or outputs. `name` is a path: "name", "subnet.cidr", "clusters[].kubeconfig"
// (of each item), "kubeconfigs{}" is not needed: maps say their value in the type. A row with children has
// the type "object", "list(object)" or "map(object)" and stands before them; children of map(object) are
// "name{}.child". `type`: bool int real string text cidr network ipv4 duration size path url secret regex kubeconfig
// next-hop any object enum(a|b|c) list(T) set(T) map(T). `def` is YAML text, NULL for none.
typedef struct ist_field {
    const char *name;
    const char *type;
    const char *def;
    uint32_t flags;
    const char *since; // plugin version that brought it
    const char *doc;   // one line, a sentence without the name
} ist_field;

// Flags of an option.
#define IST_ALONE 0x1u // given, the command is about no pipeline: it gets the defaults of the inputs

typedef struct ist_option {
    const char *name; // "--from"
    const char *arg;  // "POD", NULL for a switch
    const char *doc;
    uint32_t flags; // IST_ALONE
} ist_option;

// A command for people: `isthmus WORD NAME [options] [PIPELINE]`, e.g. `isthmus policy map`.
typedef struct ist_command {
    const char *word;
    const char *name;
    const char *doc;
    const ist_option *options;
    uint32_t option_count, option_size;
    // args: map: option -> value (true for a switch; a list of values where it was given more than once), and "args" ->
    // list of the other words. What is piped into the command can be read from the standard input.
    int32_t (*run)(const ist_host *, ist_call *, const ist_value *args);
} ist_command;

// Flags of a plugin.
#define IST_PLUGIN_RECONFIGURES 0x1u // its watch takes new inputs by reconfigured()

typedef int32_t ist_operation(const ist_host *host, ist_call *call);

typedef struct ist_plugin {
    uint32_t magic, major, minor, size;
    const char *name;    // equals the file's name without .so
    const char *version; // of the plugin, "1.2.0"
    const char *build;   // build id: another value invalidates what was cached of this descriptor; may be ""
    const char *doc;     // one line
    const char *role;    // "dmvpn-endpoint", or NULL
    uint32_t role_version;
    const ist_field *inputs;
    uint32_t input_count, field_size; // field_size = sizeof(ist_field), for both tables
    const ist_field *outputs;
    uint32_t output_count;
    const ist_command *commands;
    uint32_t command_count, command_size;
    // observe and plan are required; apply and destroy come together, or a verify-only plugin has neither.
    ist_operation *observe, *plan, *apply, *destroy, *verify, *watch;
    // What data of older versions looks like is the plugin's own matter: the version its records are written
    // in.
    uint32_t record_version;
    // The least permissions this plugin needs, printed by `isthmus plugin show NAME`; may be NULL. For
    // --iam-policy: "ec2:DescribeVpcs", behind it " if KEY=VALUE,VALUE" where IAM is to ask that too
    // ("iam:PassRole if iam:PassedToService=eks.amazonaws.com"); for --rbac: "ROLE: GROUP/RESOURCE VERB,VERB" with a ROLE that people give
    // to a cluster ("source", "target"), and no GROUP/ for the core group: "source: services get,list,watch"; behind it
    // " in NAMESPACE" for one namespace alone, or " named NAME" for one object.
    const char *const *permissions; // ended by NULL
    // Since minor 3: IST_PLUGIN_... or 0.
    uint32_t flags;
    // Since minor 4, optional: what `isthmus validate` asks, and plan and apply before anything is run. It looks at
    // those of its inputs that are known (see unknown()) and tells of all that is wrong by problem(): nothing is
    // observed or recorded, the network and every write are out of bounds, and of files it reads only those that an
    // input names. Answers IST_OK when there was nothing but warnings, else IST_ERR_INPUT; fail() is for a check that
    // could not be made. plan calls the same function first, so that each check is written once.
    ist_operation *check;
} ist_plugin;

typedef const ist_plugin *ist_plugin_entry_fn(const ist_host *host);
IST_EXPORT const ist_plugin *ist_plugin_entry(const ist_host *host);

// A convenience for C: the descriptor and the entry, with the members that are the same in every plugin.
//     IST_PLUGIN(.name = "x", .version = "1.0.0", .doc = "...", IST_INPUTS(inputs), IST_OUTPUTS(outputs),
//                .observe = observe, .plan = plan, .apply = apply, .destroy = destroy)
#define IST_INPUTS(table)   .inputs = (table), .input_count = sizeof(table) / sizeof(*(table))
#define IST_OUTPUTS(table)  .outputs = (table), .output_count = sizeof(table) / sizeof(*(table))
#define IST_COMMANDS(table) .commands = (table), .command_count = sizeof(table) / sizeof(*(table))
#define IST_PLUGIN(...)                                                                                      \
    static const ist_plugin ist_this_plugin = {.magic = IST_MAGIC,                                           \
                                               .major = IST_ABI_MAJOR,                                       \
                                               .minor = IST_ABI_MINOR,                                       \
                                               .size = sizeof(ist_plugin),                                   \
                                               .build = "",                                                  \
                                               .field_size = sizeof(ist_field),                              \
                                               .command_size = sizeof(ist_command),                          \
                                               __VA_ARGS__};                                                 \
    const ist_plugin *ist_plugin_entry(const ist_host *host)                                                 \
    {                                                                                                        \
        (void)host;                                                                                          \
        return &ist_this_plugin;                                                                             \
    }                                                                                                        \
    typedef int ist_plugin_ends_with_a_semicolon

#ifdef __cplusplus
}
#endif
#endif
