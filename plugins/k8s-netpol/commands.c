// The table of commands of the plugin.
#include "commands.h"

static const ist_option map_options[] = {
    SESSION_OPTIONS,
    {"--as-written", NULL, "Only what stands in the policies: no annotation is followed", 0},
    {"--output", "text|json|dot|svg", "The form; text: a line a pair that connects", 0},
    {"--expect", "FILE",
     "Hold it to lines of that form: prints the differences, and fails when there are any", 0},
};

static const ist_option render_options[] = {
    SESSION_OPTIONS,
    {"--output", "DIR", "Where to write (-o): a folder for each cluster, a file for each policy", 0},
};

static const ist_option explain_options[] = {
    SESSION_OPTIONS,
    {"--as-written", NULL, "Only what stands in the policies: no annotation is followed", 0},
};

#define OPTIONS(table) (table), sizeof(table) / sizeof(*(table)), sizeof(*(table))

const ist_command policy_commands[POLICY_COMMANDS] = {
    {"policy", "map", "Shows which workloads may connect to which, over all clusters", OPTIONS(map_options),
     policy_map},
    {"policy", "render", "Writes the policies that would be applied, originals and companions",
     OPTIONS(render_options), policy_render},
    {"policy", "explain",
     "A B PORT: says which rule of which policy lets A connect to B (workloads, or an address outside), or "
     "which "
     "policy does not",
     OPTIONS(explain_options), policy_explain},
};
