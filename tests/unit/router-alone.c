// The lab's routers without the rest of the lab, for tests of SSH and IOS: a hub, and a spoke as EC2 would
// have booted it. Usage: router-alone DIR PUBLIC-KEY-FILE; says "ready ADDRESS PORT" on standard output.
// Standard input is a line a command: "fault KEY=VALUE ...", "clear", "snapshot", "boot ID ADDRESS USER-DATA-FILE" and
// "end ID" for spokes of another EC2; end of file ends it.
#include "core.h"
#include "router/router.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char user_data[] = "ios-config-1=\"hostname spoke-router-in-the-cloud\"\n"
                                "ios-config-2=\"username operator privilege 15 password 0 operator-pw\"\n";

static char *slurp(const char *path)
{
    char *text = lab_calloc(1, 8192);
    FILE *in = fopen(path, "re");
    if (!in || !fread(text, 1, 8191, in))
        fprintf(stderr, "router-alone: cannot read %s\n", path);
    if (in)
        fclose(in);
    return text;
}

static void add_fault(struct lab *lab, char *words)
{
    json_t *rule = json_object();
    char *save = NULL;
    for (char *w = strtok_r(words, ",\n", &save); w; w = strtok_r(NULL, ",\n", &save)) {
        char *equals = strchr(w, '=');
        if (!equals)
            continue;
        *equals = 0;
        json_object_set_new(rule, w, json_string(equals + 1));
    }
    char *why = lab_fault_add(lab, rule);
    printf("%s\n", why ? why : "ok");
    free(why);
    json_decref(rule);
}

// An instance that another EC2 has started, by what that knows of it.
static void boot(struct lab *lab, const char *words, const char *key)
{
    char id[64], address[16], path[256];
    struct in_addr at;
    if (sscanf(words, "%63s %15s %255s", id, address, path) != 3 || inet_pton(AF_INET, address, &at) != 1) {
        puts("boot wants ID ADDRESS USER-DATA-FILE");
        return;
    }
    char *data = slurp(path);
    lab_router_boot(lab, id, data, key, 0x0a006a0a, 0x0a006d0a, false); // 10.0.106.10 and 10.0.109.10
    lab_router_address(lab, id, ntohl(at.s_addr));
    free(data);
    puts("ok");
}

static void command(struct lab *lab, char *line, const char *key)
{
    pthread_mutex_lock(&lab->lock);
    line[strcspn(line, "\n")] = 0;
    if (!strncmp(line, "fault ", 6)) {
        add_fault(lab, line + 6);
    } else if (!strncmp(line, "clear", 5)) {
        lab_fault_clear(lab);
        puts("ok");
    } else if (!strncmp(line, "boot ", 5)) {
        boot(lab, line + 5, key);
    } else if (!strncmp(line, "end ", 4)) {
        lab_router_shutdown(lab, line + 4);
        puts("ok");
    } else {
        json_t *all = lab_snapshot_take(lab);
        json_dumpf(all, stdout, JSON_COMPACT | JSON_SORT_KEYS);
        putchar('\n');
        json_decref(all);
    }
    pthread_mutex_unlock(&lab->lock);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static struct lab lab;
    char line[1024], port[16];
    if (argc != 3)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    lab.dir = argv[1];
    lab.slot = (uint8_t)(200 + getpid() % 50);
    lab.env = json_object();
    pthread_mutex_init(&lab.lock, NULL);
    pthread_cond_init(&lab.changed, NULL);
    snprintf(port, sizeof port, "%d", 20000 + getpid() % 10000);
    lab_export(&lab, "ISTHMUS_ROUTER_PORT", port);
    if (lab_journal_open(&lab) != 0 || lab_timers_start(&lab) != 0)
        return 1;
    lab_faults_open(&lab);
    char *key = slurp(argv[2]);
    uint32_t address = 127u << 24 | (uint32_t)lab.slot << 16 | 50u << 8 | 9;
    pthread_mutex_lock(&lab.lock);
    lab_router_start(&lab);
    lab_router_boot(&lab, "i-spoke", user_data, key, 0x0a006a0a, 0x0a006d0a, // 10.0.106.10 and 10.0.109.10
                    false);
    lab_router_address(&lab, "i-spoke", address);
    pthread_mutex_unlock(&lab.lock);
    printf("ready 127.%u.50.9 %s %s\n", lab.slot, port, LAB_HUB_ADDRESS);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin))
        command(&lab, line, key);
    pthread_mutex_lock(&lab.lock);
    lab.stopping = true;
    pthread_mutex_unlock(&lab.lock);
    lab_router_stop(&lab);
    free(key);
    return 0;
}
