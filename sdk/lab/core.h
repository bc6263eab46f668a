// What the lab's own core files share; modules use lab.h alone.
#ifndef LAB_CORE_H
#define LAB_CORE_H

#include "lab.h"

struct lab_options {
    const char *dir;
    const char *kube_version;
    int64_t eks_ms;
    bool verbose;
};

// Starts a lab in the background; returns 0 once it is ready, or 1 with a line on stderr.
int lab_up(const struct lab_options *options);

// One request to the lab that runs in `dir`. Returns its result (new reference), or NULL with a line on
// stderr.
json_t *lab_control_ask(const char *dir, json_t *request); // steals request
// Listens on DIR/control. Returns the socket or -1 with a line on stderr.
int lab_control_listen(struct lab *lab);
// Serves the control socket until somebody asks the lab to go down (or the socket is shut down).
void lab_control_serve(struct lab *lab, int socket);

int lab_journal_open(struct lab *lab); // -1: a line on stderr
void lab_faults_open(struct lab *lab);
char *lab_fault_add(struct lab *lab,
                    const json_t *rule); // {key: text}; NULL, or why it was refused (malloc'd)
void lab_fault_clear(struct lab *lab);
json_t *lab_fault_list(struct lab *lab);
int lab_timers_start(struct lab *lab);
void lab_timers_settle(struct lab *lab, int64_t patience_ms); // waits until no timer is left
void lab_timers_stop(struct lab *lab);
json_t *lab_snapshot_take(struct lab *lab);
int lab_tls_start(struct lab *lab);
void lab_http_stop(struct lab *lab);
const char *lab_tls_server_cert(const struct lab *lab); // borrowed PEM
const char *lab_tls_server_key(const struct lab *lab);

#endif
