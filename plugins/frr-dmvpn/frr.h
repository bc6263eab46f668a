// frr-dmvpn: any Linux with FRR 9.1 or later and strongSwan, as a hub or a spoke of a DMVPN.
#ifndef FRR_DMVPN_FRR_H
#define FRR_DMVPN_FRR_H

#include <isthmus/alloc.h>
#include <isthmus/check.h>
#include <isthmus/crypto.h>
#include <isthmus/dmvpn_machine.h>
#include <isthmus/dmvpn_vm.h>
#include <isthmus/json.h>
#include <isthmus/schema.h>
#include <isthmus/ssh.h>

#include <stdbool.h>

// Resource in the record: what destroy and a resumed apply need.
#define R_CONFIG                                                                                             \
    IST_DMVPN_CONFIG // data {change, address, port, user}: the change that was confirmed or is under way, and where

// ---- what the host is to have: text alone, from inputs and machine ----

// The tunnel's interface.
#define FRR_TUNNEL "dmvpn0"
// What charon calls when IPsec with a hub comes up: with the hub's two addresses.
#define FRR_REGISTER "/usr/local/lib/isthmus-dmvpn/register"

// What has to happen when a file changes.
#define FRR_DO_FIREWALL 0x01u // load the rules anew, at once and whole
#define FRR_DO_TUNNEL   0x02u // make the tunnel interface anew
#define FRR_DO_CHARON   0x04u // restart charon
#define FRR_DO_SWANCTL  0x08u // load connections: what is the same in them goes on
#define FRR_DO_SECRETS  0x10u // load secrets and prove identity anew with them
#define FRR_DO_FRR      0x20u // take the configuration over, line by line
#define FRR_DO_DAEMONS  0x40u // restart FRR
#define FRR_DO_SYSTEMD  0x80u // daemon-reload

typedef struct frr_file {
    const char *path;
    const char *owner; // "root:root", "frr:frr"
    unsigned mode;
    unsigned then; // FRR_DO_...
    char *text;    // owned; may hold secrets
} frr_file;

#define FRR_FILES_MAX 16
typedef struct frr_files {
    frr_file at[FRR_FILES_MAX];
    size_t count;
} frr_files;

// All files, in the order in which they are put in place: the filter first.
void frr_generate(const json_t *inputs, const ist_dmvpn_machine *machine, frr_files *files);
void frr_files_free(frr_files *files);
// Its parts; each text is the caller's (ist_free_secret).
char *frr_conf(const json_t *inputs, const ist_dmvpn_machine *machine);
char *frr_swanctl(const json_t *inputs, const ist_dmvpn_machine *machine);
char *frr_swanctl_secrets(const json_t *inputs);
char *frr_firewall(const json_t *inputs, const ist_dmvpn_machine *machine);
char *frr_tunnel(const json_t *inputs, const ist_dmvpn_machine *machine);

// facts.c: the machine, of what the host tells of itself: `addresses` and `routes` are what `ip -j addr` and
// `ip -j -4 route` print. IST_ERR_INPUT names what is missing, and what there is.
extern const ist_dmvpn_kind frr_kind;
int32_t frr_machine_found(const json_t *inputs, const json_t *addresses, const json_t *routes,
                          ist_dmvpn_machine *machine, ist_error *err);

// host/*.sh, a line each, NULL at the end.
extern const char *const frr_change_script[];
extern const char *const frr_look_script[];

// ---- a step ----

struct frr {
    ist_env env;
    json_t *inputs, *recorded;
    bool existing;
    const char *address, *user; // of the host: from the record where there is one; borrowed
    int64_t port;
    // Of a machine that is launched; NULL where it is not.
    ist_dmvpn_vm *vm;
    const char *host_key;    // what a run before has seen; borrowed, NULL: none has
    ist_ssh_host_key *first; // not NULL: one that nobody has seen is taken
};

int32_t frr_open(struct frr *f, const ist_host *host, ist_call *call, ist_error *err);
void frr_close(struct frr *f);
const char *frr_input(const struct frr *f, const char *path);        // NULL when absent or empty
const json_t *frr_record(const struct frr *f, const char *resource); // its data, NULL when there is none
bool frr_is_unsettled(const struct frr *f, const char *resource);    // an intent without outcome

// host.c: the conversation.
struct host {
    ist_ssh *ssh;
    bool sudo;
};
int32_t frr_connect(const struct frr *f, struct host *h, ist_error *err);
int32_t frr_connect_within(const struct frr *f, struct host *h, int64_t timeout_ms, ist_error *err);
void frr_hang_up(struct host *h);
// Runs a script as root, by its standard input. `result` may be NULL; a status other than 0 is an error (IST_ERR_REMOTE)
// that says the last of what it printed.
int32_t frr_run(const struct frr *f, struct host *h, const char *script, const char *doing,
                int64_t timeout_ms, ist_ssh_result *result, ist_error *err);
char *frr_last_lines(const char *text); // the last that say something, as one; the caller's
void frr_add_script(ist_buf *b, const char *const *lines);

// look.c: how the host stands: {addresses, routes, pending, files: {path: {mode, owner, base64}}, units: {name: {enabled,
// active}}, missing: [package], frr: version, tunnel: bool, filter: bool}. Texts of files may hold secrets. New reference.
int32_t frr_look(const struct frr *f, struct host *h, json_t **seen, ist_error *err);
char *frr_decode(const char *base64, size_t *len); // the caller's (ist_free_secret)

// compare.c: what differs, without a secret: [{action, resource, reason?, fields: [{field, before?, after?}], then}];
// `then` is a word of change.sh for what no file's change says. New reference.
json_t *frr_differences(const struct frr *f, const json_t *seen, const frr_files *files);
const char *frr_word(unsigned then); // FRR_DO_... as change.sh has it

// change.c: all of it as one change that reverts unless it is confirmed.
int32_t frr_change(struct frr *f, ist_dmvpn_machine *machine, ist_error *err); // machine: for outputs
int32_t frr_remove(struct frr *f, ist_error *err);

// vici.c: what `swanctl --list-sas --raw` prints, as data: [{name, state, remote, children: [{name, state, mode, encap,
// packets_in, packets_out}]}]. New reference; IST_ERR_REMOTE when it is nothing of the kind.
int32_t frr_parse_sas(const char *text, json_t **sas, ist_error *err);

// launch.c: the machine of `where: vpc`.
int32_t frr_open_machine(struct frr *f, ist_error *err); // f->vm, where there is to be one, or was
// How it stands; `observed`: what observe handed on, NULL: it is looked at. Fills f->address and the two addresses of
// f->inputs, from which the configuration is made.
int32_t frr_find_machine(struct frr *f, const json_t *observed, ist_error *err);
bool frr_is_known(const struct frr *f); // can it be told from another?
json_t *frr_fresh(const struct frr *f,
                  ist_error *err);                 // differences of one fresh from its image; new reference
int32_t frr_launch(struct frr *f, ist_error *err); // until it can be talked to

int32_t frr_check(const ist_host *host, ist_call *call);
int32_t frr_observe(const ist_host *host, ist_call *call);
int32_t frr_plan(const ist_host *host, ist_call *call);
int32_t frr_apply(const ist_host *host, ist_call *call);
int32_t frr_destroy(const ist_host *host, ist_call *call);
int32_t frr_verify(const ist_host *host, ist_call *call);

#endif
