// What would be refused half way through the creation of a router's stack, found beforehand: against an EC2 that tells of
// subnets, interfaces and key pairs as the real one does.
#include "httpd.h"

#include <isthmus/aws.h>

#include <isthmus/alloc.h>
#include <isthmus/router_vm.h>
#include <isthmus/stack.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

// What EC2 holds, as XML.
struct cloud {
    struct httpd *server;
    ist_aws *aws;
    const char *enis, *offers, *pairs, *inside_zone, *inside_vpc;
};

static char *answer(const char *action, const char *set, const char *items)
{
    char *text = NULL;
    if (asprintf(&text, "<%sResponse><%s>%s</%s></%sResponse>", action, set, items, set, action) < 0)
        text = NULL;
    return text;
}

static char *subnets_of(const struct cloud *c)
{
    char *items = NULL, *text;
    if (asprintf(&items,
                 "<item><subnetId>subnet-out</subnetId><vpcId>vpc-1</vpcId><cidrBlock>10.0.1.0/28</cidrBlock>"
                 "<availabilityZone>us-west-2a</availabilityZone></item>"
                 "<item><subnetId>subnet-in</subnetId><vpcId>%s</vpcId><cidrBlock>10.0.2.0/24</cidrBlock>"
                 "<availabilityZone>%s</availabilityZone></item>",
                 c->inside_vpc, c->inside_zone) < 0)
        return NULL;
    text = answer("DescribeSubnets", "subnetSet", items);
    free(items);
    return text;
}

static void play(void *arg, const struct httpd_request *rq, struct httpd_reply *reply)
{
    const struct cloud *c = arg;
    char action[64] = "";
    (void)sscanf(rq->body, "Action=%63[A-Za-z]", action);
    if (strcmp(action, "DescribeSubnets") == 0)
        reply->body = subnets_of(c);
    else if (strcmp(action, "DescribeNetworkInterfaces") == 0)
        reply->body = answer(action, "networkInterfaceSet", c->enis);
    else if (strcmp(action, "DescribeInstanceTypeOfferings") == 0)
        reply->body = answer(action, "instanceTypeOfferingSet", c->offers);
    else if (strcmp(action, "DescribeKeyPairs") == 0)
        reply->body = answer(action, "keySet", c->pairs);
    else
        reply->status = 400; // nothing else is asked, and nothing is written
}

#define OFFER(zone) "<item><instanceType>c5.large</instanceType><location>" zone "</location></item>"

static int begin(void **state)
{
    struct cloud *c = calloc(1, sizeof *c);
    assert_non_null(c);
    *c = (struct cloud){.enis = "",
                        .offers = OFFER("us-west-2a") OFFER("us-west-2b"),
                        .pairs = "<item><keyName>my-key</keyName></item>",
                        .inside_zone = "us-west-2a",
                        .inside_vpc = "vpc-1"};
    c->server = httpd_start(play, c, 0);
    const ist_aws_options options = {.size = sizeof options,
                                     .region = "us-west-2",
                                     .access_key = "AKID",
                                     .secret_key = "secret",
                                     .endpoint = httpd_url(c->server)};
    *state = c;
    return ist_aws_new(NULL, &options, &c->aws, NULL) == IST_OK ? 0 : -1;
}

static int end(void **state)
{
    struct cloud *c = *state;
    ist_aws_free(c->aws);
    httpd_stop(c->server);
    free(c);
    return 0;
}

static ist_router_vm router(void)
{
    return (ist_router_vm){.size = sizeof(ist_router_vm),
                           .stack = "aws-csr",
                           .vpc_id = "vpc-1",
                           .public_subnet = "subnet-out",
                           .private_subnet = "subnet-in",
                           .public_address = "10.0.1.10",
                           .private_address = "10.0.2.10",
                           .ami = "ami-1",
                           .instance_type = "c5.large",
                           .key_name = "my-key",
                           .inbound_ssh = "198.51.100.0/24",
                           .user_data = "hostname x"};
}

static void expect(struct cloud *c, const ist_router_vm *vm, const json_t *seen, int32_t code,
                   const char *where, const char *text, const char *hint)
{
    ist_error err = {0};
    assert_int_equal(ist_router_vm_check(c->aws, vm, seen, &err), code);
    assert_string_equal(err.where, where);
    if (!strstr(err.text, text) || !strstr(err.hint, hint))
        fail_msg("%s (%s)", err.text, err.hint);
}

static void what_fits_is_no_error(void **state)
{
    struct cloud *c = *state;
    const ist_router_vm vm = router();
    c->enis = "<item><networkInterfaceId>eni-1</networkInterfaceId><subnetId>subnet-out</subnetId>"
              "<privateIpAddressesSet><item><privateIpAddress>10.0.1.11</privateIpAddress></item>"
              "</privateIpAddressesSet></item>";
    expect(c, &vm, NULL, IST_OK, "", "", "");
    assert_int_equal(httpd_count(c->server), 4); // interfaces, subnets, types, key pairs: one call each
}

static void the_holder_of_an_address_is_named_and_a_free_one_offered(void **state)
{
    struct cloud *c = *state;
    const ist_router_vm vm = router();
    c->enis = "<item><networkInterfaceId>eni-1</networkInterfaceId><subnetId>subnet-in</subnetId>"
              "<description>aws-K8S-i-7</description><attachment><instanceId>i-7</instanceId></attachment>"
              "<privateIpAddressesSet><item><privateIpAddress>10.0.2.9</privateIpAddress></item><item>"
              "<privateIpAddress>10.0.2.10</privateIpAddress></item><item><privateIpAddress>10.0.2.11"
              "</privateIpAddress></item></privateIpAddressesSet></item>";
    expect(c, &vm, NULL, IST_ERR_CONFLICT, "private_address",
           "10.0.2.10 is taken by eni-1 (aws-K8S-i-7) of instance i-7", "set `private_address: 10.0.2.12`");
    json_t *seen = json_pack("{ss}", "inside_eni", "eni-1"); // it is the router's own
    expect(c, &vm, seen, IST_OK, "", "", "");
    json_decref(seen);
}

static void a_prefix_that_was_delegated_to_a_node_holds_all_of_its_addresses(void **state)
{
    struct cloud *c = *state;
    const ist_router_vm vm = router();
    c->enis = "<item><networkInterfaceId>eni-2</networkInterfaceId><subnetId>subnet-in</subnetId>"
              "<privateIpAddressesSet><item><privateIpAddress>10.0.2.77</privateIpAddress></item>"
              "</privateIpAddressesSet><ipv4PrefixSet><item><ipv4Prefix>10.0.2.0/28</ipv4Prefix></item>"
              "</ipv4PrefixSet></item>";
    expect(c, &vm, NULL, IST_ERR_CONFLICT, "private_address", "10.0.2.10 is taken by eni-2 (no description)",
           "10.0.2.16 is free");
}

static void a_subnet_without_a_free_address_says_so(void **state)
{
    struct cloud *c = *state;
    const ist_router_vm vm = router();
    c->enis = "<item><networkInterfaceId>eni-3</networkInterfaceId><subnetId>subnet-out</subnetId>"
              "<ipv4PrefixSet><item><ipv4Prefix>10.0.1.0/28</ipv4Prefix></item></ipv4PrefixSet></item>";
    expect(c, &vm, NULL, IST_ERR_CONFLICT, "public_address", "10.0.1.10 is taken by eni-3",
           "no address of the subnet is free");
}

static void addresses_that_no_instance_may_have(void **state)
{
    struct cloud *c = *state;
    static const struct {
        const char *address, *text;
    } cases[] = {{"10.0.1.0", "AWS's own"},
                 {"10.0.1.3", "AWS's own"},
                 {"10.0.1.15", "AWS's own"},
                 {"10.0.1.16", "is not in 10.0.1.0/28"},
                 {"10.0.2.10", "is not in 10.0.1.0/28"},
                 {"x", "is not in"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ist_router_vm vm = router();
        vm.public_address = cases[i].address;
        expect(c, &vm, NULL, IST_ERR_INPUT, "public_address", cases[i].text, "");
    }
    ist_router_vm vm = router();
    vm.public_address = "10.0.1.4";
    expect(c, &vm, NULL, IST_OK, "", "", "");
    vm.private_subnet = "subnet-out";
    vm.private_address = vm.public_address;
    expect(c, &vm, NULL, IST_ERR_INPUT, "private_address", "is the outside interface's too", "");
}

static void subnets_that_one_instance_cannot_be_in(void **state)
{
    struct cloud *c = *state;
    ist_router_vm vm = router();
    c->inside_zone = "us-west-2b";
    expect(c, &vm, NULL, IST_ERR_INPUT, "private_subnets",
           "subnet-in, is in us-west-2b, and the public subnet subnet-out in us-west-2a", "us-west-2b");
    c->inside_zone = "us-west-2a";
    c->inside_vpc = "vpc-2";
    expect(c, &vm, NULL, IST_ERR_INPUT, "private_address", "subnet subnet-in is in vpc-2, not in vpc-1", "");
    c->inside_vpc = "vpc-1";
    vm.public_subnet = "subnet-gone";
    expect(c, &vm, NULL, IST_ERR_NOT_FOUND, "public_address", "there is no subnet subnet-gone", "");
}

static void a_type_that_the_zone_has_not_is_told_with_those_that_have_it(void **state)
{
    struct cloud *c = *state;
    const ist_router_vm vm = router();
    c->offers = OFFER("us-west-2b") OFFER("us-west-2c");
    expect(c, &vm, NULL, IST_ERR_INPUT, "InstanceType",
           "EC2 has instance type c5.large in us-west-2b, us-west-2c, not in us-west-2a", "location-type");
    c->offers = "";
    expect(c, &vm, NULL, IST_ERR_INPUT, "InstanceType", "EC2 has no instance type c5.large in us-west-2", "");
}

static void a_key_pair_that_is_not_there(void **state)
{
    struct cloud *c = *state;
    ist_router_vm vm = router();
    c->pairs = "";
    expect(c, &vm, NULL, IST_ERR_NOT_FOUND, "ssh_key", "EC2 has no key pair my-key in us-west-2",
           "import-key-pair");
    vm.key_name = "";
    expect(c, &vm, NULL, IST_OK, "", "", "");
}

static void a_template_that_is_too_long_is_refused_without_a_call(void **state)
{
    struct cloud *c = *state;
    ist_router_vm vm = router();
    char *long_text = ist_calloc(1, 51201);
    memset(long_text, 'x', 51200);
    vm.description = long_text;
    expect(c, &vm, NULL, IST_ERR_LIMIT, "aws-csr", "and CloudFormation takes 51200", "");
    assert_int_equal(httpd_count(c->server), 0);
    ist_error err = {0};
    assert_int_equal(ist_stack_check_template("s", long_text, &err), IST_OK); // just so many
    ist_free(long_text);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        CASE(what_fits_is_no_error),
        CASE(the_holder_of_an_address_is_named_and_a_free_one_offered),
        CASE(a_prefix_that_was_delegated_to_a_node_holds_all_of_its_addresses),
        CASE(a_subnet_without_a_free_address_says_so),
        CASE(addresses_that_no_instance_may_have),
        CASE(subnets_that_one_instance_cannot_be_in),
        CASE(a_type_that_the_zone_has_not_is_told_with_those_that_have_it),
        CASE(a_key_pair_that_is_not_there),
        CASE(a_template_that_is_too_long_is_refused_without_a_call),
    };
    return cmocka_run_group_tests_name("router-check", tests, NULL, NULL);
}
