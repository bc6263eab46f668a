// A server that plays EC2, STS, EKS and the metadata services, and misbehaves when told to; a client of it, and a home
// folder for its files. No variable of AWS's is set but AWS_ENDPOINT_URL, which names the server.
#ifndef TEST_AWS_WORLD_H
#define TEST_AWS_WORLD_H

#include "fake-call.h"
#include "httpd.h"

#include <isthmus/aws.h>

struct world {
    int failures;        // so many calls fail first
    const char *failure; // body of those; NULL: the connection is cut
    int failure_status;
    const char *failure_headers;
    const char *body; // of everything else that is EC2's
    int calls;
    char form[8192]; // of the last call
    char auth[1024], token[256], date[64], host[128], target[8192];
    char method[16];   // of the last request of any kind, CONNECT too
    char roles[512];   // assumed, in order
    int fetches;       // of the container's keys
    int no_keys;       // it has none any more
    char bearer[64];   // of SSO's call
    char renewal[256]; // what was sent last for one of SSO's tokens
    int renewals;
    int no_renewal;           // it is refused
    int metadata_status;      // what the instance's service answers to everything; 0: it works
    int metadata_calls;       // of it
    const char *machine_keys; // what the container hands out; NULL: keys
};

struct fixture {
    struct httpd *server;
    struct world world;
    struct fake_call call; // of open_called()
    char dir[64];
    ist_aws *aws;
    ist_error err;
};

httpd_handler handler; // of a further server: a struct world
int setup(void **state);
int teardown(void **state);

void write_file(const struct fixture *f, const char *name, const char *variable, const char *text);
void remove_file(const struct fixture *f, const char *name);
void open_client(struct fixture *f);     // with keys
void open_from_chain(struct fixture *f); // with what it finds
void open_called(struct fixture *f);     // the same, as an operation with f->call
void close_client(struct fixture *f);
void serve_container(const struct fixture *f); // from now on it has keys for whoever asks
int32_t describe(struct fixture *f);           // one read of EC2's
void fail_with(struct world *w, int times, int status, const char *body);

#endif
