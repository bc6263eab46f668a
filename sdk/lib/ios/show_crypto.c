// show crypto ikev2 sa [detail] and show crypto ipsec sa [detail].
#include "words.h"

#include <isthmus/json.h>

#include <stdlib.h>
#include <string.h>

// "192.0.2.1/4500" into two members.
static bool end_point(json_t *one, const char *address_key, const char *port_key, const char *word)
{
    char address[MAX_WORD];
    const char *slash = strrchr(word, '/');
    if (!slash || !words_number(slash + 1))
        return false;
    words_copy(address, sizeof address, word);
    address[slash - word] = 0;
    if (!words_address(address))
        return false;
    json_object_set_new(one, address_key, json_string(address));
    json_object_set_new(one, port_key, json_integer(strtol(slash + 1, NULL, 10)));
    return true;
}

static void vrfs(json_t *one, const char *word)
{
    char fvrf[MAX_WORD];
    words_copy(fvrf, sizeof fvrf, word);
    char *slash = strchr(fvrf, '/');
    if (slash)
        *slash = 0;
    json_object_set_new(one, "fvrf", json_string(fvrf));
    json_object_set_new(one, "ivrf", json_string(slash ? slash + 1 : ""));
}

// The first line of an SA; over IPv6 the addresses are on lines of their own.
static json_t *first_line(const struct line *line)
{
    if (line->count < 3 || !words_number(line->word[0]))
        return NULL;
    json_t *one = json_pack("{ss}", "id", line->word[0]);
    if (line->count >= 5 && end_point(one, "local", "local_port", line->word[1]) &&
        end_point(one, "remote", "remote_port", line->word[2]) && strchr(line->word[3], '/')) {
        vrfs(one, line->word[3]);
        json_object_set_new(one, "status", json_string(line->word[4]));
        return one;
    }
    if (line->count == 3 && strchr(line->word[1], '/')) {
        vrfs(one, line->word[1]);
        json_object_set_new(one, "status", json_string(line->word[2]));
        return one;
    }
    json_decref(one);
    return NULL;
}

static void member(json_t *one, const char *key, const char *text, const char *label)
{
    char value[MAX_WORD];
    if (words_after(text, label, value, sizeof value))
        json_object_set_new(one, key, json_string(value));
}

static void more_lines(json_t *one, const struct line *line)
{
    const char *text = line->text;
    if (strstr(text, "Encr:")) {
        member(one, "encryption", text, "Encr:");
        member(one, "keysize", text, "keysize:");
        member(one, "prf", text, "PRF:");
        member(one, "hash", text, "Hash:");
        member(one, "group", text, "DH Grp:");
        member(one, "sign", text, "Auth sign:");
        member(one, "verify", text, "Auth verify:");
    } else if (strncmp(text, "Local id:", 9) == 0) {
        member(one, "local_id", text, "Local id:");
    } else if (strncmp(text, "Remote id:", 10) == 0) {
        member(one, "remote_id", text, "Remote id:");
    } else if (strncmp(text, "Local ", 6) == 0 && line->count == 2) {
        end_point(one, "local", "local_port", line->word[1]);
    } else if (strncmp(text, "Remote ", 7) == 0 && line->count == 2) {
        end_point(one, "remote", "remote_port", line->word[1]);
    }
}

struct ikev2 {
    json_t *list, *now;
};

static void ikev2_line(void *state, const struct line *line)
{
    struct ikev2 *s = state;
    json_t *one = first_line(line);
    if (one) {
        json_array_append_new(s->list, one);
        s->now = one;
    } else if (s->now) {
        more_lines(s->now, line);
    }
}

int32_t ist_ios_show_ikev2_sa(const char *text, json_t **sas, ist_error *err)
{
    struct ikev2 s = {.list = json_array()};
    return words_parse(text, ikev2_line, &s, s.list, sas, err);
}

// ---- IPsec ----

struct ipsec {
    json_t *list, *now;
    char interface[MAX_WORD];
    const char *direction; // "inbound_esp", "outbound_esp", NULL: neither
};

// What stands after `mark`, up to one of `ends`; false: `mark` is not there.
static bool enclosed(const char *text, const char *mark, const char *ends, char value[MAX_WORD])
{
    const char *open = strstr(text, mark);
    if (!open)
        return false;
    words_copy(value, MAX_WORD, open + strlen(mark));
    value[strcspn(value, ends)] = 0;
    return true;
}

// "(192.0.2.1/255.255.255.255/47/0)"
static void ident(json_t *one, const char *key, const char *text)
{
    char value[MAX_WORD];
    if (!enclosed(text, "): (", ")", value))
        return;
    json_object_set_new(one, key, json_string(value));
    // The protocol is the last but one part: IPv6 addresses hold no slash.
    char *port = strrchr(value, '/');
    if (port) {
        *port = 0;
        const char *protocol = strrchr(value, '/');
        if (protocol && words_number(protocol + 1))
            json_object_set_new(one, "protocol", json_integer(strtol(protocol + 1, NULL, 10)));
    }
}

static void start(struct ipsec *s)
{
    s->now = json_pack("{ss si si si si s[] si si}", "interface", s->interface, "encaps", 0, "decaps", 0,
                       "send_errors", 0, "recv_errors", 0, "settings", "inbound_esp", 0, "outbound_esp", 0);
    json_array_append_new(s->list, s->now);
    s->direction = NULL;
}

static void count(json_t *one, const char *key, const char *text, const char *label)
{
    long long n = words_number_after(text, label);
    if (n >= 0)
        json_object_set_new(one, key, json_integer(n));
}

static void setting(json_t *one, const char *text)
{
    char value[MAX_WORD];
    if (enclosed(text, "{", ",}", value))
        ist_json_add(json_object_get(one, "settings"), value);
}

static void direction(struct ipsec *s, const char *text)
{
    if (strncmp(text, "inbound ", 8) == 0)
        s->direction = strstr(text, "esp sas") ? "inbound_esp" : NULL;
    else if (strncmp(text, "outbound ", 9) == 0)
        s->direction = strstr(text, "esp sas") ? "outbound_esp" : NULL;
}

static void sa_line(struct ipsec *s, const struct line *line)
{
    const char *text = line->text;
    if (strncmp(text, "remote ident", 12) == 0 || strncmp(text, "remote  ident", 13) == 0)
        ident(s->now, "remote_ident", text);
    else if (strncmp(text, "current_peer", 12) == 0 && line->count > 1) {
        json_object_set_new(s->now, "peer", json_string(line->word[1]));
        count(s->now, "port", text, "port");
    } else if (strstr(text, "in use settings"))
        setting(s->now, text);
    else if (s->direction && strncmp(text, "Status: ACTIVE", 14) == 0)
        json_object_set_new(s->now, s->direction,
                            json_integer(json_integer_value(json_object_get(s->now, s->direction)) + 1));
    else
        direction(s, text);
    count(s->now, "encaps", text, "#pkts encaps:");
    count(s->now, "decaps", text, "#pkts decaps:");
    count(s->now, "send_errors", text, "#send errors");
    count(s->now, "recv_errors", text, "#recv errors");
}

static void ipsec_line(void *state, const struct line *line)
{
    struct ipsec *s = state;
    if (strncmp(line->text, "interface:", 10) == 0 && line->count > 1) {
        words_copy(s->interface, sizeof s->interface, line->word[1]);
        s->now = NULL;
    } else if (line->count > 2 && strcmp(line->word[0], "local") == 0 &&
               strcmp(line->word[1], "ident") == 0) {
        start(s);
        ident(s->now, "local_ident", line->text);
    } else if (s->now) {
        sa_line(s, line);
    }
}

int32_t ist_ios_show_ipsec_sa(const char *text, json_t **sas, ist_error *err)
{
    struct ipsec s = {.list = json_array()};
    return words_parse(text, ipsec_line, &s, s.list, sas, err);
}
