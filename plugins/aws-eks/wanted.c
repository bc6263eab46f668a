// The things that the inputs ask EKS for.
#include "made.h"

#include <string.h>

void made_free(struct made *made)
{
    ist_free(made->resource);
    ist_free(made->path);
    ist_free(made->collection);
    json_decref(made->body);
    *made = (struct made){0};
}

void made_list_free(struct made_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        made_free(&list->items[i]);
    ist_free(list->items);
    *list = (struct made_list){0};
}

// ---- bodies ----

static void set_text(json_t *body, const char *name, const char *text)
{
    if (text != NULL && *text != '\0')
        json_object_set_new(body, name, json_string(text));
}

static void set_list(json_t *body, const char *name, json_t *list)
{
    if (json_array_size(list) > 0)
        json_object_set(body, name, list);
}

// A role by its ARN, its name or a part of it.
static int32_t set_role(struct step *s, json_t *body, const char *name, const char *role, ist_error *err)
{
    char *arn = NULL;
    if (role == NULL || *role == '\0')
        return IST_OK;
    if (strncmp(role, "arn:", 4) == 0) {
        set_text(body, name, role);
        return IST_OK;
    }
    const int32_t rc = ist_aws_find_role(s->aws, role, &arn, err);
    if (rc == IST_OK)
        set_text(body, name, arn);
    ist_free(arn);
    return rc;
}

static void set_tags(const struct step *s, json_t *body)
{
    json_t *tags = json_object_get(s->inputs, "tags");
    if (json_object_size(tags) > 0)
        json_object_set_new(body, "tags", json_deep_copy(tags));
}

// Takes the body.
static void add(struct step *s, struct made_list *list, const struct made_kind *kind, const char *folder,
                const char *name, json_t *body)
{
    char *cluster = ist_url_encode(ist_json_str_or(s->inputs, "name", ""), 0),
         *encoded = ist_url_encode(name, 0);
    struct made made = {.kind = kind, .body = body, .resource = ist_printf("%s %s", kind->noun, name)};
    made.collection =
        folder != NULL ? ist_printf("/clusters/%s/%s", cluster, folder) : ist_strdup("/clusters");
    made.path = ist_printf("%s/%s", made.collection, encoded);
    list->items = ist_realloc(list->items, list->count + 1, sizeof(*list->items));
    list->items[list->count++] = made;
    ist_free(cluster);
    ist_free(encoded);
}

static int32_t add_cluster(struct step *s, struct made_list *list, ist_error *err)
{
    const char *name = ist_json_str_or(s->inputs, "name", "");
    json_t *network =
        json_pack("{s:b, s:b}", "endpointPublicAccess", ist_json_bool(s->inputs, "public_access", 1),
                  "endpointPrivateAccess", ist_json_bool(s->inputs, "private_access", 0));
    json_t *body = json_pack("{s:s, s:o, s:{s:s}}", "name", name, "resourcesVpcConfig", network,
                             "accessConfig", "authenticationMode", "API_AND_CONFIG_MAP");
    set_list(network, "subnetIds", json_object_get(s->inputs, "subnets"));
    set_list(network, "securityGroupIds", json_object_get(s->inputs, "security_groups"));
    set_list(network, "publicAccessCidrs", json_object_get(s->inputs, "public_access_cidrs"));
    set_text(body, "version", step_input(s, "version"));
    set_tags(s, body);
    add(s, list, &made_cluster, NULL, name, body);
    return set_role(s, body, "roleArn", step_input(s, "cluster_role"), err);
}

static int32_t add_entry(struct step *s, struct made_list *list, const json_t *entry, ist_error *err)
{
    const char *principal = ist_json_str_or(entry, "principal", ""), *policy = ist_json_str(entry, "policy");
    json_t *body = json_object();
    const int32_t rc = set_role(s, body, "principalArn", principal, err);
    const char *arn = ist_json_str_or(body, "principalArn", "arn:aws:");
    if (policy != NULL && strncmp(policy, "arn:", 4) != 0)
        json_object_set_new(body, "_policy",
                            json_sprintf("arn:%.*s:eks::aws:cluster-access-policy/%s",
                                         (int)strcspn(arn + 4, ":"), arn + 4, policy));
    else
        set_text(body, "_policy", policy);
    if (rc != IST_OK) {
        json_decref(body);
        return rc;
    }
    char *resource = ist_printf("%s %s", made_entry.noun, ist_json_str_or(body, "principalArn", ""));
    if (policy == NULL && ist_json_str(step_record(s, resource), "policy") != NULL)
        json_object_set_new(body, "_policy", json_string("")); // the one that was given goes
    ist_free(resource);
    set_tags(s, body);
    add(s, list, &made_entry, "access-entries", ist_json_str_or(body, "principalArn", ""), body);
    return IST_OK;
}

static int32_t add_group(struct step *s, struct made_list *list, const json_t *group, ist_error *err)
{
    const char *name = ist_json_str_or(group, "name", "");
    const int64_t count = ist_json_int(group, "count", 2);
    json_t *subnets = json_object_get(group, "subnets");
    json_t *body = json_pack("{s:s, s:{s:I, s:I, s:I}}", "nodegroupName", name, "scalingConfig", "minSize",
                             ist_json_int(group, "min", count), "maxSize", ist_json_int(group, "max", count),
                             "desiredSize", count);
    set_list(body, "subnets", json_array_size(subnets) > 0 ? subnets : json_object_get(s->inputs, "subnets"));
    set_list(body, "instanceTypes", json_object_get(group, "instance_types"));
    set_text(body, "amiType", ist_json_str(group, "ami_type"));
    set_text(body, "capacityType", ist_json_str(group, "capacity_type"));
    set_text(body, "version", step_input(s, "version"));
    if (ist_json_int(group, "disk_size", 0) > 0)
        json_object_set_new(body, "diskSize", json_integer(ist_json_int(group, "disk_size", 0)));
    set_tags(s, body);
    add(s, list, &made_group, "node-groups", name, body);
    return set_role(s, body, "nodeRole", ist_json_str(group, "role"), err);
}

static int32_t add_addon(struct step *s, struct made_list *list, const json_t *addon, ist_error *err)
{
    const char *name = ist_json_str_or(addon, "name", "");
    json_t *body = json_pack("{s:s, s:s}", "addonName", name, "resolveConflicts", "OVERWRITE");
    set_text(body, "addonVersion", ist_json_str(addon, "version"));
    set_tags(s, body);
    add(s, list, &made_addon, "addons", name, body);
    return set_role(s, body, "serviceAccountRoleArn", ist_json_str(addon, "role"), err);
}

// ---- the list ----

int32_t made_wanted(struct step *s, struct made_list *list, ist_error *err)
{
    static const struct {
        const char *input;
        int32_t (*add)(struct step *s, struct made_list *list, const json_t *item, ist_error *err);
    } children[] = {{"access_entries", add_entry}, {"node_groups", add_group}, {"addons", add_addon}};
    *list = (struct made_list){0};
    if (!ist_json_bool(s->inputs, "create", 0))
        return IST_OK;
    int32_t rc = add_cluster(s, list, err);
    for (size_t k = 0; k < sizeof(children) / sizeof(*children); k++) {
        json_t *item;
        size_t i;
        json_array_foreach(json_object_get(s->inputs, children[k].input), i, item)
        {
            if (rc == IST_OK)
                rc = children[k].add(s, list, item, err);
        }
    }
    return rc;
}

int32_t made_of_record(const char *resource, const json_t *data, struct made *made, ist_error *err)
{
    static const struct made_kind *const kinds[] = {&made_cluster, &made_entry, &made_group, &made_addon};
    const char *path = ist_json_str_or(data, "path", ""), *noun = ist_json_str_or(data, "noun", "");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (strcmp(kinds[i]->noun, noun) != 0)
            continue;
        *made = (struct made){.kind = kinds[i],
                              .resource = ist_strdup(resource),
                              .path = ist_strdup(path),
                              .body = json_object()};
        return IST_OK;
    }
    return ist_fail(err, IST_ERR_INTERNAL, resource, "state calls it a %s, which this version does not know",
                    noun);
}
