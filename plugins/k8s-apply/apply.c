// k8s-apply: manifests from files, URLs or the pipeline itself, in one or several clusters.
#include "apply.h"
#include "check.h"

#include <isthmus/check.h>

#include <string.h>

static const ist_field input_table[] = {
    {"kubeconfigs", "map(kubeconfig)", NULL, IST_REQUIRED | IST_SECRET, "0.1", "Kubeconfigs by cluster name"},
    {"clusters", "list(string)", "[]", 0, "0.1",
     "Where manifests go that name no clusters; none: all of them"},
    {"manifests", "list(object)", NULL, IST_REQUIRED, "0.1",
     "What is applied, in this order; what kubectl puts by hand into lists that it writes goes again, what "
     "others put there stays"},
    {"manifests[].file", "path", NULL, 0, "0.1", "A file of YAML or JSON documents"},
    {"manifests[].url", "url", NULL, 0, "0.1", "The same from a URL"},
    {"manifests[].inline", "text", NULL, 0, "0.1", "The same as text"},
    {"manifests[].sha256", "string", NULL, 0, "0.1", "What the URL's content must hash to"},
    {"manifests[].clusters", "list(string)", NULL, 0, "0.1", "Names of the clusters it goes to"},
    {"manifests[].namespace", "string", NULL, 0, "0.1", "For objects that name none"},
    {"replace", "map(path)", "{}", 0, "0.1", "A file to use instead of a URL"},
    {"adopt", "bool", "false", 0, "0.1", "Take over objects that exist already and are nobody's"},
    {"create_namespaces", "bool", "false", 0, "0.1", "Make namespaces that are missing and in no manifest"},
    {"wait", "bool", "true", 0, "0.1", "Wait until the workloads have rolled out"},
    {"timeout", "duration", "5m", 0, "0.1", "How long a rollout may take"},
};

static const ist_field output_table[] = {
    {"objects", "list(object)", NULL, 0, "0.1", "What is applied"},
    {"objects[].cluster", "string", NULL, 0, "0.1", "Where"},
    {"objects[].apiVersion", "string", NULL, 0, "0.1", "Its API"},
    {"objects[].kind", "string", NULL, 0, "0.1", "Its kind"},
    {"objects[].namespace", "string", NULL, 0, "0.1", "Its namespace"},
    {"objects[].name", "string", NULL, 0, "0.1", "Its name"},
    {"namespaces", "list(string)", NULL, 0, "0.1", "The namespaces of these objects"},
};

int32_t work_open(const ist_env *env, int with_manifests, struct work *work, ist_error *err)
{
    *work = (struct work){.env = *env, .inputs = ist_inputs(env), .recorded = ist_recorded(env)};
    work->owner = ist_kube_owner(env);
    int32_t rc = IST_OK;
    if (with_manifests) // before any connection: a typing error costs no round trip
        rc = manifests_load(env, work->inputs, &work->wanted, err);
    if (rc == IST_OK && with_manifests)
        rc = ist_clusters_open(env, work->inputs, work->recorded, &work->clusters, err);
    if (rc == IST_OK && with_manifests)
        rc = manifests_resolve(work, err);
    return rc;
}

void work_close(struct work *work)
{
    ist_clusters_free(work->clusters);
    json_decref(work->inputs);
    json_decref(work->recorded);
    json_decref(work->wanted);
    ist_free(work->owner);
}

// Both outputs follow from the manifests and what the clusters serve: {objects, namespaces}. New reference.
static json_t *outputs_of(const struct work *work)
{
    json_t *objects = json_array(), *namespaces = json_object(), *names = json_array();
    size_t i;
    const json_t *entry;
    json_array_foreach(work->wanted, i, entry)
    {
        json_t *id = id_of(ist_json_str(entry, "cluster"), json_object_get(entry, "object"));
        const char *ns = is_kind(id, "Namespace") ? ist_json_str(id, "name") : ist_json_str(id, "namespace");
        if (ns)
            json_object_set_new(namespaces, ns, json_true());
        json_array_append_new(objects, id);
    }
    const char *name;
    json_t *value;
    json_object_foreach(namespaces, name, value) json_array_append_new(names, json_string(name));
    json_decref(namespaces);
    return json_pack("{s:o, s:o}", "objects", objects, "namespaces", names);
}

static void set_outputs(const ist_env *env, const json_t *outputs)
{
    ist_set_output(env, "objects", json_incref(json_object_get(outputs, "objects")));
    ist_set_output(env, "namespaces", json_incref(json_object_get(outputs, "namespaces")));
}

static int32_t observe(const ist_host *host, ist_call *call)
{
    ist_env env = {host, call};
    struct work work;
    ist_error err = {0};
    json_t *actions = NULL;
    int32_t rc = work_open(&env, 1, &work, &err);
    if (rc == IST_OK)
        rc = compare_all(&work, &actions, &err);
    if (rc == IST_OK) {
        json_t *outputs = outputs_of(&work);
        set_outputs(&env, outputs);
        ist_set_observed(&env, json_pack("{s:o, s:o}", "actions", actions, "outputs", outputs));
    }
    work_close(&work);
    return rc == IST_OK ? rc : ist_report(&env, &err);
}

static int32_t plan(const ist_host *host, ist_call *call)
{
    ist_env env = {host, call};
    json_t *observed = ist_observed(&env);
    compare_report(&env, json_object_get(observed, "actions"));
    set_outputs(&env, json_object_get(observed, "outputs"));
    json_decref(observed);
    return IST_OK;
}

static int32_t apply(const ist_host *host, ist_call *call)
{
    ist_env env = {host, call};
    struct work work;
    ist_error err = {0};
    json_t *observed = ist_observed(&env);
    int32_t rc = work_open(&env, 1, &work, &err);
    if (rc == IST_OK)
        rc = write_all(&work, json_object_get(observed, "actions"), &err);
    if (rc == IST_OK && ist_json_bool(work.inputs, "wait", 1))
        rc = wait_rolled_out(&work, &err);
    if (rc == IST_OK)
        set_outputs(&env, json_object_get(observed, "outputs"));
    json_decref(observed);
    work_close(&work);
    return rc == IST_OK ? rc : ist_report(&env, &err);
}

static int32_t destroy(const ist_host *host, ist_call *call)
{
    ist_env env = {host, call};
    struct work work;
    ist_error err = {0};
    int32_t rc = work_open(&env, 0, &work, &err);
    if (rc == IST_OK)
        rc = remove_recorded(&work, &err);
    work_close(&work);
    return rc == IST_OK ? rc : ist_report(&env, &err);
}

// One check an object: it is there as the manifest has it, and has rolled out.
static int32_t verify_one(struct work *work, const json_t *actions, const json_t *entry, ist_error *err)
{
    json_t *id = id_of(ist_json_str(entry, "cluster"), json_object_get(entry, "object"));
    const ist_cluster *cluster = ist_clusters_find(work->clusters, ist_json_str(entry, "cluster"));
    char *name = id_text(id), *text = NULL;
    size_t i;
    const json_t *action;
    int ready = 0;
    int32_t rc = IST_OK;
    json_array_foreach(actions, i, action)
    {
        if (!id_same(action, id))
            continue;
        const json_t *field = json_array_get(json_object_get(action, "fields"), 0);
        ist_check(&work->env, name, IST_FAIL, "differs from its manifest: %s %s",
                  ist_json_str_or(action, "action", "?"), ist_json_str_or(field, "field", ""));
        goto out;
    }
    ist_error fault = {0};
    rc = ist_kube_rollout_look(cluster->kube, json_object_get(entry, "object"), &ready, &text, &fault);
    if (rc == IST_ERR_REMOTE || rc == IST_ERR_NOT_FOUND) {
        ist_check(&work->env, name, IST_FAIL, "%s", fault.text);
        rc = IST_OK;
    } else if (rc == IST_OK) {
        ist_check(&work->env, name, ready ? IST_PASS : IST_FAIL, "%s",
                  ready ? "as its manifest has it" : text);
    } else if (err) {
        *err = fault;
    }
out:
    ist_free(text);
    ist_free(name);
    json_decref(id);
    return rc;
}

static int32_t verify(const ist_host *host, ist_call *call)
{
    ist_env env = {host, call};
    struct work work;
    ist_error err = {0};
    json_t *actions = NULL;
    int32_t rc = work_open(&env, 1, &work, &err);
    if (rc == IST_OK)
        rc = compare_all(&work, &actions, &err);
    for (size_t i = 0; rc == IST_OK && i < json_array_size(work.wanted); i++)
        rc = verify_one(&work, actions, json_array_get(work.wanted, i), &err);
    json_decref(actions);
    work_close(&work);
    return rc == IST_OK ? rc : ist_report(&env, &err);
}

IST_CHECKED_PLAN(checked_plan, apply_check, plan)

IST_PLUGIN(.name = "k8s-apply", .version = "0.1.0",
           .doc = "Applies manifests to one or several clusters and waits for their rollout",
           IST_INPUTS(input_table), IST_OUTPUTS(output_table), .observe = observe, .plan = checked_plan,
           .apply = apply, .destroy = destroy, .verify = verify, .check = apply_check);
