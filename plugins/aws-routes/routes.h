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
    json_t *inputs;
    ist_aws *aws;
    // object: id -> {routes: {network: target}, local: [network], dead: {network: true}, announced: {network: target}, vpc,
    // count, lists, by_list}; announced: by a gateway, and not in routes
    json_t *tables;
    // object: id -> {all: {network: description or null}, count, lists, by_list}; all: rules of all protocols
    json_t *groups;
    json_t *cidrs; // array of strings: every on-premises network, normalised, each once
    json_t
        *wanted; // object: the names of all resources that the inputs ask for; made when it is first needed
    json_t
        *quotas; // object: code -> what the account has; null: it is not told; made when it is first needed
    char *eni;   // the next hop's interface; NULL until it is known
};

int step_is_recorded(const struct step *s, const char *resource);
int step_is_unsettled(const struct step *s, const char *resource);
// The interface that a route was recorded to lead to, "" when there is none. Borrowed.
const char *step_recorded_eni(const struct step *s, const char *resource);

// ---- operations.c ----
// Tables and groups, those of the inputs and those that state recorded: read anew, or (in plan) as observe saw them.
int32_t step_read(struct step *s, ist_error *err);

// ---- resources.c: their names, "route rtb-1 10.1.0.0/16" and "ingress sg-1 10.1.0.0/16" ----
char *route_resource(const char *table, const char *cidr);   // the caller's
char *ingress_resource(const char *group, const char *cidr); // the caller's
// The table or group in such a name when it is of this kind ("route", "ingress"), else NULL. The caller's.
char *resource_holder(const char *resource, const char *kind);
// 1 when the inputs still ask for the resource of this record.
int resource_is_wanted(struct step *s, const char *resource);

// ---- seen.c: tables and groups as `struct step` holds them ----
json_t *tables_seen(const json_t *route_table_set);     // of DescribeRouteTables' answer; new reference
json_t *groups_seen(const json_t *security_group_info); // of DescribeSecurityGroups'; new reference
// Where the route of exactly this network leads: "eni-1", "i-1", "nat-1", ..., "" when EC2 tells of no target;
// NULL: there is no such route. Borrowed.
const char *route_target(const json_t *tables, const char *table, const char *cidr);
// Where a gateway's announcement leads it (propagation), which a route of its own goes before. Borrowed; NULL: none.
const char *route_announced(const json_t *tables, const char *table, const char *cidr);
int route_is_live(const json_t *tables, const char *table, const char *cidr); // not a black hole
// The description (or null) of the rule that lets all protocols in from exactly this network, or NULL. Borrowed.
const json_t *ingress_range(const json_t *groups, const char *group, const char *cidr);
// A network that contains this one, and from which all protocols are let in; NULL: there is none. Borrowed.
const char *ingress_wider(const json_t *groups, const char *group, const char *cidr);
// The prefix list that leads exactly this network somewhere, and where (borrowed); NULL: none does.
const char *route_by_list(const json_t *tables, const char *table, const char *cidr, const char **target);
int net_is_within(const char *inner, const char *outer); // also when they are equal

// ---- lists.c: managed prefix lists, which routes and rules may name instead of networks ----
// Reads those that tables or groups name, and puts into each that does `by_list`: {network: [list, target or null]},
// and into its count what AWS counts for a list. Those that cannot be read are warned of, and count as one.
int32_t lists_read(struct step *s, ist_error *err);
// The list in `by_list` of a table or group that holds a network, or one that contains it. Borrowed; NULL: none.
const char *list_holding(const json_t *holder, const char *cidr);

// ---- route.c ----
int32_t route_plan(struct step *s, const char *table, const char *cidr, ist_error *err);
int32_t route_apply(struct step *s, const char *table, const char *cidr, ist_error *err);
// Removes the one that state recorded, if it is still as we made it.
int32_t route_remove(struct step *s, const char *resource, const json_t *record, ist_error *err);
int32_t route_verify(struct step *s, const char *table, const char *cidr);
// The interface that the next hop is or has. The caller's (NULL where the address is nobody's).
int32_t route_interface(struct step *s, char **eni, ist_error *err);

// ---- ingress.c: all protocols from a network ----
// Is there a rule that lets all protocols in from this network, or from a wider one?
int ingress_find(const json_t *groups, const char *group, const char *cidr);
int32_t ingress_plan(struct step *s, const char *group, const char *cidr, ist_error *err);
// All that is missing in a group, by one call.
int32_t ingress_apply(struct step *s, const char *group, ist_error *err);
int32_t ingress_remove(struct step *s, const char *resource, const json_t *record, ist_error *err);
int32_t ingress_verify(struct step *s, const char *group, const char *cidr);

// ---- quota.c: how many routes and rules there may be ----
int32_t check_quotas(struct step *s, ist_error *err);

// ---- check.c: what plan refuses ----
int32_t check_networks(struct step *s, ist_error *err);
void check_narrower(struct step *s,
                    const char *eni); // warns of routes for a part of a network that lead elsewhere

#endif
