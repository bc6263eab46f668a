// A reconciler out of a test: it notes the keys that a model touches, and what want() says of one.
#ifndef TEST_FAKE_RECONCILER_H
#define TEST_FAKE_RECONCILER_H

#include <isthmus/kube_reconciler.h>

#define FAKE_CLUSTERS 4
#define FAKE_KINDS    8

struct ist_reconciler {
    uint32_t state[FAKE_CLUSTERS];
    int lacks[FAKE_CLUSTERS][FAKE_KINDS]; // kinds that a cluster does not serve
    int64_t grace;
    json_t *touched; // object: "cluster key" -> milliseconds
    json_t *uids;    // object: "cluster kind ns/name" -> uid
};

struct ist_wanted {
    json_t *objects;   // array
    json_t *if_absent; // array of bool, one an object
    json_t *keep;      // array of sources
    json_t *notes;     // array
    int keep_all, again;
};

void fake_reconciler_init(struct ist_reconciler *run);
void fake_reconciler_free(struct ist_reconciler *run);
void fake_uid(struct ist_reconciler *run, size_t cluster, size_t kind, const char *ns, const char *name,
              const char *uid); // NULL: gone
int fake_touched(const struct ist_reconciler *run, size_t cluster, const char *key);
void fake_wanted_clear(struct ist_wanted *wanted); // also before the first use of a zeroed one
// The i-th wanted object of a kind; NULL: there are not so many. Borrowed.
json_t *fake_wanted_at(const struct ist_wanted *wanted, const char *kind, size_t i);
int fake_noted(const struct ist_wanted *wanted, const char *part); // is it in one of the notes?

#endif
