// Plugin ccp against a container platform (and the little of AWS that it asks) that misbehaves.
#include "ccp-world.h"
#include "fakehost.h"
#include "httpd.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

struct fixture {
    struct httpd *server;
    struct ccp_world world;
    struct fakehost *host;
};

static json_t *inputs_of(const struct fixture *f)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:{s:s, s:[s,s], s:[s,s]}, s:[s], s:i, s:b}", "url",
                     httpd_url(f->server), "password", PASSWORD, "provider", "^myAws", "name", "aws",
                     "region", "us-west-2", "role_arn_name", "k8s-ccp-user", "instance_type", "m5.large",
                     "subnet", "cidr", "10.0.0.0/16", "publicCidrs", "10.0.1.0/24", "10.0.2.0/24",
                     "privateCidrs", "10.0.11.0/24", "10.0.12.0/24", "ssh_keys", "my-key", "timeout", 20000,
                     "plain_http", 1);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->world.clusters = json_array();
    f->world.settled = "READY";
    f->world.making = "CREATING";
    setenv("ISTHMUS_POLL_MS", "20", 1);
    f->world.polls_to_ready = 1;
    f->server = httpd_start(ccp_world_answer, &f->world, 0);
    setenv("AWS_ENDPOINT_URL", httpd_url(f->server), 1);
    setenv("AWS_ACCESS_KEY_ID", "AKID", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "aws-secret-key", 1);
    f->host = fakehost_load("ccp");
    if (f->host == NULL)
        return -1;
    f->host->trace = true;
    fakehost_inputs(f->host, inputs_of(f));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    fakehost_free(f->host);
    httpd_stop(f->server);
    json_decref(f->world.clusters);
    json_decref(f->world.last_post);
    free(f);
    return 0;
}

static const char *error_text(const struct fixture *f)
{
    return f->host->solo->report.error.text;
}

static const char *change(const struct fixture *f, size_t i, const char *path)
{
    return ist_json_str_or(json_array_get(f->host->solo->report.changes, i), path, "");
}

static void set_input(struct fixture *f, const char *key, json_t *value)
{
    json_object_set_new(f->host->inputs, key, value);
}

static void a_cluster_is_ordered_and_waited_for(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fakehost_converge(f->host), IST_OK);
    assert_int_equal(f->world.posts, 1);
    json_t *wanted = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:[s], s:{s:s, s:[s,s], s:[s,s]}}",
                               "name", "aws", "type", "eks", "region", "us-west-2", "provider", "p1",
                               "access_role_arn", "arn:aws:iam::1:role/k8s-ccp-user", "ami", "ami-new",
                               "instance_type", "m5.large", "worker_count", 2, "ssh_keys", "my-key",
                               "vpc_sizing", "subnet", "10.0.0.0/16", "public_subnets", "10.0.1.0/24",
                               "10.0.2.0/24", "private_subnets", "10.0.11.0/24", "10.0.12.0/24");
    assert_true(json_equal(wanted, f->world.last_post));
    json_decref(wanted);
    assert_string_equal(ist_json_str(f->host->solo->report.outputs, "id"), "cluster-1");
    assert_string_equal(ist_json_str(f->host->solo->report.outputs, "kubeconfig"), KUBECONFIG);
    assert_int_equal(fakehost_changes(f->host), 0);
}

static void session_ends_while_waiting(struct fixture *f, int v2_only)
{
    f->world.v2_only = v2_only;
    f->world.polls_to_ready = 3;
    f->world.expire_at_poll = 2;
    assert_int_equal(fakehost_converge(f->host), IST_OK);
    assert_int_equal(f->world.posts, 1);
    assert_true(f->world.polls > 3);
}

static void a_session_that_ends_while_waiting_is_renewed(void **state)
{
    session_ends_while_waiting(*state, 0);
}

static void a_cookie_that_ends_while_waiting_is_renewed(void **state)
{
    session_ends_while_waiting(*state, 1);
}

static void a_platform_of_version_2_is_logged_in_to(void **state)
{
    struct fixture *f = *state;
    f->world.v2_only = 1;
    assert_int_equal(fakehost_converge(f->host), IST_OK);
    f->world.v2_only = 2;
    assert_int_equal(fakehost_changes(f->host), 0);
}

static void a_login_that_fails_while_waiting_is_tried_again(void **state)
{
    struct fixture *f = *state;
    f->world.making = "CREATE_IN_PROGRESS";
    f->world.polls_to_ready = 3;
    f->world.expire_at_poll = 2;
    assert_int_equal(fakehost_run(f->host, IST_OP_OBSERVE), IST_OK);
    f->world.logins_down = 2; // of both versions
    assert_int_equal(fakehost_run(f->host, IST_OP_OBSERVE), IST_ERR_NETWORK);
    assert_string_equal(error_text(f), "the login answered with status 500");
    f->world.logins_down = 0;
    f->world.then_down = 2;
    assert_int_equal(fakehost_converge(f->host), IST_OK);
    assert_int_equal(f->world.posts, 1);
}

static void what_is_no_platform_is_not_said_to_refuse_the_user(void **state)
{
    struct fixture *f = *state;
    f->world.v2_only = 3;
    assert_int_equal(fakehost_run(f->host, IST_OP_OBSERVE), IST_ERR_REMOTE);
    assert_non_null(strstr(error_text(f), "status 404"));
    assert_non_null(strstr(f->host->solo->report.error.hint, "a container platform?"));
}

static void a_certificate_is_verified_against_what_was_named(void **state)
{
    struct fixture *f = *state;
    char file[] = "/tmp/isthmus-ccp-ca-XXXXXX";
    struct httpd *tls = httpd_start(ccp_world_answer, &f->world, 1);
    const int fd = mkstemp(file);
    assert_int_equal(write(fd, httpd_ca(tls), strlen(httpd_ca(tls))), strlen(httpd_ca(tls)));
    close(fd);
    set_input(f, "url", json_string(httpd_url(tls)));
    assert_int_equal(fakehost_run(f->host, IST_OP_OBSERVE), IST_ERR_NETWORK); // not one of the system's
    assert_non_null(strstr(error_text(f), "TLS"));
    assert_int_equal(f->world.sessions, 0);
    set_input(f, "ca_file", json_string(file));
    assert_int_equal(fakehost_run(f->host, IST_OP_OBSERVE), IST_OK);
    assert_true(fakehost_hides(f->host, "not verified"));
    json_object_del(f->host->inputs, "ca_file");
    set_input(f, "insecure", json_true());
    assert_int_equal(fakehost_run(f->host, IST_OP_OBSERVE), IST_OK);
    assert_false(fakehost_hides(f->host, "the server's certificate is not verified"));
    unlink(file);
    set_input(f, "url", json_string(httpd_url(f->server)));
    httpd_stop(tls);
}

static void a_wrong_password_is_refused_without_telling_it(void **state)
{
    struct fixture *f = *state;
    set_input(f, "password", json_string("not-the-password"));
    assert_int_equal(fakehost_run(f->host, IST_OP_OBSERVE), IST_ERR_DENIED);
    assert_non_null(strstr(f->host->solo->report.error.hint, "password"));
    assert_true(fakehost_hides(f->host, "not-the-password"));
    f->world.v2_only = 1;
    assert_int_equal(fakehost_run(f->host, IST_OP_OBSERVE), IST_ERR_DENIED);
}

static void providers_that_fit_are_listed_when_there_are_several(void **state)
{
    struct fixture *f = *state;
    f->world.two_providers = 1;
    assert_int_equal(fakehost_changes(f->host), -1);
    assert_int_equal(f->host->solo->report.code, IST_ERR_INPUT);
    assert_non_null(strstr(error_text(f), "myAwsProv, myAwsProv2"));
    set_input(f, "provider", json_string("azure"));
    assert_int_equal(fakehost_changes(f->host), -1);
    assert_int_equal(f->host->solo->report.code, IST_ERR_NOT_FOUND);
    assert_int_equal(f->world.posts, 0);
}

// One that somebody else ordered, as the inputs ask for.
static void add_foreign(struct fixture *f, int workers)
{
    json_array_append_new(f->world.clusters,
                          json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:{s:s, s:[s,s], s:[s,s]}, s:s}",
                                    "id", "theirs", "name", "aws", "type", "eks", "status", "READY", "region",
                                    "us-west-2", "kubeconfig", KUBECONFIG, "worker_count", workers,
                                    "vpc_sizing", "subnet", "10.0.0.0/16", "public_subnets", "10.0.2.0/24",
                                    "10.0.1.0/24", "private_subnets", "10.0.11.0/24", "10.0.12.0/24",
                                    "access_role_arn", "arn:aws:iam::1:role/k8s-ccp-user"));
}

static void a_provider_of_just_that_name_is_meant(void **state)
{
    struct fixture *f = *state;
    f->world.two_providers = 1; // "myAwsProv" fits both of them
    set_input(f, "provider", json_string("myAwsProv"));
    assert_int_equal(fakehost_converge(f->host), IST_OK);
    assert_string_equal(ist_json_str(f->world.last_post, "provider"), "p1");
    assert_int_equal(fakehost_changes(f->host), 0);
    json_object_set_new(json_array_get(f->world.clusters, 0), "provider", json_string("p2"));
    json_object_clear(f->host->solo->recorded);
    assert_int_equal(fakehost_changes(f->host), -1);
    assert_non_null(strstr(error_text(f), "provider is \"myAwsProv2\" and should be \"myAwsProv\""));
}

static void a_role_whose_name_is_a_part_of_the_clusters_is_another(void **state)
{
    struct fixture *f = *state;
    add_foreign(f, 2);
    json_t *theirs = json_array_get(f->world.clusters, 0);
    assert_int_equal(fakehost_changes(f->host), 0);
    json_object_set_new(theirs, "access_role_arn", json_string("arn:aws:iam::1:role/k8s-ccp-user-2"));
    assert_int_equal(fakehost_changes(f->host), -1);
    assert_non_null(strstr(error_text(f),
                           "access_role_arn is \"arn:aws:iam::1:role/k8s-ccp-user-2\" and should be "
                           "\"arn:aws:iam::1:role/k8s-ccp-user\""));
    // The whole ARN needs nobody to be asked.
    json_object_set_new(theirs, "access_role_arn",
                        json_string("arn:aws:iam::123456789012:role/k8s-ccp-user-2"));
    set_input(f, "aws_role_arn", json_string("arn:aws:iam::123456789012:role/k8s-ccp-user-2"));
    assert_int_equal(fakehost_changes(f->host), 0);
}

static void a_role_given_as_an_arn_is_not_looked_up(void **state)
{
    struct fixture *f = *state;
    set_input(f, "role_arn_name", json_string("nobody"));
    set_input(f, "aws_role_arn", json_string("arn:aws:iam::123456789012:role/somebody"));
    assert_int_equal(fakehost_converge(f->host), IST_OK);
    assert_string_equal(ist_json_str(f->world.last_post, "access_role_arn"),
                        "arn:aws:iam::123456789012:role/somebody");
    assert_int_equal(fakehost_changes(f->host), 0);
}

static void a_role_that_is_not_there_is_said_in_plan(void **state)
{
    struct fixture *f = *state;
    set_input(f, "role_arn_name", json_string("nobody"));
    assert_int_equal(fakehost_changes(f->host), -1);
    assert_non_null(strstr(error_text(f), "nobody"));
}

static void an_instance_type_that_ec2_does_not_offer_is_said_in_plan(void **state)
{
    struct fixture *f = *state;
    set_input(f, "instance_type", json_string("c9.large"));
    assert_int_equal(fakehost_changes(f->host), -1);
    assert_string_equal(error_text(f), "EC2 has no instance type c9.large in us-west-2");
    assert_int_equal(f->world.posts, 0);
}

static void a_creation_whose_answer_is_lost_is_found_again(void **state)
{
    struct fixture *f = *state;
    f->world.lose_create = 1;
    assert_int_equal(fakehost_converge(f->host), IST_OK);
    assert_int_equal(f->world.posts, 1);
    assert_int_equal(json_array_size(f->world.clusters), 1);
}

static void a_creation_that_never_arrived_is_made_again(void **state)
{
    struct fixture *f = *state;
    f->world.lose_create = 2;
    assert_int_equal(fakehost_converge(f->host), IST_OK);
    assert_int_equal(f->world.posts, 2);
    assert_int_equal(json_array_size(f->world.clusters), 1);
}

// As a run leaves it that was killed between the call and what it would have told.
static void forget_outcome(struct fixture *f)
{
    json_t *record = json_object_get(f->host->solo->recorded, "cluster");
    json_object_set_new(record, "status", json_string("intent"));
    json_object_set_new(record, "data", json_pack("{s:s, s:s}", "name", "aws", "region", "us-west-2"));
}

static void a_run_that_was_killed_after_the_call_goes_on(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fakehost_converge(f->host), IST_OK);
    forget_outcome(f);
    assert_int_equal(fakehost_changes(f->host), 1);
    assert_string_equal(change(f, 0, "action"), "create");
    assert_int_equal(fakehost_run(f->host, IST_OP_APPLY), IST_OK);
    assert_int_equal(f->world.posts, 1);
    assert_int_equal(fakehost_changes(f->host), 0);
    assert_int_equal(fakehost_run(f->host, IST_OP_DESTROY), IST_OK); // it is ours
    assert_int_equal(f->world.deletes, 1);
}

static void a_run_that_was_killed_before_the_call_makes_it(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fakehost_converge(f->host), IST_OK);
    forget_outcome(f);
    json_array_clear(f->world.clusters);
    assert_int_equal(fakehost_converge(f->host), IST_OK);
    assert_int_equal(f->world.posts, 2);
    assert_int_equal(json_array_size(f->world.clusters), 1);
}

static void cancel_while_creating_leaves_what_a_resume_finds(void **state)
{
    struct fixture *f = *state;
    f->world.polls_to_ready = 1000;
    f->world.cancel = &f->host->cancel;
    assert_int_equal(fakehost_run(f->host, IST_OP_OBSERVE), IST_OK);
    assert_int_equal(fakehost_run(f->host, IST_OP_APPLY), IST_ERR_CANCELLED);
    f->world.cancel = NULL;
    assert_string_equal(ist_json_str(f->host->solo->recorded, "cluster.data.id"), "cluster-1");
    json_t *recorded = json_deep_copy(f->host->solo->recorded);
    fakehost_free(f->host);
    f->host = fakehost_load("ccp");
    fakehost_inputs(f->host, inputs_of(f));
    json_decref(f->host->solo->recorded);
    f->host->solo->recorded = recorded;
    f->world.polls_to_ready = f->world.polls + 1;
    assert_int_equal(fakehost_changes(f->host), 1);
    assert_int_equal(fakehost_run(f->host, IST_OP_APPLY), IST_OK);
    assert_int_equal(f->world.posts, 1);
}

static void a_settled_state_that_is_not_ready_is_told_as_it_came(void **state)
{
    struct fixture *f = *state;
    f->world.settled = "WARNING"; // ends as what passes does
    assert_int_equal(fakehost_converge(f->host), IST_ERR_REMOTE);
    assert_non_null(strstr(error_text(f), "reports the cluster as WARNING"));
    f->world.settled = "QUOTA_EXCEEDED";
    assert_int_equal(fakehost_run(f->host, IST_OP_APPLY), IST_ERR_REMOTE);
    assert_non_null(strstr(error_text(f), "QUOTA_EXCEEDED"));
    assert_non_null(strstr(f->host->solo->report.error.hint, "orders it anew"));
    assert_int_equal(fakehost_changes(f->host), 1);
    assert_string_equal(change(f, 0, "action"), "replace");
    f->world.settled = "READY";
    assert_int_equal(fakehost_run(f->host, IST_OP_APPLY), IST_OK);
    assert_int_equal(f->world.deletes, 2);
    assert_int_equal(json_array_size(f->world.clusters), 1);
}

static void a_cluster_that_breaks_after_it_was_handed_out_is_not_deleted(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fakehost_converge(f->host), IST_OK);
    json_object_set_new(json_array_get(f->world.clusters, 0), "status", json_string("ERROR"));
    assert_int_equal(fakehost_changes(f->host), -1);
    assert_non_null(strstr(error_text(f), "reports the cluster as ERROR, and it was READY before"));
    assert_int_equal(fakehost_run(f->host, IST_OP_APPLY), IST_ERR_REMOTE);
    assert_int_equal(f->world.deletes, 0);
    assert_int_equal(fakehost_run(f->host, IST_OP_VERIFY), IST_OK);
    assert_string_equal(ist_json_str_or(json_array_get(f->host->solo->report.checks, 0), "evidence", ""),
                        "aws is ERROR");
    assert_int_equal(fakehost_run(f->host, IST_OP_DESTROY), IST_OK);
    assert_int_equal(f->world.deletes, 1);
}

static void a_cluster_that_agrees_is_adopted_and_never_destroyed(void **state)
{
    struct fixture *f = *state;
    add_foreign(f, 2);
    assert_int_equal(fakehost_changes(f->host), 0);
    assert_string_equal(ist_json_str(f->host->solo->report.outputs, "id"), "theirs");
    assert_int_equal(fakehost_run(f->host, IST_OP_APPLY), IST_OK);
    assert_int_equal(fakehost_run(f->host, IST_OP_DESTROY), IST_OK);
    assert_int_equal(f->world.posts + f->world.deletes + f->world.patches, 0);
}

static void what_the_inputs_do_not_say_is_no_difference(void **state)
{
    struct fixture *f = *state;
    add_foreign(f, 7);
    json_t *theirs = json_array_get(f->world.clusters, 0);
    json_object_set_new(theirs, "instance_type", json_string("t2.small"));
    json_object_del(f->host->inputs, "instance_type");
    json_object_del(f->host->inputs, "ssh_keys");
    assert_int_equal(fakehost_changes(f->host), 0);
    set_input(f, "instance_type", json_string("m5.large"));
    assert_int_equal(fakehost_run(f->host, IST_OP_PLAN), IST_ERR_CONFLICT);
    assert_non_null(strstr(error_text(f), "instance_type is \"t2.small\" and should be \"m5.large\""));
}

static void another_cluster_of_the_name_outlives_a_destroy(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fakehost_converge(f->host), IST_OK);
    json_array_clear(f->world.clusters); // somebody deleted ours, and made one of its name
    add_foreign(f, 2);
    assert_int_equal(fakehost_run(f->host, IST_OP_DESTROY), IST_OK);
    assert_true(fakehost_hides(f->host, "goes without a look for its load balancers"));
    assert_int_equal(json_array_size(f->world.clusters), 1);
    // One that may have been begun goes by the name it was begun with, not by that of today's inputs.
    json_object_set_new(f->host->solo->recorded, "cluster", json_pack("{s:s}", "status", "intent"));
    forget_outcome(f);
    json_object_set_new(json_array_get(f->world.clusters, 0), "name", json_string("other"));
    set_input(f, "name", json_string("other"));
    assert_int_equal(fakehost_run(f->host, IST_OP_DESTROY), IST_OK);
    assert_int_equal(json_array_size(f->world.clusters), 1);
}

static void a_cluster_that_differs_is_refused_with_the_differences(void **state)
{
    struct fixture *f = *state;
    add_foreign(f, 7);
    set_input(f, "worker_count", json_integer(2));
    assert_int_equal(fakehost_changes(f->host), -1);
    assert_int_equal(f->host->solo->report.code, IST_ERR_CONFLICT);
    assert_non_null(strstr(error_text(f), "worker_count is 7 and should be 2"));
    assert_int_equal(fakehost_run(f->host, IST_OP_APPLY), IST_ERR_CONFLICT);
    assert_int_equal(f->world.posts + f->world.deletes + f->world.patches, 0);
}

static void a_cluster_of_another_provider_is_refused_by_its_name(void **state)
{
    struct fixture *f = *state;
    add_foreign(f, 2);
    json_t *theirs = json_array_get(f->world.clusters, 0);
    json_object_set_new(theirs, "provider", json_string("p1"));
    assert_int_equal(fakehost_changes(f->host), 0);
    json_object_set_new(theirs, "provider", json_string("p9"));
    assert_int_equal(fakehost_changes(f->host), -1);
    assert_non_null(strstr(error_text(f), "provider is \"vsphere\" and should be \"^myAws\""));
    json_object_set_new(theirs, "provider", json_string("p7")); // listed no more: nobody can tell
    assert_int_equal(fakehost_changes(f->host), 0);
}

static void the_number_of_workers_changes_in_place_and_networks_do_not(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fakehost_converge(f->host), IST_OK);
    set_input(f, "worker_count", json_integer(5));
    assert_int_equal(fakehost_changes(f->host), 1);
    assert_string_equal(change(f, 0, "action"), "update");
    assert_int_equal(fakehost_run(f->host, IST_OP_APPLY), IST_OK);
    assert_int_equal(f->world.patches, 1);
    assert_int_equal(fakehost_changes(f->host), 0);
    json_t *subnet = json_object_get(f->host->inputs, "subnet");
    json_object_set_new(subnet, "privateCidrs", json_pack("[s]", "10.0.20.0/24"));
    assert_int_equal(fakehost_changes(f->host), 1);
    assert_string_equal(change(f, 0, "action"), "replace");
}

static void subnets_that_do_not_fit_are_refused_before_any_call(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[][2] = {
        {"10.1.0.0/24", "is not within"}, {"10.0.1.0/24", "overlaps with"}, {"10.0.0.0/15", "is not within"}};
    json_t *subnet = json_object_get(f->host->inputs, "subnet");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        json_object_set_new(subnet, "privateCidrs", json_pack("[s]", bad[i][0]));
        assert_int_equal(fakehost_run(f->host, IST_OP_PLAN), IST_ERR_INPUT);
        assert_non_null(strstr(error_text(f), bad[i][1]));
    }
    assert_int_equal(httpd_count(f->server), 0);
}

static void destroy_deletes_what_was_made_and_finds_it_gone_the_second_time(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fakehost_converge(f->host), IST_OK);
    assert_int_equal(fakehost_run(f->host, IST_OP_DESTROY), IST_OK);
    assert_false(fakehost_hides(f->host, "goes without a look for its load balancers")); // it has no address
    assert_int_equal(json_array_size(f->world.clusters), 0);
    assert_int_equal(fakehost_run(f->host, IST_OP_DESTROY), IST_OK);
    assert_int_equal(f->world.deletes, 1);
    assert_int_equal(json_object_size(f->host->solo->recorded), 0);
    assert_int_equal(fakehost_converge(f->host), IST_OK);
    assert_int_equal(f->world.posts, 2);
}

static void a_deletion_that_does_not_show_at_once_is_waited_for(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fakehost_converge(f->host), IST_OK);
    f->world.slow_delete = 1;
    assert_int_equal(fakehost_run(f->host, IST_OP_DESTROY), IST_OK);
    assert_int_equal(json_array_size(f->world.clusters), 0);
    assert_int_equal(f->world.deletes, 1);
    assert_int_equal(fakehost_converge(f->host), IST_OK);
    f->world.slow_delete = 1;
    f->world.settled = "DELETE_FAILED";
    assert_int_equal(fakehost_run(f->host, IST_OP_DESTROY), IST_ERR_REMOTE);
    assert_non_null(strstr(error_text(f), "was to be deleted and is DELETE_FAILED"));
    assert_non_null(strstr(f->host->solo->report.error.hint, "VPC"));
}

static void the_kubeconfig_on_premises_is_written_for_its_owner_only(void **state)
{
    struct fixture *f = *state;
    char path[64] = "/tmp/isthmus-ccp-XXXXXX", file[128];
    struct stat st;
    assert_non_null(mkdtemp(path));
    snprintf(file, sizeof(file), "%s/sub/kubeconfig", path);
    set_input(f, "on_prem_cluster", json_string("ccp"));
    set_input(f, "on_prem_kubeconf_file", json_string(file));
    assert_int_equal(fakehost_converge(f->host), IST_OK);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(fakehost_changes(f->host), 0);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(fakehost_changes(f->host), 1);
    assert_int_equal(fakehost_run(f->host, IST_OP_APPLY), IST_OK);
    assert_int_equal(fakehost_run(f->host, IST_OP_DESTROY), IST_OK);
    assert_int_equal(access(file, F_OK), -1);
    file[strlen(file) - strlen("/kubeconfig")] = '\0';
    rmdir(file);
    rmdir(path);
    set_input(f, "on_prem_cluster", json_string("nowhere"));
    assert_int_equal(fakehost_run(f->host, IST_OP_PLAN), IST_ERR_NOT_FOUND);
}

static void several_clusters_on_premises_are_looked_up(void **state)
{
    struct fixture *f = *state;
    char path[64] = "/tmp/isthmus-ccp-XXXXXX", east[128], west[128];
    assert_non_null(mkdtemp(path));
    snprintf(east, sizeof(east), "%s/east", path);
    snprintf(west, sizeof(west), "%s/west", path);
    json_array_append_new(f->world.clusters, json_pack("{s:s, s:s, s:s, s:s}", "id", "t1", "name", "east",
                                                       "type", "vsphere", "kubeconfig", KUBECONFIG "# east"));
    // "ccp" is known to version 2 alone.
    set_input(f, "on_prem_clusters",
              json_pack("{s:{s:s}, s:{s:s}}", "east", "kubeconf_file", east, "ccp", "kubeconf_file", west));
    assert_int_equal(fakehost_converge(f->host), IST_OK);
    const json_t *all = json_object_get(f->host->solo->report.outputs, "on_prem_kubeconfigs");
    assert_string_equal(ist_json_str(all, "east"), KUBECONFIG "# east");
    assert_string_equal(ist_json_str(all, "ccp"), KUBECONFIG);
    assert_int_equal(access(east, F_OK) | access(west, F_OK), 0);
    assert_int_equal(fakehost_changes(f->host), 0);
    assert_true(fakehost_hides(f->host, "minted-kube-token"));
    // What is named no more has no file.
    set_input(f, "on_prem_clusters", json_pack("{s:{}}", "ccp"));
    assert_int_equal(fakehost_changes(f->host), 2);
    assert_int_equal(fakehost_run(f->host, IST_OP_APPLY), IST_OK);
    assert_int_equal(access(east, F_OK), -1);
    assert_int_equal(access(west, F_OK), -1);
    assert_int_equal(fakehost_changes(f->host), 0);
    set_input(f, "on_prem_clusters", json_pack("{s:{}, s:{}}", "ccp", "nowhere"));
    assert_int_equal(fakehost_changes(f->host), -1);
    assert_non_null(strstr(error_text(f), "no cluster called nowhere"));
    assert_int_equal(fakehost_run(f->host, IST_OP_OBSERVE), IST_OK); // a destroy gets past it
    set_input(f, "on_prem_clusters", json_pack("{s:{s:s}}", "east", "kubeconf_file", east));
    assert_int_equal(fakehost_run(f->host, IST_OP_APPLY), IST_OK);
    assert_int_equal(fakehost_run(f->host, IST_OP_DESTROY), IST_OK);
    assert_int_equal(access(east, F_OK), -1);
    assert_int_equal(rmdir(path), 0);
}

static void nothing_secret_is_told(void **state)
{
    struct fixture *f = *state;
    static const char *const secrets[] = {PASSWORD, "session-1", "minted-kube-token", "aws-secret-key"};
    static const uint32_t operations[] = {IST_OP_OBSERVE, IST_OP_PLAN,   IST_OP_APPLY,  IST_OP_OBSERVE,
                                          IST_OP_PLAN,    IST_OP_VERIFY, IST_OP_DESTROY};
    for (size_t o = 0; o < sizeof(operations) / sizeof(operations[0]); o++) {
        assert_int_equal(fakehost_run(f->host, operations[o]), IST_OK);
        for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
            assert_true(fakehost_hides(f->host, secrets[i]));
    }
}

static void observe_plan_and_verify_write_nothing(void **state)
{
    struct fixture *f = *state;
    add_foreign(f, 2);
    assert_int_equal(fakehost_run(f->host, IST_OP_OBSERVE), IST_OK);
    assert_int_equal(fakehost_run(f->host, IST_OP_PLAN), IST_OK);
    assert_int_equal(fakehost_run(f->host, IST_OP_VERIFY), IST_OK);
    json_t *check;
    size_t i;
    json_array_foreach(f->host->solo->report.checks, i, check)
    {
        assert_string_equal(ist_json_str(check, "result"), "pass");
    }
    assert_int_equal(f->world.posts + f->world.deletes + f->world.patches, 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_cluster_is_ordered_and_waited_for),
        CASE(a_session_that_ends_while_waiting_is_renewed),
        CASE(a_cookie_that_ends_while_waiting_is_renewed),
        CASE(a_platform_of_version_2_is_logged_in_to),
        CASE(a_login_that_fails_while_waiting_is_tried_again),
        CASE(what_is_no_platform_is_not_said_to_refuse_the_user),
        CASE(a_certificate_is_verified_against_what_was_named),
        CASE(a_wrong_password_is_refused_without_telling_it),
        CASE(providers_that_fit_are_listed_when_there_are_several),
        CASE(a_provider_of_just_that_name_is_meant),
        CASE(a_role_whose_name_is_a_part_of_the_clusters_is_another),
        CASE(a_role_given_as_an_arn_is_not_looked_up),
        CASE(a_role_that_is_not_there_is_said_in_plan),
        CASE(an_instance_type_that_ec2_does_not_offer_is_said_in_plan),
        CASE(a_creation_whose_answer_is_lost_is_found_again),
        CASE(a_creation_that_never_arrived_is_made_again),
        CASE(a_run_that_was_killed_after_the_call_goes_on),
        CASE(a_run_that_was_killed_before_the_call_makes_it),
        CASE(cancel_while_creating_leaves_what_a_resume_finds),
        CASE(a_settled_state_that_is_not_ready_is_told_as_it_came),
        CASE(a_cluster_that_breaks_after_it_was_handed_out_is_not_deleted),
        CASE(a_cluster_that_agrees_is_adopted_and_never_destroyed),
        CASE(what_the_inputs_do_not_say_is_no_difference),
        CASE(another_cluster_of_the_name_outlives_a_destroy),
        CASE(a_cluster_that_differs_is_refused_with_the_differences),
        CASE(a_cluster_of_another_provider_is_refused_by_its_name),
        CASE(the_number_of_workers_changes_in_place_and_networks_do_not),
        CASE(subnets_that_do_not_fit_are_refused_before_any_call),
        CASE(destroy_deletes_what_was_made_and_finds_it_gone_the_second_time),
        CASE(a_deletion_that_does_not_show_at_once_is_waited_for),
        CASE(the_kubeconfig_on_premises_is_written_for_its_owner_only),
        CASE(several_clusters_on_premises_are_looked_up),
        CASE(nothing_secret_is_told),
        CASE(observe_plan_and_verify_write_nothing),
    };
    return cmocka_run_group_tests_name("ccp", tests, NULL, NULL);
}
