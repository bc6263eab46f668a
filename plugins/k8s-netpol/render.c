// `isthmus policy render`: the policies of each cluster as files: the originals, and the companions beside them.
#include "commands.h"
#include "pipeline.h"

#include <isthmus/alloc.h>
#include <isthmus/file.h>
#include <isthmus/yaml.h>

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// What tells a file of an earlier rendering from somebody else's.
#define FIRST_LINE "# Written by isthmus policy render.\n"

struct rendering {
    const struct session *session;
    const char *dir;
    json_t *notes;
    size_t originals, companions;
};

static int is_ours(const char *path)
{
    char *text = NULL;
    const int ours = ist_file_read(path, (size_t)16 << 20, &text, NULL, NULL) == IST_OK &&
                     !strncmp(text, FIRST_LINE, sizeof(FIRST_LINE) - 1);
    ist_free(text);
    return ours;
}

// What an earlier rendering left would be applied with the rest.
static void clear_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        const char *dot = strrchr(entry->d_name, '.');
        char *path = ist_printf("%s/%s", folder, entry->d_name);
        if (dot && !strcmp(dot, ".yaml") && is_ours(path))
            unlink(path);
        ist_free(path);
    }
    if (dir)
        closedir(dir);
}

static int32_t write_object(const struct rendering *r, size_t cluster, const json_t *object, ist_error *err)
{
    char *yaml = ist_yaml_text(object), *text = ist_printf(FIRST_LINE "%s", yaml);
    char *path = ist_printf("%s/%s/%s.%s.yaml", r->dir, world_cluster(r->session->world, cluster)->name->text,
                            ist_json_str_or(object, "metadata.namespace", "default"),
                            ist_json_str_or(object, "metadata.name", ""));
    int32_t rc = strstr(path, "/../") ? ist_fail(err, IST_ERR_INPUT, path, "is no path for a policy")
                                      : ist_file_write(path, text, strlen(text), err);
    ist_free(path);
    ist_free(text);
    ist_free(yaml);
    return rc;
}

// What a person would have written: nothing that a server stamps.
static json_t *original(const json_t *object)
{
    const json_t *metadata = json_object_get(object, "metadata");
    json_t *labels = json_object_get(metadata, "labels"),
           *annotations = json_object_get(metadata, "annotations");
    json_t *own = json_pack("{ss ss}", "name", ist_json_str_or(metadata, "name", ""), "namespace",
                            ist_json_str_or(metadata, "namespace", "default"));
    if (json_object_size(labels))
        json_object_set(own, "labels", labels);
    if (json_object_size(annotations))
        json_object_set(own, "annotations", annotations);
    return json_pack("{ss ss so sO}", "apiVersion", "networking.k8s.io/v1", "kind", "NetworkPolicy",
                     "metadata", own, "spec", json_object_get(object, "spec"));
}

static int32_t write_originals(struct rendering *r, size_t cluster, ist_error *err)
{
    int32_t rc = IST_OK;
    size_t i;
    json_t *object;
    json_array_foreach(json_array_get(r->session->policies, cluster), i, object)
    {
        const struct policy *policy = world_find_policy(
            r->session->world, cluster, ist_json_str_or(object, "metadata.namespace", "default"),
            ist_json_str_or(object, "metadata.name", ""));
        if (rc != IST_OK || !policy || policy->generated)
            continue;
        json_t *own = original(object);
        rc = write_object(r, cluster, own, err);
        json_decref(own);
        r->originals++;
    }
    return rc;
}

// As the daemon writes for the network plugin of that cluster.
static struct companion_options options_for(const struct rendering *r, size_t cluster)
{
    struct companion_options options = {0};
    if (cni_is_vpc(&r->session->cnis[cluster])) {
        options.is_vpc = 1;
        options.vips = mirrored_vips(r->session->mirrored, cluster, &options.vip_count);
    }
    return options;
}

static int is_given(const struct rendering *r, const struct policy *policy)
{
    size_t i;
    const json_t *given;
    json_array_foreach(r->session->given, i, given)
    {
        if (!strcmp(ist_json_str_or(given, "name", ""), policy->name->text) &&
            !strcmp(ist_json_str_or(given, "namespace", ""), policy->ns->text) &&
            world_find_cluster(r->session->world, ist_json_str_or(given, "cluster", "")) == policy->cluster)
            return 1;
    }
    return 0;
}

// Consumes `objects`.
static int32_t write_objects(struct rendering *r, size_t cluster, json_t *objects, size_t *count,
                             ist_error *err)
{
    int32_t rc = IST_OK;
    size_t i;
    json_t *object;
    json_array_foreach(objects, i, object)
    {
        if (rc == IST_OK)
            rc = write_object(r, cluster, object, err);
        ++*count;
    }
    json_decref(objects);
    return rc;
}

static int32_t write_companions(struct rendering *r, const struct policy *policy, ist_error *err)
{
    const struct world *world = r->session->world;
    size_t count = world_cluster_count(world);
    struct companion_options options = options_for(r, policy->cluster);
    uint8_t *written = ist_calloc(count + 1, sizeof(*written));
    int32_t rc = IST_OK;
    for (size_t remote = 0; remote < count; remote++)
        written[remote] = remote != policy->cluster && !policy->generated && !is_given(r, policy) &&
                          (r->session->mode == REACH_FEDERATED || policy_reaches(world, policy, remote));
    options.written = written;
    for (size_t remote = 0; remote < count && rc == IST_OK; remote++)
        if (written[remote])
            rc = write_objects(r, policy->cluster, companions_make(world, policy, remote, &options, r->notes),
                               &r->companions, err);
    ist_free(written);
    return rc;
}

// The policies of the step's own inputs.
static int32_t write_given(struct rendering *r, ist_error *err)
{
    struct world *world = r->session->world;
    int32_t rc = IST_OK;
    size_t i;
    const json_t *given;
    json_array_foreach(r->session->given, i, given)
    {
        size_t cluster = world_find_cluster(world, ist_json_str_or(given, "cluster", ""));
        struct companion_options options = options_for(r, cluster);
        json_t *document = pipeline_document(given);
        struct policy *policy =
            rc == IST_OK ? policy_compile(world_names(world), cluster, document, 1, err) : NULL;
        if (policy)
            rc = write_objects(r, cluster, pipeline_make(world, policy, document, NULL, &options, r->notes),
                               &r->originals, err);
        else if (rc == IST_OK)
            rc = IST_ERR_INPUT;
        policy_free(world_names(world), policy);
        json_decref(document);
    }
    return rc;
}

static int32_t render_cluster(struct rendering *r, size_t cluster, ist_error *err)
{
    const struct cluster *c = world_cluster(r->session->world, cluster);
    char *folder = ist_printf("%s/%s", r->dir, c->name->text);
    clear_folder(folder);
    ist_free(folder);
    int32_t rc = write_originals(r, cluster, err);
    for (const struct namespace *ns = c->namespaces; ns; ns = ns->next)
        for (const struct policy *policy = ns->policies; rc == IST_OK && policy; policy = policy->next)
            rc = write_companions(r, policy, err);
    return rc;
}

// A folder of Deployments alone says who there is, but not under which address.
static void note_unknown(const struct rendering *r)
{
    for (size_t c = 0; c < world_cluster_count(r->session->world); c++) {
        const struct cluster *cluster = world_cluster(r->session->world, c);
        size_t unknown = 0;
        for (const struct namespace *ns = cluster->namespaces; ns; ns = ns->next)
            for (const struct group *group = ns->groups; group; group = group->next)
                for (const struct pod *pod = group->pods; pod; pod = pod->next)
                    unknown += !pod->address_count && !(pod->flags & POD_HOST_NETWORK);
        if (unknown && world_cluster_count(r->session->world) > 1)
            json_array_append_new(
                r->notes, json_sprintf("%s: %zu pods have no address (status.podIPs) and are in no companion",
                                       cluster->name->text, unknown));
    }
}

static int32_t run(const struct session *session, ist_error *err)
{
    struct rendering r = {session, session_option(session, "--output"), json_array(), 0, 0};
    struct printer out = {.env = &session->env};
    int32_t rc = IST_OK;
    size_t i;
    json_t *note;
    if (!r.dir)
        rc = ist_fail(err, IST_ERR_INPUT, "isthmus policy render", "where to? -o DIR");
    for (size_t c = 0; rc == IST_OK && c < world_cluster_count(session->world); c++)
        rc = render_cluster(&r, c, err);
    if (rc == IST_OK)
        rc = write_given(&r, err);
    if (rc == IST_OK) {
        note_unknown(&r);
        print_format(&out, "%zu policies and %zu companions for %zu clusters in %s\n", r.originals,
                     r.companions, world_cluster_count(session->world), r.dir);
    }
    json_array_foreach(r.notes, i, note) ist_log(&session->env, IST_LOG_WARN, "%s", json_string_value(note));
    print_end(&out);
    json_decref(r.notes);
    return rc;
}

int32_t policy_render(const ist_host *host, ist_call *call, const ist_value *args)
{
    return session_command(host, call, args, SESSION_WRITES, run);
}
