// What the parts of plugin aws-routes share.
#ifndef AWS_ROUTES_H
#define AWS_ROUTES_H

#include <isthmus/alloc.h>
#include <isthmus/aws.h>
#include <isthmus/env.h>
#include <isthmus/json.h>

// One operation.
struct step {
    ist_env env;
    json_t *inputs, *recorded;
    ist_aws *aws;
    json_t *tables; // array: route tables as EC2 describes them
    json_t *groups; // array: security groups as EC2 describes them
    json_t *cidrs;  // array of strings: every on-premises network, normalised, each once
    json_t
        *wanted; // object: the names of all resources that the inputs ask for; made when it is first needed
    char *eni;   // the next hop's interface; NULL until it is known
};

const json_t *step_record(const struct step *s, const char *resource); // data, or NULL; borrowed
int step_is_unsettled(const struct step *s, const char *resource);

// ---- operations.c ----
// Tables and groups, those of the inputs and those that state recorded: read anew, or (in plan) as observe saw them.
int32_t step_read(struct step *s, ist_error *err);

// ---- resources.c: their names, "route rtb-1 10.1.0.0/16" and "ingress sg-1 10.1.0.0/16" ----
char *route_resource(const char *table, const char *cidr);   // the caller's
char *ingress_resource(const char *group, const char *cidr); // the caller's
// 1 when the inputs still ask for the resource of this record.
int resource_is_wanted(struct step *s, const char *resource);

// ---- route.c ----
// The route of exactly this network in a table, or NULL. Borrowed.
const json_t *route_find(const json_t *tables, const char *table, const char *cidr);
// "eni-1", "i-1", "nat-1", ...; borrowed, "" when it has none.
const char *route_target(const json_t *route);
int32_t route_plan(struct step *s, const char *table, const char *cidr, ist_error *err);
int32_t route_apply(struct step *s, const char *table, const char *cidr, ist_error *err);
// Removes the one that state recorded, if it is still as we made it.
int32_t route_remove(struct step *s, const char *resource, const json_t *record, ist_error *err);
int32_t route_verify(struct step *s, const char *table, const char *cidr);
// The interface that the next hop is or has. The caller's (NULL where the address is nobody's).
int32_t route_interface(struct step *s, char **eni, ist_error *err);

// ---- ingress.c: all protocols from a network ----
// Is there a rule that lets all protocols in from exactly this network?
int ingress_find(const json_t *groups, const char *group, const char *cidr);
int32_t ingress_plan(struct step *s, const char *group, const char *cidr, ist_error *err);
// All that is missing in a group, by one call.
int32_t ingress_apply(struct step *s, const char *group, ist_error *err);
int32_t ingress_remove(struct step *s, const char *resource, const json_t *record, ist_error *err);
int32_t ingress_verify(struct step *s, const char *group, const char *cidr);

// ---- check.c: what plan refuses ----
int32_t check_networks(struct step *s, ist_error *err);
int32_t check_quotas(struct step *s, ist_error *err);

#endif
