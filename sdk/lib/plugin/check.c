// A plugin's check of its inputs: what is known of them, and what is said of them.
#include <isthmus/alloc.h>
#include <isthmus/check.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOWN_MAX 16

struct ist_checking {
    ist_env env;
    json_t *inputs, *unknown; // owned
    size_t errors;
    ist_net_bar shown[SHOWN_MAX]; // names owned
    size_t shown_count;
    json_t *drawn; // object: names of the networks that a picture has shown already; owned
};

ist_checking *ist_checking_new(const ist_env *env)
{
    ist_checking *c = ist_calloc(1, sizeof(*c));
    c->env = *env;
    c->inputs = ist_inputs(env);
    c->drawn = json_object();
    if (IST_HAS(env->host, unknown) && env->host->unknown)
        c->unknown = ist_json(env, env->host->unknown(env->call));
    return c;
}

int32_t ist_checking_end(ist_checking *c)
{
    int32_t rc = c->errors ? IST_ERR_INPUT : IST_OK;
    json_decref(c->inputs);
    json_decref(c->unknown);
    json_decref(c->drawn);
    for (size_t i = 0; i < c->shown_count; i++)
        ist_free((char *)(uintptr_t)c->shown[i].name);
    ist_free(c);
    return rc;
}

const ist_env *ist_checking_env(const ist_checking *c)
{
    return &c->env;
}

const json_t *ist_checking_inputs(const ist_checking *c)
{
    return c->inputs;
}

const json_t *ist_checking_at(const ist_checking *c, const char *path)
{
    return ist_json_at(c->inputs, path);
}

const char *ist_checking_text(const ist_checking *c, const char *path)
{
    return ist_json_str(c->inputs, path);
}

// Is `inner` the same as `outer`, or below it?
static int within(const char *outer, const char *inner)
{
    size_t n = strlen(outer);
    return strncmp(outer, inner, n) == 0 && (!inner[n] || inner[n] == '.' || inner[n] == '[' || !n);
}

int ist_is_known(const ist_checking *c, const char *path)
{
    for (size_t i = 0; i < json_array_size(c->unknown); i++) {
        const char *one = json_string_value(json_array_get(c->unknown, i));
        if (one && (within(one, path) || within(path, one)))
            return 0;
    }
    return 1;
}

// ---- saying

static void __attribute__((format(printf, 5, 0)))
say(ist_checking *c, uint32_t level, const char *path, const char *hint, const char *format, va_list args)
{
    char *text = ist_vprintf(format, args);
    c->errors += level == IST_LOG_ERROR;
    // An older host has fail() alone: the first that is wrong, and warnings as lines of the log.
    if (IST_HAS(c->env.host, problem) && c->env.host->problem)
        c->env.host->problem(c->env.call, level, path, text, hint);
    else if (level == IST_LOG_WARN)
        ist_log(&c->env, level, "%s: %s", path, text);
    else if (c->errors == 1)
        c->env.host->fail(c->env.call, IST_ERR_INPUT, path, text, hint);
    ist_free(text);
}

#define SAY(level, path, hint)                                                                               \
    va_list args;                                                                                            \
    va_start(args, format);                                                                                  \
    say(c, (level), (path), (hint), format, args);                                                           \
    va_end(args)

void ist_wrong(ist_checking *c, const char *path, const char *format, ...)
{
    SAY(IST_LOG_ERROR, path, NULL);
}

void ist_unwise(ist_checking *c, const char *path, const char *format, ...)
{
    SAY(IST_LOG_WARN, path, NULL);
}

void ist_wrong_hint(ist_checking *c, const char *path, const char *hint, const char *format, ...)
{
    SAY(IST_LOG_ERROR, path, hint);
}

void ist_unwise_hint(ist_checking *c, const char *path, const char *hint, const char *format, ...)
{
    SAY(IST_LOG_WARN, path, hint);
}

// ---- what many need

int ist_check_range(ist_checking *c, const char *path, int64_t least, int64_t most)
{
    const json_t *value = ist_checking_at(c, path);
    json_int_t i = json_integer_value(value);
    if (!json_is_integer(value) || (i >= least && i <= most))
        return 1;
    ist_wrong(c, path, "expected a number from %lld to %lld, found %lld", (long long)least, (long long)most,
              (long long)i);
    return 0;
}

int ist_check_line(ist_checking *c, const char *path)
{
    const json_t *value = ist_checking_at(c, path);
    const unsigned char *text = (const unsigned char *)json_string_value(value);
    size_t len = json_string_length(value);
    for (size_t i = 0; text && i < len; i++) {
        if (text[i] >= 0x20 && text[i] != 0x7f)
            continue;
        ist_wrong(c, path, "holds %s at character %zu: it has to be one plain line",
                  text[i] == '\n' || text[i] == '\r' ? "the end of a line" : "a control character", i + 1);
        return 0;
    }
    return 1;
}

int ist_check_file_text(ist_checking *c, const char *path, const char *file, const char *what)
{
    struct stat info;
    const char *why = NULL;
    if (stat(file, &info) < 0 || access(file, R_OK) < 0)
        why = strerror(errno);
    else if (S_ISDIR(info.st_mode))
        why = "it is a folder";
    if (why)
        ist_wrong(c, path, "%s %s cannot be read: %s", what, file, why);
    return !why;
}

int ist_check_file(ist_checking *c, const char *path, const char *what)
{
    const char *file = ist_checking_text(c, path);
    return !file || !*file || ist_check_file_text(c, path, file, what);
}

int ist_check_dns_label(ist_checking *c, const char *path)
{
    return ist_check_dns_label_text(c, path, ist_checking_text(c, path));
}

int ist_check_dns_label_text(ist_checking *c, const char *path, const char *text)
{
    if (!text)
        return 1;
    size_t len = strlen(text);
    int good = len && len <= 63 && text[0] != '-' && text[len - 1] != '-' &&
               strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
    if (!good)
        ist_wrong(
            c, path,
            "\"%s\" is no name that Kubernetes takes: at most 63 of a-z, 0-9 and -, which is neither first "
            "nor last",
            text);
    return good;
}

int ist_check_mask(ist_checking *c, const char *path, int wildcard, int *prefix)
{
    const char *text = ist_checking_text(c, path);
    ist_net4 net;
    if (!text)
        return 1;
    int ones = 0;
    int good = ist_net4_parse(text, &net, NULL) == IST_OK && !strchr(text, '/');
    uint32_t mask = good ? wildcard ? ~net.address : net.address : 0;
    while (ones < 32 && mask & 0x80000000u >> ones)
        ones++;
    good = good && mask == (ones ? 0xffffffffu << (32 - ones) : 0);
    if (!good)
        ist_wrong(c, path, "%s is no %s (as %s)", text, wildcard ? "wildcard mask" : "mask",
                  wildcard ? "0.0.0.255" : "255.255.255.0");
    else if (prefix)
        *prefix = ones;
    return good;
}

int ist_checking_net(const ist_checking *c, const char *path, ist_net4 *net)
{
    const char *text = ist_checking_text(c, path);
    return text && ist_net4_parse(text, net, NULL) == IST_OK;
}

int ist_check_eks_name(ist_checking *c, const char *path)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    const char *name = ist_checking_text(c, path);
    size_t len = name ? strlen(name) : 0;
    if (!name || (len && len <= 100 && !strchr("-_", name[0]) && strspn(name, letters) == len))
        return 1;
    ist_wrong(
        c, path,
        "\"%s\" is no name of an EKS cluster: 1 to 100 letters, digits, - and _, with a letter or a digit "
        "first",
        name);
    return 0;
}

int ist_check_vpc(ist_checking *c, const char *path)
{
    ist_net4 vpc;
    if (!ist_checking_net(c, path, &vpc) || (vpc.prefix >= 16 && vpc.prefix <= 28))
        return 1;
    ist_wrong(c, path, "%s: AWS takes VPCs from /16 to /28", ist_checking_text(c, path));
    return 0;
}

int ist_check_subnets(ist_checking *c, const char *vpc, const char *const *lists, size_t count)
{
    char path[128], other[128];
    int good = 1;
    for (size_t l = 0; l < count; l++) {
        for (size_t i = 0; i < json_array_size(ist_checking_at(c, lists[l])); i++) {
            ist_net4 whole, net;
            snprintf(path, sizeof(path), "%s[%zu]", lists[l], i);
            if (!ist_checking_net(c, path, &net))
                continue;
            int fits = 1;
            if (ist_checking_net(c, vpc, &whole) &&
                (net.prefix < whole.prefix || !ist_net4_contains(whole, net.address))) {
                ist_wrong(c, path, "%s is not within the VPC's %s (`%s`)", ist_checking_text(c, path),
                          ist_checking_text(c, vpc), vpc);
                fits = 0;
            }
            if (net.prefix < 16 || net.prefix > 28) {
                ist_wrong(c, path, "%s: AWS takes subnets from /16 to /28", ist_checking_text(c, path));
                fits = 0;
            }
            for (size_t k = 0; k <= l && fits; k++) {
                size_t end = k < l ? json_array_size(ist_checking_at(c, lists[k])) : i;
                for (size_t j = 0; j < end && fits; j++) {
                    snprintf(other, sizeof(other), "%s[%zu]", lists[k], j);
                    fits = ist_check_apart(c, other, path, "");
                }
            }
            good &= fits;
        }
    }
    return good;
}

// ---- networks that overlap

void ist_checking_shows_net(ist_checking *c, ist_net4 net, const char *name)
{
    if (c->shown_count < SHOWN_MAX)
        c->shown[c->shown_count++] = (ist_net_bar){ist_strdup(name), net};
}

void ist_checking_shows(ist_checking *c, const char *path)
{
    ist_net4 net;
    if (ist_checking_net(c, path, &net))
        ist_checking_shows_net(c, net, path);
}

static size_t add_bar(ist_net_bar *bars, size_t count, ist_net_bar bar)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(bars[i].name, bar.name) == 0)
            return count;
    }
    bars[count] = bar;
    return count + 1;
}

// The two, and what is to be shown beside them: once, however many of them overlap. The caller's, NULL: it has been shown.
static char *picture_of(ist_checking *c, ist_net_bar a, ist_net_bar b)
{
    ist_net_bar bars[SHOWN_MAX + 2];
    size_t count = 0;
    if (json_object_get(c->drawn, a.name) && json_object_get(c->drawn, b.name))
        return NULL;
    for (size_t i = 0; i < c->shown_count; i++)
        count = add_bar(bars, count, c->shown[i]);
    count = add_bar(bars, add_bar(bars, count, a), b);
    for (size_t i = 0; i < count; i++)
        json_object_set_new(c->drawn, bars[i].name, json_true());
    return ist_net_picture(bars, count);
}

// Says that the network at `other` overlaps with another, `what`, if it does.
static int are_apart(ist_checking *c, ist_net_bar one, const char *what, const char *other, const char *hint)
{
    ist_net4 net;
    char text[19];
    if (!ist_checking_net(c, other, &net) || !ist_net4_overlap(one.net, net))
        return 1;
    char *picture = picture_of(c, one, (ist_net_bar){other, net});
    char *said = hint && picture ? ist_printf("%s\n%s", hint, picture) : NULL;
    ist_net4_text(one.net, text);
    ist_wrong_hint(c, other,
                   said      ? said
                   : picture ? picture
                             : hint,
                   "%s overlaps with %s%s", ist_checking_text(c, other), text, what);
    ist_free(said);
    ist_free(picture);
    return 0;
}

static int paths_are_apart(ist_checking *c, const char *path, const char *other, const char *why,
                           const char *hint)
{
    ist_net4 net;
    if (!ist_checking_net(c, path, &net))
        return 1;
    char *what = ist_printf(" of `%s`%s%s", path, *why ? ": " : "", why);
    const int good = are_apart(c, (ist_net_bar){path, net}, what, other, hint);
    ist_free(what);
    return good;
}

int ist_check_apart(ist_checking *c, const char *path, const char *other, const char *why)
{
    return paths_are_apart(c, path, other, why, NULL);
}

int ist_check_apart_from(ist_checking *c, ist_net4 net, const char *name, const char *what, const char *other)
{
    char *said = ist_printf(", %s", what);
    const int good = are_apart(c, (ist_net_bar){name, net}, said, other, NULL);
    ist_free(said);
    return good;
}

int ist_check_on_prem(ist_checking *c, const char *why)
{
    return paths_are_apart(c, "onPremCidr", "onPremPodCidr", why,
                           "leave `onPremPodCidr` out where pods have addresses of the nodes' network");
}
