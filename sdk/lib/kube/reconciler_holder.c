// Who holds a Lease: "HOST-PID-RANDOM.START.PLACE". A process is told apart from a later one of its number by the time
// of its start, and PLACE stands for this boot of this machine and this namespace of process numbers (of a container):
// only where both are ours does the number mean anything to us. Source: proc(5), pid_namespaces(7).
#include "reconciler.h"

#include <errno.h>
#include <openssl/sha.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define PLACE_SIZE 17

static int read_text(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "re");
    const size_t n = file ? fread(text, 1, size - 1, file) : 0;
    if (file)
        fclose(file);
    text[n] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return n > 0;
}

// "" where it cannot be told: then nobody's end can be seen from here.
static void place_of_ours(char place[PLACE_SIZE])
{
    char boot[64], ns[64] = "", all[160];
    unsigned char digest[SHA256_DIGEST_LENGTH];
    place[0] = '\0';
    if (!read_text("/proc/sys/kernel/random/boot_id", boot, sizeof boot) ||
        readlink("/proc/self/ns/pid", ns, sizeof ns - 1) <= 0)
        return;
    snprintf(all, sizeof all, "%s %s", boot, ns);
    SHA256((const unsigned char *)all, strlen(all), digest);
    for (size_t i = 0; i < (PLACE_SIZE - 1) / 2; i++)
        snprintf(place + 2 * i, 3, "%02x", digest[i]);
}

// Of a process that runs: its start, in ticks since the boot. 0: it cannot be read. *ended: only its number is left.
static unsigned long long start_of(long pid, int *ended)
{
    char path[64], text[1024];
    *ended = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    const char *at =
        read_text(path, text, sizeof text) ? strrchr(text, ')') : NULL; // its name may hold anything
    if (!at || at[1] != ' ')
        return 0;
    at += 2;
    *ended = *at == 'Z' || *at == 'X';
    for (int field = 3; field < 22 && at; field++) { // `at` is at the third
        at = strchr(at, ' ');
        at += at != NULL;
    }
    return at ? strtoull(at, NULL, 10) : 0;
}

char *rec_identity(void)
{
    char host[128] = "", place[PLACE_SIZE];
    uint32_t bits = 0;
    int ended;
    if (gethostname(host, sizeof host - 1) != 0 || !*host)
        host[0] = '-';
    if (getrandom(&bits, sizeof bits, 0) != (ssize_t)sizeof bits)
        bits = (uint32_t)ist_now_ms(NULL);
    place_of_ours(place);
    return ist_printf("%s-%ld-%08x.%llu.%s", host, (long)getpid(), bits, start_of((long)getpid(), &ended),
                      *place ? place : "-");
}

int rec_holder_is_gone(const char *identity)
{
    char place[PLACE_SIZE];
    const char *last = strrchr(identity, '.'), *start = last;
    place_of_ours(place);
    if (!last || !*place || strcmp(last + 1, place) != 0)
        return 0;
    while (start > identity && start[-1] != '.')
        start--;
    if (start <= identity + 1)
        return 0;
    const char *bits = start - 1;
    while (bits > identity && bits[-1] != '-')
        bits--;
    const char *number = bits > identity ? bits - 1 : identity;
    while (number > identity && number[-1] != '-')
        number--;
    char *end;
    errno = 0;
    const long pid = strtol(number, &end, 10);
    const unsigned long long began = strtoull(start, NULL, 10);
    if (number == identity || end != bits - 1 || pid <= 0 || errno || !began)
        return 0;
    if (kill((pid_t)pid, 0) != 0 && errno == ESRCH)
        return 1;
    int ended;
    const unsigned long long now = start_of(pid, &ended);
    return now && (ended || now != began);
}
