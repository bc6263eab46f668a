// A reconciler out of a test: it notes the keys that a model touches.
#ifndef TEST_FAKE_RECONCILER_H
#define TEST_FAKE_RECONCILER_H

#include "fake-wanted.h"

#define FAKE_CLUSTERS 4
#define FAKE_KINDS    8

struct ist_reconciler {
    uint32_t state[FAKE_CLUSTERS];
    int lacks[FAKE_CLUSTERS][FAKE_KINDS]; // kinds that a cluster does not serve
    int64_t grace;
    json_t *touched; // object: "cluster key" -> milliseconds
    json_t *uids;    // object: "cluster kind ns/name" -> uid
};

void fake_reconciler_init(struct ist_reconciler *run);
void fake_reconciler_free(struct ist_reconciler *run);
void fake_uid(struct ist_reconciler *run, size_t cluster, size_t kind, const char *ns, const char *name,
              const char *uid); // NULL: gone
int fake_touched(const struct ist_reconciler *run, size_t cluster, const char *key);

#endif
