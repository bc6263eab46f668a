// The memory of a process with all that it started, watched until it ends or we are told to stop: the most that
// they held at once, in proportion (Pss) and as each has it (Rss).
#include "load.h"

#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <time.h>

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

// The number after `key` in /proc/PID/FILE, 0 when there is none.
static long read_number(long pid, const char *file, const char *key)
{
    char path[64], line[512];
    long number = 0;
    snprintf(path, sizeof path, "/proc/%ld/%s", pid, file);
    FILE *in = fopen(path, "re");
    while (in && fgets(line, sizeof line, in))
        if (strncmp(line, key, strlen(key)) == 0)
            number = strtol(line + strlen(key), NULL, 10);
    if (in)
        fclose(in);
    return number;
}

// `root` or below it.
static int belongs(long pid, long root)
{
    for (int depth = 0; pid > 1 && depth < 16; depth++) {
        if (pid == root)
            return 1;
        pid = read_number(pid, "status", "PPid:");
    }
    return 0;
}

static int measure(long root, long *pss, long *rss)
{
    DIR *dir = opendir("/proc");
    struct dirent *entry;
    int found = 0;
    *pss = *rss = 0;
    while (dir && (entry = readdir(dir))) {
        long pid = isdigit((unsigned char)entry->d_name[0]) ? strtol(entry->d_name, NULL, 10) : 0;
        if (pid == 0 || !belongs(pid, root))
            continue;
        found = 1;
        *pss += read_number(pid, "smaps_rollup", "Pss:");
        *rss += read_number(pid, "smaps_rollup", "Rss:");
    }
    if (dir)
        closedir(dir);
    return found;
}

int memory_watch(int argc, char **argv)
{
    if (argc != 1)
        load_die("memory PID");
    long root = load_number(argv[0]), pss, rss, most_pss = 0, most_rss = 0, last = 0;
    signal(SIGTERM, stop);
    while (!stopped && measure(root, &pss, &rss)) {
        most_pss = pss > most_pss ? pss : most_pss;
        most_rss = rss > most_rss ? rss : most_rss;
        last = pss;
        nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    }
    printf("pss %ld rss %ld last %ld\n", most_pss, most_rss, last); // KiB
    return 0;
}
