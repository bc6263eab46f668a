// What belongs under a key: the companions of a stretched policy, or a policy of the pipeline file.
#include "model.h"

#include "pipeline.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>

#include <string.h>

#define PATIENCE_MS 10000 // of a single run: then what still is not withdrawn elsewhere holds up nobody

// ---- our own objects, as they come from a list ----

static void add_blocks(const json_t *rules, const char *direction, struct ip_set *addresses)
{
    size_t i, k;
    const json_t *rule, *peer;
    json_array_foreach(rules, i, rule) json_array_foreach(json_object_get(rule, direction), k, peer)
    {
        struct net net;
        const char *cidr = ist_json_str(peer, "ipBlock.cidr");
        if (cidr && net_parse(cidr, &net) == 0)
            ip_set_add_net(addresses, &net);
    }
}

void policy_addresses(const json_t *object, struct ip_set *addresses)
{
    add_blocks(ist_json_at(object, "spec.ingress"), "from", addresses);
    add_blocks(ist_json_at(object, "spec.egress"), "to", addresses);
}

char *policy_key(const json_t *object)
{
    const char *of = companion_of(object), *ns = ist_json_str_or(object, "metadata.namespace", "");
    const char *part =
        json_string_value(json_object_get(ist_json_at(object, "metadata.annotations"), ANNOTATION_PIPELINE));
    if (of)
        return ist_printf("%s/%s", ns, of);
    return ist_printf("%s/%s of the pipeline", ns,
                      part ? part : ist_json_str_or(object, "metadata.name", ""));
}

char *model_key_of(void *opened, size_t cluster, size_t kind, const json_t *object)
{
    struct model *model = opened;
    const char *source =
        json_string_value(json_object_get(ist_json_at(object, "metadata.labels"), IST_LABEL_SOURCE_CLUSTER));
    if (kind != KIND_POLICY)
        return NULL;
    char *key = policy_key(object);
    struct entry *entry = model_entry(model, cluster, key, 1);
    if (!entry->settled) {
        struct ip_set addresses = {0};
        policy_addresses(object, &addresses);
        ip_set_seal(&addresses);
        moves_loaded(model, entry, source ? world_find_cluster(model->world, source) : SIZE_MAX, &addresses);
        ip_set_free(&addresses);
    }
    return key;
}

// ---- what is wanted ----

struct asking {
    struct model *model;
    struct entry *entry;
    int patient; // what is to be withdrawn elsewhere first is waited for
    int withheld;
    struct ip_set owed; // what may be withheld: few, of thousands that are asked about
};

static int contested(void *arg, const struct ip *ip)
{
    return moves_contested(((struct asking *)arg)->model, ip);
}

static int withheld(void *arg, const struct ip *ip)
{
    struct asking *asking = arg;
    if (!asking->patient || !ip_set_has(&asking->owed, ip) ||
        !moves_withheld(asking->model, asking->entry, ip))
        return 0;
    asking->withheld = 1;
    return 1;
}

static int kept_for_ever(const struct model *model, size_t cluster)
{
    return ist_json_has(json_object_get(model->inputs, "keep_forever"), model->clusters->items[cluster].name);
}

// 1: may be written for as far as meshes go; else why nothing is.
static int not_meshed(struct model *model, size_t target, size_t cluster, ist_wanted *wanted)
{
    const char *name = model->clusters->items[cluster].name, *in = model->clusters->items[target].name;
    int meshed = model->watching && target != cluster ? model_meshed(model, target, cluster) : 0;
    if (meshed > 0)
        ist_wanted_note(
            wanted,
            "nothing is written for %s: it is in one Cilium ClusterMesh with %s, and no ipBlock matches "
            "pods that Cilium knows",
            name, in);
    if (meshed < 0) {
        const char *fault = model_mesh_fault(model, target, cluster);
        ist_wanted_note(wanted,
                        "nothing is written for %s until it is known whether it is in a Cilium ClusterMesh "
                        "with %s%s%s",
                        name, in, fault ? ": " : "", fault ? fault : "");
    }
    return !meshed;
}

// Do its addresses count for `target`? 1; 0: it has been away for too long; -1: it is not known, or may not, so that what
// stands stays.
static int counts(struct model *model, size_t target, size_t cluster, ist_wanted *wanted)
{
    uint32_t state = ist_reconciler_state(model->run, cluster);
    const char *name = model->clusters->items[cluster].name;
    int kept = state == IST_CLUSTER_EXPIRED && kept_for_ever(model, cluster);
    if (state == IST_CLUSTER_EXPIRED && !kept) {
        ist_wanted_note(wanted, "%s has been out of reach for longer than keep_for: its addresses are out",
                        name);
        return 0;
    }
    if (state != IST_CLUSTER_SYNCED && state != IST_CLUSTER_LOST && !(kept && model->facts[cluster].listed)) {
        ist_wanted_note(wanted, "%s is not known: what stands for it stays as it is", name);
        return -1;
    }
    if (!not_meshed(model, target, cluster, wanted))
        return -1;
    if (state != IST_CLUSTER_SYNCED)
        ist_wanted_note(wanted, "%s is out of reach: the addresses last seen there are kept", name);
    return 1;
}

static void keep(struct entry *entry, size_t cluster, size_t count)
{
    if (!entry->kept)
        entry->kept = ist_calloc(count + 1, sizeof(*entry->kept));
    entry->kept[cluster] = 1;
    entry->keeps = 1;
}

static void want_companions(struct asking *asking, struct companion_options *options, ist_wanted *wanted,
                            json_t *notes)
{
    struct model *model = asking->model;
    size_t count = model->clusters->count, i;
    json_t *object;
    uint8_t *written = ist_calloc(count + 1, sizeof(*written));
    for (size_t remote = 0; remote < count; remote++) {
        if (!asking->entry->policy || !policy_reaches(model->world, asking->entry->policy, remote))
            continue;
        int counted = counts(model, asking->entry->cluster, remote, wanted);
        if (counted < 0) {
            ist_wanted_keep(wanted, model->clusters->items[remote].name);
            keep(asking->entry, remote, count);
        }
        written[remote] = counted > 0;
    }
    options->written = written;
    for (size_t remote = 0; remote < count; remote++) {
        json_t *objects = written[remote]
                              ? companions_make(model->world, asking->entry->policy, remote, options, notes)
                              : NULL;
        json_array_foreach(objects, i, object) ist_wanted_add(wanted, json_incref(object), 0);
        json_decref(objects);
    }
    options->written = NULL;
    ist_free(written);
}

static int speaks_of(const struct policy *policy, const char *cluster)
{
    for (uint32_t i = 0; i < policy->rule_count; i++)
        for (uint32_t k = 0; k < policy->rules[i].peer_count; k++)
            if (policy->rules[i].peers[k].cluster &&
                strcmp(policy->rules[i].peers[k].cluster->text, cluster) == 0)
                return 1;
    return 0;
}

static void want_given(struct asking *asking, const struct companion_options *options, ist_wanted *wanted,
                       json_t *notes)
{
    struct model *model = asking->model;
    struct entry *entry = asking->entry;
    uint8_t *absent = ist_calloc(model->clusters->count + 1, sizeof(*absent));
    for (size_t remote = 0; remote < model->clusters->count && !entry->keeps; remote++) {
        int counted = 1;
        if (speaks_of(entry->policy, model->clusters->items[remote].name))
            counted = counts(model, entry->cluster, remote, wanted);
        absent[remote] = counted == 0;
        if (counted < 0)
            keep(entry, remote, model->clusters->count);
    }
    json_t *objects = NULL, *object;
    size_t i;
    for (i = 0; i < model->clusters->count && entry->keeps; i++)
        entry->kept[i] = 1; // it is one object
    if (entry->keeps)
        ist_wanted_keep_all(wanted);
    else
        objects = pipeline_make(model->world, entry->policy, entry->document, absent, options, notes);
    json_array_foreach(objects, i, object) ist_wanted_add(wanted, json_incref(object), 0);
    json_decref(objects);
    ist_free(absent);
}

static void be_patient(struct asking *asking, ist_wanted *wanted)
{
    struct entry *entry = asking->entry;
    if (asking->withheld && !entry->withheld_since) {
        entry->withheld_since = ist_now_ms(ist_reconciler_env(asking->model->run));
        asking->model->waiting++;
    }
    if (!asking->withheld && entry->withheld_since) {
        entry->withheld_since = 0;
        asking->model->waiting--;
    }
    // The daemon is told by the other one's written(); a single run asks again.
    if (asking->withheld && !asking->model->watching)
        ist_wanted_again(wanted);
}

void model_want(void *opened, size_t cluster, const char *key, ist_wanted *wanted)
{
    struct model *model = opened;
    struct entry *entry = model_entry(model, cluster, key, 0);
    if (!entry)
        return;
    const ist_env *env = ist_reconciler_env(model->run);
    struct asking asking = {.model = model, .entry = entry, .patient = 1};
    struct companion_options options = {.contested = contested, .arg = &asking, .addresses = &entry->said};
    moves_owed(model, &asking.owed);
    if (asking.owed.count)
        options.withheld = withheld;
    json_t *notes = json_array(), *note;
    size_t i;
    if (!model->watching && entry->withheld_since && ist_now_ms(env) - entry->withheld_since > PATIENCE_MS)
        asking.patient = 0;
    if (cni_is_vpc(&model->facts[cluster].cni)) {
        options.is_vpc = 1;
        options.vips = mirrored_vips(model->mirrored, cluster, &options.vip_count);
    }
    // Both came within a version of each other: discovery.k8s.io/v1 with 1.21, endPort with 1.22.
    options.lacks_ranges = !ist_reconciler_serves(model->run, cluster, KIND_SLICE);
    entry->said.count = 0;
    entry->keeps = 0;
    if (entry->kept)
        memset(entry->kept, 0, model->clusters->count);
    if (entry->document)
        want_given(&asking, &options, wanted, notes);
    else
        want_companions(&asking, &options, wanted, notes);
    ip_set_seal(&entry->said);
    ip_set_free(&asking.owed);
    moves_said(model, entry);
    be_patient(&asking, wanted);
    json_array_foreach(notes, i, note) ist_wanted_note(wanted, "%s", json_string_value(note));
    json_decref(notes);
}

void model_written(void *opened, size_t cluster, const char *key)
{
    struct model *model = opened;
    struct entry *entry = model_entry(model, cluster, key, 0);
    if (entry)
        moves_written(model, entry);
    if (entry && !entry->policy && !entry->said.count && !entry->leaving && !entry->keeps)
        model_remove_entry(model, entry);
}
