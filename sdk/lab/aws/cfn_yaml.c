// Templates in YAML: the same tree as JSON's, with the short forms of functions (!Ref, !Sub, !GetAtt ...) spelled out.
#include "cfn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { MAX_DEPTH = 32, MAX_NODES = 20000 };

struct reader {
    yaml_document_t *document;
    int nodes;
};

static json_t *value_of(struct reader *r, int index, int depth);

static json_t *plain_scalar(const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);
    if (!strcmp(text, "true") || !strcmp(text, "false"))
        return json_boolean(*text == 't');
    if (!*text || !strcmp(text, "null") || !strcmp(text, "~"))
        return json_null();
    bool octal = text[0] == '0' && text[1]; // account numbers keep their zeros
    return *end || octal ? json_string(text) : json_integer(number);
}

static json_t *untagged(struct reader *r, const yaml_node_t *node, int depth)
{
    if (node->type == YAML_SCALAR_NODE) {
        const char *text = (const char *)node->data.scalar.value;
        return node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? plain_scalar(text) : json_string(text);
    }
    if (node->type == YAML_SEQUENCE_NODE) {
        json_t *list = json_array();
        for (yaml_node_item_t *i = node->data.sequence.items.start; list && i < node->data.sequence.items.top;
             i++) {
            json_t *member = value_of(r, *i, depth + 1);
            if (!member || json_array_append_new(list, member) != 0) {
                json_decref(list);
                list = NULL;
            }
        }
        return list;
    }
    json_t *map = json_object();
    for (yaml_node_pair_t *p = node->data.mapping.pairs.start; map && p < node->data.mapping.pairs.top; p++) {
        yaml_node_t *key = yaml_document_get_node(r->document, p->key);
        json_t *member = key && key->type == YAML_SCALAR_NODE ? value_of(r, p->value, depth + 1) : NULL;
        if (!member || json_object_set_new(map, (const char *)key->data.scalar.value, member) != 0) {
            json_decref(map);
            map = NULL;
        }
    }
    return map;
}

static json_t *value_of(struct reader *r, int index, int depth)
{
    yaml_node_t *node = yaml_document_get_node(r->document, index);
    if (!node || depth > MAX_DEPTH || ++r->nodes > MAX_NODES)
        return NULL;
    const char *tag = (const char *)node->tag;
    if (!tag || *tag != '!' || !tag[1])
        return untagged(r, node, depth);
    json_t *value = node->type == YAML_SCALAR_NODE ? json_string((const char *)node->data.scalar.value)
                                                   : untagged(r, node, depth);
    char *name = !strcmp(tag, "!Ref") || !strcmp(tag, "!Condition") ? lab_strdup(tag + 1)
                                                                    : lab_format("Fn::%s", tag + 1);
    json_t *call = value ? json_pack("{so}", name, value) : NULL;
    free(name);
    return call;
}

json_t *cfn_yaml(const char *text, char *why, size_t size)
{
    yaml_parser_t parser;
    yaml_document_t document;
    json_t *tree = NULL;
    if (!yaml_parser_initialize(&parser))
        return NULL;
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, strlen(text));
    if (yaml_parser_load(&parser, &document)) {
        struct reader r = {.document = &document};
        tree = yaml_document_get_root_node(&document) ? value_of(&r, 1, 0) : NULL;
        yaml_document_delete(&document);
        snprintf(why, size, "the template is empty, too deep or too large");
    } else {
        snprintf(why, size, "line %zu, column %zu", parser.problem_mark.line + 1,
                 parser.problem_mark.column + 1);
    }
    yaml_parser_delete(&parser);
    return tree;
}
