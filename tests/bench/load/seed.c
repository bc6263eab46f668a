// What the measurements begin with, made fast: services with their slices; pods with addresses, and policies.
#include "load.h"

#define SEED_FLIGHT 64

struct seeding {
    struct load *load;
    struct load_server *server;
    size_t at, count, addresses, namespaces;
    int cluster;
    const char *ns;
};

static void post(struct seeding *s, char *path, char *body)
{
    load_send(s->load, s->server, "POST", path, body, NULL, NULL);
}

static void namespace(struct seeding *s, const char *name)
{
    post(s, ist_strdup("/api/v1/namespaces"),
         ist_printf("{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"%s\"}}", name));
    while (s->server->flying > 0)
        load_drive(s->load, 100);
}

// Addresses are 10.(service / 256).(service % 256).(1...): what churn changes stays in 10.99.0.0/16.
static void slice(struct seeding *s, size_t service)
{
    ist_buf body = {0};
    ist_buf_printf(
        &body,
        "{\"apiVersion\":\"discovery.k8s.io/v1\",\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":"
        "\"s%zu-0\",\"namespace\":\"%s\",\"labels\":{\"kubernetes.io/service-name\":\"s%zu\"}},"
        "\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"http\",\"port\":8080,\"protocol\":\"TCP\"}"
        "],\"endpoints\":[",
        service, s->ns, service);
    for (size_t i = 0; i < s->addresses; i++)
        ist_buf_printf(
            &body,
            "%s{\"addresses\":[\"10.%zu.%zu.%zu\"],\"conditions\":{\"ready\":true,\"serving\":true,"
            "\"terminating\":false},\"nodeName\":\"node-%zu\",\"targetRef\":{\"kind\":\"Pod\","
            "\"name\":\"s%zu-%zu\",\"namespace\":\"%s\"}}",
            i ? "," : "", service / 256, service % 256, i + 1, i, service, i, s->ns);
    ist_buf_puts(&body, "]}");
    post(s, ist_printf("/apis/discovery.k8s.io/v1/namespaces/%s/endpointslices", s->ns), ist_buf_take(&body));
}

static int next_service(void *ctx)
{
    struct seeding *s = ctx;
    if (s->at == s->count * 2)
        return 0;
    size_t service = s->at / 2;
    if (s->at++ % 2)
        slice(s, service);
    else
        post(s, ist_printf("/api/v1/namespaces/%s/services", s->ns),
             ist_printf("{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"s%zu\","
                        "\"namespace\":\"%s\"},\"spec\":{\"ports\":[{\"name\":\"http\",\"port\":80,"
                        "\"targetPort\":8080,\"protocol\":\"TCP\"}]}}",
                        service, s->ns));
    return 1;
}

int seed_services(int argc, char **argv)
{
    if (argc != 4)
        load_die("seed-services KUBECONFIG NAMESPACE SERVICES ADDRESSES-EACH");
    struct seeding s = {.load = load_new(),
                        .server = load_server(argv[0]),
                        .ns = argv[1],
                        .count = (size_t)load_number(argv[2]),
                        .addresses = (size_t)load_number(argv[3])};
    namespace(&s, s.ns);
    load_all(s.load, s.server, SEED_FLIGHT, next_service, &s);
    load_free(s.load);
    load_server_free(s.server);
    return 0;
}

// Pod I of a cluster is in namespace p(I % namespaces) and has the address 10.(64 * cluster + I / 32768)...: every
// other address, so that none is next to another and nothing can be said shorter.
static void pod_body(ist_buf *body, const char *address)
{
    ist_buf_printf(body,
                   "{\"status\":{\"phase\":\"Running\",\"podIP\":\"%s\",\"podIPs\":[{\"ip\":\"%s\"}],"
                   "\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}",
                   address, address);
}

static int next_pod(void *ctx)
{
    struct seeding *s = ctx;
    if (s->at == s->count)
        return 0;
    size_t ns = s->at % s->namespaces;
    post(s, ist_printf("/api/v1/namespaces/p%zu/pods", ns),
         ist_printf("{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"w%zu\",\"namespace\":"
                    "\"p%zu\",\"labels\":{\"app\":\"a%zu\"}},\"spec\":{\"nodeName\":\"n1\",\"containers\":[{"
                    "\"name\":\"c\",\"image\":\"x\",\"ports\":[{\"containerPort\":8080}]}]}}",
                    s->at, ns, s->at / s->namespaces % 2));
    s->at++;
    return 1;
}

static int next_address(void *ctx)
{
    struct seeding *s = ctx;
    if (s->at == s->count)
        return 0;
    ist_buf body = {0};
    char address[32];
    snprintf(address, sizeof address, "10.%zu.%zu.%zu", 64 * (size_t)s->cluster + s->at * 2 / 65536,
             s->at * 2 / 256 % 256, s->at * 2 % 256);
    pod_body(&body, address);
    load_send(s->load, s->server, "MERGE",
              ist_printf("/api/v1/namespaces/p%zu/pods/w%zu/status", s->at % s->namespaces, s->at),
              ist_buf_take(&body), NULL, NULL);
    s->at++;
    return 1;
}

// One policy a namespace, in cluster 0 where its number is even, in cluster 1 where it is odd.
static void policy(struct seeding *s, size_t ns)
{
    if (ns % 2 != (size_t)s->cluster)
        return;
    post(s, ist_printf("/apis/networking.k8s.io/v1/namespaces/p%zu/networkpolicies", ns),
         ist_printf("{\"apiVersion\":\"networking.k8s.io/v1\",\"kind\":\"NetworkPolicy\",\"metadata\":{"
                    "\"name\":\"stretched\",\"namespace\":\"p%zu\",\"annotations\":{\"isthmus.dev/clusters\":"
                    "\"*\"}},\"spec\":{\"podSelector\":{\"matchLabels\":{\"app\":\"a0\"}},\"policyTypes\":["
                    "\"Ingress\"],\"ingress\":[{\"from\":[{\"podSelector\":{}}],\"ports\":[{\"port\":8080,"
                    "\"protocol\":\"TCP\"}]}]}}",
                    ns));
}

int seed_pods(int argc, char **argv)
{
    if (argc != 4)
        load_die("seed-pods KUBECONFIG 0|1 NAMESPACES PODS");
    struct seeding s = {.load = load_new(),
                        .server = load_server(argv[0]),
                        .cluster = (int)load_number(argv[1]),
                        .namespaces = (size_t)load_number(argv[2]),
                        .count = (size_t)load_number(argv[3])};
    for (size_t i = 0; i < s.namespaces; i++) {
        char name[32];
        snprintf(name, sizeof name, "p%zu", i);
        namespace(&s, name);
        policy(&s, i);
    }
    load_all(s.load, s.server, SEED_FLIGHT, next_pod, &s);
    s.at = 0;
    load_all(s.load, s.server, SEED_FLIGHT, next_address, &s);
    load_free(s.load);
    load_server_free(s.server);
    return 0;
}
