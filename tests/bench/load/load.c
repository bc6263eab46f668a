// The commands of kube-load; each says its words when they are wrong. Times are in milliseconds.
#include "load.h"

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {
        {"seed-services", seed_services},
        {"seed-pods", seed_pods},
        {"take", replay_take},      // the objects that Isthmus applied; prints how many
        {"send", replay_send},      // them again, into a namespace; prints time and requests
        {"list", replay_list},      // side by side, in pages of 500; prints time and requests
        {"until", replay_until},    // a collection has so many; prints the time of day in microseconds
        {"count", replay_count},    // how many a collection has
        {"churn", churn_services},  // changes at the source, seen at the target
        {"churn-pods", churn_pods}, // addresses of pods, seen in the policies of the other cluster
        {"memory", memory_watch},   // of a process and what it started, until SIGTERM
    };
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 2, argv + 2);
    fputs("kube-load COMMAND...:", stderr);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(stderr, " %s", commands[i].name);
    fputc('\n', stderr);
    return 2;
}
