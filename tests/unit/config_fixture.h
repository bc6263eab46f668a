// A folder of configuration made for one test, loaded against the made-up plugins.
#ifndef TESTS_UNIT_CONFIG_FIXTURE_H
#define TESTS_UNIT_CONFIG_FIXTURE_H

#include "config/pipeline.h"

struct fixture {
    char *dir;
    struct diags *diags;
    struct config *config;
    struct pipeline *pipeline;
    json_t *outputs; // step -> output -> value, for resolving
};

struct fixture *fixture_new(void);
void fixture_free(struct fixture *f);
void fixture_write(struct fixture *f, const char *name, const char *text);
// Writes `text` as conf.yaml and loads pipeline p. 0 or -1.
int fixture_load(struct fixture *f, const char *text);
int fixture_reload(struct fixture *f, const char *const *sets, size_t count); // what is in the folder now
// A step of the loaded pipeline; fails the test when it is not there.
const struct step *fixture_step(struct fixture *f, const char *name);
struct output_source fixture_outputs(struct fixture *f);
// The resolved inputs of a step as compact JSON with sorted keys ("null": not all is known). ist_free.
char *fixture_inputs(struct fixture *f, const char *step);
char *fixture_public(struct fixture *f, const char *step);
// Is there a diagnostic at line:column (0: anywhere) with this text in it?
int fixture_said(struct fixture *f, int line, int column, const char *text);

#endif
