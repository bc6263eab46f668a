// Reading YAML into nodes: libyaml's events, places, anchors, merge keys and includes.
#include "config/node.h"

#include <isthmus/alloc.h>
#include <isthmus/yaml.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#define MAX_DEPTH    64
#define MAX_SIZE     ((size_t)4 << 20)
#define MAX_ALIASED  10000
#define MAX_KEYS     10000
#define MAX_INCLUDED 16 // deep
#define MAX_FILES    1000
#define MAX_BYTES    ((size_t)64 << 20)

// What one file of conf.d may draw in, over all levels: includes must not multiply.
struct budget {
    size_t files, bytes;
};

// A file under way, and the one that includes it.
struct open_file {
    const char *path;
    dev_t device;
    ino_t inode;
    const struct open_file *parent;
    int depth;
};

struct anchor {
    const char *name;
    struct node *node;
};

struct reader {
    struct arena *arena;
    struct diags *diags;
    yaml_parser_t parser;
    const char *file, *text;
    size_t len;
    const struct open_file *open; // NULL for text
    struct anchor *anchors;
    size_t anchor_count, aliased;
    struct budget *budget;
};

static int read_file(struct arena *arena, struct diags *diags, const char *path,
                     const struct open_file *parent, struct place from, int depth, struct budget *budget,
                     struct node **root);

static struct place place_of(const struct reader *r, yaml_mark_t mark)
{
    return (struct place){r->file, (int)mark.line + 1, (int)mark.column + 1};
}

// ---- errors of the YAML itself

// libyaml tells a byte offset only when bytes are no text.
static struct place place_at(const struct reader *r, size_t offset)
{
    struct place place = {r->file, 1, 1};
    for (size_t i = 0; i < offset && i < r->len; i++) {
        place.column++;
        if (r->text[i] == '\n')
            place = (struct place){r->file, place.line + 1, 1};
    }
    return place;
}

static void hint_problem(struct reader *r, yaml_mark_t mark)
{
    const char *line = r->text + (mark.index < r->len ? mark.index : r->len), *end = r->text + r->len;
    if (line < end && *line == '\t') {
        diag_hint(r->diags, "YAML is indented with spaces, not with tabs");
        return;
    }
    while (line > r->text && line[-1] != '\n')
        line--;
    const char *stop = memchr(line, '\n', (size_t)(end - line));
    if (memmem(line, (size_t)((stop ? stop : end) - line), "${", 2))
        diag_hint(r->diags, "within [ ] and { }, and where more text follows, put ${...} in quotes");
    else if (r->parser.context)
        diag_hint(r->diags, "%s that begins in line %zu, column %zu", r->parser.context,
                  r->parser.context_mark.line + 1, r->parser.context_mark.column + 1);
}

static int next(struct reader *r, yaml_event_t *event)
{
    if (yaml_parser_parse(&r->parser, event))
        return 0;
    const char *problem = r->parser.problem ? r->parser.problem : "cannot be read";
    if (r->parser.error == YAML_READER_ERROR) {
        diag_error(r->diags, place_at(r, r->parser.problem_offset), "not valid YAML: %s", problem);
    } else {
        diag_error(r->diags, place_of(r, r->parser.problem_mark), "not valid YAML: %s", problem);
        hint_problem(r, r->parser.problem_mark);
    }
    return -1;
}

// ---- scalars

static enum node_kind kind_of(const char *text)
{
    json_t *json = ist_yaml_scalar(text);
    json_type type = json ? json_typeof(json) : JSON_STRING;
    json_decref(json);
    switch (type) {
    case JSON_NULL:
        return NODE_NULL;
    case JSON_TRUE:
    case JSON_FALSE:
        return NODE_BOOL;
    case JSON_INTEGER:
        return NODE_INT;
    case JSON_REAL:
        return NODE_REAL;
    default:
        return NODE_STRING;
    }
}

static int include(struct reader *r, const char *path, struct place place, int depth, struct node **node)
{
    if (!*path) {
        diag_error(r->diags, place, "!include needs the path of a file");
        return -1;
    }
    const char *slash = strrchr(r->file, '/');
    char *full = *path == '/' || !slash ? ist_strdup(path)
                                        : ist_printf("%.*s/%s", (int)(slash - r->file), r->file, path);
    int rc = read_file(r->arena, r->diags, full, r->open, place, depth, r->budget, node);
    ist_free(full);
    return rc;
}

static int read_scalar(struct reader *r, const yaml_event_t *event, int depth, struct node **node)
{
    static const char core[] = "tag:yaml.org,2002:";
    const char *text = (const char *)event->data.scalar.value, *tag = (const char *)event->data.scalar.tag;
    struct place place = place_of(r, event->start_mark);
    size_t len = event->data.scalar.length;
    if (memchr(text, '\0', len)) {
        diag_error(r->diags, place, "a NUL character in a text");
        return -1;
    }
    if (tag && strcmp(tag, "!include") == 0)
        return include(r, text, place, depth, node);
    bool plain = event->data.scalar.plain_implicit != 0;
    if (tag && strcmp(tag, "!") != 0) {
        const char *name = strncmp(tag, core, sizeof(core) - 1) == 0 ? tag + sizeof(core) - 1 : "";
        bool text_tag = strcmp(name, "str") == 0;
        if (!text_tag && strcmp(name, "int") != 0 && strcmp(name, "float") != 0 &&
            strcmp(name, "bool") != 0 && strcmp(name, "null") != 0) {
            diag_error(r->diags, place, "unknown tag %s: there is !include", tag);
            return -1;
        }
        plain = !text_tag;
    }
    struct node *made = node_new(r->arena, plain ? kind_of(text) : NODE_STRING, place);
    made->text = arena_strndup(r->arena, text, len);
    made->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    *node = made;
    return 0;
}

// ---- anchors and aliases

static void remember(struct reader *r, const yaml_char_t *name, struct node *node)
{
    if (!name)
        return;
    r->anchors = ist_realloc(r->anchors, r->anchor_count + 1, sizeof(struct anchor));
    const char *copy = arena_strndup(r->arena, (const char *)name, strlen((const char *)name));
    r->anchors[r->anchor_count++] = (struct anchor){copy, node};
}

static size_t nodes_of(const struct node *node)
{
    size_t sum = 1;
    for (size_t i = 0; i < node->count; i++)
        sum += nodes_of(node->items[i]);
    return sum;
}

static int read_alias(struct reader *r, const yaml_event_t *event, struct node **node)
{
    const char *name = (const char *)event->data.alias.anchor;
    struct place place = place_of(r, event->start_mark);
    for (size_t i = r->anchor_count; i-- > 0;) {
        if (strcmp(r->anchors[i].name, name) != 0)
            continue;
        r->aliased += nodes_of(r->anchors[i].node);
        if (r->aliased > MAX_ALIASED) {
            diag_error(r->diags, place, "aliases stand for over %d nodes", MAX_ALIASED);
            return -1;
        }
        *node = r->anchors[i].node;
        return 0;
    }
    diag_error(r->diags, place, "no anchor `%s` before this alias", name);
    return -1;
}

// ---- lists and maps

static int read_node(struct reader *r, const yaml_event_t *event, int depth, struct node **node);

static int read_list(struct reader *r, int depth, struct node *list)
{
    for (;;) {
        yaml_event_t event;
        if (next(r, &event))
            return -1;
        bool end = event.type == YAML_SEQUENCE_END_EVENT;
        struct node *item = NULL;
        int rc = end ? 0 : read_node(r, &event, depth, &item);
        yaml_event_delete(&event);
        if (end || rc)
            return rc;
        node_add(r->arena, list, node_as(r->arena, item, NULL, item->place));
    }
}

// A merge key's maps, the first of a list winning; what stands in the map itself wins over all.
static int merge_in(struct reader *r, struct node *map, const struct node *merge)
{
    size_t count = merge->kind == NODE_LIST ? merge->count : 1;
    for (size_t i = 0; i < count; i++) {
        const struct node *from = merge->kind == NODE_LIST ? merge->items[i] : merge;
        if (from->kind != NODE_MAP) {
            diag_error(r->diags, from->place, "the merge key << needs a map or a list of maps, found %s",
                       node_kind_name(from->kind));
            return -1;
        }
        for (size_t k = 0; k < from->count; k++)
            if (!node_get(map, from->items[k]->key))
                node_add(r->arena, map, from->items[k]);
    }
    return 0;
}

// One key and its value; *done at the end of the map.
static int read_pair(struct reader *r, int depth, struct node *map, struct node **merge, bool *done)
{
    yaml_event_t event;
    if (next(r, &event))
        return -1;
    *done = event.type == YAML_MAPPING_END_EVENT;
    struct place place = place_of(r, event.start_mark);
    struct node *key = NULL, *value = NULL;
    int rc = 0;
    if (!*done && event.type != YAML_SCALAR_EVENT) {
        diag_error(r->diags, place, "a key must be text");
        rc = -1;
    } else if (!*done) {
        rc = read_scalar(r, &event, depth, &key);
    }
    bool plain = !*done && event.type == YAML_SCALAR_EVENT && event.data.scalar.plain_implicit;
    yaml_event_delete(&event);
    if (*done || rc)
        return rc;
    if (!key->text || next(r, &event)) {
        if (!key->text)
            diag_error(r->diags, place, "a key cannot be an !include");
        return -1;
    }
    rc = read_node(r, &event, depth, &value);
    yaml_event_delete(&event);
    if (rc)
        return rc;
    bool is_merge = plain && strcmp(key->text, "<<") == 0;
    const struct node *twin = node_get(map, key->text);
    if (twin || (is_merge && *merge)) {
        diag_error(r->diags, place, "duplicate key `%s`", key->text);
        if (twin)
            diag_hint(r->diags, "it stands in line %d already", twin->key_place.line);
    } else if (map->count >= MAX_KEYS) {
        diag_error(r->diags, place, "a map of over %d keys", MAX_KEYS);
        return -1;
    } else if (is_merge) {
        *merge = value;
    } else {
        node_add(r->arena, map, node_as(r->arena, value, key->text, place));
    }
    return 0;
}

static int read_map(struct reader *r, int depth, struct node *map)
{
    struct node *merge = NULL;
    bool done = false;
    while (!done)
        if (read_pair(r, depth, map, &merge, &done))
            return -1;
    return merge ? merge_in(r, map, merge) : 0;
}

static int read_node(struct reader *r, const yaml_event_t *event, int depth, struct node **node)
{
    struct place place = place_of(r, event->start_mark);
    if (depth > MAX_DEPTH) {
        diag_error(r->diags, place, "nested over %d levels", MAX_DEPTH);
        return -1;
    }
    if (event->type == YAML_ALIAS_EVENT)
        return read_alias(r, event, node);
    struct node *made = NULL;
    const yaml_char_t *name, *tag = NULL;
    int rc;
    if (event->type == YAML_SCALAR_EVENT) {
        name = event->data.scalar.anchor;
        rc = read_scalar(r, event, depth, &made);
    } else {
        bool is_list = event->type == YAML_SEQUENCE_START_EVENT;
        name = is_list ? event->data.sequence_start.anchor : event->data.mapping_start.anchor;
        tag = is_list ? event->data.sequence_start.tag : event->data.mapping_start.tag;
        const char *own = is_list ? "tag:yaml.org,2002:seq" : "tag:yaml.org,2002:map";
        if (tag && strcmp((const char *)tag, own) != 0) {
            diag_error(r->diags, place, "tag %s does not go with %s", (const char *)tag,
                       is_list ? "a list" : "a map");
            return -1;
        }
        made = node_new(r->arena, is_list ? NODE_LIST : NODE_MAP, place);
        rc = is_list ? read_list(r, depth + 1, made) : read_map(r, depth + 1, made);
    }
    if (rc)
        return rc;
    remember(r, name, made);
    *node = made;
    return 0;
}

// ---- documents and files

static int read_document(struct reader *r, int depth, struct node **root)
{
    struct node *found = NULL;
    for (;;) {
        yaml_event_t event;
        if (next(r, &event))
            return -1;
        yaml_event_type_t type = event.type;
        int rc = 0;
        if (found && type == YAML_DOCUMENT_START_EVENT) {
            diag_error(r->diags, place_of(r, event.start_mark), "a second document in one file");
            rc = -1;
        } else if (type != YAML_STREAM_START_EVENT && type != YAML_STREAM_END_EVENT &&
                   type != YAML_DOCUMENT_START_EVENT && type != YAML_DOCUMENT_END_EVENT) {
            rc = read_node(r, &event, depth, &found);
        }
        yaml_event_delete(&event);
        if (rc)
            return rc;
        if (type == YAML_STREAM_END_EVENT) {
            *root = found ? found : node_new(r->arena, NODE_NULL, (struct place){r->file, 1, 1});
            return 0;
        }
    }
}

static int read_text(struct arena *arena, struct diags *diags, const char *file, const char *text, size_t len,
                     const struct open_file *open, int depth, struct budget *budget, struct node **root)
{
    struct reader r = {.arena = arena, .diags = diags, .file = file, .text = text, .len = len, .open = open};
    r.budget = budget;
    size_t before = diags_errors(diags);
    if (len > MAX_SIZE) {
        diag_error(diags, (struct place){file, 0, 0}, "over the limit of 4 MiB");
        return -1;
    }
    if (!yaml_parser_initialize(&r.parser)) {
        diag_error(diags, (struct place){file, 0, 0}, "no memory for a YAML parser");
        return -1;
    }
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
    struct node *found = NULL;
    int rc = read_document(&r, depth, &found);
    yaml_parser_delete(&r.parser);
    ist_free(r.anchors);
    // Duplicate keys are said without stopping.
    if (rc || diags_errors(diags) > before)
        return -1;
    *root = found;
    return 0;
}

int node_read_text(struct arena *arena, struct diags *diags, const char *name, const char *text, size_t len,
                   struct node **root)
{
    struct budget budget = {0};
    const char *file = arena_strndup(arena, name, strlen(name));
    return read_text(arena, diags, file, text, len, NULL, 1, &budget, root);
}

// The whole file, or NULL with errno; what is no plain file is refused, so that a pipe cannot hang a run.
static char *slurp(const char *path, struct stat *info, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return NULL;
    char *text = NULL;
    size_t got = 0, room = 0;
    int saved = 0;
    if (fstat(fd, info))
        saved = errno;
    else if (!S_ISREG(info->st_mode))
        saved = S_ISDIR(info->st_mode) ? EISDIR : EINVAL;
    else if (info->st_size > (off_t)MAX_SIZE)
        saved = EFBIG;
    room = saved ? 1 : (size_t)info->st_size + 1;
    text = ist_malloc(room);
    while (!saved && got < room) {
        ssize_t n = read(fd, text + got, room - got);
        if (n < 0 && errno != EINTR)
            saved = errno;
        if (n == 0)
            break;
        got += n > 0 ? (size_t)n : 0;
    }
    close(fd);
    if (saved) {
        ist_free(text);
        errno = saved;
        return NULL;
    }
    *len = got;
    return text;
}

static void say_cycle(struct diags *diags, struct place from, const char *path,
                      const struct open_file *parent)
{
    ist_buf chain = {0};
    const struct open_file *files[MAX_INCLUDED + 1];
    size_t n = 0;
    for (const struct open_file *file = parent; file && n <= MAX_INCLUDED; file = file->parent)
        files[n++] = file;
    while (n-- > 0)
        ist_buf_printf(&chain, "%s -> ", files[n]->path);
    char *text = ist_buf_take(&chain);
    diag_error(diags, from, "files include each other: %s%s", text, path);
    ist_free(text);
}

static int check_include(struct diags *diags, struct place from, const struct open_file *self, size_t len,
                         struct budget *budget)
{
    for (const struct open_file *file = self->parent; file; file = file->parent) {
        if (file->device == self->device && file->inode == self->inode) {
            say_cycle(diags, from, self->path, self->parent);
            return -1;
        }
    }
    budget->bytes += len;
    const char *over = self->depth > MAX_INCLUDED    ? "files are included over 16 levels deep"
                       : ++budget->files > MAX_FILES ? "over 1,000 files are included"
                       : budget->bytes > MAX_BYTES   ? "over 64 MiB are included"
                                                     : NULL;
    if (over) {
        diag_error(diags, from, "%s", over);
        return -1;
    }
    return 0;
}

static int read_file(struct arena *arena, struct diags *diags, const char *path,
                     const struct open_file *parent, struct place from, int depth, struct budget *budget,
                     struct node **root)
{
    struct stat info;
    size_t len = 0;
    char *text = slurp(path, &info, &len);
    if (!text) {
        diag_error(diags, from, "cannot read %s: %s", path,
                   errno == EINVAL ? "it is not a plain file" : strerror(errno));
        return -1;
    }
    const char *file = arena_strndup(arena, path, strlen(path));
    struct open_file self = {file, info.st_dev, info.st_ino, parent, parent ? parent->depth + 1 : 0};
    int rc = check_include(diags, from, &self, len, budget);
    if (!rc)
        rc = read_text(arena, diags, file, text, len, &self, depth, budget, root);
    explicit_bzero(text, len);
    ist_free(text);
    return rc;
}

int node_read(struct arena *arena, struct diags *diags, const char *path, struct node **root)
{
    struct budget budget = {0};
    return read_file(arena, diags, path, NULL, (struct place){path, 0, 0}, 1, &budget, root);
}
