// What is wrong with the inputs, before AWS is asked.
#include "operations.h"

#include <isthmus/check.h>

#include <string.h>

static int is_given(const ist_checking *c, const char *path)
{
    const json_t *value = ist_checking_at(c, path);
    return !ist_is_known(c, path) || json_object_size(value) || json_string_length(value);
}

int32_t vpc_check(const ist_host *host, ist_call *call)
{
    static const char *const lists[] = {"public_cidrs", "private_cidrs"};
    static const char *const needed[] = {"name", "cidr"};
    static const char *const names[] = {"name", "name_prefix", "id", "worker_group_name", "profile"};
    ist_checking *c = ist_checking_new(&(ist_env){host, call});
    const int creates = ist_json_bool(ist_checking_inputs(c), "create", 0);
    for (size_t i = 0; i < 2 && creates; i++) {
        if (!is_given(c, needed[i]))
            ist_wrong(c, needed[i], "is needed where `create` is set");
    }
    if (!creates && ist_is_known(c, "create") && !is_given(c, "name_prefix") && !is_given(c, "id") &&
        !is_given(c, "tags"))
        ist_wrong_hint(c, "", "give `name_prefix`, `id` or `tags`; or `create: true` to make one",
                       "nothing says which VPC is meant");
    ist_check_vpc(c, "cidr");
    ist_check_duration(c, "timeout");
    ist_check_subnets(c, "cidr", lists, 2);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        ist_check_names(c, names[i]);
    ist_check_region(c, "region");
    ist_check_aws_id(c, "id", "vpc-");
    ist_check_length(c, "name", 256, "the value of a tag");
    ist_check_length(c, "worker_group_name", 255, "the name of a security group");
    ist_check_tags(c, "tags");
    return ist_checking_end(c);
}
