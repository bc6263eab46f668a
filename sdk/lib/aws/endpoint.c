// Where a service of a region is. Partitions and global services as AWS's general reference lists them.
#include "internal.h"

#include <string.h>
#include <strings.h>

struct partition {
    const char *prefix; // of its regions
    const char *suffix; // of its host names
    const char *dual;   // of those that have IPv6 addresses too
    const char *global; // the region that global services are signed with
};

static const struct partition partitions[] = {
    {"cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn", "cn-north-1"},
    {"us-gov-", "amazonaws.com", "api.aws", "us-gov-west-1"},
    {"us-isob-", "sc2s.sgov.gov", "api.aws.scloud", "us-isob-east-1"},
    {"us-iso-", "c2s.ic.gov", "api.aws.ic.gov", "us-iso-east-1"},
    {"us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov", "us-isof-south-1"},
    {"eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk", "eu-isoe-west-1"},
    {"eusc-", "amazonaws.eu", "api.amazonwebservices.eu", "eusc-de-east-1"},
    {"", "amazonaws.com", "api.aws", "us-east-1"},
};

struct service {
    const char *name, *title;
    const char *id;   // in AWS_ENDPOINT_URL_<ID>, and in small letters in a section of services
    const char *host; // its host's first words
    const char *fips; // those of the one with FIPS 140 cryptography, outside GovCloud; NULL: "host-fips"
    int global;
};

static const struct service services[] = {
    {"ec2", "EC2", "EC2", "ec2", NULL, 0},
    {"iam", "IAM", "IAM", "iam", NULL, 1},
    {"sts", "STS", "STS", "sts", NULL, 0},
    {"eks", "EKS", "EKS", "eks", "fips.eks", 0},
    {"cloudformation", "CloudFormation", "CLOUDFORMATION", "cloudformation", NULL, 0},
    {"ssm", "SSM", "SSM", "ssm", NULL, 0},
    {"elasticloadbalancing", "ELB", "ELASTIC_LOAD_BALANCING", "elasticloadbalancing", NULL, 0},
    {"autoscaling", "AutoScaling", "AUTO_SCALING", "autoscaling", NULL, 0},
    {"servicequotas", "Service Quotas", "SERVICE_QUOTAS", "servicequotas", NULL, 0},
    {"sso", "SSO", "SSO", "portal.sso", NULL, 0},
    {"sso-oidc", "SSO OIDC", "SSO_OIDC", "oidc", NULL, 0},
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

static int is_true(const char *text)
{
    return text != NULL && strcasecmp(text, "true") == 0;
}

// A yes or no of the environment or, where that says nothing, of the profile.
static int is_wanted(ist_aws *aws, const char *variable, const char *key)
{
    const char *said = aws_env(aws, variable);
    return is_true(said != NULL ? said : aws_profile_setting(aws, aws_profile_name(aws), key));
}

// Which of AWS's own endpoints are asked for.
// Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-endpoints.html
struct kind {
    int fips, dual;
};

static struct kind wanted_kind(ist_aws *aws)
{
    return (struct kind){is_wanted(aws, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"),
                         is_wanted(aws, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint")};
}

// IAM's and their like's: one of a partition.
static void global_url(const struct partition *p, const char *host, struct kind kind, char *url, size_t size)
{
    if (strcmp(p->prefix, "us-gov-") == 0) // which is FIPS as it is
        snprintf(url, size, "https://iam.us-gov.%s", kind.dual ? p->dual : p->suffix);
    else if (kind.dual)
        snprintf(url, size, "https://%s.%s%s", host,
                 *p->prefix == '\0' || strcmp(p->prefix, "cn-") == 0 ? "global." : "", p->dual);
    else if (*p->prefix == '\0')
        snprintf(url, size, "https://%s.%s", host, p->suffix);
    else
        snprintf(url, size, "https://%s.%s.%s", host, p->global, p->suffix);
}

// Where it is by AWS's own rules, for each service the same but for what the table of services says.
static void own_url(const struct partition *p, const struct service *s, const char *name, const char *region,
                    struct kind kind, char *url, size_t size)
{
    char host[64];
    snprintf(host, sizeof(host), "%s", s != NULL ? s->host : name);
    const int gov = strcmp(p->prefix, "us-gov-") == 0;
    if (kind.fips && !kind.dual && *p->prefix == '\0' && s != NULL && s->fips != NULL)
        snprintf(host, sizeof(host), "%s", s->fips);
    else if (kind.fips && (kind.dual || !gov)) // GovCloud's are FIPS without saying so
        snprintf(host, sizeof(host), "%s-fips", s != NULL ? s->host : name);
    if (s != NULL && s->global)
        global_url(p, host, kind, url, size);
    else
        snprintf(url, size, "https://%s.%s.%s", host, region, kind.dual ? p->dual : p->suffix);
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
    if (memchr(host, '@', host_len) != NULL) { // not to be quoted
        ist_fail(err, IST_ERR_INPUT, "AWS endpoint",
                 "a user or a password has no place in an endpoint's URL");
        return IST_ERR_INPUT;
    }
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

// What the environment or, after it, the profile names; in both the service's own goes before the one of all. Borrowed;
// NULL: AWS's own. Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
static const char *configured_url(ist_aws *aws, const struct service *s)
{
    const char *profile = aws_profile_name(aws), *url = NULL;
    if (is_wanted(aws, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls"))
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
    const struct kind kind = wanted_kind(aws);
    char own[512];
    const char *given = aws->options.endpoint;
    if (given == NULL)
        given = configured_url(aws, s);
    if (given == NULL) {
        own_url(p, s, service, where, kind, own, sizeof(own));
        given = own;
    } else if (kind.fips || kind.dual) { // AWS's own tools do not guess what was meant, either
        ist_fail(err, IST_ERR_INPUT, given,
                 "this endpoint is set for %s, and %s endpoints of AWS's own are asked for",
                 aws_service_title(service), kind.fips ? "FIPS" : "dual-stack");
        ist_hint(err, "unset the endpoint, or %s",
                 kind.fips ? "AWS_USE_FIPS_ENDPOINT (use_fips_endpoint)"
                           : "AWS_USE_DUALSTACK_ENDPOINT (use_dualstack_endpoint)");
        return IST_ERR_INPUT;
    }
    const int32_t rc = split(given, &e, err);
    if (rc != IST_OK)
        return rc;
    snprintf(e.signing_region, sizeof(e.signing_region), "%s", s != NULL && s->global ? p->global : where);
    *endpoint = e;
    return IST_OK;
}
