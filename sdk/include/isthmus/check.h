// isthmus/check.h: a plugin's check of its inputs (plugin.h: `check`), written once: check calls it, and plan before
// anything else.
//
//     static int32_t check(const ist_host *host, ist_call *call)
//     {
//         ist_checking *c = ist_checking_new(&(ist_env){host, call});
//         ist_check_range(c, "ssh.port", 1, 65535);
//         if (ist_is_known(c, "key") && strlen(ist_checking_text(c, "key")) > 8)
//             ist_wrong(c, "key", "over 8 characters");
//         return ist_checking_end(c);
//     }
//     IST_CHECKED_PLAN(checked_plan, check, plan) // then .plan = checked_plan, .check = check
//
// Paths are those of ist_json_at(): "nhrp.key", "routes[2].cidr". What is not known yet (the output of a step that comes
// before) is absent, an item of a list is null; every check here passes over it, and over what is not given.
#ifndef ISTHMUS_CHECK_H
#define ISTHMUS_CHECK_H

#include <isthmus/env.h>
#include <isthmus/schema.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ist_checking ist_checking;
// env is copied. Ended by ist_checking_end(), which frees it: IST_OK, or IST_ERR_INPUT once something was wrong.
IST_EXPORT ist_checking *ist_checking_new(const ist_env *env);
IST_EXPORT int32_t ist_checking_end(ist_checking *checking);

IST_EXPORT const ist_env *ist_checking_env(const ist_checking *checking);
// Borrowed until the end: the inputs (an object), one of them, its text. NULL when it is absent or of another kind.
IST_EXPORT const json_t *ist_checking_inputs(const ist_checking *checking);
IST_EXPORT const json_t *ist_checking_at(const ist_checking *checking, const char *path);
IST_EXPORT const char *ist_checking_text(const ist_checking *checking, const char *path);
// 1 when the input is known whole: nothing at, above or below the path is unknown. One that is not given is known.
IST_EXPORT int ist_is_known(const ist_checking *checking, const char *path);

// The input at `path` is wrong, or valid and unwise. One line each, without the value when that is a secret.
IST_EXPORT void ist_wrong(ist_checking *checking, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
IST_EXPORT void ist_unwise(ist_checking *checking, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// The same with what to do about it.
IST_EXPORT void ist_wrong_hint(ist_checking *checking, const char *path, const char *hint, const char *format,
                               ...) __attribute__((format(printf, 4, 5)));
IST_EXPORT void ist_unwise_hint(ist_checking *checking, const char *path, const char *hint,
                                const char *format, ...) __attribute__((format(printf, 4, 5)));

// Checks that many plugins need. Each says what is wrong and answers 1 when nothing is (or nothing is known).
//
IST_EXPORT int ist_check_range(ist_checking *checking, const char *path, int64_t least, int64_t most);
// One line without control characters: what goes into a line of a configuration or a header.
IST_EXPORT int ist_check_line(ist_checking *checking, const char *path);
// A name, or a list of names, each once: not empty, one line, no space before or behind.
IST_EXPORT int ist_check_names(ist_checking *checking, const char *path);
// An AWS region, by its shape: us-west-2, us-gov-east-1.
IST_EXPORT int ist_check_region(ist_checking *checking, const char *path);
// A network in which hosts can be: neither loopback nor multicast nor reserved.
IST_EXPORT int ist_check_hosts_net(ist_checking *checking, const char *path);
// The same of each network of the list (or the one) at `path`, from where somebody is let in: 0.0.0.0/0 is one.
IST_EXPORT int ist_check_sources(ist_checking *checking, const char *path);
// An IPv4 address that one host has: not 0.0.0.0, loopback, link-local, multicast nor reserved.
IST_EXPORT int ist_check_unicast(ist_checking *checking, const char *path);
// An EC2 instance type, or a list of them, as AWS spells them: a family, a dot, a size ("c5.large").
IST_EXPORT int ist_check_instance_types(ist_checking *checking, const char *path);
// A regular file that can be read. `what` names it: "the private key".
IST_EXPORT int ist_check_file(ist_checking *checking, const char *path, const char *what);
// The same of a file that is named somewhere else; `path` is what is said.
IST_EXPORT int ist_check_file_text(ist_checking *checking, const char *path, const char *file,
                                   const char *what);
// A kubeconfig: given as its text, or as a path (or several, joined by ":") to files that are there and hold one.
IST_EXPORT int ist_check_kubeconfig(ist_checking *checking, const char *path);
// The same of a text that is somewhere else; `path` is what is said.
IST_EXPORT int ist_check_kubeconfig_text(ist_checking *checking, const char *path, const char *text);
// A label of DNS (RFC 1123): the name of a namespace or service of Kubernetes.
IST_EXPORT int ist_check_dns_label(ist_checking *checking, const char *path);
IST_EXPORT int ist_check_dns_label_text(ist_checking *checking, const char *path, const char *text);
// A mask: ones, then zeroes (wildcard: zeroes, then ones). *prefix, which may be NULL: how many ones (zeroes).
IST_EXPORT int ist_check_mask(ist_checking *checking, const char *path, int wildcard, int *prefix);
// 1 with *net when there is an IPv4 network or address that is known; nothing is said of one that is none.
IST_EXPORT int ist_checking_net(const ist_checking *checking, const char *path, ist_net4 *net);
// The networks at two paths do not overlap; said of the second, with `why` behind it ("" for none).
IST_EXPORT int ist_check_apart(ist_checking *checking, const char *path, const char *other, const char *why);
// The same where the first is no input but follows from some: `what` it is, behind "overlaps with 10.0.0.0/24, ", and
// `name` in the picture.
IST_EXPORT int ist_check_apart_from(ist_checking *checking, ist_net4 net, const char *name, const char *what,
                                    const char *other);
// The picture of networks that overlap shows this one too, as soon as it was told of: the network at `path`, if it is known;
// or one that is no input.
IST_EXPORT void ist_checking_shows(ist_checking *checking, const char *path);
IST_EXPORT void ist_checking_shows_net(ist_checking *checking, ist_net4 net, const char *name);
// `onPremCidr` and `onPremPodCidr` do not overlap; where pods are in the nodes' network, the second is left out.
IST_EXPORT int ist_check_on_prem(ist_checking *checking, const char *why);

// A network of a size that AWS takes for a VPC.
IST_EXPORT int ist_check_vpc(ist_checking *checking, const char *path);
// An id as AWS gives it, or a list of them: `prefix` ("vpc-") and what follows.
IST_EXPORT int ist_check_aws_id(ist_checking *checking, const char *path, const char *prefix);
// An IAM role or user: an ARN ("arn:aws:iam::123456789012:role/name") or, unless `whole`, a name
// or a part of an ARN.
IST_EXPORT int ist_check_iam(ist_checking *checking, const char *path, int whole);
// At most so many characters, as AWS allows for what `what` says.
IST_EXPORT int ist_check_length(ist_checking *checking, const char *path, size_t most, const char *what);
// What begins the name of a CloudFormation stack; `most`: characters it may have, with what comes behind it in mind.
IST_EXPORT int ist_check_stack_name(ist_checking *checking, const char *path, size_t most);
// Tags, {key: value}: within AWS's lengths, and none of those that AWS keeps for itself ("aws:").
IST_EXPORT int ist_check_tags(ist_checking *checking, const char *path);
// A duration to wait for something: some time, and a week at most.
IST_EXPORT int ist_check_duration(ist_checking *checking, const char *path);
// The networks of these lists (paths) lie within the network at `vpc`, apart from each other, and are of a size that AWS
// takes for a subnet.
IST_EXPORT int ist_check_subnets(ist_checking *checking, const char *vpc, const char *const *lists,
                                 size_t count);
// A name of an EKS cluster.
IST_EXPORT int ist_check_eks_name(ist_checking *checking, const char *path);

// A plan that is checked first.
#define IST_CHECKED_PLAN(name, check, plan)                                                                  \
    static int32_t name(const ist_host *host, ist_call *call)                                                \
    {                                                                                                        \
        int32_t rc = check(host, call);                                                                      \
        return rc == IST_OK ? plan(host, call) : rc;                                                         \
    }

#ifdef __cplusplus
}
#endif
#endif
