// What a model's want() says, kept for a test to look at: for programs in which no reconciler is.
#ifndef TEST_FAKE_WANTED_H
#define TEST_FAKE_WANTED_H

#include <isthmus/kube_reconciler.h>

struct ist_wanted {
    json_t *objects;   // array
    json_t *if_absent; // array of bool, one an object
    json_t *keep;      // array of sources
    json_t *notes;     // array
    int keep_all, again;
};

void fake_wanted_clear(struct ist_wanted *wanted); // also before the first use of a zeroed one
// The i-th wanted object of a kind; NULL: there are not so many. Borrowed.
json_t *fake_wanted_at(const struct ist_wanted *wanted, const char *kind, size_t i);
int fake_noted(const struct ist_wanted *wanted, const char *part); // is it in one of the notes?

#endif
