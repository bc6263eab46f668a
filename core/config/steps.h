// A pipeline while it is being made: shared by pipeline.c, order.c and inputs.c.
#ifndef CORE_CONFIG_STEPS_H
#define CORE_CONFIG_STEPS_H

#include "config/internal.h"

struct build {
    struct config *config;
    struct catalog *catalog;
    struct diags *diags;
    struct pipeline *pipeline;
    const struct node *steps; // the map as written
    struct strings off;       // steps that are not there because their `when` is false
    struct scope scope;       // without steps: for `when`, `for_each` and the like
};

bool step_name_valid(const char *name);
// Finds what each step needs, by `needs` and by reference, says what does not exist, and sorts the steps so
// that each stands behind what it needs; otherwise in the order of the file. A cycle is an error.
void steps_order(struct build *build);
// The inputs of a step: 0 with *resolved filled, or -1 with diagnostics. outputs NULL: no output is known.
int step_values(const struct pipeline *pipeline, const struct step *step, const struct output_source *outputs,
                struct diags *diags, bool checking, struct uses *uses, struct resolved *resolved);

#endif
