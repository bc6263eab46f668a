// What the files of CloudFormation stacks share.
#ifndef IST_STACK_INTERNAL_H
#define IST_STACK_INTERNAL_H

#include <isthmus/stack.h>

#include <stdbool.h>

#define STACK_POLL_MS 2000 // the usual first pause; each is longer than the one before

#define STACK_OURS                                                                                           \
    "isthmus-" // so begin the tokens of what we ask for, and the events that come of it bear them

bool stack_ends_with(const char *text, const char *end);
json_t *
stack_request(const char *name); // parameters: the stack's name, and a token of this request; a new reference
const char *stack_status(const json_t *stack); // borrowed, "" for NULL
// Fails with the first resource of the last operation that failed, and its reason.
int32_t stack_tell_failure(ist_aws *aws, const char *name, const char *status, ist_error *err);
// Waits *pause, which grows; IST_ERR_TIMEOUT once it is `until` (ist_now_ms).
int32_t stack_pause(const ist_env *env, int64_t *pause, int64_t until, const char *where, const char *status,
                    ist_error *err);

// changes.c: does a change set (DescribeChangeSet) do what lies between the two templates, and nothing else? tags:
// may the resources' tags change? IST_ERR_CONFLICT names the first that does not fit.
int32_t stack_check_changes(const json_t *set, const json_t *before, const json_t *after, bool tags,
                            ist_error *err);

#endif
