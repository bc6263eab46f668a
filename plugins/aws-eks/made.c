// Making, mending and removing what EKS keeps, a thing at a time.
#include "made.h"

#include <isthmus/schema.h>

#include <string.h>

#define FIRST_POLL_MS 500
#define LAST_POLL_MS  15000
#define MARK          "isthmus.dev/token" // a tag: by it a run knows what an interrupted one had begun

// ---- reading ----

// Those tags that are asked for: what else is tagged is others' business.
static void pick_tags(const struct made *made, json_t *live)
{
    json_t *picked = json_object(), *value;
    const char *key;
    json_object_foreach(json_object_get(made->body, "tags"), key, value)
    {
        json_t *found = json_object_get(json_object_get(live, "tags"), key);
        if (found != NULL)
            json_object_set(picked, key, found);
    }
    json_object_set_new(live, "_tags", picked);
}

// *live (new reference) stays NULL when it is not there.
static int32_t read_live(struct step *s, const struct made *made, json_t **live, ist_error *err)
{
    json_t *answer = NULL;
    ist_error failed = {0};
    int32_t rc = ist_aws_rest(s->aws, "eks", "GET", made->path, NULL, &answer, &failed);
    if (rc == IST_ERR_NOT_FOUND)
        return IST_OK;
    json_t *found = json_copy(json_object_get(answer, made->kind->member));
    json_decref(answer);
    if (found != NULL)
        pick_tags(made, found);
    if (rc == IST_OK && found != NULL && made->kind->read != NULL)
        rc = made->kind->read(s, made, found, &failed);
    if (rc == IST_OK && found != NULL) {
        *live = found;
        return IST_OK;
    }
    json_decref(found);
    if (rc == IST_OK)
        return ist_fail(err, IST_ERR_REMOTE, made->resource, "EKS answered without %s", made->kind->member);
    if (err != NULL)
        *err = failed;
    return rc;
}

static const char *status_of(const json_t *live)
{
    return ist_json_str_or(live, "status", "ACTIVE"); // access entries have none
}

static int is_usable(const json_t *live)
{
    static const char *const usable[] = {"ACTIVE", "UPDATING", "DEGRADED"};
    for (size_t i = 0; i < sizeof(usable) / sizeof(*usable); i++)
        if (strcmp(status_of(live), usable[i]) == 0)
            return 1;
    return 0;
}

// The reason that EKS gives; "" when it gives none. Borrowed.
static const char *issue_of(const json_t *live)
{
    return ist_json_str_or(live, "health.issues[0].message", "");
}

int32_t made_wait(struct step *s, const struct made *made, int gone, ist_error *err)
{
    const int64_t from = ist_now_ms(&s->env), until = from + step_timeout(s);
    int64_t pause = FIRST_POLL_MS;
    for (;;) {
        json_t *live = NULL;
        int32_t rc = read_live(s, made, &live, err);
        const int there = live != NULL;
        const char *status = status_of(live);
        if (rc == IST_OK && !gone && !there)
            rc = ist_fail(err, IST_ERR_REMOTE, made->resource, "it is gone while it was waited for");
        else if (rc == IST_OK && there && strstr(status, "FAILED") != NULL)
            rc = ist_fail(err, IST_ERR_REMOTE, made->resource, "it is %s: %s", status,
                          *issue_of(live) ? issue_of(live) : "EKS gives no reason");
        const int done = gone ? !there : there && is_usable(live) && strcmp(status, "UPDATING") != 0;
        if (rc == IST_OK && !done) {
            const int64_t now = ist_now_ms(&s->env);
            ist_progress(&s->env, "%s: %s%s%s, %lld s", made->resource, status, *issue_of(live) ? ": " : "",
                         issue_of(live), (long long)(now - from) / 1000);
            rc = now >= until ? IST_ERR_TIMEOUT : ist_sleep_ms(&s->env, pause);
            if (rc != IST_OK)
                ist_fail(err, rc, made->resource, "%s while it was %s", ist_code_name(rc), status);
            pause = pause * 3 / 2 < LAST_POLL_MS ? pause * 3 / 2 : LAST_POLL_MS;
        }
        json_decref(live);
        if (rc != IST_OK || done)
            return rc;
    }
}

// ---- judging ----

static json_t *value_at(const json_t *object, const char *path)
{
    json_t *value = ist_json_at(object, path);
    return json_is_null(value) ? NULL : value;
}

static json_t *live_value(const struct made_field *field, const json_t *live)
{
    return value_at(live, field->live != NULL ? field->live : field->name);
}

// What a field is called to people.
static const char *shown(const struct made_field *field)
{
    return field->name + (*field->name == '_');
}

// A field that the inputs do not give is left as EKS has it.
int made_differs(const struct made *made, const struct made_field *field, const json_t *live)
{
    const json_t *wanted = value_at(made->body, field->name);
    return wanted != NULL && !ist_type_equal(field->type, live_value(field, live), wanted);
}

static size_t count_differing(const struct made *made, const json_t *live, enum made_way way)
{
    size_t count = 0;
    for (size_t i = 0; i < made->kind->field_count; i++)
        count += made->kind->fields[i].way == way && made_differs(made, &made->kind->fields[i], live);
    return count;
}

struct verdict {
    json_t *live;       // new reference, or NULL
    uint32_t action;    // 0: nothing to do
    const char *reason; // or NULL
    int recorded;       // is ours
};

static const json_t *record_of(const struct step *s, const struct made *made)
{
    return json_object_get(s->recorded, made->resource);
}

static int has_mark(const json_t *live, const char *token)
{
    const char *mark = json_string_value(json_object_get(json_object_get(live, "tags"), MARK));
    return token != NULL && mark != NULL && strcmp(token, mark) == 0;
}

// Is it what the interrupted run of this record had begun?
static int is_begun(const json_t *record, const json_t *live)
{
    return has_mark(live, ist_json_str(record, "token"));
}

static int32_t refuse(const struct made *made, const json_t *live, const char *why, ist_error *err)
{
    ist_buf text = {0};
    for (size_t i = 0; i < made->kind->field_count; i++) {
        const struct made_field *field = &made->kind->fields[i];
        if (field->way != MADE_FIXED || !made_differs(made, field, live))
            continue;
        const json_t *found = live_value(field, live);
        char *has = found != NULL ? ist_json_text(found) : ist_strdup("not set"),
             *wants = ist_json_text(value_at(made->body, field->name));
        ist_buf_printf(&text, "%s%s is %s, not %s", text.len ? "; " : "", shown(field), has, wants);
        ist_free(has);
        ist_free(wants);
    }
    char *differences = ist_buf_take(&text);
    const int32_t rc = ist_fail(err, IST_ERR_CONFLICT, made->resource, "%s: %s", why, differences);
    ist_free(differences);
    return rc;
}

static int32_t judge(struct step *s, const struct made *made, struct verdict *v, ist_error *err)
{
    const json_t *record = record_of(s, made);
    const int unsettled = step_is_unsettled(s, made->resource);
    *v = (struct verdict){0};
    int32_t rc = read_live(s, made, &v->live, err);
    if (rc != IST_OK)
        return rc;
    v->recorded = record != NULL && (!unsettled || is_begun(record, v->live));
    if (v->live == NULL) {
        v->action = IST_CREATE;
    } else if (strcmp(status_of(v->live), "DELETING") == 0) {
        v->action = IST_CREATE;
        v->reason = "the one that is there is being deleted";
    } else if (count_differing(made, v->live, MADE_FIXED) > 0) {
        if (made->kind->keeps)
            return refuse(made, v->live, "it is there with settings that cannot be changed", err);
        if (!v->recorded)
            return refuse(made, v->live, "it is there, and Isthmus did not make it", err);
        v->action = IST_REPLACE;
    } else if (strstr(status_of(v->live), "FAILED") != NULL && !made->kind->keeps && v->recorded) {
        v->action = IST_REPLACE;
        v->reason = "it could not be made";
    } else if (made->kind == &made_cluster &&
               version_check_step(ist_json_str(v->live, "version"), ist_json_str(made->body, "version"),
                                  err) != IST_OK) {
        return IST_ERR_CONFLICT;
    } else if (count_differing(made, v->live, MADE_SETTING) + count_differing(made, v->live, MADE_VERSION) >
               0) {
        v->action = IST_UPDATE;
    } else if (unsettled && v->recorded) {
        v->action = IST_UPDATE;
        v->reason = "it was being made when an earlier run ended";
    } else if (strcmp(status_of(v->live), "CREATING") == 0) {
        v->action = IST_UPDATE;
        v->reason = "it is under way: wait for it";
    }
    return IST_OK;
}

// ---- plan ----

static void plan_one(const struct step *s, const struct made *made, const struct verdict *v)
{
    if (v->action == 0)
        return;
    ist_change(&s->env, v->action, made->resource, v->reason);
    for (size_t i = 0; i < made->kind->field_count; i++) {
        const struct made_field *field = &made->kind->fields[i];
        json_t *before = live_value(field, v->live), *after = value_at(made->body, field->name);
        if (after != NULL && (v->action == IST_CREATE || made_differs(made, field, v->live)))
            ist_change_field(&s->env, made->resource, shown(field),
                             v->action == IST_CREATE ? NULL : json_incref(before), json_incref(after));
    }
}

static int is_wanted(const struct made_list *list, const char *resource)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].resource, resource) == 0)
            return 1;
    return 0;
}

// Of the recorded ones, those of this file.
static int is_made(const json_t *record)
{
    return ist_json_str(record, "data.noun") != NULL;
}

// What EKS would refuse only once it is asked to make it.
static int32_t check_types(struct step *s, const struct made *made, const struct verdict *v, ist_error *err)
{
    const json_t *types = json_object_get(made->body, "instanceTypes");
    return (v->action == IST_CREATE || v->action == IST_REPLACE) && types != NULL
               ? ist_aws_check_instance_types(s->aws, types, made->resource, err)
               : IST_OK;
}

int32_t made_plan(struct step *s, ist_error *err)
{
    struct made_list list;
    const char *resource;
    json_t *record;
    int32_t rc = made_wanted(s, &list, err);
    for (size_t i = 0; i < list.count && rc == IST_OK; i++) {
        struct verdict v;
        rc = judge(s, &list.items[i], &v, err);
        if (rc == IST_OK)
            rc = check_types(s, &list.items[i], &v, err);
        if (rc == IST_OK)
            plan_one(s, &list.items[i], &v);
        json_decref(v.live);
    }
    json_object_foreach(s->recorded, resource, record)
    {
        if (rc == IST_OK && is_made(record) && !is_wanted(&list, resource))
            ist_change(&s->env, IST_DELETE, resource, "wanted no more");
    }
    made_list_free(&list);
    return rc;
}

// ---- apply ----

// With the access policy that was given, if any.
static json_t *record_data(const struct made *made)
{
    const char *policy = ist_json_str_or(made->body, "_policy", "");
    return json_pack("{s:s, s:s, s:s*}", "path", made->path, "noun", made->kind->noun, "policy",
                     *policy != '\0' ? policy : NULL);
}

// The tag marks it: a run that takes up where this one ended knows it for its own.
static json_t *request_of(const struct made *made, const char *token)
{
    json_t *body = json_deep_copy(made->body), *tags = json_object_get(body, "tags"), *value;
    const char *key;
    void *next;
    if (tags == NULL) {
        tags = json_object();
        json_object_set_new(body, "tags", tags);
    }
    json_object_set_new(tags, MARK, json_string(token));
    json_object_set_new(body, "clientRequestToken", json_string(token));
    json_object_foreach_safe(body, next, key, value)
    {
        if (*key == '_') // asked for by another call
            json_object_del(body, key);
    }
    return body;
}

static int32_t create(struct step *s, const struct made *made, ist_error *err)
{
    char token[65];
    int32_t rc = ist_intent(&s->env, made->resource, record_data(made), token, err);
    if (rc != IST_OK)
        return rc;
    ist_error failed = {0};
    json_t *body = request_of(made, token), *live = NULL;
    ist_progress(&s->env, "%s: asking for it", made->resource);
    rc = ist_aws_rest(s->aws, "eks", "POST", made->collection, body, NULL, &failed);
    // The answer to a first try may have been lost: what is there already, with the mark of this very call, is its own.
    if (rc == IST_ERR_CONFLICT && read_live(s, made, &live, NULL) == IST_OK && live != NULL &&
        has_mark(live, token))
        rc = IST_OK;
    if (rc != IST_OK && err != NULL)
        *err = failed;
    json_decref(live);
    json_decref(body);
    return rc;
}

static int32_t delete_one(struct step *s, const struct made *made, ist_error *err)
{
    ist_error failed = {0};
    int32_t rc = ist_aws_rest(s->aws, "eks", "DELETE", made->path, NULL, NULL, &failed);
    if (rc == IST_ERR_NOT_FOUND)
        return IST_OK;
    if (rc == IST_ERR_CONFLICT && strcmp(ist_aws_error_code(s->aws), "ResourceInUseException") == 0)
        ist_hint(&failed, "something that Isthmus did not make still hangs on it: remove that first");
    if (rc == IST_OK)
        rc = made_wait(s, made, 1, &failed);
    if (rc != IST_OK && err != NULL)
        *err = failed;
    return rc;
}

static int32_t finish(struct step *s, const struct made *made, ist_error *err)
{
    json_t *live = NULL;
    int32_t rc = made_wait(s, made, 0, err);
    if (rc == IST_OK && made->kind->finish != NULL) {
        rc = read_live(s, made, &live, err);
        if (rc == IST_OK)
            rc = made->kind->finish(s, made, live, err);
    }
    json_decref(live);
    return rc;
}

// By what it is now: what was waited for may have been the very change.
static int32_t update_one(struct step *s, const struct made *made, ist_error *err)
{
    json_t *live = NULL;
    int32_t rc = read_live(s, made, &live, err);
    if (rc == IST_OK && live != NULL)
        rc = made->kind->update(s, made, live, err);
    json_decref(live);
    return rc;
}

static int32_t apply_one(struct step *s, const struct made *made, ist_error *err)
{
    struct verdict v;
    int32_t rc = judge(s, made, &v, err);
    const int deleting = v.live != NULL && strcmp(status_of(v.live), "DELETING") == 0;
    int ours = v.recorded;
    if (rc == IST_OK && deleting)
        rc = made_wait(s, made, 1, err);
    if (rc == IST_OK && v.action == IST_REPLACE) {
        rc = delete_one(s, made, err);
        if (rc == IST_OK)
            rc = ist_outcome(&s->env, made->resource, NULL, err);
    }
    if (rc == IST_OK && (v.action == IST_CREATE || v.action == IST_REPLACE)) {
        rc = create(s, made, err);
        ours = 1;
    }
    if (rc == IST_OK && v.action != 0)
        rc = finish(s, made, err);
    if (rc == IST_OK && v.action == IST_UPDATE && made->kind->update != NULL)
        rc = update_one(s, made, err);
    if (rc == IST_OK && v.action != 0 && ours)
        rc = ist_outcome(&s->env, made->resource, record_data(made), err);
    json_decref(v.live);
    return rc;
}

#define BEGUN_LOOKS 5
#define BEGUN_MS    1000

// One that an interrupted run was about to make: the call may have been under way when that run was killed, so that
// "none" is believed only of several looks.
static int32_t read_begun(struct step *s, const struct made *made, json_t **live, ist_error *err)
{
    int32_t rc = read_live(s, made, live, err);
    for (int looks = 1; rc == IST_OK && *live == NULL && looks < BEGUN_LOOKS; looks++) {
        rc = ist_sleep_ms(&s->env, ist_poll_ms(&s->env, BEGUN_MS));
        rc = rc == IST_OK ? read_live(s, made, live, err)
                          : ist_fail(err, rc, made->resource, "%s", ist_code_name(rc));
    }
    return rc;
}

// One recorded thing; what an interrupted run had only meant to make, and somebody else did, stays.
static int32_t remove_recorded(struct step *s, const char *resource, const json_t *record, ist_error *err)
{
    struct made made = {0};
    json_t *live = NULL;
    const int unsettled = step_is_unsettled(s, resource);
    int32_t rc = made_of_record(resource, json_object_get(record, "data"), &made, err);
    if (rc == IST_OK)
        rc = unsettled ? read_begun(s, &made, &live, err) : read_live(s, &made, &live, err);
    if (rc == IST_OK && live != NULL && (!unsettled || is_begun(record, live)))
        rc = delete_one(s, &made, err);
    if (rc == IST_OK)
        rc = ist_outcome(&s->env, resource, NULL, err);
    json_decref(live);
    made_free(&made);
    return rc;
}

// What is recorded and not in `list`, children before the cluster.
static int32_t remove_others(struct step *s, const struct made_list *list, ist_error *err)
{
    int32_t rc = IST_OK;
    for (int cluster = 0; cluster <= 1; cluster++) {
        const char *resource;
        json_t *record;
        json_object_foreach(s->recorded, resource, record)
        {
            const char *noun = ist_json_str_or(record, "data.noun", "");
            if (rc == IST_OK && is_made(record) && !is_wanted(list, resource) &&
                (strcmp(noun, "cluster") == 0) == cluster)
                rc = remove_recorded(s, resource, record, err);
        }
    }
    return rc;
}

static int32_t reopen(struct step *s, ist_error *err)
{
    ist_kube_free(s->kube);
    s->kube = NULL;
    ist_free_secret(s->kubeconfig);
    s->kubeconfig = NULL;
    ist_free(s->role);
    s->role = NULL;
    json_decref(s->cluster);
    s->cluster = NULL;
    return cluster_open(s, err);
}

int32_t made_await(struct step *s, ist_error *err)
{
    struct made made = {0};
    char *name = ist_url_encode(ist_json_str_or(s->inputs, "name", ""), 0);
    char *path = ist_printf("/clusters/%s", name), *title = ist_printf("cluster %s", name);
    json_t *data = json_pack("{s:s, s:s}", "path", path, "noun", made_cluster.noun);
    int32_t rc = made_of_record(title, data, &made, err);
    if (rc == IST_OK)
        rc = made_wait(s, &made, 0, err);
    if (rc == IST_OK)
        rc = reopen(s, err);
    json_decref(data);
    made_free(&made);
    ist_free(title);
    ist_free(path);
    ist_free(name);
    return rc;
}

int32_t made_apply(struct step *s, ist_error *err)
{
    struct made_list list;
    int32_t rc = made_wanted(s, &list, err);
    for (size_t i = 0; i < list.count && rc == IST_OK; i++)
        rc = apply_one(s, &list.items[i], err);
    if (rc == IST_OK)
        rc = remove_others(s, &list, err);
    if (rc == IST_OK && list.count > 0)
        rc = reopen(s, err);
    made_list_free(&list);
    return rc;
}

int32_t made_destroy(struct step *s, ist_error *err)
{
    return remove_others(s, &(struct made_list){0}, err);
}

// ---- verify ----

static void verify_one(struct step *s, const struct made *made, const json_t *live)
{
    if (live == NULL)
        ist_check(&s->env, made->resource, IST_FAIL, "it is not there");
    else if (!is_usable(live) || strcmp(status_of(live), "DEGRADED") == 0)
        ist_check(&s->env, made->resource, IST_FAIL, "%s: %s", status_of(live), issue_of(live));
    else
        ist_check(&s->env, made->resource, IST_PASS, "%s", status_of(live));
}

int32_t made_verify(struct step *s, ist_error *err)
{
    struct made_list list;
    int32_t rc = made_wanted(s, &list, err);
    for (size_t i = 0; i < list.count && rc == IST_OK; i++) {
        json_t *live = NULL;
        rc = read_live(s, &list.items[i], &live, err);
        if (rc == IST_OK)
            verify_one(s, &list.items[i], live);
        json_decref(live);
    }
    made_list_free(&list);
    return rc;
}
