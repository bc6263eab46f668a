// What the files of the lab's routers share: a device, its configuration as a tree, a person's session with
// it.
#ifndef LAB_ROUTER_DEVICE_H
#define LAB_ROUTER_DEVICE_H

#include "router.h"

#include <stdio.h>

// ---- grammar: what may be typed in which mode ----

struct rule {
    const char *mode;    // "config", "config-if": also what the prompt shows
    const char *pattern; // "ip nhrp nhs <ip> nbma <ip> multicast"
    const char *enters;  // the mode of the section that this line opens, or NULL
    unsigned key;        // two lines with the same first words are the same setting; 0: all words count
    const char *hidden;  // the default: accepted and not shown
    bool on;             // on by default: only `no ...` is shown
};

struct session;
enum match_result { MATCH_OK, MATCH_INVALID, MATCH_INCOMPLETE, MATCH_AMBIGUOUS };

struct match {
    enum match_result result;
    const struct rule *rule;
    size_t at;   // offset of the word that was not understood
    char *text;  // abbreviations expanded, arguments in canonical form; owned
    char *shown; // the same with secrets cut; owned
    char *key;   // the words that tell this setting from another; owned
};

// Holds `text` against the rules of `mode`. `negated`: after `no`, where trailing arguments may be left out.
void grammar_match(const char *mode, const char *text, bool negated, struct match *match);
void match_free(struct match *match);
// The same for a table of patterns without modes (exec commands); *index is the row.
enum match_result grammar_words(const char *const *patterns, size_t count, const char *text, size_t *index,
                                char **canonical, size_t *at);
// What may stand where `text` ends: keywords that begin like its last word, arguments as IOS names them ("A.B.C.D"),
// "<cr>" where the line may end there; each once, sorted.
struct next {
    char **word;
    size_t count;
};
enum match_result grammar_next(const char *const *patterns, size_t count, const char *text,
                               struct next *next);
void next_add(struct next *next, const char *word, size_t len);
void next_free(struct next *next);
// The same for a session: the commands of its mode. *partial is the last word of `text`, which is being typed.
enum match_result help_next(const struct session *session, const char *text, struct next *next,
                            const char **partial);
extern const char *const lab_exec_commands[], *const lab_shows[];
extern const size_t lab_exec_command_count, lab_show_count;
// The whole name of an interface as a person abbreviates it ("gi1" -> "GigabitEthernet1"), NULL: none.
// malloc'd.
char *grammar_interface(const char *word);
unsigned rule_order(const struct rule *rule);
extern const struct rule lab_ios_rules[];
extern const size_t lab_ios_rule_count;

// ---- configuration ----

struct line {
    char *text;
    char *key;
    const struct rule *rule; // NULL for the root
    struct line *parent;
    struct line **child;
    size_t count, room;
};

struct line *config_new(void);
void config_free(struct line *root);
// One typed line inside `section`. Returns NULL and the line that was opened or set in *into (NULL after a
// removal), or what the device says about it (malloc'd, "% ..."). *match describes it in either case.
char *config_apply(struct line *section, const char *mode, const char *text, struct match *match,
                   struct line **into);
// Removes the lines that begin so.
void config_remove(struct line *section, const char *prefix);
// standing.c: what a line meets that stands already. Refused with these words (malloc'd), NULL: it is taken.
char *standing_refuses(const struct line *section, const char *text);
// The line together with what of the one that stands stays in effect; malloc'd.
char *standing_merged(const struct line *section, const char *text);
// What is left of a line when `text` is taken from it; malloc'd, NULL: nothing.
char *standing_without(const struct line *section, const char *text);
// What the device says of a line that it takes in place of `old` (NULL: nothing stood there); malloc'd or NULL.
char *standing_notice(struct line *section, const char *text, const char *old, bool negated);
// As it is kept in a file, as `show running-config` prints it (pre-shared keys as type 6 under `password encryption
// aes`), as a person may see it. malloc'd.
enum config_form { CONFIG_KEPT, CONFIG_SHOWN, CONFIG_REDACTED };
char *config_text(const struct line *root, enum config_form form);
// Lines as they are kept in a file: sections by indentation. What is refused is skipped, as at boot.
void config_load(struct line *root, const char *text);
// Lines of `section` that begin with `prefix` words: the i-th, NULL past the end.
struct line *config_find(const struct line *section, const char *prefix, size_t i);
// The rest of the first line of `section` after `prefix`, NULL when there is none. Borrowed.
const char *config_value(const struct line *section, const char *prefix);
bool config_has(const struct line *section, const char *text);
bool config_contains(const struct line *root, const struct line *line); // is it still in the tree?

// ---- a router ----

struct lab_host; // ../host/host.h

struct router {
    struct router *next;
    struct lab *lab;
    char *id;                 // the instance, or "hub"
    char *public_key;         // "ssh-ed25519 AAAA...", NULL: nobody may log in
    uint32_t outside, inside; // addresses of GigabitEthernet1 and 2
    uint32_t address;         // where it listens; 0: nowhere
    int listener;             // socket, -1
    bool gone;
    bool off;                 // its instance is stopped
    struct lab_host *machine; // not NULL: a Linux host, of which `running` is what it comes to
    struct line *running;
    char *startup;     // text
    char *host_key;    // file
    int64_t booted_ms; // monotonic
    unsigned vtys;     // bits of the lines in use
    struct session *sessions;

    // The confirmed change under way.
    char *backup; // what it goes back to, NULL: none
    int64_t revert_at_ms;
    int revert_minutes;
    char *revert_user;
    unsigned revert_serial; // so that a late timer knows that it is late
    unsigned archived;

    // How far the tunnel is, and since when.
    int64_t fits_since_ms; // 0: it does not fit
    unsigned long config_serial;
};

const char *router_hostname(const struct router *router);
struct router *router_hub(struct lab *lab);
struct router *router_spoke(struct lab *lab); // the launched one; NULL
struct line *router_interface(const struct router *router, const char *name);
void router_changed(struct router *router);   // after every change of its configuration
void router_reload(struct router *router);    // back to the startup configuration; sessions end
void router_threads(struct lab *lab, int by); // counts threads, with the lock held
void router_listen(struct router *router);    // (re)opens the SSH listener for router->address

// ---- a session ----

enum { SESSION_LINE = 1022, SESSION_HISTORY = 20 };

struct session {
    struct session *next;
    struct router *router;
    char *user;
    unsigned vty;
    bool closing;
    bool privileged;
    const char *mode;    // NULL: exec
    struct line *at;     // the section being configured
    unsigned long epoch; // config tree this session's `at` belongs to
    unsigned length, width;
    bool monitor;
    bool slow_echo;
    bool interrupts; // a log line comes into the middle of what is typed next
    int passwords;   // how often `enable` was answered wrongly
    char *typed;     // the line being typed, SESSION_LINE bytes
    size_t typed_len, cursor;
    char *history[SESSION_HISTORY]; // the oldest first
    size_t history_count, history_at;
    int escape;     // of a cursor key: what has come of it so far
    size_t column;  // where in the line the command that is looked at begins
    char ask;       // a question is open: 'c' [confirm], 'm' --More--, 'n' a name, whatever it is
    char *ask_for;  // what a confirmation would do
    char *rest;     // output still to be paged
    struct buffer { // what goes out next
        char *data;
        size_t len, room;
    } out;
};

void say(struct session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *session_prompt(const struct session *session); // malloc'd
void session_greet(struct session *session);
void session_put(struct session *session, const char *bytes, size_t len); // as it is
void session_prompts(struct session *session);                            // unless a question is open
void session_answer_more(struct session *session, char key);
int64_t session_execute(struct session *session, char *line); // as session_type
void session_free(struct session *session);
// Bytes from the other side; lines are executed. Called with the lab's lock held. Returns how long to wait
// before what is in `out` is sent (a fault), in milliseconds.
int64_t session_type(struct session *session, const char *bytes, size_t len);
void session_leave_config(struct session *session);
// What is said of a line that was not understood; `at` is where in it the `^` goes.
void session_complain(struct session *session, enum match_result result, const char *line, size_t at);
// Executes one exec command and prints its answer.
void enable_answered(struct session *session, const char *password); // of the question of `enable`
void exec_command(struct session *session, const char *line);
// One show command without its "show "; *at is the offset of the word that was not understood.
enum match_result show_command(struct session *session, const char *line, FILE *out, size_t *at);
void show_system(struct session *session, const char *what, FILE *out); // what the device says of itself
void archive_command(struct session *session, const char *canonical);   // configure ..., write memory
void archive_timer_show(struct router *router, FILE *out);
void archive_show(struct router *router, FILE *out);
// A log line of the device: to every session that has `terminal monitor`, or to `only`.
void router_log(struct router *router, struct session *only, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// ---- access lists ----

struct acl_packet {
    const char *protocol; // "udp", "ospf", "ip" (any)
    uint32_t src, dst;
    int port; // of the destination, 0: none
};
// Do the interface's access groups of a direction ("in", "out") let a packet through? Why not, in `why`.
bool router_acl_permits(const struct router *router, const char *interface, const char *direction,
                        const struct acl_packet *p, char *why, size_t size);

// ---- the tunnel ----

enum stage { STAGE_CONFIG, STAGE_IKE, STAGE_IPSEC, STAGE_NHRP, STAGE_OSPF, STAGE_UP };
// How far the two ends get, and what stops them.
enum stage tunnel_stage(struct lab *lab, bool settled, char *why, size_t size);
// The address of an interface that is up; false when it has none.
bool router_interface_address(const struct router *router, const char *name, uint32_t *address, int *prefix);
// The OSPF area that a network statement puts `address` into, NULL: none. Borrowed.
const char *router_ospf_area(const struct router *router, uint32_t address);
struct route {
    uint32_t network;
    int prefix;
    int distance; // administrative
    char code[8]; // "C", "L", "S", "S*", "O", "O IA", "O E2"
    uint32_t via; // 0: the interface alone
    bool named;   // a static route that is configured with its interface
    char interface[32];
};
enum { ROUTES_MAX = 128 };
// The routing table: of each prefix the routes of the least administrative distance; returns how many.
size_t router_routes(struct router *router, struct route routes[ROUTES_MAX]);

#endif
