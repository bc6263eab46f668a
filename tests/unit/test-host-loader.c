// Every refusal of the loader, each by a plugin that is wrong in that one way, and the first ABI.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fakehost.h"
#include "host/catalog.h"
#include "host/elf.h"
#include "host/loader.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *path_of(const char *name)
{
    return ist_printf("%s/tests/torture/bad/%s.so", getenv("BUILD"), name);
}

struct refusal {
    const char *how, *text; // "" is accepted
};

static const struct refusal refusals[] = {
    {"magic", "magic: expected 0x49535448, found 0x12345678"},
    {"major", "ABI major: expected 0, found 7"},
    {"size", "size of the descriptor: expected at least 176, found 64"},
    {"larger", ""},
    {"short", "size of the descriptor: expected at least 192 with ABI 0.4, found 184"},
    {"observe", "operations: expected observe, found none"},
    {"plan", "operations: expected plan, found none"},
    {"destroy", "operations: expected destroy (it has apply), found none"},
    {"useless", "operations: expected apply and destroy, or verify, found none"},
    {"name", "name: expected \"bad-name\" as the file's, found \"something-else\""},
    {"version", "version, doc and build: expected text, found none"},
    {"plugin-flags", "flags: expected within 0x1, found 0x80"},
    {"watchless", "operations: expected watch because of IST_PLUGIN_RECONFIGURES, found none"},
    {"row", "size of a row: expected at least 48, found 8"},
    {"rows", "rows: expected at most 4096, found 1000000"},
    {"table", "size of a row: expected at least 48, found 0"},
    {"duplicate", "\"name\": expected once, found twice"},
    {"nameless", "row 0: expected a name, found none"},
    {"type", "type of \"name\": expected one of plugin.h, found \"list(cdir)\""},
    {"flags", "flags of \"name\": expected within 0x3f, found 0x4000"},
    {"doc", "doc of \"name\": expected a sentence, found none"},
    {"default", "default of \"wait\": expected "},
    {"parent", "type of \"peers\": expected list(object) because of \"peers[].address\", found map(object)"},
    {"command", "row 0: expected word, name, doc and run"},
    {"option", "option 0 of \"list\": expected \"--name\" and a sentence, found \"from\""},
    {"role", "role: expected one that isthmus/roles knows, found \"dmvpn-endpiont\""},
    {"role-version", "version of role dmvpn-endpoint: expected 1, found 9"},
    {"role-output", "expected output \"security_group\" of type string, found none"},
    {"role-type", "expected input \"InboundSSH\" of type cidr, found string"},
    {"role-whole", ""},
    {"entry", "entry: expected the symbol ist_plugin_entry, found none"},
    {"symbol", "undefined symbol: there_is_no_such_function"},
    {"null", "descriptor: expected one, found NULL"},
};

static void each_wrong_plugin_is_refused_by_what_is_wrong(void **state)
{
    (void)state;
    int bad = 0;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
        char *name = ist_printf("bad-%s", refusals[i].how), *path = path_of(name);
        struct module module = {0};
        ist_error err = {0};
        int rc = module_open(path, NULL, &module, &err);
        const char *expected = refusals[i].text;
        if (*expected ? !rc || !strstr(err.text, expected) : rc != 0) {
            print_error("%s: expected \"%s\", found \"%s\"\n", name, expected, rc ? err.text : "no refusal");
            bad++;
        }
        if (!strstr(err.where, name) && rc) {
            print_error("%s: not named in \"%s\"\n", name, err.where);
            bad++;
        }
        module_close(&module);
        ist_free(name);
        ist_free(path);
    }
    assert_int_equal(bad, 0);
}

static void the_core_hears_of_it_from_the_worker(void **state)
{
    (void)state;
    char *dir = ist_printf("%s/tests/torture/bad", getenv("BUILD"));
    struct catalog *catalog = catalog_new((const char *const *)&dir, 1, NULL);
    ist_error err = {0};
    assert_null(catalog_find(catalog, "bad-major", &err));
    assert_string_equal(err.where, "bad-major");
    assert_string_equal(err.text, "ABI major: expected 0, found 7");
    assert_null(catalog_find(catalog, "bad-crash", &err));
    assert_string_equal(err.where, "bad-crash");
    assert_non_null(strstr(err.text, "segmentation fault"));
    assert_null(catalog_find(catalog, "bad-null", &err));
    const struct plugin_info *first = catalog_find(catalog, "first-abi", &err);
    assert_non_null(first);
    assert_string_equal(first->build, "first");
    assert_string_equal(plugin_input(first, "nets")->def, "[10.0.0.0/8]");
    catalog_free(catalog);
    ist_free(dir);
}

static void what_is_no_shared_object_is_refused(void **state)
{
    (void)state;
    const struct {
        const char *bytes;
        size_t len;
        const char *text;
    } files[] = {{"", 0, "expected an ELF shared object"},
                 {"#!/bin/sh\nexit 0\n", 17, "expected an ELF shared object"},
                 {"\x7f"
                  "ELF",
                  4, "expected an ELF shared object"},
                 {"\x7f"
                  "ELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x03\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                  "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
                  64, "expected a 64-bit ELF shared object, found class 1"}};
    char path[] = "/tmp/isthmus-loader-XXXXXX";
    int fd = mkstemp(path);
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        struct module module;
        ist_error err = {0};
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, files[i].bytes, files[i].len, 0), (ssize_t)files[i].len);
        assert_int_not_equal(module_open(path, "x", &module, &err), 0);
        if (!strstr(err.text, files[i].text))
            fail_msg("%zu: %s", i, err.text);
    }
    close(fd);
    unlink(path);
    struct module module;
    ist_error err = {0};
    assert_int_not_equal(module_open("/nonexistent/x.so", NULL, &module, &err), 0);
    assert_non_null(strstr(err.text, "No such file"));
    assert_int_not_equal(module_open("/tmp", NULL, &module, &err), 0);
}

// Cut anywhere, or with any byte spoilt, a file is refused or read: the readers of ELF stay within it.
static void a_spoilt_file_is_read_within_its_bounds(void **state)
{
    (void)state;
    char *path = path_of("first-abi"), spoilt[] = "/tmp/isthmus-loader-XXXXXX";
    static unsigned char bytes[1 << 20];
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t len = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    int fd = mkstemp(spoilt);
    unsigned seed = 1;
    for (int round = 0; round < 400; round++) {
        size_t cut = round < 100 ? len * (size_t)round / 100 : len;
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, bytes, cut, 0), (ssize_t)cut);
        for (int i = 0; i < 8; i++) {
            seed = seed * 1103515245u + 12345u;
            unsigned char byte = (unsigned char)(seed >> 16);
            // The head, the segments, and the sections at the end.
            off_t at = (off_t)((seed >> 8) % (round % 2 ? 1024 : (unsigned)len));
            assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        }
        char *id = elf_build_id(spoilt, NULL);
        json_decref(elf_exports(spoilt, NULL));
        ist_free(id);
    }
    close(fd);
    unlink(spoilt);
    ist_free(path);
}

static void its_exports_and_build_id_are_read(void **state)
{
    (void)state;
    char *path = path_of("first-abi");
    ist_error err;
    json_t *names = elf_exports(path, &err);
    size_t i, entries = 0;
    json_t *name;
    json_array_foreach(names, i, name) entries += !strcmp(json_string_value(name), "ist_plugin_entry");
    assert_int_equal(entries, 1);
    char *id = elf_build_id(path, &err);
    assert_non_null(id);
    assert_int_equal(strspn(id, "0123456789abcdef"), strlen(id));
    ist_free(id);
    json_decref(names);
    ist_free(path);
}

static void a_plugin_of_the_first_header_works_for_ever(void **state)
{
    (void)state;
    char *path = path_of("first-abi");
    struct fakehost *host = fakehost_load(path);
    assert_non_null(host);
    fakehost_inputs(host, json_object());
    assert_int_equal(fakehost_converge(host), IST_OK);
    assert_string_equal(ist_json_str(host->solo->outputs, "text"), "hello");
    assert_int_equal(fakehost_changes(host), 0);
    assert_int_equal(ist_json_int(host->solo->report.outputs, "count", 0), 0); // plan sets none
    assert_int_equal(fakehost_run(host, IST_OP_VERIFY), IST_OK);
    assert_int_equal(json_array_size(host->solo->report.checks), 2);
    for (size_t i = 0; i < 2; i++)
        assert_string_equal(ist_json_str(json_array_get(host->solo->report.checks, i), "result"), "pass");
    assert_int_equal(fakehost_run(host, IST_OP_DESTROY), IST_OK);
    assert_int_equal(fakehost_changes(host), 1);
    fakehost_free(host);
    ist_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_wrong_plugin_is_refused_by_what_is_wrong),
        cmocka_unit_test(the_core_hears_of_it_from_the_worker),
        cmocka_unit_test(what_is_no_shared_object_is_refused),
        cmocka_unit_test(a_spoilt_file_is_read_within_its_bounds),
        cmocka_unit_test(its_exports_and_build_id_are_read),
        cmocka_unit_test(a_plugin_of_the_first_header_works_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
