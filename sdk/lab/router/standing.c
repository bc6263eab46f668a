// What a line meets that stands already: IOS refuses some, mixes others with it, and takes some away.
#include "device.h"

#include <stdlib.h>
#include <string.h>

static const char *word(const char *text, unsigned index)
{
    while (index-- && *text) {
        text += strcspn(text, " ");
        text += strspn(text, " ");
    }
    return text;
}

static bool same_word(const char *a, const char *b, unsigned index)
{
    a = word(a, index);
    b = word(b, index);
    size_t n = strcspn(a, " ");
    return n && n == strcspn(b, " ") && !memcmp(a, b, n);
}

static bool begins(const char *text, const char *head)
{
    return !strncmp(text, head, strlen(head));
}

// ip prefix-list NAME seq N permit P: neither the number nor the rest may be another entry's.
static char *prefix_entry(const struct line *section, const char *text)
{
    for (size_t i = 0; i < section->count; i++) {
        const char *old = section->child[i]->text;
        if (!begins(old, "ip prefix-list ") || !same_word(old, text, 2) || !strcmp(old, text))
            continue;
        if (same_word(old, text, 4))
            return lab_format("%%Insertion failed - seq # exists: %s", word(old, 4));
        if (!strcmp(word(old, 5), word(text, 5)))
            return lab_format("%%Insertion failed - prefix-list entry exists: %s", word(old, 4));
    }
    return NULL;
}

char *standing_refuses(const struct line *section, const char *text)
{
    if (begins(text, "ip prefix-list "))
        return prefix_entry(section, text);
    for (size_t i = 0; begins(text, "ip ospf message-digest-key ") && i < section->count; i++) {
        const char *old = section->child[i]->text;
        if (begins(old, "ip ospf message-digest-key ") && same_word(old, text, 3) && strcmp(old, text) != 0)
            return lab_format("OSPF: Key %.*s already exists", (int)strcspn(word(text, 3), " "),
                              word(text, 3));
    }
    return NULL;
}

// `redistribute static`: the options of the line that stands stay unless the new one names them.
char *standing_merged(const struct line *section, const char *text)
{
    static const char *const options[] = {"subnets", "route-map"};
    char *whole = lab_strdup(text);
    for (size_t i = 0; begins(text, "redistribute ") && i < section->count; i++) {
        const char *old = section->child[i]->text;
        if (!begins(old, "redistribute ") || !same_word(old, text, 1))
            continue;
        for (size_t k = 0; k < 2; k++) {
            const char *at = strstr(old, options[k]);
            bool named = k ? strstr(whole, " route-map ") != NULL : strstr(whole, " subnets") != NULL;
            if (!at || named)
                continue;
            // "subnets" stands before the others.
            char *longer =
                k ? lab_format("%s %s", whole, at)
                  : lab_format("%s %.*s subnets%s", "redistribute", (int)strcspn(word(text, 1), " "),
                               word(text, 1), word(text, 1) + strcspn(word(text, 1), " "));
            free(whole);
            whole = longer;
        }
    }
    return whole;
}

char *standing_without(const struct line *section, const char *text)
{
    const char *option = word(text, 2);
    for (size_t i = 0; *option && begins(text, "redistribute ") && i < section->count; i++) {
        const char *old = section->child[i]->text;
        if (begins(old, "redistribute ") && same_word(old, text, 1))
            return lab_format("redistribute %.*s", (int)strcspn(word(text, 1), " "), word(text, 1));
    }
    return NULL;
}

char *standing_notice(struct line *section, const char *text, const char *old, bool negated)
{
    if (begins(text, "router-id ") && old && strcmp(old, text) != 0)
        return lab_strdup("% OSPF: Reload or use \"clear ip ospf process\" command, for this to take effect");
    if (!begins(text, "vrf forwarding ") || (old && !negated && !strcmp(old, text)) || (negated && !old))
        return NULL;
    config_remove(section, "ip address");
    return lab_format("%% Interface %s IPv4 disabled and address(es) removed due to %s VRF %s",
                      section->text + strlen("interface "), negated ? "disabling" : "enabling",
                      word(text, 2));
}
