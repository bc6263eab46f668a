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

// The next line that is not blank; *at moves on. False at the end.
bool words_next(const char **at, struct line *line);
bool words_address(const char *word); // IPv4 or IPv6
bool words_ipv4(const char *word);
bool words_number(const char *word);
// The number after `label` ("#pkts encaps:") in the line, -1: it is not there.
long long words_number_after(const char *text, const char *label);
// The word after `label`, without a trailing comma, into out. False when it is not there.
bool words_after(const char *text, const char *label, char *out, size_t room);
int32_t words_check_size(const char *text, ist_error *err);
void words_copy(char *to, size_t room, const char *from);

#endif
