// A plan in a file, as others than the engine see it.
#ifndef CORE_ENGINE_PLANFILE_H
#define CORE_ENGINE_PLANFILE_H

#include <isthmus/error.h>
#include <jansson.h>

// Reads a plan and checks its shape alone: {isthmus_plan, pipeline, digest, serial, only: [..], steps: [..],
// seal}. New reference.
int planfile_load(const char *path, json_t **plan, ist_error *err);

#endif
