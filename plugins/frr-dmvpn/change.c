// One change of the host: staged, put in place, looked at over a new connection, confirmed. What is not confirmed the
// host takes back by itself (host/change.sh), whatever became of this run.
#include "frr.h"

#include <string.h>

#define RUN "/var/lib/isthmus-dmvpn/change.sh"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void add_base64(ist_buf *b, const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    for (size_t i = 0; i < len; i += 3) {
        unsigned v =
            (unsigned)p[i] << 16 | (i + 1 < len ? (unsigned)p[i + 1] << 8 : 0) | (i + 2 < len ? p[i + 2] : 0);
        char four[4] = {alphabet[v >> 18 & 63], alphabet[v >> 12 & 63],
                        i + 1 < len ? alphabet[v >> 6 & 63] : '=', i + 2 < len ? alphabet[v & 63] : '='};
        ist_buf_add(b, four, 4);
    }
}

static void stage_file(ist_buf *b, const char *to, const char *owner, unsigned mode, const char *text)
{
    ist_buf_printf(b, "mkdir -p \"$(dirname '%s')\" && base64 -d >'%s' <<'X' || exit 1\n", to, to);
    add_base64(b, text, strlen(text));
    ist_buf_printf(b, "\nX\nchown %s '%s' && chmod %o '%s' || exit 1\n", owner, to, mode, to);
}

static char *stage_script(const frr_files *files)
{
    ist_buf b = {.max = 1u << 20}, tool = {.max = 65536}, list = {.max = 4096};
    ist_buf_puts(&b, "umask 077; D=/var/lib/isthmus-dmvpn; rm -rf $D/new && mkdir -p $D/new || exit 1\n");
    frr_add_script(&tool, frr_change_script);
    stage_file(&b, RUN, "root:root", 0700, tool.data);
    for (size_t i = 0; i < files->count; i++) {
        const frr_file *file = &files->at[i];
        char *to = ist_printf("/var/lib/isthmus-dmvpn/new%s", file->path);
        stage_file(&b, to, file->owner, file->mode, file->text);
        ist_buf_printf(&list, "%o %s %s %s\n", file->mode, file->owner, frr_word(file->then), file->path);
        ist_free(to);
    }
    stage_file(&b, "/var/lib/isthmus-dmvpn/files", "root:root", 0600, list.data);
    ist_buf_free(&tool);
    ist_buf_free(&list);
    return ist_buf_take(&b);
}

// ---- packages ----

static int32_t install(struct frr *f, struct host *h, const json_t *missing, ist_error *err)
{
    json_t *name;
    size_t i;
    ist_buf names = {.max = 4096}, b = {.max = 16384};
    if (json_array_size(missing) == 0)
        return IST_OK;
    json_array_foreach((json_t *)missing, i, name)
    {
        ist_buf_printf(&names, " %s", json_string_value(name));
    }
    // Told before it is done: what a run that is killed has installed is removed by destroy all the same.
    ist_buf_printf(
        &b,
        "export DEBIAN_FRONTEND=noninteractive LC_ALL=C\n"
        "command -v apt-get >/dev/null || { echo 'no apt-get here: install%s by hand' >&2; exit 1; }\n"
        "umask 077; mkdir -p /var/lib/isthmus-dmvpn; umask 022\n"
        "printf '%%s\\n'%s >>/var/lib/isthmus-dmvpn/packages\n"
        "get() { apt-get install -qq -y --no-install-recommends%s; }\n"
        "{ get || { apt-get update -qq && get; }; } >/tmp/isthmus-apt.$$ 2>&1 </dev/null\n"
        "rc=$?; tail -3 /tmp/isthmus-apt.$$ >&2; rm -f /tmp/isthmus-apt.$$; exit $rc\n",
        names.data, names.data, names.data);
    int32_t rc = frr_run(f, h, b.data, "installing packages", 15 * 60000, NULL, err);
    ist_buf_free(&names);
    ist_buf_free(&b);
    return rc;
}

// ---- the change ----

static int32_t command(struct frr *f, struct host *h, const char *words, const char *doing, ist_error *err)
{
    // Its output goes to a file first: a connection that the change itself cuts does not end it halfway.
    char *script =
        ist_printf("L=/var/lib/isthmus-dmvpn/log\n[ -x " RUN " ] || exit 0\n" RUN
                   " %s >$L.$$ 2>&1 </dev/null\nrc=$?\ncat $L.$$ >&2 2>/dev/null; rm -f $L.$$; exit $rc\n",
                   words);
    int32_t rc = frr_run(f, h, script, doing, 180000, NULL, err);
    ist_free(script);
    return rc;
}

static json_t *data_of(const struct frr *f, const char *id)
{
    return json_pack("{ss ss ss sI}", "change", id, "address", f->address, "user", f->user, "port",
                     (json_int_t)f->port);
}

// A change that an earlier run of ours began and never confirmed is taken back, so that there is one way to go on.
static int32_t settle_pending(struct frr *f, struct host *h, const json_t *seen, ist_error *err)
{
    const char *pending = ist_json_str_or(seen, "pending", ""),
               *own = ist_json_str(frr_record(f, R_CONFIG), "change");
    if (!*pending)
        return IST_OK;
    if (!frr_is_unsettled(f, R_CONFIG) || !own || strcmp(own, pending) != 0) {
        int32_t rc = ist_fail(err, IST_ERR_CONFLICT, f->address,
                              "a change that is not of this step is under way on it");
        ist_hint(err, "it is confirmed or takes itself back within some minutes");
        return rc;
    }
    ist_log(&f->env, IST_LOG_WARN, "a change of an earlier run was never confirmed: it is taken back first");
    return command(f, h, "revert", "taking back", err);
}

static int32_t look_again(struct frr *f, struct host *h, ist_dmvpn_machine *machine, frr_files *files,
                          json_t **differences, json_t **seen, ist_error *err)
{
    json_t *now = NULL;
    int32_t rc = frr_look(f, h, &now, err);
    if (rc == IST_OK)
        rc = frr_machine_found(f->inputs, json_object_get(now, "addresses"), json_object_get(now, "routes"),
                               machine, err);
    if (rc == IST_OK) {
        frr_files_free(files);
        frr_generate(f->inputs, machine, files);
        json_decref(*differences);
        *differences = frr_differences(f, now, files);
    }
    json_decref(*seen);
    *seen = now;
    return rc;
}

// ---- the change under way: on the host, by itself ----

// A change that leads our own connection elsewhere must neither end with it nor keep us waiting for it: the host makes it
// in the background, and is asked for its end in short questions, over a new connection where the old one is dead.
#define ASK_MS       15000
#define REACH_MS     10000
#define UNTIL_MS     180000 // for the change itself, and for the host's taking it back
#define RESULT_LINES "@result "

static int32_t begin(struct frr *f, struct host *h, const char *words, ist_error *err)
{
    char *script = ist_printf("D=/var/lib/isthmus-dmvpn\nrm -f $D/result\n"
                              "setsid sh -c 'umask 077; " RUN
                              " %s >$0/log 2>&1; echo $? >$0/result.new; mv $0/result.new $0/result' $D "
                              "</dev/null >/dev/null 2>&1 &\n",
                              words);
    int32_t rc = frr_run(f, h, script, "putting it in place", ASK_MS, NULL, err);
    ist_free(script);
    return rc;
}

// Where the host is out of reach: tries until it is not, for as long as the host may need to take the change back. Says
// so at once, for by default that is minutes.
static int32_t reach(struct frr *f, struct host *h, int64_t until, bool *told, ist_error *err)
{
    int32_t rc = IST_OK;
    while (!h->ssh) {
        rc = frr_connect_within(f, h, REACH_MS, err);
        if (rc == IST_OK || rc == IST_ERR_CANCELLED || rc == IST_ERR_DENIED || ist_now_ms(&f->env) >= until)
            break;
        if (!*told)
            ist_log(
                &f->env, IST_LOG_WARN,
                "%s is out of reach since the change: unless that ends it takes the change back by itself, "
                "%lld min after it began, and this run waits for that",
                f->address, (long long)ist_json_int(f->inputs, "revert_minutes", 5));
        *told = true;
        ist_progress(&f->env, "host %s: out of reach, trying again", f->address);
        int32_t waited = ist_sleep_ms(&f->env, 1000);
        if (waited != IST_OK)
            return ist_fail(err, waited, f->address, "waiting for it was %s", ist_code_name(waited));
    }
    return rc;
}

// How the change ended on the host: IST_ERR_REMOTE with what it said when it did not work.
static int32_t await(struct frr *f, struct host *h, ist_error *err)
{
    static const char ask[] =
        "D=/var/lib/isthmus-dmvpn; i=0\n"
        "while [ ! -e $D/result ] && [ $i -lt 25 ]; do sleep 0.2; i=$((i + 1)); done\n"
        "[ ! -e $D/result ] || { echo \"" RESULT_LINES "$(cat $D/result)\"; tail -3 $D/log; exit; }\n"
        "[ -e $D/pending ] || sleep 1; [ -e $D/result ] || [ -e $D/pending ] || echo '" RESULT_LINES
        "gone'\n";
    int64_t until = ist_now_ms(&f->env) + ist_json_int(f->inputs, "revert_minutes", 5) * 60000 + UNTIL_MS;
    bool told = false;
    for (;;) {
        ist_ssh_result r = {0};
        int32_t rc = reach(f, h, until, &told, err);
        if (rc == IST_OK)
            rc = frr_run(f, h, ask, "putting it in place", ASK_MS, &r, err);
        if (rc == IST_OK && strncmp(r.out, RESULT_LINES, strlen(RESULT_LINES)) == 0) {
            const char *status = r.out + strlen(RESULT_LINES);
            if (strncmp(status, "0\n", 2) != 0 && strncmp(status, "gone", 4) != 0) {
                char *said = frr_last_lines(strchr(status, '\n') ? strchr(status, '\n') : "");
                rc = ist_fail(err, IST_ERR_REMOTE, f->address, "putting it in place: %s",
                              *said ? said : "failed without a word");
                ist_free_secret(said);
            }
            ist_ssh_result_free(&r);
            return rc;
        }
        if (rc == IST_ERR_CANCELLED || rc == IST_ERR_DENIED || ist_now_ms(&f->env) >= until)
            return rc != IST_OK
                       ? rc
                       : ist_fail(err, IST_ERR_TIMEOUT, f->address, "the change does not come to an end");
        ist_ssh_result_free(&r);
        if (rc != IST_OK)
            frr_hang_up(h);
    }
}

// Over a new connection: that the host can still be reached, and that it is as it is to be, is the proof.
static int32_t prove(struct frr *f, const char *id, ist_dmvpn_machine *machine, ist_error *err)
{
    struct host h = {0};
    frr_files files = {.count = 0};
    json_t *differences = NULL, *seen = NULL;
    bool told = false;
    int64_t until = ist_now_ms(&f->env) + ist_json_int(f->inputs, "revert_minutes", 5) * 60000 + UNTIL_MS;
    int32_t rc;
    for (;;) {
        rc = reach(f, &h, until, &told, err);
        if (rc == IST_OK)
            rc = look_again(f, &h, machine, &files, &differences, &seen, err);
        if ((rc != IST_ERR_NETWORK && rc != IST_ERR_TIMEOUT) || ist_now_ms(&f->env) >= until)
            break;
        frr_hang_up(&h);
    }
    if (rc == IST_OK && strcmp(ist_json_str_or(seen, "pending", ""), id) != 0) {
        rc = ist_fail(err, IST_ERR_REMOTE, f->address,
                      "the change cut us off from it, so that the host has taken it back by itself");
        ist_hint(err, "which of it leads our address elsewhere: a route, a network that is announced?");
    }
    if (rc == IST_OK && json_array_size(differences) > 0)
        rc = ist_fail(err, IST_ERR_REMOTE, f->address, "it took the change, and %s is not as it is to be",
                      ist_json_str_or(json_array_get(differences, 0), "resource", "?"));
    if (rc == IST_OK) {
        char *words = ist_printf("confirm %s", id);
        rc = command(f, &h, words, "confirming", err);
        ist_free(words);
    }
    frr_hang_up(&h);
    frr_files_free(&files);
    json_decref(differences);
    json_decref(seen);
    return rc;
}

// After a failure: over a new connection, for this one may be broken.
static void take_back(struct frr *f)
{
    struct host h;
    ist_error ignored = {0};
    int32_t rc = frr_connect(f, &h, &ignored);
    if (rc == IST_OK)
        rc = command(f, &h, "revert", "taking back", &ignored);
    frr_hang_up(&h);
    if (rc == IST_OK)
        ist_log(&f->env, IST_LOG_WARN, "the change was taken back");
    else
        ist_log(&f->env, IST_LOG_WARN, "the host takes the change back by itself, within %lld minutes",
                (long long)ist_json_int(f->inputs, "revert_minutes", 5));
}

static int32_t change(struct frr *f, struct host *h, const frr_files *files, const json_t *differences,
                      ist_dmvpn_machine *machine, ist_error *err)
{
    char token[65], id[33];
    json_t *one;
    size_t i;
    ist_buf words = {.max = 4096};
    ist_random_hex(16, id);
    ist_buf_printf(&words, "begin %s %lld", id, (long long)ist_json_int(f->inputs, "revert_minutes", 5));
    json_array_foreach((json_t *)differences, i, one)
    {
        if (ist_json_str(one, "then"))
            ist_buf_printf(&words, " %s", ist_json_str(one, "then"));
    }
    int32_t rc = ist_intent(&f->env, R_CONFIG, data_of(f, id), token, err);
    if (rc == IST_OK) {
        char *script = stage_script(files);
        rc = frr_run(f, h, script, "sending files", 60000, NULL, err);
        ist_free_secret(script);
    }
    if (rc == IST_OK) {
        rc = begin(f, h, words.data, err);
        if (rc == IST_OK)
            rc = await(f, h, err);
        if (rc == IST_OK)
            rc = prove(f, id, machine, err);
        if (rc != IST_OK && rc != IST_ERR_CANCELLED)
            take_back(f);
    }
    ist_buf_free(&words);
    return rc == IST_OK ? ist_outcome(&f->env, R_CONFIG, data_of(f, id), err) : rc;
}

static int32_t check_version(const struct frr *f, const json_t *seen, ist_error *err)
{
    const char *text = ist_json_str_or(seen, "frr", ""), *at = strstr(text, "version ");
    unsigned major = 0, minor = 0;
    for (at = at ? at + 8 : ""; *at >= '0' && *at <= '9' && major < 1000; at++)
        major = major * 10 + (unsigned)(*at - '0');
    for (at = *at == '.' ? at + 1 : ""; *at >= '0' && *at <= '9' && minor < 1000; at++)
        minor = minor * 10 + (unsigned)(*at - '0');
    if (major > 9 || (major == 9 && minor >= 1))
        return IST_OK;
    int32_t rc =
        ist_fail(err, IST_ERR_REMOTE, f->address, "FRR 9.1 or later is needed, and it has \"%s\"", text);
    ist_hint(err, "older ones have no `ip nhrp authentication`; Debian 13 has 10.3");
    return rc;
}

int32_t frr_change(struct frr *f, ist_dmvpn_machine *machine, ist_error *err)
{
    struct host h;
    frr_files files = {.count = 0};
    json_t *differences = NULL, *seen = NULL;
    int32_t rc = frr_connect(f, &h, err);
    if (rc == IST_OK)
        rc = look_again(f, &h, machine, &files, &differences, &seen, err);
    if (rc == IST_OK && *ist_json_str_or(seen, "pending", "")) {
        rc = settle_pending(f, &h, seen, err);
        if (rc == IST_OK)
            rc = look_again(f, &h, machine, &files, &differences, &seen, err);
    }
    if (rc == IST_OK && json_array_size(json_object_get(seen, "missing")) > 0) {
        rc = install(f, &h, json_object_get(seen, "missing"), err);
        if (rc == IST_OK)
            rc = look_again(f, &h, machine, &files, &differences, &seen, err);
    }
    if (rc == IST_OK)
        rc = check_version(f, seen, err);
    if (rc == IST_OK &&
        (json_array_size(differences) > 0 || frr_is_unsettled(f, R_CONFIG) || !frr_record(f, R_CONFIG)))
        rc = change(f, &h, &files, differences, machine, err);
    frr_hang_up(&h);
    frr_files_free(&files);
    json_decref(differences);
    json_decref(seen);
    return rc;
}

int32_t frr_remove(struct frr *f, ist_error *err)
{
    struct host h = {0};
    if (!json_object_get(f->recorded, R_CONFIG))
        return IST_OK;
    int32_t rc = frr_connect(f, &h, err);
    if (rc == IST_OK)
        rc = command(f, &h, "destroy", "making it bare again", err);
    frr_hang_up(&h);
    return rc == IST_OK ? ist_outcome(&f->env, R_CONFIG, NULL, err) : rc;
}
