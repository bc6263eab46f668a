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

// What may be asked for twice: a lost answer is followed by another try.
static int32_t post_again(struct step *s, const char *path, const json_t *body, ist_error *err)
{
    int32_t rc = IST_ERR_NETWORK;
    for (int tries = 0; tries < 3 && rc == IST_ERR_NETWORK; tries++)
        rc = ist_aws_rest(s->aws, "eks", "POST", path, body, NULL, err);
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
    const int32_t rc = post_again(s, path, body, err);
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

// "": none is asked for, where one was given.
static int is_none(const json_t *policy)
{
    return json_is_string(policy) && *json_string_value(policy) == '\0';
}

// The policy that an earlier run gave it. Borrowed; NULL: none that is known.
static json_t *given_policy(const struct step *s, const struct made *made)
{
    return ist_json_at(step_record(s, made->resource), "policy");
}

// The policy that counts: one of ours that is not wanted any more, the wanted one, the first of all. Others that somebody
// gave it besides are no difference.
static int32_t read_entry(struct step *s, const struct made *made, json_t *live, ist_error *err)
{
    char *path = ist_printf("%s/access-policies", made->path);
    json_t *answer = NULL;
    const int32_t rc = ist_aws_rest(s->aws, "eks", "GET", path, NULL, &answer, err);
    ist_free(path);
    json_t *wanted = json_object_get(made->body, "_policy"), *given = given_policy(s, made), *policy;
    json_t *found = NULL; // borrowed
    size_t i;
    json_array_foreach(json_object_get(answer, "associatedAccessPolicies"), i, policy)
    {
        json_t *arn = json_object_get(policy, "policyArn");
        const int stale = given != NULL && json_equal(arn, given) && !json_equal(arn, wanted);
        if (found == NULL || stale || (json_equal(arn, wanted) && !json_equal(found, given)))
            found = arn;
    }
    // None is wanted: what others gave it besides is none of ours.
    if (is_none(wanted) && !json_equal(found, given))
        found = wanted;
    if (found != NULL)
        json_object_set(live, "_policy", found);
    json_decref(answer);
    return rc;
}

static int32_t give_policy(struct step *s, const char *path, json_t *policy, ist_error *err)
{
    json_t *body = json_pack("{s:O, s:{s:s}}", "policyArn", policy, "accessScope", "type", "cluster");
    const int32_t rc = post_again(s, path, body, err);
    json_decref(body);
    return rc;
}

static int32_t take_policy(struct step *s, const char *path, const char *policy, ist_error *err)
{
    char *encoded = ist_url_encode(policy, 0), *whole = ist_printf("%s/%s", path, encoded);
    ist_error failed = {0};
    const int32_t rc = ist_aws_rest(s->aws, "eks", "DELETE", whole, NULL, NULL, &failed);
    ist_free(whole);
    ist_free(encoded);
    if (rc != IST_OK && rc != IST_ERR_NOT_FOUND && err != NULL)
        *err = failed;
    return rc == IST_ERR_NOT_FOUND ? IST_OK : rc;
}

// Policies are given and taken by calls of their own, which have no token and need none: twice is as good as once. What
// this step gave before and is not asked for any more is taken away: who was to have less has less then.
static int32_t finish_entry(struct step *s, const struct made *made, const json_t *live, ist_error *err)
{
    json_t *policy = json_object_get(made->body, "_policy"), *given = given_policy(s, made);
    char *path = ist_printf("%s/access-policies", made->path);
    int32_t rc = IST_OK;
    if (policy != NULL && !is_none(policy) && !json_equal(policy, json_object_get(live, "_policy")))
        rc = give_policy(s, path, policy, err);
    if (rc == IST_OK && policy != NULL && json_is_string(given) && !json_equal(policy, given))
        rc = take_policy(s, path, json_string_value(given), err);
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
    // What this step or somebody else set in its configuration stays; EKS does not promise that a
    // role stays that is left out.
    json_t *body = json_pack("{s:s, s:s*}", "resolveConflicts", "PRESERVE", "serviceAccountRoleArn",
                             ist_json_str(live, "serviceAccountRoleArn"));
    const int32_t rc = change(s, made, live, "update", body, names, 2, query, err);
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
