// isthmus: the command.
#include "cli/cli.h"
#include "host/environment.h"

int main(int argc, char **argv)
{
    environment_hide();
    return cli_main(argc, argv);
}
