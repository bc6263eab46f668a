// Changing the router: as one confirmed change, and taking back what was made.
#include "csr.h"

#include <string.h>

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
    if (!d->now.pending)
        return IST_OK;
    if (!csr_is_unsettled(c, R_CONFIG))
        return ist_fail(err, IST_ERR_CONFLICT, "router",
                        "a confirmed change that is not ours is pending (at most %d minutes)",
                        d->now.pending);
    if (d->diff.count == 0)
        return ist_ios_confirm(d->ios, err);
    ist_log(&c->env, IST_LOG_WARN, "a change of an earlier run was never confirmed: it is taken back first");
    int32_t rc = ist_ios_revert_now(d->ios, err);
    return rc == IST_OK ? csr_compare(c, d, err) : rc;
}

// Only where configuration mode is exclusive a router tells who is in it; who else is logged in it always does.
static void tell_company(const struct csr *c, const struct device *d)
{
    char *text = NULL;
    json_t *users = NULL, *row;
    size_t i;
    if (ist_ios_show(d->ios, "show users", &text, NULL) == IST_OK)
        ist_ios_show_users(text, &users, NULL);
    json_array_foreach(users, i, row)
    {
        if (!ist_json_bool(row, "self", 0))
            ist_log(&c->env, IST_LOG_INFO,
                    "%s is logged in too (%s): a change that is taken back takes with it what is configured "
                    "meanwhile",
                    ist_json_str_or(row, "user", "somebody"), ist_json_str_or(row, "line", "?"));
    }
    json_decref(users);
    ist_free(text);
}

static int32_t refuse_company(const struct csr *c, const struct device *d, ist_error *err)
{
    if (!d->now.other_operator) {
        tell_company(c, d);
        return IST_OK;
    }
    int32_t rc =
        ist_fail(err, IST_ERR_CONFLICT, "router", "%s is in configuration mode", d->now.other_operator);
    ist_hint(err, "a change that reverts would take that work with it: try again when it is done");
    return rc;
}

// By this session: nothing is pending (0), it was taken back (1), or the session is of no use (-1).
static int revert_by(ist_ios *ios)
{
    int minutes = 0;
    if (ist_ios_pending(ios, &minutes, NULL) != IST_OK)
        return -1;
    return !minutes ? 0 : ist_ios_revert_now(ios, NULL) == IST_OK ? 1 : -1;
}

// After a failure: what was begun is taken back, by the session at hand or else by a new one, and what has become of it
// is said. Returns rc.
static int32_t take_back(struct csr *c, struct device *d, int32_t rc)
{
    struct device again = {0};
    int reverted = rc == IST_ERR_CANCELLED ? -1 : revert_by(d->ios);
    if (reverted < 0 && rc != IST_ERR_CANCELLED && csr_connect(c, false, &again, NULL, NULL) == IST_OK)
        reverted = revert_by(again.ios);
    csr_hang_up(&again);
    if (c->confirmed)
        ist_log(&c->env, IST_LOG_WARN,
                "the change is confirmed and in effect, but not saved: a reload would lose it");
    else if (reverted > 0)
        ist_log(&c->env, IST_LOG_WARN,
                "the change was taken back (the whole configuration is as it was before it)");
    else if (reverted < 0)
        ist_log(&c->env, IST_LOG_WARN,
                "the router takes back by itself what it was sent, within %lld minutes",
                (long long)ist_json_int(c->inputs, "revert_minutes", 5));
    return rc;
}

// Of a change that was begun with a timer: it is kept from here on.
static int32_t confirm(struct csr *c, struct device *d, bool timed, ist_error *err)
{
    int32_t rc = d->now.pending ? ist_ios_confirm(d->ios, err) : IST_OK;
    int minutes = d->now.pending;
    // Refused because there is nothing to confirm any more?
    if (rc == IST_ERR_REMOTE)
        ist_ios_pending(d->ios, &minutes, NULL);
    if (timed && !minutes) {
        rc =
            ist_fail(err, IST_ERR_REMOTE, "router", "the change was taken back before it could be confirmed");
        ist_hint(err, "the router was too slow for `revert_minutes` (%lld)",
                 (long long)ist_json_int(c->inputs, "revert_minutes", 5));
    }
    c->confirmed = rc == IST_OK;
    return rc;
}

// Reads back over a new connection: that the router can still be reached is half of the proof.
static int32_t read_back(struct csr *c, bool timed, json_t **records, ist_error *err)
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
        json_object_set_new(config, "sections", csr_sections(c->inputs, &c->machine));
        json_object_set_new(config, "secrets", secrets);
        json_t *entry = json_object_get(c->recorded, R_CONFIG);
        if (!entry)
            json_object_set_new(c->recorded, R_CONFIG, entry = json_object());
        json_object_set(entry, "data", config);
        *records = config;
        rc = csr_compare_again(c, &d, err);
    }
    if (rc == IST_OK && d.diff.count)
        rc = ist_fail(err, IST_ERR_REMOTE, "router",
                      "the router took the lines and shows another configuration: %s",
                      d.diff.steps[d.diff.steps[0].kind == IST_IOS_ENTER && d.diff.count > 1].path);
    if (rc == IST_OK)
        rc = confirm(c, &d, timed, err);
    if (rc == IST_OK)
        rc = ist_ios_save(d.ios, 60000, err);
    csr_hang_up(&d);
    return rc;
}

// What undoes the lines outside of our own sections, for a router that stays when we go.
static json_t *restoring(const struct device *d)
{
    static const char *const unset[] = {"archive", "no path", "exit"};
    static const char window[] = "crypto ipsec security-association replay window-size";
    const char *before = ist_ios_config_value(d->running, NULL, window);
    char *line = before ? ist_printf("%s %s", window, before) : ist_printf("no %s", window);
    json_t *lines = json_pack("[s]", line);
    if (!ist_ios_config_value(d->running, "archive", "path"))
        for (size_t i = 0; i < sizeof unset / sizeof *unset; i++)
            json_array_append_new(lines, json_string(unset[i]));
    ist_free(line);
    return lines;
}

// Whom destroy will talk to, and about what.
static void remember_router(const struct csr *c, const struct device *d, json_t *data)
{
    if (c->place != CSR_EXISTING || json_object_get(data, "address"))
        return;
    json_object_set_new(data, "address", json_string(ist_json_str_or(c->inputs, "ssh.host", "")));
    json_object_set_new(data, "port", json_integer(ist_json_int(c->inputs, "ssh.port", 22)));
    json_object_set_new(data, "user", json_string(ist_json_str_or(c->inputs, "ssh.user", "ec2-user")));
    json_object_set_new(data, "restore", restoring(d));
}

// A running OSPF process goes on under the router-id that it began with.
static void tell_router_id(const struct csr *c, const struct device *d)
{
    for (size_t i = 0; i < d->diff.count; i++) {
        const ist_ios_step *s = &d->diff.steps[i];
        if (s->kind == IST_IOS_ADD && s->before && strncmp(s->before, "router-id ", 10) == 0)
            ist_log(&c->env, IST_LOG_WARN,
                    "OSPF goes by its old %s until `clear ip ospf process` restarts it, which takes its "
                    "routes away for a moment",
                    s->before);
    }
}

static int32_t change(struct csr *c, struct device *d, ist_error *err)
{
    char token[65];
    size_t first = archive_steps(&d->diff);
    json_t *records = NULL,
           *data = csr_record(c, R_CONFIG) ? json_copy((json_t *)csr_record(c, R_CONFIG)) : json_object();
    remember_router(c, d, data);
    // What is about to be sent is ours from now on, whatever happens to this run; what was stays ours until it is gone.
    json_t *sections = csr_sections(c->inputs, &c->machine), *old = json_object_get(data, "sections");
    if (json_is_array(old))
        json_array_extend(sections, old);
    json_object_set_new(data, "sections", sections);
    json_object_set_new(c->recorded, R_CONFIG, json_pack("{ss sO}", "status", "intent", "data", data));
    int32_t rc = ist_intent(&c->env, R_CONFIG, data, token, err);
    if (rc == IST_OK && first)
        rc = send_steps(c, d, 0, first, 0, err);
    if (rc == IST_OK && d->diff.count > first) {
        rc = send_steps(c, d, first, d->diff.count, (int)ist_json_int(c->inputs, "revert_minutes", 5), err);
        if (rc == IST_OK)
            rc = read_back(c, true, &records, err);
        if (rc != IST_OK)
            rc = take_back(c, d, rc);
    } else if (rc == IST_OK) {
        rc = read_back(c, false, &records, err);
    }
    if (rc == IST_OK)
        tell_router_id(c, d);
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
    if (rc == IST_OK && c->place == CSR_VPC)
        rc = pin(c, &key, err);
    if (rc == IST_OK)
        rc = csr_compare(c, &d, err);
    if (rc == IST_OK)
        rc = settle_pending(c, &d, err);
    if (rc == IST_OK && (d.diff.count || csr_is_unsettled(c, R_CONFIG) || !csr_record(c, R_CONFIG))) {
        rc = refuse_company(c, &d, err);
        if (rc == IST_OK)
            rc = change(c, &d, err);
    }
    csr_hang_up(&d);
    return rc;
}

// ---- taking back what was made ----

// The lines that put back what was set outside of our own sections.
static int32_t put_back(const struct csr *c, struct device *d, ist_error *err)
{
    const json_t *lines = json_object_get(csr_record(c, R_CONFIG), "restore");
    ist_ios_command list[8];
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(lines) && count < sizeof list / sizeof *list; i++) {
        const char *line = json_string_value(json_array_get(lines, i));
        list[count++] = (ist_ios_command){line, line};
    }
    return count ? ist_ios_configure(d->ios, list, count, 0, NULL, err) : IST_OK;
}

// As one confirmed change, like everything else: the router that it leaves can still be reached. The archive, which that
// needs, goes last.
static int32_t remove_sections(struct csr *c, struct device *d, ist_error *err)
{
    struct device again = {0};
    char token[65];
    int32_t rc = refuse_company(c, d, err);
    // So that a run after this one knows whose change is pending.
    if (rc == IST_OK)
        rc = ist_intent(&c->env, R_CONFIG, json_copy((json_t *)csr_record(c, R_CONFIG)), token, err);
    if (rc == IST_OK)
        rc = send_steps(c, d, 0, d->diff.count, (int)ist_json_int(c->inputs, "revert_minutes", 5), err);
    if (rc == IST_OK)
        rc = csr_connect(c, false, &again, NULL, err);
    if (rc == IST_OK)
        rc = csr_compare(c, &again, err);
    if (rc == IST_OK && again.diff.count)
        rc = ist_fail(err, IST_ERR_REMOTE, "router", "the router took the lines and still shows: %s",
                      again.diff.steps[0].path);
    if (rc == IST_OK)
        rc = confirm(c, &again, true, err);
    csr_hang_up(&again);
    return rc == IST_OK ? rc : take_back(c, d, rc);
}

int32_t csr_withdraw(struct csr *c, ist_error *err)
{
    struct device d = {0};
    int32_t rc = IST_OK;
    c->withdraws = true;
    if (ist_json_str(csr_record(c, R_CONFIG), "address")) {
        rc = csr_connect(c, false, &d, NULL, err);
        if (rc == IST_OK)
            rc = csr_compare(c, &d, err);
        if (rc == IST_OK)
            rc = settle_pending(c, &d, err);
        if (rc == IST_OK && d.diff.count)
            rc = remove_sections(c, &d, err);
        if (rc == IST_OK)
            rc = put_back(c, &d, err);
        if (rc == IST_OK)
            rc = ist_ios_save(d.ios, 60000, err);
    }
    csr_hang_up(&d);
    return rc == IST_OK && json_object_get(c->recorded, R_CONFIG) ? ist_outcome(&c->env, R_CONFIG, NULL, err)
                                                                  : rc;
}
