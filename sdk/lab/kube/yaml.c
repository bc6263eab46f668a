#include "yaml.h"

#include "../lab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { MAX_DEPTH = 100 };

// A plain scalar's type by YAML's core schema.
static json_t *scalar(const yaml_node_t *node)
{
    const char *text = (const char *)node->data.scalar.value;
    size_t len = node->data.scalar.length;
    if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return json_stringn(text, len);
    if (!len || strcmp(text, "~") == 0 || strcmp(text, "null") == 0)
        return json_null();
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        return json_boolean(*text == 't');
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (!*end && !errno && *text != '+')
        return json_integer(n);
    double d = strtod(text, &end);
    if (!*end && strpbrk(text, "0123456789") && !strpbrk(text, "xXnN"))
        return json_real(d);
    return json_stringn(text, len);
}

static json_t *node_json(yaml_document_t *document, yaml_node_t *node, int depth)
{
    if (!node || depth > MAX_DEPTH)
        return NULL;
    if (node->type == YAML_SCALAR_NODE)
        return scalar(node);
    json_t *result = node->type == YAML_SEQUENCE_NODE ? json_array() : json_object();
    if (node->type == YAML_SEQUENCE_NODE) {
        for (yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top; i++)
            json_array_append_new(result,
                                  node_json(document, yaml_document_get_node(document, *i), depth + 1));
        return result;
    }
    for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++) {
        yaml_node_t *key = yaml_document_get_node(document, p->key);
        if (key && key->type == YAML_SCALAR_NODE)
            json_object_set_new(result, (const char *)key->data.scalar.value,
                                node_json(document, yaml_document_get_node(document, p->value), depth + 1));
    }
    return result;
}

json_t *kube_yaml(const char *text, size_t len, char **why)
{
    yaml_parser_t parser;
    json_t *documents = json_array();
    bool more = true;
    if (!yaml_parser_initialize(&parser))
        abort();
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    while (more && documents) {
        yaml_document_t document;
        if (!yaml_parser_load(&parser, &document)) {
            *why = lab_format("yaml: line %zu: %s", parser.problem_mark.line + 1,
                              parser.problem ? parser.problem : "error");
            json_decref(documents);
            documents = NULL;
            break;
        }
        yaml_node_t *root = yaml_document_get_root_node(&document);
        json_t *value = root ? node_json(&document, root, 0) : NULL;
        more = root != NULL;
        if (value && !json_is_null(value))
            json_array_append(documents, value);
        json_decref(value);
        yaml_document_delete(&document);
    }
    yaml_parser_delete(&parser);
    return documents;
}
