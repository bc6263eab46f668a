// k8s-netpol: which network plugin a cluster runs, and what in it would translate its pods' addresses.
#include "snat.h"

#include <isthmus/alloc.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#define NET(a, b, c, prefix)                                                                                 \
    {                                                                                                        \
        {[10] = 0xff, [11] = 0xff, [12] = a, [13] = b, [14] = c}, 96 + prefix                                \
    }
static ist_net aws_net = NET(10, 0, 0, 16), ccp_net = NET(192, 168, 0, 16);
static ist_cluster aws = {.name = (char *)(uintptr_t) "aws", .pod_cidrs = &aws_net, .pod_cidr_count = 1};
static ist_cluster ccp = {.name = (char *)(uintptr_t) "ccp", .pod_cidrs = &ccp_net, .pod_cidr_count = 1};

static json_t *parsed(const char *text)
{
    json_t *json = NULL;
    ist_error err;
    if (ist_json_parse(text, strlen(text), "test", &json, &err) != IST_OK)
        fail_msg("%s: %s", text, err.text);
    return json;
}

static void see(struct cni *cni, const char *daemonset, int gone)
{
    json_t *set = parsed(daemonset);
    cni_see(cni, set, gone);
    json_decref(set);
}

// ---- which plugin ----

static void a_cluster_without_a_known_daemonset_is_not_guessed(void **state)
{
    (void)state;
    struct cni cni = {0};
    see(&cni, "{\"metadata\":{\"name\":\"node-exporter\"}}", 0);
    assert_null(cni_engine(&cni));
}

static void the_vpc_cni_enforces_only_with_its_agent_on(void **state)
{
    (void)state;
    struct cni cni = {0};
    see(&cni,
        "{\"metadata\":{\"name\":\"aws-node\"},\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":"
        "\"aws-eks-nodeagent\",\"args\":[\"--enable-network-policy=false\"]}]}}}}",
        0);
    assert_string_equal(cni_engine(&cni), "nothing");
    assert_false(cni_is_vpc(&cni));
    see(&cni,
        "{\"metadata\":{\"name\":\"aws-node\"},\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":"
        "\"aws-eks-nodeagent\",\"args\":[\"--enable-network-policy=true\"]}]}}}}",
        0);
    assert_string_equal(cni_engine(&cni), "VPC CNI");
    assert_true(cni_is_vpc(&cni));
}

static void calico_beside_the_vpc_cni_is_what_enforces(void **state)
{
    (void)state;
    struct cni cni = {0};
    see(&cni, "{\"metadata\":{\"name\":\"aws-node\"}}", 0);
    see(&cni, "{\"metadata\":{\"name\":\"calico-node\"}}", 0);
    assert_string_equal(cni_engine(&cni), "Calico");
    see(&cni, "{\"metadata\":{\"name\":\"calico-node\"}}", 1);
    assert_string_equal(cni_engine(&cni), "nothing");
}

static void policies_of_other_kinds_are_known_by_their_group(void **state)
{
    (void)state;
    assert_true(policy_unmodelled("cilium.io/v2", "CiliumNetworkPolicy"));
    assert_true(policy_unmodelled("cilium.io/v3alpha1", "CiliumClusterwideNetworkPolicy"));
    assert_true(policy_unmodelled("projectcalico.org/v3", "GlobalNetworkPolicy"));
    assert_true(policy_unmodelled("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy"));
    assert_false(policy_unmodelled("networking.k8s.io/v1", "NetworkPolicy"));
    assert_false(policy_unmodelled("cilium.io/v2", "CiliumEndpoint"));
}

// ---- what translates ----

// The findings towards the cluster ccp: the first one's text holds `expected`, and it is ok or not.
static void assert_finding(const struct snat_facts *facts, int ok, const char *expected)
{
    json_t *findings = snat_findings(facts, &aws, &ccp), *first = json_array_get(findings, 0);
    const char *text = ist_json_str_or(first, "text", "");
    assert_int_equal(json_array_size(findings), 1);
    if (!strstr(text, expected))
        fail_msg("\"%s\" does not say \"%s\"", text, expected);
    assert_int_equal(ist_json_bool(first, "ok", !ok), ok);
    json_decref(findings);
}

static struct snat_facts aws_node(const char *env)
{
    char *text = ist_printf("{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"env\":[%s]}]}}}}", env);
    struct snat_facts facts = {.aws_node = parsed(text)};
    ist_free(text);
    return facts;
}

static void aws_node_translates_unless_told_otherwise(void **state)
{
    (void)state;
    struct snat_facts facts = aws_node("");
    assert_finding(&facts, 0, "towards 192.168.0.0/16: AWS_VPC_K8S_CNI_EXTERNALSNAT is not set");
    snat_free(&facts);
    facts = aws_node(
        "{\"name\":\"AWS_VPC_K8S_CNI_EXTERNALSNAT\",\"value\":\"false\"},"
        "{\"name\":\"AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS\",\"value\":\"192.168.0.0/17, 10.1.0.0/16\"}");
    assert_finding(&facts, 0, "is 192.168.0.0/17, 10.1.0.0/16");
    snat_free(&facts);
}

static void aws_node_leaves_alone_what_is_excluded_or_all(void **state)
{
    (void)state;
    struct snat_facts facts = aws_node("{\"name\":\"AWS_VPC_K8S_CNI_EXTERNALSNAT\",\"value\":\"true\"}");
    assert_finding(&facts, 1, "no setting of aws translates");
    snat_free(&facts);
    facts = aws_node(
        "{\"name\":\"AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS\",\"value\":\"10.1.0.0/16,192.168.0.0/16\"}");
    assert_finding(&facts, 1, "no setting of aws translates");
    snat_free(&facts);
}

static void a_calico_pool_that_masquerades_is_told_with_the_pool_to_add(void **state)
{
    (void)state;
    struct snat_facts facts = {
        .pools =
            parsed("[{\"metadata\":{\"name\":\"default\"},\"spec\":{\"cidr\":\"10.0.0.0/16\",\"natOutgoing\":"
                   "true}}]"),
        .pools_api = "crd.projectcalico.org/v1"};
    assert_finding(&facts, 0, "kind: IPPool");
    assert_finding(&facts, 0, "cidr: 192.168.0.0/16");
    assert_finding(&facts, 0, "disabled: true");
    snat_free(&facts);
}

static void a_disabled_pool_over_the_remote_pods_is_enough(void **state)
{
    (void)state;
    struct snat_facts facts = {
        .pools =
            parsed("[{\"metadata\":{\"name\":\"default\"},\"spec\":{\"cidr\":\"10.0.0.0/16\",\"natOutgoing\":"
                   "true}},{\"metadata\":{\"name\":\"far\"},\"spec\":{\"cidr\":\"192.168.0.0/15\","
                   "\"disabled\":true}}]")};
    assert_finding(&facts, 1, "no setting");
    snat_free(&facts);
}

static void ip_masq_agent_without_a_list_spares_the_private_networks(void **state)
{
    (void)state;
    struct snat_facts facts = {.masq_agent_set = json_object(), .flannel = json_object()};
    json_t *findings = snat_findings(&facts, &aws, &ccp);
    assert_true(ist_json_bool(json_array_get(findings, 0), "ok", 0));
    json_decref(findings);
    facts.masq_agent = parsed("{\"data\":{\"config\":\"nonMasqueradeCIDRs: [10.0.0.0/8]\\n\"}}");
    assert_finding(&facts, 0, "ip-masq-agent masquerades towards 192.168.0.0/16");
    snat_free(&facts);
}

static void cilium_masquerades_outside_its_native_network(void **state)
{
    (void)state;
    struct snat_facts facts = {.cilium = parsed("{\"data\":{\"ipv4-native-routing-cidr\":\"10.0.0.0/8\"}}")};
    assert_finding(&facts, 0, "Cilium masquerades towards 192.168.0.0/16");
    snat_free(&facts);
    facts.cilium = parsed("{\"data\":{\"enable-ipv4-masquerade\":\"false\"}}");
    assert_finding(&facts, 1, "no setting");
    snat_free(&facts);
    facts.cilium = parsed("{\"data\":{\"ipv4-native-routing-cidr\":\"0.0.0.0/0\"}}");
    assert_finding(&facts, 1, "no setting");
    snat_free(&facts);
}

static void kube_proxys_masquerade_all_and_flannels_ip_masq_are_told(void **state)
{
    (void)state;
    struct snat_facts facts = {
        .kube_proxy =
            parsed("{\"metadata\":{\"name\":\"kube-proxy\"},\"data\":{\"config.conf\":\"iptables:\\n  "
                   "masqueradeAll: true\\n\",\"kubeconfig.conf\":\"kind: Config\\n\"}}")};
    assert_finding(&facts, 0, "kube-proxy has masqueradeAll");
    snat_free(&facts);
    facts.flannel =
        parsed("{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"args\":[\"--ip-masq\"]}]}}}}");
    assert_finding(&facts, 0, "flannel runs with --ip-masq");
    snat_free(&facts);
}

static void an_unknown_network_plugin_is_not_called_clean(void **state)
{
    (void)state;
    struct snat_facts facts = {0};
    assert_finding(&facts, 1, "only the probe's source address tells");
}

// ---- between two clusters ----

static void overlapping_pod_networks_are_named(void **state)
{
    (void)state;
    ist_net part = NET(10, 0, 1, 24);
    ist_cluster other = {.name = (char *)(uintptr_t) "lab", .pod_cidrs = &part, .pod_cidr_count = 1};
    char *text = snat_overlap(&aws, &other);
    assert_string_equal(text, "10.0.0.0/16 of aws and 10.0.1.0/24 of lab");
    ist_free(text);
    assert_null(snat_overlap(&aws, &ccp));
}

// Those that one knows, as its chart writes them; NULL: it does not say.
static struct snat_facts member(const char *id, const char *name, const char *users)
{
    struct snat_facts facts = {.mesh = 1};
    facts.cilium = json_pack("{s{ss ss}}", "data", "cluster-id", id, "cluster-name", name);
    if (users)
        facts.mesh_users = json_pack("{s{ss}}", "data", "users.yaml", users);
    return facts;
}

static int in_one_mesh(struct snat_facts a, struct snat_facts b)
{
    const int joined = snat_meshed(&a, &b);
    assert_int_equal(snat_meshed(&b, &a), joined);
    snat_free(&a);
    snat_free(&b);
    return joined;
}

static void two_meshes_are_not_one(void **state)
{
    static const char *const north = "users:\n- name: remote-north\n  role: remote\n",
                             *const east = "users:\n- name: remote-north\n  role: remote\n"
                                           "- name: remote-east\n  role: remote\n",
                             *const nobody = "users:\n";
    (void)state;
    assert_true(
        in_one_mesh(member("1", "east", NULL), member("2", "west", NULL))); // nobody says who they are
    assert_true(in_one_mesh(member("1", "east", north), member("2", "west", NULL)));
    assert_true(in_one_mesh(member("1", "east", north), member("2", "west", east))); // one way is enough
    assert_false(in_one_mesh(member("1", "east", north), member("2", "west", north)));
    assert_false(in_one_mesh(member("1", "east", north), member("2", "west", nobody)));
    assert_false(
        in_one_mesh(member("1", "east", NULL), member("2", "east", NULL))); // names are unique in one
    assert_false(in_one_mesh(member("1", "east", NULL), member("1", "west", NULL)));
    assert_true(in_one_mesh(member("1", "east", "[half"), member("2", "west", north)));
    assert_true(in_one_mesh(member("1", "", north), member("2", "", north)));
}

static void a_cluster_mesh_has_two_ids_and_two_servers(void **state)
{
    (void)state;
    struct snat_facts a = {.cilium = parsed("{\"data\":{\"cluster-id\":\"1\"}}"), .mesh = 1};
    struct snat_facts b = {.cilium = parsed("{\"data\":{\"cluster-id\":\"2\"}}"), .mesh = 1};
    assert_true(snat_meshed(&a, &b));
    b.mesh = 0;
    assert_false(snat_meshed(&a, &b));
    json_decref(b.cilium);
    b = (struct snat_facts){.cilium = parsed("{\"data\":{\"cluster-id\":\"0\"}}"), .mesh = 1};
    assert_false(snat_meshed(&a, &b));
    snat_free(&a);
    snat_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cluster_without_a_known_daemonset_is_not_guessed),
        cmocka_unit_test(the_vpc_cni_enforces_only_with_its_agent_on),
        cmocka_unit_test(calico_beside_the_vpc_cni_is_what_enforces),
        cmocka_unit_test(policies_of_other_kinds_are_known_by_their_group),
        cmocka_unit_test(aws_node_translates_unless_told_otherwise),
        cmocka_unit_test(aws_node_leaves_alone_what_is_excluded_or_all),
        cmocka_unit_test(a_calico_pool_that_masquerades_is_told_with_the_pool_to_add),
        cmocka_unit_test(a_disabled_pool_over_the_remote_pods_is_enough),
        cmocka_unit_test(ip_masq_agent_without_a_list_spares_the_private_networks),
        cmocka_unit_test(cilium_masquerades_outside_its_native_network),
        cmocka_unit_test(kube_proxys_masquerade_all_and_flannels_ip_masq_are_told),
        cmocka_unit_test(an_unknown_network_plugin_is_not_called_clean),
        cmocka_unit_test(overlapping_pod_networks_are_named),
        cmocka_unit_test(two_meshes_are_not_one),
        cmocka_unit_test(a_cluster_mesh_has_two_ids_and_two_servers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
