// The machine of `where: vpc`: a Debian image that is launched with nothing but a name, and is then a host like any
// other.
#include "frr.h"

#include <string.h>

#define CLOUD_INIT_MS (10 * 60 * 1000)

// Bootstrap only, written once: no secret, and nothing that a later change would touch. What it is to be comes by SSH.
// Debian's own user is `admin`; cloud-init gives the key pair's public key to the user that is named here.
static char *bootstrap(const json_t *inputs, const char *image_name)
{
    (void)image_name;
    return ist_printf("#cloud-config\nhostname: %s-frr\nuser:\n  name: %s\n",
                      ist_json_str_or(inputs, "name", "isthmus"),
                      ist_json_str_or(inputs, "ssh.user", "admin"));
}

static const ist_dmvpn_vm_kind kind = {.size = sizeof kind,
                                       .suffix = "-frr",
                                       .user_data = bootstrap,
                                       .image_hint = ": debian-13-amd64-* has FRR 10"};

int32_t frr_open_machine(struct frr *f, ist_error *err)
{
    bool launched = frr_record(f, IST_DMVPN_STACK) || frr_is_unsettled(f, IST_DMVPN_STACK),
         wanted = strcmp(ist_dmvpn_where(f->inputs), "vpc") == 0,
         destroys = ist_operation_of(&f->env) == IST_OP_DESTROY;
    const char *elsewhere = ist_json_str(frr_record(f, R_CONFIG), "address");
    int32_t rc = IST_OK;
    if (launched && !wanted && !destroys)
        rc = ist_fail(err, IST_ERR_CONFLICT, "where", "this endpoint was launched in a VPC");
    else if (wanted && !launched && elsewhere && !destroys)
        rc = ist_fail(err, IST_ERR_CONFLICT, "where", "this endpoint was made on %s, which was there already",
                      elsewhere);
    if (rc != IST_OK)
        ist_hint(err, "destroy the step first, or give the other machine a step of its own");
    else if (launched || (wanted && !elsewhere))
        rc = ist_dmvpn_vm_new(&f->env, &kind, f->inputs, f->recorded, &f->vm, err);
    return rc;
}

// What the machine tells, in the place of what an existing host is told by its inputs.
static void take_addresses(struct frr *f)
{
    f->address = ist_dmvpn_vm_address(f->vm);
    f->user = frr_input(f, "ssh.user");
    f->port = ist_json_int(f->inputs, "ssh.port", 22);
    f->host_key = ist_json_str(frr_record(f, IST_DMVPN_ROUTER), "host_key");
    json_object_set_new(f->inputs, "public_address", json_string(ist_dmvpn_vm_outside(f->vm)));
    json_object_set_new(f->inputs, "private_address", json_string(ist_dmvpn_vm_inside(f->vm)));
}

int32_t frr_find_machine(struct frr *f, const json_t *observed, ist_error *err)
{
    int32_t rc = IST_OK;
    if (json_object_get(observed, "vm"))
        ist_dmvpn_vm_recall(f->vm, observed); // seen a moment ago, and not asked for again
    else
        rc = ist_dmvpn_vm_prepare(f->vm, err);
    if (rc == IST_OK)
        take_addresses(f);
    return rc;
}

bool frr_is_known(const struct frr *f)
{
    return f->host_key || frr_input(f, "ssh.known_hosts");
}

json_t *frr_fresh(const struct frr *f, ist_error *err)
{
    json_t *inputs = json_copy(f->inputs), *differences = NULL,
           *nothing = json_pack("{s{} s{} s[sssss]}", "files", "units", "missing", "frr", "frr-pythontools",
                                "strongswan-swanctl", "charon-systemd", "iptables");
    frr_files files = {.count = 0};
    ist_dmvpn_machine machine;
    // The names of the interfaces are the machine's own, and nothing of them is shown.
    json_object_set_new(inputs, "outside_interface", json_string("outside"));
    json_object_set_new(inputs, "inside_interface", json_string("inside"));
    if (ist_dmvpn_machine_given(inputs, &frr_kind, &machine, err) == IST_OK) {
        frr_generate(inputs, &machine, &files);
        differences = frr_differences(f, nothing, &files);
        frr_files_free(&files);
    }
    json_decref(inputs);
    json_decref(nothing);
    return differences;
}

// ---- until it can be talked to ----

static int32_t pin(struct frr *f, const ist_ssh_host_key *key, ist_error *err)
{
    if (f->host_key && strcmp(f->host_key, key->sha256) == 0)
        return IST_OK;
    json_t *data = json_pack("{ss ss}", "host_key", key->sha256, "algorithm", key->algorithm);
    ist_log(&f->env, IST_LOG_INFO, "the host's key is %s %s: kept, and asked for from now on", key->algorithm,
            key->sha256);
    json_object_set_new(f->recorded, IST_DMVPN_ROUTER, json_pack("{ss sO}", "status", "done", "data", data));
    f->host_key = ist_json_str(frr_record(f, IST_DMVPN_ROUTER), "host_key");
    return ist_outcome(&f->env, IST_DMVPN_ROUTER, data, err);
}

int32_t frr_launch(struct frr *f, ist_error *err)
{
    struct host h = {0};
    ist_ssh_host_key key = {{0}, {0}};
    int32_t rc = ist_dmvpn_vm_launch(f->vm, err);
    if (rc != IST_OK)
        return rc;
    take_addresses(f);
    if (!frr_record(
            f, R_CONFIG)) // of a machine that was made anew it is gone, and with it the user that it named
        f->user = frr_input(f, "ssh.user");
    if (!f->address)
        return ist_fail(err, IST_ERR_NOT_FOUND, ist_dmvpn_vm_stack(f->vm),
                        "the stack tells no public address");
    ist_progress(&f->env, "host %s: waiting for SSH", f->address);
    f->first = &key;
    rc = frr_connect(f, &h, err);
    f->first = NULL;
    if (rc == IST_OK)
        rc = pin(f, ist_ssh_host_key_of(h.ssh), err);
    // Two that install packages at the same time would be in each other's way. How cloud-init ended is not our business.
    if (rc == IST_OK && !frr_record(f, R_CONFIG))
        rc = frr_run(f, &h, "! command -v cloud-init >/dev/null || cloud-init status --wait >/dev/null; :\n",
                     "waiting for cloud-init", CLOUD_INIT_MS, NULL, err);
    frr_hang_up(&h);
    return rc;
}
