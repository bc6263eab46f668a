#include "protobuf.h"

#include "../lab.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// Field numbers from the generated.proto files of k8s.io/api and k8s.io/apimachinery.
enum form { TEXT, BYTES, NUMBER, BOOLEAN, MESSAGE, TEXTS, MESSAGES, TEXT_MAP, BYTES_MAP, INT_OR_STRING };

struct field {
    const char *message; // the message that has it
    uint64_t number;
    const char *name;
    enum form form;
    const char *type; // of a MESSAGE or MESSAGES
};

static const struct field fields[] = {
    {"ObjectMeta", 1, "name", TEXT, NULL},
    {"ObjectMeta", 2, "generateName", TEXT, NULL},
    {"ObjectMeta", 3, "namespace", TEXT, NULL},
    {"ObjectMeta", 5, "uid", TEXT, NULL},
    {"ObjectMeta", 6, "resourceVersion", TEXT, NULL},
    {"ObjectMeta", 11, "labels", TEXT_MAP, NULL},
    {"ObjectMeta", 12, "annotations", TEXT_MAP, NULL},
    {"ObjectMeta", 14, "finalizers", TEXTS, NULL},
    {"Namespace", 1, "metadata", MESSAGE, "ObjectMeta"},
    {"ConfigMap", 1, "metadata", MESSAGE, "ObjectMeta"},
    {"ConfigMap", 2, "data", TEXT_MAP, NULL},
    {"ConfigMap", 3, "binaryData", BYTES_MAP, NULL},
    {"ConfigMap", 4, "immutable", BOOLEAN, NULL},
    {"Secret", 1, "metadata", MESSAGE, "ObjectMeta"},
    {"Secret", 2, "data", BYTES_MAP, NULL},
    {"Secret", 3, "type", TEXT, NULL},
    {"Secret", 4, "stringData", TEXT_MAP, NULL},
    {"ServiceAccount", 1, "metadata", MESSAGE, "ObjectMeta"},
    {"Service", 1, "metadata", MESSAGE, "ObjectMeta"},
    {"Service", 2, "spec", MESSAGE, "ServiceSpec"},
    {"ServiceSpec", 1, "ports", MESSAGES, "ServicePort"},
    {"ServiceSpec", 2, "selector", TEXT_MAP, NULL},
    {"ServiceSpec", 3, "clusterIP", TEXT, NULL},
    {"ServiceSpec", 4, "type", TEXT, NULL},
    {"ServiceSpec", 7, "sessionAffinity", TEXT, NULL},
    {"ServiceSpec", 10, "externalName", TEXT, NULL},
    {"ServicePort", 1, "name", TEXT, NULL},
    {"ServicePort", 2, "protocol", TEXT, NULL},
    {"ServicePort", 3, "port", NUMBER, NULL},
    {"ServicePort", 4, "targetPort", INT_OR_STRING, NULL},
    {"ServicePort", 5, "nodePort", NUMBER, NULL},
    {"Deployment", 1, "metadata", MESSAGE, "ObjectMeta"},
    {"Deployment", 2, "spec", MESSAGE, "DeploymentSpec"},
    {"DeploymentSpec", 1, "replicas", NUMBER, NULL},
    {"DeploymentSpec", 2, "selector", MESSAGE, "LabelSelector"},
    {"DeploymentSpec", 3, "template", MESSAGE, "PodTemplateSpec"},
    {"LabelSelector", 1, "matchLabels", TEXT_MAP, NULL},
    {"PodTemplateSpec", 1, "metadata", MESSAGE, "ObjectMeta"},
    {"PodTemplateSpec", 2, "spec", MESSAGE, "PodSpec"},
    {"PodSpec", 2, "containers", MESSAGES, "Container"},
    {"PodSpec", 3, "restartPolicy", TEXT, NULL},
    {"Pod", 1, "metadata", MESSAGE, "ObjectMeta"},
    {"Pod", 2, "spec", MESSAGE, "PodSpec"},
    {"Container", 1, "name", TEXT, NULL},
    {"Container", 2, "image", TEXT, NULL},
    {"Container", 3, "command", TEXTS, NULL},
    {"Container", 4, "args", TEXTS, NULL},
    {"Container", 6, "ports", MESSAGES, "ContainerPort"},
    {"Container", 7, "env", MESSAGES, "EnvVar"},
    {"ContainerPort", 1, "name", TEXT, NULL},
    {"ContainerPort", 3, "containerPort", NUMBER, NULL},
    {"ContainerPort", 4, "protocol", TEXT, NULL},
    {"EnvVar", 1, "name", TEXT, NULL},
    {"EnvVar", 2, "value", TEXT, NULL},
};

enum { MAX_DEPTH = 12 };

struct span {
    const unsigned char *at, *end;
};

static bool varint(struct span *in, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; in->at < in->end && shift < 64; shift += 7) {
        unsigned char byte = *in->at++;
        *value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return true;
    }
    return false;
}

// The next field: its number, and its value as a number or as a part of the input. False at the end or on junk.
static bool next(struct span *in, uint64_t *number, uint64_t *value, struct span *part)
{
    uint64_t key, len;
    *part = (struct span){NULL, NULL};
    *value = 0;
    if (!varint(in, &key))
        return false;
    *number = key >> 3;
    if ((key & 7) == 0)
        return varint(in, value);
    if ((key & 7) == 2 && varint(in, &len) && len <= (uint64_t)(in->end - in->at)) {
        *part = (struct span){in->at, in->at + len};
        in->at += len;
        return true;
    }
    return false; // fixed-width fields do not occur in what is known here
}

static json_t *text_of(struct span part)
{
    json_t *text = json_stringn((const char *)part.at, (size_t)(part.end - part.at));
    return text ? text : json_string("");
}

static json_t *bytes_of(struct span part)
{
    char *encoded = lab_base64(part.at, (size_t)(part.end - part.at));
    json_t *text = json_string(encoded);
    free(encoded);
    return text;
}

static void add_entry(json_t *map, struct span entry, bool bytes)
{
    uint64_t number, value;
    struct span part;
    json_t *key = NULL, *content = NULL;
    while (next(&entry, &number, &value, &part)) {
        json_t **slot = number == 1 ? &key : &content;
        json_decref(*slot);
        *slot = number == 2 && bytes ? bytes_of(part) : text_of(part);
    }
    if (key)
        json_object_set_new(map, json_string_value(key), content ? content : json_string(""));
    else
        json_decref(content);
    json_decref(key);
}

static json_t *int_or_string(struct span in)
{
    uint64_t number, value, kind = 0, integer = 0;
    struct span part;
    json_t *text = NULL;
    while (next(&in, &number, &value, &part)) {
        if (number == 1)
            kind = value;
        else if (number == 2)
            integer = value;
        else if (number == 3 && !text)
            text = text_of(part);
    }
    if (kind == 1 && text)
        return text;
    json_decref(text);
    return json_integer((json_int_t)(int32_t)integer);
}

static json_t *message_of(const char *type, struct span in, int depth);

// The list or map at `name`, made when it is not there yet.
static json_t *holder(json_t *object, const char *name, bool list)
{
    json_t *there = json_object_get(object, name);
    if (!there) {
        there = list ? json_array() : json_object();
        json_object_set_new(object, name, there);
    }
    return there;
}

static void set_field(json_t *object, const struct field *f, uint64_t value, struct span part, int depth)
{
    switch (f->form) {
    case TEXT:
        if (part.end > part.at) // an empty one is an absent one
            json_object_set_new(object, f->name, text_of(part));
        break;
    case BYTES:
        json_object_set_new(object, f->name, bytes_of(part));
        break;
    case NUMBER:
        if (value || strcmp(f->name, "replicas") == 0)
            json_object_set_new(object, f->name, json_integer((json_int_t)(int32_t)value));
        break;
    case BOOLEAN:
        json_object_set_new(object, f->name, json_boolean(value != 0));
        break;
    case MESSAGE:
        json_object_set_new(object, f->name, message_of(f->type, part, depth + 1));
        break;
    case TEXTS:
        json_array_append_new(holder(object, f->name, true), text_of(part));
        break;
    case MESSAGES:
        json_array_append_new(holder(object, f->name, true), message_of(f->type, part, depth + 1));
        break;
    case TEXT_MAP:
    case BYTES_MAP:
        add_entry(holder(object, f->name, false), part, f->form == BYTES_MAP);
        break;
    case INT_OR_STRING: {
        json_t *target = int_or_string(part);
        if (json_is_string(target) || json_integer_value(target))
            json_object_set(object, f->name, target);
        json_decref(target);
        break;
    }
    }
}

static json_t *message_of(const char *type, struct span in, int depth)
{
    json_t *object = json_object();
    uint64_t number, value;
    struct span part;
    while (depth < MAX_DEPTH && next(&in, &number, &value, &part))
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
            if (fields[i].number == number && strcmp(fields[i].message, type) == 0)
                set_field(object, &fields[i], value, part, depth);
    return object;
}

static bool known(const char *kind)
{
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (strcmp(fields[i].message, kind) == 0 && strcmp(fields[i].name, "metadata") == 0)
            return true;
    return false;
}

json_t *kube_protobuf(const char *body, size_t len)
{
    static const char magic[4] = {'k', '8', 's', 0};
    struct span in, part, raw = {NULL, NULL};
    uint64_t number, value;
    json_t *type = NULL, *object = NULL;
    if (len < sizeof magic || memcmp(body, magic, sizeof magic) != 0)
        return NULL;
    in = (struct span){(const unsigned char *)body + sizeof magic, (const unsigned char *)body + len};
    // runtime.Unknown: 1 typeMeta {1 apiVersion, 2 kind}, 2 raw.
    while (next(&in, &number, &value, &part)) {
        if (number == 2)
            raw = part;
        if (number != 1 || type)
            continue;
        type = json_object();
        uint64_t inner;
        struct span word;
        while (next(&part, &inner, &value, &word))
            json_object_set_new(type, inner == 1 ? "apiVersion" : "kind", text_of(word));
    }
    const char *kind = json_string_value(json_object_get(type, "kind"));
    if (kind && known(kind) && raw.at) {
        object = message_of(kind, raw, 0);
        json_object_update(object, type);
    }
    json_decref(type);
    return object;
}
