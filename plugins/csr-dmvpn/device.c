// The conversation with the router: reaching it, and comparing what stands on it with what is wanted.
#include "csr.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A router as it comes: enough to show what a new one will be sent.
static const char factory[] =
    "interface GigabitEthernet1\n ip address dhcp\ninterface GigabitEthernet2\n shutdown\n";

struct seen_key {
    ist_ssh_host_key key;
};

static int32_t accept_key(void *arg, const ist_ssh_host_key *key)
{
    ((struct seen_key *)arg)->key = *key;
    return 1;
}

// "~/x" as a person means it. The caller's.
static char *whole_path(const char *path)
{
    const char *home = getenv("HOME");
    if (path && strncmp(path, "~/", 2) == 0 && home)
        return ist_printf("%s/%s", home, path + 2);
    return path ? ist_strdup(path) : NULL;
}

// Which inputs have to do with it; after what the SSH client itself advises.
static void advise(const struct csr *c, int32_t code, ist_error *err)
{
    char *said = ist_strdup(err->hint);
    const char *pair = ist_json_str_or(c->inputs, "ssh_key", "?");
    if (c->place != CSR_VPC && (code == IST_ERR_DENIED || code == IST_ERR_INPUT))
        ist_hint(err,
                 "%s%ssee `ssh.user`, `ssh.private_key`, `ssh.password`, `ssh.enable_secret` and "
                 "`ssh.known_hosts` "
                 "(without it ~/.ssh/known_hosts; `ssh-keyscan` shows a host's keys)",
                 said, *said ? "; " : "");
    else if (c->place != CSR_VPC && (code == IST_ERR_NETWORK || code == IST_ERR_TIMEOUT))
        ist_hint(err, "is `ssh.host` (%s) the router, and is it up?", csr_input(c, "ssh.host"));
    else if (code == IST_ERR_INPUT)
        ist_hint(err,
                 "set `ssh.private_key` to the private key of the EC2 key pair %s, or leave it out and use "
                 "an agent",
                 pair);
    else if (code == IST_ERR_DENIED)
        ist_hint(err,
                 "%s%ssee `ssh.user`, `ssh.private_key` (of EC2 key pair %s), `ssh.known_hosts` (goes before "
                 "the key in state)",
                 said, *said ? "; " : "", pair);
    else if (code == IST_ERR_NETWORK || code == IST_ERR_TIMEOUT)
        ist_hint(err, "is this machine's address within `InboundSSH` (%s), and is the router up?",
                 csr_input(c, "InboundSSH"));
    ist_free(said);
}

// Where the router is: of one that was there before, where it was configured.
static const char *address_of(const struct csr *c)
{
    const char *made = ist_json_str(csr_record(c, R_CONFIG), "address");
    if (c->place == CSR_VPC)
        return ist_dmvpn_vm_address(c->vm);
    return made ? made : csr_input(c, "ssh.host");
}

static int32_t check_same_router(const struct csr *c, ist_error *err)
{
    const char *made = ist_json_str(csr_record(c, R_CONFIG), "address"), *wanted = csr_input(c, "ssh.host");
    if (c->place != CSR_EXISTING || !made || !wanted || strcmp(made, wanted) == 0 ||
        ist_operation_of(&c->env) == IST_OP_DESTROY)
        return IST_OK;
    int32_t rc =
        ist_fail(err, IST_ERR_CONFLICT, "ssh.host", "this endpoint was made on %s, not on %s", made, wanted);
    ist_hint(err, "destroy the step first, or give another router a step of its own");
    return rc;
}

// What a router may be known by: the file that is named; for one that nobody launched also the user's own.
static int32_t find_known_hosts(const struct csr *c, char **known, ist_error *err)
{
    const char *list = csr_input(c, "ssh.known_hosts");
    bool own = !list && c->place == CSR_EXISTING;
    char *path = whole_path(own ? "~/.ssh/known_hosts" : list);
    int32_t rc = path ? ist_file_read(path, 1u << 20, known, NULL, err) : IST_OK;
    if (rc == IST_ERR_NOT_FOUND && own) { // a file that is not there knows nobody
        *known = ist_strdup("");
        rc = IST_OK;
    }
    ist_free(path);
    return rc;
}

int32_t csr_connect(struct csr *c, bool first, struct device *d, ist_ssh_host_key *key, ist_error *err)
{
    struct seen_key seen = {{{0}, {0}}};
    ist_error failed = {0};
    const char *address = address_of(c), *record = ist_json_str(csr_record(c, R_ROUTER), "host_key");
    const char *user = ist_json_str(csr_record(c, R_CONFIG), "user");
    char *file = whole_path(csr_input(c, "ssh.private_key")), *known = NULL;
    int32_t rc = check_same_router(c, err);
    if (rc == IST_OK && !address)
        rc = ist_fail(err, IST_ERR_NOT_FOUND, c->vm ? ist_dmvpn_vm_stack(c->vm) : "ssh.host",
                      "the router has no address");
    if (rc == IST_OK)
        rc = find_known_hosts(c, &known, err);
    // What the administrator lists goes before what a run saw first.
    const char *pinned = known ? NULL : record;
    const bool launched = first && c->place == CSR_VPC;
    ist_ssh_options o = {
        .size = sizeof o,
        .host = address,
        .port = (uint16_t)ist_json_int(c->inputs, "ssh.port", 22),
        .user = ist_json_str_or(c->inputs, "ssh.user", user ? user : "ec2-user"),
        .password = csr_input(c, "ssh.password"),
        .private_key_file = file,
        .passphrase = csr_input(c, "ssh.passphrase"),
        .use_agent = file == NULL,
        .host_key_sha256 = pinned,
        .known_hosts = known,
        // A key nobody has seen is taken only from the machine that this run has launched, and once.
        .first_seen = launched && !pinned && !known ? accept_key : NULL,
        .arg = &seen,
        .timeout_ms = launched ? ist_json_int(c->inputs, "ssh.timeout", 15 * 60 * 1000) : 20000,
        .wait_until_up = launched,
    };
    if (rc == IST_OK) {
        if (launched)
            ist_progress(&c->env, "router %s: waiting for SSH", address);
        rc = ist_ios_open(&c->env, &o, csr_input(c, "ssh.enable_secret"), &d->ios, &failed);
        if (rc != IST_OK)
            advise(c, rc, &failed);
        if (rc != IST_OK && err)
            *err = failed;
    }
    if (rc == IST_OK && key)
        *key = *ist_ios_host_key(d->ios);
    ist_free(file);
    ist_free(known);
    return rc;
}

void csr_hang_up(struct device *d)
{
    ist_ios_free(d->ios);
    ist_ios_state_free(&d->now);
    ist_ios_config_free(d->running);
    ist_ios_config_free(d->wanted);
    ist_ios_diff_free(&d->diff);
    memset(d, 0, sizeof *d);
}

// ---- comparing ----

// A list of patterns that grows.
struct patterns {
    const char **list; // NULL-terminated; the strings are borrowed
    size_t count;
};

static void add_pattern(struct patterns *p, const char *text)
{
    p->list = ist_realloc(p->list, p->count + 2, sizeof *p->list);
    p->list[p->count++] = text;
    p->list[p->count] = NULL;
}

static void add_recorded(struct patterns *p, const json_t *lines)
{
    json_t *line;
    size_t i;
    json_array_foreach((json_t *)lines, i, line)
    {
        if (json_is_string(line))
            add_pattern(p, json_string_value(line));
    }
}

// Ours whole: what bears our name, Tunnel0, what is wanted by a name of its own (the OSPF process), and what a run
// before has made, under whatever name. Of all the rest only the lines we know of.
static struct patterns owned_by(const struct csr *c, const json_t *wanted)
{
    static const char *const named[] = {
        "crypto ikev2 proposal ISTHMUS*", "crypto ikev2 policy ISTHMUS*",
        "crypto ikev2 keyring ISTHMUS*",  "crypto ikev2 profile ISTHMUS*",
        "crypto ipsec profile ISTHMUS*",  "crypto ipsec transform-set ISTHMUS *",
        "ip prefix-list ISTHMUS-VPC *",   "route-map ISTHMUS-VPC *"};
    const json_t *record = csr_record(c, R_CONFIG);
    struct patterns p = {NULL, 0};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        add_pattern(&p, named[i]);
    add_recorded(&p, wanted);                            // Tunnel0 among them
    add_recorded(&p, json_object_get(record, "routes")); // as state had them before it had sections
    add_recorded(&p, json_object_get(record, "sections"));
    return p;
}

// Of a router that was there before, once.
static int32_t find_machine(struct csr *c, const struct device *d, ist_error *err)
{
    char *text = NULL;
    json_t *brief = NULL;
    if (c->place != CSR_EXISTING || *c->machine.outside)
        return IST_OK;
    int32_t rc = ist_ios_show(d->ios, "show ip interface brief", &text, err);
    if (rc == IST_OK)
        rc = ist_ios_show_interfaces(text, &brief, err);
    if (rc == IST_OK)
        rc = csr_machine_found(c->inputs, d->running, brief, &c->machine, err);
    ist_free(text);
    json_decref(brief);
    return rc;
}

static int32_t compare_with(struct csr *c, struct device *d, const char *running, ist_error *err)
{
    static const char *const keep[] = {"description", "bandwidth", "load-interval", NULL};
    ist_ios_config_free(d->running);
    ist_ios_config_free(d->wanted);
    ist_ios_diff_free(&d->diff);
    d->running = d->wanted = NULL;
    int32_t rc = ist_ios_config_parse(running, strlen(running), &d->running, err);
    if (rc == IST_OK && !c->withdraws)
        rc = find_machine(c, d, err);
    if (rc != IST_OK)
        return rc;
    bool archive = ist_ios_config_value(d->running, "archive", "path") == NULL;
    json_t *sections = c->withdraws ? NULL : csr_sections(c->inputs, &c->machine);
    struct patterns owned = owned_by(c, sections);
    char *text = c->withdraws ? ist_strdup("") : csr_desired(c->inputs, &c->machine, archive);
    rc = ist_ios_config_parse(text, strlen(text), &d->wanted, err);
    ist_free_secret(text);
    ist_ios_diff_options o = {.size = sizeof o,
                              .same_secret = csr_same_secret,
                              .arg = json_object_get(csr_record(c, R_CONFIG), "secrets"),
                              .owned = owned.list,
                              .keep = keep};
    if (rc == IST_OK)
        rc = ist_ios_config_diff(d->running, d->wanted, &o, &d->diff, err);
    ist_free(owned.list);
    json_decref(sections);
    return rc;
}

int32_t csr_compare(struct csr *c, struct device *d, ist_error *err)
{
    int32_t rc = ist_ios_read(d->ios, &d->now, err);
    return rc == IST_OK ? csr_compare_again(c, d, err) : rc;
}

int32_t csr_compare_again(struct csr *c, struct device *d, ist_error *err)
{
    return compare_with(c, d, d->now.running, err);
}

int32_t csr_compare_fresh(struct csr *c, struct device *d, ist_error *err)
{
    return compare_with(c, d, factory, err);
}

json_t *csr_commands(const ist_ios_diff *diff)
{
    json_t *list = json_array();
    for (size_t i = 0; i < diff->count; i++) {
        const ist_ios_step *s = &diff->steps[i];
        if (s->kind == IST_IOS_EXIT || s->kind == IST_IOS_ENTER)
            continue;
        json_t *one = json_pack("{si ss ss}", "kind", (int)s->kind, "path", s->path, "shown", s->shown);
        if (s->before)
            json_object_set_new(one, "before", json_string(s->before));
        json_array_append_new(list, one);
    }
    return list;
}
