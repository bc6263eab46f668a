// Runs a command several times and prints "MEDIAN-MS BEST-MS PEAK-KIB": wall time, and the most memory that
// the command or a process it waited for ever held. Its output is thrown away.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST 101

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    int times = argc > 2 ? (int)strtol(argv[1], NULL, 10) : 0;
    double took[MOST];
    long peak = 0;
    if (times < 1 || times > MOST) {
        fprintf(stderr, "measure TIMES COMMAND...: at most %d times\n", MOST);
        return 2;
    }
    for (int i = 0; i < times; i++) {
        double begin = now_ms();
        pid_t pid = fork();
        if (pid == 0) {
            int nowhere = open("/dev/null", O_RDWR);
            dup2(nowhere, 0);
            dup2(nowhere, 1);
            dup2(nowhere, 2);
            execvp(argv[2], argv + 2);
            _exit(127);
        }
        int status;
        struct rusage used;
        if (wait4(pid, &status, 0, &used) != pid || status != 0) {
            fprintf(stderr, "measure: %s failed\n", argv[2]);
            return 1;
        }
        took[i] = now_ms() - begin;
        peak = used.ru_maxrss > peak ? used.ru_maxrss : peak;
    }
    qsort(took, (size_t)times, sizeof(*took), by_size);
    printf("%.1f %.1f %ld\n", took[times / 2], took[0], peak);
    return 0;
}
