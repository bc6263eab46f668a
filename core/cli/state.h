// What the commands on the state share.
#ifndef CORE_CLI_STATE_H
#define CORE_CLI_STATE_H

#include "cli/cli.h"
#include "state/store.h"

struct state_view {
    struct config *config;
    struct store *store;
    struct render *render;
};
// Opens the state that the configuration names; 0 or an exit code, having said why.
int state_view_open(const struct cli *cli, struct state_view *view);
int state_view_close(struct state_view *view, int code); // returns code
int state_say(const ist_error *err);                     // prints it; returns 1

#endif
