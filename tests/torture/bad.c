// Plugins that are wrong on purpose: compiled once for each way (BAD), they differ in what that word changes.
#include <isthmus/plugin.h>
#include <isthmus/roles/dmvpn-endpoint.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static int32_t nothing(const ist_host *host, ist_call *call)
{
    (void)host;
    (void)call;
    return IST_OK;
}

// Not wrong: tells whether it finds the secret, from the host and in the process's own environment.
static int32_t look_around(const ist_host *host, ist_call *call)
{
    ist_value *seen = host->new_map(call);
    const char *key = host->environment(call, "AWS_SECRET_ACCESS_KEY");
    host->put(seen, "host", key ? host->new_bytes(call, key, strlen(key)) : host->new_null(call));
    host->put(seen, "process", host->new_bool(call, getenv("AWS_SECRET_ACCESS_KEY") != NULL));
    host->put(seen, "other", host->new_bool(call, host->environment(call, "ISTHMUS_TEST_PASSWORD") != NULL));
    host->set_observed(call, seen);
    return IST_OK;
}

static int32_t nothing_for_people(const ist_host *host, ist_call *call, const ist_value *args)
{
    (void)args;
    return nothing(host, call);
}

#ifdef BAD_SYMBOL
int32_t there_is_no_such_function(void);
#define CALL_WHAT_IS_NOT_THERE() there_is_no_such_function()
#else
#define CALL_WHAT_IS_NOT_THERE() 0
#endif

static ist_field inputs[] = {
    {"name", "string", NULL, IST_REQUIRED, "0.1.0", "The name."},
    {"peers", "list(object)", NULL, 0, "0.1.0", "The peers."},
    {"peers[].address", "ipv4", NULL, 0, "0.1.0", "Where a peer is."},
    {"wait", "duration", "30s", 0, "0.1.0", "How long to wait."},
};
static const ist_field outputs[] = {{"id", "string", NULL, 0, "0.1.0", "The id."}};
static ist_option options[] = {{"--from", "POD", "Where from.", 0}};
static ist_command commands[] = {
    {"bad", "list", "Lists nothing.", options, 1, sizeof(ist_option), nothing_for_people},
};

// A table that fulfils the role dmvpn-endpoint, but for the last output when `short_of_one`.
static ist_field role_inputs[128], role_outputs[16];

static uint32_t fill(ist_field *rows, const ist_field *role)
{
    uint32_t n = 0;
    for (; role[n].name; n++)
        rows[n] = (ist_field){role[n].name, role[n].type, NULL, 0, "0.1.0", "Of the role."};
    return n;
}

static ist_plugin plugin = {
    .magic = IST_MAGIC,
    .major = IST_ABI_MAJOR,
    .minor = IST_ABI_MINOR,
    .size = sizeof(ist_plugin),
    .name = "bad-" BAD,
    .version = "0.1.0",
    .build = "",
    .doc = "Wrong on purpose.",
    .inputs = inputs,
    .input_count = sizeof(inputs) / sizeof(*inputs),
    .field_size = sizeof(ist_field),
    .outputs = outputs,
    .output_count = 1,
    .commands = commands,
    .command_count = 1,
    .command_size = sizeof(ist_command),
    .observe = nothing,
    .plan = nothing,
    .apply = nothing,
    .destroy = nothing,
    .verify = nothing,
};

static void take_role(void)
{
    plugin.role = IST_ROLE_DMVPN_ENDPOINT;
    plugin.role_version = IST_ROLE_DMVPN_ENDPOINT_VERSION;
    plugin.inputs = role_inputs;
    plugin.input_count = fill(role_inputs, ist_role_dmvpn_endpoint_inputs);
    plugin.outputs = role_outputs;
    plugin.output_count = fill(role_outputs, ist_role_dmvpn_endpoint_outputs);
}

// Wrong in its head.
static void spoil_head(const char *how)
{
    if (!strcmp(how, "magic"))
        plugin.magic = 0x12345678;
    if (!strcmp(how, "major"))
        plugin.major = IST_ABI_MAJOR + 7;
    if (!strcmp(how, "size"))
        plugin.size = 64;
    if (!strcmp(how, "larger"))
        plugin.size = sizeof(ist_plugin) + 64; // a newer one's: this is not wrong
    if (!strcmp(how, "short"))
        plugin.size = offsetof(ist_plugin, check); // its minor says that there is a check
    if (!strcmp(how, "observe"))
        plugin.observe = NULL;
    if (!strcmp(how, "plan"))
        plugin.plan = NULL;
    if (!strcmp(how, "destroy"))
        plugin.destroy = NULL;
    if (!strcmp(how, "useless"))
        plugin.apply = plugin.destroy = plugin.verify = NULL;
    if (!strcmp(how, "name"))
        plugin.name = "something-else";
    if (!strcmp(how, "version"))
        plugin.version = NULL;
    if (!strcmp(how, "plugin-flags"))
        plugin.flags = 0x80;
    if (!strcmp(how, "watchless"))
        plugin.flags = IST_PLUGIN_RECONFIGURES;
    if (!strcmp(how, "environment"))
        plugin.observe = look_around;
}

// Wrong in its tables.
static void spoil_tables(const char *how)
{
    if (!strcmp(how, "row"))
        plugin.field_size = 8;
    if (!strcmp(how, "rows"))
        plugin.input_count = 1000000;
    if (!strcmp(how, "table"))
        plugin.inputs = NULL;
    if (!strcmp(how, "duplicate"))
        inputs[3].name = "name";
    if (!strcmp(how, "nameless"))
        inputs[0].name = NULL;
    if (!strcmp(how, "type"))
        inputs[0].type = "list(cdir)";
    if (!strcmp(how, "flags"))
        inputs[0].flags = 0x4000;
    if (!strcmp(how, "doc"))
        inputs[0].doc = "";
    if (!strcmp(how, "default"))
        inputs[3].def = "soon";
    if (!strcmp(how, "parent"))
        inputs[1].type = "map(object)";
    if (!strcmp(how, "command"))
        commands[0].run = NULL;
    if (!strcmp(how, "option"))
        options[0].name = "from";
}

static void spoil_role(const char *how)
{
    if (!strcmp(how, "role"))
        plugin.role = "dmvpn-endpiont";
    if (strncmp(how, "role-", 5) != 0)
        return;
    take_role();
    if (!strcmp(how, "role-version"))
        plugin.role_version = 9;
    if (!strcmp(how, "role-output"))
        plugin.output_count--;
    if (!strcmp(how, "role-type"))
        role_inputs[1].type = "string";
}

const ist_plugin *ist_plugin_entry(const ist_host *host)
{
    (void)host;
    if (!strcmp(BAD, "null") || CALL_WHAT_IS_NOT_THERE())
        return NULL;
    if (!strcmp(BAD, "crash")) {
        signal(SIGSEGV, SIG_DFL); // a sanitizer would catch it
        raise(SIGSEGV);
    }
    spoil_head(BAD);
    spoil_tables(BAD);
    spoil_role(BAD);
    return &plugin;
}
