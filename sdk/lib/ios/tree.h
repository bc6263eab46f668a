// A configuration as nodes, and what is known of IOS commands.
#ifndef IST_IOS_TREE_H
#define IST_IOS_TREE_H

#include <isthmus/alloc.h>
#include <isthmus/ios_config.h>

#include <stdbool.h>

struct node {
    char *text;   // normalised, the secret in clear
    char *shown;  // the secret cut: what identifies the line
    char *secret; // what the device shows or the caller wants, NULL: none
    int type;     // of the secret: 0 clear, 5 6 7 8 9
    struct node *parent;
    struct node **child;
    size_t count, room;
};

struct ist_ios_config {
    struct node *root;
};

// Where the secret of a line is: its offset and length, and its type. False: no secret.
bool rules_secret(const char *text, size_t *at, size_t *len, int *type);
// How many leading words say which setting a line is; 0: all of them (such lines accumulate).
unsigned rules_key(const char *text);
bool rules_default_on(const char *text); // shown only when it is off ("ip redirects")
bool rules_hidden(const char *text);     // a default, accepted and not shown
// Must `running` be taken away before a device takes `wanted`, which is meant to stand in its place? IOS refuses a second
// entry of a prefix list with a number or a prefix that it has, and another key under a number that has one; it keeps
// the clauses of a route-map entry and the options of `redistribute` that a new line does not name.
bool rules_stands_in_the_way(const char *running, const char *wanted);
// How much of a line its `no` form takes, 0: all of it.
unsigned rules_removal(const char *text);
// The first `words` words are the same (0: all).
bool rules_same(const char *a, const char *b, unsigned words);
bool rules_begins(const char *text, const char *prefix); // at a word's end
const char *rules_negated(const char *text);             // what follows "no ", or NULL

#endif
