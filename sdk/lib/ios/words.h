// Lines and words of a show command's output. Indentation is never looked at.
#ifndef IST_IOS_WORDS_H
#define IST_IOS_WORDS_H

#include <isthmus/alloc.h>
#include <isthmus/ios_show.h>

#include <stdbool.h>

#define MAX_WORDS 24
#define MAX_WORD  128

struct line {
    char word[MAX_WORDS][MAX_WORD]; // longer ones are cut
    size_t count;
    char text[512]; // trimmed, cut
};

// Hands each line that is not blank to `take`, and then `made` (consumed) to *out. IST_ERR_LIMIT for more than 16 MiB.
int32_t words_parse(const char *text, void (*take)(void *state, const struct line *line), void *state,
                    json_t *made, json_t **out, ist_error *err);
bool words_address(const char *word); // IPv4 or IPv6
bool words_ipv4(const char *word);
bool words_number(const char *word);
// The number after `label` ("#pkts encaps:") in the line, -1: it is not there.
long long words_number_after(const char *text, const char *label);
// The word after `label`, without a trailing comma, into out. False when it is not there.
bool words_after(const char *text, const char *label, char *out, size_t room);
void words_copy(char *to, size_t room, const char *from);

#endif
