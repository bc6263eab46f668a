// A step's common ground, and the conversation with the host.
#include "frr.h"

#include <isthmus/file.h>

#include <stdlib.h>
#include <string.h>

#define CONNECT_MS 20000

const char *frr_input(const struct frr *f, const char *path)
{
    const char *text = ist_json_str(f->inputs, path);
    return text && *text ? text : NULL;
}

const json_t *frr_record(const struct frr *f, const char *resource)
{
    return json_object_get(json_object_get(f->recorded, resource), "data");
}

bool frr_is_unsettled(const struct frr *f, const char *resource)
{
    return strcmp(ist_json_str_or(json_object_get(f->recorded, resource), "status", ""), "intent") == 0;
}

int32_t frr_open(struct frr *f, const ist_host *host, ist_call *call, ist_error *err)
{
    *f = (struct frr){.env = {host, call}};
    f->inputs = ist_inputs(&f->env);
    f->recorded = ist_recorded(&f->env);
    ist_dmvpn_register_secrets(&f->env, f->inputs);
    f->existing = strcmp(ist_dmvpn_where(f->inputs), "existing") == 0;
    // What was made is looked for where it was made.
    const json_t *record = frr_record(f, R_CONFIG);
    f->address = record ? ist_json_str(record, "address") : frr_input(f, "ssh.host");
    f->user = record ? ist_json_str(record, "user") : frr_input(f, "ssh.user");
    f->port = record ? ist_json_int(record, "port", 22) : ist_json_int(f->inputs, "ssh.port", 22);
    const char *wanted = frr_input(f, "ssh.host");
    if (f->existing && record && f->address && wanted && ist_operation_of(&f->env) != IST_OP_DESTROY &&
        strcmp(wanted, f->address) != 0) {
        int32_t rc = ist_fail(err, IST_ERR_CONFLICT, "ssh.host", "this endpoint was made on %s, not on %s",
                              f->address, wanted);
        ist_hint(err, "destroy the step first, or give another host a step of its own");
        return rc;
    }
    return frr_open_machine(f, err);
}

void frr_close(struct frr *f)
{
    ist_dmvpn_vm_free(f->vm);
    json_decref(f->inputs);
    json_decref(f->recorded);
}

// "~/x" as a person means it. The caller's.
static char *whole_path(const char *path)
{
    const char *home = getenv("HOME");
    if (path && strncmp(path, "~/", 2) == 0 && home)
        return ist_printf("%s/%s", home, path + 2);
    return path ? ist_strdup(path) : NULL;
}

static int32_t accept_key(void *arg, const ist_ssh_host_key *key)
{
    *(ist_ssh_host_key *)arg = *key;
    return 1;
}

int32_t frr_connect(const struct frr *f, struct host *h, ist_error *err)
{
    return frr_connect_within(f, h, CONNECT_MS, err);
}

int32_t frr_connect_within(const struct frr *f, struct host *h, int64_t timeout_ms, ist_error *err)
{
    const char *list = frr_input(f, "ssh.known_hosts");
    char *file = whole_path(frr_input(f, "ssh.private_key")),
         *hosts = whole_path(list || f->vm ? list : "~/.ssh/known_hosts");
    char *known = NULL;
    memset(h, 0, sizeof *h);
    // Of a machine that nobody launched the key has to be known, and a file that is not there knows none.
    int32_t rc = hosts ? ist_file_read(hosts, 1u << 20, &known, NULL, err) : IST_OK;
    if (rc == IST_ERR_NOT_FOUND && !list)
        rc = IST_OK;
    ist_ssh_options o = {
        .size = sizeof o,
        .host = f->address,
        .port = (uint16_t)f->port,
        .user = f->user,
        .private_key_file = file,
        .passphrase = frr_input(f, "ssh.passphrase"),
        .use_agent = file == NULL,
        // What the administrator lists goes before what a run saw first.
        .host_key_sha256 = list ? NULL : f->host_key,
        .known_hosts = known   ? known
                       : hosts ? ""
                               : NULL,
        .first_seen = f->first && !list && !f->host_key ? accept_key : NULL,
        .arg = f->first,
        .timeout_ms = f->first ? ist_json_int(f->inputs, "ssh.timeout", 15 * 60 * 1000) : timeout_ms,
        .wait_until_up = f->first != NULL,
    };
    if (rc == IST_OK)
        rc = ist_ssh_connect(&f->env, &o, &h->ssh, err);
    h->sudo = f->user && strcmp(f->user, "root") != 0;
    ist_free(file);
    ist_free(hosts);
    ist_free_secret(known);
    return rc;
}

void frr_hang_up(struct host *h)
{
    ist_ssh_free(h->ssh);
    h->ssh = NULL;
}

void frr_add_script(ist_buf *b, const char *const *lines)
{
    for (; *lines; lines++)
        ist_buf_puts(b, *lines);
}

char *frr_last_lines(const char *text)
{
    const char *end = text + strlen(text), *from;
    int lines = 0;
    while (end > text && (end[-1] == '\n' || end[-1] == ' '))
        end--;
    for (from = end; from > text && (from[-1] != '\n' || ++lines < 4); from--)
        ;
    char *said = ist_strndup(from, (size_t)(end - from));
    for (char *p = said; (p = strchr(p, '\n'));)
        *p = ';';
    return said;
}

int32_t frr_run(const struct frr *f, struct host *h, const char *script, const char *doing,
                int64_t timeout_ms, ist_ssh_result *result, ist_error *err)
{
    ist_ssh_result r = {0};
    ist_progress(&f->env, "host %s: %s", f->address, doing);
    int32_t rc = ist_ssh_exec(h->ssh, h->sudo ? "sudo -n sh -s" : "sh -s", script, strlen(script), timeout_ms,
                              &r, err);
    if (rc != IST_OK)
        return rc;
    if (r.status == 0) {
        if (result)
            *result = r;
        else
            ist_ssh_result_free(&r);
        return IST_OK;
    }
    char *said = frr_last_lines(*r.err ? r.err : r.out);
    bool root = r.status == 77 || (h->sudo && strstr(r.err, "sudo"));
    rc = ist_fail(err, root ? IST_ERR_DENIED : IST_ERR_REMOTE, f->address, "%s: %s", doing,
                  *said ? said : "failed without a word");
    if (root)
        ist_hint(err, "user %s has to be root, or to become it by sudo without a password", f->user);
    ist_free_secret(said);
    ist_ssh_result_free(&r);
    return rc;
}
