// A catalog of made-up plugins, for tests of the configuration.
#include "fake_catalog.h"

#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static ist_field net_in[] = {
    {"name", "string", NULL, IST_REQUIRED, "1", "its name"},
    {"cidr", "cidr", "10.0.0.0/16", 0, "1", "its prefix"},
    {"extra", "set(cidr)", NULL, 0, "1", "more prefixes"},
    {"count", "int", NULL, 0, "1", "how many"},
    {"file", "path", NULL, 0, "1", "a file"},
    {"files", "map(path)", NULL, 0, "1", "files"},
    {"wait", "duration", "5m", 0, "1", "how long"},
    {"mode", "enum(fast|slow)", "fast", 0, "1", "how"},
    {"on", "bool", "true", 0, "1", "whether"},
    {"note", "any", NULL, 0, "1", "anything"},
    {"old", "string", NULL, IST_DEPRECATED, "1", "use name"},
    {"kubeconfig", "kubeconfig", NULL, IST_SECRET, "1", "a kubeconfig"},
    {"hosts", "list(string)", NULL, 0, "1", "hosts"},
    {"DmvpnIp", "any", NULL, IST_ELSEWHERE, "1", "not here"},
};
static ist_field net_out[] = {
    {"id", "string", NULL, 0, "1", "its id"},
    {"routes", "list(string)", NULL, 0, "1", "tables"},
    {"size", "int", NULL, 0, "1", "how large"},
    {"token", "secret", NULL, IST_SECRET, "1", "a token"},
};
static ist_field router_in[] = {
    {"DmvpnIp", "ipv4", NULL, IST_REQUIRED, "1", "tunnel address"},
    {"nhrp", "object", NULL, IST_REQUIRED, "1", "NHRP"},
    {"nhrp.key", "secret", NULL, IST_SECRET, "1", "key"},
    {"nhrp.HubTunnelIP", "ipv4", NULL, IST_REQUIRED, "1", "hub"},
    {"ssh", "object", NULL, 0, "1", "how it is reached"},
    {"ssh.port", "int", "22", 0, "1", "port"},
    {"ssh.user", "string", "ec2-user", 0, "1", "user"},
    {"tls", "object", NULL, 0, "1", "optional as a whole"},
    {"tls.cert", "path", NULL, IST_REQUIRED, "1", "certificate"},
    {"tls.depth", "int", "3", 0, "1", "depth"},
    {"subnets", "list(string)", NULL, 0, "1", "subnets"},
};
static ist_field router_out[] = {
    {"next_hop", "next-hop", NULL, 0, "1", "next hop"},
    {"tunnel_address", "ipv4", NULL, 0, "1", "address"},
    {"serial", "string", NULL, 0, "1", "beyond the role"},
};
static ist_field app_in[] = {
    {"clusters", "list(object)", NULL, IST_REQUIRED, "1", "clusters"},
    {"clusters[].name", "string", NULL, IST_REQUIRED, "1", "name"},
    {"clusters[].services", "list(object)", NULL, 0, "1", "services"},
    {"clusters[].services[].namespace", "string", NULL, IST_REQUIRED, "1", "namespace"},
    {"pods", "map(object)", NULL, 0, "1", "by name"},
    {"pods{}.image", "string", NULL, IST_REQUIRED, "1", "image"},
    {"pods{}.port", "int", "80", 0, "1", "port"},
    {"kubeconfigs", "map(kubeconfig)", NULL, IST_SECRET, "1", "kubeconfigs"},
    {"next_hop", "next-hop", NULL, 0, "1", "next hop"},
};
static struct plugin_info plugins[] = {
    {.name = (char *)"app", .version = (char *)"1", .inputs = app_in, .input_count = COUNT(app_in)},
    {.name = (char *)"net",
     .version = (char *)"1",
     .inputs = net_in,
     .input_count = COUNT(net_in),
     .outputs = net_out,
     .output_count = COUNT(net_out)},
    {.name = (char *)"router",
     .version = (char *)"1",
     .role = (char *)"dmvpn-endpoint",
     .role_version = 1,
     .inputs = router_in,
     .input_count = COUNT(router_in),
     .outputs = router_out,
     .output_count = COUNT(router_out)},
};

struct catalog {
    int unused;
};
static struct catalog only;

struct catalog *fake_catalog(void)
{
    return &only;
}

const struct plugin_info *catalog_find(struct catalog *catalog, const char *name, ist_error *err)
{
    (void)catalog;
    for (size_t i = 0; i < COUNT(plugins); i++)
        if (strcmp(plugins[i].name, name) == 0)
            return &plugins[i];
    ist_fail(err, IST_ERR_NOT_FOUND, name, "no plugin `%s`", name);
    return NULL;
}

static const ist_field *field(const ist_field *fields, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

const ist_field *plugin_input(const struct plugin_info *info, const char *path)
{
    return field(info->inputs, info->input_count, path);
}

const ist_field *plugin_output(const struct plugin_info *info, const char *name)
{
    return field(info->outputs, info->output_count, name);
}
