// What an API server refuses: names, required fields, ranges, what must not change.
#include "rest.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char required[] = "FieldValueRequired", invalid[] = "FieldValueInvalid",
                  duplicate[] = "FieldValueDuplicate", unsupported[] = "FieldValueNotSupported",
                  too_many[] = "FieldValueTooMany", forbidden[] = "FieldValueForbidden";

// ---- names ----

static bool dns_label(const char *text, size_t len, bool start_alpha)
{
    if (!len || len > 63 || !isalnum((unsigned char)text[len - 1]))
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && i)))
            return false;
    }
    return start_alpha ? *text >= 'a' && *text <= 'z' : true;
}

static bool dns_subdomain(const char *text)
{
    if (!*text || strlen(text) > 253)
        return false;
    while (true) {
        size_t len = strcspn(text, ".");
        if (!dns_label(text, len, false))
            return false;
        if (!text[len])
            return true;
        text += len + 1;
    }
}

static bool qualified_word(const char *text, size_t len)
{
    if (!len || len > 63 || !isalnum((unsigned char)*text) || !isalnum((unsigned char)text[len - 1]))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("-_.", text[i]))
            return false;
    return true;
}

static bool label_key(const char *key)
{
    const char *slash = strchr(key, '/'), *name = slash ? slash + 1 : key;
    if (slash) {
        char *prefix = lab_format("%.*s", (int)(slash - key), key);
        bool ok = dns_subdomain(prefix);
        free(prefix);
        if (!ok)
            return false;
    }
    return qualified_word(name, strlen(name));
}

static void labels(json_t *causes, const char *field, const json_t *map)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)map, key, value)
    {
        const char *text = json_string_value(value);
        if (!label_key(key))
            kube_cause(causes, invalid, field,
                       "Invalid value: \"%s\": name part must consist of alphanumeric "
                       "characters, '-', '_' or '.', and must start and end with an alphanumeric character",
                       key);
        if (!text || (*text && !qualified_word(text, strlen(text))))
            kube_cause(causes, invalid, field,
                       "Invalid value: \"%s\": a valid label must be an empty string or consist "
                       "of alphanumeric characters, '-', '_' or '.'",
                       text ? text : "");
    }
}

static void metadata(json_t *causes, const struct kube_kind *kind, const json_t *object)
{
    const char *name = kube_name(object);
    const char *dns1123 =
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
        "'.', and must start and end with an alphanumeric character";
    bool path_name = strstr(kind->plural, "role") != NULL; // RBAC names may hold ':'
    if (!*name)
        kube_cause(causes, required, "metadata.name", "Required value: name or generateName is required");
    else if (path_name ? strchr(name, '/') || strchr(name, '%') : !dns_subdomain(name))
        kube_cause(causes, invalid, "metadata.name", "Invalid value: \"%s\": %s", name, dns1123);
    else if ((strcmp(kind->kind, "Service") == 0 && !dns_label(name, strlen(name), true)) ||
             (strcmp(kind->kind, "Namespace") == 0 && !dns_label(name, strlen(name), false)))
        kube_cause(causes, invalid, "metadata.name",
                   "Invalid value: \"%s\": a DNS label must consist of lower case "
                   "alphanumeric characters or '-', start with an alphabetic character, and end with an "
                   "alphanumeric "
                   "character",
                   name);
    labels(causes, "metadata.labels", kube_path(object, "metadata.labels"));
    size_t i;
    const json_t *owner;
    json_array_foreach(kube_path(object, "metadata.ownerReferences"), i, owner)
    {
        const char *fields[] = {"apiVersion", "kind", "name", "uid"};
        for (size_t f = 0; f < 4; f++)
            if (!*kube_text(owner, fields[f]))
                kube_cause(causes, required, "metadata.ownerReferences",
                           "Required value: %s must not be empty", fields[f]);
    }
}

static void immutable(json_t *causes, const json_t *object, const json_t *live, const char *path)
{
    const json_t *was = kube_path(live, path), *is = kube_path(object, path);
    if (live && was && (!is || !json_equal(was, is)))
        kube_cause(causes, invalid, path, "Invalid value: field is immutable");
}

// ---- pieces ----

static bool protocol(const char *text)
{
    return strcmp(text, "TCP") == 0 || strcmp(text, "UDP") == 0 || strcmp(text, "SCTP") == 0;
}

static void port_number(json_t *causes, const char *field, const json_t *port)
{
    json_int_t n = json_integer_value(port);
    if (!json_is_integer(port))
        kube_cause(causes, required, field, "Required value");
    else if (n < 1 || n > 65535)
        kube_cause(causes, invalid, field, "Invalid value: %lld: must be between 1 and 65535, inclusive",
                   (long long)n);
}

static void port_protocol(json_t *causes, const char *field, const json_t *port)
{
    if (!protocol(kube_text(port, "protocol")))
        kube_cause(causes, unsupported, field,
                   "Unsupported value: \"%s\": supported values: \"SCTP\", \"TCP\", \"UDP\"",
                   kube_text(port, "protocol"));
}

static bool address(const char *text)
{
    unsigned char raw[16];
    return inet_pton(AF_INET, text, raw) == 1 || inet_pton(AF_INET6, text, raw) == 1;
}

static void service(json_t *causes, const json_t *object, const json_t *live)
{
    const json_t *ports = kube_path(object, "spec.ports"), *port;
    const char *type = kube_text(object, "spec.type"), *ip = kube_text(object, "spec.clusterIP");
    bool external = strcmp(type, "ExternalName") == 0;
    size_t i;
    if (!external && strcmp(type, "ClusterIP") != 0 && strcmp(type, "NodePort") != 0 &&
        strcmp(type, "LoadBalancer") != 0)
        kube_cause(causes, unsupported, "spec.type",
                   "Unsupported value: \"%s\": supported values: \"ClusterIP\", "
                   "\"ExternalName\", \"LoadBalancer\", \"NodePort\"",
                   type);
    if (external && !*kube_text(object, "spec.externalName"))
        kube_cause(causes, required, "spec.externalName", "Required value");
    if (!external && !json_array_size(ports) && strcmp(ip, "None") != 0)
        kube_cause(causes, required, "spec.ports", "Required value");
    json_t *names = json_object();
    json_array_foreach(ports, i, port)
    {
        char *field = lab_format("spec.ports[%zu].port", i), *name = lab_format("spec.ports[%zu].name", i);
        const char *text = kube_text(port, "name");
        port_number(causes, field, json_object_get(port, "port"));
        port_protocol(causes, field, port);
        if (json_array_size(ports) > 1 && !*text)
            kube_cause(causes, required, name, "Required value");
        else if (*text && json_object_get(names, text))
            kube_cause(causes, duplicate, name, "Duplicate value: \"%s\"", text);
        else if (*text && !dns_label(text, strlen(text), false))
            kube_cause(causes, invalid, name,
                       "Invalid value: \"%s\": a lowercase RFC 1123 label must consist of lower "
                       "case alphanumeric characters or '-'",
                       text);
        json_object_set_new(names, text, json_true());
        free(field);
        free(name);
    }
    json_decref(names);
    if (live && *kube_text(live, "spec.clusterIP") &&
        strcmp(kube_text(live, "spec.type"), "ExternalName") != 0 && !external)
        immutable(causes, object, live, "spec.clusterIP");
    if (*ip && strcmp(ip, "None") != 0 && !address(ip))
        kube_cause(causes, invalid, "spec.clusterIPs[0]", "Invalid value: \"%s\": must be a valid IP address",
                   ip);
    labels(causes, "spec.selector", kube_path(object, "spec.selector"));
}

static void endpoint(json_t *causes, size_t i, const char *type, const json_t *item)
{
    const json_t *addresses = json_object_get(item, "addresses"), *text;
    char *field = lab_format("endpoints[%zu].addresses", i);
    size_t k;
    if (!json_array_size(addresses))
        kube_cause(causes, required, field, "Required value: must contain at least 1 address");
    if (json_array_size(addresses) > 100)
        kube_cause(causes, too_many, field, "Too many: %zu: must have at most 100 items",
                   json_array_size(addresses));
    json_array_foreach(addresses, k, text)
    {
        unsigned char raw[16];
        const char *value = json_string_value(text);
        bool ok = value && (strcmp(type, "IPv4") == 0   ? inet_pton(AF_INET, value, raw) == 1
                            : strcmp(type, "IPv6") == 0 ? inet_pton(AF_INET6, value, raw) == 1
                                                        : dns_subdomain(value));
        if (!ok)
            kube_cause(causes, invalid, field, "Invalid value: \"%s\": must be a valid %s address",
                       value ? value : "", type);
    }
    free(field);
}

static void endpoint_slice(json_t *causes, const json_t *object, const json_t *live)
{
    const char *type = kube_text(object, "addressType");
    const json_t *endpoints = json_object_get(object, "endpoints"), *ports = json_object_get(object, "ports"),
                 *item;
    size_t i;
    if (!*type)
        kube_cause(causes, required, "addressType", "Required value");
    else if (strcmp(type, "IPv4") != 0 && strcmp(type, "IPv6") != 0 && strcmp(type, "FQDN") != 0)
        kube_cause(causes, unsupported, "addressType",
                   "Unsupported value: \"%s\": supported values: \"FQDN\", \"IPv4\", "
                   "\"IPv6\"",
                   type);
    if (json_array_size(endpoints) > 1000)
        kube_cause(causes, too_many, "endpoints", "Too many: %zu: must have at most 1000 items",
                   json_array_size(endpoints));
    if (json_array_size(ports) > 20000)
        kube_cause(causes, too_many, "ports", "Too many: %zu: must have at most 20000 items",
                   json_array_size(ports));
    json_array_foreach(endpoints, i, item) endpoint(causes, i, type, item);
    json_t *names = json_object();
    json_array_foreach(ports, i, item)
    {
        char *field = lab_format("ports[%zu]", i);
        const char *name = kube_text(item, "name");
        if (json_object_get(names, name))
            kube_cause(causes, duplicate, field, "Duplicate value: \"%s\"", name);
        json_object_set_new(names, name, json_true());
        if (json_object_get(item, "port"))
            port_number(causes, field, json_object_get(item, "port"));
        port_protocol(causes, field, item);
        free(field);
    }
    json_decref(names);
    immutable(causes, object, live, "addressType");
}

static void endpoints(json_t *causes, const json_t *object)
{
    size_t i, k;
    const json_t *subset, *item;
    json_array_foreach(json_object_get(object, "subsets"), i, subset)
    {
        char *field = lab_format("subsets[%zu]", i);
        const json_t *ready = json_object_get(subset, "addresses"),
                     *waiting = json_object_get(subset, "notReadyAddresses");
        if (!json_array_size(ready) && !json_array_size(waiting))
            kube_cause(causes, required, field,
                       "Required value: must specify `addresses` or `notReadyAddresses`");
        json_array_foreach(ready, k, item) if (!address(kube_text(item, "ip")))
            kube_cause(causes, invalid, field, "Invalid value: \"%s\": must be a valid IP address",
                       kube_text(item, "ip"));
        json_array_foreach(json_object_get(subset, "ports"), k, item)
        {
            port_number(causes, field, json_object_get(item, "port"));
            port_protocol(causes, field, item);
            if (json_array_size(json_object_get(subset, "ports")) > 1 && !*kube_text(item, "name"))
                kube_cause(causes, required, field, "Required value: a name for each of several ports");
        }
        free(field);
    }
}

// ---- network policies ----

static bool cidr(const char *text, uint32_t *network, int *prefix)
{
    return lab_parse_cidr(text, network, prefix) && !(*network & ~lab_mask(*prefix));
}

static void ip_block(json_t *causes, const char *field, const json_t *block)
{
    uint32_t network = 0, inner;
    int prefix = 0, inner_prefix;
    size_t i;
    const json_t *except;
    const char *text = kube_text(block, "cidr");
    if (strchr(text, ':'))
        return; // IPv6 is taken as it is: the lab's pods have none
    if (!*text) {
        kube_cause(causes, required, field, "Required value");
        return;
    }
    if (!cidr(text, &network, &prefix))
        kube_cause(causes, invalid, field, "Invalid value: \"%s\": not a valid CIDR", text);
    json_array_foreach(json_object_get(block, "except"), i, except)
    {
        const char *value = json_string_value(except);
        if (!value || !cidr(value, &inner, &inner_prefix) || inner_prefix <= prefix ||
            (inner & lab_mask(prefix)) != network)
            kube_cause(causes, invalid, field, "Invalid value: \"%s\": must be a strict subset of `cidr`",
                       value ? value : "");
    }
}

static void selector(json_t *causes, const char *field, const json_t *value)
{
    size_t i;
    const json_t *expression;
    labels(causes, field, json_object_get(value, "matchLabels"));
    json_array_foreach(json_object_get(value, "matchExpressions"), i, expression)
    {
        const char *op = kube_text(expression, "operator");
        size_t n = json_array_size(json_object_get(expression, "values"));
        bool listing = strcmp(op, "In") == 0 || strcmp(op, "NotIn") == 0;
        if (!listing && strcmp(op, "Exists") != 0 && strcmp(op, "DoesNotExist") != 0)
            kube_cause(causes, invalid, field, "Invalid value: \"%s\": not a valid selector operator", op);
        else if (listing && !n)
            kube_cause(causes, required, field,
                       "Required value: must be specified when `operator` is 'In' or 'NotIn'");
        else if (!listing && n)
            kube_cause(causes, forbidden, field,
                       "Forbidden: may not be specified when `operator` is 'Exists' or "
                       "'DoesNotExist'");
    }
}

static void policy_port(json_t *causes, const char *field, const json_t *item)
{
    const json_t *port = json_object_get(item, "port"), *end = json_object_get(item, "endPort");
    port_protocol(causes, field, item);
    if (json_is_integer(port))
        port_number(causes, field, port);
    else if (json_is_string(port) &&
             !dns_label(json_string_value(port), strlen(json_string_value(port)), false))
        kube_cause(causes, invalid, field, "Invalid value: \"%s\": must be a port name",
                   json_string_value(port));
    if (end && (!json_is_integer(port) || json_integer_value(end) < json_integer_value(port)))
        kube_cause(causes, invalid, field,
                   "Invalid value: %lld: must be greater than or equal to `port`, which must be a "
                   "number",
                   (long long)json_integer_value(end));
}

static void policy_rules(json_t *causes, const json_t *object, const char *direction, const char *peers)
{
    size_t i, k;
    const json_t *rule, *item;
    char *path = lab_format("spec.%s", direction);
    json_array_foreach(kube_path(object, path), i, rule)
    {
        json_array_foreach(json_object_get(rule, "ports"), k, item)
        {
            char *field = lab_format("spec.%s[%zu].ports[%zu].port", direction, i, k);
            policy_port(causes, field, item);
            free(field);
        }
        json_array_foreach(json_object_get(rule, peers), k, item)
        {
            char *field = lab_format("spec.%s[%zu].%s[%zu]", direction, i, peers, k);
            const json_t *block = json_object_get(item, "ipBlock"),
                         *pods = json_object_get(item, "podSelector");
            const json_t *spaces = json_object_get(item, "namespaceSelector");
            if (!block && !pods && !spaces)
                kube_cause(causes, required, field, "Required value: must specify a peer");
            else if (block && (pods || spaces))
                kube_cause(causes, forbidden, field,
                           "Forbidden: may not specify both ipBlock and another peer");
            if (block)
                ip_block(causes, field, block);
            selector(causes, field, pods);
            selector(causes, field, spaces);
            free(field);
        }
    }
    free(path);
}

static void network_policy(json_t *causes, const json_t *object)
{
    const json_t *type;
    size_t i;
    selector(causes, "spec.podSelector", kube_path(object, "spec.podSelector"));
    policy_rules(causes, object, "ingress", "from");
    policy_rules(causes, object, "egress", "to");
    json_array_foreach(kube_path(object, "spec.policyTypes"), i, type)
    {
        const char *text = json_string_value(type);
        if (!text || (strcmp(text, "Ingress") != 0 && strcmp(text, "Egress") != 0))
            kube_cause(causes, unsupported, "spec.policyTypes",
                       "Unsupported value: \"%s\": supported values: \"Egress\", "
                       "\"Ingress\"",
                       text ? text : "");
    }
}

// ---- pods and workloads ----

static void pod_spec(json_t *causes, const char *prefix, const json_t *spec)
{
    const json_t *containers = json_object_get(spec, "containers"), *item;
    json_t *names = json_object();
    size_t i;
    char *field = lab_format("%s.containers", prefix);
    if (!json_array_size(containers))
        kube_cause(causes, required, field, "Required value");
    json_array_foreach(containers, i, item)
    {
        const char *name = kube_text(item, "name");
        if (!dns_label(name, strlen(name), false))
            kube_cause(causes, *name ? invalid : required, field, "%s value: [%zu].name \"%s\"",
                       *name ? "Invalid" : "Required", i, name);
        else if (json_object_get(names, name))
            kube_cause(causes, duplicate, field, "Duplicate value: \"%s\"", name);
        if (!*kube_text(item, "image"))
            kube_cause(causes, required, field, "Required value: [%zu].image", i);
        json_object_set_new(names, name, json_true());
    }
    json_decref(names);
    free(field);
}

static void workload(json_t *causes, const struct kube_kind *kind, const json_t *object, const json_t *live)
{
    const json_t *have = kube_path(object, "spec.template.metadata.labels"),
                 *wanted = kube_path(object, "spec.selector");
    bool plain = strcmp(kind->kind, "ReplicationController") == 0;
    const char *key;
    json_t *value;
    if (!plain)
        wanted = json_object_get(wanted, "matchLabels");
    if (!kube_path(object, "spec.selector"))
        kube_cause(causes, required, "spec.selector", "Required value");
    json_object_foreach((json_t *)wanted, key, value) if (!json_equal(value, json_object_get(have, key)))
    {
        kube_cause(causes, invalid, "spec.template.metadata.labels",
                   "Invalid value: `selector` does not match template "
                   "`labels`");
        break;
    }
    pod_spec(causes, "spec.template.spec", kube_path(object, "spec.template.spec"));
    if (!plain)
        immutable(causes, object, live, "spec.selector");
    const json_t *replicas = kube_path(object, "spec.replicas");
    if (replicas && json_integer_value(replicas) < 0)
        kube_cause(causes, invalid, "spec.replicas", "Invalid value: must be greater than or equal to 0");
}

static void pod_unchanged(json_t *causes, const json_t *object, const json_t *live)
{
    const json_t *was = kube_path(live, "spec"), *is = kube_path(object, "spec");
    json_t *a = json_deep_copy(was), *b = json_deep_copy(is), *c;
    size_t i;
    const char *free_fields[] = {"activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"};
    json_t *both[] = {a, b};
    for (size_t k = 0; k < 2; k++) {
        for (size_t f = 0; f < 3; f++)
            json_object_del(both[k], free_fields[f]);
        json_array_foreach(json_object_get(both[k], "containers"), i, c) json_object_del(c, "image");
    }
    if (*kube_text(live, "spec.nodeName") == 0)
        json_object_del(b, "nodeName"); // a binding
    if (!json_equal(a, b))
        kube_cause(causes, forbidden, "spec",
                   "Forbidden: pod updates may not change fields other than "
                   "`spec.containers[*].image`, `spec.activeDeadlineSeconds`, `spec.tolerations`");
    json_decref(a);
    json_decref(b);
}

void kube_validate(const struct kube_kind *kind, const json_t *object, const json_t *live, json_t *causes)
{
    const char *name = kind->kind;
    metadata(causes, kind, object);
    if (strcmp(name, "Service") == 0) {
        service(causes, object, live);
    } else if (strcmp(name, "EndpointSlice") == 0) {
        endpoint_slice(causes, object, live);
    } else if (strcmp(name, "Endpoints") == 0) {
        endpoints(causes, object);
    } else if (strcmp(name, "NetworkPolicy") == 0) {
        network_policy(causes, object);
    } else if (strcmp(name, "Pod") == 0) {
        pod_spec(causes, "spec", json_object_get(object, "spec"));
        if (live)
            pod_unchanged(causes, object, live);
    } else if (strcmp(name, "CustomResourceDefinition") == 0) {
        char *full =
            lab_format("%s.%s", kube_text(object, "spec.names.plural"), kube_text(object, "spec.group"));
        if (strcmp(full, kube_name(object)) != 0)
            kube_cause(causes, invalid, "metadata.name",
                       "Invalid value: \"%s\": must be spec.names.plural+\".\"+spec.group",
                       kube_name(object));
        free(full);
        if (!json_array_size(kube_path(object, "spec.versions")))
            kube_cause(causes, required, "spec.versions", "Required value");
    } else if (strcmp(name, "ReplicationController") == 0 ||
               (kind->served[0].group && strcmp(kind->served[0].group, "apps") == 0)) {
        workload(causes, kind, object, live);
    } else if (strstr(name, "RoleBinding")) {
        immutable(causes, object, live, "roleRef");
    } else if (strcmp(name, "Secret") == 0) {
        immutable(causes, object, live, "type");
    }
}
