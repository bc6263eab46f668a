// k8s-svcmirror: the addresses behind mirrored services, and what is done about clusters out of reach.
#include "svcmirror-fixture.h"

#include <isthmus/alloc.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

// ---- what is written ----

static void a_slice_says_whose_it_is_and_goes_with_its_service(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    see_service(&w, CCP, "x", 1, HTTP);
    see_addresses(&w, CCP, "x", "x-1", "'ports':[{'name':'','port':8080,'protocol':'TCP'}]",
                  "192.168.1.2,192.168.1.1");
    want(&w, AWS, "stars/x");
    assert_string_equal(
        wanted_text(&w, "EndpointSlice", 0, "metadata.labels"),
        "{'endpointslice.kubernetes.io/managed-by':'isthmus.dev','isthmus.dev/source-cluster':'ccp',"
        "'kubernetes.io/service-name':'x'}");
    assert_string_equal(wanted_text(&w, "EndpointSlice", 0, "metadata.ownerReferences"),
                        "[{'apiVersion':'v1','kind':'Service','name':'x','uid':''}]");
    assert_string_equal(wanted_text(&w, "EndpointSlice", 0, "endpoints"),
                        "[{'addresses':['192.168.1.1'],'conditions':{'ready':true}},"
                        "{'addresses':['192.168.1.2'],'conditions':{'ready':true}}]");
    assert_string_equal(wanted_text(&w, "EndpointSlice", 0, "ports"), "[{'port':8080,'protocol':'TCP'}]");
    json_t *slice = fake_wanted_at(&w.wanted, "EndpointSlice", 0);
    char *key = model_key_of(w.model, AWS, KIND_SLICE, slice);
    assert_string_equal(key, "stars/x");
    ist_free(key);
    world_close(&w);
}

static void conditions_and_hostnames_are_kept(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    see_service(&w, CCP, "db", 1, "'clusterIP':'None'," HTTP);
    see(&w, CCP, KIND_SLICE,
        "{'metadata':{'name':'db-1','namespace':'stars','labels':{'kubernetes.io/service-name':'db'}},"
        "'addressType':'IPv4'," HTTP ",'endpoints':["
        "{'addresses':['192.168.1.1'],'hostname':'db-0','conditions':{'ready':false,'serving':true,'"
        "terminating':"
        "true}},{'addresses':['192.168.1.2'],'hostname':'db-1','conditions':{}}]}");
    want(&w, AWS, "stars/db");
    assert_string_equal(
        wanted_text(&w, "EndpointSlice", 0, "endpoints"),
        "[{'addresses':['192.168.1.1'],'conditions':{'ready':false,'serving':true,'terminating':"
        "true},'hostname':'db-0'},"
        "{'addresses':['192.168.1.2'],'conditions':{'ready':true},'hostname':'db-1'}]");
    assert_string_equal(
        wanted_text(&w, "EndpointSlice", 0, "metadata.labels.'service.kubernetes.io/headless'"), "''");
    world_close(&w);
}

static void both_families_have_slices_of_their_own(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    see_service(&w, CCP, "x", 1, "'ipFamilies':['IPv4','IPv6']," HTTP);
    see_addresses(&w, CCP, "x", "x-4", HTTP, "192.168.1.1");
    see_addresses(&w, CCP, "x", "x-6", HTTP, "fd00:1::7");
    want(&w, AWS, "stars/x");
    assert_int_equal(wanted_count(&w, "EndpointSlice"), 2);
    assert_string_equal(wanted_text(&w, "EndpointSlice", 0, "addressType"), "'IPv6'");
    assert_string_equal(wanted_text(&w, "EndpointSlice", 0, "endpoints[0].addresses"), "['fd00:1::7']");
    assert_string_equal(wanted_text(&w, "EndpointSlice", 1, "addressType"), "'IPv4'");
    world_close(&w);
}

static void an_address_outside_the_pod_cidrs_is_refused_and_told(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    see_service(&w, CCP, "x", 1, HTTP);
    see_addresses(&w, CCP, "x", "x-1", HTTP, "192.168.1.1,10.9.9.9,10.9.9.8");
    want(&w, AWS, "stars/x");
    assert_string_equal(wanted_text(&w, "EndpointSlice", 0, "endpoints"),
                        "[{'addresses':['192.168.1.1'],'conditions':{'ready':true}}]");
    assert_true(fake_noted(&w.wanted, "2 addresses of Service stars/x in ccp are not mirrored (10.9.9.9)"));
    see_addresses(&w, CCP, "x", "x-1", HTTP, "10.9.9.9"); // none is left: no slice, and the note stays
    want(&w, AWS, "stars/x");
    assert_int_equal(wanted_count(&w, "EndpointSlice"), 0);
    assert_true(fake_noted(&w.wanted, "1 address of Service"));
    see_addresses(&w, CCP, "x", "x-1", HTTP, "fd00:2::1");
    want(&w, AWS, "stars/x");
    assert_true(fake_noted(&w.wanted, "fd00:2::1"));
    world_close(&w);
}

static void addresses_that_are_names_are_refused_and_told(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    see_service(&w, CCP, "x", 1, HTTP);
    see(&w, CCP, KIND_SLICE,
        "{'metadata':{'name':'x-1','namespace':'stars','labels':{'kubernetes.io/service-name':'x'}},"
        "'addressType':'FQDN'," HTTP ",'endpoints':[{'addresses':['example.org']}]}");
    want(&w, AWS, "stars/x");
    assert_int_equal(wanted_count(&w, "EndpointSlice"), 0);
    assert_true(fake_noted(&w.wanted, "DNS names"));
    world_close(&w);
}

// Servers of 1.20 take an address with zeroes in front, which is no address to others.
static void an_address_that_cannot_be_read_is_refused_and_told(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    see_service(&w, CCP, "x", 1, HTTP);
    see(&w, CCP, KIND_ENDPOINTS,
        "{'metadata':{'name':'x','namespace':'stars'},'subsets':[{'addresses':[{'ip':'192.168.1.1'},"
        "{'ip':'192.168.010.1'}],'ports':[{'port':80}]}]}");
    want(&w, AWS, "stars/x");
    assert_string_equal(wanted_text(&w, "EndpointSlice", 0, "endpoints[0].addresses"), "['192.168.1.1']");
    assert_true(fake_noted(&w.wanted, "1 address of Service stars/x in ccp is not mirrored (192.168.010.1)"));
    world_close(&w);
}

static void key_of_service(struct world *w, const char *spec)
{
    char *text = ist_printf("{'metadata':{'name':'x','namespace':'stars'},'spec':{%s}}", spec);
    json_t *own = json_of(text);
    ist_free(model_key_of(w->model, AWS, KIND_SERVICE, own));
    json_decref(own);
    ist_free(text);
}

static void addresses_of_a_family_that_the_target_lacks_are_told(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    see_service(&w, CCP, "x", 1, "'ipFamilies':['IPv4','IPv6']," HTTP);
    see_addresses(&w, CCP, "x", "x-4", HTTP, "192.168.1.1");
    see_addresses(&w, CCP, "x", "x-6", HTTP, "fd00:1::7,fd00:1::8");
    want(&w, AWS, "stars/x");
    wrote(&w, AWS, "stars/x");
    assert_int_equal(json_array_size(w.wanted.notes), 0);
    json_object_clear(w.run.touched);
    key_of_service(&w, "'clusterIP':'10.96.0.1','clusterIPs':['10.96.0.1']"); // as it came to be
    assert_true(fake_touched(&w.run, AWS, "stars/x"));
    want(&w, AWS, "stars/x");
    assert_int_equal(wanted_count(&w, "EndpointSlice"), 2);
    assert_true(fake_noted(&w.wanted, "2 IPv6 addresses of Service stars/x get no traffic in aws"));
    json_object_clear(w.run.touched);
    key_of_service(&w, "'clusterIP':'10.96.0.1','clusterIPs':['10.96.0.1','fd00:96::1']");
    assert_int_equal(json_object_size(w.run.touched), 0);
    want(&w, AWS, "stars/x");
    assert_int_equal(json_array_size(w.wanted.notes), 0);
    key_of_service(&w, "'clusterIP':'fd00:96::1'"); // of the age before the list
    want(&w, AWS, "stars/x");
    assert_true(fake_noted(&w.wanted, "1 IPv4 address of Service stars/x gets no traffic in aws"));
    world_close(&w);
}

// Somebody put a slice of ours behind another Service: it is still the one that is wanted where it belongs.
static void a_slice_is_its_owners_whatever_its_label_says(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    see_service(&w, CCP, "x", 1, HTTP);
    see_addresses(&w, CCP, "x", "x-1", HTTP, "192.168.1.1");
    want(&w, AWS, "stars/x");
    json_t *slice = fake_wanted_at(&w.wanted, "EndpointSlice", 0);
    json_object_set_new(ist_json_at(slice, "metadata.labels"), "kubernetes.io/service-name",
                        json_string("y"));
    char *key = model_key_of(w.model, AWS, KIND_SLICE, slice);
    assert_string_equal(key, "stars/x");
    ist_free(key);
    json_object_del(ist_json_at(slice, "metadata"), "ownerReferences");
    key = model_key_of(w.model, AWS, KIND_SLICE, slice);
    assert_string_equal(key, "stars/y");
    ist_free(key);
    world_close(&w);
}

// ---- where no slices are served ----

static void what_an_endpoints_object_cannot_hold_is_told(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    see_service(&w, CCP, "x", 1, HTTP);
    see(&w, CCP, KIND_ENDPOINTS,
        "{'metadata':{'name':'x','namespace':'stars','annotations':{'endpoints.kubernetes.io/over-capacity':"
        "'truncated'}},'subsets':[{'addresses':[{'ip':'192.168.1.1'}],'ports':[{'port':80}]}]}");
    want(&w, AWS, "stars/x");
    assert_true(fake_noted(&w.wanted, "not all endpoints of Service stars/x in ccp are mirrored"));
    w.run.lacks[AWS][KIND_SLICE] = 1;
    for (size_t i = 0; i < 11; i++) {
        char slice[16];
        ist_buf all = {0};
        for (size_t k = 0; k < 100; k++)
            ist_buf_printf(&all, "%s10.8.%zu.%zu", k ? "," : "", i, k);
        snprintf(slice, sizeof slice, "y-%zu", i);
        see_service(&w, GCP, "y", 1, HTTP);
        see_addresses(&w, GCP, "y", slice, HTTP, all.data);
        want(&w, AWS, "stars/y");
        assert_int_equal(json_array_size(w.wanted.notes), i == 10);
        ist_buf_free(&all);
    }
    assert_true(fake_noted(&w.wanted, "Service stars/y has 1100 endpoints: aws serves no EndpointSlices"));
    world_close(&w);
}

static void endpoints_where_the_target_knows_no_slices(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    w.run.lacks[AWS][KIND_SLICE] = 1;
    see_service(&w, CCP, "x", 1, "'ipFamilies':['IPv4','IPv6']," HTTP);
    see_addresses(&w, CCP, "x", "x-2", HTTP, "192.168.1.3,192.168.1.1");
    see_addresses(&w, CCP, "x", "x-1", HTTP, "192.168.1.2,192.168.1.1");
    see_addresses(&w, CCP, "x", "x-6", HTTP, "fd00:1::7");
    want(&w, AWS, "stars/x");
    assert_int_equal(wanted_count(&w, "EndpointSlice"), 0);
    assert_string_equal(wanted_text(&w, "Endpoints", 0, "subsets"),
                        "[{'addresses':[{'ip':'192.168.1.1'},{'ip':'192.168.1.2'},{'ip':'192.168.1.3'}],"
                        "'ports':[{'port':80,'protocol':'TCP'}]}]");
    assert_string_equal(wanted_text(&w, "Service", 0, "spec"),
                        "{'ports':[{'port':80,'protocol':'TCP'}],'type':'ClusterIP'}");
    world_close(&w);
}

static void endpoints_of_a_source_without_slices_become_slices(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    see_service(&w, CCP, "x", 1, HTTP);
    see(&w, CCP, KIND_ENDPOINTS,
        "{'metadata':{'name':'x','namespace':'stars'},'subsets':[{'addresses':[{'ip':'192.168.1.1','hostname'"
        ":'a'}],"
        "'notReadyAddresses':[{'ip':'192.168.1.2'},{'ip':'10.9.9.9'}],'ports':[{'port':8080}]},"
        "{'addresses':[{'ip':'192.168.1.3'}],'ports':[{'port':8081}]}]}");
    want(&w, AWS, "stars/x");
    assert_int_equal(wanted_count(&w, "EndpointSlice"), 2);
    assert_string_equal(wanted_text(&w, "EndpointSlice", 0, "endpoints"),
                        "[{'addresses':['192.168.1.1'],'conditions':{'ready':true},'hostname':'a'},"
                        "{'addresses':['192.168.1.2'],'conditions':{'ready':false}}]");
    char first[64];
    snprintf(first, sizeof(first), "%s", wanted_text(&w, "EndpointSlice", 0, "metadata.name"));
    assert_string_not_equal(first, wanted_text(&w, "EndpointSlice", 1, "metadata.name"));
    assert_true(fake_noted(&w.wanted, "10.9.9.9"));
    see_gone(&w, CCP, KIND_ENDPOINTS, "stars", "x");
    want(&w, AWS, "stars/x");
    assert_int_equal(wanted_count(&w, "EndpointSlice"), 0);
    world_close(&w);
}

static void subsets_that_come_to_the_same_ports_are_still_two_slices(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    // The Service has one port: what else the second subset has goes nowhere. The third is as the first.
    see_service(&w, CCP, "x", 1, "'ports':[{'name':'web','port':80}]");
    see(&w, CCP, KIND_ENDPOINTS,
        "{'metadata':{'name':'x','namespace':'stars'},'subsets':["
        "{'addresses':[{'ip':'192.168.1.1'}],'ports':[{'name':'web','port':8080}]},"
        "{'addresses':[{'ip':'192.168.1.2'}],'ports':[{'name':'web','port':8080},{'name':'old','port':9}]},"
        "{'addresses':[{'ip':'192.168.1.3'}],'ports':[{'name':'web','port':8080}]}]}");
    want(&w, AWS, "stars/x");
    assert_int_equal(wanted_count(&w, "EndpointSlice"), 2);
    assert_string_equal(wanted_text(&w, "EndpointSlice", 0, "endpoints.[1].addresses"), "['192.168.1.3']");
    char first[64];
    snprintf(first, sizeof(first), "%s", wanted_text(&w, "EndpointSlice", 0, "metadata.name"));
    assert_string_not_equal(first, wanted_text(&w, "EndpointSlice", 1, "metadata.name"));
    world_close(&w);
}

// ---- splitting ----

static char *addresses_of(size_t count, size_t without)
{
    ist_buf text = {0};
    for (size_t i = 0; i < count; i++)
        if (i != without)
            ist_buf_printf(&text, "%s192.168.%zu.%zu", text.len ? "," : "", 1 + i / 250, 1 + i % 250);
    return ist_buf_take(&text);
}

// How many slices of the second are not, byte for byte, slices of the first.
static size_t rewritten(const json_t *before, const json_t *after)
{
    size_t i, j, changed = 0;
    json_t *a, *b;
    json_array_foreach(after, i, a)
    {
        int same = 0;
        json_array_foreach(before, j, b) same |= json_equal(a, b);
        changed += !same;
    }
    return changed;
}

static void a_slice_holds_at_most_a_hundred_and_one_change_rewrites_one(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    see_service(&w, CCP, "x", 1, HTTP);
    char *all = addresses_of(950, 950), *fewer = addresses_of(950, 333);
    see_addresses(&w, CCP, "x", "x-1", HTTP, all);
    want(&w, AWS, "stars/x");
    size_t count = wanted_count(&w, "EndpointSlice"), sum = 0;
    assert_true(count >= 10 && count <= 20);
    for (size_t i = 0; i < count; i++) {
        size_t size =
            json_array_size(ist_json_at(fake_wanted_at(&w.wanted, "EndpointSlice", i), "endpoints"));
        assert_true(size && size <= 100);
        sum += size;
    }
    assert_int_equal(sum, 950);
    json_t *before = json_incref(w.wanted.objects);
    see_addresses(&w, CCP, "x", "x-1", HTTP, fewer);
    want(&w, AWS, "stars/x");
    assert_int_equal(rewritten(before, w.wanted.objects), 1);
    see_addresses(&w, CCP, "x", "x-1", HTTP, all);
    want(&w, AWS, "stars/x");
    assert_int_equal(rewritten(before, w.wanted.objects), 0); // whatever was in between
    json_decref(before);
    ist_free(all);
    ist_free(fewer);
    world_close(&w);
}

static void another_process_writes_the_same(void **state)
{
    (void)state;
    struct world w, again;
    world_open(&w, NULL);
    world_open(&again, NULL);
    see_service(&w, CCP, "x", 1, HTTP);
    see_addresses(&w, CCP, "x", "x-1", HTTP, "192.168.1.1,192.168.1.2");
    see_addresses(&w, CCP, "x", "x-2", HTTP, "192.168.1.3");
    see_addresses(&again, CCP, "x", "x-1", HTTP, "192.168.1.2,192.168.1.1"); // slices before their service
    see_addresses(&again, CCP, "x", "x-2", HTTP, "192.168.1.3");
    see_service(&again, CCP, "x", 1, HTTP);
    want(&w, AWS, "stars/x");
    want(&again, AWS, "stars/x");
    assert_int_equal(rewritten(w.wanted.objects, again.wanted.objects), 0);
    world_close(&w);
    world_close(&again);
}

static void what_did_not_change_touches_nothing(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    see_service(&w, CCP, "x", 1, HTTP);
    see_addresses(&w, CCP, "x", "x-1", HTTP, "192.168.1.1,192.168.1.2");
    json_object_clear(w.run.touched);
    see_service(&w, CCP, "x", 1, HTTP);
    see_addresses(&w, CCP, "x", "x-1", HTTP, "192.168.1.2,192.168.1.1");
    assert_int_equal(json_object_size(w.run.touched), 0);
    see_addresses(&w, CCP, "x", "x-1", HTTP, "192.168.1.2");
    assert_int_equal(json_object_size(w.run.touched), 2); // a key each in aws and gcp
    world_close(&w);
}

static void a_slice_that_changes_its_service_leaves_the_first(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    see_service(&w, CCP, "x", 1, HTTP);
    see_service(&w, CCP, "y", 1, HTTP);
    see_addresses(&w, CCP, "x", "s", HTTP, "192.168.1.1");
    json_object_clear(w.run.touched);
    see_addresses(&w, CCP, "y", "s", HTTP, "192.168.1.1");
    assert_true(fake_touched(&w.run, AWS, "stars/x") && fake_touched(&w.run, AWS, "stars/y"));
    want(&w, AWS, "stars/x");
    assert_int_equal(wanted_count(&w, "EndpointSlice"), 0);
    want(&w, AWS, "stars/y");
    assert_int_equal(wanted_count(&w, "EndpointSlice"), 1);
    see_gone(&w, CCP, KIND_SERVICE, "stars", "y");
    want(&w, AWS, "stars/y");
    assert_int_equal(json_array_size(w.wanted.objects), 0);
    world_close(&w);
}

// ---- clusters out of reach ----

static void set_state(struct world *w, size_t cluster, uint32_t to)
{
    w->run.state[cluster] = to;
    json_object_clear(w->run.touched);
    model_state(w->model, cluster, to);
}

static void expire(const char *after_grace, struct world *w)
{
    char *inputs = ist_printf("{'grace':300000,'after_grace':'%s','clusters':[{'name':'ccp','services':["
                              "{'namespace':'stars'}]}]}",
                              after_grace);
    world_open(w, inputs);
    ist_free(inputs);
    assert_int_equal(w->run.grace, 300000);
    see_service(w, CCP, "x", 1, HTTP);
    see(w, CCP, KIND_SLICE,
        "{'metadata':{'name':'x-1','namespace':'stars','labels':{'kubernetes.io/"
        "service-name':'x'}},'addressType':"
        "'IPv4'," HTTP
        ",'endpoints':[{'addresses':['192.168.1.1'],'conditions':{'ready':true,'serving':true}}]}");
    set_state(w, CCP, IST_CLUSTER_LOST);
    want(w, AWS, "stars/x");
    assert_string_equal(wanted_text(w, "EndpointSlice", 0, "endpoints[0].conditions"),
                        "{'ready':true,'serving':true}");
    set_state(w, CCP, IST_CLUSTER_EXPIRED);
    assert_true(fake_touched(&w->run, AWS, "stars/x"));
    want(w, AWS, "stars/x");
    assert_int_equal(wanted_count(w, "Service"), 1);
}

static void after_the_grace_endpoints_are_not_ready(void **state)
{
    (void)state;
    struct world w;
    expire("not-ready", &w);
    assert_string_equal(wanted_text(&w, "EndpointSlice", 0, "endpoints[0].conditions"),
                        "{'ready':false,'serving':false}");
    w.run.lacks[AWS][KIND_SLICE] = 1;
    want(&w, AWS, "stars/x");
    assert_string_equal(wanted_text(&w, "Endpoints", 0, "subsets[0].notReadyAddresses"),
                        "[{'ip':'192.168.1.1'}]");
    w.run.lacks[AWS][KIND_SLICE] = 0;
    set_state(&w, CCP, IST_CLUSTER_SYNCED); // and back at once
    assert_true(fake_touched(&w.run, AWS, "stars/x"));
    want(&w, AWS, "stars/x");
    assert_string_equal(wanted_text(&w, "EndpointSlice", 0, "endpoints[0].conditions"),
                        "{'ready':true,'serving':true}");
    world_close(&w);
}

static void or_they_are_removed_and_the_service_stays(void **state)
{
    (void)state;
    struct world w;
    expire("removed", &w);
    assert_int_equal(wanted_count(&w, "EndpointSlice"), 0);
    world_close(&w);
}

static void what_stands_for_a_cluster_that_was_never_listed_stays(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    see_service(&w, GCP, "x", 2, HTTP);
    see_addresses(&w, GCP, "x", "x-1", HTTP, "10.8.0.1");
    see_service(&w, CCP, "x", 1, HTTP); // half listed
    w.model->items[CCP].listed = 0;
    set_state(&w, CCP, IST_CLUSTER_UNKNOWN);
    want(&w, AWS, "stars/x"); // gcp's changes go on; ccp's slices and the Service stay
    assert_int_equal(wanted_count(&w, "EndpointSlice"), 1);
    assert_string_equal(wanted_text(&w, "EndpointSlice", 0, "metadata.labels.'isthmus.dev/source-cluster'"),
                        "'gcp'");
    assert_true(json_is_true(json_array_get(w.wanted.if_absent, 0)));
    assert_string_equal(json_string_value(json_array_get(w.wanted.keep, 0)), "ccp");
    world_close(&w);
}

// A Service of ours in aws that stands for one of `source` (NULL: of several).
static void stands_for(struct world *w, size_t kind, const char *name, const char *source)
{
    json_t *own = json_pack("{s:{s:s, s:s, s:{s:s*}}, s:{}}", "metadata", "name", name, "namespace", "stars",
                            "labels", "isthmus.dev/source-cluster", source, "spec");
    ist_free(model_key_of(w->model, AWS, kind, own));
    json_decref(own);
    fake_uid(&w->run, AWS, kind, "stars", name, "own");
}

// ccp has not been listed yet, gcp has: what stands for a Service that gcp has no more goes, whatever ccp will say.
static void what_a_listed_cluster_has_no_more_goes_while_another_is_waited_for(void **state)
{
    (void)state;
    static const struct {
        const char *source; // of what stands
        int goes;
    } cases[] = {{"ccp", 0}, {"gcp", 1}, {NULL, 0}};
    for (size_t i = 0; i < 6; i++) {
        struct world w;
        world_open(&w, NULL);
        w.run.lacks[AWS][KIND_SLICE] = i >= 3;
        w.model->items[CCP].listed = 0;
        set_state(&w, CCP, IST_CLUSTER_UNKNOWN);
        stands_for(&w, KIND_SERVICE, "x", cases[i % 3].source);
        if (i >= 3)
            stands_for(&w, KIND_ENDPOINTS, "x", cases[i % 3].source);
        want(&w, AWS, "stars/x");
        assert_int_equal(wanted_count(&w, "Service"), !cases[i % 3].goes);
        assert_int_equal(wanted_count(&w, "Endpoints"), i >= 3 && !cases[i % 3].goes);
        for (size_t k = 0; k < json_array_size(w.wanted.if_absent); k++)
            assert_true(json_is_true(json_array_get(w.wanted.if_absent, k)));
        assert_string_equal(json_string_value(json_array_get(w.wanted.keep, 0)), "ccp");
        assert_false(w.wanted.keep_all);
        set_state(&w, CCP, IST_CLUSTER_EXPIRED); // the Service is left, but for gcp's
        want(&w, AWS, "stars/x");
        assert_int_equal(json_array_size(w.wanted.objects), !cases[i % 3].goes);
        assert_int_equal(json_array_size(w.wanted.keep), 0);
        world_close(&w);
    }
}

// ccp, the older, had decided; it is not known yet, and gcp alone would have it otherwise.
static void what_an_unknown_cluster_decided_stays_decided(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    see_service(&w, GCP, "x", 2, "'ports':[{'name':'http','port':80},{'name':'more','port':81}]");
    see_addresses(&w, GCP, "x", "x-1", "'ports':[{'name':'http','port':8080},{'name':'more','port':81}]",
                  "10.8.0.1");
    w.model->items[CCP].listed = 0;
    set_state(&w, CCP, IST_CLUSTER_UNKNOWN);
    json_t *own = json_of("{'metadata':{'name':'x','namespace':'stars'},'spec':{'clusterIP':'None','ports':["
                          "{'name':'web','port':80,'protocol':'TCP'}]}}");
    ist_free(model_key_of(w.model, AWS, KIND_SERVICE, own));
    json_decref(own);
    fake_uid(&w.run, AWS, KIND_SERVICE, "stars", "x", "own");
    want(&w, AWS, "stars/x"); // it is not deleted and made anew
    assert_false(w.wanted.again);
    assert_true(json_is_true(json_array_get(w.wanted.if_absent, 0)));
    assert_string_equal(wanted_text(&w, "EndpointSlice", 0, "ports"),
                        "[{'name':'web','port':8080,'protocol':'TCP'}]");
    assert_string_equal(
        wanted_text(&w, "EndpointSlice", 0, "metadata.labels.'service.kubernetes.io/headless'"), "''");
    wrote(&w, AWS, "stars/x");
    want(&w, AWS, "stars/x"); // and not the next time either
    assert_false(w.wanted.again);
    set_state(&w, CCP, IST_CLUSTER_SYNCED); // listed now, and it has no such service: gcp decides
    want(&w, AWS, "stars/x");
    assert_true(w.wanted.again);
    assert_int_equal(json_array_size(w.wanted.objects), 0);
    wrote(&w, AWS, "stars/x");
    want(&w, AWS, "stars/x");
    assert_string_equal(wanted_text(&w, "EndpointSlice", 0, "ports"),
                        "[{'name':'http','port':8080,'protocol':'TCP'},{'name':'more','port':81,"
                        "'protocol':'TCP'}]");
    world_close(&w);
}

static void a_cluster_that_is_another_stops_and_nothing_of_it_goes(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    see_service(&w, CCP, "x", 1, HTTP);
    see_addresses(&w, CCP, "x", "x-1", HTTP, "192.168.1.1");
    set_state(&w, CCP, IST_CLUSTER_STOPPED);
    stands_for(&w, KIND_SERVICE, "x", "ccp");
    want(&w, AWS, "stars/x");
    assert_int_equal(json_array_size(w.wanted.objects), 1);
    assert_true(json_is_true(json_array_get(w.wanted.if_absent, 0)));
    assert_string_equal(json_string_value(json_array_get(w.wanted.keep, 0)), "ccp");
    world_close(&w);
}

static void expired_before_it_was_ever_listed_leaves_the_service_alone(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    w.model->items[CCP].listed = 0;
    set_state(&w, CCP, IST_CLUSTER_UNKNOWN);
    json_t *own = json_of("{'metadata':{'name':'x','namespace':'stars'},'spec':{}}");
    ist_free(model_key_of(w.model, AWS, KIND_SERVICE, own));
    json_decref(own);
    fake_uid(&w.run, AWS, KIND_SERVICE, "stars", "x", "own");
    set_state(&w, CCP, IST_CLUSTER_EXPIRED);
    assert_true(fake_touched(&w.run, AWS, "stars/x"));
    want(&w, AWS, "stars/x");
    assert_false(w.wanted.keep_all);
    assert_int_equal(json_array_size(w.wanted.objects), 1);
    assert_true(json_is_true(json_array_get(w.wanted.if_absent, 0)));
    set_state(&w, CCP, IST_CLUSTER_SYNCED); // listed now, and it has no such service
    assert_true(fake_touched(&w.run, AWS, "stars/x"));
    want(&w, AWS, "stars/x");
    assert_int_equal(json_array_size(w.wanted.objects), 0);
    assert_false(w.wanted.keep_all);
    world_close(&w);
}

static void endpoints_that_hold_an_unknown_clusters_are_not_rewritten(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    w.run.lacks[AWS][KIND_SLICE] = 1;
    see_service(&w, GCP, "x", 2, HTTP);
    see_addresses(&w, GCP, "x", "x-1", HTTP, "10.8.0.1");
    w.model->items[CCP].listed = 0;
    set_state(&w, CCP, IST_CLUSTER_UNKNOWN);
    json_t *own = json_of("{'metadata':{'name':'x','namespace':'stars'}}");
    ist_free(model_key_of(w.model, AWS, KIND_ENDPOINTS, own));
    fake_uid(&w.run, AWS, KIND_ENDPOINTS, "stars", "x", "own");
    want(&w, AWS, "stars/x");
    assert_true(w.wanted.keep_all);
    json_decref(own);
    own = json_of(
        "{'metadata':{'name':'x','namespace':'stars','labels':{'isthmus.dev/source-cluster':'gcp'}}}");
    ist_free(model_key_of(w.model, AWS, KIND_ENDPOINTS, own));
    json_decref(own);
    want(&w, AWS, "stars/x"); // all gcp's: its changes go on
    assert_false(w.wanted.keep_all);
    assert_int_equal(wanted_count(&w, "Endpoints"), 1);
    world_close(&w);
}

// ---- memory ----

static void months_of_churn_leave_nothing_behind(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    for (int i = 0; i < 300; i++) {
        char name[32], slice[32], host[64];
        snprintf(name, sizeof(name), "s%d", i);
        snprintf(slice, sizeof(slice), "s%d-x", i);
        snprintf(host, sizeof(host), "'ports':[{'name':'p%d','port':80}]", i);
        see_service(&w, CCP, name, 1, host);
        see_addresses(&w, CCP, name, slice, host, "192.168.1.1,10.9.9.9");
        want(&w, AWS, "stars/x");
        see_gone(&w, CCP, KIND_SERVICE, "stars", name);
        see_gone(&w, CCP, KIND_SLICE, "stars", slice);
    }
    const struct records *records = &w.model->items[CCP].records;
    assert_int_equal(records->services.count + records->slices.count, 0);
    assert_int_equal(records->chosen + records->endpoints, 0);
    assert_int_equal(w.model->pool.texts.count + w.model->pool.lists.count, 0);
    assert_int_equal(w.model->items[AWS].records.standing.count, 0);
    world_close(&w);
}

// Two clusters, ten thousand services of ten endpoints: the documents would be 60 MB.
static void ten_thousand_services_are_a_few_megabytes(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, NULL);
    struct mallinfo2 before = mallinfo2();
    for (int i = 0; i < 10000; i++) {
        char name[32], slice[48], addresses[256] = "";
        snprintf(name, sizeof(name), "service-%d", i);
        snprintf(slice, sizeof(slice), "service-%d-x7k2p", i);
        for (int j = 0; j < 10; j++)
            snprintf(addresses + strlen(addresses), sizeof(addresses) - strlen(addresses), "%s192.168.%d.%d",
                     j ? "," : "", i / 40, i % 25 * 10 + j);
        see_service(&w, CCP, name, 1, HTTP);
        see_addresses(&w, CCP, name, slice, HTTP, addresses);
        json_object_clear(w.run.touched);
    }
    struct mallinfo2 after = mallinfo2();
    assert_int_equal(w.model->items[CCP].records.endpoints, 100000);
    assert_true(after.uordblks - before.uordblks < 6u << 20);
    printf("# %zu bytes a service with its ten endpoints\n", (after.uordblks - before.uordblks) / 10000);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slice_says_whose_it_is_and_goes_with_its_service),
        cmocka_unit_test(conditions_and_hostnames_are_kept),
        cmocka_unit_test(both_families_have_slices_of_their_own),
        cmocka_unit_test(an_address_outside_the_pod_cidrs_is_refused_and_told),
        cmocka_unit_test(addresses_that_are_names_are_refused_and_told),
        cmocka_unit_test(an_address_that_cannot_be_read_is_refused_and_told),
        cmocka_unit_test(addresses_of_a_family_that_the_target_lacks_are_told),
        cmocka_unit_test(a_slice_is_its_owners_whatever_its_label_says),
        cmocka_unit_test(what_an_endpoints_object_cannot_hold_is_told),
        cmocka_unit_test(endpoints_where_the_target_knows_no_slices),
        cmocka_unit_test(endpoints_of_a_source_without_slices_become_slices),
        cmocka_unit_test(subsets_that_come_to_the_same_ports_are_still_two_slices),
        cmocka_unit_test(a_slice_holds_at_most_a_hundred_and_one_change_rewrites_one),
        cmocka_unit_test(another_process_writes_the_same),
        cmocka_unit_test(what_did_not_change_touches_nothing),
        cmocka_unit_test(a_slice_that_changes_its_service_leaves_the_first),
        cmocka_unit_test(after_the_grace_endpoints_are_not_ready),
        cmocka_unit_test(or_they_are_removed_and_the_service_stays),
        cmocka_unit_test(what_stands_for_a_cluster_that_was_never_listed_stays),
        cmocka_unit_test(what_a_listed_cluster_has_no_more_goes_while_another_is_waited_for),
        cmocka_unit_test(what_an_unknown_cluster_decided_stays_decided),
        cmocka_unit_test(a_cluster_that_is_another_stops_and_nothing_of_it_goes),
        cmocka_unit_test(expired_before_it_was_ever_listed_leaves_the_service_alone),
        cmocka_unit_test(endpoints_that_hold_an_unknown_clusters_are_not_rewritten),
        cmocka_unit_test(months_of_churn_leave_nothing_behind),
        cmocka_unit_test(ten_thousand_services_are_a_few_megabytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
