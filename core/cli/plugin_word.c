// Commands that plugins offer to people: `isthmus policy map`.
#include "cli/cli.h"

int cmd_plugin_word(const struct cli *cli)
{
    (void)cli;
    return -1;
}
