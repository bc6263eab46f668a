// A host in this process for unit tests of plugins: runs operations one after another and keeps between them
// what the engine would (the record, the outputs, what was observed).
//
//     struct fakehost *host = fakehost_load("aws-vpc");              or fakehost_new(&descriptor)
//     fakehost_inputs(host, json_pack("{s:s}", "name", "aws"));
//     assert_int_equal(fakehost_run(host, IST_OP_OBSERVE), IST_OK);
//     assert_int_equal(fakehost_run(host, IST_OP_PLAN), IST_OK);
//     assert_int_equal(json_array_size(host->solo->report.changes), 3);
//
// What an operation told is in host->solo->report (core/host/solo.h); what is recorded in
// host->solo->recorded.
#ifndef TESTS_UNIT_FAKEHOST_H
#define TESTS_UNIT_FAKEHOST_H

#include "host/solo.h"

struct fakehost {
    const ist_plugin *plugin;
    struct solo *solo;
    struct cancel cancel; // cancel_now(&host->cancel) before or during an operation
    json_t *inputs;
    char *run_dir; // a temporary folder, removed with the host
    void *handle;  // of dlopen, or NULL
    bool trace;
};

struct fakehost *fakehost_new(const ist_plugin *plugin);
// Loads plugins/NAME/.libs/NAME.so of the build tree (BUILD in the environment); a path with a '/' as it is.
// NULL, with the reason on stderr, when it does not load.
struct fakehost *fakehost_load(const char *name_or_path);
void fakehost_free(struct fakehost *host);

// Steals `inputs`. Rows of the plugin's table that have a default and are not in it are filled in.
void fakehost_inputs(struct fakehost *host, json_t *inputs);
// One operation; returns its code.
int32_t fakehost_run(struct fakehost *host, uint32_t operation);
// observe, plan and apply, as the engine does; stops at the first that fails and returns its code.
int32_t fakehost_converge(struct fakehost *host);
// After observe and plan: how many changes there are, or -1 when one of them failed.
int fakehost_changes(struct fakehost *host);
// Everything the last operation told, as text, is free of `secret`: raw. 1 or 0.
int fakehost_hides(const struct fakehost *host, const char *secret);

#endif
