// Types of what is not known yet: what an output, or a part of it, will be, and where that may stand.
#include "config/internal.h"

#include <isthmus/alloc.h>
#include <isthmus/schema.h>

#include <string.h>

// ---- a part of an output

// The row of `name`; *below: there are rows for parts of it.
static const ist_field *row_of(const struct plugin_info *info, const char *name, bool *below)
{
    const ist_field *found = NULL;
    size_t n = strlen(name);
    *below = false;
    for (size_t i = 0; i < info->output_count; i++) {
        const char *one = info->outputs[i].name;
        if (strcmp(one, name) == 0)
            found = &info->outputs[i];
        *below = *below || (strncmp(one, name, n) == 0 && strchr(".[{", one[n]) && one[n]);
    }
    return found;
}

static bool is_one_of(const char *type, const char *const *types)
{
    while (*types && strcmp(type, *types) != 0)
        types++;
    return *types != NULL;
}

static bool is_list(const char *type)
{
    return strncmp(type, "list(", 5) == 0 || strncmp(type, "set(", 4) == 0;
}

static bool is_map(const char *type)
{
    return strncmp(type, "map(", 4) == 0 || strcmp(type, "object") == 0;
}

// May [0], or .key, stand behind it?
static bool has_parts(const char *type, bool index)
{
    static const char *const open[] = {"", "any", NULL}, *const maps[] = {"next-hop", "kubeconfig", NULL};
    return is_one_of(type, open) || (index ? is_list(type) : is_map(type) || is_one_of(type, maps));
}

bool output_type(const struct plugin_info *info, const struct part *part, char *type, size_t size, char *why,
                 size_t why_size)
{
    char key[128], item[128], name[256];
    const char *path = part->path;
    long index;
    bool below;
    const ist_field *field = row_of(info, part->output, &below);
    snprintf(type, size, "%s", field ? field->type : "");
    snprintf(name, sizeof(name), "%s", part->output);
    while (path_next(&path, key, sizeof(key), &index) > 0) {
        if (!has_parts(type, index >= 0)) {
            snprintf(why, why_size, "${%s}: the output `%s` is %s, which has no %s%s%s", part->inner,
                     part->output, field->type, index >= 0 ? "items with numbers" : "part `",
                     index >= 0 ? "" : key, index >= 0 ? "" : "`");
            return false;
        }
        size_t n = strlen(name);
        if (index >= 0)
            snprintf(name + n, sizeof(name) - n, "[]");
        else if (strncmp(type, "map(", 4) == 0)
            snprintf(name + n, sizeof(name) - n, "{}");
        else
            snprintf(name + n, sizeof(name) - n, ".%s", key);
        bool had = below;
        const ist_field *inner = row_of(info, name, &below);
        if (!inner && had && strcmp(type, "object") == 0) {
            snprintf(why, why_size, "${%s}: the output `%s` of plugin %s has no part `%s`", part->inner,
                     part->output, info->name, key);
            return false;
        }
        if (inner)
            snprintf(item, sizeof(item), "%s", inner->type);
        else if (!ist_type_item(type, item, sizeof(item)))
            *item = '\0';
        snprintf(type, size, "%s", item);
    }
    return true;
}

// ---- where it may stand

enum family { FAMILY_ANY, FAMILY_TEXT, FAMILY_NUMBER, FAMILY_BOOL, FAMILY_LIST, FAMILY_MAP };

static enum family family_of(const char *type)
{
    static const char *const any[] = {"", "any", NULL}, *const number[] = {"int", "real", NULL};
    if (is_one_of(type, any))
        return FAMILY_ANY;
    if (is_one_of(type, number))
        return FAMILY_NUMBER;
    if (strcmp(type, "bool") == 0)
        return FAMILY_BOOL;
    if (is_list(type))
        return FAMILY_LIST;
    return is_map(type) ? FAMILY_MAP : FAMILY_TEXT;
}

// Texts of a form of their own: none of them is ever the other.
static bool texts_fit(const char *wanted, const char *coming)
{
    static const char *const forms[] = {"cidr", "ipv4", "url", "duration", "size", "network", NULL};
    static const char *const numbers[] = {"duration", "size", NULL}; // their normal forms are
    if (strcmp(wanted, coming) == 0 || (strcmp(wanted, "network") == 0 && strcmp(coming, "cidr") == 0) ||
        (strcmp(wanted, "cidr") == 0 && strcmp(coming, "network") == 0))
        return true;
    if (strcmp(wanted, "next-hop") == 0)
        return !is_one_of(coming, forms) || strcmp(coming, "ipv4") == 0;
    if (strcmp(wanted, "kubeconfig") == 0 || strncmp(wanted, "enum(", 5) == 0)
        return !is_one_of(coming, forms);
    if (strcmp(coming, "next-hop") == 0)
        return false;
    if (strcmp(coming, "kubeconfig") == 0)
        return !is_one_of(wanted, forms);
    if (is_one_of(coming, numbers))
        return !is_one_of(wanted, forms);
    return !is_one_of(wanted, forms) || !is_one_of(coming, forms);
}

bool type_fits(const char *wanted, const char *coming)
{
    enum family a = family_of(wanted), b = family_of(coming);
    char outer[128], inner[128];
    if (a == FAMILY_ANY || b == FAMILY_ANY)
        return true;
    if (a == FAMILY_MAP && b == FAMILY_TEXT) // one that has parts
        return strcmp(wanted, "object") == 0 && strcmp(coming, "next-hop") == 0;
    if (a == FAMILY_TEXT && b == FAMILY_MAP)
        return strcmp(wanted, "kubeconfig") == 0 || strcmp(wanted, "next-hop") == 0;
    if (a == FAMILY_TEXT && b == FAMILY_NUMBER) {
        static const char *const plain[] = {"string", "text", "secret", "duration", "size", NULL};
        return strcmp(coming, "int") == 0 && is_one_of(wanted, plain);
    }
    if (a != b)
        return false;
    if (a == FAMILY_NUMBER)
        return strcmp(wanted, "real") == 0 || strcmp(coming, "int") == 0;
    if (a == FAMILY_TEXT)
        return texts_fit(wanted, coming);
    if (ist_type_item(wanted, outer, sizeof(outer)) && ist_type_item(coming, inner, sizeof(inner)))
        return type_fits(outer, inner);
    return true;
}

bool type_is_text(const char *type)
{
    return family_of(type) == FAMILY_TEXT && strcmp(type, "next-hop") != 0 && strcmp(type, "kubeconfig") != 0;
}

bool type_joins_text(const char *type)
{
    enum family is = family_of(type);
    return is != FAMILY_LIST && is != FAMILY_MAP && strcmp(type, "next-hop") != 0;
}

bool check_coming(const struct scope *scope, const struct node *node, const char *path, const char *wanted,
                  const char *coming)
{
    const char *name = path ? path : "it", *field = scope->field ? scope->field : "";
    size_t n = scope->field_path ? strlen(scope->field_path) : 0;
    if (type_fits(wanted, coming))
        return true;
    // An item is named below its field, one in a variable below that.
    bool below = !path || (n && strncmp(path, scope->field_path, n) == 0);
    if (below)
        name = path ? path + n : "";
    diag_error(scope->diags, node->place, "`%s%s` is %s, but %s will be %s", below ? field : "", name, wanted,
               node->text ? node->text : "the value", coming);
    return false;
}
