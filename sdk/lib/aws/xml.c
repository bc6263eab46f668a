// What the Query services answer, as a tree: expat's events onto a stack of objects.
#include "internal.h"

#include <expat.h>
#include <string.h>

#define MAX_DEPTH    64
#define MAX_ELEMENTS 500000u
#define MAX_SIZE     (16u << 20)

struct level {
    char *name;     // of the element
    json_t *object; // its children; NULL while it has none
    json_t *list;   // its item/member children; NULL while it has none
    ist_buf text;
};

struct reader {
    XML_Parser parser;
    struct level levels[MAX_DEPTH];
    int depth;
    size_t elements;
    json_t *root;
    char *root_name;
    const char *refused; // why the document was refused, or NULL
};

static void refuse(struct reader *r, const char *why)
{
    if (r->refused == NULL)
        r->refused = why;
    XML_StopParser(r->parser, XML_FALSE);
}

static void on_doctype(void *arg, const XML_Char *name, const XML_Char *system_id, const XML_Char *public_id,
                       int internal_subset)
{
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)internal_subset;
    refuse(arg, "it has a DOCTYPE");
}

static const char *local_name(const char *name)
{
    const char *colon = strrchr(name, ':');
    return colon != NULL ? colon + 1 : name;
}

static void on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
    struct reader *r = arg;
    (void)attributes;
    if (r->refused != NULL)
        return;
    if (r->depth >= MAX_DEPTH) {
        refuse(r, "it is nested too deeply");
        return;
    }
    if (++r->elements > MAX_ELEMENTS) {
        refuse(r, "it has too many elements");
        return;
    }
    if (r->depth == 0)
        r->root_name = ist_strdup(local_name(name));
    r->levels[r->depth++] = (struct level){.name = ist_strdup(local_name(name)), .text = {.max = MAX_SIZE}};
}

static void on_text(void *arg, const XML_Char *text, int len)
{
    struct reader *r = arg;
    if (r->refused == NULL && r->depth > 0 &&
        ist_buf_add(&r->levels[r->depth - 1].text, text, (size_t)len) != IST_OK)
        refuse(r, "its text is too long");
}

static json_t *text_of(struct level *level)
{
    json_t *string = json_stringn(level->text.data != NULL ? level->text.data : "", level->text.len);
    return string != NULL ? string : json_string("");
}

// The value of a finished element: a list when its children are item or member, an object when it has others,
// else its text.
static json_t *value_of(struct level *level)
{
    json_t *value;
    if (level->list != NULL && level->object == NULL)
        value = json_incref(level->list);
    else if (level->object != NULL)
        value = json_incref(level->object);
    else
        value = text_of(level);
    json_decref(level->list);
    json_decref(level->object);
    ist_buf_free(&level->text);
    return value;
}

// Takes value.
static void add_child(struct level *parent, const char *name, json_t *value)
{
    if (strcmp(name, "item") == 0 || strcmp(name, "member") == 0) {
        if (parent->list == NULL)
            parent->list = json_array();
        json_array_append_new(parent->list, value);
        return;
    }
    if (parent->object == NULL)
        parent->object = json_object();
    json_t *before = json_object_get(parent->object, name);
    if (before == NULL) {
        json_object_set_new(parent->object, name, value);
    } else if (json_is_array(before)) {
        json_array_append_new(before, value);
    } else { // a name that comes again: a list without an item element
        json_t *list = json_pack("[O,o]", before, value);
        json_object_set_new(parent->object, name, list);
    }
}

static void on_end(void *arg, const XML_Char *name)
{
    struct reader *r = arg;
    (void)name;
    if (r->refused != NULL || r->depth == 0)
        return;
    struct level *level = &r->levels[--r->depth];
    json_t *value = value_of(level);
    if (r->depth == 0)
        r->root = value;
    else
        add_child(&r->levels[r->depth - 1], level->name, value);
    ist_free(level->name);
    *level = (struct level){0};
}

static void discard(struct reader *r)
{
    while (r->depth > 0) {
        struct level *level = &r->levels[--r->depth];
        json_decref(value_of(level));
        ist_free(level->name);
    }
    json_decref(r->root);
    ist_free(r->root_name);
}

static int ends_with(const char *text, const char *end)
{
    const size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

int32_t aws_xml_parse(const char *text, size_t len, int is_answer, const char *where, json_t **tree,
                      ist_error *err)
{
    if (len > MAX_SIZE)
        return ist_fail(err, IST_ERR_LIMIT, where, "the answer is larger than %u bytes", MAX_SIZE);
    struct reader *r = ist_calloc(1, sizeof(*r));
    r->parser = XML_ParserCreate(NULL);
    if (r->parser == NULL) {
        ist_free(r);
        return ist_fail(err, IST_ERR_INTERNAL, where, "cannot make an XML parser");
    }
    XML_SetUserData(r->parser, r);
    XML_SetElementHandler(r->parser, on_start, on_end);
    XML_SetCharacterDataHandler(r->parser, on_text);
    XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
    int32_t rc = IST_OK;
    const enum XML_Status status = XML_Parse(r->parser, text, (int)len, 1);
    if (r->refused != NULL)
        rc = ist_fail(err, IST_ERR_REMOTE, where, "the answer's XML is refused: %s", r->refused);
    else if (status != XML_STATUS_OK || r->root == NULL) {
        rc = ist_fail(err, IST_ERR_REMOTE, where, "the answer is no XML: line %lu: %s",
                      (unsigned long)XML_GetCurrentLineNumber(r->parser),
                      XML_ErrorString(XML_GetErrorCode(r->parser)));
        ist_hint(err, "a proxy, or another service, may have answered in the place of AWS");
    } else if (is_answer && (!ends_with(r->root_name, "Response") || strcmp(r->root_name, "Response") == 0 ||
                             strcmp(r->root_name, "ErrorResponse") ==
                                 0)) { // those are errors, and no list is empty for one
        rc = ist_fail(err, IST_ERR_REMOTE, where, "the answer is none of AWS's but <%.60s>", r->root_name);
        ist_hint(err, "a proxy, or another service, may have answered in the place of AWS");
    }
    if (rc == IST_OK) {
        *tree = r->root;
        r->root = NULL;
    }
    discard(r);
    XML_ParserFree(r->parser);
    ist_free(r);
    return rc;
}
