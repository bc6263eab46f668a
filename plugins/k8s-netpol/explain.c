// `isthmus policy explain A B PORT`: which rule of which policy decides.
#include "commands.h"

#include <isthmus/alloc.h>

#include <string.h>

// A pod of one of the clusters, or an address outside all of them.
struct end {
    const struct pod *pod; // NULL: the address
    struct ip ip;
};

struct question {
    const struct session *session;
    struct conns *conns;
    struct printer *out;
    struct end from, to;
    conn port; // one port of one protocol
};

// ---- whom

// Does "cluster:ns/name[Kind]" name the pod, by its workload or itself? The cluster and the kind may be left out.
static int is_named(const struct session *session, const struct pod *pod, const char *text)
{
    const struct namespace *ns = pod->group->ns;
    const char *cluster = world_cluster(session->world, ns->cluster)->name->text, *rest = text;
    const size_t cluster_len = strlen(cluster), ns_len = strlen(ns->name->text);
    if (!strncmp(text, cluster, cluster_len) && text[cluster_len] == ':')
        rest = text + cluster_len + 1;
    if (strncmp(rest, ns->name->text, ns_len) != 0 || rest[ns_len] != '/')
        return 0;
    rest += ns_len + 1;
    if (!strcmp(rest, pod->name))
        return 1;
    const size_t len = strlen(pod->workload->name->text), kind_len = strlen(pod->workload->kind->text);
    if (strncmp(rest, pod->workload->name->text, len) != 0)
        return 0;
    rest += len;
    return !*rest || (rest[0] == '[' && !strncmp(rest + 1, pod->workload->kind->text, kind_len) &&
                      !strcmp(rest + 1 + kind_len, "]"));
}

static char *pod_name(const struct session *session, const struct pod *pod)
{
    return session_name(session, pod->group->ns->cluster, pod->workload);
}

static char *end_name(const struct session *session, const struct end *end)
{
    char text[IP_TEXT_SIZE];
    if (end->pod)
        return pod_name(session, end->pod);
    ip_text(&end->ip, text);
    return ist_strdup(text);
}

// Is it this pod's own address? One on its node's network has the node's.
static int has_address(const struct session *session, const struct pod *pod, const struct ip *ip)
{
    for (uint8_t i = 0; i < pod->address_count && !(pod->flags & POD_HOST_NETWORK); i++)
        if (!ip_compare(&pod->addresses[i], ip) &&
            address_is_pods(world_cluster(session->world, pod->group->ns->cluster), ip))
            return 1;
    return 0;
}

// The one pod of that name, or with that address (`ip` not NULL), if there is one.
static int32_t find_pod(const struct session *session, const char *text, const struct ip *ip,
                        const struct pod **found, ist_error *err)
{
    for (size_t c = 0; c < world_cluster_count(session->world); c++)
        for (const struct namespace *ns = world_cluster(session->world, c)->namespaces; ns; ns = ns->next)
            for (const struct group *group = ns->groups; group; group = group->next)
                for (const struct pod *pod = group->pods; pod; pod = pod->next) {
                    if (ip ? !has_address(session, pod, ip) : !is_named(session, pod, text))
                        continue;
                    if (*found &&
                        ((*found)->workload != pod->workload || (*found)->group->ns->cluster != c)) {
                        char *a = pod_name(session, *found), *b = pod_name(session, pod);
                        int32_t rc = ist_fail(err, IST_ERR_INPUT, text, "may be %s or %s", a, b);
                        ist_free(a);
                        ist_free(b);
                        return rc;
                    }
                    *found = pod;
                }
    return IST_OK;
}

static int32_t find(const struct session *session, const char *text, struct end *end, ist_error *err)
{
    struct end found = {0};
    int is_address = ip_parse(text, &found.ip) == 0;
    int32_t rc = find_pod(session, text, is_address ? &found.ip : NULL, &found.pod, err);
    if (rc == IST_OK && !found.pod && !is_address) {
        rc = ist_fail(err, IST_ERR_NOT_FOUND, text, "there is no such workload or pod");
        ist_hint(err, "as `isthmus policy map` prints it: %sNAMESPACE/NAME[KIND]; or an address",
                 world_cluster_count(session->world) > 1 ? "CLUSTER:" : "");
    }
    if (rc == IST_OK)
        *end = found;
    return rc;
}

static const struct named_ports *ports_of(const struct end *end)
{
    return end->pod ? end->pod->group->ports : NULL;
}

// "80", "TCP 80", "80/udp", "UDP/53", or a name that the destination declares.
static int32_t find_port(struct question *q, const char *text, ist_error *err)
{
    char word[2][32] = {"", ""};
    size_t words = 0, len;
    uint8_t protocol = PROTO_TCP;
    const char *port = NULL;
    for (const char *p = text; words < 2 && *(p += strspn(p, " /")); p += len, words++) {
        len = strcspn(p, " /");
        if (len >= sizeof(word[0]))
            break;
        memcpy(word[words], p, len);
        word[words][len] = 0;
    }
    for (size_t i = 0; i < words; i++) {
        char upper[32];
        for (size_t k = 0; k < sizeof(upper); k++)
            upper[k] = word[i][k] >= 'a' && word[i][k] <= 'z' ? (char)(word[i][k] - 32) : word[i][k];
        if (words == 1 || proto_of(upper, &protocol))
            port = word[i];
    }
    uint32_t number = 0;
    for (const char *p = port; p && *p >= '0' && *p <= '9' && number < 65536; p++)
        number = number * 10 + (uint32_t)(*p - '0');
    const struct named_ports *declared = ports_of(&q->to);
    for (uint32_t i = 0; declared && port && !number && i < declared->count; i++)
        if (!strcmp(declared->items[i].name->text, port)) {
            number = declared->items[i].number;
            protocol = declared->items[i].protocol;
        }
    if (!number || number > 65535)
        return ist_fail(err, IST_ERR_INPUT, text,
                        "expected a port such as 80, TCP/80 or UDP/53, or one that the destination names");
    q->port = conns_range(q->conns, protocol, number, number);
    return IST_OK;
}

// ---- why

static void describe_selector(ist_buf *text, const char *what, const struct selector *selector)
{
    static const char *const operators[] = {
        "", "in", "not in", "exists", "does not exist", "is not understood"};
    ist_buf_printf(text, "%s%s", text->len ? ", " : "", what);
    if (selector_is_all(selector))
        ist_buf_puts(text, " of any labels");
    for (uint32_t i = 0; i < selector->count; i++) {
        const struct select_term *term = &selector->terms[i];
        const char *key = term->key ? term->key->text : "";
        ist_buf_puts(text, i ? " and " : " ");
        if (term->operator== SELECT_IN && term->value_count == 1) {
            ist_buf_printf(text, "%s=%s", key, term->values[0]->text);
            continue;
        }
        ist_buf_printf(text, "%s %s", key, operators[term->operator]);
        for (uint32_t j = 0; j < term->value_count; j++)
            ist_buf_printf(text, "%s%s%s", j ? ", " : " (", term->values[j]->text,
                           j + 1 < term->value_count ? "" : ")");
    }
}

static char *describe_peer(const struct peer *peer)
{
    ist_buf text = {0};
    char block[IP_TEXT_SIZE];
    if (peer->is_block) {
        net_text(&peer->block, block);
        ist_buf_printf(&text, "ipBlock %s", block);
        return ist_buf_take(&text);
    }
    if (peer->cluster)
        ist_buf_printf(&text, "cluster %s", peer->cluster->text);
    if (peer->ns)
        ist_buf_printf(&text, "%snamespace %s", text.len ? ", " : "", peer->ns->text);
    if (peer->service)
        ist_buf_printf(&text, "%sservice %s", text.len ? ", " : "", peer->service->text);
    if (peer->any_namespace)
        describe_selector(&text, "namespaces", &peer->namespaces);
    describe_selector(&text, "pods", &peer->pods);
    return ist_buf_take(&text);
}

// The peer of a rule that means the other side; NULL: everybody is meant. *meant says whether any does.
static const struct peer *meant_peer(const struct question *q, const struct policy *policy,
                                     const struct rule *rule, const struct end *other, int *meant)
{
    *meant = rule->from_all;
    for (uint32_t i = 0; i < rule->peer_count && !*meant; i++) {
        const struct peer *peer = &rule->peers[i];
        if (other->pod ? reach_peer_means(q->session->world, q->session->mode, policy, peer, other->pod)
                       : reach_peer_covers(peer, &other->ip)) {
            *meant = 1;
            return peer;
        }
    }
    return NULL;
}

static void print_rule(struct question *q, const struct policy *policy, const struct rule *rule,
                       const struct peer *peer, const char *verdict, conn ports)
{
    char *who = peer ? describe_peer(peer) : ist_strdup("everybody");
    print_format(q->out, "    %s %s/%s: %s rule %u, %s %s", verdict, policy->ns->text, policy->name->text,
                 rule->direction == RULE_INGRESS ? "ingress" : "egress", rule->index + 1,
                 rule->direction == RULE_INGRESS ? "from" : "to", who);
    print_format(q->out, " : %s\n", conns_text(q->conns, ports));
    ist_free(who);
}

// One policy that isolates; 1 when it admits.
static int explain_policy(struct question *q, const struct policy *policy, uint8_t direction,
                          const struct end *other)
{
    int admits = 0, near = 0;
    for (uint32_t i = 0; i < policy->rule_count; i++) {
        const struct rule *rule = &policy->rules[i];
        int meant = 0;
        if (rule->direction != direction)
            continue;
        const struct peer *peer = meant_peer(q, policy, rule, other, &meant);
        const conn ports = reach_rule_ports(q->conns, rule, ports_of(&q->to));
        const int on_port = conns_within(q->conns, q->port, ports);
        if (!meant)
            continue;
        near |= !on_port;
        admits |= on_port;
        print_rule(q, policy, rule, peer, on_port ? "allowed by" : "not on this port:", ports);
    }
    if (!admits && !near)
        print_format(q->out, "    no rule of %s/%s means it\n", policy->ns->text, policy->name->text);
    return admits;
}

// One direction at the pod that it is about; 1 when it is allowed.
static int explain_side(struct question *q, uint8_t direction)
{
    const struct end *at = direction == RULE_INGRESS ? &q->to : &q->from,
                     *other = at == &q->to ? &q->from : &q->to;
    const struct pod *own = at->pod;
    int isolated = 0, admitted = 0;
    char *name = end_name(q->session, at);
    print_format(q->out, "  %s of %s:", direction == RULE_INGRESS ? "ingress" : "egress", name);
    for (const struct policy *policy = own ? own->group->ns->policies : NULL; policy; policy = policy->next) {
        if (!(policy->types & direction) || !selector_match(&policy->pods, own->group->labels))
            continue;
        if (!isolated++)
            print_text(q->out, " isolated\n");
        admitted += explain_policy(q, policy, direction, other);
    }
    if (!isolated)
        print_text(q->out, own ? " no policy selects it, everything is allowed\n"
                               : " outside the clusters, no policy of theirs selects it\n");
    ist_free(name);
    return !isolated || admitted;
}

static int32_t answer(struct question *q, const char *a, const char *b, const char *port, ist_error *err)
{
    int32_t rc = find(q->session, a, &q->from, err);
    if (rc == IST_OK)
        rc = find(q->session, b, &q->to, err);
    if (rc == IST_OK && !q->from.pod && !q->to.pod)
        rc = ist_fail(err, IST_ERR_INPUT, a, "is in none of the clusters, and neither is %s", b);
    if (rc == IST_OK)
        rc = find_port(q, port, err);
    if (rc != IST_OK)
        return rc;
    // Once without a word: the verdict stands above its reasons.
    const ist_env nobody = {0};
    struct printer silent = {.env = &nobody}, *out = q->out;
    q->out = &silent;
    const int egress = explain_side(q, RULE_EGRESS), ingress = explain_side(q, RULE_INGRESS);
    print_end(&silent);
    q->out = out;
    char *from = end_name(q->session, &q->from), *to = end_name(q->session, &q->to);
    print_format(out, "%s => %s : %s: %s\n", from, to, conns_text(q->conns, q->port),
                 egress && ingress ? "allowed" : "denied");
    explain_side(q, RULE_EGRESS);
    explain_side(q, RULE_INGRESS);
    ist_free(from);
    ist_free(to);
    return IST_OK;
}

static int32_t run(const struct session *session, ist_error *err)
{
    const json_t *words = json_object_get(session->args, "args");
    const char *a = json_string_value(json_array_get(words, 0)),
               *b = json_string_value(json_array_get(words, 1));
    const char *port = json_string_value(json_array_get(words, 2));
    struct printer out = {.env = &session->env};
    struct question q = {.session = session, .conns = conns_new(), .out = &out};
    int32_t rc = json_array_size(words) == 3 ? answer(&q, a, b, port, err)
                                             : ist_fail(err, IST_ERR_INPUT, "isthmus policy explain",
                                                        "expected three words: A B PORT");
    print_end(&out);
    conns_free(q.conns);
    return rc;
}

int32_t policy_explain(const ist_host *host, ist_call *call, const ist_value *args)
{
    return session_command(host, call, args, 0, run);
}
