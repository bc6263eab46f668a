// Reachability, held to the connectivity that others expect of their sets: in one cluster, dealt over several and
// federated, and computed anew from the rendered companions.
#include "companion.h"
#include "reach.h"
#include "sources.h"
#include "table.h"

#include <isthmus/alloc.h>
#include <isthmus/file.h>

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

// ---- reading a set ----

// All objects of a folder, kept as documents: they are dealt out below.
struct objects {
    json_t *list;
};

static json_t *expected(const char *path)
{
    json_t *lines = json_object();
    char *content = NULL, *next = NULL;
    if (ist_file_read(path, 1u << 24, &content, NULL, NULL) != IST_OK)
        fail_msg("cannot read %s", path);
    for (char *line = strtok_r(content, "\r\n", &next); line; line = strtok_r(NULL, "\r\n", &next)) {
        if (strstr(line, "Exposure Analysis"))
            break;
        char *colon = strstr(line, " : ");
        if (!colon || strstr(line, "External") || strstr(line, "{ingress-controller}") || strstr(line, "entire-cluster"))
            continue;
        *colon = 0;
        json_object_set_new(lines, line, json_string(colon + 3));
    }
    ist_free(content);
    return lines;
}

static char *end_name(const struct workload *w)
{
    return ist_printf("%s/%s[%s]", w->ns->text, w->name->text, w->kind->text);
}

// The pairs of a world, without the names of the clusters.
static json_t *computed(const struct world *world, uint32_t mode)
{
    json_t *lines = json_object();
    struct reach *reach = reach_compute(world, mode);
    const size_t count = reach_end_count(reach);
    conn *row = ist_calloc(count + 1, sizeof(*row));
    for (size_t i = 0; i < count; i++) {
        reach_row(reach, i, row);
        for (size_t j = 0; j < count; j++) {
            if (i == j || row[j] == CONN_NONE)
                continue;
            char *from = end_name(reach_end(reach, i)->workload), *to = end_name(reach_end(reach, j)->workload);
            char *pair = ist_printf("%s => %s", from, to);
            json_object_set_new(lines, pair, json_string(conns_text(reach_conns(reach), row[j])));
            ist_free(pair);
            ist_free(from);
            ist_free(to);
        }
    }
    ist_free(row);
    reach_free(reach);
    return lines;
}

static size_t mismatches(const char *set, const json_t *want, const json_t *have)
{
    size_t n = 0;
    const char *pair;
    json_t *value, *all = json_copy((json_t *)(uintptr_t)want);
    json_object_update_missing(all, (json_t *)(uintptr_t)have);
    json_object_foreach(all, pair, value)
    {
        const char *a = json_string_value(json_object_get(want, pair));
        const char *b = json_string_value(json_object_get(have, pair));
        if (strcmp(a ? a : "", b ? b : "") != 0 && n++ < 5)
            print_error("%s: %s: expected \"%s\", computed \"%s\"\n", set, pair, a ? a : "", b ? b : "");
    }
    json_decref(all);
    return n;
}

// ---- dealing ----

typedef size_t check_fn(const char *set, const char *folder, const json_t *want);

static void walk(check_fn *check)
{
    const char *data = getenv("ISTHMUS_TEST_DATA");
    size_t sets = 0, wrong = 0, pairs = 0;
    if (!data)
        skip();
    char *root = ist_printf("%s/netpol", data);
    DIR *dir = opendir(root);
    if (!dir)
        fail_msg("cannot open %s", root);
    for (struct dirent *entry; (entry = readdir(dir));) {
        char *folder = ist_printf("%s/%s/manifests", root, entry->d_name);
        char *file = ist_printf("%s/%s/expected.txt", root, entry->d_name);
        if (*entry->d_name != '.' && access(file, R_OK) == 0) {
            json_t *want = expected(file);
            wrong += check(entry->d_name, folder, want);
            pairs += json_object_size(want);
            sets++;
            json_decref(want);
        }
        ist_free(file);
        ist_free(folder);
    }
    closedir(dir);
    ist_free(root);
    print_message("# %zu sets, %zu connected pairs\n", sets, pairs);
    assert_true(sets > 40 && pairs > 500);
    assert_int_equal(wrong, 0);
}

static size_t check_one_cluster(const char *set, const char *folder, const json_t *want)
{
    struct world *world = world_new();
    struct sources sources = {.world = world};
    ist_error err = {0};
    size_t cluster = world_add_cluster(world, "one");
    if (source_read(&sources, cluster, folder, &err) != IST_OK)
        fail_msg("%s: %s: %s", set, err.where, err.text);
    json_t *have = computed(world, REACH_ANNOTATED);
    size_t wrong = mismatches(set, want, have);
    json_decref(have);
    world_free(world);
    return wrong;
}

static void in_one_cluster_every_set_connects_as_its_authors_expect(void **state)
{
    (void)state;
    walk(check_one_cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_one_cluster_every_set_connects_as_its_authors_expect),
    };
    return cmocka_run_group_tests_name("netpol sets", tests, NULL, NULL);
}
