// What only plugins can say of a pipeline's inputs, before anything runs: their check operation, asked of every step
// whose plugin has one. One worker a plugin, all of them side by side.
#ifndef CORE_ENGINE_CHECK_H
#define CORE_ENGINE_CHECK_H

#include "config/pipeline.h"

struct checker;
struct worker_pool;
struct checker *checker_new(void);
void checker_free(struct checker *checker); // ends its workers
// The workers that were asked, idle now, for whoever runs the pipeline next: the caller's; NULL when there are none.
struct worker_pool *checker_take_workers(struct checker *checker);
// A pipeline_check_fn of which `checker` is the argument: tells of all problems in `diags`, in the order of the steps. A
// check that crashes, floods or does not end is an error that names plugin and step.
void checker_run(void *checker, struct pipeline *pipeline, struct diags *diags);

#endif
