// The life of a lab: its folder, its slot on the loopback network, its background process, its end.
#include "core.h"
#include "router/router.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST_SLOT = 64, LAST_SLOT = 250, ROUTER_PORT = 2222, SETTLE_MS = 2000 };

static void say(const char *what, const char *where)
{
    fprintf(stderr, "isthmus-lab: %s %s: %s\n", what, where, strerror(errno));
}

// The folder, 0700 and ours, and the lock that says that a lab runs in it. Returns the lock's descriptor or
// -1.
static int take_dir(const char *dir)
{
    struct stat st;
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        say("cannot make", dir);
        return -1;
    }
    int fd = open(dir, O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_uid != geteuid() || fchmod(fd, 0700) != 0) {
        if (fd >= 0 && st.st_uid != geteuid())
            errno = EPERM;
        say("cannot use", dir);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    int lock = openat(fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    close(fd);
    if (lock < 0) {
        say("cannot lock", dir);
    } else if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        fprintf(stderr, "isthmus-lab: a lab runs in %s already\n", dir);
        close(lock);
        lock = -1;
    }
    return lock;
}

// A slot is held by an abstract socket: it is as wide as the loopback network itself (a network namespace),
// for all users, and goes with the process. The descriptor stays open for good.
static int take_slot(void)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    for (int slot = FIRST_SLOT; fd >= 0 && slot <= LAST_SLOT; slot++) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int len = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "isthmus-lab/%d", slot);
        socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
        if (bind(fd, (struct sockaddr *)&address, size) == 0)
            return slot;
    }
    fprintf(stderr, "isthmus-lab: all %d slots are taken by labs that run\n", LAST_SLOT - FIRST_SLOT + 1);
    return -1;
}

// A port that is free on every address of the slot (somebody else may listen on 0.0.0.0).
static int free_port(uint8_t slot, int first)
{
    for (int port = first; port < first + 100; port++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)port),
                                      .sin_addr.s_addr = htonl(127u << 24 | (uint32_t)slot << 16 | 1)};
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        bool is_free = bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
        close(fd);
        if (is_free)
            return port;
    }
    return first;
}

static void export_format(struct lab *lab, const char *name, char *value)
{
    lab_export(lab, name, value);
    free(value);
}

static void export_common(struct lab *lab)
{
    char *cfg = lab_format("%s/cfg", lab->dir);
    mkdir(cfg, 0700);
    export_format(lab, "ISTHMUS_CFG", cfg);
    lab_export(lab, "ISTHMUS_LAB_DIR", lab->dir);
    export_format(lab, "ISTHMUS_LAB_CA", lab_format("%s/ca.crt", lab->dir));
    export_format(lab, "ISTHMUS_STATE", lab_format("%s/state.db", lab->dir));
    export_format(lab, "ISTHMUS_KUBECONFIG_CCP", lab_format("%s/ccp.kubeconfig", lab->dir));
    export_format(lab, "ISTHMUS_KUBECONFIG_AWS", lab_format("%s/aws.kubeconfig", lab->dir));
    export_format(lab, "KUBECONFIG", lab_format("%s/ccp.kubeconfig:%s/aws.kubeconfig", lab->dir, lab->dir));
    export_format(lab, "ISTHMUS_ROUTER_PORT", lab_format("%d", free_port(lab->slot, ROUTER_PORT)));
    lab_export(lab, "ISTHMUS_HUB_ADDRESS", LAB_HUB_ADDRESS);
    // The walk-through finds the on-premises cluster's kubeconfig in /cfg.
    char *link_name = lab_format("%s/cfg/ccp-kubeconfig.yaml", lab->dir);
    unlink(link_name);
    if (symlink("../ccp.kubeconfig", link_name) != 0)
        lab_log(lab, "cannot link %s: %s", link_name, strerror(errno));
    free(link_name);
}

static void write_env(struct lab *lab)
{
    const char *name;
    json_t *value;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    json_object_foreach(lab->env, name, value)
    {
        fprintf(out, "export %s='", name);
        for (const char *p = json_string_value(value); *p; p++) {
            if (*p == '\'')
                fputs("'\\''", out);
            else
                fputc(*p, out);
        }
        fputs("'\n", out);
    }
    fclose(out);
    lab_write_file(lab, "env", text);
    free(text);
}

static int start(struct lab *lab)
{
    if (lab_journal_open(lab) != 0 || lab_tls_start(lab) != 0 || lab_timers_start(lab) != 0)
        return -1;
    lab_faults_open(lab);
    pthread_mutex_lock(&lab->lock);
    export_common(lab);
    int rc = lab_aws_start(lab) == 0 && lab_kube_start(lab) == 0 && lab_ccp_start(lab) == 0 &&
                     lab_router_start(lab) == 0
                 ? 0
                 : -1;
    if (rc == 0)
        write_env(lab);
    pthread_mutex_unlock(&lab->lock);
    return rc;
}

static void stop(struct lab *lab)
{
    pthread_mutex_lock(&lab->lock);
    lab->stopping = true;
    pthread_cond_broadcast(&lab->changed);
    pthread_mutex_unlock(&lab->lock);
    lab_http_stop(lab);
    lab_router_stop(lab);
    lab_timers_stop(lab);
    char *path = lab_format("%s/control", lab->dir);
    unlink(path);
    free(path);
}

// The socket of the control thread; shut down by a signal so that the lab goes the same way as by `down`.
static volatile sig_atomic_t control_socket = -1;

static void on_signal(int number)
{
    (void)number;
    shutdown(control_socket, SHUT_RDWR);
}

static int run(const struct lab_options *options, char *dir, int ready)
{
    static struct lab lab; // static, so that what it holds at the end is still reachable for a leak checker
    lab = (struct lab){.dir = dir, .eks_ms = options->eks_ms, .verbose = options->verbose};
    lab.kube_version = lab_strdup(options->kube_version);
    lab.env = json_object();
    pthread_mutex_init(&lab.lock, NULL);
    pthread_cond_init(&lab.changed, NULL);
    int slot = take_slot();
    if (slot < 0)
        return 1;
    lab.slot = (uint8_t)slot;
    signal(SIGPIPE, SIG_IGN);
    if (start(&lab) != 0)
        return 1;
    int control = lab_control_listen(&lab);
    if (control < 0)
        return 1;
    control_socket = control;
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    lab_timers_settle(&lab, SETTLE_MS);
    lab_log(&lab, "ready on 127.%d.0.0/16", slot);
    if (write(ready, "1", 1) != 1)
        return 1;
    close(ready);
    lab_control_serve(&lab, control);
    lab_log(&lab, "going down");
    stop(&lab);
    return 0;
}

// In the child: away from the terminal, errors into DIR/lab.log once `up` has returned.
static void into_background(const char *dir)
{
    char *path = lab_format("%s/lab.log", dir);
    int log = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    setsid();
    if (null >= 0) {
        dup2(null, 0);
        dup2(null, 1);
    }
    if (log >= 0)
        dup2(log, 2);
    free(path);
}

// Passes on what the child wrote before it failed.
static void show_log(const char *dir)
{
    char *path = lab_format("%s/lab.log", dir), line[512];
    FILE *in = fopen(path, "re");
    while (in && fgets(line, sizeof line, in))
        fputs(line, stderr);
    if (in)
        fclose(in);
    free(path);
}

int lab_up(const struct lab_options *options)
{
    umask(077);
    int lock = take_dir(options->dir), ready[2];
    if (lock < 0)
        return 1;
    char *dir = realpath(options->dir, NULL);
    if (!dir || pipe2(ready, O_CLOEXEC) != 0) {
        say("cannot use", options->dir);
        return 1;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) {
        say("cannot start in", dir);
        return 1;
    }
    if (pid == 0) {
        close(ready[0]);
        into_background(dir);
        char *text = lab_format("%d\n", (int)getpid());
        struct lab only_dir = {.dir = dir};
        lab_write_file(&only_dir, "pid", text);
        free(text);
        exit(run(options, dir, ready[1]));
    }
    // The lock lives on in the child's copy of the descriptor.
    close(ready[1]);
    char byte;
    ssize_t n;
    do
        n = read(ready[0], &byte, 1);
    while (n < 0 && errno == EINTR);
    close(ready[0]);
    if (n != 1) {
        show_log(dir);
        fprintf(stderr, "isthmus-lab: the lab in %s did not start\n", dir);
    }
    free(dir);
    return n == 1 ? 0 : 1;
}
