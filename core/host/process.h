// A worker as a process: started with nothing but what it may have, and told apart how it ended.
#ifndef CORE_HOST_PROCESS_H
#define CORE_HOST_PROCESS_H

#include <isthmus/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct process {
    pid_t pid;  // also its process group; 0: reaped
    int pidfd;  // readable when it has ended
    int wire;   // our end of the socketpair
    int output; // what it writes to stdout and stderr
};

// Starts PROGRAM for the plugin `name` at `path`. lock_fd -1: none; `input`: it gets this process's standard input, else an
// empty one. 0 or a code.
int process_start(const char *program, const char *path, const char *name, int lock_fd, bool input,
                  size_t memory, struct process *process, ist_error *err);
// Waits for its end, `ms` at most: true when it has ended. It is not reaped yet.
bool process_ended(const struct process *process, int ms);
// SIGKILL to the group.
void process_kill(const struct process *process);
// "ended by a segmentation fault (SIGSEGV)", "exited with status 1", "closed its wire": into text.
void process_verdict(const struct process *process, char *text, size_t size);
// Kills what is left of the group, reaps, closes.
void process_reap(struct process *process);

#endif
