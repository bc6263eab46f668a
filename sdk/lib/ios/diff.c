// From the running configuration to the wanted one: the fewest commands, in an order that IOS takes. Inside a
// section what goes, goes first. Whole sections that are no longer wanted go last, when nothing refers to them any
// more, and in reverse; but interfaces and routing processes go before the first wanted one of their kind, because two
// interfaces cannot share an address, nor two processes a router-id.
#include "tree.h"

#include <string.h>

struct diffing {
    const ist_ios_diff_options *o;
    ist_ios_diff *out;
    size_t room;
    const struct node *running, *wanted; // the roots
    bool cleared;                        // interfaces and processes that are not wanted are gone
    const struct node **removed;         // what is gone by now
    size_t removed_count;
};

static char *path_of(const struct node *node, const char *shown)
{
    char *path = ist_strdup(shown);
    for (const struct node *p = node; p && p->parent; p = p->parent) {
        char *longer = ist_printf("%s / %s", p->shown, path);
        ist_free(path);
        path = longer;
    }
    return path;
}

static void step(struct diffing *d, uint32_t kind, const char *text, const char *shown,
                 const struct node *section, const char *before)
{
    if (d->out->count == d->room) {
        d->room = d->room ? 2 * d->room : 32;
        d->out->steps = ist_realloc(d->out->steps, d->room, sizeof *d->out->steps);
    }
    ist_ios_step *s = &d->out->steps[d->out->count++];
    s->kind = kind;
    s->text = ist_strdup(text);
    s->shown = ist_strdup(shown);
    s->path = path_of(section, shown);
    s->before = before ? ist_strdup(before) : NULL;
}

// ---- are two lines the same? ----

static bool same_secret(const struct diffing *d, const struct node *running, const struct node *wanted)
{
    char clear[512];
    if (running->type == 0)
        return strcmp(running->secret, wanted->secret) == 0;
    if (running->type == 7)
        return ist_ios_type7_decode(running->secret, clear, sizeof clear) == IST_OK &&
               strcmp(clear, wanted->secret) == 0;
    if (!d->o || !d->o->same_secret)
        return false;
    char *line = path_of(running->parent, running->shown);
    ist_ios_shown_secret s = {
        .line = line, .wanted = wanted->secret, .type = running->type, .shown = running->secret};
    bool same = d->o->same_secret(d->o->arg, &s) == 1;
    ist_free(line);
    return same;
}

static bool same_line(const struct diffing *d, const struct node *running, const struct node *wanted)
{
    if (strcmp(running->shown, wanted->shown) != 0)
        return false;
    if (!running->secret || !wanted->secret)
        return running->secret == wanted->secret;
    return same_secret(d, running, wanted);
}

static const struct node *find_same(const struct diffing *d, const struct node *section,
                                    const struct node *wanted)
{
    for (size_t i = 0; section && i < section->count; i++) {
        if (same_line(d, section->child[i], wanted))
            return section->child[i];
    }
    return NULL;
}

// The line of `section` that `wanted` would take the place of.
static const struct node *find_setting(const struct node *section, const struct node *wanted)
{
    unsigned words = rules_key(wanted->shown);
    for (size_t i = 0; section && words && i < section->count; i++) {
        if (rules_key(section->child[i]->shown) == words &&
            rules_same(section->child[i]->shown, wanted->shown, words))
            return section->child[i];
    }
    return NULL;
}

static bool any_begins(const struct node *section, const char *prefix)
{
    for (size_t i = 0; section && i < section->count; i++) {
        if (rules_begins(section->child[i]->text, prefix))
            return true;
    }
    return false;
}

// Is a line that a running configuration never shows in effect all the same?
static bool in_effect_unseen(const struct node *section, const struct node *wanted)
{
    const char *text = wanted->text, *what = rules_negated(text);
    if (what)
        return !rules_default_on(what) && !any_begins(section, what);
    if (rules_default_on(text)) {
        char *off = ist_printf("no %s", text);
        bool absent = !any_begins(section, off);
        ist_free(off);
        return absent;
    }
    return rules_hidden(text) && !find_setting(section, wanted);
}

// ---- removing ----

static bool matches(const char *text, const char *pattern)
{
    size_t n = strlen(pattern);
    if (n && pattern[n - 1] == '*')
        return strncmp(text, pattern, n - 1) == 0;
    return strcmp(text, pattern) == 0;
}

static bool is_owned(const struct diffing *d, const char *head)
{
    for (const char *const *p = d->o ? d->o->owned : NULL; p && *p; p++) {
        if (matches(head, *p))
            return true;
    }
    return false;
}

static bool is_kept(const struct diffing *d, const char *text)
{
    for (const char *const *p = d->o ? d->o->keep : NULL; p && *p; p++) {
        if (rules_begins(text, *p))
            return true;
    }
    return false;
}

// What `no` takes of a line, where it is less than all of it; borrowed words of `text`.
static size_t removal_length(const char *text)
{
    unsigned words = rules_removal(text);
    size_t n = 0;
    for (unsigned i = 0; i < words && text[n]; i++) {
        n += strspn(text + n, " ");
        n += strcspn(text + n, " ");
    }
    return words ? n : strlen(text);
}

static bool is_removed(const struct diffing *d, const struct node *node)
{
    for (size_t i = 0; i < d->removed_count; i++) {
        if (d->removed[i] == node)
            return true;
    }
    return false;
}

static void remove_line(struct diffing *d, const struct node *node)
{
    char *text, *shown;
    if (is_removed(d, node))
        return;
    d->removed = ist_realloc(d->removed, d->removed_count + 1, sizeof(const struct node *));
    d->removed[d->removed_count++] = node;
    if (rules_negated(node->text)) {
        text = ist_strdup(rules_negated(node->text));
        shown = ist_strdup(rules_negated(node->shown) ? rules_negated(node->shown) : "<secret>");
    } else if (node->secret && !rules_removal(node->text)) {
        // The words before the secret are enough, and nothing is said twice.
        const char *cut = strstr(node->shown, " <secret>");
        shown = ist_printf("no %.*s", (int)(cut ? cut - node->shown : 0), node->shown);
        text = ist_strdup(shown);
    } else {
        text = ist_printf("no %.*s", (int)removal_length(node->text), node->text);
        shown = ist_strdup(text);
    }
    step(d, IST_IOS_REMOVE, text, shown, node->parent, NULL);
    ist_free_secret(text);
    ist_free(shown);
}

static bool is_wanted(const struct diffing *d, const struct node *wanted, const struct node *running)
{
    for (size_t i = 0; wanted && i < wanted->count; i++) {
        const struct node *w = wanted->child[i];
        if (same_line(d, running, w) || find_setting(running->parent, w) == running)
            return true;
        // "no shutdown" is wanted: the removal of "shutdown" is that line itself.
        const char *off = rules_negated(w->text);
        if (off && rules_begins(running->text, off))
            return true;
    }
    return false;
}

static void remove_unwanted(struct diffing *d, const struct node *running, const struct node *wanted)
{
    for (size_t i = 0; running && i < running->count; i++) {
        const struct node *r = running->child[i];
        if (!is_wanted(d, wanted, r) && !is_kept(d, r->text))
            remove_line(d, r);
    }
}

// Whole sections that are ours and not wanted, the last first. early: interfaces and routing processes, else the rest.
static void remove_sections(struct diffing *d, bool early)
{
    for (size_t i = d->running->count; i-- > 0;) {
        const struct node *r = d->running->child[i];
        bool first = rules_begins(r->text, "interface") || rules_begins(r->text, "router");
        if (first == early && is_owned(d, r->text) && !is_wanted(d, d->wanted, r))
            remove_line(d, r);
    }
}

// Does setting the section's VRF take its addresses away, as IOS does?
static bool loses_addresses(const struct node *running, const struct node *wanted, bool owned)
{
    for (size_t i = 0; owned && running && i < running->count; i++) {
        bool stays = false;
        if (!rules_begins(running->child[i]->text, "vrf forwarding") &&
            !rules_begins(running->child[i]->text, "ip vrf forwarding"))
            continue;
        for (size_t k = 0; k < wanted->count; k++)
            stays = stays || strcmp(wanted->child[k]->text, running->child[i]->text) == 0;
        if (!stays)
            return true;
    }
    return false;
}

// ---- a section ----

static void diff_section(struct diffing *d, const struct node *running, const struct node *wanted,
                         bool owned);

static void enter_section(struct diffing *d, const struct node *same, const struct node *setting,
                          const struct node *wanted, bool owned)
{
    const struct node *old = same ? same : setting;
    size_t before = d->out->count;
    step(d, same ? IST_IOS_ENTER : IST_IOS_ADD, wanted->text, wanted->shown, wanted->parent,
         setting && !same ? setting->shown : NULL);
    diff_section(d, old, wanted, owned);
    if (same && d->out->count == before + 1) {
        // Nothing to do in there: not entered.
        ist_ios_step *s = &d->out->steps[--d->out->count];
        ist_free_secret(s->text);
        ist_free(s->shown);
        ist_free(s->path);
        ist_free(s->before);
        return;
    }
    step(d, IST_IOS_EXIT, "exit", "exit", wanted, NULL);
}

// What the device would refuse the wanted line for, or mix with it, goes directly before it.
static void clear_the_way(struct diffing *d, const struct node *running, const struct node *wanted)
{
    for (size_t i = 0; running && i < running->count; i++) {
        if (rules_stands_in_the_way(running->child[i]->shown, wanted->shown))
            remove_line(d, running->child[i]);
    }
}

// Commands that open a section even when nothing is wanted in it.
static bool opens_section(const struct node *wanted)
{
    static const char *const heads[] = {"interface",
                                        "router",
                                        "archive",
                                        "crypto ikev2 proposal",
                                        "crypto ikev2 policy",
                                        "crypto ikev2 keyring",
                                        "crypto ikev2 profile",
                                        "crypto ipsec profile",
                                        "crypto ipsec transform-set",
                                        "route-map",
                                        "line",
                                        "peer",
                                        NULL};
    if (wanted->count)
        return true;
    for (size_t i = 0; heads[i]; i++) {
        if (rules_begins(wanted->text, heads[i]))
            return true;
    }
    return false;
}

static void diff_section(struct diffing *d, const struct node *running, const struct node *wanted, bool owned)
{
    bool lost = loses_addresses(running, wanted, owned);
    if (owned)
        remove_unwanted(d, running, wanted);
    for (size_t i = 0; i < wanted->count; i++) {
        const struct node *w = wanted->child[i];
        bool again = lost && rules_begins(w->text, "ip address");
        const struct node *same = again ? NULL : find_same(d, running, w);
        if (!w->parent->parent && !d->cleared &&
            (strncmp(w->text, "interface Tunnel", 16) == 0 || rules_begins(w->text, "router"))) {
            d->cleared = true;
            remove_sections(d, true);
        }
        const struct node *setting = same ? NULL : find_setting(running, w);
        if (!same)
            clear_the_way(d, running, w);
        if (opens_section(w))
            enter_section(d, same, setting, w, owned || (!w->parent->parent && is_owned(d, w->text)));
        else if (!same && !in_effect_unseen(running, w))
            step(d, IST_IOS_ADD, w->text, w->shown, w->parent, setting ? setting->shown : NULL);
    }
}

int32_t ist_ios_config_diff(const ist_ios_config *running, const ist_ios_config *wanted,
                            const ist_ios_diff_options *options, ist_ios_diff *diff, ist_error *err)
{
    struct diffing d = {.o = options, .out = diff, .running = running->root, .wanted = wanted->root};
    (void)err;
    memset(diff, 0, sizeof *diff);
    diff_section(&d, running->root, wanted->root, false);
    if (!d.cleared)
        remove_sections(&d, true);
    remove_sections(&d, false);
    ist_free(d.removed);
    return IST_OK;
}

void ist_ios_diff_free(ist_ios_diff *diff)
{
    if (!diff)
        return;
    for (size_t i = 0; i < diff->count; i++) {
        ist_free_secret(diff->steps[i].text);
        ist_free(diff->steps[i].shown);
        ist_free(diff->steps[i].path);
        ist_free(diff->steps[i].before);
    }
    ist_free(diff->steps);
    memset(diff, 0, sizeof *diff);
}
