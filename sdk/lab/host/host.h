// The Linux hosts of the lab: instances launched from a Debian image. A host is a folder that a real shell is shut into,
// with the lab's own programs in the place of those that would change a machine (tools.sh). What its files and services
// come to is put into the words of an IOS-XE configuration, so that the tunnel is judged by one piece of code whatever
// stands at its ends (../router/tunnel.c).
#ifndef LAB_HOST_H
#define LAB_HOST_H

#include "../router/device.h"

#include <libssh/libssh.h>
#include <libssh/server.h>

struct lab_host {
    char *root; // the folder
    char *user; // who has the key pair's key, and sudo
};

// A fresh one, as cloud-init leaves it: #cloud-config's `hostname` and `user: {name}`.
struct lab_host *lab_host_new(struct lab *lab, const char *id, const char *user_data, uint32_t outside,
                              uint32_t inside);
void lab_host_erase(const struct lab_host *host); // its folder: threads may still look at the rest
// It starts again: what is enabled comes up, by a thread of its own.
void lab_host_boot(struct router *router);

// A process of `user` on the host; its three ends are this process's to close. -1: it cannot be started.
pid_t lab_host_spawn(const struct lab_host *host, const char *user, const char *command, int fd[3]);
// main() of `isthmus-lab host-shell ROOT USER COMMAND`: shuts itself into the folder and becomes the command.
int lab_host_enter(char **words);

// config.c: what the host's files and services say, in IOS's words. malloc'd.
char *lab_host_config(const struct lab_host *host);
// Takes that over as the router's configuration. With the lock held.
void lab_host_changed(struct router *router);
// answers.c: what its daemons would answer now. With the lock held.
void lab_host_answer(struct router *router);

// session.c: an exec request of somebody logged in. What comes for it is in `typed`, which the caller's callback grows;
// returns its exit status.
struct host_typed {
    char *data;
    size_t len;
    bool eof;
};
int lab_host_exec(struct router *router, const char *user, const char *command, ssh_channel channel,
                  ssh_event event, struct host_typed *typed, bool (*stop)(void *), void *arg);

#endif
