// isthmus/stack.h: CloudFormation stacks, made and changed through change sets, taken up again wherever a run was
// killed, and got out of every state in which they are stuck.
#ifndef ISTHMUS_STACK_H
#define ISTHMUS_STACK_H

#include <isthmus/aws.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IST_STACK_TOKEN_TAG "isthmus-token" // on the stack: which creation made it

typedef struct ist_stack_change {
    uint32_t size;
    const char *name;
    const char *template_body;
    const char *token;  // of the journal: marks what this step made
    const json_t *tags; // object, may be NULL
    int64_t timeout_ms; // 0: 20 minutes
    // The template (object, borrowed) that the plan was made against. Where it is given, and for every stack that is
    // new, the change set is compared with what lies between the two, and deleted when it would do anything else.
    const json_t *before;
} ist_stack_change;

// 1: is something under way in a stack of this status? (REVIEW_IN_PROGRESS only waits for somebody.)
IST_EXPORT int32_t ist_stack_is_busy(const char *status);
// 1: a resource of this type ("AWS::EC2::Instance") is made anew when this property changes ("KeyName"). Of the types
// that Isthmus makes.
IST_EXPORT int32_t ist_stack_replaces(const char *type, const char *property);

// May it be sent at all? CloudFormation takes 51,200 bytes of TemplateBody: IST_ERR_LIMIT. Without a call, so for plan.
IST_EXPORT int32_t ist_stack_check_template(const char *name, const char *body, ist_error *err);

// The stack (DescribeStacks' member, a new reference). IST_ERR_NOT_FOUND: none, or deleted.
IST_EXPORT int32_t ist_stack_find(ist_aws *aws, const char *name_or_id, json_t **stack, ist_error *err);
// The same of one that an interrupted run was about to make: the call may have been under way when that run was killed,
// so that "none" is believed only of several looks (one a second).
IST_EXPORT int32_t ist_stack_find_begun(const ist_env *env, ist_aws *aws, const char *name, json_t **stack,
                                        ist_error *err);
// 1: its tag says so, or it has none yet, since its creation was begun and never executed.
IST_EXPORT int32_t ist_stack_is_of(const json_t *stack, const char *token);
// It is not: IST_ERR_CONFLICT, with what can be done. token: the tag that it has, or NULL; way_out: beside that.
IST_EXPORT int32_t ist_stack_refuse(const char *name, const char *token, const char *way_out, ist_error *err);
IST_EXPORT const char *ist_stack_output(const json_t *stack, const char *key); // borrowed, NULL when absent
// Waits until nothing is under way, and tells the stack's events as progress. IST_ERR_NOT_FOUND when it is gone.
// *stack is a new reference.
IST_EXPORT int32_t ist_stack_wait(const ist_env *env, ist_aws *aws, const char *name_or_id,
                                  int64_t timeout_ms, json_t **stack, ist_error *err);
// 1: the last thing that was begun with the stack was begun by somebody else. (0 also where its events cannot be read.)
IST_EXPORT int32_t ist_stack_is_touched(ist_aws *aws, const char *name_or_id);
// Makes the stack, or changes it to this template. A stack of this name with another token is IST_ERR_CONFLICT.
// A stack that never worked is removed and made anew; an update that rolled back is IST_ERR_REMOTE with the first
// failed resource and its reason. Idempotent under one token and template. A change set that is not what `before`
// lets expect is IST_ERR_CONFLICT, and nothing is done. *id is the caller's.
IST_EXPORT int32_t ist_stack_apply(const ist_env *env, ist_aws *aws, const ist_stack_change *change,
                                   char **id, ist_error *err);
// An update that could neither be made nor taken back (UPDATE_ROLLBACK_FAILED): continues its rollback and waits. The
// stack's template is then the one of before the update.
IST_EXPORT int32_t ist_stack_roll_back(const ist_env *env, ist_aws *aws, const char *name_or_id,
                                       int64_t timeout_ms, ist_error *err);
// Deletes and waits; one that is gone is success.
IST_EXPORT int32_t ist_stack_delete(const ist_env *env, ist_aws *aws, const char *name_or_id,
                                    int64_t timeout_ms, ist_error *err);

#ifdef __cplusplus
}
#endif
#endif
