// What EKS keeps for this step where it makes the cluster itself: the cluster, who may use it, its nodes, its add-ons.
// Each is a thing with a path of its own, made by one call, waited for, compared field by field, and removed.
#ifndef AWS_EKS_MADE_H
#define AWS_EKS_MADE_H

#include "eks.h"

// How a field that differs is put right.
enum made_way {
    MADE_FIXED,   // not at all: the thing is replaced, or (a cluster) refused
    MADE_SETTING, // by an update of the thing's settings
    MADE_VERSION, // by an update of its version
};

struct made_field {
    const char *name; // path in the body that makes it, and for people; "_..." is not sent with it
    const char *live; // path in what EKS describes; NULL: the same
    const char *type; // of isthmus/schema.h, by which values are compared
    enum made_way way;
};

struct made;

struct made_kind {
    const char *noun;   // "node group"
    const char *member; // of an answer: "nodegroup"
    const struct made_field *fields;
    size_t field_count;
    int keeps; // is never replaced: what cannot be changed in it is refused
    // Completes what the GET answered, and what the POST made; NULL: nothing to do.
    int32_t (*read)(struct step *s, const struct made *made, json_t *live, ist_error *err);
    int32_t (*finish)(struct step *s, const struct made *made, const json_t *live, ist_error *err);
    // Puts right what differs in settings or version, waiting for each; NULL: finish does.
    int32_t (*update)(struct step *s, const struct made *made, const json_t *live, ist_error *err);
};

struct made {
    const struct made_kind *kind;
    char *resource;          // "node group workers"
    char *path, *collection; // where it is read and deleted, and where it is posted
    json_t *body;            // that makes it, without token and mark
};

// ---- kinds.c ----
extern const struct made_kind made_cluster, made_entry, made_group, made_addon;

// ---- wanted.c: the things that the inputs ask for, in the order of making; {cluster first} ----
struct made_list {
    struct made *items;
    size_t count;
};
// IST_ERR_INPUT, IST_ERR_NOT_FOUND (a role) ... Free with made_list_free().
int32_t made_wanted(struct step *s, struct made_list *list, ist_error *err);
// The thing that a record tells of, for its removal.
int32_t made_of_record(const char *resource, const json_t *data, struct made *made, ist_error *err);
void made_free(struct made *made); // its contents
void made_list_free(struct made_list *list);

// ---- made.c ----
int32_t made_plan(struct step *s, ist_error *err);
// Of a cluster that somebody else is making: waits until it is there, and opens it anew.
int32_t made_await(struct step *s, ist_error *err);
// Makes and mends, waits, and opens the cluster anew.
int32_t made_apply(struct step *s, ist_error *err);
// What state recorded, the last first. A cluster that was there before this step came is not in it, and stays.
int32_t made_destroy(struct step *s, ist_error *err);
int32_t made_verify(struct step *s, ist_error *err);
// Is the field asked for, and otherwise in EKS?
int made_differs(const struct made *made, const struct made_field *field, const json_t *live);
// Waits until the thing is ACTIVE (or gone); progress says what it is doing, an error why it failed.
int32_t made_wait(struct step *s, const struct made *made, int gone, ist_error *err);

#endif
