// The plugins that can be found: where they are, what their tables say, and the cache of that.
#include "host/catalog.h"

#include "config/diag.h"
#include "host/elf.h"
#include "host/loader.h"
#include "host/paths.h"
#include "host/worker_private.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE_VERSION 3 // 2: flags of a plugin; 3: check among its operations

// A place to look in: DIR/NAME.so, or of the build tree DIR/NAME/.libs/NAME.so.
struct place_of_plugins {
    char *dir;
    bool build;
};

struct catalog {
    struct place_of_plugins *places;
    size_t place_count;
    struct plugin_info **loaded;
    size_t loaded_count;
    const char **names; // sorted; NULL until asked for
    size_t name_count;
    char *cache_path;
    json_t *cache; // {version, plugins: {path: {stamp, build_id, plugin}}}
    bool cache_changed;
};

// ---- places

static void add_place(struct catalog *c, const char *dir, bool build)
{
    c->places = ist_realloc(c->places, c->place_count + 1, sizeof(*c->places));
    c->places[c->place_count++] = (struct place_of_plugins){ist_strdup(dir), build};
}

static void add_places(struct catalog *c, const char *const *dirs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add_place(c, dirs[i], false);
    const char *path = getenv("ISTHMUS_PLUGIN_PATH");
    while (path && *path) {
        size_t len = strcspn(path, ":");
        if (len) {
            char *dir = ist_strndup(path, len);
            add_place(c, dir, false);
            ist_free(dir);
        }
        path += len + (path[len] == ':');
    }
    char *root = build_root();
    if (root) {
        char *dir = ist_printf("%s/plugins", root);
        add_place(c, dir, true);
        ist_free(dir);
        ist_free(root);
    } else {
        add_place(c, IST_PLUGINDIR, false);
    }
}

static char *path_in(const struct place_of_plugins *place, const char *name)
{
    return place->build ? ist_printf("%s/%s/.libs/%s.so", place->dir, name, name)
                        : ist_printf("%s/%s.so", place->dir, name);
}

// ---- a descriptor as data, taken apart

static char *text_of(const json_t *json, const char *key)
{
    const char *text = ist_json_str(json, key);
    return text ? ist_strdup(text) : NULL;
}

static ist_field *fields_of(const json_t *list, size_t *count)
{
    size_t i;
    json_t *item;
    ist_field *fields = ist_calloc(json_array_size(list) + 1, sizeof(*fields));
    json_array_foreach(list, i, item) fields[i] = (ist_field){
        .name = text_of(item, "name"),
        .type = text_of(item, "type"),
        .def = text_of(item, "def"),
        .flags = (uint32_t)ist_json_int(item, "flags", 0),
        .since = text_of(item, "since"),
        .doc = text_of(item, "doc"),
    };
    *count = json_array_size(list);
    return fields;
}

static bool has_operation(const json_t *descriptor, const char *name)
{
    return ist_json_has(json_object_get(descriptor, "operations"), name);
}

struct plugin_info *plugin_info_new(const json_t *d, const char *path, const char *build_id)
{
    struct plugin_info *info = ist_calloc(1, sizeof(*info));
    info->name = text_of(d, "name");
    info->version = text_of(d, "version");
    // A plugin that names no build is told apart by its ELF build id.
    const char *build = ist_json_str_or(d, "build", "");
    info->build = ist_strdup(*build ? build : build_id);
    info->doc = text_of(d, "doc");
    info->role = text_of(d, "role");
    info->path = ist_strdup(path);
    info->role_version = (uint32_t)ist_json_int(d, "role_version", 0);
    info->abi_major = (uint32_t)ist_json_int(d, "abi[0]", 0);
    info->abi_minor = (uint32_t)ist_json_int(d, "abi[1]", 0);
    info->record_version = (uint32_t)ist_json_int(d, "record_version", 0);
    info->flags = (uint32_t)ist_json_int(d, "flags", 0);
    info->inputs = fields_of(json_object_get(d, "inputs"), &info->input_count);
    info->outputs = fields_of(json_object_get(d, "outputs"), &info->output_count);
    info->commands = json_incref(json_object_get(d, "commands"));
    info->permissions = json_incref(json_object_get(d, "permissions"));
    info->has_apply = has_operation(d, "apply");
    info->has_verify = has_operation(d, "verify");
    info->has_watch = has_operation(d, "watch");
    info->has_check = has_operation(d, "check");
    return info;
}

static void fields_free(ist_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *const texts[] = {fields[i].name, fields[i].type, fields[i].def, fields[i].since,
                                     fields[i].doc};
        for (size_t k = 0; k < sizeof(texts) / sizeof(*texts); k++)
            ist_free((void *)(uintptr_t)texts[k]);
    }
    ist_free(fields);
}

void plugin_info_free(struct plugin_info *info)
{
    if (!info)
        return;
    ist_free(info->name);
    ist_free(info->version);
    ist_free(info->build);
    ist_free(info->doc);
    ist_free(info->role);
    ist_free(info->path);
    fields_free(info->inputs, info->input_count);
    fields_free(info->outputs, info->output_count);
    json_decref(info->commands);
    json_decref(info->permissions);
    ist_free(info);
}

// ---- the cache

static void cache_read(struct catalog *c)
{
    json_t *json = c->cache_path ? json_load_file(c->cache_path, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (ist_json_int(json, "version", 0) == CACHE_VERSION &&
        json_is_object(json_object_get(json, "plugins"))) {
        c->cache = json;
        return;
    }
    json_decref(json); // another version's, or broken: made anew
    c->cache = json_pack("{s:i,s:{}}", "version", CACHE_VERSION, "plugins");
}

// The last two folders of a path, as ~/.cache/isthmus are.
static void make_folders(const char *path)
{
    char *dir = ist_strdup(path), *last = strrchr(dir, '/');
    if (last) {
        *last = '\0';
        char *above = strrchr(dir, '/');
        if (above && above != dir) {
            *above = '\0';
            mkdir(dir, 0700);
            *above = '/';
        }
        mkdir(dir, 0700);
    }
    ist_free(dir);
}

// Whole or not at all; a cache that cannot be written costs time and nothing else.
static void cache_write(const struct catalog *c)
{
    char *temporary = ist_printf("%s.%d", c->cache_path, (int)getpid());
    make_folders(temporary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0) {
        int rc = json_dumpfd(c->cache, fd, JSON_COMPACT);
        if (close(fd) < 0 || rc < 0 || rename(temporary, c->cache_path) < 0)
            unlink(temporary);
    }
    ist_free(temporary);
}

static char *stamp_of(const struct stat *st)
{
    return ist_printf("%llu.%llu.%lld.%lld.%09ld", (unsigned long long)st->st_dev,
                      (unsigned long long)st->st_ino, (long long)st->st_size, (long long)st->st_mtim.tv_sec,
                      st->st_mtim.tv_nsec);
}

// ---- finding and reading

static int describe(const char *path, const char *name, json_t **descriptor, ist_error *err)
{
    struct plugin_info stub = {.name = (char *)(uintptr_t)name, .path = (char *)(uintptr_t)path};
    struct worker *worker;
    int rc = worker_start(&stub, NULL, &worker, err);
    if (rc)
        return rc;
    rc = worker_hello(worker, descriptor, err);
    worker_free(worker);
    return rc;
}

static struct plugin_info *read_plugin(struct catalog *c, const char *path, const char *name,
                                       const struct stat *st, ist_error *err)
{
    json_t *plugins = json_object_get(c->cache, "plugins");
    json_t *entry = json_object_get(plugins, path);
    char *stamp = stamp_of(st);
    struct plugin_info *info = NULL;
    if (!strcmp(ist_json_str_or(entry, "stamp", ""), stamp)) {
        info =
            plugin_info_new(json_object_get(entry, "plugin"), path, ist_json_str_or(entry, "build_id", ""));
    } else {
        json_t *descriptor;
        char *build_id = elf_build_id(path, err);
        if (build_id && describe(path, name, &descriptor, err) == 0) {
            info = plugin_info_new(descriptor, path, build_id);
            json_object_set_new(
                plugins, path,
                json_pack("{s:s,s:s,s:o}", "stamp", stamp, "build_id", build_id, "plugin", descriptor));
            c->cache_changed = true;
        }
        ist_free(build_id);
    }
    ist_free(stamp);
    return info;
}

char *catalog_path(const struct catalog *c, const char *name)
{
    // A name is a file's: it leads nowhere else.
    for (size_t i = 0; !strchr(name, '/') && *name != '.' && i < c->place_count; i++) {
        char *path = path_in(&c->places[i], name);
        if (access(path, F_OK) == 0)
            return path;
        ist_free(path);
    }
    return NULL;
}

static int not_found(struct catalog *c, const char *name, ist_error *err)
{
    const char **names;
    size_t count = catalog_names(c, (const char *const **)&names);
    int rc = ist_fail(err, IST_ERR_NOT_FOUND, name, "no such plugin");
    const char *near = nearest(name, names, count);
    if (near)
        ist_hint(err, "did you mean `%s`?", near);
    else
        ist_hint(err, "`isthmus plugin list` names those that are there");
    return rc;
}

const struct plugin_info *catalog_find(struct catalog *c, const char *name, ist_error *err)
{
    for (size_t i = 0; i < c->loaded_count; i++)
        if (!strcmp(c->loaded[i]->name, name))
            return c->loaded[i];
    struct stat st;
    char *path = catalog_path(c, name);
    if (!path || stat(path, &st) < 0) {
        ist_free(path);
        not_found(c, name, err);
        return NULL;
    }
    // One that is refused is not passed over for the next place's: that is not what was meant.
    struct plugin_info *info = read_plugin(c, path, name, &st, err);
    if (info) {
        c->loaded = ist_realloc(c->loaded, c->loaded_count + 1, sizeof(*c->loaded));
        c->loaded[c->loaded_count++] = info;
    }
    ist_free(path);
    return info;
}

// ---- names

static void add_name(struct catalog *c, const char *name, size_t len)
{
    for (size_t i = 0; c->names && i < c->name_count; i++)
        if (strlen(c->names[i]) == len && !strncmp(c->names[i], name, len))
            return;
    c->names = ist_realloc(c->names, c->name_count + 1, sizeof(*c->names));
    c->names[c->name_count++] = ist_strndup(name, len);
}

static void list_place(struct catalog *c, const struct place_of_plugins *place)
{
    DIR *folder = opendir(place->dir);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        size_t len = strlen(entry->d_name);
        if (entry->d_name[0] == '.')
            continue;
        if (place->build) {
            char *path = path_in(place, entry->d_name);
            if (access(path, R_OK) == 0)
                add_name(c, entry->d_name, len);
            ist_free(path);
        } else if (len > 3 && !strcmp(entry->d_name + len - 3, ".so")) {
            add_name(c, entry->d_name, len - 3);
        }
    }
    if (folder)
        closedir(folder);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

size_t catalog_names(struct catalog *c, const char *const **names)
{
    if (!c->names) {
        for (size_t i = 0; i < c->place_count; i++)
            list_place(c, &c->places[i]);
        if (c->names)
            qsort(c->names, c->name_count, sizeof(*c->names), by_name);
    }
    *names = c->names;
    return c->name_count;
}

// ---- the catalog

struct catalog *catalog_new(const char *const *dirs, size_t count, const char *cache)
{
    struct catalog *c = ist_calloc(1, sizeof(*c));
    add_places(c, dirs, count);
    c->cache_path = cache ? ist_strdup(cache) : NULL;
    cache_read(c);
    return c;
}

void catalog_free(struct catalog *c)
{
    if (!c)
        return;
    if (c->cache_changed && c->cache_path)
        cache_write(c);
    for (size_t i = 0; i < c->place_count; i++)
        ist_free(c->places[i].dir);
    for (size_t i = 0; i < c->loaded_count; i++)
        plugin_info_free(c->loaded[i]);
    for (size_t i = 0; i < c->name_count; i++)
        ist_free((void *)(uintptr_t)c->names[i]);
    ist_free(c->places);
    ist_free(c->loaded);
    ist_free(c->names);
    ist_free(c->cache_path);
    json_decref(c->cache);
    ist_free(c);
}

static const ist_field *row_named(const ist_field *fields, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(fields[i].name, name))
            return &fields[i];
    return NULL;
}

const ist_field *plugin_input(const struct plugin_info *info, const char *path)
{
    return row_named(info->inputs, info->input_count, path);
}

const ist_field *plugin_output(const struct plugin_info *info, const char *name)
{
    return row_named(info->outputs, info->output_count, name);
}
