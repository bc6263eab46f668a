// Before the first write: what may never be written, what it would change about who reaches whom, and whether that may.
#include "model.h"

#include "outside.h"
#include "reach.h"
#include "snat.h"

#include <isthmus/alloc.h>

#include <string.h>

#define TOLD 40 // pairs that a plan names

// ---- what is refused always ----

int32_t model_refuse_overlaps(const struct model *model, ist_error *err)
{
    for (size_t i = 0; i < model->clusters->count; i++)
        for (size_t k = i + 1; k < model->clusters->count; k++) {
            char *text = snat_overlap(&model->clusters->items[i], &model->clusters->items[k]);
            if (!text)
                continue;
            ist_fail(err, IST_ERR_INPUT, "pod_cidrs", "%s overlap: an address would stand for pods of both",
                     text);
            ist_free(text);
            return IST_ERR_INPUT;
        }
    return IST_OK;
}

static int32_t refuse_unmodelled(const struct model *model, ist_error *err)
{
    for (size_t i = 0; i < model->clusters->count; i++) {
        json_t *found = NULL;
        const ist_cluster *cluster = &model->clusters->items[i];
        if (ist_reconciler_state(model->run, i) != IST_CLUSTER_SYNCED)
            continue;
        int32_t rc = policy_unmodelled_list(cluster->kube, &found, err);
        size_t count = json_array_size(found);
        if (rc == IST_OK && count)
            rc = ist_fail(
                err, IST_ERR_CONFLICT, "guard",
                "%s has %zu policies of kinds that are not judged here, %s among them: whether a path "
                "is new cannot be told",
                cluster->name, count, json_string_value(json_array_get(found, 0)));
        json_decref(found);
        if (rc != IST_OK)
            return rc;
    }
    return IST_OK;
}

// ---- who reaches whom ----

static const char *name_of(const json_t *object)
{
    return ist_json_str_or(object, "metadata.name", "");
}

static int same_object(const json_t *a, const json_t *b)
{
    return strcmp(name_of(a), name_of(b)) == 0 && strcmp(ist_json_str_or(a, "metadata.namespace", ""),
                                                         ist_json_str_or(b, "metadata.namespace", "")) == 0;
}

// What there will be of our own in one cluster. New reference.
static json_t *after_of(const json_t *before, const json_t *actions)
{
    json_t *after = json_copy((json_t *)(uintptr_t)before), *action;
    size_t i, k;
    json_array_foreach(actions, i, action)
    {
        const json_t *object = json_object_get(action, "object");
        for (k = json_array_size(after); k-- > 0;)
            if (same_object(json_array_get(after, k), object))
                json_array_remove(after, k);
        if (strcmp(ist_json_str_or(action, "action", ""), "delete") != 0)
            json_array_append_new(after, json_deep_copy(object));
    }
    return after;
}

static void put_all(struct model *model, json_t *const *objects, int there)
{
    size_t i;
    json_t *object;
    for (size_t cluster = 0; cluster < model->clusters->count; cluster++)
        json_array_foreach(objects[cluster], i, object)
        {
            const char *ns = ist_json_str_or(object, "metadata.namespace", "");
            if (there) // a name that somebody else has is never written
                json_object_set_new(object, "kind",
                                    json_string(world_find_policy(model->world, cluster, ns, name_of(object))
                                                    ? "Taken"
                                                    : "NetworkPolicy"));
            if (there)
                world_put(model->world, cluster, object, 0, NULL);
            else
                world_remove(model->world, cluster, object);
        }
}

// The connections of all pairs as text, so that two answers can be laid side by side.
struct picture {
    size_t count;
    char **names;       // of the ends
    const char **pairs; // count * count; borrowed from `reach`
    struct reach *reach;
};

static void picture_free(struct picture *picture)
{
    for (size_t i = 0; i < picture->count; i++)
        ist_free(picture->names[i]);
    ist_free(picture->names);
    ist_free(picture->pairs);
    if (picture->reach)
        reach_free(picture->reach);
}

static struct picture picture_of(struct model *model, json_t *const *own)
{
    put_all(model, own, 1);
    struct picture picture = {.reach = reach_compute(model->world, REACH_PLAIN)};
    picture.count = reach_end_count(picture.reach);
    picture.names = ist_calloc(picture.count + 1, sizeof(char *));
    picture.pairs = ist_calloc(picture.count * picture.count + 1, sizeof(char *));
    conn *row = ist_calloc(picture.count + 1, sizeof(*row));
    struct conns *conns = reach_conns(picture.reach);
    for (size_t i = 0; i < picture.count; i++) {
        const struct reach_end *end = reach_end(picture.reach, i);
        picture.names[i] =
            ist_printf("%s:%s/%s[%s]", model->clusters->items[end->cluster].name, end->workload->ns->text,
                       end->workload->name->text, end->workload->kind->text);
        reach_row(picture.reach, i, row);
        for (size_t k = 0; k < picture.count; k++)
            picture.pairs[i * picture.count + k] = conns_text(conns, row[k]);
    }
    ist_free(row);
    put_all(model, own, 0);
    return picture;
}

// Is what `after` lets through more than what `before` does?
static int is_new(struct conns *conns, const char *before, const char *after)
{
    conn a = CONN_NONE, b = CONN_NONE;
    return conns_parse(conns, before, &b) != 0 || conns_parse(conns, after, &a) != 0 ||
           !conns_within(conns, a, b);
}

// ---- what differs ----

struct differences {
    const ist_env *env;
    uint32_t level;
    size_t told, fresh;
    char *first; // the first new path; owned
};

// Between two ends, of which `to` may be reached by `from`; consumes both names.
static void differ(struct differences *all, char *from, char *to, const char *was, const char *is, int fresh)
{
    if (fresh && !all->fresh++)
        all->first = ist_printf("%s => %s : %s", from, to, is);
    if (all->told++ < TOLD)
        ist_log(all->env, all->level, "reachability: %s => %s : %s (before: %s)", from, to, is, was);
    ist_free(from);
    ist_free(to);
}

static void compare_pairs(struct differences *all, const struct picture *before, const struct picture *after)
{
    size_t count = before->count == after->count ? before->count : 0;
    for (size_t i = 0; i < count * count; i++) {
        const char *was = before->pairs[i], *is = after->pairs[i];
        if (strcmp(was, is) != 0)
            differ(all, ist_strdup(before->names[i / count]), ist_strdup(before->names[i % count]), was, is,
                   is_new(reach_conns(after->reach), was, is));
    }
}

// What policies of the pipeline file change. Companions hold addresses of pods, and isolate nobody whom the original does
// not: with the world outside they have nothing to do.
static void find_places(struct outside *outside, const struct model *model, const json_t *actions)
{
    size_t k;
    json_t *action;
    for (size_t i = 0; i < model->clusters->count; i++)
        json_array_foreach(json_object_get(actions, model->clusters->items[i].name), k, action)
        {
            const json_t *object = json_object_get(action, "object");
            if (!companion_of(object))
                outside_add(outside, i, ist_json_str_or(object, "metadata.namespace", ""));
        }
}

static void keep_answer(void *arg, size_t index, const struct outside_path *path)
{
    ((conn *)arg)[index] = path->ports;
}

static conn *ask_outside(struct model *model, const struct outside *outside, struct conns *conns,
                         json_t *const *own)
{
    conn *answers = ist_calloc(outside_each(outside, conns, NULL, NULL) + 1, sizeof(*answers));
    put_all(model, own, 1);
    outside_each(outside, conns, keep_answer, answers);
    put_all(model, own, 0);
    return answers;
}

struct outside_answers {
    const struct model *model;
    struct differences *all;
    struct conns *conns;
    conn *was, *is;
};

static void compare_path(void *arg, size_t index, const struct outside_path *path)
{
    const struct outside_answers *a = arg;
    const struct namespace *ns = path->group->ns;
    const struct workload *workload = path->group->pods->workload;
    char address[IP_TEXT_SIZE];
    if (a->was[index] == a->is[index])
        return;
    ip_text(path->sample, address);
    char *outside = ist_printf("%s (outside)", address),
         *pods = ist_printf("%s:%s/%s[%s]", a->model->clusters->items[ns->cluster].name, ns->name->text,
                            workload->name->text, workload->kind->text);
    char *was = ist_strdup(conns_text(a->conns, a->was[index])),
         *is = ist_strdup(conns_text(a->conns, a->is[index]));
    int inwards = path->direction == RULE_INGRESS,
        fresh = !conns_within(a->conns, a->is[index], a->was[index]);
    differ(a->all, inwards ? outside : pods, inwards ? pods : outside, was, is, fresh);
    ist_free(was);
    ist_free(is);
}

static void compare_outside(struct differences *all, struct model *model, const json_t *actions,
                            json_t *const *before, json_t *const *after)
{
    struct outside outside = {.world = model->world};
    struct outside_answers answers = {.model = model, .all = all, .conns = conns_new()};
    find_places(&outside, model, actions);
    for (int i = 0; i < 2 && outside.any; i++) {
        put_all(model, i ? after : before, 1);
        outside_gather(&outside);
        put_all(model, i ? after : before, 0);
    }
    if (outside.any) {
        outside_ready(&outside);
        answers.was = ask_outside(model, &outside, answers.conns, before);
        answers.is = ask_outside(model, &outside, answers.conns, after);
        outside_each(&outside, answers.conns, compare_path, &answers);
    }
    ist_free(answers.was);
    ist_free(answers.is);
    conns_free(answers.conns);
    outside_free(&outside);
}

static int32_t list_own(const struct model *model, const ist_env *env, json_t **own, ist_error *err)
{
    char *owner = ist_kube_owner(env), *selector = ist_printf("%s=%s", IST_LABEL_OWNER, owner);
    int32_t rc = IST_OK;
    for (size_t i = 0; i < model->clusters->count && rc == IST_OK; i++)
        if (ist_reconciler_state(model->run, i) == IST_CLUSTER_SYNCED)
            rc = ist_kube_list(model->clusters->items[i].kube, "networking.k8s.io/v1", "NetworkPolicy", NULL,
                               selector, NULL, &own[i], NULL, err);
    ist_free(selector);
    ist_free(owner);
    return rc;
}

static int has_actions(const json_t *actions)
{
    const char *cluster;
    json_t *list;
    json_object_foreach((json_t *)(uintptr_t)actions, cluster, list) if (json_array_size(list)) return 1;
    return 0;
}

static int32_t judge_paths(struct model *model, const ist_env *env, const json_t *actions, int guarded,
                           ist_error *err)
{
    size_t count = model->clusters->count;
    json_t **before = ist_calloc(count + 1, sizeof(json_t *)),
           **after = ist_calloc(count + 1, sizeof(json_t *));
    // A plan says it to everybody; later it is for those who ask.
    struct differences all = {.env = env,
                              .level = ist_operation_of(env) == IST_OP_PLAN ? IST_LOG_WARN : IST_LOG_INFO};
    int32_t rc = list_own(model, env, before, err);
    if (rc == IST_OK) {
        for (size_t i = 0; i < count; i++) {
            before[i] = before[i] ? before[i] : json_array();
            after[i] = after_of(before[i], json_object_get(actions, model->clusters->items[i].name));
        }
        world_watch(model->world, NULL); // a thought, not a change
        struct picture was = picture_of(model, before), is = picture_of(model, after);
        compare_pairs(&all, &was, &is);
        compare_outside(&all, model, actions, before, after);
        model_watch(model);
        if (all.told > TOLD)
            ist_log(env, all.level, "reachability: and %zu pairs more", all.told - TOLD);
        if (guarded && all.fresh)
            rc = ist_fail(err, IST_ERR_CONFLICT, "guard: no-new-paths", "%zu paths would be new, first %s",
                          all.fresh, all.first);
        picture_free(&was);
        picture_free(&is);
    }
    for (size_t i = 0; i < count; i++) {
        json_decref(before[i]);
        json_decref(after[i]);
    }
    ist_free(before);
    ist_free(after);
    ist_free(all.first);
    return rc;
}

int32_t model_admit(void *opened, const ist_env *env, const json_t *actions, ist_error *err)
{
    struct model *model = opened;
    int guarded = strcmp(ist_json_str_or(model->inputs, "guard", "off"), "no-new-paths") == 0;
    int32_t rc = model_refuse_overlaps(model, err);
    if (rc == IST_OK)
        rc = model_refuse_mesh(model, err);
    if (rc == IST_OK && guarded)
        rc = refuse_unmodelled(model, err);
    if (rc == IST_OK && has_actions(actions))
        rc = judge_paths(model, env, actions, guarded, err);
    return rc;
}
