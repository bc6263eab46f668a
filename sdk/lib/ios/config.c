// Reading a configuration: lines into a tree by their indentation, each in one normal form.
#include "tree.h"

#include <ctype.h>
#include <string.h>

// ---- normal form ----

static const char *const interface_types[] = {
    "GigabitEthernet", "TenGigabitEthernet", "FastEthernet", "Ethernet",         "Loopback", "Tunnel",
    "Serial",          "Port-channel",       "Vlan",         "VirtualPortGroup", "BDI",      "Null",
};

static char *whole_interface(const char *word, size_t len)
{
    size_t letters = 0, hits = 0;
    const char *type = NULL;
    while (letters < len && !isdigit((unsigned char)word[letters]))
        letters++;
    if (!letters || letters == len)
        return NULL;
    for (size_t i = 0; i < sizeof interface_types / sizeof *interface_types; i++) {
        size_t n = strlen(interface_types[i]);
        if (letters > n || strncasecmp(word, interface_types[i], letters) != 0)
            continue;
        type = interface_types[i];
        hits++;
        if (letters == n) {
            hits = 1;
            break;
        }
    }
    return hits == 1 ? ist_printf("%s%.*s", type, (int)(len - letters), word + letters) : NULL;
}

// Abbreviations that people write, by the first words of a line.
static const struct {
    const char *abbreviated, *whole;
} known[] = {
    {"int", "interface"},
    {"desc", "description"},
    {"shut", "shutdown"},
    {"no shut", "no shutdown"},
    {"ip addr", "ip address"},
    {"ip add", "ip address"},
    {"no ip addr", "no ip address"},
    {"no ip redir", "no ip redirects"},
    {"host", "hostname"},
};

static char *squeeze(const char *line)
{
    size_t n = strlen(line), to = 0;
    char *out = ist_malloc(n + 1);
    bool space = false;
    line += strspn(line, " \t");
    for (; *line && *line != '\r' && *line != '\n'; line++) {
        if (*line == ' ' || *line == '\t') {
            space = true;
            continue;
        }
        if (space && to)
            out[to++] = ' ';
        space = false;
        out[to++] = *line;
    }
    out[to] = 0;
    return out;
}

// "tu 0" and "Tu0" after a word that an interface follows.
static char *with_interface(char *text)
{
    static const char *const heads[] = {"interface",
                                        "tunnel source",
                                        "passive-interface",
                                        "no passive-interface",
                                        "match interface",
                                        "no interface",
                                        NULL};
    for (size_t i = 0; heads[i]; i++) {
        size_t n = strlen(heads[i]);
        if (!rules_begins(text, heads[i]) || !text[n])
            continue;
        const char *rest = text + n + 1;
        size_t len = strcspn(rest, " ");
        char *word = ist_strndup(rest, len);
        const char *more = rest + len;
        // Written apart: "Tunnel 0".
        if (isalpha((unsigned char)*word) && strspn(word, "0123456789") == 0 && more[0] == ' ' &&
            isdigit((unsigned char)more[1]) && !strpbrk(word, "0123456789")) {
            size_t digits = strcspn(more + 1, " ");
            char *joined = ist_printf("%s%.*s", word, (int)digits, more + 1);
            ist_free(word);
            word = joined;
            more += 1 + digits;
        }
        char *whole = whole_interface(word, strlen(word));
        char *out = whole ? ist_printf("%s %s%s", heads[i], whole, more) : NULL;
        ist_free(word);
        ist_free(whole);
        if (out) {
            ist_free(text);
            return out;
        }
        break;
    }
    return text;
}

char *ist_ios_normalise(const char *line)
{
    char *text = squeeze(line);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!rules_begins(text, known[i].abbreviated))
            continue;
        char *longer = ist_printf("%s%s", known[i].whole, text + strlen(known[i].abbreviated));
        ist_free(text);
        text = longer;
        break;
    }
    return with_interface(text);
}

// ---- nodes ----

static struct node *node_new(struct node *parent, const char *line)
{
    struct node *node = ist_calloc(1, sizeof *node);
    size_t at, len;
    char *marked = ist_strdup(line), *first = strchr(marked, IST_IOS_SECRET);
    // The marks only say that something is a secret; where it is, the rules know for most lines.
    char *second = first ? strchr(first + 1, IST_IOS_SECRET) : NULL;
    if (second) {
        node->secret = ist_strndup(first + 1, (size_t)(second - first - 1));
        memmove(second, second + 1, strlen(second + 1) + 1);
        memmove(first, first + 1, strlen(first + 1) + 1);
    }
    node->text = ist_ios_normalise(marked);
    ist_free_secret(marked);
    if (rules_secret(node->text, &at, &len, &node->type)) {
        ist_free_secret(node->secret);
        node->secret = ist_strndup(node->text + at, len);
        // The type is the device's choice and no part of what is wanted.
        size_t before =
            at >= 2 && node->text[at - 2] == node->type + '0' && at >= 3 && node->text[at - 3] == ' ' ? at - 2
                                                                                                      : at;
        node->shown = ist_printf("%.*s<secret>%s", (int)before, node->text, node->text + at + len);
    } else if (node->secret && *node->secret) {
        const char *hit = strstr(node->text, node->secret);
        node->shown = hit ? ist_printf("%.*s<secret>%s", (int)(hit - node->text), node->text,
                                       hit + strlen(node->secret))
                          : ist_strdup("<secret>");
    } else {
        node->shown = ist_strdup(node->text);
    }
    node->parent = parent;
    if (parent && parent->count == parent->room) {
        parent->room = parent->room ? 2 * parent->room : 8;
        parent->child = ist_realloc(parent->child, parent->room, sizeof *parent->child);
    }
    if (parent)
        parent->child[parent->count++] = node;
    return node;
}

static void node_free(struct node *node)
{
    if (!node)
        return;
    for (size_t i = 0; i < node->count; i++)
        node_free(node->child[i]);
    ist_free(node->child);
    ist_free_secret(node->text);
    ist_free_secret(node->secret);
    ist_free(node->shown);
    ist_free(node);
}

// ---- parsing ----

static bool is_noise(const char *line)
{
    static const char *const words[] = {"Building configuration",
                                        "Current configuration",
                                        "version",
                                        "end",
                                        "ntp clock-period",
                                        "Using",
                                        NULL};
    if (!*line || *line == '!')
        return true;
    for (size_t i = 0; words[i]; i++) {
        size_t n = strlen(words[i]);
        if (strncmp(line, words[i], n) == 0 &&
            (!line[n] || line[n] == ' ' || line[n] == '.' || line[n] == ':'))
            return true;
    }
    return false;
}

struct open {
    size_t indent;
    struct node *node;
};

struct parsing {
    struct node *root;
    struct open stack[IST_IOS_MAX_DEPTH];
    size_t depth, lines;
    char banner[4]; // what ends the banner that is being skipped
};

// A banner's text is anybody's prose: it is skipped whole.
static bool in_banner(struct parsing *p, const char *line)
{
    if (p->banner[0]) {
        if (strstr(line, p->banner))
            p->banner[0] = 0;
        return true;
    }
    if (!rules_begins(line, "banner"))
        return false;
    const char *mark = line + strcspn(line, " ");
    mark += strspn(mark, " ");
    mark += strcspn(mark, " ");
    mark += strspn(mark, " ");
    if (!*mark)
        return true;
    size_t n = *mark == '^' && mark[1] ? 2 : 1;
    memcpy(p->banner, mark, n);
    p->banner[n] = 0;
    if (strstr(mark + n, p->banner)) // on one line
        p->banner[0] = 0;
    return true;
}

static void add_line(struct parsing *p, const char *line, size_t indent)
{
    while (p->depth && p->stack[p->depth - 1].indent >= indent)
        p->depth--;
    struct node *parent = p->depth ? p->stack[p->depth - 1].node : p->root;
    struct node *node = node_new(parent, line);
    if (p->depth < IST_IOS_MAX_DEPTH)
        p->stack[p->depth++] = (struct open){indent, node};
}

int32_t ist_ios_config_parse(const char *text, size_t len, ist_ios_config **out, ist_error *err)
{
    struct parsing p = {.root = ist_calloc(1, sizeof *p.root)};
    p.root->text = ist_strdup("");
    p.root->shown = ist_strdup("");
    int32_t rc = IST_OK;
    for (size_t at = 0; at < len && rc == IST_OK;) {
        const char *nl = memchr(text + at, '\n', len - at);
        size_t row = nl ? (size_t)(nl - text) - at : len - at;
        char *line = ist_strndup(text + at, row);
        size_t indent = strspn(line, " \t");
        for (size_t n = strlen(line); n && (line[n - 1] == '\r' || line[n - 1] == ' '); n--)
            line[n - 1] = 0;
        if (indent > strlen(line))
            indent = strlen(line);
        if (!in_banner(&p, line + indent) && !is_noise(line + indent)) {
            if (++p.lines > IST_IOS_MAX_LINES)
                rc = ist_fail(err, IST_ERR_LIMIT, "configuration", "more than %d lines", IST_IOS_MAX_LINES);
            else
                add_line(&p, line + indent, indent);
        }
        ist_free_secret(line);
        at += row + 1;
    }
    if (rc != IST_OK) {
        node_free(p.root);
        return rc;
    }
    *out = ist_calloc(1, sizeof **out);
    (*out)->root = p.root;
    return IST_OK;
}

void ist_ios_config_free(ist_ios_config *config)
{
    if (!config)
        return;
    node_free(config->root);
    ist_free(config);
}

// ---- looking ----

static void print(const struct node *node, int depth, int redact, ist_buf *out)
{
    for (size_t i = 0; i < node->count; i++) {
        const struct node *child = node->child[i];
        ist_buf_printf(out, "%*s%s\n", depth, "", redact ? child->shown : child->text);
        print(child, depth + 1, redact, out);
    }
}

char *ist_ios_config_text(const ist_ios_config *config, int redact)
{
    ist_buf out = {.max = 0};
    print(config->root, 0, redact, &out);
    return ist_buf_take(&out);
}

static const struct node *child_of(const struct node *node, const char *text)
{
    for (size_t i = 0; i < node->count; i++) {
        if (strcmp(node->child[i]->text, text) == 0)
            return node->child[i];
    }
    return NULL;
}

int32_t ist_ios_config_has(const ist_ios_config *config, const char *const *path)
{
    const struct node *node = config->root;
    for (; node && *path; path++)
        node = child_of(node, *path);
    return node != NULL;
}

const char *ist_ios_config_value(const ist_ios_config *config, const char *section, const char *prefix)
{
    const struct node *node = section ? child_of(config->root, section) : config->root;
    for (size_t i = 0; node && i < node->count; i++) {
        const char *text = node->child[i]->text;
        if (rules_begins(text, prefix)) {
            text += strlen(prefix);
            return *text ? text + 1 : text;
        }
    }
    return NULL;
}
