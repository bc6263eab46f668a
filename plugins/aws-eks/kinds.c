// What there is to know of each kind of thing that EKS keeps: its fields, and how they are changed.
// Source: https://docs.aws.amazon.com/eks/latest/APIReference/API_Operations.html
#include "made.h"

#include <string.h>

// ---- changing ----

// Posts an update of what `names` lists of the body, if any of it differs, and waits until EKS has done it. Takes
// `body`, which holds what else the call wants.
static int32_t change(struct step *s, const struct made *made, const json_t *live, const char *verb,
                      json_t *body, const char *const *names, size_t count, const char *query, ist_error *err)
{
    int differs = 0;
    for (size_t i = 0; i < count; i++) {
        json_t *value = json_object_get(made->body, names[i]);
        if (value != NULL)
            json_object_set(body, names[i], value);
        for (size_t k = 0; k < made->kind->field_count; k++) {
            const struct made_field *field = &made->kind->fields[k];
            const size_t len = strlen(names[i]);
            if (strncmp(field->name, names[i], len) == 0 &&
                (field->name[len] == '\0' || field->name[len] == '.'))
                differs |= field->way != MADE_FIXED && made_differs(made, field, live);
        }
    }
    char *path = ist_printf("%s/%s", made->path, verb);
    const int32_t rc = differs ? update_send(s, made->resource, path, body, query, err) : IST_OK;
    ist_free(path);
    json_decref(body);
    return rc;
}

static int32_t change_tags(struct step *s, const struct made *made, const json_t *live, const char *arn,
                           ist_error *err)
{
    static const struct made_field tags = {"tags", "_tags", "map(string)", MADE_SETTING};
    if (!made_differs(made, &tags, live))
        return IST_OK;
    char *encoded = ist_url_encode(arn, 0), *path = ist_printf("/tags/%s", encoded);
    json_t *body = json_pack("{s:O}", "tags", json_object_get(made->body, "tags"));
    const int32_t rc = ist_aws_rest(s->aws, "eks", "POST", path, body, NULL, err);
    json_decref(body);
    ist_free(path);
    ist_free(encoded);
    return rc;
}

// ---- clusters ----

static const struct made_field cluster_fields[] = {
    {"version", NULL, "string", MADE_VERSION},
    {"roleArn", NULL, "string", MADE_FIXED},
    {"resourcesVpcConfig.subnetIds", NULL, "set(string)", MADE_FIXED},
    {"resourcesVpcConfig.securityGroupIds", NULL, "set(string)", MADE_FIXED},
    {"resourcesVpcConfig.endpointPublicAccess", NULL, "bool", MADE_SETTING},
    {"resourcesVpcConfig.endpointPrivateAccess", NULL, "bool", MADE_SETTING},
    {"resourcesVpcConfig.publicAccessCidrs", NULL, "set(cidr)", MADE_SETTING},
    {"tags", "_tags", "map(string)", MADE_SETTING},
};

// Of the network only the endpoint's access can be changed this way.
static int32_t change_access(struct step *s, const struct made *made, const json_t *live, ist_error *err)
{
    static const char *const names[] = {"endpointPublicAccess", "endpointPrivateAccess", "publicAccessCidrs"};
    json_t *access = json_object();
    int differs = 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        json_t *value = json_object_get(json_object_get(made->body, "resourcesVpcConfig"), names[i]);
        if (value != NULL)
            json_object_set(access, names[i], value);
        differs |= made_differs(made, &cluster_fields[4 + i], live);
    }
    json_t *body = json_pack("{s:o}", "resourcesVpcConfig", access);
    char *path = ist_printf("%s/update-config", made->path);
    const int32_t rc = differs ? update_send(s, made->resource, path, body, NULL, err) : IST_OK;
    ist_free(path);
    json_decref(body);
    return rc;
}

static int32_t update_cluster(struct step *s, const struct made *made, const json_t *live, ist_error *err)
{
    static const char *const version[] = {"version"};
    int32_t rc = change_access(s, made, live, err);
    if (rc == IST_OK)
        rc = change(s, made, live, "updates", json_object(), version, 1, NULL, err);
    if (rc == IST_OK)
        rc = change_tags(s, made, live, ist_json_str_or(live, "arn", ""), err);
    return rc;
}

const struct made_kind made_cluster = {
    .noun = "cluster",
    .member = "cluster",
    .fields = cluster_fields,
    .field_count = sizeof(cluster_fields) / sizeof(*cluster_fields),
    .keeps = 1,
    .update = update_cluster,
};

// ---- who may use it ----

static const struct made_field entry_fields[] = {
    {"principalArn", NULL, "string", MADE_FIXED},
    {"_policy", NULL, "string", MADE_SETTING},
};

static int32_t read_entry(struct step *s, const struct made *made, json_t *live, ist_error *err)
{
    char *path = ist_printf("%s/access-policies", made->path);
    json_t *answer = NULL;
    const int32_t rc = ist_aws_rest(s->aws, "eks", "GET", path, NULL, &answer, err);
    ist_free(path);
    const json_t *wanted = json_object_get(made->body, "_policy");
    json_t *policy;
    size_t i;
    json_array_foreach(json_object_get(answer, "associatedAccessPolicies"), i, policy)
    {
        json_t *arn = json_object_get(policy, "policyArn");
        if (i == 0 || json_equal(arn, wanted)) // others that somebody gave it besides are no difference
            json_object_set(live, "_policy", arn);
    }
    json_decref(answer);
    return rc;
}

// The policy is given by a call of its own, which has no token and needs none: twice is as good as once.
static int32_t finish_entry(struct step *s, const struct made *made, const json_t *live, ist_error *err)
{
    json_t *policy = json_object_get(made->body, "_policy");
    if (policy == NULL || json_equal(policy, json_object_get(live, "_policy")))
        return IST_OK;
    char *path = ist_printf("%s/access-policies", made->path);
    json_t *body = json_pack("{s:O, s:{s:s}}", "policyArn", policy, "accessScope", "type", "cluster");
    int32_t rc = IST_ERR_NETWORK;
    for (int tries = 0; tries < 3 && rc == IST_ERR_NETWORK; tries++)
        rc = ist_aws_rest(s->aws, "eks", "POST", path, body, NULL, err);
    json_decref(body);
    ist_free(path);
    return rc;
}

const struct made_kind made_entry = {
    .noun = "access entry",
    .member = "accessEntry",
    .fields = entry_fields,
    .field_count = sizeof(entry_fields) / sizeof(*entry_fields),
    .read = read_entry,
    .finish = finish_entry,
};

// ---- nodes ----

static const struct made_field group_fields[] = {
    {"nodeRole", NULL, "string", MADE_FIXED},
    {"subnets", NULL, "set(string)", MADE_FIXED},
    {"instanceTypes", NULL, "list(string)", MADE_FIXED},
    {"amiType", NULL, "string", MADE_FIXED},
    {"capacityType", NULL, "string", MADE_FIXED},
    {"diskSize", NULL, "int", MADE_FIXED},
    {"version", NULL, "string", MADE_VERSION},
    {"scalingConfig.minSize", NULL, "int", MADE_SETTING},
    {"scalingConfig.maxSize", NULL, "int", MADE_SETTING},
    {"scalingConfig.desiredSize", NULL, "int", MADE_SETTING},
    {"tags", "_tags", "map(string)", MADE_SETTING},
};

static int32_t update_group(struct step *s, const struct made *made, const json_t *live, ist_error *err)
{
    static const char *const scaling[] = {"scalingConfig"}, *const version[] = {"version"};
    char *query = ist_printf("nodegroupName=%s", strrchr(made->path, '/') + 1);
    int32_t rc = change(s, made, live, "update-config", json_object(), scaling, 1, query, err);
    if (rc == IST_OK)
        rc = change(s, made, live, "update-version", json_object(), version, 1, query, err);
    if (rc == IST_OK)
        rc = change_tags(s, made, live, ist_json_str_or(live, "nodegroupArn", ""), err);
    ist_free(query);
    return rc;
}

const struct made_kind made_group = {
    .noun = "node group",
    .member = "nodegroup",
    .fields = group_fields,
    .field_count = sizeof(group_fields) / sizeof(*group_fields),
    .update = update_group,
};

// ---- add-ons ----

static const struct made_field addon_fields[] = {
    {"addonVersion", NULL, "string", MADE_VERSION},
    {"serviceAccountRoleArn", NULL, "string", MADE_SETTING},
};

static int32_t update_addon(struct step *s, const struct made *made, const json_t *live, ist_error *err)
{
    static const char *const names[] = {"addonVersion", "serviceAccountRoleArn"};
    char *query = ist_printf("addonName=%s", strrchr(made->path, '/') + 1);
    // What this step or somebody else set in its configuration stays.
    const int32_t rc = change(s, made, live, "update", json_pack("{s:s}", "resolveConflicts", "PRESERVE"),
                              names, 2, query, err);
    ist_free(query);
    return rc;
}

const struct made_kind made_addon = {
    .noun = "add-on",
    .member = "addon",
    .fields = addon_fields,
    .field_count = sizeof(addon_fields) / sizeof(*addon_fields),
    .update = update_addon,
};
