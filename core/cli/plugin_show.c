// `isthmus plugin list` and `plugin show NAME`: everything that a plugin's tables say, for people, for programs
// and for editors.
#include "cli/cli.h"
#include "cli/permissions.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>
#include <isthmus/schema.h>

#include <stdlib.h>
#include <string.h>

static const char *output_format(const struct cli *cli)
{
    const char *format = cli_value(cli, OPT_OUTPUT);
    return format ? format : "text";
}

static void print_json(json_t *json, const char *format)
{
    char *text = json_dumps(json, !strcmp(format, "jsonl") ? JSON_COMPACT : JSON_INDENT(2));
    puts(text);
    free(text);
    json_decref(json);
}

static void say_error(const ist_error *err)
{
    cli_error(*err->hint ? err->hint : NULL, "%s: %s", err->where, err->text);
}

// ---- list

int cmd_plugin_list(const struct cli *cli)
{
    const char *format = output_format(cli);
    const bool text = !strcmp(format, "text");
    struct catalog *catalog = cli_catalog(NULL);
    const char *const *names;
    json_t *list = json_array();
    size_t count = catalog_names(catalog, &names);
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        ist_error err;
        const struct plugin_info *info = catalog_find(catalog, names[i], &err);
        if (!info) {
            say_error(&err); // one that is broken does not hide the others
            rc = 1;
            continue;
        }
        if (text)
            printf("%-16s %-8s %s\n", info->name, info->version, info->doc);
        json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s?,s:s,s:s}", "name", info->name, "version",
                                              info->version, "doc", info->doc, "role", info->role, "path",
                                              info->path, "build", info->build));
    }
    if (text)
        json_decref(list);
    else
        print_json(list, format);
    if (text && !count)
        printf("no plugin was found\n");
    catalog_free(catalog);
    return rc;
}

// ---- show: words that text and man share

// "required, secret": into text; "" for none.
static const char *flags_text(uint32_t flags, char *text, size_t size)
{
    static const struct {
        uint32_t flag;
        const char *word;
    } words[] = {{IST_REQUIRED, "required"},
                 {IST_SECRET, "secret"},
                 {IST_FORCES_REPLACE, "a change replaces"},
                 {IST_ELSEWHERE, "no effect here"},
                 {IST_DEPRECATED, "deprecated"},
                 {IST_WRITTEN, "written"}};
    size_t n = 0;
    text[0] = '\0';
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (flags & words[i].flag && n < size)
            n += (size_t)snprintf(text + n, size - n, "%s%s", n ? ", " : "", words[i].word);
    return text;
}

static char *operations_text(const struct plugin_info *info)
{
    return ist_printf("observe, plan%s%s%s%s", info->has_apply ? ", apply, destroy" : "",
                      info->has_verify ? ", verify" : "", info->has_watch ? ", watch" : "",
                      info->has_check ? ", check" : "");
}

// ---- show: text

static void print_fields(const char *title, const ist_field *fields, size_t count)
{
    char flags[128];
    printf("\n%s\n", title);
    for (size_t i = 0; i < count; i++) {
        const ist_field *f = &fields[i];
        flags_text(f->flags, flags, sizeof(flags));
        printf("  %-32s %s%s%s%s%s\n", f->name, f->type, *flags ? "; " : "", flags,
               f->def ? "; default: " : "", f->def ? (*f->def ? f->def : "\"\"") : "");
        printf("      %s\n", f->doc);
    }
}

static void print_commands(const json_t *commands)
{
    size_t i, k;
    json_t *command, *option;
    if (json_array_size(commands))
        printf("\nCommands\n");
    json_array_foreach(commands, i, command)
    {
        printf("  isthmus %s %s\n      %s\n", ist_json_str_or(command, "word", ""),
               ist_json_str_or(command, "name", ""), ist_json_str_or(command, "doc", ""));
        json_array_foreach(json_object_get(command, "options"), k, option)
            printf("      %s %s  %s\n", ist_json_str_or(option, "name", ""),
                   ist_json_str_or(option, "arg", ""), ist_json_str_or(option, "doc", ""));
    }
}

static void show_text(const struct plugin_info *info)
{
    char *operations = operations_text(info);
    printf("%s %s\n  %s\n\n", info->name, info->version, info->doc);
    printf("  operations  %s\n", operations);
    if (info->role)
        printf("  role        %s, version %u\n", info->role, info->role_version);
    printf("  ABI         %u.%u\n  build       %s\n  file        %s\n", info->abi_major, info->abi_minor,
           info->build, info->path);
    print_fields("Inputs", info->inputs, info->input_count);
    print_fields("Outputs", info->outputs, info->output_count);
    print_commands(info->commands);
    ist_free(operations);
}

// ---- show: man

// A dot or quote at the beginning of a line, a backslash and a hyphen mean something to roff.
static void roff(const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", stdout);
    for (; *text; text++) {
        if (*text == '\\' || *text == '-')
            putchar('\\');
        putchar(*text);
        if (*text == '\\')
            putchar('e');
    }
}

static void man_fields(const char *title, const ist_field *fields, size_t count)
{
    char flags[128];
    if (count)
        printf(".SH %s\n", title);
    for (size_t i = 0; i < count; i++) {
        const ist_field *f = &fields[i];
        printf(".TP\n.BR \"");
        roff(f->name);
        printf("\" \" (");
        roff(f->type);
        if (*flags_text(f->flags, flags, sizeof(flags)))
            printf("; %s", flags);
        printf(")\"\n");
        roff(f->doc);
        if (f->def) {
            printf("\nDefault: ");
            roff(*f->def ? f->def : "empty");
            putchar('.');
        }
        putchar('\n');
    }
}

static void man_options(const json_t *options)
{
    size_t i;
    json_t *option;
    if (json_array_size(options))
        printf(".RS\n");
    json_array_foreach(options, i, option)
    {
        printf(".TP\n.B ");
        roff(ist_json_str_or(option, "name", ""));
        putchar(' ');
        roff(ist_json_str_or(option, "arg", ""));
        putchar('\n');
        roff(ist_json_str_or(option, "doc", ""));
        putchar('\n');
    }
    if (json_array_size(options))
        printf(".RE\n");
}

static void man_commands(const json_t *commands)
{
    size_t i;
    json_t *command;
    if (json_array_size(commands))
        printf(".SH COMMANDS\n");
    json_array_foreach(commands, i, command)
    {
        printf(".TP\n.B isthmus ");
        roff(ist_json_str_or(command, "word", ""));
        putchar(' ');
        roff(ist_json_str_or(command, "name", ""));
        putchar('\n');
        roff(ist_json_str_or(command, "doc", ""));
        putchar('\n');
        man_options(json_object_get(command, "options"));
    }
}

static void show_man(const struct plugin_info *info)
{
    char *operations = operations_text(info);
    printf(".TH ISTHMUS-");
    for (const char *p = info->name; *p; p++)
        *p == '-' ? (void)fputs("\\-", stdout) : (void)putchar(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
    printf(" 7 \"\" \"isthmus %s\" \"Isthmus plugins\"\n.SH NAME\nisthmus-", info->version);
    roff(info->name);
    printf(" \\- ");
    roff(info->doc);
    printf("\n.SH SYNOPSIS\n.nf\nsteps:\n  NAME:\n    plugin: ");
    roff(info->name);
    printf("\n    with: {...}\n.fi\n.SH DESCRIPTION\nOperations: %s.\n", operations);
    if (info->role)
        printf(
            "It fulfils the role \\fB%s\\fR, version %u: another plugin of that role may take its place.\n",
            info->role, info->role_version);
    man_fields("INPUTS", info->inputs, info->input_count);
    man_fields("OUTPUTS", info->outputs, info->output_count);
    man_commands(info->commands);
    printf(".SH SEE ALSO\n.BR isthmus (1)\n");
    ist_free(operations);
}

// ---- show: JSON

static json_t *fields_json(const ist_field *fields, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(
            list,
            json_pack("{s:s,s:s,s:s?,s:b,s:b,s:b,s:b,s:b,s:b,s:s?,s:s}", "name", fields[i].name, "type",
                      fields[i].type, "default", fields[i].def, "required",
                      (fields[i].flags & IST_REQUIRED) != 0, "secret", (fields[i].flags & IST_SECRET) != 0,
                      "forces_replace", (fields[i].flags & IST_FORCES_REPLACE) != 0, "elsewhere",
                      (fields[i].flags & IST_ELSEWHERE) != 0, "deprecated",
                      (fields[i].flags & IST_DEPRECATED) != 0, "written",
                      (fields[i].flags & IST_WRITTEN) != 0, "since", fields[i].since, "doc", fields[i].doc));
    return list;
}

static json_t *show_json(const struct plugin_info *info)
{
    char *operations = operations_text(info);
    json_t *json =
        json_pack("{s:s,s:s,s:s,s:s,s:s,s:s?,s:i,s:[i,i],s:i,s:s,s:o,s:o,s:O?,s:O?}", "name", info->name,
                  "version", info->version, "build", info->build, "path", info->path, "doc", info->doc,
                  "role", info->role, "role_version", (int)info->role_version, "abi", (int)info->abi_major,
                  (int)info->abi_minor, "record_version", (int)info->record_version, "operations", operations,
                  "inputs", fields_json(info->inputs, info->input_count), "outputs",
                  fields_json(info->outputs, info->output_count), "commands", info->commands, "permissions",
                  info->permissions);
    ist_free(operations);
    return json;
}

int cmd_plugin_show(const struct cli *cli)
{
    ist_error err;
    const char *format = output_format(cli);
    struct catalog *catalog = cli_catalog(NULL);
    const struct plugin_info *info = catalog_find(catalog, cli_arg(cli, 0), &err);
    int rc = info ? 0 : 1;
    if (!info)
        say_error(&err);
    else if (cli_has(cli, OPT_RBAC))
        rc = permissions_rbac(info, format);
    else if (cli_has(cli, OPT_IAM_POLICY))
        rc = permissions_policy(info);
    else if (!strcmp(format, "schema"))
        print_json(ist_fields_schema(info->inputs, info->input_count), "json");
    else if (!strcmp(format, "man"))
        show_man(info);
    else if (!strcmp(format, "text"))
        show_text(info);
    else
        print_json(show_json(info), format);
    catalog_free(catalog);
    return rc;
}
