// show version, show users, show ip interface brief.
#include "words.h"

#include <ctype.h>
#include <string.h>

static void version_number(json_t *v, const char *text)
{
    char value[MAX_WORD];
    if (!json_object_get(v, "version") && words_after(text, "Version ", value, sizeof value) &&
        isdigit((unsigned char)*value))
        json_object_set_new(v, "version", json_string(value));
}

static void version_line(void *state, const struct line *line)
{
    json_t *v = state;
    const char *text = line->text, *up = strstr(text, " uptime is ");
    char value[MAX_WORD];
    version_number(v, text);
    if (up && line->count > 2 && strcmp(line->word[1], "uptime") == 0) {
        json_object_set_new(v, "hostname", json_string(line->word[0]));
        json_object_set_new(v, "uptime", json_string(up + strlen(" uptime is ")));
    } else if (strncmp(text, "System image file is", 20) == 0 && line->count > 4) {
        words_copy(value, sizeof value, line->word[4] + (line->word[4][0] == '"'));
        value[strcspn(value, "\"")] = 0;
        json_object_set_new(v, "image", json_string(value));
    } else if ((strncmp(line->word[0], "cisco", 5) == 0 || strncmp(line->word[0], "Cisco", 5) == 0) &&
               strstr(text, "bytes of memory") && line->count > 1) {
        json_object_set_new(v, "platform", json_string(line->word[1]));
    } else if (words_after(text, "License Level:", value, sizeof value)) {
        json_object_set_new(v, "license", json_string(value));
    }
}

int32_t ist_ios_show_version(const char *text, json_t **version, ist_error *err)
{
    json_t *v = json_object();
    return words_parse(text, version_line, v, v, version, err);
}

// "*  2 vty 0     ec2-user   idle   00:00:00 192.0.2.1", the star in a word of its own or not.
static void user_line(void *list, const struct line *line)
{
    size_t at = strcmp(line->word[0], "*") == 0;
    const char *number = line->word[at];
    bool self = at || *number == '*';
    number += *number == '*';
    if (line->count < at + 4 || !words_number(number) ||
        (strcmp(line->word[at + 1], "vty") != 0 && strcmp(line->word[at + 1], "con") != 0))
        return;
    char *name = ist_printf("%s %s", line->word[at + 1], line->word[at + 2]);
    json_array_append_new(list,
                          json_pack("{ss ss ss sb}", "line", name, "user", line->word[at + 3], "location",
                                    line->count > at + 5 ? line->word[line->count - 1] : "", "self", self));
    ist_free(name);
}

int32_t ist_ios_show_users(const char *text, json_t **users, ist_error *err)
{
    json_t *list = json_array();
    return words_parse(text, user_line, list, list, users, err);
}

// Name, address, YES|NO, method, status of one or more words, protocol.
static void interface_line(void *list, const struct line *line)
{
    if (line->count < 6 || (strcmp(line->word[2], "YES") != 0 && strcmp(line->word[2], "NO") != 0))
        return;
    char *status = ist_strdup(line->word[4]);
    for (size_t i = 5; i + 1 < line->count; i++) {
        char *longer = ist_printf("%s %s", status, line->word[i]);
        ist_free(status);
        status = longer;
    }
    json_array_append_new(list, json_pack("{ss ss ss ss ss}", "interface", line->word[0], "address",
                                          line->word[1], "method", line->word[3], "status", status,
                                          "protocol", line->word[line->count - 1]));
    ist_free(status);
}

int32_t ist_ios_show_interfaces(const char *text, json_t **interfaces, ist_error *err)
{
    json_t *list = json_array();
    return words_parse(text, interface_line, list, list, interfaces, err);
}
