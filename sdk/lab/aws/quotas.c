// Service Quotas: how many of a thing an account may have. An increase that is asked for is given at once.
#include "inner.h"

#include <string.h>

static const struct {
    const char *code, *name;
    int by_default;
} quotas[] = {{"L-93826ACB", "Routes per route table", 500},
              {"L-0EA8095F", "Inbound or outbound rules per security group", 60},
              {"L-2AFB9258", "Security groups per network interface", 5}};

size_t aws_quota(const struct aws_call *c, const char *code)
{
    const json_t *raised = json_object_get(aws_all(c, "quota"), code);
    for (size_t i = 0; i < sizeof quotas / sizeof *quotas && !raised; i++) {
        if (!strcmp(quotas[i].code, code))
            return (size_t)quotas[i].by_default;
    }
    return (size_t)json_integer_value(raised);
}

json_t *aws_quotas(struct aws_call *c, const char *action, const json_t *in)
{
    const char *code = aws_text(in, "QuotaCode"), *name = NULL;
    for (size_t i = 0; i < sizeof quotas / sizeof *quotas; i++) {
        if (!strcmp(quotas[i].code, code) && aws_is(in, "ServiceCode", "vpc"))
            name = quotas[i].name;
    }
    if (!name)
        return aws_fail(c, 400, "NoSuchResourceException", "The quota %s of %s does not exist.", code,
                        aws_text(in, "ServiceCode"));
    if (!strcmp(action, "GetServiceQuota"))
        return json_pack("{s{ss ss ss sf sb sb}}", "Quota", "ServiceCode", "vpc", "QuotaCode", code,
                         "QuotaName", name, "Value", (double)aws_quota(c, code), "Adjustable", 1,
                         "GlobalQuota", 0);
    if (strcmp(action, "RequestServiceQuotaIncrease") != 0)
        return aws_fail(c, 400, "UnknownOperationException", "The lab knows no %s", action);
    const double wanted = json_number_value(json_object_get(in, "DesiredValue"));
    if (wanted <= (double)aws_quota(c, code) || wanted > 100000)
        return aws_fail(c, 400, "InvalidParameterValueException",
                        "The desired value must be greater than it is");
    json_object_set_new(aws_all(c, "quota"), code, json_integer((json_int_t)wanted));
    return json_pack("{s{ss ss ss sf ss}}", "RequestedQuota", "ServiceCode", "vpc", "QuotaCode", code,
                     "QuotaName", name, "DesiredValue", wanted, "Status", "APPROVED");
}
