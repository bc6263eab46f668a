// A host's folder, and processes in it.
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static const char *const tools[] = {
// a line each
#include "tools.inc"
};

// The lab's own, and what is the machine's.
static const char *const ours[] = {"systemctl",  "ip",         "sysctl", "modprobe", "sync", "apt-get",
                                   "journalctl", "cloud-init", "sudo",   "id",       "stat", "lab-boot"};
static const char *const theirs[] = {
    "sh",      "base64", "cat",   "chmod", "chown",  "cmp",      "cp",   "cut",   "date",
    "dirname", "echo",   "env",   "false", "flock",  "setsid",   "grep", "head",  "ln",
    "ls",      "md5sum", "mkdir", "mv",    "printf", "readlink", "rm",   "rmdir", "sed",
    "sleep",   "sort",   "tail",  "test",  "touch",  "tr",       "true", "uname", "wc"};

// ---- the folder ----

static void put(const struct lab_host *host, const char *name, const char *text, unsigned mode)
{
    char *path = lab_format("%s/%s", host->root, name);
    FILE *out = fopen(path, "we");
    if (out) {
        fputs(text, out);
        fclose(out);
        chmod(path, mode);
    }
    free(path);
}

static void make_folders(const struct lab_host *host)
{
    static const char *const folders[] = {"",
                                          "/dev",
                                          "/etc",
                                          "/etc/systemd",
                                          "/etc/systemd/system",
                                          "/lab",
                                          "/lab/active",
                                          "/lab/enabled",
                                          "/lab/fw",
                                          "/lab/links",
                                          "/lab/loaded",
                                          "/lab/told",
                                          "/proc",
                                          "/proc/sys",
                                          "/proc/sys/net",
                                          "/proc/sys/net/ipv4",
                                          "/real",
                                          "/real/usr",
                                          "/root",
                                          "/run",
                                          "/tmp",
                                          "/usr",
                                          "/usr/bin",
                                          "/usr/lib",
                                          "/usr/local",
                                          "/usr/local/lib",
                                          "/usr/sbin",
                                          "/var",
                                          "/var/lib"};
    static const char *const links[][2] = {
        {"usr/bin", "bin"}, {"usr/sbin", "sbin"}, {"real/usr/lib", "lib"}, {"real/usr/lib64", "lib64"}};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char *path = lab_format("%s%s", host->root, folders[i]);
        mkdir(path, 0755);
        free(path);
    }
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        char *path = lab_format("%s/%s", host->root, links[i][1]);
        if (symlink(links[i][0], path) != 0)
            fprintf(stderr, "isthmus-lab: %s: %s\n", path, strerror(errno));
        free(path);
    }
}

static void make_tools(const struct lab_host *host)
{
    size_t size = 1, at = 0;
    for (size_t i = 0; i < sizeof tools / sizeof *tools; i++)
        size += strlen(tools[i]);
    char *text = lab_calloc(1, size);
    for (size_t i = 0; i < sizeof tools / sizeof *tools; at += strlen(tools[i++]))
        memcpy(text + at, tools[i], strlen(tools[i]));
    put(host, "lab/tools", text, 0755);
    free(text);
    for (size_t i = 0; i < sizeof ours / sizeof *ours + sizeof theirs / sizeof *theirs; i++) {
        bool own = i < sizeof ours / sizeof *ours;
        const char *name = own ? ours[i] : theirs[i - sizeof ours / sizeof *ours];
        char *path = lab_format("%s/usr/bin/%s", host->root, name),
             *to = own ? lab_strdup("/lab/tools") : lab_format("/real/usr/bin/%s", name);
        if (symlink(to, path) != 0)
            fprintf(stderr, "isthmus-lab: %s: %s\n", path, strerror(errno));
        free(path);
        free(to);
    }
}

// A word of the user data's own line "KEY: WORD" (cloud-init's YAML, as far as a host of the lab understands it).
static char *said(const char *user_data, const char *key, const char *otherwise)
{
    size_t len = strlen(key);
    for (const char *p = user_data; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : "") {
        const char *at = p + strspn(p, " ");
        if (strncmp(at, key, len) == 0 && strncmp(at + len, ": ", 2) == 0)
            return lab_format("%.*s", (int)strcspn(at + len + 2, "\r\n"), at + len + 2);
    }
    return lab_strdup(otherwise);
}

static json_t *interface(const char *name, uint32_t address)
{
    char *text = lab_ip(address);
    json_t *one =
        json_pack("{ss ss s[{ss ss si}]}", "ifname", name, "link_type", "ether", "addr_info", "family",
                  "inet", "local", text, "prefixlen", 24); // what the lab's DHCP hands out
    free(text);
    return one;
}

static void put_json(const struct lab_host *host, const char *name, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);
    put(host, name, text, 0644);
    free(text);
    json_decref(json);
}

struct lab_host *lab_host_new(struct lab *lab, const char *id, const char *user_data, uint32_t outside,
                              uint32_t inside)
{
    struct lab_host *host = lab_calloc(1, sizeof *host);
    bool cloud = strncmp(user_data, "#cloud-config", 13) == 0;
    char *name = said(cloud ? user_data : "", "hostname", "debian"),
         *gateway = lab_ip((outside & lab_mask(24)) + 1);
    host->root = lab_format("%s/host-%s", lab->dir, id);
    host->user = said(cloud ? user_data : "", "name", "admin");
    make_folders(host);
    make_tools(host);
    put(host, "dev/null", "", 0666);
    put(host, "etc/hostname", name, 0644);
    put(host, "etc/nsswitch.conf", "passwd: files\ngroup: files\n", 0644);
    put(host, "etc/passwd", "root:x:0:0::/root:/bin/sh\n", 0644);
    put(host, "etc/group", "root:x:0:\n", 0644);
    put(host, "proc/sys/net/ipv4/ip_forward", "0\n", 0644);
    put_json(host, "lab/addresses",
             json_pack("[{ss ss s[{ss ss si}]} o o]", "ifname", "lo", "link_type", "loopback", "addr_info",
                       "family", "inet", "local", "127.0.0.1", "prefixlen", 8, interface("ens5", outside),
                       interface("ens6", inside)));
    put_json(host, "lab/routes",
             json_pack("[{ss ss ss}]", "dst", "default", "gateway", gateway, "dev", "ens5"));
    free(name);
    free(gateway);
    return host;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info, (void)kind, (void)where;
    return remove(path) && errno != ENOENT ? -1 : 0;
}

void lab_host_erase(const struct lab_host *host)
{
    nftw(host->root, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

// ---- processes in it ----

pid_t lab_host_spawn(const struct lab_host *host, const char *user, const char *command, int fd[3])
{
    char *words[] = {(char *)"isthmus-lab",   (char *)"host-shell",       host->root,
                     (char *)(uintptr_t)user, (char *)(uintptr_t)command, NULL};
    int ends[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    pid_t pid = -1;
    bool good = true;
    for (int i = 0; i < 3; i++)
        good = good && pipe2(ends[i], O_CLOEXEC) == 0;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    for (int i = 0; good && i < 3; i++)
        good = posix_spawn_file_actions_adddup2(&actions, ends[i][i > 0], i) == 0;
    if (good && posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, words, environ) != 0)
        pid = -1;
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    for (int i = 0; i < 3; i++) {
        int keep = ends[i][i == 0];
        if (ends[i][i > 0] >= 0)
            close(ends[i][i > 0]);
        fd[i] = keep;
        if (keep >= 0 && pid < 0)
            close(keep);
    }
    return pid;
}

static bool put_map(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return good;
}

// A mount namespace of its own, by a user namespace where that is allowed: what is done here is nobody else's.
static bool shut_in(void)
{
    char *uid = lab_format("0 %u 1", (unsigned)getuid()), *gid = lab_format("0 %u 1", (unsigned)getgid());
    bool good = false;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS) == 0)
        good = put_map("/proc/self/setgroups", "deny") && put_map("/proc/self/uid_map", uid) &&
               put_map("/proc/self/gid_map", gid);
    else if (geteuid() == 0)
        good = unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS) == 0;
    free(uid);
    free(gid);
    return good && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

// The machine's programs and libraries, to be read alone.
static bool lend(const char *root)
{
    static const struct {
        unsigned long has, keep;
    } flags[] = {
        {ST_NOSUID, MS_NOSUID}, {ST_NODEV, MS_NODEV}, {ST_NOATIME, MS_NOATIME}, {ST_RELATIME, MS_RELATIME}};
    char *usr = lab_format("%s/real/usr", root), *null = lab_format("%s/dev/null", root);
    struct statvfs info;
    unsigned long keep = 0;
    bool good = mount("/usr", usr, NULL, MS_BIND | MS_REC, NULL) == 0 &&
                mount("/dev/null", null, NULL, MS_BIND, NULL) == 0 && statvfs(usr, &info) == 0;
    for (size_t i = 0; good && i < sizeof flags / sizeof *flags; i++)
        keep |= info.f_flag & flags[i].has ? flags[i].keep : 0;
    good = good && mount(NULL, usr, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | keep, NULL) == 0;
    free(usr);
    free(null);
    return good;
}

int lab_host_enter(char **words)
{
    const char *root = words[0], *user = words[1];
    char *id = lab_format("LAB_UID=%d", strcmp(user, "root") ? 1000 : 0), *name = lab_format("USER=%s", user);
    char *environment[] = {(char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", (char *)"HOME=/root", id, name,
                           NULL};
    char *shell[] = {(char *)"sh", (char *)"-c", words[2], NULL};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    umask(022);
    if (!shut_in() || !lend(root) || chroot(root) != 0 || chdir("/") != 0) {
        fprintf(stderr, "isthmus-lab: a Linux host needs a namespace of its own: %s\n", strerror(errno));
        return 126;
    }
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    execve("/usr/bin/sh", shell, environment);
    fprintf(stderr, "isthmus-lab: no shell in the host: %s\n", strerror(errno));
    return 126;
}

// ---- starting ----

static void *boot(void *arg)
{
    struct router *router = arg;
    struct lab *lab = router->lab;
    int fd[3];
    pid_t pid = lab_host_spawn(router->machine, "root", "lab-boot", fd);
    if (pid > 0) {
        close(fd[0]);
        close(fd[1]);
        close(fd[2]);
        waitpid(pid, NULL, 0);
    }
    pthread_mutex_lock(&lab->lock);
    lab_host_changed(router);
    router_threads(lab, -1);
    pthread_cond_broadcast(&lab->changed);
    pthread_mutex_unlock(&lab->lock);
    return NULL;
}

void lab_host_boot(struct router *router)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, boot, router) != 0)
        return;
    pthread_detach(thread);
    router_threads(router->lab, 1);
}
