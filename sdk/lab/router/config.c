// A router's configuration: a tree of lines in the order in which IOS prints them.
#include "device.h"

#include <stdlib.h>
#include <string.h>

struct line *config_new(void)
{
    return lab_calloc(1, sizeof(struct line));
}

void config_free(struct line *line)
{
    if (!line)
        return;
    for (size_t i = 0; i < line->count; i++)
        config_free(line->child[i]);
    free(line->child);
    free(line->text);
    free(line->key);
    free(line);
}

static bool begins(const char *text, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncmp(text, prefix, len) == 0 && (text[len] == 0 || text[len] == ' ');
}

struct line *config_find(const struct line *section, const char *prefix, size_t i)
{
    for (size_t c = 0; section && c < section->count; c++) {
        if (begins(section->child[c]->text, prefix) && i-- == 0)
            return section->child[c];
    }
    return NULL;
}

const char *config_value(const struct line *section, const char *prefix)
{
    const struct line *line = config_find(section, prefix, 0);
    if (!line)
        return NULL;
    const char *rest = line->text + strlen(prefix);
    return *rest ? rest + 1 : rest;
}

bool config_has(const struct line *section, const char *text)
{
    for (size_t c = 0; section && c < section->count; c++) {
        if (!strcmp(section->child[c]->text, text))
            return true;
    }
    return false;
}

bool config_contains(const struct line *root, const struct line *line)
{
    bool found = root == line;
    for (size_t i = 0; !found && i < root->count; i++)
        found = config_contains(root->child[i], line);
    return found;
}

static void remove_child(struct line *section, size_t i)
{
    config_free(section->child[i]);
    memmove(&section->child[i], &section->child[i + 1], (section->count - i - 1) * sizeof *section->child);
    section->count--;
}

// Interfaces stand by kind, and by number: Loopback, Tunnel, GigabitEthernet.
static bool interface_before(const char *a, const char *b)
{
    static const char *const kinds[] = {"interface Loopback", "interface Tunnel",
                                        "interface GigabitEthernet"};
    size_t x = 0, y = 0;
    while (x < 3 && strncmp(a, kinds[x], strlen(kinds[x])) != 0)
        x++;
    while (y < 3 && strncmp(b, kinds[y], strlen(kinds[y])) != 0)
        y++;
    return x != y ? x < y : strcmp(a, b) < 0;
}

static struct line *insert(struct line *section, const struct rule *rule, const char *text, const char *key)
{
    struct line *line = lab_calloc(1, sizeof *line);
    line->text = lab_strdup(text);
    line->key = lab_strdup(key);
    line->rule = rule;
    line->parent = section;
    if (section->count == section->room) {
        size_t room = section->room ? 2 * section->room : 8;
        struct line **child = lab_calloc(room, sizeof *child);
        if (section->count)
            memcpy(child, section->child, section->count * sizeof *child);
        free(section->child);
        section->child = child;
        section->room = room;
    }
    // IOS prints by kind of command; equals stay in the order of their arrival, but for interfaces.
    size_t at = section->count;
    while (at > 0) {
        const struct line *before = section->child[at - 1];
        unsigned a = rule_order(before->rule), b = rule_order(rule);
        bool sorted = a == b && !strncmp(text, "interface ", 10) && interface_before(text, before->text);
        if (a < b || (a == b && !sorted))
            break;
        at--;
    }
    memmove(&section->child[at + 1], &section->child[at], (section->count - at) * sizeof *section->child);
    section->child[at] = line;
    section->count++;
    return line;
}

// ---- what IOS refuses because of the rest of the configuration ----

static const struct line *root_of(const struct line *line)
{
    while (line->parent)
        line = line->parent;
    return line;
}

static bool uses(const struct line *section, const char *prefix, const char *name)
{
    const struct line *line;
    for (size_t i = 0; (line = config_find(section, prefix, i)); i++) {
        const char *rest = line->text + strlen(prefix);
        rest += strspn(rest, " ");
        size_t len = strcspn(rest, " ");
        if (len == strlen(name) && !memcmp(rest, name, len))
            return true;
    }
    return false;
}

static bool used_in(const struct line *root, const char *sections, const char *prefix, const char *name)
{
    const struct line *section;
    for (size_t i = 0; (section = config_find(root, sections, i)); i++) {
        if (uses(section, prefix, name))
            return true;
    }
    return false;
}

struct reference {
    const char *kind;     // what is named
    const char *sections; // by lines of these sections
    const char *prefix;
    const char *in_use;  // said when it is removed all the same
    const char *missing; // said when it is named and does not exist; NULL: IOS takes it
};

static const struct reference references[] = {
    {"crypto ikev2 proposal", "crypto ikev2 policy", "proposal",
     "% Proposal is in use by a policy, it can not be removed", "% Proposal %s does not exist"},
    {"crypto ipsec transform-set", "crypto ipsec profile", "set transform-set",
     "% Transform set is in use by a profile, it can not be removed",
     "ERROR: transform set with tag %s does not exist."},
    {"crypto ipsec profile", "interface", "tunnel protection ipsec profile",
     "% Profile in use; cannot be removed", "ERROR: profile %s does not exist"},
    {"crypto ikev2 profile", "crypto ipsec profile", "set ikev2-profile",
     "% IKEv2 profile is in use by an IPsec profile, it can not be removed",
     "% IKEv2 profile %s does not exist"},
    {"crypto ikev2 keyring", "crypto ikev2 profile", "keyring local",
     "% Keyring is in use by a profile, it can not be removed", NULL},
};

static char *in_use(const struct line *root, const char *text)
{
    for (size_t i = 0; i < sizeof references / sizeof *references; i++) {
        const struct reference *r = &references[i];
        if (!begins(text, r->kind) || strlen(text) <= strlen(r->kind))
            continue;
        const char *name = text + strlen(r->kind) + 1;
        char *word = lab_format("%.*s", (int)strcspn(name, " "), name);
        bool used = used_in(root, r->sections, r->prefix, word);
        free(word);
        if (used)
            return lab_strdup(r->in_use);
    }
    return NULL;
}

static char *missing(const struct line *section, const char *text)
{
    for (size_t i = 0; section->text && i < sizeof references / sizeof *references; i++) {
        const struct reference *r = &references[i];
        if (!r->missing || !begins(section->text, r->sections) || !begins(text, r->prefix))
            continue;
        const char *name = text + strlen(r->prefix) + 1;
        char *word = lab_format("%.*s", (int)strcspn(name, " "), name), *say = NULL;
        const char *percent = strstr(r->missing, "%s");
        if (!uses(root_of(section), r->kind, word))
            say = lab_format("%.*s%s%s", (int)(percent - r->missing), r->missing, word, percent + 2);
        free(word);
        return say;
    }
    return NULL;
}

static bool interface_range(const char *text, uint32_t *first, uint32_t *last)
{
    char address[20], mask[20];
    uint32_t a, m;
    if (sscanf(text, "ip address %19s %19s", address, mask) != 2 || !lab_parse_ip(address, &a) ||
        !lab_parse_ip(mask, &m))
        return false;
    *first = a & m;
    *last = a | ~m;
    return true;
}

// Two interfaces may not share a network.
static char *overlap(const struct line *section, const char *text)
{
    uint32_t first, last, a, b;
    const struct line *other, *root = root_of(section);
    if (!begins(text, "ip address") || !interface_range(text, &first, &last))
        return NULL;
    for (size_t i = 0; (other = config_find(root, "interface", i)); i++) {
        const struct line *line = config_find(other, "ip address", 0);
        if (other != section && line && interface_range(line->text, &a, &b) && a <= last && first <= b) {
            char *net = lab_ip(first);
            char *say = lab_format("%% %s overlaps with %s", net, other->text + strlen("interface "));
            free(net);
            return say;
        }
    }
    return NULL;
}

// ---- one line ----

void config_remove(struct line *section, const char *prefix)
{
    for (size_t i = section->count; i-- > 0;) {
        if (begins(section->child[i]->text, prefix))
            remove_child(section, i);
    }
}

static char *negate(struct line *section, const struct match *m)
{
    char *say = section->parent ? NULL : in_use(section, m->text);
    if (say)
        return say;
    if (m->rule->on) {
        char *off = lab_format("no %s", m->text);
        if (!config_has(section, off))
            insert(section, m->rule, off, off);
        free(off);
        return NULL;
    }
    say = standing_notice(section, m->text, config_find(section, m->text, 0) ? m->text : NULL, true);
    char *left = standing_without(section, m->text);
    if (left) {
        config_remove(section, left);
        insert(section, m->rule, left, m->key);
    } else {
        config_remove(section, m->text);
    }
    free(left);
    return say;
}

// What the line takes the place of, NULL: nothing.
static const char *before(const struct line *section, const struct match *m)
{
    for (size_t i = 0; i < section->count; i++) {
        if (!strcmp(section->child[i]->key, m->key))
            return section->child[i]->text;
    }
    return NULL;
}

static struct line *set_line(struct line *section, const struct match *m)
{
    char *off = lab_format("no %s", m->text);
    config_remove(section, off);
    free(off);
    if (m->rule->on)
        return NULL;
    for (size_t i = 0; i < section->count; i++) {
        struct line *old = section->child[i];
        if (strcmp(old->key, m->key) != 0)
            continue;
        if (!strcmp(old->text, m->text))
            return old;
        if (m->rule->enters && old->rule->enters && !strcmp(m->rule->enters, old->rule->enters)) {
            // The same section with other words in its head (a transform set): what is in it stays.
            free(old->text);
            old->text = lab_strdup(m->text);
            old->rule = m->rule;
            return old;
        }
        remove_child(section, i);
        break;
    }
    if (m->rule->hidden && !strcmp(m->rule->hidden, m->text))
        return NULL;
    return insert(section, m->rule, m->text, m->key);
}

// `no crypto ikev2 proposal` without a name: a section goes by its name.
static bool nameless(const struct match *m)
{
    const char *name = strchr(m->rule->pattern, '<');
    return m->rule->enters && name && strlen(m->text) < (size_t)(name - m->rule->pattern);
}

char *config_apply(struct line *section, const char *mode, const char *text, struct match *match,
                   struct line **into)
{
    bool negated = false;
    const char *command = text + strspn(text, " ");
    *into = NULL;
    if (begins(command, "no") || begins(command, "default")) {
        negated = true;
        command += strcspn(command, " ");
        command += strspn(command, " ");
    }
    grammar_match(mode, command, negated, match);
    match->at += (size_t)(command - text);
    if (match->result == MATCH_OK && negated && nameless(match))
        match->result = MATCH_INCOMPLETE;
    if (match->result != MATCH_OK)
        return NULL;
    if (negated)
        return negate(section, match);
    char *say = missing(section, match->text);
    if (!say)
        say = overlap(section, match->text);
    if (!say)
        say = standing_refuses(section, match->text);
    if (say)
        return say;
    say = standing_notice(section, match->text, before(section, match), false);
    char *whole = standing_merged(section, match->text);
    free(match->text);
    match->text = whole;
    *into = set_line(section, match);
    return say;
}

// ---- text ----

static const char *redacted(const struct line *line, char **owned)
{
    struct match m;
    *owned = NULL;
    if (!line->rule || (!strstr(line->rule->pattern, "<secret>") && !strstr(line->rule->pattern, "key>")))
        return line->text;
    grammar_match(line->rule->mode, line->text, false, &m);
    *owned = lab_strdup(m.shown);
    match_free(&m);
    return *owned;
}

// What stands for the AES cipher text of a real router: another one for another key, and no way back.
static char *type_6(const struct line *line)
{
    const char *secret = strrchr(line->text, ' ') + 1;
    uint64_t hash = 0xcbf29ce484222325u; // FNV-1a
    char letters[17];
    for (const char *c = secret; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    for (size_t i = 0; i < 16; i++)
        letters[i] = (char)('A' + (hash >> (4 * i) & 15));
    letters[16] = 0;
    return lab_format("pre-shared-key 6 %s", letters);
}

// Type 7: the text against a fixed one, from an offset that stands before it.
static char *type_7(const struct line *line)
{
    static const char pad[] = "dsfd;kfoA,.iyewrkldJKDHSUBsgvca69834ncxv9873254k;fg87";
    const char *secret = strrchr(line->text, ' ') + 1;
    char *text =
        lab_format("%.*s 7 08%*s", (int)(secret - 1 - line->text), line->text, (int)(2 * strlen(secret)), "");
    char *to = text + strlen(text) - 2 * strlen(secret);
    for (size_t i = 0; secret[i]; i++, to += 2)
        snprintf(to, 3, "%02X", (unsigned)(secret[i] ^ pad[(8 + i) % (sizeof pad - 1)]));
    return text;
}

static bool is_clear_ospf_key(const struct line *line)
{
    return line->rule && !strncmp(line->rule->pattern, "ip ospf ", 8) && strstr(line->rule->pattern, "key") &&
           !strstr(line->rule->pattern, " 7 ");
}

static bool is_clear_key(const struct line *line)
{
    return line->rule && !strncmp(line->rule->pattern, "pre-shared-key", 14) &&
           !strstr(line->rule->pattern, " 6 ");
}

struct printing {
    enum config_form form;
    bool encrypts; // password encryption aes
    bool hides;    // service password-encryption
    FILE *out;
};

static void print(const struct line *line, int depth, const struct printing *p)
{
    for (size_t i = 0; i < line->count; i++) {
        const struct line *child = line->child[i];
        char *owned = NULL;
        const char *text = child->text;
        if (!child->count && !strcmp(text, "archive"))
            continue; // shown with what is set in it only
        if (p->form == CONFIG_REDACTED)
            text = redacted(child, &owned);
        else if (p->form == CONFIG_SHOWN && p->encrypts && is_clear_key(child))
            text = owned = type_6(child);
        else if (p->form == CONFIG_SHOWN && p->hides && is_clear_ospf_key(child))
            text = owned = type_7(child);
        fprintf(p->out, "%*s%s\n", depth, "", text);
        free(owned);
        print(child, depth + 1, p);
        if (child->rule && child->rule->enters)
            fprintf(p->out, "%*s!\n", depth, "");
    }
}

char *config_text(const struct line *root, enum config_form form)
{
    char *text = NULL;
    size_t size = 0;
    struct printing p = {.form = form,
                         .encrypts = config_has(root, "password encryption aes"),
                         .hides = config_has(root, "service password-encryption"),
                         .out = open_memstream(&text, &size)};
    if (!p.out)
        abort();
    print(root, 0, &p);
    fclose(p.out);
    return text;
}

void config_load(struct line *root, const char *text)
{
    struct line *at[16] = {root};
    size_t depth = 0;
    for (const char *p = text; *p;) {
        size_t len = strcspn(p, "\n"), indent = strspn(p, " ");
        char *row = lab_format("%.*s", (int)len, p);
        if (depth > indent)
            depth = indent;
        // A line deeper than any open section belongs to one that was refused.
        if (len > indent && p[indent] != '!' && indent <= depth) {
            struct match m;
            struct line *into = NULL;
            const char *mode = depth ? at[depth]->rule->enters : "config";
            free(config_apply(at[depth], mode, row + indent, &m, &into));
            match_free(&m);
            if (into && into->rule->enters && depth + 1 < sizeof at / sizeof *at)
                at[++depth] = into;
        }
        free(row);
        p += len + (p[len] == '\n');
    }
}
