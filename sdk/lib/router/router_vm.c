// A router's stack: what there is of it, whether its addresses are free, making and removing it.
#include "internal.h"

#include <isthmus/alloc.h>
#include <isthmus/schema.h>
#include <isthmus/stack.h>

#include <stdbool.h>
#include <string.h>

// ---- observing ----

static void differ(json_t *list, const char *logical, const char *name, json_t *before, json_t *after)
{
    json_t *none = json_null();
    char *path = ist_printf("%s.%s", logical, name);
    json_array_append_new(list, json_pack("{ss sO sO}", "field", path, "before", before ? before : none,
                                          "after", after ? after : none));
    ist_free(path);
}

// What is in one object under `logical` and not, or not the same, in the other.
static void differences(json_t *list, const char *logical, json_t *before, json_t *after)
{
    json_t *value;
    const char *name;
    json_object_foreach(after, name, value)
    {
        json_t *was = json_object_get(before, name);
        if (!was || !json_equal(was, value))
            differ(list, logical, name, was, value);
    }
    json_object_foreach(before, name, value)
    {
        if (!json_object_get(after, name))
            differ(list, logical, name, value, NULL);
    }
}

// Of which type a resource is, and whether it is to be there at all: what others put into the stack leaves it.
static void type_differences(json_t *list, json_t *was, json_t *wanted)
{
    json_t *resource;
    const char *logical;
    json_object_foreach(was, logical, resource)
    {
        json_t *before = json_object_get(resource, "Type"),
               *after = json_object_get(json_object_get(wanted, logical), "Type");
        if (!after || !json_equal(before, after))
            differ(list, logical, "Type", before, after);
    }
}

// What of that which stands is made anew by the change of a property; then the instance is too: it stands on all the rest.
// New reference, an array of logical names.
static json_t *replaced(const json_t *before, const json_t *after)
{
    json_t *resource, *value, *found = json_array();
    const char *logical, *name;
    json_object_foreach(json_object_get(before, "Resources"), logical, resource)
    {
        const json_t *is = json_object_get(json_object_get(after, "Resources"), logical);
        bool anew = false;
        json_object_foreach(json_object_get(is, "Properties"), name, value)
        {
            json_t *was = json_object_get(json_object_get(resource, "Properties"), name);
            anew = anew || (was && !json_equal(was, value) &&
                            ist_stack_replaces(ist_json_str_or(is, "Type", ""), name));
        }
        if (anew)
            json_array_append_new(found, json_string(logical));
    }
    return found;
}

int32_t ist_router_vm_compare(const ist_router_vm *vm, json_t *seen, ist_error *err)
{
    json_t *wanted = NULL, *resource, *list;
    const char *logical;
    if (!json_is_object(seen))
        return IST_OK;
    char *text = ist_router_vm_template(vm);
    int32_t rc = ist_json_parse(text, strlen(text), vm->stack, &wanted, err);
    ist_free(text);
    if (rc != IST_OK)
        return rc;
    list = json_array();
    json_t *was = ist_json_at(seen, "template.Resources");
    json_object_foreach(json_object_get(wanted, "Resources"), logical, resource)
        differences(list, logical, json_object_get(json_object_get(was, logical), "Properties"),
                    json_object_get(resource, "Properties"));
    type_differences(list, was, json_object_get(wanted, "Resources"));
    differences(list, "Tags", ist_json_at(seen, "stack.tags"), (json_t *)vm->tags);
    json_t *anew = replaced(json_object_get(seen, "template"), wanted);
    if (json_array_size(anew) > 0 && ist_json_at(seen, "template.Resources.Router"))
        json_object_set(seen, "replaces", anew);
    json_decref(anew);
    json_object_set_new(seen, "differs", list);
    json_decref(wanted);
    return IST_OK;
}

static int32_t add_template(ist_aws *aws, const char *id, json_t *seen, ist_error *err)
{
    json_t *params = json_pack("{ss}", "StackName", id), *answer = NULL, *now = NULL;
    int32_t rc = ist_aws_query(aws, "cloudformation", "GetTemplate", params, &answer, err);
    json_decref(params);
    const char *body = rc == IST_OK ? ist_json_str_or(answer, "TemplateBody", "{}") : NULL;
    if (body && ist_json_parse(body, strlen(body), id, &now, NULL) != IST_OK)
        now = json_object(); // not of our making: all of it differs
    if (rc == IST_OK)
        json_object_set_new(seen, "template", now);
    json_decref(answer);
    return rc;
}

static int32_t add_instance(ist_aws *aws, const char *instance, json_t *seen, ist_error *err)
{
    json_t *params = json_pack("{s[s]}", "InstanceId", instance), *answer = NULL;
    ist_error failed = {0};
    int32_t rc = ist_aws_query(aws, "ec2", "DescribeInstances", params, &answer, &failed);
    json_decref(params);
    if (rc != IST_OK && strncmp(ist_aws_error_code(aws), "InvalidInstanceID", 17) == 0)
        rc = IST_OK; // long gone
    const json_t *i = rc == IST_OK ? ist_json_at(answer, "reservationSet[0].instancesSet[0]") : NULL;
    if (rc == IST_OK)
        json_object_set_new(
            seen, "instance",
            json_pack("{ss ss ss ss ss sO*}", "id", instance, "state",
                      ist_json_str_or(i, "instanceState.name", "terminated"), "type",
                      ist_json_str_or(i, "instanceType", ""), "ami", ist_json_str_or(i, "imageId", ""), "key",
                      ist_json_str_or(i, "keyName", ""), "tagSet", json_object_get(i, "tagSet")));
    else if (err)
        *err = failed;
    json_decref(answer);
    return rc;
}

static int32_t read_resources(ist_aws *aws, const char *stack, json_t **resources, ist_error *err)
{
    json_t *params = json_pack("{ss}", "StackName", stack), *answer = NULL;
    int32_t rc = ist_aws_query(aws, "cloudformation", "DescribeStackResources", params, &answer, err);
    json_decref(params);
    if (rc == IST_OK)
        *resources = json_incref(json_object_get(answer, "StackResources"));
    if (rc == IST_OK && !*resources)
        *resources = json_array();
    json_decref(answer);
    return rc;
}

static const char *physical_id(const json_t *resources, const char *logical)
{
    json_t *one;
    size_t i;
    json_array_foreach((json_t *)resources, i, one)
    {
        if (strcmp(ist_json_str_or(one, "LogicalResourceId", ""), logical) == 0)
            return ist_json_str(one, "PhysicalResourceId");
    }
    return NULL;
}

// The tags that the stack puts on all it makes, but for its own mark.
static json_t *tags_of(const json_t *stack)
{
    json_t *tags = json_object(), *one;
    size_t i;
    json_array_foreach(json_object_get(stack, "Tags"), i, one)
    {
        const char *key = ist_json_str_or(one, "Key", "");
        if (*key && strcmp(key, IST_STACK_TOKEN_TAG) != 0)
            json_object_set_new(tags, key, json_string(ist_json_str_or(one, "Value", "")));
    }
    return tags;
}

int32_t ist_router_vm_observe(ist_aws *aws, const ist_router_vm *vm, const char *stack_id, json_t **out,
                              ist_error *err)
{
    static const char *const outputs[][3] = {{"OutsideEni", "outside_eni", "Outside"},
                                             {"InsideEni", "inside_eni", "Inside"},
                                             {"SecurityGroup", "security_group", "Group"},
                                             {"PublicIp", "public_ip", "Address"},
                                             {"InstanceId", "instance_id", "Router"}};
    json_t *resources = NULL;
    json_t *stack = NULL, *seen;
    ist_error failed = {0};
    int32_t rc = ist_stack_find(aws, stack_id && *stack_id ? stack_id : vm->stack, &stack, &failed);
    if (rc == IST_ERR_NOT_FOUND) {
        *out = json_null();
        return IST_OK;
    }
    if (rc != IST_OK) {
        if (err)
            *err = failed;
        return rc;
    }
    const char *id = ist_json_str_or(stack, "StackId", vm->stack), *tag;
    seen = json_pack("{s{ss ss ss ss so}}", "stack", "name", ist_json_str_or(stack, "StackName", ""), "id",
                     id, "status", ist_json_str_or(stack, "StackStatus", ""), "reason",
                     ist_json_str_or(stack, "StackStatusReason", ""), "tags", tags_of(stack));
    if ((tag = ist_aws_tag(stack, IST_STACK_TOKEN_TAG)))
        json_object_set_new(json_object_get(seen, "stack"), "token", json_string(tag));
    for (size_t i = 0; rc == IST_OK && i < sizeof outputs / sizeof *outputs; i++) {
        const char *value = ist_stack_output(stack, outputs[i][0]);
        // Without outputs the stack's resources tell.
        if (!value && !resources)
            rc = read_resources(aws, id, &resources, err);
        if (!value)
            value = physical_id(resources, outputs[i][2]);
        if (value)
            json_object_set_new(seen, outputs[i][1], json_string(value));
    }
    json_decref(resources);
    const char *instance = ist_json_str(seen, "instance_id");
    if (rc == IST_OK && instance)
        rc = add_instance(aws, instance, seen, err);
    if (rc == IST_OK)
        rc = add_template(aws, id, seen, err);
    if (rc == IST_OK)
        rc = router_vm_drift(aws, vm, seen, err);
    if (rc == IST_OK)
        *out = seen;
    else
        json_decref(seen);
    json_decref(stack);
    return rc;
}

// ---- making and removing ----

int32_t ist_router_vm_apply(const ist_env *env, ist_aws *aws, const ist_router_vm *vm, const json_t *seen,
                            const char *token, char **stack_id, ist_error *err)
{
    char *body = ist_router_vm_template(vm);
    ist_stack_change change = {.size = sizeof change,
                               .name = vm->stack,
                               .template_body = body,
                               .token = token,
                               .tags = vm->tags,
                               .before = json_object_get(seen, "template")};
    int32_t rc = ist_stack_apply(env, aws, &change, stack_id, err);
    ist_free(body);
    return rc;
}

// Does a part of a template speak of a resource that is taken out (a set of logical names)?
static bool speaks_of(const json_t *json, const json_t *out)
{
    json_t *value;
    const char *key;
    size_t i;
    bool found = json_is_string(json) && json_object_get(out, json_string_value(json));
    json_array_foreach((json_t *)json, i, value) found = found || speaks_of(value, out);
    json_object_foreach((json_t *)json, key, value) found = found || speaks_of(value, out);
    return found;
}

// Takes out of a resource's DependsOn what is taken out of the template.
static void untie(json_t *resource, const json_t *out)
{
    json_t *on = json_object_get(resource, "DependsOn");
    if (json_is_string(on) && json_object_get(out, json_string_value(on)))
        json_object_del(resource, "DependsOn");
    for (size_t i = json_array_size(on); i-- > 0;) {
        const char *name = json_string_value(json_array_get(on, i));
        if (name && json_object_get(out, name))
            json_array_remove(on, i);
    }
}

// The template without what is lost or in the way, and without all that is built of it. New reference.
static json_t *without(const json_t *seen)
{
    json_t *template = json_deep_copy(json_object_get(seen, "template")), *out = json_object(), *one,
           *resources = json_object_get(template, "Resources");
    const char *key;
    void *next;
    size_t i, before;
    json_array_foreach(json_object_get(seen, "lost"), i, one)
        json_object_set_new(out, ist_json_str_or(one, "logical", ""), json_true());
    json_array_foreach(json_object_get(seen, "replaces"), i, one)
        json_object_set_new(out, json_string_value(one), json_true());
    if (json_object_get(seen, "replaces"))
        json_object_set_new(out, "Router", json_true());
    do {
        before = json_object_size(out);
        json_object_foreach(resources, key, one)
        {
            if (speaks_of(json_object_get(one, "Properties"), out))
                json_object_set_new(out, key, json_true());
        }
    } while (json_object_size(out) > before);
    json_object_foreach(out, key, one) json_object_del(resources, key);
    json_object_foreach(resources, key, one) untie(one, out);
    json_object_foreach_safe(json_object_get(template, "Outputs"), next, key, one)
    {
        if (speaks_of(one, out))
            json_object_del(json_object_get(template, "Outputs"), key);
    }
    json_decref(out);
    return template;
}

int32_t ist_router_vm_release(const ist_env *env, ist_aws *aws, const ist_router_vm *vm, const json_t *seen,
                              const char *token, ist_error *err)
{
    json_t *template = without(seen);
    char *body = ist_json_text(template), *id = NULL;
    ist_stack_change change = {.size = sizeof change,
                               .name = vm->stack,
                               .template_body = body,
                               .token = token,
                               .tags = ist_json_at(seen, "stack.tags"),
                               .before = json_object_get(seen, "template")};
    int32_t rc = json_object_size(json_object_get(template, "Resources")) > 0
                     ? ist_stack_apply(env, aws, &change, &id, err)
                     : ist_stack_delete(env, aws, ist_json_str_or(seen, "stack.id", vm->stack), 0, err);
    json_decref(template);
    ist_free(body);
    ist_free(id);
    return rc;
}

int32_t ist_router_vm_destroy(const ist_env *env, ist_aws *aws, const char *stack_id, ist_error *err)
{
    return ist_stack_delete(env, aws, stack_id, 0, err);
}
