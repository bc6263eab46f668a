// isthmus plugin show NAME --iam-policy and --rbac: the least that a plugin needs, ready to be applied.
#include "cli/permissions.h"

#include <isthmus/alloc.h>
#include <isthmus/yaml.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// "a,b" as ["a", "b"]; new reference
static json_t *words(const char *text)
{
    json_t *list = json_array();
    while (*text) {
        size_t len = strcspn(text, ",");
        json_array_append_new(list, json_stringn(text, len));
        text += len + (text[len] == ',');
    }
    return list;
}

static json_t *statement(json_t *actions) // takes them
{
    return json_pack("{s:s,s:o,s:s}", "Effect", "Allow", "Action", actions, "Resource", "*");
}

// "ACTION if KEY=VALUE,VALUE": allowed where the key has one of the values alone. NULL: no such line.
static json_t *conditional(const char *line)
{
    const char *condition = strstr(line, " if "), *values = condition ? strchr(condition, '=') : NULL;
    if (!values)
        return NULL;
    char *key = ist_strndup(condition + 4, (size_t)(values - condition - 4));
    json_t *found = statement(json_pack("[o]", json_stringn(line, (size_t)(condition - line))));
    json_object_set_new(found, "Condition", json_pack("{s:{s:o}}", "StringEquals", key, words(values + 1)));
    ist_free(key);
    return found;
}

// Lines that are no actions of AWS are for --rbac.
int permissions_policy(const struct plugin_info *info)
{
    json_t *actions = json_array(), *statements = json_array(), *line, *more;
    size_t i;
    json_array_foreach(info->permissions, i, line)
    {
        if (!strchr(json_string_value(line), ' '))
            json_array_append(actions, line);
        else if ((more = conditional(json_string_value(line))))
            json_array_append_new(statements, more);
    }
    if (json_array_size(actions) == 0) { // IAM takes no policy without an action
        fprintf(stderr, "error: %s names no permissions in AWS\n", info->name);
        json_decref(actions);
        json_decref(statements);
        return 1;
    }
    json_array_insert_new(statements, 0, statement(actions));
    json_t *policy = json_pack("{s:s,s:o}", "Version", "2012-10-17", "Statement", statements);
    json_dumpf(policy, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(policy);
    return 0;
}

// ---- show: roles of Kubernetes

// A line of the permissions, taken apart: "ROLE: GROUP/RESOURCE VERB,VERB", then "in NAMESPACE" or "named NAME".
struct grant {
    char *role, *group, *resource, *verbs, *ns, *name; // owned; ns, name: NULL for everywhere, for all
};

static void grant_free(struct grant *grant)
{
    char *const parts[] = {grant->role, grant->group, grant->resource, grant->verbs, grant->ns, grant->name};
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        ist_free(parts[i]);
}

static bool grant_parse(const char *line, struct grant *grant)
{
    char role[64], resource[128], verbs[128], word[16] = "", last[256] = "";
    int n = sscanf(line, "%63[a-z0-9-]: %127s %127s %15s %255s", role, resource, verbs, word, last);
    if (n != 3 && !(n == 5 && (!strcmp(word, "in") || !strcmp(word, "named"))))
        return false;
    const char *slash = strchr(resource, '/');
    *grant = (struct grant){.role = ist_strdup(role),
                            .group = ist_strndup(resource, slash ? (size_t)(slash - resource) : 0),
                            .resource = ist_strdup(slash ? slash + 1 : resource),
                            .verbs = ist_strdup(verbs)};
    if (!strcmp(word, "in"))
        grant->ns = ist_strdup(last);
    if (!strcmp(word, "named"))
        grant->name = ist_strdup(last);
    return true;
}

// The document of the role that the grant belongs to; made when it is the first. Borrowed.
static json_t *role_of(json_t *documents, const struct plugin_info *info, const struct grant *grant)
{
    char *name = ist_printf("isthmus-%s-%s", info->name, grant->role);
    char *key = ist_printf("%s/%s", grant->ns ? grant->ns : "", name);
    json_t *document = json_object_get(documents, key);
    if (!document) {
        document = json_pack("{s:s, s:s, s:{s:s}, s:[]}", "apiVersion", "rbac.authorization.k8s.io/v1",
                             "kind", grant->ns ? "Role" : "ClusterRole", "metadata", "name", name, "rules");
        if (grant->ns)
            json_object_set_new(json_object_get(document, "metadata"), "namespace", json_string(grant->ns));
        json_object_set_new(documents, key, document);
    }
    ist_free(name);
    ist_free(key);
    return document;
}

int permissions_rbac(const struct plugin_info *info, const char *format)
{
    json_t *documents = json_object(), *line, *document, *list = json_array();
    const char *key;
    size_t i;
    json_array_foreach(info->permissions, i, line)
    {
        struct grant grant;
        if (!grant_parse(json_string_value(line), &grant))
            continue;
        json_t *rule = json_pack("{s:[s], s:[s], s:o}", "apiGroups", grant.group, "resources", grant.resource,
                                 "verbs", words(grant.verbs));
        if (grant.name)
            json_object_set_new(rule, "resourceNames", json_pack("[s]", grant.name));
        json_array_append_new(json_object_get(role_of(documents, info, &grant), "rules"), rule);
        grant_free(&grant);
    }
    const size_t count = json_object_size(documents);
    json_object_foreach(documents, key, document)
    {
        char *yaml = NULL;
        if (strcmp(format, "text") != 0) {
            json_array_append(list, document);
        } else if ((yaml = ist_yaml_text(document))) {
            printf("---\n%s", yaml);
            ist_free(yaml);
        }
    }
    if (!count)
        fprintf(stderr, "error: %s names no permissions in clusters\n", info->name);
    else if (strcmp(format, "text") != 0) {
        json_dumpf(list, stdout, strcmp(format, "jsonl") == 0 ? JSON_COMPACT : JSON_INDENT(2));
        putchar('\n');
    }
    json_decref(list);
    json_decref(documents);
    return count ? 0 : 1;
}
