// Changes at a rate, and when they are seen where they have to be.
#include "load.h"

#include <ctype.h>

#define SETTLE_MS   15000.0 // how long the last change is waited for
#define BARE_EVERY  4       // changes for one bare write: enough of them to compare, too few to be in the way
#define MOST_FLYING 64      // a server that is slower than the rate gets it late, not all at once

struct pace {
    double began, every, until;
    size_t done;
};

static struct pace pace_of(const char *rate, const char *seconds)
{
    struct pace pace = {.began = now_ms(), .every = 1e3 / (double)load_number(rate)};
    pace.until = pace.began + (double)load_number(seconds) * 1e3;
    return pace;
}

// 1 when the next one is due; else how long until then, at most 20 ms, in *wait.
static int pace_due(struct pace *pace, int *wait)
{
    double now = now_ms(), next = pace->began + (double)pace->done * pace->every;
    *wait = 20;
    if (next >= pace->until)
        return 0;
    if (next > now + 20)
        return 0;
    if (next > now) {
        *wait = (int)(next - now) + 1;
        return 0;
    }
    pace->done++;
    return 1;
}

static int pace_over(const struct pace *pace)
{
    return pace->began + (double)pace->done * pace->every >= pace->until;
}

static void print_spread(const char *what, struct spread *spread)
{
    printf("%s p50 %.1f p99 %.1f max %.1f of %zu\n", what, spread_at(spread, 0.5), spread_at(spread, 0.99),
           spread_at(spread, 1), spread->count);
}

// ---- one address of a slice, again and again

#define CHANGES 65536 // as many as 10.99.0.0/16 numbers

struct change {
    double sent, answered, seen;
    int writes;
};

struct slices {
    struct load *load;
    struct load_server *source, *target;
    const char *ns;
    size_t services, addresses;
    struct change *changes;
    size_t first; // the number of its first change
    size_t events;
};

// The number of the change whose address is in the line, CHANGES when none is.
static size_t change_in(const char *line)
{
    const char *at = strstr(line, "\"10.99.");
    unsigned high = 0, low = 0;
    if (!at || sscanf(at, "\"10.99.%u.%u\"", &high, &low) != 2 || high > 255 || low > 255)
        return CHANGES;
    return high * 256 + low;
}

static void slice_seen(void *ctx, const char *line)
{
    struct slices *s = ctx;
    size_t number = change_in(line);
    if (number == CHANGES || s->changes[number].sent == 0 || strstr(line, "\"type\":\"MODIFIED\"") == NULL)
        return;
    s->events++;
    s->changes[number].writes++;
    if (s->changes[number].seen == 0)
        s->changes[number].seen = now_ms();
}

static void slice_changed(struct load_call *call)
{
    struct slices *s = call->ctx;
    s->changes[call->number].answered = call->answered;
}

// Every member of the endpoint as seed.c made it, so that a merge patch changes the one address alone.
static void change_slice(struct slices *s, size_t number)
{
    size_t service = number % s->services;
    ist_buf body = {0};
    ist_buf_puts(&body, "{\"endpoints\":[");
    for (size_t i = 0; i < s->addresses; i++) {
        ist_buf_printf(&body, "%s{\"addresses\":[\"", i ? "," : "");
        if (i == 0)
            ist_buf_printf(&body, "10.99.%zu.%zu", number / 256, number % 256);
        else
            ist_buf_printf(&body, "10.%zu.%zu.%zu", service / 256, service % 256, i + 1);
        ist_buf_printf(&body,
                       "\"],\"conditions\":{\"ready\":true,\"serving\":true,\"terminating\":false},"
                       "\"nodeName\":\"node-%zu\",\"targetRef\":{\"kind\":\"Pod\",\"name\":\"s%zu-%zu\","
                       "\"namespace\":\"%s\"}}",
                       i, service, i, s->ns);
    }
    ist_buf_puts(&body, "]}");
    s->changes[number].sent = now_ms();
    load_send(s->load, s->source, "MERGE",
              ist_printf("/apis/discovery.k8s.io/v1/namespaces/%s/endpointslices/s%zu-0", s->ns, service),
              ist_buf_take(&body), slice_changed, s)
        ->number = number;
}

static size_t slices_unseen(const struct slices *s, size_t done)
{
    size_t unseen = 0;
    for (size_t i = s->first; i < s->first + done; i++)
        unseen += s->changes[i].seen == 0;
    return unseen;
}

static void slices_print(const struct slices *s, const char *what, size_t done)
{
    struct spread write = {0}, seen = {0};
    size_t twice = 0;
    for (size_t i = s->first; i < s->first + done; i++) {
        const struct change *c = &s->changes[i];
        spread_add(&write, c->answered - c->sent);
        if (c->seen != 0)
            spread_add(&seen, c->seen - (s->source == s->target ? c->sent : c->answered));
        twice += c->writes > 1;
    }
    char line[64];
    snprintf(line, sizeof line, "%swrite", what);
    print_spread(line, &write);
    snprintf(line, sizeof line, "%sseen", what);
    print_spread(line, &seen);
    printf("%schanges %zu unseen %zu events %zu twice %zu\n", what, done, slices_unseen(s, done), s->events,
           twice);
    spread_free(&write);
    spread_free(&seen);
}

// Both at once, so that both have the same machine under them.
static void change_slices(struct slices *s, struct slices *bare, struct pace pace)
{
    double end = pace.until + SETTLE_MS;
    size_t bare_done = 0;
    int wait = 20;
    for (;;) {
        while (s->source->flying < MOST_FLYING && bare->source->flying < MOST_FLYING &&
               pace_due(&pace, &wait) && pace.done <= CHANGES / 2) {
            change_slice(s, s->first + pace.done - 1);
            if (pace.done % BARE_EVERY == 0)
                change_slice(bare, bare->first + bare_done++);
        }
        load_drive(s->load, wait);
        if (pace_over(&pace) &&
            (now_ms() > end || slices_unseen(s, pace.done) + slices_unseen(bare, bare_done) == 0))
            break;
    }
    double quiet = now_ms() + 500; // for a write too many
    while (now_ms() < quiet)
        load_drive(s->load, 50);
    slices_print(s, "", pace.done);
    slices_print(bare, "bare ", bare_done);
}

static struct slices slices_of(struct load *load, struct load_server *source, struct load_server *target,
                               char **argv)
{
    return (struct slices){.load = load,
                           .source = source,
                           .target = target,
                           .ns = argv[0],
                           .services = (size_t)load_number(argv[1]),
                           .addresses = (size_t)load_number(argv[2]),
                           .changes = ist_calloc(CHANGES, sizeof(struct change))};
}

// Changes at the source, seen in what Isthmus keeps at the target; and in the same seconds writes to the target
// alone, which are their floor.
static void churn(struct slices *s, struct slices *bare, const char *rate, const char *seconds)
{
    bare->first = CHANGES / 2; // the numbers of both are told apart
    load_watch(s->load, s->target,
               ist_strdup("/apis/discovery.k8s.io/v1/endpointslices?watch=1&resourceVersion=&"
                          "labelSelector=isthmus.dev%2Fowner,isthmus.dev%2Fowner!=raw"),
               slice_seen, s);
    load_watch(bare->load, bare->target,
               ist_printf("/apis/discovery.k8s.io/v1/namespaces/%s/endpointslices?watch=1&resourceVersion=",
                          bare->ns),
               slice_seen, bare);
    double begin = now_ms() + 1000; // until the watches stand and have brought what is there
    while (now_ms() < begin)
        load_drive(s->load, 50);
    change_slices(s, bare, pace_of(rate, seconds));
}

int churn_services(int argc, char **argv)
{
    if (argc != 10)
        load_die("churn SOURCE TARGET RATE SECONDS NAMESPACE SERVICES ADDRESSES"
                 " BARE-NAMESPACE SERVICES ADDRESSES");
    struct load *load = load_new();
    struct load_server *source = load_server(argv[0]), *target = load_server(argv[1]);
    struct slices s = slices_of(load, source, target, argv + 4);
    struct slices bare = slices_of(load, target, target, argv + 7);
    churn(&s, &bare, argv[2], argv[3]);
    ist_free(bare.changes);
    ist_free(s.changes);
    load_free(load);
    load_server_free(target);
    load_server_free(source);
    return 0;
}

// ---- addresses of pods, and what policies in the other cluster say of them

struct move {
    double answered, withdrawn, added;
    char was[24], is[24]; // "10.1.2.4/32"
    size_t ns;
    struct move *next; // of the same namespace, not seen yet
};

struct moves {
    struct load *load;
    struct load_server *servers[2];
    size_t namespaces, pods;
    struct move *all, **open; // open: a list a namespace
    char (*address)[64];      // of each pod of both clusters, as it is
    size_t events;
};

static size_t namespace_in(const char *line)
{
    const char *at = strstr(line, "\"namespace\":\"p");
    return at && isdigit((unsigned char)at[14]) ? strtoul(at + 14, NULL, 10) : (size_t)-1;
}

static void policy_seen(void *ctx, const char *line)
{
    struct moves *m = ctx;
    size_t ns = namespace_in(line);
    if (ns >= m->namespaces)
        return;
    m->events++;
    double now = now_ms();
    for (struct move **at = &m->open[ns]; *at;) {
        struct move *move = *at;
        if (move->withdrawn == 0 && !strstr(line, move->was))
            move->withdrawn = now;
        if (move->added == 0 && strstr(line, move->is))
            move->added = now;
        if (move->withdrawn != 0 && move->added != 0)
            *at = move->next;
        else
            at = &move->next;
    }
}

static void pod_moved(struct load_call *call)
{
    struct moves *m = call->ctx;
    m->all[call->number].answered = call->answered;
}

// The policy of a namespace is in cluster ns % 2: it is pods of the other that move.
static void move_pod(struct moves *m, size_t number)
{
    size_t pod = number * 7 % m->pods, ns = pod % m->namespaces, cluster = 1 - ns % 2;
    char *address = m->address[cluster * m->pods + pod];
    struct move *move = &m->all[number];
    snprintf(move->was, sizeof move->was, "\"%.17s/", address);
    snprintf(address, 64, "10.%zu.%zu.%zu", 64 * cluster + 32 + number * 2 / 65536, number * 2 / 256 % 256,
             number * 2 % 256);
    snprintf(move->is, sizeof move->is, "\"%.17s/", address);
    move->ns = ns;
    move->next = m->open[ns];
    m->open[ns] = move;
    load_send(m->load, m->servers[cluster], "MERGE",
              ist_printf("/api/v1/namespaces/p%zu/pods/w%zu/status", ns, pod),
              ist_printf("{\"status\":{\"podIP\":\"%s\",\"podIPs\":[{\"ip\":\"%s\"}]}}", address, address),
              pod_moved, m)
        ->number = number;
}

static void moves_open(struct moves *m, char **argv)
{
    m->load = load_new();
    m->namespaces = (size_t)load_number(argv[2]);
    m->pods = (size_t)load_number(argv[3]);
    size_t most = (size_t)(load_number(argv[4]) * load_number(argv[5])) + 1;
    m->all = ist_calloc(most, sizeof *m->all);
    m->open = ist_calloc(m->namespaces, sizeof(struct move *));
    m->address = ist_calloc(m->pods * 2, sizeof *m->address);
    for (size_t cluster = 0; cluster < 2; cluster++) {
        for (size_t pod = 0; pod < m->pods; pod++)
            snprintf(m->address[cluster * m->pods + pod], 64, "10.%zu.%zu.%zu",
                     64 * cluster + pod * 2 / 65536, pod * 2 / 256 % 256, pod * 2 % 256);
        m->servers[cluster] = load_server(argv[cluster]);
        load_watch(m->load, m->servers[cluster],
                   ist_strdup("/apis/networking.k8s.io/v1/networkpolicies?watch=1&resourceVersion=&"
                              "labelSelector=isthmus.dev%2Fowner"),
                   policy_seen, m);
    }
}

static size_t moves_open_count(const struct moves *m)
{
    size_t count = 0;
    for (size_t i = 0; i < m->namespaces; i++)
        for (struct move *move = m->open[i]; move; move = move->next)
            count++;
    return count;
}

static void moves_print(struct moves *m, const struct pace *pace, double took, double drained)
{
    struct spread withdrawn = {0}, added = {0};
    for (size_t i = 0; i < pace->done; i++) {
        if (m->all[i].withdrawn != 0)
            spread_add(&withdrawn, m->all[i].withdrawn - m->all[i].answered);
        if (m->all[i].added != 0)
            spread_add(&added, m->all[i].added - m->all[i].answered);
    }
    print_spread("withdrawn", &withdrawn);
    print_spread("added", &added);
    printf("changes %zu in %.0f ms unseen %zu events %zu drained %.0f\n", pace->done, took,
           moves_open_count(m), m->events, drained);
    spread_free(&withdrawn);
    spread_free(&added);
}

int churn_pods(int argc, char **argv)
{
    struct moves m = {0};
    if (argc != 6)
        load_die("churn-pods A B NAMESPACES PODS-EACH RATE SECONDS");
    moves_open(&m, argv);
    double begin = now_ms() + 1500;
    while (now_ms() < begin)
        load_drive(m.load, 50);
    m.events = 0;
    struct pace pace = pace_of(argv[4], argv[5]);
    int wait = 20;
    double over = 0;
    do {
        while (m.servers[0]->flying + m.servers[1]->flying < MOST_FLYING && pace_due(&pace, &wait))
            move_pod(&m, pace.done - 1);
        load_drive(m.load, wait);
        if (pace_over(&pace) && over == 0)
            over = now_ms();
    } while (!pace_over(&pace) || (now_ms() < over + SETTLE_MS * 2 && moves_open_count(&m) > 0));
    moves_print(&m, &pace, over - pace.began, now_ms() - over);
    ist_free(m.all);
    ist_free(m.open);
    ist_free(m.address);
    load_free(m.load);
    load_server_free(m.servers[0]);
    load_server_free(m.servers[1]);
    return 0;
}
