// What is known of single IOS commands: which replace their predecessor, which are defaults and thus hidden, which
// hold a secret. Source: the IOS XE 16 and 17 command references; what a device shows is the last word.
#include "tree.h"

#include <ctype.h>
#include <string.h>

bool rules_begins(const char *text, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(text, prefix, n) == 0 && (text[n] == 0 || text[n] == ' ');
}

const char *rules_negated(const char *text)
{
    return strncmp(text, "no ", 3) == 0 && text[3] ? text + 3 : NULL;
}

static const char *skip_words(const char *text, unsigned words)
{
    for (unsigned i = 0; i < words && *text; i++) {
        text += strcspn(text, " ");
        text += strspn(text, " ");
    }
    return text;
}

// ---- one setting, many values ----

// A line that begins so replaces another one with the same first words.
static const struct {
    const char *prefix;
    unsigned words;
} settings[] = {
    {"hostname", 1},
    {"enable secret", 2},
    {"ip domain name", 3},
    {"ip ssh version", 3},
    {"ip ssh time-out", 3},
    {"username", 2},
    {"path", 1},
    {"maximum", 1},
    {"time-period", 1},
    {"crypto ipsec security-association replay window-size", 5},
    {"crypto ipsec transform-set", 4},
    {"crypto ikev2 dpd", 3},
    {"crypto ikev2 nat keepalive", 4},
    {"ip prefix-list", 5},
    {"encryption", 1},
    {"integrity", 1},
    {"prf", 1},
    {"group", 1},
    {"match fvrf", 2},
    {"address", 1},
    {"pre-shared-key local", 2},
    {"pre-shared-key remote", 2},
    {"pre-shared-key", 1},
    {"identity local", 2},
    {"authentication local", 2},
    {"keyring local", 2},
    {"lifetime", 1},
    {"dpd", 1},
    {"nat keepalive", 2},
    {"mode", 1},
    {"set transform-set", 2},
    {"set ikev2-profile", 2},
    {"set pfs", 2},
    {"set security-association lifetime seconds", 4},
    {"set metric", 2},
    {"set tag", 2},
    {"description", 1},
    {"bandwidth", 1},
    {"vrf forwarding", 2},
    {"ip address", 2},
    {"ip mtu", 2},
    {"ip nhrp authentication", 3},
    {"ip nhrp network-id", 3},
    {"ip nhrp holdtime", 3},
    {"ip nhrp registration timeout", 4},
    {"ip tcp adjust-mss", 3},
    {"ip ospf authentication", 3},
    {"ip ospf authentication-key", 3},
    {"ip ospf message-digest-key", 4},
    {"ip ospf network", 3},
    {"ip ospf hello-interval", 3},
    {"ip ospf dead-interval", 3},
    {"ip ospf priority", 3},
    {"ip ospf cost", 3},
    {"load-interval", 1},
    {"tunnel source", 2},
    {"tunnel destination", 2},
    {"tunnel mode", 2},
    {"tunnel key", 2},
    {"tunnel vrf", 2},
    {"tunnel protection ipsec profile", 4},
    {"router-id", 1},
    {"auto-cost reference-bandwidth", 2},
    {"redistribute static", 2},
    {"redistribute connected", 2},
    {"exec-timeout", 1},
    {"transport input", 2},
    {"transport preferred", 2},
};

unsigned rules_key(const char *text)
{
    size_t n = strlen(text);
    // A second address is one more, not another one.
    if (rules_begins(text, "ip address") && n > 10 && strcmp(text + n - 10, " secondary") == 0)
        return 0;
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        if (rules_begins(text, settings[i].prefix))
            return settings[i].words;
    }
    return 0;
}

bool rules_same(const char *a, const char *b, unsigned words)
{
    if (!words)
        return strcmp(a, b) == 0;
    const char *end_a = skip_words(a, words), *end_b = skip_words(b, words);
    size_t n = (size_t)(end_a - a), m = (size_t)(end_b - b);
    while (n && a[n - 1] == ' ')
        n--;
    while (m && b[m - 1] == ' ')
        m--;
    return n == m && memcmp(a, b, n) == 0;
}

static bool same_word(const char *a, const char *b, unsigned index)
{
    a = skip_words(a, index);
    b = skip_words(b, index);
    size_t n = strcspn(a, " ");
    return n && n == strcspn(b, " ") && memcmp(a, b, n) == 0;
}

// `redistribute static ...`, `redistribute ospf 10 ...`: how many words say what is redistributed.
static unsigned redistributed(const char *text)
{
    const char *source = skip_words(text, 1), *number = skip_words(text, 2);
    bool numbered = isdigit((unsigned char)*number) != 0;
    return !rules_begins(text, "redistribute") || !*source ? 0 : numbered ? 3 : 2;
}

bool rules_stands_in_the_way(const char *running, const char *wanted)
{
    static const struct {
        const char *head;
        unsigned first, number, from; // words: a name, a number under it, where the rest begins
    } entries[] = {
        {"ip prefix-list", 2, 4, 5},             // ip prefix-list NAME seq N permit P
        {"route-map", 1, 3, 4},                  // route-map NAME permit N
        {"ip ospf message-digest-key", 2, 3, 0}, // ip ospf message-digest-key N md5 KEY
    };
    unsigned words = redistributed(wanted);
    if (words)
        return redistributed(running) == words && rules_same(running, wanted, words) &&
               strcmp(running, wanted) != 0;
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        unsigned from = entries[i].from;
        if (!rules_begins(running, entries[i].head) || !rules_begins(wanted, entries[i].head) ||
            !same_word(running, wanted, entries[i].first))
            continue;
        const char *rest = skip_words(wanted, from);
        return same_word(running, wanted, entries[i].number) ||
               (from && *rest && strcmp(skip_words(running, from), rest) == 0);
    }
    return false;
}

unsigned rules_removal(const char *text)
{
    // The transforms of a set are no part of its name, nor a key of its number. `no redistribute` with an option takes
    // the option alone.
    if (rules_begins(text, "crypto ipsec transform-set") || rules_begins(text, "ip ospf message-digest-key"))
        return 4;
    return redistributed(text);
}

// ---- defaults ----

static bool listed(const char *text, const char *const *list)
{
    for (; *list; list++) {
        if (strcmp(*list, text) == 0)
            return true;
    }
    return false;
}

bool rules_default_on(const char *text)
{
    static const char *const list[] = {"ip redirects",
                                       "ip unreachables",
                                       "ip proxy-arp",
                                       "ip domain lookup",
                                       "ip route-cache",
                                       "ip split-horizon",
                                       NULL};
    return listed(text, list);
}

bool rules_hidden(const char *text)
{
    static const char *const list[] = {"mode tunnel",
                                       "lifetime 86400",
                                       "maximum 10",
                                       "ip nhrp holdtime 600",
                                       "tunnel mode gre ip",
                                       "ip forward-protocol nd",
                                       "crypto ipsec security-association replay window-size 64",
                                       NULL};
    return listed(text, list);
}

// ---- secrets ----

// Where the secret stands: after these words (`*` is any one word), and after a type where there is one.
static const char *const secret_lines[] = {
    "pre-shared-key local",
    "pre-shared-key remote",
    "pre-shared-key",
    "ip nhrp authentication",
    "ip ospf authentication-key",
    "ip ospf message-digest-key * md5",
    "enable secret",
    "enable password",
    "username * privilege * password",
    "username * privilege * secret",
    "username * password",
    "username * secret",
    "key-string",
    "password",
    "snmp-server community",
    "crypto isakmp key",
    "tacacs-server key",
    "radius-server key",
};

// Where the words of the pattern end in `text`, NULL when it is another line.
static const char *after_pattern(const char *text, const char *pattern)
{
    while (*pattern) {
        size_t n = strcspn(pattern, " "), m = strcspn(text, " ");
        if (!m || (!(n == 1 && *pattern == '*') && (n != m || memcmp(pattern, text, n) != 0)))
            return NULL;
        pattern += n + (pattern[n] == ' ');
        text += m;
        if (*text != ' ')
            return NULL;
        text += strspn(text, " ");
    }
    return *text ? text : NULL;
}

bool rules_secret(const char *text, size_t *at, size_t *len, int *type)
{
    for (size_t i = 0; i < sizeof secret_lines / sizeof *secret_lines; i++) {
        const char *p = after_pattern(text, secret_lines[i]);
        if (!p)
            continue;
        *type = 0;
        size_t n = strcspn(p, " ");
        if (n == 1 && isdigit((unsigned char)*p) && p[1] == ' ' && p[2]) {
            *type = *p - '0';
            p += 2;
            n = strcspn(p, " ");
        }
        *at = (size_t)(p - text);
        *len = n;
        return true;
    }
    return false;
}

int32_t ist_ios_type7_decode(const char *text, char *clear, size_t room)
{
    static const char key[] = "dsfd;kfoA,.iyewrkldJKDHSUBsgvca69834ncxv9873254k;fg87";
    size_t n = strlen(text), at = 0;
    if (n < 4 || n % 2 || strspn(text, "0123456789abcdefABCDEF") != n || !isdigit((unsigned char)text[0]) ||
        !isdigit((unsigned char)text[1]) || (n - 2) / 2 + 1 > room)
        return IST_ERR_INPUT;
    size_t seed = (size_t)(text[0] - '0') * 10 + (size_t)(text[1] - '0');
    if (seed > 15)
        return IST_ERR_INPUT;
    for (size_t i = 2; i < n; i += 2) {
        int byte = 0;
        for (size_t k = i; k < i + 2; k++) {
            int c = tolower((unsigned char)text[k]);
            byte = byte * 16 + (c <= '9' ? c - '0' : c - 'a' + 10);
        }
        clear[at] = (char)(byte ^ key[(seed + at) % (sizeof key - 1)]);
        at++;
    }
    clear[at] = 0;
    return IST_OK;
}
