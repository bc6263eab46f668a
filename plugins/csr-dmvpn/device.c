// The conversation with the router: reaching it, comparing, and one confirmed change.
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

static int32_t read_known_hosts(const char *path, char **text, ist_error *err)
{
    ist_buf buf = {.max = 1u << 20};
    char chunk[4096];
    size_t n;
    FILE *in = fopen(path, "re");
    if (!in)
        return ist_fail(err, IST_ERR_INPUT, "ssh.known_hosts", "%s: %s", path, strerror(errno));
    while ((n = fread(chunk, 1, sizeof chunk, in)) > 0 && ist_buf_add(&buf, chunk, n) == 0)
        ;
    fclose(in);
    *text = ist_buf_take(&buf);
    return IST_OK;
}

// Which inputs have to do with it; after what the SSH client itself advises.
static void advise(const struct csr *c, int32_t code, ist_error *err)
{
    char *said = ist_strdup(err->hint);
    const char *pair = ist_json_str_or(c->inputs, "ssh_key", "?");
    if (code == IST_ERR_INPUT)
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

int32_t csr_connect(struct csr *c, bool first, struct device *d, ist_ssh_host_key *key, ist_error *err)
{
    struct seen_key seen = {{{0}, {0}}};
    ist_error failed = {0};
    const char *address = ist_dmvpn_vm_address(c->vm);
    char *file = whole_path(csr_input(c, "ssh.private_key")),
         *hosts = whole_path(csr_input(c, "ssh.known_hosts"));
    char *known = NULL;
    // What the administrator lists goes before what a run saw first.
    const char *pinned = hosts ? NULL : ist_json_str(csr_record(c, R_ROUTER), "host_key");
    int32_t rc = IST_OK;
    if (!address)
        rc = ist_fail(err, IST_ERR_NOT_FOUND, ist_dmvpn_vm_stack(c->vm), "the stack tells no public address");
    if (rc == IST_OK && hosts)
        rc = read_known_hosts(hosts, &known, err);
    ist_ssh_options o = {
        .size = sizeof o,
        .host = address,
        .port = (uint16_t)ist_json_int(c->inputs, "ssh.port", 22),
        .user = ist_json_str_or(c->inputs, "ssh.user", "ec2-user"),
        .private_key_file = file,
        .passphrase = csr_input(c, "ssh.passphrase"),
        .use_agent = file == NULL,
        .host_key_sha256 = pinned,
        .known_hosts = known,
        // A key nobody has seen is taken only from the machine that this run has launched, and once.
        .first_seen = first && !pinned && !known ? accept_key : NULL,
        .arg = &seen,
        .timeout_ms = first ? ist_json_int(c->inputs, "ssh.timeout", 15 * 60 * 1000) : 20000,
        .wait_until_up = first,
    };
    if (rc == IST_OK) {
        if (first)
            ist_progress(&c->env, "router %s: waiting for SSH", address);
        rc = ist_ios_open(&c->env, &o, NULL, &d->ios, &failed);
        if (rc != IST_OK)
            advise(c, rc, &failed);
        if (rc != IST_OK && err)
            *err = failed;
    }
    if (rc == IST_OK && key)
        *key = *ist_ios_host_key(d->ios);
    ist_free(file);
    ist_free(hosts);
    ist_free(known);
    return rc;
}

void csr_hang_up(struct device *d)
{
    ist_ios_free(d->ios);
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
    static const char *const named[] = {"crypto ikev2 proposal ISTHMUS*",
                                        "crypto ikev2 policy ISTHMUS*",
                                        "crypto ikev2 keyring ISTHMUS*",
                                        "crypto ikev2 profile ISTHMUS*",
                                        "crypto ipsec profile ISTHMUS*",
                                        "crypto ipsec transform-set ISTHMUS *",
                                        "ip prefix-list ISTHMUS-VPC *",
                                        "route-map ISTHMUS-VPC *",
                                        "interface Tunnel0"};
    const json_t *record = csr_record(c, R_CONFIG);
    struct patterns p = {NULL, 0};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        add_pattern(&p, named[i]);
    add_recorded(&p, wanted);
    add_recorded(&p, json_object_get(record, "routes")); // as state had them before it had sections
    add_recorded(&p, json_object_get(record, "sections"));
    return p;
}

static int32_t compare_with(struct csr *c, struct device *d, const char *running, ist_error *err)
{
    static const char *const keep[] = {"description", "bandwidth", "load-interval", NULL};
    json_t *sections = csr_sections(c->inputs);
    struct patterns owned = owned_by(c, sections);
    ist_ios_config_free(d->running);
    ist_ios_config_free(d->wanted);
    ist_ios_diff_free(&d->diff);
    d->running = d->wanted = NULL;
    int32_t rc = ist_ios_config_parse(running, strlen(running), &d->running, err);
    if (rc == IST_OK) {
        bool archive = ist_ios_config_value(d->running, "archive", "path") == NULL;
        char *text = csr_desired(c->inputs, ist_dmvpn_vm_inside(c->vm), archive);
        rc = ist_ios_config_parse(text, strlen(text), &d->wanted, err);
        ist_free_secret(text);
    }
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
    char *running = NULL;
    int32_t rc = ist_ios_show(d->ios, "show running-config", &running, err);
    if (rc == IST_OK)
        rc = compare_with(c, d, running, err);
    if (rc == IST_OK)
        rc = ist_ios_pending(d->ios, &d->pending, err);
    ist_free_secret(running);
    return rc;
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

// ---- changing ----

// The archive's lines first: a confirmed change needs them. Splits at the end of its section.
static size_t archive_steps(const ist_ios_diff *diff)
{
    if (diff->count == 0 || strcmp(diff->steps[0].text, "archive") != 0)
        return 0;
    for (size_t i = 0; i < diff->count; i++) {
        if (diff->steps[i].kind == IST_IOS_EXIT)
            return i + 1;
    }
    return 0;
}

static int32_t send_steps(struct csr *c, struct device *d, size_t from, size_t to, int minutes,
                          ist_error *err)
{
    ist_ios_command *lines = ist_calloc(to - from + 1, sizeof *lines);
    for (size_t i = from; i < to; i++)
        lines[i - from] = (ist_ios_command){d->diff.steps[i].text, d->diff.steps[i].shown};
    ist_progress(&c->env, "router: sending %zu lines", to - from);
    int32_t rc = to > from ? ist_ios_configure(d->ios, lines, to - from, minutes, NULL, err) : IST_OK;
    ist_free(lines);
    return rc;
}

// A confirmed change that an earlier run of ours began: it is taken back, so that there is one way to go on. Where
// all of it has arrived it is kept instead.
static int32_t settle_pending(struct csr *c, struct device *d, ist_error *err)
{
    if (!d->pending)
        return IST_OK;
    if (!csr_is_unsettled(c, R_CONFIG))
        return ist_fail(err, IST_ERR_CONFLICT, "router",
                        "a confirmed change that is not ours is pending (at most %d minutes)", d->pending);
    if (d->diff.count == 0)
        return ist_ios_confirm(d->ios, err);
    ist_log(&c->env, IST_LOG_WARN, "a change of an earlier run was never confirmed: it is taken back first");
    int32_t rc = ist_ios_revert_now(d->ios, err);
    return rc == IST_OK ? csr_compare(c, d, err) : rc;
}

static int32_t refuse_company(struct device *d, ist_error *err)
{
    char *who = NULL;
    int32_t rc = ist_ios_other_operator(d->ios, &who, err);
    if (rc == IST_OK && who) {
        rc = ist_fail(err, IST_ERR_CONFLICT, "router", "%s is in configuration mode", who);
        ist_hint(err, "a change that reverts would take that work with it: try again when it is done");
    }
    ist_free(who);
    return rc;
}

// After a failure: what was begun is taken back, over a new connection if this one is broken. Returns rc.
static int32_t take_back(struct csr *c, struct device *d, int32_t rc, ist_error *err)
{
    struct device again = {0};
    ist_error ignored = {0};
    int minutes = 0;
    if (rc != IST_ERR_NETWORK && rc != IST_ERR_TIMEOUT) {
        if (ist_ios_revert_now(d->ios, &ignored) == IST_OK)
            return rc;
    }
    if (rc == IST_ERR_CANCELLED)
        return rc; // it reverts by itself
    if (csr_connect(c, false, &again, NULL, &ignored) == IST_OK &&
        ist_ios_pending(again.ios, &minutes, &ignored) == IST_OK && minutes &&
        ist_ios_revert_now(again.ios, &ignored) == IST_OK)
        ist_log(&c->env, IST_LOG_WARN, "the change was taken back");
    else
        ist_log(&c->env, IST_LOG_WARN,
                "the router takes back by itself what it was sent, within %lld minutes",
                (long long)ist_json_int(c->inputs, "revert_minutes", 5));
    csr_hang_up(&again);
    (void)err;
    return rc;
}

// Reads back over a new connection: that the router can still be reached is half of the proof.
static int32_t read_back(struct csr *c, json_t **records, ist_error *err)
{
    struct device d = {0};
    int32_t rc = csr_connect(c, false, &d, NULL, err);
    if (rc == IST_OK)
        rc = csr_compare(c, &d, err);
    if (rc == IST_OK) {
        // Secrets that the router hides differ until this record is made.
        json_t *secrets = csr_secret_records(d.running, d.wanted, IST_SLOW_ROUNDS);
        json_t *config =
            csr_record(c, R_CONFIG) ? json_copy((json_t *)csr_record(c, R_CONFIG)) : json_object();
        json_object_del(config, "routes");
        json_object_set_new(config, "sections", csr_sections(c->inputs));
        json_object_set_new(config, "secrets", secrets);
        json_t *entry = json_object_get(c->recorded, R_CONFIG);
        if (!entry)
            json_object_set_new(c->recorded, R_CONFIG, entry = json_object());
        json_object_set(entry, "data", config);
        *records = config;
        rc = csr_compare(c, &d, err);
    }
    if (rc == IST_OK && d.diff.count)
        rc = ist_fail(err, IST_ERR_REMOTE, "router",
                      "the router took the lines and shows another configuration: %s",
                      d.diff.steps[d.diff.steps[0].kind == IST_IOS_ENTER && d.diff.count > 1].path);
    if (rc == IST_OK && d.pending)
        rc = ist_ios_confirm(d.ios, err);
    if (rc == IST_OK)
        rc = ist_ios_save(d.ios, 60000, err);
    csr_hang_up(&d);
    return rc;
}

static int32_t change(struct csr *c, struct device *d, ist_error *err)
{
    char token[65];
    size_t first = archive_steps(&d->diff);
    json_t *records = NULL,
           *data = csr_record(c, R_CONFIG) ? json_copy((json_t *)csr_record(c, R_CONFIG)) : json_object();
    // What is about to be sent is ours from now on, whatever happens to this run; what was stays ours until it is gone.
    json_t *sections = csr_sections(c->inputs), *old = json_object_get(data, "sections");
    if (json_is_array(old))
        json_array_extend(sections, old);
    json_object_set_new(data, "sections", sections);
    int32_t rc = ist_intent(&c->env, R_CONFIG, data, token, err);
    if (rc == IST_OK && first)
        rc = send_steps(c, d, 0, first, 0, err);
    if (rc == IST_OK && d->diff.count > first) {
        rc = send_steps(c, d, first, d->diff.count, (int)ist_json_int(c->inputs, "revert_minutes", 5), err);
        if (rc == IST_OK)
            rc = read_back(c, &records, err);
        if (rc != IST_OK)
            rc = take_back(c, d, rc, err);
    } else if (rc == IST_OK) {
        rc = read_back(c, &records, err);
    }
    if (rc == IST_OK)
        rc = ist_outcome(&c->env, R_CONFIG, records, err);
    else
        json_decref(records);
    return rc;
}

static int32_t pin(struct csr *c, const ist_ssh_host_key *key, ist_error *err)
{
    const char *known = ist_json_str(csr_record(c, R_ROUTER), "host_key");
    if (known && strcmp(known, key->sha256) == 0)
        return IST_OK;
    json_t *data = json_pack("{ss ss}", "host_key", key->sha256, "algorithm", key->algorithm);
    ist_log(&c->env, IST_LOG_INFO, "the router's host key is %s %s: kept, and asked for from now on",
            key->algorithm, key->sha256);
    json_object_set_new(c->recorded, R_ROUTER, json_pack("{ss sO}", "status", "done", "data", data));
    return ist_outcome(&c->env, R_ROUTER, data, err);
}

int32_t csr_configure(struct csr *c, ist_error *err)
{
    struct device d = {0};
    ist_ssh_host_key key;
    int32_t rc = csr_connect(c, true, &d, &key, err);
    if (rc == IST_OK)
        rc = pin(c, &key, err);
    if (rc == IST_OK)
        rc = csr_compare(c, &d, err);
    if (rc == IST_OK)
        rc = settle_pending(c, &d, err);
    if (rc == IST_OK && (d.diff.count || csr_is_unsettled(c, R_CONFIG) || !csr_record(c, R_CONFIG))) {
        rc = refuse_company(&d, err);
        if (rc == IST_OK)
            rc = change(c, &d, err);
    }
    csr_hang_up(&d);
    return rc;
}
