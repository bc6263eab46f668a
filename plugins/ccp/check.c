// What is wrong with the inputs, before anybody is asked to let us in.
#include "operations.h"

#include <isthmus/check.h>

#include <stdio.h>
#include <string.h>
#include <strings.h>

// Over http the password would go to whoever asks for it.
static void check_url(ist_checking *c)
{
    const char *url = ist_checking_text(c, "url");
    if (url == NULL || strncasecmp(url, "https://", 8) == 0)
        return;
    if (strncasecmp(url, "http://", 7) != 0)
        ist_wrong(c, "url", "the platform is reached by https");
    else if (!ist_json_bool(ist_checking_inputs(c), "plain_http", 0) && ist_is_known(c, "plain_http"))
        ist_wrong_hint(c, "url", "https://..., or `plain_http: true` where nobody else can listen",
                       "http would hand the password to whoever listens on the way");
    else
        ist_unwise(c, "url", "the password and the kubeconfigs go over the network in clear (`plain_http`)");
}

static void check_given(ist_checking *c)
{
    const json_t *nets = ist_checking_at(c, "subnet.privateCidrs");
    if (json_is_array(nets) && json_array_size(nets) == 0)
        ist_wrong(c, "subnet.privateCidrs", "names no network: the nodes would have none to run in");
    nets = ist_checking_at(c, "subnet.publicCidrs");
    if (json_is_array(nets) && json_array_size(nets) == 0)
        ist_wrong(c, "subnet.publicCidrs",
                  "names no network: nothing in the VPC would be reached, nor reach out");
    if (ist_checking_at(c, "on_prem_kubeconf_file") && !ist_checking_at(c, "on_prem_cluster") &&
        ist_is_known(c, "on_prem_cluster"))
        ist_wrong(c, "on_prem_kubeconf_file", "needs `on_prem_cluster`: nothing says whose kubeconfig it is");
    ist_check_duration(c, "timeout");
}

int32_t ccp_check(const ist_host *host, ist_call *call)
{
    static const char *const lists[] = {"subnet.publicCidrs", "subnet.privateCidrs"};
    static const char *const names[] = {"username",        "provider", "profile",  "role_arn_name",
                                        "on_prem_cluster", "ami",      "ssh_keys", "aws_role_arn"};
    ist_checking *c = ist_checking_new(&(ist_env){host, call});
    ist_secret(ist_checking_env(c), ist_checking_text(c, "password"));
    check_url(c);
    if (ist_json_bool(ist_checking_inputs(c), "insecure", 0))
        ist_unwise(c, "insecure",
                   "the platform's certificate is not verified: anybody in between gets the password");
    ist_check_file(c, "ca_file", "the authority's certificate");
    ist_check_eks_name(c, "name");
    ist_check_line(c, "password");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        ist_check_names(c, names[i]);
    ist_check_region(c, "region");
    ist_check_iam(c, "role_arn_name", 0);
    ist_check_iam(c, "aws_role_arn", 1);
    ist_check_instance_types(c, "instance_type");
    ist_check_vpc(c, "subnet.cidr");
    check_given(c);
    ist_check_subnets(c, "subnet.cidr", lists, 2);
    ist_check_range(c, "worker_count", 1, 1000);
    return ist_checking_end(c);
}
