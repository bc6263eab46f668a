// csr-dmvpn: a Cisco router with IOS-XE (CSR 1000v, Catalyst 8000V), launched in the VPC or there before, as a spoke or
// a hub of a DMVPN.
#ifndef CSR_DMVPN_CSR_H
#define CSR_DMVPN_CSR_H

#include <isthmus/alloc.h>
#include <isthmus/crypto.h>
#include <isthmus/dmvpn_machine.h>
#include <isthmus/dmvpn_vm.h>
#include <isthmus/file.h>
#include <isthmus/ios_config.h>
#include <isthmus/ios_show.h>
#include <isthmus/json.h>
#include <isthmus/schema.h>

#include <stdbool.h>

// Resources in the record: what destroy and a resumed apply need.
#define R_STACK  IST_DMVPN_STACK
#define R_ROUTER IST_DMVPN_ROUTER // data {host_key, algorithm}: whom to talk to
// data {sections, secrets}: what stands on it, under whatever name; of a router that was there before also {address,
// port, user}, and `restore`: the lines that undo what was set outside of our own sections
#define R_CONFIG IST_DMVPN_CONFIG

enum csr_place { CSR_VPC, CSR_EXISTING, CSR_RENDER };

struct csr {
    ist_env env;
    enum csr_place place;
    bool withdraws; // nothing is wanted any more
    bool confirmed; // what this run changed, the router keeps
    ist_dmvpn_machine machine;
    json_t *inputs, *recorded;
    ist_dmvpn_vm *vm; // NULL where none is launched
};

int32_t csr_open(struct csr *c, const ist_host *host, ist_call *call, ist_error *err);
void csr_close(struct csr *c);
const char *csr_input(const struct csr *c, const char *path);        // NULL when absent or empty
const json_t *csr_record(const struct csr *c, const char *resource); // its data, NULL when there is none
bool csr_is_unsettled(const struct csr *c, const char *resource);    // an intent without outcome

// desired.c: the configuration that the router is to have, secrets marked. The caller's (ist_free_secret).
// archive: also what a confirmed change needs.
char *csr_desired(const json_t *inputs, const ist_dmvpn_machine *machine, bool archive);
// The static routes in it, as configuration lines. New reference.
json_t *csr_static_routes(const json_t *inputs, const ist_dmvpn_machine *machine);
// The heads of all sections and single lines in it that are ours whole. They are kept in the record: what a later run
// does not want any more (another OSPF process, another name) is removed. New reference.
json_t *csr_sections(const json_t *inputs, const ist_dmvpn_machine *machine);

// facts.c: which interface of a router is outside and which inside, by its running configuration and `show ip interface
// brief`. IST_ERR_INPUT names what is missing, and what there is.
extern const ist_dmvpn_kind csr_kind;
int32_t csr_machine_found(const json_t *inputs, const ist_ios_config *running, const json_t *brief,
                          ist_dmvpn_machine *machine, ist_error *err);

// device.c: the conversation with it.
struct device {
    ist_ios *ios;
    ist_ios_config *running, *wanted;
    ist_ios_diff diff;
    ist_ios_state now;
};
// first: accept a host key nobody has seen (and hand it back in *key), wait until the router answers.
int32_t csr_connect(struct csr *c, bool first, struct device *d, ist_ssh_host_key *key, ist_error *err);
int32_t csr_compare(struct csr *c, struct device *d, ist_error *err); // fills now, running, wanted, diff
int32_t csr_compare_again(struct csr *c, struct device *d,
                          ist_error *err); // what was read then, with what is known now
// The commands that a router fresh from its factory would be sent. d->ios stays NULL.
int32_t csr_compare_fresh(struct csr *c, struct device *d, ist_error *err);
void csr_hang_up(struct device *d);
json_t *csr_commands(const ist_ios_diff *diff); // [{kind, path, shown, before?}]; new reference

// change.c
int32_t csr_configure(struct csr *c, ist_error *err);
int32_t csr_withdraw(struct csr *c,
                     ist_error *err); // takes back what was made of a router that was there before

// secrets.c: what state keeps of secrets that the router shows as hashes only.
int32_t csr_same_secret(void *arg, const ist_ios_shown_secret *secret); // arg: the record's "secrets" object
// {line: {salt, rounds, hash}}; new reference. `rounds` as ist_slow_hash takes them.
json_t *csr_secret_records(const ist_ios_config *running, const ist_ios_config *wanted, uint32_t rounds);

int32_t csr_check(const ist_host *host, ist_call *call);
int32_t csr_observe(const ist_host *host, ist_call *call);
int32_t csr_plan(const ist_host *host, ist_call *call);
int32_t csr_apply(const ist_host *host, ist_call *call);
int32_t csr_destroy(const ist_host *host, ist_call *call);
int32_t csr_verify(const ist_host *host, ist_call *call);

#endif
