// Templates: what may be in one, what depends on what, and the functions in values.
#include "cfn.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BODY = 51200, MAX_DEPTH = 32 };

static json_t *invalid(struct aws_call *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static json_t *invalid(struct aws_call *c, const char *format, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, format);
    if (vasprintf(&text, format, ap) < 0)
        abort();
    va_end(ap);
    aws_fail(c, 400, "ValidationError", "%s", text);
    free(text);
    return NULL;
}

// ---- references ----

static void note(json_t *needs, const char *name, size_t len)
{
    if (len > 5 && !strncmp(name, "AWS::", 5))
        return;
    json_array_append_new(needs, json_stringn(name, len));
}

// "${Name}", "${Name.Attribute}"; "${!literal}" is none. `own`: names that the function brings itself.
static void note_sub(json_t *needs, const char *text, const json_t *own)
{
    for (const char *p = text; (p = strstr(p, "${"));) {
        const char *end = strchr(p += 2, '}');
        if (!end)
            return;
        char *name = lab_format("%.*s", (int)(end - p), p);
        if (*p != '!' && !json_object_get(own, name))
            note(needs, name, strcspn(name, "."));
        free(name);
    }
}

static void collect(json_t *needs, const json_t *value, int depth)
{
    const char *key;
    json_t *member;
    size_t i;
    if (depth > MAX_DEPTH)
        return;
    json_array_foreach(value, i, member) collect(needs, member, depth + 1);
    if (!json_is_object(value))
        return;
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        const char *text = json_string_value(member);
        const char *first = json_string_value(json_array_get(member, 0));
        if (!strcmp(key, "Ref") && text)
            note(needs, text, strlen(text));
        else if (!strcmp(key, "Fn::GetAtt") && (text || first))
            note(needs, text ? text : first, strcspn(text ? text : first, "."));
        else if (!strcmp(key, "Fn::Sub") && (text || first))
            note_sub(needs, text ? text : first, json_array_get(member, 1));
        if (strcmp(key, "Ref") != 0 && strcmp(key, "Fn::GetAtt") != 0)
            collect(needs, member, depth + 1);
    }
}

json_t *cfn_needs(const json_t *resource)
{
    json_t *needs = json_array(), *more = json_object_get(resource, "DependsOn");
    collect(needs, json_object_get(resource, "Properties"), 0);
    if (json_is_string(more))
        json_array_append(needs, more);
    else
        json_array_extend(needs, more);
    return needs;
}

// ---- judging ----

static bool references_good(struct aws_call *c, const json_t *template)
{
    json_t *resources = json_object_get(template, "Resources"),
           *parameters = json_object_get(template, "Parameters");
    const char *key;
    json_t *resource, *name;
    size_t i;
    json_object_foreach(resources, key, resource)
    {
        json_t *needs = cfn_needs(resource);
        json_array_foreach(needs, i, name)
        {
            const char *text = json_string_value(name);
            if (!c->status && !json_object_get(resources, text) && !json_object_get(parameters, text))
                invalid(c,
                        "Template format error: Unresolved resource dependencies [%s] in the Resources block "
                        "of the "
                        "template",
                        text);
        }
        json_decref(needs);
    }
    return !c->status;
}

// Takes out, again and again, what needs nothing that is left; what stays is a circle.
static bool acyclic(struct aws_call *c, const json_t *template)
{
    json_t *left = json_copy(json_object_get(template, "Resources")), *resource, *name;
    const char *key;
    void *next;
    size_t i;
    for (size_t before = 0; before != json_object_size(left);) {
        before = json_object_size(left);
        json_object_foreach_safe(left, next, key, resource)
        {
            json_t *needs = cfn_needs(resource);
            bool waits = false;
            json_array_foreach(needs, i, name) waits =
                waits || json_object_get(left, json_string_value(name));
            json_decref(needs);
            if (!waits)
                json_object_del(left, key);
        }
    }
    json_object_foreach(left, key, resource)
    {
        invalid(c, "Circular dependency between resources: [%s]", key);
        break;
    }
    json_decref(left);
    return !c->status;
}

static bool sections_good(struct aws_call *c, const json_t *template)
{
    static const char *const sections[] = {"AWSTemplateFormatVersion",
                                           "Description",
                                           "Metadata",
                                           "Parameters",
                                           "Mappings",
                                           "Conditions",
                                           "Resources",
                                           "Outputs",
                                           "Rules",
                                           "Transform"};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t) template, key, value)
    {
        bool known = false;
        for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
            known = known || !strcmp(key, sections[i]);
        if (!known && !c->status)
            invalid(c, "Invalid template property or properties [%s]", key);
        if (!c->status &&
            (!strcmp(key, "Conditions") || !strcmp(key, "Transform") || !strcmp(key, "Mappings")))
            invalid(c, "The lab's CloudFormation has no %s", key);
    }
    if (!c->status && !json_object_size(json_object_get(template, "Resources")))
        invalid(c, "Template format error: At least one Resources member must be defined.");
    json_object_foreach(json_object_get(template, "Resources"), key, value)
    {
        const char *type = aws_text(value, "Type");
        if (!c->status &&
            strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") != strlen(key))
            invalid(c, "Template format error: Resource name %s is non alphanumeric.", key);
        if (!c->status && !*type)
            invalid(
                c,
                "Template format error: [/Resources/%s] Every Resources object must contain a Type member.",
                key);
        if (!c->status && !cfn_known(type))
            invalid(c, "Template format error: Unrecognized resource types: [%s]", type);
    }
    return !c->status;
}

json_t *cfn_template(struct aws_call *c, const char *body)
{
    char why[256] = "";
    json_error_t error;
    if (!body || !*body)
        return invalid(c, "Either Template URL or Template Body must be specified.");
    if (strlen(body) > MAX_BODY)
        return invalid(
            c,
            "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must "
            "have length less than or equal to %d",
            MAX_BODY);
    while (isspace((unsigned char)*body))
        body++;
    json_t *template =
        *body == '{' ? json_loads(body, JSON_REJECT_DUPLICATES, &error) : cfn_yaml(body, why, sizeof why);
    if (!json_is_object(template)) {
        json_decref(template);
        return *body == '{' ? invalid(c, "Template format error: JSON not well-formed. (line %d, column %d)",
                                      error.line, error.column)
                            : invalid(c, "Template format error: YAML not well-formed. (%s)", why);
    }
    if (sections_good(c, template) && references_good(c, template) && acyclic(c, template))
        return template;
    json_decref(template);
    return NULL;
}

json_t *cfn_parameters(struct aws_call *c, const json_t *template, const json_t *earlier)
{
    json_t *declared = json_object_get(template, "Parameters"), *values = json_object(), *given, *parameter;
    const char *key;
    size_t i;
    json_array_foreach(aws_list(c, "Parameters"), i, given)
    {
        const char *name = aws_text(given, "ParameterKey");
        json_t *value = aws_is(given, "UsePreviousValue", "true") ? json_object_get(earlier, name)
                                                                  : json_object_get(given, "ParameterValue");
        if (!json_object_get(declared, name) && !c->status)
            invalid(c, "Parameters: [%s] do not exist in the template", name);
        if (value)
            json_object_set(values, name, value);
    }
    json_object_foreach(declared, key, parameter)
    {
        json_t *otherwise = json_object_get(parameter, "Default");
        if (!json_object_get(values, key) && otherwise) {
            char *text = json_is_string(otherwise) ? lab_strdup(json_string_value(otherwise))
                                                   : json_dumps(otherwise, JSON_ENCODE_ANY);
            json_object_set_new(values, key, json_string(text));
            free(text);
        }
        if (!json_object_get(values, key) && !c->status)
            invalid(c, "Parameters: [%s] must have values", key);
    }
    if (!c->status)
        return values;
    json_decref(values);
    return NULL;
}

// ---- functions ----

static json_t *ref(struct aws_call *c, const json_t *stack, const char *name)
{
    const char *attribute = strchr(name, '.');
    char *logical = lab_format("%.*s", (int)strcspn(name, "."), name);
    json_t *record = json_object_get(json_object_get(stack, "_resources"), logical), *value = NULL;
    json_t *parameter = json_object_get(json_object_get(stack, "_parameters"), name);
    const struct {
        const char *name, *value;
    } pseudo[] = {{"AWS::Region", AWS_REGION},
                  {"AWS::AccountId", AWS_ACCOUNT},
                  {"AWS::Partition", "aws"},
                  {"AWS::URLSuffix", "amazonaws.com"},
                  {"AWS::StackName", aws_text(stack, "StackName")},
                  {"AWS::StackId", aws_text(stack, "StackId")}};
    for (size_t i = 0; i < sizeof pseudo / sizeof *pseudo; i++) {
        if (!strcmp(name, pseudo[i].name))
            value = json_string(pseudo[i].value);
    }
    if (!strcmp(name, "AWS::NoValue"))
        value = json_null();
    if (!value && parameter)
        value = json_incref(parameter);
    if (!value && record)
        value = attribute ? cfn_attribute(c->lab, record, attribute + 1)
                          : json_incref(json_object_get(record, "PhysicalResourceId"));
    free(logical);
    return value ? value
                 : invalid(c,
                           attribute
                               ? "Template error: resource does not support attribute type in Fn::GetAtt: %s"
                               : "Template format error: Unresolved dependency [%s]",
                           name);
}

static json_t *sub(struct aws_call *c, const json_t *stack, const char *text, const json_t *own)
{
    char *out = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&out, &size);
    if (!to)
        abort();
    for (const char *p = text; *p && !c->status;) {
        const char *end = !strncmp(p, "${", 2) ? strchr(p, '}') : NULL;
        if (!end) {
            fputc(*p++, to);
            continue;
        }
        char *name = lab_format("%.*s", (int)(end - p - 2), p + 2);
        if (*name == '!') {
            fprintf(to, "${%s}", name + 1);
        } else {
            json_t *mine = json_object_get(own, name);
            json_t *value = mine ? cfn_resolve(c, stack, mine) : ref(c, stack, name);
            fputs(json_is_string(value) ? json_string_value(value) : "", to);
            json_decref(value);
        }
        free(name);
        p = end + 1;
    }
    fclose(to);
    json_t *value = c->status ? NULL : json_string(out);
    free(out);
    return value;
}

static json_t *join(struct aws_call *c, const json_t *stack, const json_t *argument)
{
    const char *separator = json_string_value(json_array_get(argument, 0));
    json_t *parts = cfn_resolve(c, stack, json_array_get(argument, 1)), *part;
    char *out = lab_strdup("");
    size_t i;
    if (!c->status && (!separator || !json_is_array(parts)))
        invalid(c, "Template error: every Fn::Join object requires two parameters, (1) a string delimiter "
                   "and (2) a list of "
                   "strings to be joined");
    json_array_foreach(parts, i, part)
    {
        char *longer = lab_format("%s%s%s", out, i && separator ? separator : "",
                                  json_is_string(part) ? json_string_value(part) : "");
        free(out);
        out = longer;
    }
    json_t *value = c->status ? NULL : json_string(out);
    free(out);
    json_decref(parts);
    return value;
}

static json_t *function(struct aws_call *c, const json_t *stack, const char *name, const json_t *argument)
{
    const char *text = json_string_value(argument), *first = json_string_value(json_array_get(argument, 0));
    json_t *value = NULL;
    if (!strcmp(name, "Ref") && text)
        return ref(c, stack, text);
    if (!strcmp(name, "Fn::GetAtt")) {
        const char *attribute = json_string_value(json_array_get(argument, 1));
        char *joined =
            text ? lab_strdup(text) : lab_format("%s.%s", first ? first : "", attribute ? attribute : "");
        value = ref(c, stack, joined);
        free(joined);
        return value;
    }
    if (!strcmp(name, "Fn::Sub") && (text || first))
        return sub(c, stack, text ? text : first, json_array_get(argument, 1));
    if (!strcmp(name, "Fn::Join"))
        return join(c, stack, argument);
    if (!strcmp(name, "Fn::Select")) {
        json_t *list = cfn_resolve(c, stack, json_array_get(argument, 1));
        const json_t *index = json_array_get(argument, 0);
        size_t at = json_is_string(index) ? strtoul(json_string_value(index), NULL, 10)
                                          : (size_t)json_integer_value(index);
        value = json_incref(json_array_get(list, at));
        json_decref(list);
        return value || c->status ? value
                                  : invalid(c, "Template error: Fn::Select cannot select nonexistent value");
    }
    if (!strcmp(name, "Fn::Base64")) {
        json_t *plain = cfn_resolve(c, stack, argument);
        char *coded = plain ? lab_base64(json_string_value(plain), json_string_length(plain)) : NULL;
        value = coded ? json_string(coded) : NULL;
        free(coded);
        json_decref(plain);
        return value;
    }
    return invalid(c, "Template error: the lab's CloudFormation has no function %s of this form", name);
}

// Properties as EC2 takes them: numbers and booleans as text.
static json_t *scalar(const json_t *value)
{
    if (json_is_boolean(value))
        return json_string(json_is_true(value) ? "true" : "false");
    if (!json_is_number(value))
        return json_incref((json_t *)(uintptr_t)value);
    char *text = json_dumps(value, JSON_ENCODE_ANY);
    json_t *out = json_string(text);
    free(text);
    return out;
}

json_t *cfn_resolve(struct aws_call *c, const json_t *stack, const json_t *value)
{
    const char *key;
    json_t *member, *out;
    size_t i;
    if (json_is_array(value)) {
        out = json_array();
        json_array_foreach(value, i, member)
        {
            json_t *resolved = cfn_resolve(c, stack, member);
            if (resolved && !json_is_null(resolved))
                json_array_append(out, resolved);
            json_decref(resolved);
        }
    } else if (json_is_object(value)) {
        key = json_object_iter_key(json_object_iter((json_t *)(uintptr_t)value));
        if (json_object_size(value) == 1 && (!strcmp(key, "Ref") || !strncmp(key, "Fn::", 4)))
            return function(c, stack, key, json_object_get(value, key));
        out = json_object();
        json_object_foreach((json_t *)(uintptr_t)value, key, member)
        {
            json_t *resolved = cfn_resolve(c, stack, member);
            if (resolved && !json_is_null(resolved))
                json_object_set(out, key, resolved);
            json_decref(resolved);
        }
    } else {
        return value ? scalar(value) : NULL;
    }
    if (!c->status)
        return out;
    json_decref(out);
    return NULL;
}
