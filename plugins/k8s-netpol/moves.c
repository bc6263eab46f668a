// Addresses and the pods that show them. An address that a policy has written for one pod and that another pod has now is
// withdrawn there before it is written anywhere else: the table says who still owes that.
#include "model.h"

#include <isthmus/alloc.h>

#include <string.h>

// ---- the table ----

static int same_shown(const void *record, const void *key)
{
    const struct shown *shown = record;
    return ip_compare(&shown->ip, key) == 0;
}

static struct shown *find(const struct model *model, const struct ip *ip)
{
    return table_find(&model->addresses, hash_bytes(HASH_START, ip, sizeof(*ip)), same_shown, ip);
}

static struct shown *find_or_make(struct model *model, const struct ip *ip)
{
    struct shown *shown = find(model, ip);
    if (shown)
        return shown;
    shown = ist_calloc(1, sizeof(*shown));
    shown->ip = *ip;
    shown->hash = hash_bytes(HASH_START, ip, sizeof(*ip));
    table_add(&model->addresses, shown->hash, shown);
    return shown;
}

static void drop_if_idle(struct model *model, struct shown *shown)
{
    if (shown->pod_count || shown->leaving)
        return;
    table_remove(&model->addresses, shown->hash, shown);
    ist_free(shown->pods);
    ist_free(shown);
}

// A pod that shows an address outside its cluster's pod CIDRs lays no claim to it: it is another cluster's, perhaps.
static int claims(const struct model *model, const struct pod *pod, const struct ip *ip)
{
    return address_is_pods(world_cluster(model->world, pod->group->ns->cluster), ip);
}

static void show(struct model *model, const struct pod *pod, const struct ip *ip)
{
    if (!claims(model, pod, ip))
        return;
    struct shown *shown = find_or_make(model, ip);
    for (uint32_t i = 0; i < shown->pod_count; i++)
        if (shown->pods[i] == pod)
            return;
    shown->pods = ist_realloc(shown->pods, shown->pod_count + 1, sizeof(struct pod *));
    shown->pods[shown->pod_count++] = pod;
    model->contested += shown->pod_count == 2;
}

static void hide(struct model *model, const struct pod *pod, const struct ip *ip)
{
    struct shown *shown = find(model, ip);
    for (uint32_t i = 0; shown && i < shown->pod_count; i++)
        if (shown->pods[i] == pod) {
            shown->pods[i--] = shown->pods[--shown->pod_count];
            model->contested -= shown->pod_count == 1;
        }
}

int moves_contested(const struct model *model, const struct ip *ip)
{
    const struct shown *shown = model->contested ? find(model, ip) : NULL;
    return shown && shown->pod_count > 1;
}

// ---- leaving ----

static struct leaving *leaving_of(const struct shown *shown, const struct entry *entry)
{
    struct leaving *leaving = shown ? shown->leaving : NULL;
    while (leaving && leaving->entry != entry)
        leaving = leaving->of_shown;
    return leaving;
}

// `cluster`: on whose behalf it stands there.
static void leave(struct model *model, struct shown *shown, struct entry *entry, size_t cluster)
{
    if (leaving_of(shown, entry))
        return;
    struct leaving *leaving = ist_calloc(1, sizeof(*leaving));
    *leaving = (struct leaving){.shown = shown,
                                .entry = entry,
                                .cluster = cluster,
                                .since = ist_now_ms(ist_reconciler_env(model->run)),
                                .of_shown = shown->leaving,
                                .of_entry = entry->leaving};
    shown->leaving = leaving;
    entry->leaving = leaving;
    model->leaving++;
}

// Takes it off its address; the entry's chain is the caller's.
static void left(struct model *model, struct leaving *leaving)
{
    struct leaving **link = &leaving->shown->leaving;
    while (*link != leaving)
        link = &(*link)->of_shown;
    *link = leaving->of_shown;
    model->leaving--;
    drop_if_idle(model, leaving->shown);
    ist_free(leaving);
}

static int has(const struct entry *entry, const struct ip *ip)
{
    return ip_set_has(&entry->said, ip) || ip_set_has(&entry->there, ip);
}

// Of a policy of the pipeline file those peers count that name a cluster: the others are copied.
static int rule_means_group(const struct model *model, const struct entry *entry, const struct rule *rule,
                            const struct group *group)
{
    for (uint32_t k = 0; k < rule->peer_count; k++)
        if ((!entry->document || rule->peers[k].cluster) &&
            peer_means_group(model->world, entry->policy, &rule->peers[k], group))
            return 1;
    return 0;
}

// Does a named port of an egress rule have one number in all the pods?
static int one_number(const struct rule_port *port, const struct shown *shown)
{
    uint16_t number = named_ports_number(shown->pods[0]->group->ports, port->name, port->protocol);
    for (uint32_t i = 1; i < shown->pod_count; i++)
        if (named_ports_number(shown->pods[i]->group->ports, port->name, port->protocol) != number)
            return 0;
    return number != 0;
}

// Does the policy speak of that cluster's pods? Of its own by its selectors, which need no address.
static int speaks_of(const struct model *model, const struct entry *entry, size_t cluster)
{
    return entry->document || cluster == entry->cluster ||
           policy_reaches(model->world, entry->policy, cluster);
}

static int rule_means(const struct model *model, const struct entry *entry, const struct rule *rule,
                      const struct shown *shown)
{
    if (!(entry->policy->types & rule->direction) || rule->from_all)
        return 0;
    for (uint32_t i = 0; i < shown->pod_count; i++)
        if (shown->pods[i]->flags & POD_HOST_NETWORK ||
            !speaks_of(model, entry, shown->pods[i]->group->ns->cluster) ||
            !rule_means_group(model, entry, rule, shown->pods[i]->group))
            return 0;
    for (uint32_t i = 0; i < rule->port_count; i++)
        if (!rule->ports[i].name || rule->direction == RULE_INGRESS || one_number(&rule->ports[i], shown))
            return 1;
    return rule->all_ports;
}

// Would the address be written for the entry now? The same question as flat.c's, of one address.
static int means(const struct model *model, const struct entry *entry, const struct shown *shown)
{
    const struct policy *policy = entry->policy;
    int from_afar = 0;
    if (!policy || !shown)
        return 0;
    for (uint32_t i = 0; i < shown->pod_count; i++)
        from_afar |= entry->document || shown->pods[i]->group->ns->cluster != entry->cluster;
    for (uint32_t i = 0; i < policy->rule_count && from_afar; i++)
        if (rule_means(model, entry, &policy->rules[i], shown))
            return 1;
    return 0;
}

// An address that has come, gone or changed hands: whoever has it and should not takes it out at once, whoever should
// have it takes it in with the next ones.
static void consider(struct model *model, size_t cluster, const struct ip *ip, int changed_hands)
{
    struct shown *shown = find(model, ip);
    for (struct entry *entry = model->entries; entry; entry = entry->next) {
        if (!entry->policy && !entry->there.count && !entry->said.count)
            continue;
        int there = has(entry, ip), meant = means(model, entry, shown);
        if (there && !meant) {
            shown = find_or_make(model, ip);
            leave(model, shown, entry, cluster);
            model_touch(model, entry, 0);
        } else if (there && changed_hands) { // by other rules, perhaps
            model_touch(model, entry, 0);
        } else if (!there && meant) {
            model_touch(model, entry, model->debounce_ms);
        }
    }
    if (shown)
        drop_if_idle(model, shown);
}

// Which cluster an address that is written for the entry is of: where a pod shows it, else whose pod network it is in.
static size_t cluster_of(const struct model *model, const struct ip *ip)
{
    const struct shown *shown = find(model, ip);
    if (shown && shown->pod_count)
        return shown->pods[0]->group->ns->cluster;
    for (size_t i = 0; i < model->clusters->count; i++)
        if (world_cluster(model->world, i)->pod_net_count &&
            address_is_pods(world_cluster(model->world, i), ip))
            return i;
    return SIZE_MAX;
}

static void reconsider(struct model *model, struct entry *entry, const struct ip_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        size_t cluster = cluster_of(model, &set->items[i]);
        uint32_t state =
            cluster == SIZE_MAX ? IST_CLUSTER_UNKNOWN : ist_reconciler_state(model->run, cluster);
        if (state != IST_CLUSTER_SYNCED && state != IST_CLUSTER_LOST)
            continue;
        if (!means(model, entry, find(model, &set->items[i])))
            leave(model, find_or_make(model, &set->items[i]), entry, cluster);
    }
}

void moves_policy(struct model *model, struct entry *entry)
{
    reconsider(model, entry, &entry->there);
    reconsider(model, entry, &entry->said);
}

static int among(const struct pod *pod, const struct ip *ip)
{
    for (uint8_t i = 0; pod && i < pod->address_count; i++)
        if (ip_compare(&pod->addresses[i], ip) == 0)
            return 1;
    return 0;
}

// A pod of the policy's own cluster, under the VPC CNI: where names of ports are written as numbers, all that are selected
// must agree; and a ClusterIP that is written may lead to it.
static void consider_own(struct model *model, const struct pod *pod)
{
    const struct namespace *ns = pod->group->ns;
    if (!cni_is_vpc(&model->facts[ns->cluster].cni))
        return;
    int behind = 0;
    for (uint8_t i = 0; i < pod->address_count && !behind; i++)
        behind = mirrored_leads_to(model->mirrored, ns->cluster, &pod->addresses[i]);
    for (struct entry *entry = model->entries; entry; entry = entry->next)
        if (entry->cluster == ns->cluster && entry->policy &&
            (behind ||
             (entry->policy->ns == ns->name && selector_match(&entry->policy->pods, pod->group->labels))))
            model_touch(model, entry, 0);
}

void moves_pod(struct model *model, const struct pod *before, const struct pod *after)
{
    size_t cluster = (before ? before : after)->group->ns->cluster;
    uint32_t state = ist_reconciler_state(model->run, cluster);
    for (uint8_t i = 0; before && i < before->address_count; i++)
        hide(model, before, &before->addresses[i]);
    for (uint8_t i = 0; after && i < after->address_count; i++)
        show(model, after, &after->addresses[i]);
    int quiet = state != IST_CLUSTER_SYNCED && state != IST_CLUSTER_LOST; // all is decided once it is listed
    for (uint8_t i = 0; before && i < before->address_count; i++) {
        struct shown *shown = find(model, &before->addresses[i]);
        if (quiet && shown)
            drop_if_idle(model, shown);
        else if (!quiet)
            consider(model, cluster, &before->addresses[i], 1);
    }
    for (uint8_t i = 0; after && !quiet && i < after->address_count; i++)
        if (!among(before, &after->addresses[i]))
            consider(model, cluster, &after->addresses[i], 1);
    if (before && (!after || after->group != before->group))
        consider_own(model, before);
    if (after && (!before || after->group != before->group))
        consider_own(model, after);
}

void moves_owed(const struct model *model, struct ip_set *owed)
{
    for (const struct entry *entry = model->leaving ? model->entries : NULL; entry; entry = entry->next)
        for (const struct leaving *leaving = entry->leaving; leaving; leaving = leaving->of_entry)
            ip_set_add(owed, &leaving->shown->ip);
    ip_set_seal(owed);
}

int moves_withheld(const struct model *model, const struct entry *entry, const struct ip *ip)
{
    const struct shown *shown = find(model, ip);
    // What is known to be there from lists alone may have been changed by another process since.
    if (!shown || !shown->leaving || (entry->settled && ip_set_has(&entry->there, ip)))
        return 0;
    for (const struct leaving *leaving = shown->leaving; leaving; leaving = leaving->of_shown)
        if (leaving->entry != entry &&
            ist_reconciler_state(model->run, leaving->entry->cluster) == IST_CLUSTER_SYNCED)
            return 1; // where nothing can be written nobody waits for it
    return 0;
}

// ---- what is written ----

void moves_loaded(struct model *model, struct entry *entry, size_t remote, const struct ip_set *addresses)
{
    if (entry->settled)
        return;
    for (size_t i = 0; i < addresses->count; i++) {
        const struct ip *ip = &addresses->items[i];
        ip_set_add(&entry->there, ip);
        if (remote == SIZE_MAX || ist_reconciler_state(model->run, remote) != IST_CLUSTER_SYNCED)
            continue; // what is not known to be gone is not leaving
        if (!means(model, entry, find(model, ip)))
            leave(model, find_or_make(model, ip), entry, remote);
    }
    ip_set_seal(&entry->there);
}

static void touch_waiting(struct model *model)
{
    for (struct entry *entry = model->entries; entry && model->waiting; entry = entry->next)
        if (entry->withheld_since)
            model_touch(model, entry, 0);
}

void moves_said(struct model *model, struct entry *entry)
{
    int meant_again = 0;
    for (struct leaving **link = &entry->leaving; *link;) {
        struct leaving *leaving = *link;
        // What stands for a cluster that is not known stays, so that it is still owed.
        leaving->asked = !entry->kept || !entry->kept[leaving->cluster];
        if (!ip_set_has(&entry->said, &leaving->shown->ip)) {
            link = &leaving->of_entry;
            continue;
        }
        *link = leaving->of_entry;
        left(model, leaving);
        meant_again = 1;
    }
    if (meant_again) // nobody withdraws it any more: who waited for that may have it
        touch_waiting(model);
}

static void count_lag(struct lags *lags, int64_t ms)
{
    unsigned bucket = 0;
    while (bucket < 31 && (int64_t)1 << bucket < ms)
        bucket++;
    lags->buckets[bucket]++;
    lags->count++;
    if (ms > lags->max_ms)
        lags->max_ms = ms;
}

int64_t lags_percentile(const struct lags *lags, unsigned percent)
{
    uint64_t below = 0;
    for (unsigned bucket = 0; bucket < 32 && lags->count; bucket++) {
        below += lags->buckets[bucket];
        if (below * 100 >= lags->count * percent)
            return (int64_t)1 << bucket;
    }
    return 0;
}

void moves_written(struct model *model, struct entry *entry)
{
    int64_t now = ist_now_ms(ist_reconciler_env(model->run));
    int withdrawn = 0;
    if (!entry->keeps)
        entry->there.count = 0;
    ip_set_add_all(&entry->there, entry->said.items, entry->said.count);
    ip_set_seal(&entry->there);
    entry->settled = 1;
    for (struct leaving **link = &entry->leaving; *link;) {
        struct leaving *leaving = *link;
        if (!leaving->asked) {
            link = &leaving->of_entry;
            continue;
        }
        *link = leaving->of_entry;
        count_lag(&model->facts[entry->cluster].lags, now - leaving->since);
        left(model, leaving);
        withdrawn = 1;
    }
    if (withdrawn)
        touch_waiting(model);
}

void moves_forget(struct model *model, struct entry *entry)
{
    while (entry->leaving) {
        struct leaving *leaving = entry->leaving;
        entry->leaving = leaving->of_entry;
        left(model, leaving);
    }
}

void moves_stand_by(struct model *model, size_t cluster)
{
    int64_t now = ist_now_ms(ist_reconciler_env(model->run));
    for (struct entry *entry = model->entries; entry; entry = entry->next)
        for (struct leaving *leaving = entry->leaving; leaving && entry->cluster == cluster;
             leaving = leaving->of_entry)
            leaving->since = now;
}

int64_t moves_oldest(const struct model *model, size_t cluster, size_t *count)
{
    int64_t now = ist_now_ms(ist_reconciler_env(model->run)), oldest = 0;
    *count = 0;
    for (const struct entry *entry = model->entries; entry; entry = entry->next)
        for (const struct leaving *leaving = entry->leaving; leaving && entry->cluster == cluster;
             leaving = leaving->of_entry) {
            ++*count;
            if (now - leaving->since > oldest)
                oldest = now - leaving->since;
        }
    return oldest;
}
