// What is wrong with an object of a manifest, as far as that shows without a cluster: what a server would refuse once
// others of the same manifest have been made.
// Sources: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/, and the validation of Services,
// containers' ports and NetworkPolicies (numbers 1 to 65535, names of RFC 6335, TCP, UDP or SCTP).
#include "internal.h"

#include <isthmus/kube_manifest.h>

#include <stdarg.h>
#include <string.h>

#define KIND_MAX 40

static void add(json_t *problems, const char *format, ...) __attribute__((format(printf, 2, 3)));

json_t *kube_problem_text(char *text)
{
    json_t *json = json_string(text);
    for (char *at = text; !json && *at; at++)
        if ((unsigned char)*at >= 0x80)
            *at = '?';
    return json ? json : json_string(text);
}

static void add(json_t *problems, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = ist_vprintf(format, args);
    va_end(args);
    json_array_append_new(problems, kube_problem_text(text));
    ist_free(text);
}

// ---- names ----

static const char small[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

// A label of DNS: `len` characters at `at`.
static int is_label(const char *at, size_t len)
{
    return len && len <= 63 && at[0] != '-' && at[len - 1] != '-' && strspn(at, small) >= len;
}

static int is_subdomain(const char *name)
{
    size_t whole = strlen(name);
    for (const char *at = name; whole <= 253; at += strcspn(at, ".") + 1) {
        size_t len = strcspn(at, ".");
        if (!len || at[0] == '-' || at[len - 1] == '-' || strspn(at, small) < len)
            return 0;
        if (!at[len])
            return 1;
    }
    return 0;
}

static void check_name(const char *api, const char *kind, const char *name, json_t *problems)
{
    int free_form =
        strncmp(api, "rbac.authorization.k8s.io/", 26) == 0 || strncmp(api, "certificates.k8s.io/", 20) == 0;
    int label = strcmp(api, "v1") == 0 && (strcmp(kind, "Namespace") == 0 || strcmp(kind, "Service") == 0);
    if (free_form) {
        if (strpbrk(name, "/%") || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            add(problems, "metadata.name \"%.80s\" is no name of a %s: without / and %%", name, kind);
    } else if (label && !is_label(name, strlen(name))) {
        add(problems,
            "metadata.name \"%.80s\" is no name of a %s: at most 63 of a-z, 0-9 and -, with a letter or a "
            "digit "
            "at both ends",
            name, kind);
    } else if (!label && !is_subdomain(name)) {
        add(problems,
            "metadata.name \"%.80s\" is no name that Kubernetes takes: at most 253 of a-z, 0-9, - and ., "
            "with a "
            "letter or a digit at both ends",
            name);
    }
}

static void check_texts(const json_t *metadata, const char *key, json_t *problems)
{
    const json_t *map = json_object_get(metadata, key);
    const char *name;
    json_t *value;
    if (map && !json_is_null(map) && !json_is_object(map))
        add(problems, "metadata.%s is no map", key);
    json_object_foreach((json_t *)(uintptr_t)map, name, value)
    {
        if (!json_is_string(value) && !json_is_null(value))
            add(problems, "metadata.%s: the value of %.80s is no text: put it in quotes", key, name);
    }
}

// ---- kinds ----

struct group {
    const char *api, *kinds;
};

// Kinds of the versions that every server of today serves; a space on either side of each.
static const struct group groups[] = {
    {"v1", " Pod Service Namespace ConfigMap Secret ServiceAccount PersistentVolume PersistentVolumeClaim "
           "ReplicationController Endpoints Node Event LimitRange ResourceQuota PodTemplate Binding List "},
    {"apps/v1", " Deployment StatefulSet DaemonSet ReplicaSet ControllerRevision "},
    {"batch/v1", " Job CronJob "},
    {"networking.k8s.io/v1", " NetworkPolicy Ingress IngressClass "},
    {"rbac.authorization.k8s.io/v1", " Role RoleBinding ClusterRole ClusterRoleBinding "},
    {"policy/v1", " PodDisruptionBudget "},
    {"storage.k8s.io/v1", " StorageClass VolumeAttachment CSIDriver CSINode "},
    {"apiextensions.k8s.io/v1", " CustomResourceDefinition "},
    {"discovery.k8s.io/v1", " EndpointSlice "},
    {"coordination.k8s.io/v1", " Lease "},
};

static int holds(const struct group *group, const char *kind)
{
    char *word = ist_printf(" %s ", kind);
    int there = strstr(group->kinds, word) != NULL;
    ist_free(word);
    return there;
}

// How many letters are to be put in, taken away or replaced to make one word of the other.
static size_t distance(const char *a, const char *b)
{
    size_t row[KIND_MAX + 1], len = strlen(b);
    if (strlen(a) > KIND_MAX || len > KIND_MAX)
        return KIND_MAX;
    for (size_t k = 0; k <= len; k++)
        row[k] = k;
    for (size_t i = 0; a[i]; i++) {
        size_t corner = row[0]++;
        for (size_t k = 1; k <= len; k++) {
            size_t above = row[k], best = corner + (a[i] != b[k - 1]);
            best = above + 1 < best ? above + 1 : best;
            row[k] = row[k - 1] + 1 < best ? row[k - 1] + 1 : best;
            corner = above;
        }
    }
    return row[len];
}

// Only what is surely wrong: a group may get new kinds.
static void check_kind(const char *api, const char *kind, json_t *problems)
{
    const struct group *own = NULL, *home = NULL;
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        if (strcmp(groups[i].api, api) == 0)
            own = &groups[i];
        if (holds(&groups[i], kind))
            home = &groups[i];
    }
    if (own && home && own != home)
        add(problems, "apiVersion %s has no kind %s: that is of %s", api, kind, home->api);
    if (!own || home)
        return;
    for (const char *at = own->kinds + 1; *at; at += strcspn(at, " ") + 1) {
        char *known = ist_strndup(at, strcspn(at, " "));
        int near = distance(known, kind) <= 2;
        if (near)
            add(problems, "apiVersion %s has no kind %.80s, did you mean %s?", api, kind, known);
        ist_free(known);
        if (near)
            return;
    }
}

static int check_api(const char *api, json_t *problems)
{
    const char *slash = strchr(api, '/'), *version = slash ? slash + 1 : api;
    char *group = ist_strndup(api, slash ? (size_t)(slash - api) : 0);
    int good = (!slash || is_subdomain(group)) && is_label(version, strlen(version)) && version[0] == 'v';
    if (!good)
        add(problems, "apiVersion \"%.80s\" is none: \"v1\", or a group and a version such as \"apps/v1\"",
            api);
    ist_free(group);
    return good;
}

// ---- ports ----

static int is_port_name(const char *name)
{
    size_t len = strlen(name);
    return len && len <= 15 && is_label(name, len) && strcspn(name, "abcdefghijklmnopqrstuvwxyz") < len &&
           !strstr(name, "--");
}

struct port_field {
    const char *name;
    int least;                // 0: it may be 0
    int may_be_name, must_be; // may be the name of a port; must be there
};

static void check_port(const json_t *port, const char *path, const struct port_field *fields,
                       json_t *problems)
{
    const char *protocol = ist_json_str(port, "protocol");
    if (!json_is_object(port)) {
        add(problems, "%s is no map", path);
        return;
    }
    for (const struct port_field *field = fields; field->name; field++) {
        const json_t *value = json_object_get(port, field->name);
        if (!value || json_is_null(value)) {
            if (field->must_be)
                add(problems, "%s has no %s", path, field->name);
        } else if (json_is_string(value) && field->may_be_name) {
            if (!is_port_name(json_string_value(value)))
                add(problems, "%s.%s: \"%.80s\" is neither a number nor the name of a port", path,
                    field->name, json_string_value(value));
        } else if (!json_is_integer(value) || json_integer_value(value) < field->least ||
                   json_integer_value(value) > 65535) {
            add(problems, "%s.%s is no port: a number from 1 to 65535", path, field->name);
        }
    }
    int known = protocol && (strcmp(protocol, "TCP") == 0 || strcmp(protocol, "UDP") == 0 ||
                             strcmp(protocol, "SCTP") == 0);
    if (json_object_get(port, "protocol") && !known)
        add(problems, "%s.protocol is none of TCP, UDP and SCTP", path);
}

static void check_ports(const json_t *holder, const char *path, const struct port_field *fields,
                        json_t *problems)
{
    const json_t *ports = json_object_get(holder, "ports"), *port;
    size_t i;
    if (ports && !json_is_null(ports) && !json_is_array(ports))
        add(problems, "%s.ports is no list", path);
    json_array_foreach(ports, i, port)
    {
        char *one = ist_printf("%s.ports[%zu]", path, i);
        check_port(port, one, fields, problems);
        ist_free(one);
    }
}

// The same of each item of a list: containers, rules.
static void check_ports_of(const json_t *object, const char *list, const struct port_field *fields,
                           json_t *problems)
{
    size_t i;
    const json_t *holder;
    json_array_foreach(ist_json_at(object, list), i, holder)
    {
        char *path = ist_printf("%s[%zu]", list, i);
        check_ports(holder, path, fields, problems);
        ist_free(path);
    }
}

static void check_all_ports(const char *api, const char *kind, const json_t *object, json_t *problems)
{
    static const struct port_field service[] = {
        {"port", 1, 0, 1}, {"targetPort", 1, 1, 0}, {"nodePort", 0, 0, 0}, {0}};
    static const struct port_field container[] = {{"containerPort", 1, 0, 1}, {"hostPort", 0, 0, 0}, {0}};
    static const struct port_field policy[] = {{"port", 1, 1, 0}, {"endPort", 1, 0, 0}, {0}};
    static const char *const pods[] = {"spec", "spec.template.spec", "spec.jobTemplate.spec.template.spec"};
    if (strcmp(api, "v1") == 0 && strcmp(kind, "Service") == 0)
        check_ports(json_object_get(object, "spec"), "spec", service, problems);
    if (strcmp(api, "networking.k8s.io/v1") == 0 && strcmp(kind, "NetworkPolicy") == 0) {
        check_ports_of(object, "spec.ingress", policy, problems);
        check_ports_of(object, "spec.egress", policy, problems);
    }
    if (strcmp(api, "v1") != 0 && strcmp(api, "apps/v1") != 0 && strcmp(api, "batch/v1") != 0)
        return;
    for (size_t i = 0; i < sizeof pods / sizeof *pods; i++) {
        char *list = ist_printf("%s.containers", pods[i]);
        check_ports_of(object, list, container, problems);
        ist_free(list);
        list = ist_printf("%s.initContainers", pods[i]);
        check_ports_of(object, list, container, problems);
        ist_free(list);
    }
}

json_t *kube_manifest_problems(const json_t *object)
{
    json_t *problems = json_array();
    const char *api = ist_json_str(object, "apiVersion"), *kind = ist_json_str(object, "kind");
    const json_t *metadata = json_object_get(object, "metadata"),
                 *ns = json_object_get(metadata, "namespace");
    const json_t *name = json_object_get(metadata, "name");
    if (!api || !kind || !*api || !*kind) {
        add(problems, "a document without %s is no Kubernetes object",
            !kind || !*kind ? !api || !*api ? "apiVersion and kind" : "kind" : "apiVersion");
        return problems;
    }
    if (check_api(api, problems))
        check_kind(api, kind, problems);
    if (!name)
        add(problems, "a %.80s without metadata.name%s", kind,
            json_object_get(metadata, "generateName") ? ": generateName cannot be applied twice" : "");
    else if (!json_is_string(name))
        add(problems, "metadata.name of a %.80s is no text: put it in quotes", kind);
    else
        check_name(api, kind, json_string_value(name), problems);
    if (ns && !json_is_null(ns) &&
        (!json_is_string(ns) || !is_label(json_string_value(ns), json_string_length(ns))))
        add(problems,
            "metadata.namespace \"%.80s\" is no name of a namespace: at most 63 of a-z, 0-9 and -, with a "
            "letter "
            "or a digit at both ends",
            json_is_string(ns) ? json_string_value(ns) : "?");
    check_texts(metadata, "labels", problems);
    check_texts(metadata, "annotations", problems);
    check_all_ports(api, kind, object, problems);
    return problems;
}
