// What the files of CloudFormation share.
//
// A stack is an object of the store ("stack", by its ARN) in the shape of DescribeStacks, and of its own:
//   _body        the template's text, as it was sent
//   _template    the template, parsed
//   _parameters  {name: value}, defaults filled in
//   _resources   {logical id: record}, in the order in which they were made
//   _obsolete    [record]: replaced or removed by an update, deleted in its clean-up
//   _events      newest first
//   _changesets  {ARN: change set}
//   _before      what an update falls back to: {_body, _template, _parameters}
// A record has the shape of DescribeStackResources and _props, the properties it was made with.
#ifndef LAB_AWS_CFN_H
#define LAB_AWS_CFN_H

#include "inner.h"

// ---- cfn_template.c ----
// Parses a template (JSON or YAML) and judges it; new reference, NULL after aws_fail().
json_t *cfn_template(struct aws_call *c, const char *body);
json_t *cfn_yaml(const char *text, char *why, size_t size); // cfn_yaml.c; new reference or NULL with why
// The call's Parameters over the template's defaults (and `earlier` for UsePreviousValue); new, NULL after aws_fail().
json_t *cfn_parameters(struct aws_call *c, const json_t *template, const json_t *earlier);
// A value with its functions carried out; new reference, NULL after aws_fail(). json_null(): AWS::NoValue.
json_t *cfn_resolve(struct aws_call *c, const json_t *stack, const json_t *value);
// The logical ids that a resource needs first; new array of text.
json_t *cfn_needs(const json_t *resource);

// ---- cfn_resource.c ----
bool cfn_known(const char *type);
bool cfn_taggable(const char *type);
bool cfn_replaces(const char *type, const char *property); // is a resource made anew when it changes?
// The stack's tags on what it has made, those of before taken away.
void cfn_retag(struct lab *lab, const json_t *record, const json_t *before, const json_t *after);
// Begins to make a resource: its physical id (malloc'd), or NULL with *why (malloc'd).
char *cfn_create(struct lab *lab, const json_t *stack, const char *logical, const char *type,
                 const json_t *props, char **why);
bool cfn_created(struct lab *lab, const json_t *record); // has what was begun come to its end?
// Changes in place what may be; false: it must be replaced. *why is set when the change failed.
bool cfn_update(struct lab *lab, const json_t *record, const json_t *props, char **why);
// Begins to delete; false with *why (malloc'd) if it may not. What is gone already is deleted.
bool cfn_delete(struct lab *lab, const json_t *record, char **why);
bool cfn_deleted(struct lab *lab, const json_t *record);
json_t *cfn_attribute(struct lab *lab, const json_t *record,
                      const char *name); // new text, NULL: no such attribute

// ---- cfn_stack.c ----
// The stack of a name or ARN; a deleted one only by ARN. Borrowed or NULL.
json_t *cfn_stack(const struct aws_call *c, const char *name);
json_t *cfn_new_stack(struct aws_call *c, const char *name, const char *status); // borrowed
void cfn_set_status(json_t *stack, const char *status, const char *reason);      // and an event
void cfn_run(struct lab *lab, json_t *stack);    // goes on with whatever its status says is in progress
void cfn_resume(struct lab *lab, json_t *stack); // goes on with what had failed half-way
bool cfn_busy(const json_t *stack);

// ---- cfn.c ----
extern const struct aws_action cfn_changeset_actions[];
bool cfn_name_good(struct aws_call *c, const char *name);     // or ValidationError
bool cfn_may_update(struct aws_call *c, const json_t *stack); // or ValidationError
const char *cfn_body(const struct aws_call *c,
                     const json_t *stack); // of the call or (UsePreviousTemplate) the stack
json_t *cfn_shown_parameters(const json_t *template, const json_t *values); // new list, NoEcho ones hidden
// Puts template and parameters (both stolen) and the call's tags and tokens into a stack.
void cfn_lay(struct aws_call *c, json_t *stack, const char *body, json_t *template, json_t *values);
void cfn_begin_update(struct aws_call *c, json_t *stack, const char *body, json_t *template, json_t *values);

#endif
