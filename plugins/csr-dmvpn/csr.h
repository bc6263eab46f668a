// csr-dmvpn: a Cisco router (CSR 1000v, Catalyst 8000V) in the VPC, as a spoke of a DMVPN.
#ifndef CSR_DMVPN_CSR_H
#define CSR_DMVPN_CSR_H

#include <isthmus/alloc.h>
#include <isthmus/crypto.h>
#include <isthmus/dmvpn_vm.h>
#include <isthmus/ios_config.h>
#include <isthmus/ios_show.h>
#include <isthmus/json.h>
#include <isthmus/schema.h>

#include <stdbool.h>

// Resources in the record: what destroy and a resumed apply need.
#define R_ROUTER IST_DMVPN_ROUTER // data {host_key, algorithm}: whom to talk to
#define R_CONFIG IST_DMVPN_CONFIG // data {sections, secrets}: what stands on it, under whatever name

struct csr {
    ist_env env;
    json_t *inputs, *recorded;
    ist_dmvpn_vm *vm;
};

int32_t csr_open(struct csr *c, const ist_host *host, ist_call *call, ist_error *err);
void csr_close(struct csr *c);
const char *csr_input(const struct csr *c, const char *path);        // NULL when absent or empty
const json_t *csr_record(const struct csr *c, const char *resource); // its data, NULL when there is none
bool csr_is_unsettled(const struct csr *c, const char *resource);    // an intent without outcome

// inputs.c: what cannot work is refused before anything is done; what is put right is said.
void csr_tell(const ist_env *env, const json_t *inputs);

// desired.c: the configuration that the router is to have, secrets marked. The caller's (ist_free_secret).
// `inside`: address of the inside interface. archive: also what a confirmed change needs.
char *csr_desired(const json_t *inputs, const char *inside, bool archive);
// The static routes in it, as configuration lines. New reference.
json_t *csr_static_routes(const json_t *inputs);
// The heads of all sections and single lines in it that are ours whole. They are kept in the record: what a later run
// does not want any more (another OSPF process, another name) is removed. New reference.
json_t *csr_sections(const json_t *inputs);

// device.c: the conversation with it.
struct device {
    ist_ios *ios;
    ist_ios_config *running, *wanted;
    ist_ios_diff diff;
    int pending; // minutes of a confirmed change under way
};
// first: accept a host key nobody has seen (and hand it back in *key), wait until the router answers.
int32_t csr_connect(struct csr *c, bool first, struct device *d, ist_ssh_host_key *key, ist_error *err);
int32_t csr_compare(struct csr *c, struct device *d, ist_error *err); // fills running, wanted, diff, pending
// The commands that a router fresh from its factory would be sent. d->ios stays NULL.
int32_t csr_compare_fresh(struct csr *c, struct device *d, ist_error *err);
void csr_hang_up(struct device *d);
json_t *csr_commands(const ist_ios_diff *diff); // [{kind, path, shown, before?}]; new reference
int32_t csr_configure(struct csr *c, ist_error *err);

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
