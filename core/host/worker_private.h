// What pool and catalog need of a worker beside worker.h.
#ifndef CORE_HOST_WORKER_PRIVATE_H
#define CORE_HOST_WORKER_PRIVATE_H

#include "host/worker.h"

// Waits for the plugin to say what it is: a new reference (descriptor_json of loader.h).
int worker_hello(struct worker *worker, json_t **descriptor, ist_error *err);
const char *worker_plugin(const struct worker *worker); // the plugin's name
bool worker_usable(const struct worker *worker);        // lives, and its wire is whole
void worker_close(struct worker *worker);               // the wire alone, so that several end side by side

#endif
