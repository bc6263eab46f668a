// k8s-svcmirror: which services are mirrored, and what becomes of them.
#include "svcmirror-fixture.h"

#include <isthmus/alloc.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

// ---- selection ----

static void the_services_file_of_the_walk_through_chooses_by_namespace(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "{'clusters':[{'name':'ccp','services':[{'namespace':'stars'}]},"
                   "{'name':'aws','services':[{'namespace':'management-ui'},{'namespace':'client'}]}]}");
    see_service(&w, CCP, "frontend", 1, HTTP);
    assert_true(fake_touched(&w.run, AWS, "stars/frontend"));
    assert_true(fake_touched(&w.run, GCP, "stars/frontend"));
    see(&w, AWS, KIND_SERVICE, "{'metadata':{'name':'client','namespace':'client'},'spec':{" HTTP "}}");
    assert_true(fake_touched(&w.run, CCP, "client/client"));
    see(&w, AWS, KIND_SERVICE, "{'metadata':{'name':'other','namespace':'default'},'spec':{" HTTP "}}");
    assert_false(fake_touched(&w.run, CCP, "default/other"));
    world_close(&w);
}

static void all_namespaces_leave_out_the_systems_own(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "{'clusters':[{'name':'ccp','services':[{}]}]}");
    see(&w, CCP, KIND_SERVICE, "{'metadata':{'name':'kubernetes','namespace':'default'},'spec':{" HTTP "}}");
    see(&w, CCP, KIND_SERVICE,
        "{'metadata':{'name':'kube-dns','namespace':'kube-system'},'spec':{" HTTP "}}");
    see(&w, CCP, KIND_SERVICE, "{'metadata':{'name':'web','namespace':'default'},'spec':{" HTTP "}}");
    assert_false(fake_touched(&w.run, AWS, "default/kubernetes"));
    assert_false(fake_touched(&w.run, AWS, "kube-system/kube-dns"));
    assert_true(fake_touched(&w.run, AWS, "default/web"));
    world_close(&w);
}

static void names_labels_and_annotations_narrow_a_rule(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "{'clusters':[{'name':'ccp','services':[{'namespace':'stars','nameMatches':['^front'],"
                   "'labels':{'tier':'web'},'annotation':'mirror=yes'}]}]}");
#define NAMED(name, tier, mirror)                                                                            \
    "{'metadata':{'name':'" name "','namespace':'stars','labels':{'tier':'" tier                             \
    "'},'annotations':{'mirror':'" mirror "'}},'spec':{" HTTP "}}"
    see(&w, CCP, KIND_SERVICE, NAMED("front1", "web", "yes"));
    see(&w, CCP, KIND_SERVICE, NAMED("front2", "db", "yes"));
    see(&w, CCP, KIND_SERVICE, NAMED("front3", "web", "no"));
    see(&w, CCP, KIND_SERVICE, NAMED("back", "web", "yes"));
    assert_true(fake_touched(&w.run, AWS, "stars/front1"));
    assert_false(fake_touched(&w.run, AWS, "stars/front2"));
    assert_false(fake_touched(&w.run, AWS, "stars/front3"));
    assert_false(fake_touched(&w.run, AWS, "stars/back"));
    // and it is taken away again when the label goes
    json_object_clear(w.run.touched);
    see(&w, CCP, KIND_SERVICE, NAMED("front1", "none", "yes"));
    assert_true(fake_touched(&w.run, AWS, "stars/front1"));
    want(&w, AWS, "stars/front1");
    assert_int_equal(json_array_size(w.wanted.objects), 0);
    world_close(&w);
}

static void a_rule_may_name_its_targets(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "{'clusters':[{'name':'ccp','services':[{'namespace':'stars','targets':['gcp']}]}]}");
    see_service(&w, CCP, "frontend", 1, HTTP);
    assert_false(fake_touched(&w.run, AWS, "stars/frontend"));
    want(&w, AWS, "stars/frontend");
    assert_int_equal(json_array_size(w.wanted.objects), 0);
    want(&w, GCP, "stars/frontend");
    assert_int_equal(wanted_count(&w, "Service"), 1);
    world_close(&w);
    world_open(&w, "{'clusters':[{'name':'ccp','services':[{'targets':['nowhere']}]}]}");
    assert_null(w.model);
    assert_non_null(strstr(w.err.text, "nowhere"));
    world_close(&w);
}

static void what_another_mirror_wrote_is_nobodys_source(void **state)
{
    (void)state;
    static const char *const marks[] = {
        "'labels':{'isthmus.dev/owner':'another.step'}",
        "'labels':{'mirror.linkerd.io/mirrored-service':'true'}",
        "'labels':{'multicluster.kubernetes.io/service-name':'x'}",
        "'labels':{'lighthouse.submariner.io/sourceCluster':'x'}",
        "'labels':{'endpointslice.kubernetes.io/managed-by':'endpointslice-mesh-controller.cilium.io'}",
        "'ownerReferences':[{'kind':'ServiceImport','name':'x'}]",
    };
    for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
        struct world w;
        char text[512];
        world_open(&w, NULL);
        snprintf(text, sizeof(text), "{'metadata':{'name':'x','namespace':'stars',%s},'spec':{" HTTP "}}",
                 marks[i]);
        see(&w, CCP, KIND_SERVICE, text);
        assert_false(fake_touched(&w.run, AWS, "stars/x"));
        // nor are slices of theirs endpoints of a service that is
        see_service(&w, CCP, "web", 1, HTTP);
        snprintf(text, sizeof(text),
                 "{'metadata':{'name':'web-1','namespace':'stars','labels':{'kubernetes.io/"
                 "service-name':'web'},%s},"
                 "'addressType':'IPv4'," HTTP ",'endpoints':[{'addresses':['192.168.1.1']}]}",
                 strncmp(marks[i], "'labels'", 8) == 0 ? "'annotations':{'isthmus.dev/owner':'x'}"
                                                       : marks[i]);
        see(&w, CCP, KIND_SLICE, text);
        want(&w, AWS, "stars/web");
        assert_int_equal(wanted_count(&w, "EndpointSlice"), 0);
        world_close(&w);
    }
    struct world w; // what a user sets himself is no such mark
    world_open(&w, NULL);
    see(&w, CCP, KIND_SERVICE,
        "{'metadata':{'name':'x','namespace':'stars','labels':{'mirror.linkerd.io/"
        "exported':'true'}},'spec':{" HTTP "}}");
    assert_true(fake_touched(&w.run, AWS, "stars/x"));
    world_close(&w);
}

// ---- namespaces ----

static void a_missing_namespace_is_made_only_if_asked(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "{'clusters':[{'name':'ccp','services':[{'namespace':'new'}]}]}");
    see(&w, CCP, KIND_SERVICE, "{'metadata':{'name':'x','namespace':'new'},'spec':{" HTTP "}}");
    want(&w, AWS, "new/x");
    assert_int_equal(json_array_size(w.wanted.objects), 0);
    assert_true(fake_noted(&w.wanted, "there is no namespace new"));
    // once it is there, the services that wait for it are asked again
    json_object_clear(w.run.touched);
    see(&w, AWS, KIND_NAMESPACE, "{'metadata':{'name':'new'}}");
    assert_true(fake_touched(&w.run, AWS, "new/x"));
    want(&w, AWS, "new/x");
    assert_int_equal(wanted_count(&w, "Service"), 1);
    world_close(&w);
    world_open(&w, "{'create_namespaces':true,'clusters':[{'name':'ccp','services':[{'namespace':'new'}]}]}");
    see(&w, CCP, KIND_SERVICE, "{'metadata':{'name':'x','namespace':'new'},'spec':{" HTTP "}}");
    want(&w, AWS, "new/x");
    assert_int_equal(wanted_count(&w, "Namespace"), 1);
    assert_true(json_is_true(json_array_get(w.wanted.if_absent, 0)));
    want(&w, AWS, "new/");
    assert_true(w.wanted.keep_all);
    world_close(&w);
}

static void nothing_is_written_into_a_namespace_that_is_being_deleted(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    see_service(&w, CCP, "x", 1, HTTP);
    see(&w, AWS, KIND_NAMESPACE, "{'metadata':{'name':'stars','deletionTimestamp':'2026-01-01T00:00:00Z'}}");
    want(&w, AWS, "stars/x");
    assert_int_equal(json_array_size(w.wanted.objects), 0);
    assert_true(w.wanted.keep_all);
    assert_true(fake_noted(&w.wanted, "being deleted"));
    world_close(&w);
}

static void a_namespace_may_be_called_differently_elsewhere(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "{'namespaces':{'stars':{'aws':'shop'}},"
                   "'clusters':[{'name':'ccp','services':[{'namespace':'stars'}]},"
                   "{'name':'aws','services':[{'namespace':'stars'}]}]}");
    see_service(&w, CCP, "x", 1, HTTP);
    assert_true(fake_touched(&w.run, AWS, "shop/x"));
    assert_false(fake_touched(&w.run, AWS, "stars/x"));
    want(&w, AWS, "shop/x");
    assert_string_equal(wanted_text(&w, "Service", 0, "metadata.namespace"), "'shop'");
    see_service(&w, AWS, "own", 1, HTTP); // aws's own stars is none of it
    assert_false(fake_touched(&w.run, CCP, "stars/own"));
    world_close(&w);
}

// ---- the Service ----

static void only_what_may_cross_is_written(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "{'labels':['team'],'annotations':['note'],'clusters':[{'name':'ccp','services':[{}]}]}");
    see(&w, CCP, KIND_SERVICE,
        "{'metadata':{'name':'frontend','namespace':'stars','uid':'u','labels':{'team':'a','argocd.argoproj."
        "io/"
        "instance':'x'},'annotations':{'note':'n','kubectl.kubernetes.io/last-applied-configuration':'{}'}},"
        "'spec':{'type':'LoadBalancer','clusterIP':'10.96.3.4','clusterIPs':['10.96.3.4'],'externalIPs':['1."
        "2.3.4'],"
        "'loadBalancerIP':'1.2.3.5','loadBalancerClass':'c','loadBalancerSourceRanges':['0.0.0.0/0'],"
        "'externalTrafficPolicy':'Local','internalTrafficPolicy':'Local','healthCheckNodePort':30100,"
        "'allocateLoadBalancerNodePorts':true,'ipFamilies':['IPv4'],'ipFamilyPolicy':'SingleStack',"
        "'selector':{'role':'frontend'},'ports':[{'port':80,'targetPort':8080,'nodePort':30080}]}}");
    want(&w, AWS, "stars/frontend");
    assert_string_equal(wanted_text(&w, "Service", 0, "spec"),
                        "{'ports':[{'port':80,'protocol':'TCP'}],'type':'ClusterIP'}");
    assert_string_equal(
        wanted_text(&w, "Service", 0, "metadata"),
        "{'annotations':{'isthmus.dev/carried':'labels=team;annotations=note','note':'n'},"
        "'labels':{'isthmus.dev/source-cluster':'ccp','team':'a'},'name':'frontend','namespace':'stars'}");
    // what the source has no more is not said to be carried either
    see(&w, CCP, KIND_SERVICE,
        "{'metadata':{'name':'frontend','namespace':'stars','uid':'u','annotations':{'note':'n'}},'spec':"
        "{" HTTP "}}");
    want(&w, AWS, "stars/frontend");
    assert_string_equal(wanted_text(&w, "Service", 0, "metadata.annotations"),
                        "{'isthmus.dev/carried':'annotations=note','note':'n'}");
    world_close(&w);
}

// A target whose Services have no families: the server is older, or has them turned off.
static void families_are_asked_for_where_there_are_any(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    see_service(&w, CCP, "x", 1, "'ipFamilies':['IPv4','IPv6']," HTTP);
    see(&w, AWS, KIND_SERVICE,
        "{'metadata':{'name':'kubernetes','namespace':'default'},'spec':{'ipFamilyPolicy':'SingleStack'," HTTP
        "}}");
    see(&w, GCP, KIND_SERVICE, "{'metadata':{'name':'kubernetes','namespace':'default'},'spec':{" HTTP "}}");
    want(&w, AWS, "stars/x");
    assert_string_equal(wanted_text(&w, "Service", 0, "spec.ipFamilyPolicy"), "'PreferDualStack'");
    want(&w, GCP, "stars/x");
    assert_int_equal(wanted_count(&w, "Service"), 1);
    assert_string_equal(wanted_text(&w, "Service", 0, "spec.ipFamilyPolicy"), "");
    world_close(&w);
}

static void what_a_service_is_goes_with_it(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    see_service(&w, CCP, "x", 1,
                "'sessionAffinity':'ClientIP','sessionAffinityConfig':{'clientIP':{'timeoutSeconds':600}},"
                "'publishNotReadyAddresses':true,'ipFamilies':['IPv6','IPv4'],'ports':["
                "{'name':'web','port':80,'protocol':'TCP','appProtocol':'kubernetes.io/h2c'},"
                "{'name':'dns','port':53,'protocol':'UDP'},{'name':'sig','port':36412,'protocol':'SCTP'}]");
    want(&w, AWS, "stars/x");
    assert_string_equal(
        wanted_text(&w, "Service", 0, "spec"),
        "{'ipFamilyPolicy':'PreferDualStack','ports':["
        "{'appProtocol':'kubernetes.io/h2c','name':'web','port':80,'protocol':'TCP'},"
        "{'name':'dns','port':53,'protocol':'UDP'},{'name':'sig','port':36412,'protocol':'SCTP'}],"
        "'publishNotReadyAddresses':true,'sessionAffinity':'ClientIP',"
        "'sessionAffinityConfig':{'clientIP':{'timeoutSeconds':600}},'type':'ClusterIP'}");
    world_close(&w);
}

static void an_external_name_is_refused_with_a_reason(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    see_service(&w, CCP, "x", 1, "'type':'ExternalName','externalName':'example.org'");
    want(&w, AWS, "stars/x");
    assert_int_equal(json_array_size(w.wanted.objects), 0);
    assert_true(fake_noted(&w.wanted, "stars/x of ccp is not mirrored: an ExternalName has no endpoints"));
    world_close(&w);
}

static void turning_headless_is_a_delete_and_a_create(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    see_service(&w, CCP, "db", 1, HTTP);
    want(&w, AWS, "stars/db");
    wrote(&w, AWS, "stars/db");
    see_gone(&w, CCP, KIND_SERVICE, "stars", "db");
    see_service(&w, CCP, "db", 2, "'clusterIP':'None'," HTTP);
    want(&w, AWS, "stars/db");
    assert_int_equal(json_array_size(w.wanted.objects), 0);
    assert_true(w.wanted.again);
    wrote(&w, AWS, "stars/db");
    want(&w, AWS, "stars/db");
    assert_string_equal(wanted_text(&w, "Service", 0, "spec.clusterIP"), "'None'");
    assert_false(w.wanted.again);
    wrote(&w, AWS, "stars/db");
    want(&w, AWS, "stars/db");
    assert_false(w.wanted.again);
    world_close(&w);
}

static void what_stood_before_the_start_is_known_to_be_headless(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    json_t *own = json_of("{'metadata':{'name':'db','namespace':'stars'},'spec':{'clusterIP':'None'}}");
    char *key = model_key_of(w.model, AWS, KIND_SERVICE, own);
    assert_string_equal(key, "stars/db");
    ist_free(key);
    json_decref(own);
    fake_uid(&w.run, AWS, KIND_SERVICE, "stars", "db", "own");
    see_service(&w, CCP, "db", 1, HTTP);
    want(&w, AWS, "stars/db");
    assert_true(w.wanted.again);
    world_close(&w);
}

// ---- names that are taken ----

static void a_taken_name_is_left_alone_and_told(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "{'clusters':[{'name':'ccp','services':[{'namespace':'stars'}]}]}");
    see_service(&w, CCP, "x", 1, HTTP);
    see_addresses(&w, CCP, "x", "x-1", HTTP, "192.168.1.1");
    json_object_clear(w.run.touched);
    see_service(&w, AWS, "x", 1, HTTP);
    assert_true(fake_touched(&w.run, AWS, "stars/x"));
    want(&w, AWS, "stars/x");
    assert_int_equal(json_array_size(w.wanted.objects), 0);
    assert_true(fake_noted(&w.wanted, "stars/x of aws is left alone"));
    json_object_clear(w.run.touched);
    see_gone(&w, AWS, KIND_SERVICE, "stars", "x"); // and written once the name is free, but not at once
    assert_true(fake_touched(&w.run, AWS, "stars/x"));
    assert_true(json_integer_value(json_object_get(w.run.touched, "1 stars/x")) >= 1000);
    want(&w, AWS, "stars/x");
    assert_int_equal(json_array_size(w.wanted.objects), 2);
    world_close(&w);
}

#define BEHIND_X(name, endpoints)                                                                            \
    "{'metadata':{'name':'" name "','namespace':'stars','labels':{'kubernetes.io/service-name':'x'}},"       \
    "'addressType':'IPv4'," HTTP ",'endpoints':[" endpoints "]}"

// Somebody's EndpointSlice behind a Service of ours gets its traffic: in a target alone, and in one that is a source.
static void a_slice_of_somebody_else_behind_ours_is_told(void **state)
{
    (void)state;
    static const char *const inputs[] = {
        "{'clusters':[{'name':'ccp','services':[{'namespace':'stars'}]}]}",
        "{'clusters':[{'name':'ccp','services':[{'namespace':'stars'}]},{'name':'aws','services':[{}]}]}"};
    for (size_t i = 0; i < 2; i++) {
        struct world w;
        world_open(&w, inputs[i]);
        see_service(&w, CCP, "x", 1, HTTP);
        see(&w, AWS, KIND_SLICE, BEHIND_X("empty", ""));
        want(&w, AWS, "stars/x");
        wrote(&w, AWS, "stars/x");
        assert_int_equal(json_array_size(w.wanted.notes), 0);
        json_object_clear(w.run.touched);
        see(&w, AWS, KIND_SLICE, BEHIND_X("intruder", "{'addresses':['10.0.9.9']}"));
        assert_true(fake_touched(&w.run, AWS, "stars/x"));
        want(&w, AWS, "stars/x");
        assert_int_equal(wanted_count(&w, "Service"), 1);
        assert_true(
            fake_noted(&w.wanted, "1 EndpointSlice stands behind it that this step did not make (intruder)"));
        see(&w, AWS, KIND_SLICE, BEHIND_X("another", "{'addresses':['10.0.9.8']}"));
        want(&w, AWS, "stars/x");
        assert_true(
            fake_noted(&w.wanted, "2 EndpointSlices stand behind it that this step did not make (another)"));
        see_gone(&w, AWS, KIND_SLICE, "stars", "another");
        json_object_clear(w.run.touched);
        see_gone(&w, AWS, KIND_SLICE, "stars", "intruder");
        assert_true(fake_touched(&w.run, AWS, "stars/x"));
        want(&w, AWS, "stars/x");
        assert_int_equal(json_array_size(w.wanted.notes), 0);
        assert_int_equal(w.model->items[AWS].records.slices.count, 0);
        world_close(&w);
    }
    struct world w; // where nothing is mirrored to, nothing is kept of it
    world_open(&w, "{'clusters':[{'name':'ccp','services':[{'namespace':'shop'}]}]}");
    see(&w, AWS, KIND_SLICE, BEHIND_X("intruder", "{'addresses':['10.0.9.9']}"));
    assert_int_equal(w.model->items[AWS].records.slices.count, 0);
    world_close(&w);
}

#define MERGED                                                                                               \
    "{'same_name':'merged','clusters':[{'name':'ccp','services':[{'namespace':'stars'}]},"                   \
    "{'name':'gcp','services':[{'namespace':'stars'}]}]}"

static void merged_slices_stand_beside_the_users_own_service(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, MERGED);
    see_service(&w, CCP, "x", 1, "'ports':[{'name':'web','port':80},{'name':'admin','port':9000}]");
    see_addresses(&w, CCP, "x", "x-1", "'ports':[{'name':'web','port':8080},{'name':'admin','port':9000}]",
                  "192.168.1.1");
    see_service(&w, AWS, "x", 9, "'ports':[{'name':'http','port':80}]");
    want(&w, AWS, "stars/x");
    assert_int_equal(wanted_count(&w, "Service"), 0);
    assert_string_equal(wanted_text(&w, "EndpointSlice", 0, "ports"),
                        "[{'name':'http','port':8080,'protocol':'TCP'}]");
    assert_string_equal(wanted_text(&w, "EndpointSlice", 0, "metadata.ownerReferences"),
                        "[{'apiVersion':'v1','kind':'Service','name':'x','uid':'u1-x'}]");
    assert_true(fake_noted(&w.wanted, "port 9000/TCP of Service stars/x in ccp"));
    // not beside Endpoints: there is but one object of those
    w.run.lacks[AWS][KIND_SLICE] = 1;
    want(&w, AWS, "stars/x");
    assert_int_equal(json_array_size(w.wanted.objects), 0);
    assert_true(fake_noted(&w.wanted, "left alone"));
    world_close(&w);
}

static void a_suffix_keeps_the_services_apart(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "{'same_name':'suffix','clusters':[{'name':'ccp','services':[{'namespace':'stars'}]},"
                   "{'name':'gcp','services':[{'namespace':'stars'}]}]}");
    see_service(&w, CCP, "x", 1, HTTP);
    see_service(&w, GCP, "x", 2, HTTP);
    see_service(&w, AWS, "x", 3, HTTP);
    assert_true(fake_touched(&w.run, AWS, "stars/x-ccp"));
    assert_true(fake_touched(&w.run, AWS, "stars/x-gcp"));
    want(&w, AWS, "stars/x-ccp");
    assert_string_equal(wanted_text(&w, "Service", 0, "metadata.name"), "'x-ccp'");
    assert_string_equal(wanted_text(&w, "Service", 0, "metadata.labels"),
                        "{'isthmus.dev/source-cluster':'ccp'}");
    see_service(&w, CCP, "a23456789-123456789-123456789-123456789-123456789-1234567890", 1, HTTP);
    want(&w, AWS, "stars/a23456789-123456789-123456789-123456789-123456789-1234567890-ccp");
    assert_int_equal(json_array_size(w.wanted.objects), 0);
    assert_true(fake_noted(&w.wanted, "longer than 63"));
    world_close(&w);
}

// ---- the same service in several clusters ----

static void ports_are_the_union_and_never_go_to_endpoints_that_lack_them(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    see_service(&w, CCP, "x", 5, "'ports':[{'name':'web','port':80},{'name':'metrics','port':9100}]");
    see_addresses(&w, CCP, "x", "x-1", "'ports':[{'name':'web','port':8080},{'name':'metrics','port':9100}]",
                  "192.168.1.1");
    see_service(&w, GCP, "x", 3, "'ports':[{'name':'web','port':80},{'name':'admin','port':9000}]");
    see_addresses(&w, GCP, "x", "x-1", "'ports':[{'name':'web','port':80},{'name':'admin','port':9000}]",
                  "10.8.0.1");
    want(&w, AWS, "stars/x");
    assert_string_equal(
        wanted_text(&w, "Service", 0, "spec.ports"),
        "[{'name':'web','port':80,'protocol':'TCP'},{'name':'admin','port':9000,'protocol':'TCP'},"
        "{'name':'metrics','port':9100,'protocol':'TCP'}]");
    assert_string_equal(
        wanted_text(&w, "EndpointSlice", 0, "ports"), // gcp's: the older
        "[{'name':'web','port':80,'protocol':'TCP'},{'name':'admin','port':9000,'protocol':'TCP'}]");
    assert_string_equal(
        wanted_text(&w, "EndpointSlice", 1, "ports"),
        "[{'name':'web','port':8080,'protocol':'TCP'},{'name':'metrics','port':9100,'protocol':'TCP'}]");
    assert_int_equal(json_array_size(w.wanted.notes), 0);
    world_close(&w);
}

static void a_name_used_differently_is_decided_by_the_oldest_and_told(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    see_service(&w, CCP, "x", 5, "'ports':[{'name':'web','port':8080}]");
    see_addresses(&w, CCP, "x", "x-1", "'ports':[{'name':'web','port':8080}]", "192.168.1.1");
    see_service(&w, GCP, "x", 3, "'clusterIP':'None','ports':[{'name':'web','port':80}]");
    see_addresses(&w, GCP, "x", "x-1", "'ports':[{'name':'web','port':80}]", "10.8.0.1");
    want(&w, AWS, "stars/x");
    assert_string_equal(
        wanted_text(&w, "Service", 0, "spec"),
        "{'clusterIP':'None','ports':[{'name':'web','port':80,'protocol':'TCP'}],'type':'ClusterIP'}");
    assert_int_equal(wanted_count(&w, "EndpointSlice"), 1);
    assert_true(fake_noted(&w.wanted, "is 8080/TCP in ccp, but 80/TCP in gcp"));
    assert_true(fake_noted(&w.wanted, "headless in gcp and not so in ccp"));
    world_close(&w);
}

// Each difference is told with the cluster that has it so, which need not be the oldest.
static void what_three_clusters_have_differently_is_told_of_each(void **state)
{
    (void)state;
    struct world w;
#define TIMEOUT(s)                                                                                           \
    "'sessionAffinity':'ClientIP','sessionAffinityConfig':{'clientIP':{'timeoutSeconds':" s "}},"
    world_open(&w, "{'clusters':[{'name':'ccp','services':[{'namespace':'stars','targets':['aws']}]},"
                   "{'name':'gcp','services':[{'namespace':'stars','targets':['aws']}]}]}");
    see_service(
        &w, CCP, "x", 1,
        TIMEOUT("60") "'ports':[{'name':'web','port':80,'appProtocol':'http'},{'name':'a','port':1}]");
    see_service(&w, GCP, "x", 2,
                TIMEOUT("90") "'ports':[{'name':'www','port':80,'appProtocol':'kubernetes.io/h2c'},"
                              "{'name':'b','port':2},{'name':'c','port':3}]");
    want(&w, AWS, "stars/x");
    assert_true(
        fake_noted(&w.wanted, "session affinity of Service stars/x lasts 60 s in ccp and 90 s in gcp"));
    assert_true(
        fake_noted(&w.wanted, "port 80/TCP of Service stars/x is called \"www\" in gcp, and \"web\" in ccp"));
    assert_true(
        fake_noted(&w.wanted, "port 80/TCP of Service stars/x speaks kubernetes.io/h2c in gcp, and http in"));
    assert_int_equal(json_array_size(w.wanted.notes), 3);
    world_close(&w);
    world_open(&w, "{'clusters':[{'name':'ccp','services':[{'namespace':'stars'}]},"
                   "{'name':'aws','services':[{'namespace':'stars'}]},{'name':'gcp','services':[]}]}");
    see_service(&w, CCP, "x", 1, "'ports':[{'name':'a','port':1}]");
    see_service(&w, AWS, "x", 2, "'ports':[{'name':'b','port':2}]");
    want(&w, GCP, "stars/x");
    assert_int_equal(json_array_size(w.wanted.notes), 0);
    world_close(&w);
}

static void an_unnamed_port_stands_alone(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    see_service(&w, CCP, "x", 1, HTTP);
    see_service(&w, GCP, "x", 2, "'ports':[{'name':'web','port':80},{'name':'admin','port':9000}]");
    see_addresses(&w, GCP, "x", "x-1", "'ports':[{'name':'web','port':80},{'name':'admin','port':9000}]",
                  "10.8.0.1");
    want(&w, AWS, "stars/x");
    assert_string_equal(wanted_text(&w, "Service", 0, "spec.ports"), "[{'port':80,'protocol':'TCP'}]");
    assert_string_equal(wanted_text(&w, "EndpointSlice", 0, "ports"), "[{'port':80,'protocol':'TCP'}]");
    assert_true(fake_noted(&w.wanted, "all need a name"));
    world_close(&w);
}

static void names_that_labels_cannot_hold_are_refused(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "{'same_name':'suffix'}");
    assert_non_null(w.model);
    world_close(&w);
    world_open(&w, "{'namespaces':{'a':{'nowhere':'b'}}}");
    assert_null(w.model);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_services_file_of_the_walk_through_chooses_by_namespace),
        cmocka_unit_test(all_namespaces_leave_out_the_systems_own),
        cmocka_unit_test(names_labels_and_annotations_narrow_a_rule),
        cmocka_unit_test(a_rule_may_name_its_targets),
        cmocka_unit_test(what_another_mirror_wrote_is_nobodys_source),
        cmocka_unit_test(a_missing_namespace_is_made_only_if_asked),
        cmocka_unit_test(nothing_is_written_into_a_namespace_that_is_being_deleted),
        cmocka_unit_test(a_namespace_may_be_called_differently_elsewhere),
        cmocka_unit_test(only_what_may_cross_is_written),
        cmocka_unit_test(families_are_asked_for_where_there_are_any),
        cmocka_unit_test(what_a_service_is_goes_with_it),
        cmocka_unit_test(an_external_name_is_refused_with_a_reason),
        cmocka_unit_test(turning_headless_is_a_delete_and_a_create),
        cmocka_unit_test(what_stood_before_the_start_is_known_to_be_headless),
        cmocka_unit_test(a_taken_name_is_left_alone_and_told),
        cmocka_unit_test(a_slice_of_somebody_else_behind_ours_is_told),
        cmocka_unit_test(merged_slices_stand_beside_the_users_own_service),
        cmocka_unit_test(a_suffix_keeps_the_services_apart),
        cmocka_unit_test(ports_are_the_union_and_never_go_to_endpoints_that_lack_them),
        cmocka_unit_test(a_name_used_differently_is_decided_by_the_oldest_and_told),
        cmocka_unit_test(what_three_clusters_have_differently_is_told_of_each),
        cmocka_unit_test(an_unnamed_port_stands_alone),
        cmocka_unit_test(names_that_labels_cannot_hold_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
