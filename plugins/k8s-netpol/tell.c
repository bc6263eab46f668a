// What the model tells of itself: outputs, status, and the checks of verify.
#include "model.h"

#include "snat.h"

#include <isthmus/alloc.h>

#include <stdlib.h>
#include <string.h>

#define NAMED 8 // of a long list

// ---- outputs ----

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void model_outputs(void *opened, json_t *outputs)
{
    const struct model *model = opened;
    size_t count = 0, room = 0;
    char **names = NULL;
    json_t *list = json_array();
    for (const struct entry *entry = model->entries; entry; entry = entry->next) {
        if (!entry->policy)
            continue;
        if (count == room)
            names = ist_realloc(names, room = room ? 2 * room : 16, sizeof(char *));
        names[count++] = ist_printf("%s/%s in %s", entry->policy->ns->text, entry->policy->name->text,
                                    model->clusters->items[entry->cluster].name);
    }
    if (count)
        qsort(names, count, sizeof(char *), by_text);
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, json_string(names[i]));
        ist_free(names[i]);
    }
    ist_free(names);
    json_object_set_new(outputs, "policies", list);
}

// ---- status ----

static void alarm_late(struct model *model, size_t cluster, int64_t oldest)
{
    struct cluster_facts *facts = &model->facts[cluster];
    int late = oldest > ALARM_MS;
    if (late && !facts->late)
        ist_log(
            ist_reconciler_env(model->run), IST_LOG_WARN,
            "%s: an address should have been withdrawn %lld s ago; its next owner may be let in where the "
            "last one was",
            model->clusters->items[cluster].name, (long long)(oldest / 1000));
    facts->late = late;
}

void model_status(void *opened, size_t cluster, json_t *status)
{
    struct model *model = opened;
    const struct lags *lags = &model->facts[cluster].lags;
    size_t pending = 0, policies = 0, addresses = 0;
    int64_t oldest = moves_oldest(model, cluster, &pending);
    if (ist_json_bool(status, "stands_by", 0)) {
        moves_stand_by(model, cluster);
        oldest = 0;
        pending = 0;
    }
    for (const struct entry *entry = model->entries; entry; entry = entry->next)
        if (entry->cluster == cluster) {
            policies += entry->policy != NULL;
            addresses += entry->there.count;
        }
    alarm_late(model, cluster, oldest);
    mesh_tick(model, cluster);
    json_object_set_new(status, "policies", json_integer((json_int_t)policies));
    json_object_set_new(status, "addresses", json_integer((json_int_t)addresses));
    json_object_set_new(status, "withdrawals", json_integer((json_int_t)lags->count));
    json_object_set_new(status, "withdrawals_pending", json_integer((json_int_t)pending));
    json_object_set_new(status, "withdrawal_oldest_ms", json_integer((json_int_t)oldest));
    json_object_set_new(status, "withdrawal_lag_p99_ms", json_integer((json_int_t)lags_percentile(lags, 99)));
    json_object_set_new(status, "withdrawal_lag_max_ms", json_integer((json_int_t)lags->max_ms));
    json_object_set_new(status, "keep_for",
                        model->keep_ms < 0 ? json_string("forever")
                                           : json_sprintf("%llds", (long long)(model->keep_ms / 1000)));
    json_object_set_new(status, "alarms",
                        json_pack("[{s:s, s:s, s:b}]", "name", "withdrawal_lag", "text",
                                  "an address is not withdrawn in time", "active",
                                  model->facts[cluster].late));
    ist_reconciler_metric(model->run, cluster, "withdrawals_total", "Addresses withdrawn from policies", 1,
                          (double)lags->count);
    ist_reconciler_metric(model->run, cluster, "withdrawals_pending",
                          "Addresses that still have to be withdrawn", 0, (double)pending);
    ist_reconciler_metric(model->run, cluster, "withdrawal_lag_seconds",
                          "Age of the oldest address that still has to be withdrawn", 0,
                          (double)oldest / 1000);
    ist_reconciler_metric(model->run, cluster, "withdrawal_lag_max_seconds",
                          "The longest that a withdrawal has taken", 0, (double)lags->max_ms / 1000);
}

// ---- verify: the network of each cluster ----

static void check(const ist_env *env, uint32_t result, const char *name, char *evidence) // consumes evidence
{
    ist_check(env, name, result, "%s", evidence);
    ist_free(evidence);
}

static void check_engine(const ist_env *env, const ist_cluster *cluster, const struct snat_facts *facts)
{
    const char *engine = cni_engine(&facts->cni);
    char *name = ist_printf("policies enforced in %s", cluster->name);
    if (engine && strcmp(engine, "nothing") != 0)
        check(env, IST_PASS, name, ist_printf("by %s", engine));
    else if (engine)
        check(
            env, IST_FAIL, name,
            ist_strdup("nothing there enforces NetworkPolicies: turn on the VPC CNI's (enableNetworkPolicy) "
                       "or install Calico's"));
    else
        check(env, IST_WARN, name, ist_strdup("its network plugin is none that is known here"));
    ist_free(name);
}

static void check_unmodelled(const ist_env *env, const ist_cluster *cluster)
{
    json_t *found = NULL;
    ist_error err = {0};
    char *name = ist_printf("other policies in %s", cluster->name);
    if (policy_unmodelled_list(cluster->kube, &found, &err) != IST_OK)
        check(env, IST_WARN, name, ist_printf("cannot be looked for: %s: %s", err.where, err.text));
    else if (json_array_size(found))
        check(
            env, IST_WARN, name,
            ist_printf("%zu policies of kinds that are not judged here, %s among them: what they do is in no "
                       "map and no plan",
                       json_array_size(found), json_string_value(json_array_get(found, 0))));
    json_decref(found);
    ist_free(name);
}

static void check_pair(const ist_env *env, const struct snat_facts *facts, const ist_cluster *from,
                       const ist_cluster *to)
{
    json_t *findings = snat_findings(facts, from, to), *finding;
    size_t i;
    char *name = ist_printf("no SNAT %s -> %s", from->name, to->name);
    json_array_foreach(findings, i, finding)
        ist_check(env, name, ist_json_bool(finding, "ok", 0) ? IST_PASS : IST_FAIL, "%s",
                  ist_json_str_or(finding, "text", ""));
    json_decref(findings);
    ist_free(name);
}

static void check_between(const ist_env *env, const struct model *model, const struct snat_facts *facts)
{
    for (size_t i = 0; i < model->clusters->count; i++)
        for (size_t k = 0; k < model->clusters->count; k++) {
            const ist_cluster *a = &model->clusters->items[i], *b = &model->clusters->items[k];
            if (i == k || !facts[i].read || !facts[k].read)
                continue;
            check_pair(env, &facts[i], a, b);
            char *overlap = i < k ? snat_overlap(a, b) : NULL;
            char *name = ist_printf("pod CIDRs of %s and %s", a->name, b->name);
            if (overlap)
                ist_check(env, name, IST_FAIL, "overlap: %s", overlap);
            if (i < k && snat_meshed(&facts[i], &facts[k]))
                ist_check(env, name, IST_FAIL,
                          "both are in a Cilium ClusterMesh: no ipBlock matches pods that Cilium knows");
            ist_free(name);
            ist_free(overlap);
        }
}

static void check_networks(const ist_env *env, const struct model *model)
{
    struct snat_facts *facts = ist_calloc(model->clusters->count + 1, sizeof(*facts));
    for (size_t i = 0; i < model->clusters->count; i++) {
        const ist_cluster *cluster = &model->clusters->items[i];
        ist_error err = {0};
        if (ist_reconciler_state(model->run, i) != IST_CLUSTER_SYNCED)
            continue; // that it cannot be read is told already
        if (snat_read(cluster->kube, &facts[i], &err) != IST_OK) {
            char *name = ist_printf("network plugin of %s", cluster->name);
            ist_check(env, name, IST_WARN, "cannot be looked at: %s: %s", err.where, err.text);
            ist_free(name);
            continue;
        }
        check_engine(env, cluster, &facts[i]);
        check_unmodelled(env, cluster);
    }
    check_between(env, model, facts);
    for (size_t i = 0; i < model->clusters->count; i++)
        snat_free(&facts[i]);
    ist_free(facts);
}

// ---- verify: peers are stretched, targets are not ----

static int isolates(const struct policy *policy, uint8_t direction, const struct group *group)
{
    return policy && policy->types & direction && policy->ns == group->ns->name &&
           selector_match(&policy->pods, group->labels);
}

static int is_isolated(const struct model *model, uint8_t direction, const struct group *group)
{
    for (const struct policy *policy = group->ns->policies; policy; policy = policy->next)
        if (isolates(policy, direction, group))
            return 1;
    for (const struct entry *entry = model->entries; entry; entry = entry->next)
        if (entry->document && entry->cluster == group->ns->cluster &&
            isolates(entry->policy, direction, group))
            return 1;
    return 0;
}

// Appends the pods of the group that are on the pod network.
static void name_pods(const struct group *group, uint8_t direction, ist_buf *text, size_t *count)
{
    for (const struct pod *pod = group->pods; pod; pod = pod->next) {
        if (pod->flags & POD_HOST_NETWORK)
            continue;
        if ((*count)++ < NAMED)
            ist_buf_printf(text, "%s%s/%s (%s)", text->len ? ", " : "", group->ns->name->text, pod->name,
                           direction == RULE_INGRESS ? "ingress" : "egress");
    }
}

// The pods of one other cluster that `policy` would select there and that nothing isolates.
static size_t open_targets(const struct model *model, const struct policy *policy, size_t cluster,
                           ist_buf *text)
{
    const struct namespace *own = world_find_namespace(model->world, policy->cluster, policy->ns->text);
    const struct namespace *there = own ? world_same_namespace(model->world, own, cluster) : NULL;
    size_t count = 0;
    for (const struct group *group = there ? there->groups : NULL; group; group = group->next)
        for (uint8_t direction = RULE_INGRESS; direction <= RULE_EGRESS; direction++)
            if (policy->types & direction && selector_match(&policy->pods, group->labels) &&
                !is_isolated(model, direction, group))
                name_pods(group, direction, text, &count);
    return count;
}

static void check_targets(const ist_env *env, const struct model *model)
{
    for (const struct entry *entry = model->entries; entry; entry = entry->next)
        for (size_t cluster = 0; cluster < model->clusters->count && entry->policy; cluster++) {
            ist_buf text = {0};
            if (entry->document || !policy_reaches(model->world, entry->policy, cluster))
                continue;
            size_t count = open_targets(model, entry->policy, cluster, &text);
            char *name = ist_printf("%s of %s selects only its own", entry->key,
                                    model->clusters->items[entry->cluster].name);
            if (count)
                ist_check(
                    env, name, IST_WARN,
                    "peers are stretched, targets are not: in %s it would select %s%s, and no policy there "
                    "isolates them; apply it there too",
                    model->clusters->items[cluster].name, text.data, count > NAMED ? ", ..." : "");
            ist_free(name);
            ist_buf_free(&text);
        }
}

int32_t model_verify(void *opened, const ist_env *env, ist_error *err)
{
    (void)err;
    check_networks(env, opened);
    check_targets(env, opened);
    return IST_OK;
}
