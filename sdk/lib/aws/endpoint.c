// Where a service of a region is. Partitions and global services as AWS's general reference lists them.
#include "internal.h"

#include <string.h>
#include <strings.h>

struct partition {
    const char *prefix; // of its regions
    const char *suffix; // of its host names
    const char *global; // the region that global services are signed with
};

static const struct partition partitions[] = {
    {"cn-", "amazonaws.com.cn", "cn-north-1"},         {"us-gov-", "amazonaws.com", "us-gov-west-1"},
    {"us-isob-", "sc2s.sgov.gov", "us-isob-east-1"},   {"us-iso-", "c2s.ic.gov", "us-iso-east-1"},
    {"us-isof-", "csp.hci.ic.gov", "us-isof-south-1"}, {"eu-isoe-", "cloud.adc-e.uk", "eu-isoe-west-1"},
    {"eusc-", "amazonaws.eu", "eusc-de-east-1"},       {"", "amazonaws.com", "us-east-1"},
};

struct service {
    const char *name, *title;
    const char *id; // in AWS_ENDPOINT_URL_<ID>, and in small letters in a section of services
    int global;
};

static const struct service services[] = {
    {"ec2", "EC2", "EC2", 0},
    {"iam", "IAM", "IAM", 1},
    {"sts", "STS", "STS", 0},
    {"eks", "EKS", "EKS", 0},
    {"cloudformation", "CloudFormation", "CLOUDFORMATION", 0},
    {"ssm", "SSM", "SSM", 0},
    {"elasticloadbalancing", "ELB", "ELASTIC_LOAD_BALANCING", 0},
    {"autoscaling", "AutoScaling", "AUTO_SCALING", 0},
    {"sso", "SSO", "SSO", 0},
};

static const struct service *find_service(const char *name)
{
    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
        if (strcmp(services[i].name, name) == 0)
            return &services[i];
    return NULL;
}

const char *aws_service_title(const char *service)
{
    const struct service *found = find_service(service);
    return found != NULL ? found->title : service;
}

static const struct partition *partition_of(const char *region)
{
    const struct partition *p = partitions;
    while (strncmp(region, p->prefix, strlen(p->prefix)) != 0)
        p++;
    return p; // the last one's prefix is empty
}

static void own_url(const struct partition *p, const struct service *s, const char *name, const char *region,
                    char *url, size_t size)
{
    if (s == NULL || !s->global)
        snprintf(url, size, "https://%s%s.%s.%s", strcmp(name, "sso") == 0 ? "portal." : "", name, region,
                 p->suffix);
    else if (strcmp(p->prefix, "") == 0)
        snprintf(url, size, "https://%s.%s", name, p->suffix);
    else if (strcmp(p->prefix, "us-gov-") == 0)
        snprintf(url, size, "https://%s.us-gov.%s", name, p->suffix);
    else
        snprintf(url, size, "https://%s.%s.%s", name, p->global, p->suffix);
}

// Splits "https://host:port/base" into what a request and its signature need.
static int32_t split(const char *given, struct aws_endpoint *e, ist_error *err)
{
    const char *host = strstr(given, "://");
    if (host == NULL || (strncmp(given, "https://", 8) != 0 && strncmp(given, "http://", 7) != 0))
        return ist_fail(err, IST_ERR_INPUT, given,
                        "an endpoint is a URL such as https://ec2.eu-west-1.amazonaws.com");
    host += 3;
    const size_t host_len = strcspn(host, "/?#");
    size_t path_len = strcspn(host + host_len, "?#");
    while (path_len > 0 && host[host_len + path_len - 1] == '/')
        path_len--;
    if (host_len == 0 || host_len >= sizeof(e->host) || path_len >= sizeof(e->path) ||
        (size_t)(host - given) + host_len >= sizeof(e->url))
        return ist_fail(err, IST_ERR_INPUT, given, "this endpoint is no usable URL");
    snprintf(e->host, sizeof(e->host), "%.*s", (int)host_len, host);
    snprintf(e->path, sizeof(e->path), "%.*s", (int)path_len, host + host_len);
    snprintf(e->url, sizeof(e->url), "%.*s", (int)((size_t)(host - given) + host_len), given);
    // curl leaves the scheme's own port out of Host, and the signature must agree.
    char *port = strrchr(e->host, ':');
    if (port != NULL && strcmp(port, strncmp(given, "https", 5) == 0 ? ":443" : ":80") == 0)
        *port = '\0';
    return IST_OK;
}

static int is_true(const char *text)
{
    return text != NULL && strcasecmp(text, "true") == 0;
}

// What the environment or, after it, the profile names; in both the service's own goes before the one of all. Borrowed;
// NULL: AWS's own. Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
static const char *configured_url(ist_aws *aws, const struct service *s)
{
    const char *profile = aws_profile_name(aws), *url = NULL;
    const char *ignore = aws_env(aws, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
    if (is_true(ignore != NULL ? ignore
                               : aws_profile_setting(aws, profile, "ignore_configured_endpoint_urls")))
        return NULL;
    char name[64], key[64];
    snprintf(name, sizeof(name), "AWS_ENDPOINT_URL_%s", s != NULL ? s->id : "");
    snprintf(key, sizeof(key), "%s.endpoint_url", s != NULL ? s->id : "");
    for (char *c = key; *c != '\0'; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
    if (s != NULL)
        url = aws_env(aws, name);
    if (url == NULL)
        url = aws_env(aws, "AWS_ENDPOINT_URL");
    const char *chosen = url == NULL && s != NULL ? aws_profile_setting(aws, profile, "services") : NULL;
    if (chosen != NULL) {
        char *section = ist_printf(AWS_SERVICES "%s", chosen);
        url = aws_profile_setting(aws, section, key);
        ist_free(section);
    }
    return url != NULL ? url : aws_profile_setting(aws, profile, "endpoint_url");
}

int32_t aws_endpoint(ist_aws *aws, const char *service, const char *region, struct aws_endpoint *endpoint,
                     ist_error *err)
{
    const char *where = region != NULL ? region : aws->region;
    struct aws_endpoint e = {0};
    const struct service *s = find_service(service);
    const struct partition *p = partition_of(where);
    char own[512];
    const char *given = aws->options.endpoint;
    if (given == NULL)
        given = configured_url(aws, s);
    if (given == NULL) {
        own_url(p, s, service, where, own, sizeof(own));
        given = own;
    }
    const int32_t rc = split(given, &e, err);
    if (rc != IST_OK)
        return rc;
    snprintf(e.signing_region, sizeof(e.signing_region), "%s", s != NULL && s->global ? p->global : where);
    *endpoint = e;
    return IST_OK;
}
