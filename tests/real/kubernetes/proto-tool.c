// proto-tool API KIND LIST.json LIST.pb: the same list of a server in both forms. Says what an item differs in, and exits
// with 1; else "N items". managedFields are not compared, of a Pod only what is read of it, nor selfLink.
#include "kube/proto.h"

#include <stdio.h>
#include <stdlib.h>

struct both {
    const char *api, *kind;
    json_t *items; // of the list in JSON
    size_t at;
    int differ;
};

static char *read_file(const char *path, size_t *len)
{
    char *text = NULL;
    ist_error err = {0};
    if (kube_read_file(path, 256u << 20, &text, len, &err) != IST_OK) {
        fprintf(stderr, "%s: %s\n", err.where, err.text);
        exit(2);
    }
    return text;
}

// What of `all` is not in `some`, as far as names go: of a kind of which not all is read.
static json_t *cut_to(const json_t *all, const json_t *some)
{
    const char *key;
    json_t *value;
    size_t i;
    if (json_is_object(all) && json_is_object(some)) {
        json_t *cut = json_object();
        json_object_foreach((json_t *)(uintptr_t)some, key, value)
        {
            const json_t *its = json_object_get(all, key);
            if (its)
                json_object_set_new(cut, key, cut_to(its, value));
        }
        return cut;
    }
    if (json_is_array(all) && json_array_size(all) == json_array_size(some)) {
        json_t *cut = json_array();
        json_array_foreach(all, i, value) json_array_append_new(cut, cut_to(value, json_array_get(some, i)));
        return cut;
    }
    return json_deep_copy(all);
}

static void compare_digests(struct both *both, const char *bytes, size_t len, const json_t *item)
{
    char *text = ist_json_text(item);
    json_t *head = NULL, *json_head = NULL;
    uint64_t digest = 0, json_digest = 0;
    int skimmed = kube_proto_skim(kube_proto_fields(both->api, both->kind, 1), bytes, len, both->api,
                                  both->kind, &head, &digest);
    if (!skimmed || !kube_skim(text, strlen(text), both->api, both->kind, &json_head, &json_digest) ||
        digest != json_digest || !json_equal(head, json_head)) {
        printf("%s: skimmed to something else\n", ist_json_str_or(item, "metadata.name", "?"));
        both->differ = 1;
    }
    json_decref(head);
    json_decref(json_head);
    ist_free(text);
}

// A list without elements is one or none, as the server's memory happens to hold it; protobuf does not tell.
static void nullify(json_t *its, const json_t *ours)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)ours, key, value)
    {
        const json_t *same = json_object_get(its, key);
        if (json_is_null(value) && json_is_array(same) && json_array_size(same) == 0)
            json_object_set_new(its, key, json_null());
    }
}

static int32_t compare(void *arg, const char *bytes, size_t len, ist_error *err)
{
    struct both *both = arg;
    json_t *item = NULL, *its = json_incref(json_array_get(both->items, both->at++));
    int32_t rc = kube_proto_read(kube_proto_fields(both->api, both->kind, 1), bytes, len, NULL, both->kind,
                                 &item, err);
    if (rc != IST_OK || !its) {
        json_decref(its);
        return rc != IST_OK ? rc : ist_fail(err, IST_ERR_REMOTE, both->kind, "more items than in JSON");
    }
    json_object_del(json_object_get(its, "metadata"), "managedFields");
    json_object_del(json_object_get(its, "metadata"), "selfLink");
    if (!strcmp(both->kind, "Pod")) {
        json_t *cut = cut_to(its, item);
        json_decref(its);
        its = cut;
    }
    nullify(its, item);
    if (!json_equal(item, its)) {
        char *ours = ist_json_text(item), *theirs = ist_json_text(its);
        printf("protobuf: %s\njson:     %s\n", ours, theirs);
        ist_free(ours);
        ist_free(theirs);
        both->differ = 1;
    } else {
        compare_digests(both, bytes, len, its);
    }
    json_decref(its);
    json_decref(item);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc != 5 || !kube_proto_fields(argv[1], argv[2], 1)) {
        fprintf(stderr, "usage: proto-tool API KIND LIST.json LIST.pb\n");
        return 2;
    }
    struct both both = {.api = argv[1], .kind = argv[2]};
    struct kube_proto_page page = {0};
    ist_error err = {0};
    size_t len = 0, used = 0;
    char *text = read_file(argv[3], &len);
    json_t *list = json_loadb(text, len, 0, NULL), *envelope = NULL;
    both.items = json_object_get(list, "items");
    ist_free(text);
    char *bytes = read_file(argv[4], &len);
    int32_t rc = kube_proto_is(bytes, len) ? IST_OK : ist_fail(&err, IST_ERR_REMOTE, argv[4], "no protobuf");
    if (rc == IST_OK)
        rc = kube_proto_feed(&page, bytes, len, &used, compare, &both, both.kind, &err);
    if (rc == IST_OK)
        rc = kube_proto_end(&page, both.kind, &envelope, &err);
    if (rc != IST_OK)
        printf("%s: %s\n", err.where, err.text);
    else if (both.at != json_array_size(both.items))
        printf("%zu items, %zu in JSON\n", both.at, json_array_size(both.items));
    else if (!both.differ)
        printf("%zu items\n", both.at);
    int wrong = rc != IST_OK || both.differ || both.at != json_array_size(both.items);
    kube_proto_reset(&page);
    json_decref(envelope);
    json_decref(list);
    ist_free(bytes);
    return wrong;
}
