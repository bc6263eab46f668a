// kube-load: the peers and the pace for the measurements of tests/bench against real API servers. It speaks to
// them with libcurl's multi interface alone, one HTTP/2 connection a server: the least that the same requests cost.
//
//   load.c      the commands
//   http.c      servers, calls in flight, watches
//   seed.c      services with slices, pods and policies, made fast
//   replay.c    what was applied to a cluster, taken from it and sent again as it was; lists
//   churn.c     changes at a rate, and when they are seen
//   memory.c    the memory of a tree of processes
#ifndef TESTS_BENCH_LOAD_H
#define TESTS_BENCH_LOAD_H

#include <isthmus/alloc.h>
#include <isthmus/json.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOAD_FLIGHT                                                                                          \
    16 // calls at once on a connection: as many as the reconciler has (sdk/lib/kube/reconciler.h)

struct load; // what is under way with all servers

struct load_server {
    char *url, *ca, *authorization;
    int flying;
};

struct load_call;
typedef void load_done(struct load_call *call);
// A line of a watch: borrowed, ends with a zero.
typedef void load_line(void *ctx, const char *line);

struct load_call {
    struct load_server *server;
    const char *method, *type; // static
    char *path, *body;         // owned
    load_done *done;           // NULL: nothing but that it succeeded
    load_line *line;           // of a watch
    void *ctx;
    size_t number;
    double sent, answered; // now_ms()
    long status;
    ist_buf answer;
    void *easy, *headers;
};

double now_ms(void); // monotonic

// Reads what start-cluster.sh writes: a server, a certificate-authority file, a token.
struct load_server *load_server(const char *kubeconfig);
void load_server_free(struct load_server *server);

struct load *load_new(void);
void load_free(struct load *load); // ends watches
// Starts at once. Takes path and body (NULL: none). done() is called from load_drive().
struct load_call *load_send(struct load *load, struct load_server *server, const char *method, char *path,
                            char *body, load_done *done, void *ctx);
void load_watch(struct load *load, struct load_server *server, char *path, load_line *line, void *ctx);
// Waits at most so long for something to come and takes it. Calls that failed end the program.
void load_drive(struct load *load, int wait_ms);

// Fills free places while fill() sends; until all is answered. fill: 0 when there is no more (for now).
typedef int load_fill(void *ctx);
void load_all(struct load *load, struct load_server *server, int flight, load_fill *fill, void *ctx);

struct spread {
    double *items;
    size_t count, room;
};
void spread_add(struct spread *spread, double value);
double spread_at(struct spread *spread, double part); // 0.5: the median; sorts; 0 when empty
void spread_free(struct spread *spread);

__attribute__((noreturn, format(printf, 1, 2))) void load_die(const char *format, ...);
// The number of an argument, or the end of the program.
long load_number(const char *text);

int seed_services(int argc, char **argv);
int seed_pods(int argc, char **argv);
int replay_take(int argc, char **argv);
int replay_send(int argc, char **argv);
int replay_list(int argc, char **argv);
int replay_until(int argc, char **argv);
int replay_count(int argc, char **argv);
int churn_services(int argc, char **argv);
int churn_pods(int argc, char **argv);
int memory_watch(int argc, char **argv);

#endif
