// CloudFormation: the calls.
#include "inner.h"

static const struct aws_action actions[] = {{NULL, NULL, false}};
static const struct aws_action *const tables[] = {actions, NULL};
const struct aws_service aws_cfn = {.name = "cloudformation",
                                    .label = "CloudFormation",
                                    .xmlns = "http://cloudformation.amazonaws.com/doc/2010-05-15/",
                                    .item = "member",
                                    .tables = tables};
