// Three clusters and a model of their services.
#include "svcmirror-fixture.h"

#include <isthmus/alloc.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

json_t *json_of(const char *text)
{
    char *quoted = ist_strdup(text);
    json_t *json = NULL;
    ist_error err;
    for (char *c = quoted; *c; c++)
        if (*c == '\'')
            *c = '"';
    if (ist_json_parse(quoted, strlen(quoted), "test", &json, &err) != IST_OK)
        fail_msg("%s: %s", text, err.text);
    ist_free(quoted);
    return json;
}

static const char stars_of_all[] = "{'clusters':[{'name':'ccp','services':[{'namespace':'stars'}]},"
                                   "{'name':'aws','services':[{'namespace':'stars'}]},"
                                   "{'name':'gcp','services':[{'namespace':'stars'}]}]}";

void world_open(struct world *w, const char *inputs)
{
    static const char *const names[] = {"ccp", "aws", "gcp"};
    void *model = NULL;
    *w = (struct world){.clusters = {w->items, 3}};
    fake_reconciler_init(&w->run);
    fake_wanted_clear(&w->wanted);
    assert_int_equal(ist_net_parse("192.168.0.0/16", &w->ccp_nets[0], NULL), IST_OK);
    assert_int_equal(ist_net_parse("fd00:1::/48", &w->ccp_nets[1], NULL), IST_OK);
    assert_int_equal(ist_net_parse("10.0.0.0/16", &w->aws_net, NULL), IST_OK);
    assert_int_equal(ist_net_parse("10.8.0.0/16", &w->gcp_net, NULL), IST_OK);
    ist_net *nets[] = {w->ccp_nets, &w->aws_net, &w->gcp_net};
    for (size_t i = 0; i < 3; i++)
        w->items[i] = (ist_cluster){
            .name = (char *)(uintptr_t)names[i], .pod_cidrs = nets[i], .pod_cidr_count = i == CCP ? 2 : 1};
    json_t *given = json_of(inputs ? inputs : stars_of_all);
    if (model_open(&w->run, given, &w->clusters, &model, &w->err) == IST_OK)
        w->model = model;
    json_decref(given);
    for (size_t i = 0; i < 3 && w->model; i++) {
        see(w, i, KIND_NAMESPACE, "{'metadata':{'name':'stars'}}");
        see(w, i, KIND_NAMESPACE, "{'metadata':{'name':'shop'}}");
        model_state(w->model, i, IST_CLUSTER_SYNCED);
    }
}

void world_close(struct world *w)
{
    model_close(w->model);
    json_t **parts[] = {&w->wanted.objects, &w->wanted.if_absent, &w->wanted.keep, &w->wanted.notes};
    for (size_t i = 0; i < 4; i++)
        json_decref(*parts[i]);
    fake_reconciler_free(&w->run);
}

void see(struct world *w, size_t cluster, size_t kind, const char *text)
{
    json_t *object = json_of(text);
    model_see(w->model, cluster, kind, object, 0);
    json_decref(object);
}

void see_gone(struct world *w, size_t cluster, size_t kind, const char *ns, const char *name)
{
    json_t *object = json_pack("{s:{s:s*, s:s}}", "metadata", "namespace", ns, "name", name);
    model_see(w->model, cluster, kind, object, 1);
    json_decref(object);
}

void see_service(struct world *w, size_t cluster, const char *name, int day, const char *spec)
{
    char *text =
        ist_printf("{'metadata':{'name':'%s','namespace':'stars','uid':'u%zu-%s','creationTimestamp':"
                   "'2026-01-%02dT00:00:00Z'},'spec':{%s}}",
                   name, cluster, name, day, spec);
    see(w, cluster, KIND_SERVICE, text);
    ist_free(text);
}

void see_addresses(struct world *w, size_t cluster, const char *service, const char *slice, const char *ports,
                   const char *addresses)
{
    json_t *object = json_pack("{s:{s:s, s:s, s:{s:s}}, s:s, s:[]}", "metadata", "name", slice, "namespace",
                               "stars", "labels", "kubernetes.io/service-name", service, "addressType",
                               strchr(addresses, ':') ? "IPv6" : "IPv4", "endpoints");
    char *list = ist_strdup(addresses), *rest = list, *ports_text = ist_printf("{%s}", ports), *address;
    json_t *read = json_of(ports_text);
    json_object_update(object, read);
    json_decref(read);
    while ((address = strsep(&rest, ",")))
        json_array_append_new(json_object_get(object, "endpoints"),
                              json_pack("{s:[s], s:{s:b}, s:s, s:{s:s}}", "addresses", address, "conditions",
                                        "ready", 1, "nodeName", "n1", "targetRef", "name", "p"));
    model_see(w->model, cluster, KIND_SLICE, object, 0);
    json_decref(object);
    ist_free(ports_text);
    ist_free(list);
}

void want(struct world *w, size_t cluster, const char *key)
{
    fake_wanted_clear(&w->wanted);
    model_want(w->model, cluster, key, &w->wanted);
}

void wrote(struct world *w, size_t cluster, const char *key)
{
    char *ns = ist_strdup(key), *name = strchr(ns, '/');
    *name++ = 0;
    fake_uid(&w->run, cluster, KIND_SERVICE, ns, name,
             fake_wanted_at(&w->wanted, "Service", 0) ? "own" : NULL);
    ist_free(ns);
    model_written(w->model, cluster, key);
}

const char *wanted_text(const struct world *w, const char *kind, size_t i, const char *path)
{
    static char text[8192];
    const json_t *object = fake_wanted_at(&w->wanted, kind, i),
                 *part = object ? ist_json_at(object, path) : NULL;
    char *made = part ? ist_json_text(part) : NULL;
    snprintf(text, sizeof(text), "%s", made ? made : "");
    ist_free(made);
    for (char *c = text; *c; c++)
        if (*c == '"')
            *c = '\'';
    return text;
}

size_t wanted_count(const struct world *w, const char *kind)
{
    size_t count = 0;
    while (fake_wanted_at(&w->wanted, kind, count))
        count++;
    return count;
}
