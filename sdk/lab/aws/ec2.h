// What the files of EC2 share among themselves.
#ifndef LAB_AWS_EC2_H
#define LAB_AWS_EC2_H

#include "inner.h"

// What is derived when an object is read (new references).
json_t *ec2_subnet_view(struct aws_call *c, const json_t *object);
json_t *ec2_route_table_view(struct aws_call *c, const json_t *object);
json_t *ec2_group_view(struct aws_call *c, const json_t *object);
json_t *ec2_eni_view(struct aws_call *c, const json_t *object);
json_t *ec2_key_view(struct aws_call *c, const json_t *object);
json_t *ec2_instance_view(struct aws_call *c, const json_t *object);
bool ec2_state_gone(const json_t *object);    // state is deleted
bool ec2_instance_gone(const json_t *object); // terminated

// ---- instances (ec2_instance.c, ec2_power.c) ----
enum {
    EC2_PENDING = 0,
    EC2_RUNNING = 16,
    EC2_SHUTTING_DOWN = 32,
    EC2_TERMINATED = 48,
    EC2_STOPPING = 64,
    EC2_STOPPED = 80
};
json_t *ec2_instance_state(int code); // {code, name}, new
int ec2_instance_code(const json_t *instance);
void ec2_instance_set(json_t *instance, int code);
json_t *ec2_device(const struct aws_call *c, const char *instance,
                   int index);                                // its interface there, borrowed or NULL
void ec2_instance_boot(struct aws_call *c, json_t *instance); // pending, and running soon
void ec2_instance_restart(struct aws_call *c,
                          json_t *instance); // off and on again at once, as CloudFormation does it

// ---- instance types (ec2_types.c) ----
bool ec2_is_type(const char *type);
bool ec2_needs_type(struct aws_call *c, const char *type); // false after InvalidParameterValue
bool ec2_needs_type_in(struct aws_call *c, const char *type, const char *zone); // false after Unsupported

// A CIDR with its host bits cleared (malloc'd), or NULL after aws_fail().
char *ec2_cidr(struct aws_call *c, const char *text);
json_t *ec2_dependency(struct aws_call *c, const char *what, const char *id); // DependencyViolation; NULL
// Does any object of `type` have key == id? (For dependencies.)
bool ec2_used(const struct aws_call *c, const char *type, const char *key, const char *id);
// The main route table and default security group that a VPC is born with.
json_t *ec2_main_table(struct aws_call *c, const char *vpc);
json_t *ec2_table_of_subnet(const struct aws_call *c, const json_t *subnet); // borrowed
json_t *ec2_add_group(struct aws_call *c, const char *vpc, const char *name, const char *description);
json_t *ec2_first_group(const struct aws_call *c, const char *vpc, const char *name); // borrowed or NULL
// A new interface: borrowed, or NULL after aws_fail(). groups: array of ids (borrowed; NULL: the VPC's
// default).
json_t *ec2_add_eni(struct aws_call *c, const char *subnet, const char *wanted, const json_t *groups,
                    const char *description);
void ec2_attach_eni(json_t *eni, const char *instance, int device, bool with_instance);
void ec2_detach_eni(json_t *eni);
void ec2_drop_eni(struct aws_call *c, const char *id);                 // with its Elastic IP's association
json_t *ec2_address_of_eni(const struct aws_call *c, const char *eni); // its Elastic IP, borrowed or NULL
bool ec2_is_router(const struct aws_call *c, const json_t *instance);
bool ec2_is_linux(const struct aws_call *c, const json_t *instance); // of those: a Linux host
const char *ec2_zone(const struct aws_call *c, const char *subnet);

// ---- ec2_prefix.c ----
size_t ec2_weight(const struct aws_call *c,
                  const char *prefix_list); // what it counts for a quota; "": of a network

#endif
