#!/usr/bin/env bash
# isthmus policy map, render and explain, over manifests: the single-cluster Stars policies stretched over two clusters.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
mkdir -p "$TMP/w/ccp" "$TMP/w/aws" "$TMP/w/one"
cd "$TMP/w" || exit 1
policy() { timeout 60 "$ISTHMUS" policy "$@"; }
both() { policy "$1" --cluster ccp=ccp --cluster aws=aws "${@:2}"; }

# pod NAMESPACE NAME ADDRESS PORT: labelled by its role
pod() {
    cat <<END
---
apiVersion: v1
kind: Pod
metadata: {name: $2, namespace: $1, labels: {role: $2}}
spec: {containers: [{name: c, ports: [{name: http, containerPort: $4}]}]}
status: {phase: Running, podIP: $3, podIPs: [{ip: $3}]}
END
}
namespace() { printf -- '---\n{apiVersion: v1, kind: Namespace, metadata: {name: %s, labels: {role: %s}}}\n' "$1" "$1"; }
# policies ANNOTATION: the Stars policies as for one cluster, but for the annotation
policies() {
    local ns
    for ns in stars client; do
        cat <<END
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: default-deny, namespace: $ns}, spec: {podSelector: {}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow-ui, namespace: $ns, annotations: {$1}}
spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {role: management-ui}}}]}]}
END
    done
    cat <<END
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: backend-policy, namespace: stars, annotations: {$1}}
spec:
  podSelector: {matchLabels: {role: backend}}
  ingress: [{from: [{podSelector: {matchLabels: {role: frontend}}}], ports: [{protocol: TCP, port: 6379}]}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: frontend-policy, namespace: stars, annotations: {$1}}
spec:
  podSelector: {matchLabels: {role: frontend}}
  ingress: [{from: [{namespaceSelector: {matchLabels: {role: client}}}], ports: [{protocol: TCP, port: http}]}]
END
}
{
    for ns in stars client management-ui; do namespace $ns; done
    pod stars frontend 192.168.0.4 80
    pod stars backend 192.168.0.5 6379
} >ccp/world.yaml
{
    for ns in stars client management-ui; do namespace $ns; done
    pod client client 10.0.0.4 9000
    pod management-ui management-ui 10.0.0.5 9001
} >aws/world.yaml
annotated() { policies "$1" | tee ccp/policies.yaml >aws/policies.yaml; }
annotated 'isthmus.dev/clusters: "*"'

# ---- the picture
cat >picture <<'END'
# client -> frontend -> backend, and the user interface sees all
aws:client/client[Pod] => ccp:stars/frontend[Pod] : TCP 80
ccp:stars/frontend[Pod] => ccp:stars/backend[Pod] : TCP 6379
aws:management-ui/management-ui[Pod] => ccp:stars/frontend[Pod] : All Connections
aws:management-ui/management-ui[Pod] => ccp:stars/backend[Pod] : All Connections
aws:management-ui/management-ui[Pod] => aws:client/client[Pod] : All Connections
aws:client/client[Pod] => aws:management-ui/management-ui[Pod] : All Connections
ccp:stars/frontend[Pod] => aws:management-ui/management-ui[Pod] : All Connections
ccp:stars/backend[Pod] => aws:management-ui/management-ui[Pod] : All Connections
END
ok "the single-cluster Stars policies, annotated, give the picture across two clusters" both map --expect picture
both map >lines
ok "the text is those lines" diff <(sort lines) <(grep -v '^#' picture | sort)
sed 's/ccp:\|aws://g' picture >bare
ok "without the clusters' names too" both map --expect bare
mkdir one.d && cat ccp/world.yaml aws/world.yaml ccp/policies.yaml >one/all.yaml
ok "and they are those of one cluster" policy map --cluster one=one --expect bare
ok "which names none" sh -c "! timeout 60 '$ISTHMUS' policy map --cluster one=one | grep -q one:"
ok "from the standard input as well" sh -c "timeout 60 '$ISTHMUS' policy map --cluster one=- --expect bare <one/all.yaml"

annotated 'team: stars'
exits 1 "without the annotation the clusters do not meet" both map --expect picture
says "aws:client/client[Pod] => ccp:stars/frontend[Pod] : expected TCP 80, is No Connections" "each difference is printed"
says "3 pairs are not as expected" "and counted"
ok "--federate takes every policy as annotated" both map --federate --expect picture
annotated 'isthmus.dev/clusters: elsewhere'
exits 1 "an annotation for another cluster is none" both map --expect picture
annotated 'isthmus.dev/clusters: "ccp, aws"'
ok "names do" both map --expect picture
exits 1 "--as-written follows none" both map --as-written --expect picture

printf 'aws:client/client[Pod] => ccp:stars/frontend[Pod] : TCP 80\n...\n' >some
ok "a line of three dots leaves other pairs open" both map --expect some
printf 'aws:client/client[Pod] => ccp:stars/frontend[Pod] : TCP 81\n...\n' >some
exits 1 "but not those that are named" both map --expect some
echo 'aws:client/client[Pod] -> ccp:stars/frontend[Pod]' >some
exits 1 "a line that is none is an error" both map --expect some
says "some: line 1" "with its place"

# ---- other forms
both map --output svg >map.svg
ok "the picture is well-formed XML with every workload in it" python3 -c '
import sys, xml.dom.minidom
text = open("map.svg").read()
xml.dom.minidom.parseString(text)
sys.exit(not all(">%s<" % n in text for n in ("frontend", "backend", "client", "management-ui", "ccp", "aws", "TCP 80")))'
both map --output json >map.json
ok "JSON says the same as the text" python3 -c '
import json
m = json.load(open("map.json"))
name = lambda w: "%s:%s/%s[%s]" % (w["cluster"], w["namespace"], w["name"], w["kind"])
say = lambda c: "All Connections" if c == "all" else ",".join("%s %s" % (p, ",".join(map(str, r))) for p, r in sorted(c.items()))
have = sorted("%s => %s : %s" % (name(m["workloads"][c["from"]]), name(m["workloads"][c["to"]]), say(c["connections"])) for c in m["connections"])
assert have == sorted(open("lines").read().splitlines()), have'
ok "DOT has a line for each pair" sh -c "[ \$(timeout 60 '$ISTHMUS' policy map --cluster ccp=ccp --cluster aws=aws --output dot | grep -c -- '->') = 8 ]"

# ---- what would be applied
ok "render writes the policies of each cluster" both render -o out
says "companions for 2 clusters" "and counts them"
ok "the client's address stands in a companion of frontend-policy" grep -q '10.0.0.4/32' out/ccp/stars.frontend-policy-isthmus-aws.yaml
ok "an empty list of peers nowhere" sh -c "! grep -rqE '(from|to): *\\[\\]' out"
ok "a companion neither for a policy without rules nor for one whose peers are at home" \
    sh -c "! ls out/ccp | grep -q 'default-deny-\\|backend-policy-'"
mkdir -p applied/ccp applied/aws
cp ccp/world.yaml out/ccp/*.yaml applied/ccp
cp aws/world.yaml out/aws/*.yaml applied/aws
ok "as written, originals and companions are the same picture" \
    policy map --as-written --cluster ccp=applied/ccp --cluster aws=applied/aws --expect picture
sed -i 's/name: client, namespace: client/name: client, namespace: elsewhere/' aws/world.yaml
ok "rendered again" both render --output out
ok "what is no longer needed is gone" test ! -e out/ccp/stars.frontend-policy-isthmus-aws.yaml
sed -i 's/namespace: elsewhere/namespace: client/' aws/world.yaml
ok "pods outside the declared CIDR are never written" both render --pod-cidr aws=10.1.0.0/16 -o strict
ok "so nothing stands in for them" sh -c "! grep -rq 10.0.0 strict/ccp"
exits 1 "render needs a folder" both render

# ---- for the VPC CNI, which knows no names of ports in ipBlock rules and judges before a ClusterIP is translated
mkdir -p vpc/east vpc/west
cat >vpc/west/world.yaml <<'END'
{apiVersion: v1, kind: Pod, metadata: {name: w, namespace: shop, labels: {app: web}}, status: {phase: Running, podIP: 10.2.0.4}}
END
cat >vpc/east/world.yaml <<'END'
{apiVersion: v1, kind: Pod, metadata: {name: e, namespace: shop, labels: {app: web}}, spec: {containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}, status: {phase: Running, podIP: 10.1.0.4}}
---
{apiVersion: v1, kind: Service, metadata: {name: west, namespace: shop}, spec: {clusterIP: 172.20.0.9, ports: [{port: 80}]}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: west-1, namespace: shop, labels: {kubernetes.io/service-name: west}}, addressType: IPv4, ports: [{port: 8080}], endpoints: [{addresses: [10.2.0.4]}]}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: shop, annotations: {isthmus.dev/clusters: west}}, spec: {podSelector: {}, ingress: [{from: [{podSelector: {}}], ports: [{port: http}]}], egress: [{to: [{podSelector: {}}]}]}}
END
vpc() { policy render --cluster east=vpc/east --cluster west=vpc/west -o "$1"; }
ok "render for a network plugin that is not known" vpc vpc/plain
ok "keeps names of ports" grep -q 'port: "*http' vpc/plain/east/shop.p-isthmus-west.yaml
ok "and names no ClusterIP" sh -c "! grep -q 172.20.0.9 vpc/plain/east/shop.p-isthmus-west.yaml"
cat >vpc/east/aws-node.yaml <<'END'
{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: aws-node, namespace: kube-system}, spec: {selector: {matchLabels: {k8s-app: aws-node}}, template: {metadata: {labels: {k8s-app: aws-node}}, spec: {hostNetwork: true, containers: [{name: aws-node}, {name: aws-eks-nodeagent, args: [--enable-network-policy=true]}]}}}}
END
ok "render for the VPC CNI" vpc vpc/out
ok "writes the number" grep -q 'port: 8080' vpc/out/east/shop.p-isthmus-west.yaml
ok "and the ClusterIP that leads to what is allowed alone" grep -q 172.20.0.9/32 vpc/out/east/shop.p-isthmus-west.yaml
python3 -c 'print("{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: many, namespace: shop, annotations: {isthmus.dev/clusters: west}}, spec: {podSelector: {}, ingress: [{from: [{podSelector: {}}], ports: [" + ", ".join("{port: %d}" % p for p in range(100, 125)) + "]}]}}")' >vpc/east/many.yaml
ok "more ports than its agent takes are written all the same" vpc vpc/out
says "25 ports for one address" "and told"

# ---- why
ok "explain answers" both explain client/client stars/frontend 80
says "allowed by stars/frontend-policy: ingress rule 1" "with the rule that lets it in"
ok "for a port by name" both explain aws:client/client 'ccp:stars/frontend[Pod]' http
says "TCP 80: allowed" "which is the destination's"
ok "and for what is denied" both explain client/client stars/frontend 81/tcp
says "not on this port: stars/frontend-policy" "with the rule that comes near"
ok "or nothing does" both explain client/client stars/backend 6379
says "no rule of stars/backend-policy means it" "policy by policy"
exits 1 "an end that is none is an error" both explain client/nobody stars/backend 1
exits 1 "and so is a name of a port that the destination does not have" both explain client/client stars/frontend https
ok "explain of what nobody guards" both explain stars/frontend management-ui/management-ui 9001
says "ingress of aws:management-ui/management-ui[Pod]: no policy selects it, everything is allowed" "says that nobody does"
ok "an address is its pod's" both explain 10.0.0.4 192.168.0.4 80
says "aws:client/client[Pod] => ccp:stars/frontend[Pod] : TCP 80: allowed" "by name"
ok "or outside" both explain 8.8.8.8 stars/frontend 80
says "8.8.8.8 => ccp:stars/frontend[Pod] : TCP 80: denied" "where selectors mean nobody"
ok "on the way out too" both explain client/client 8.8.8.8 udp/53
says "egress of aws:client/client[Pod]: no policy selects it, everything is allowed" "with its own side alone"
sed 's/podSelector: {matchLabels: {role: frontend}}$/&\n  policyTypes: [Ingress, Egress]\n  egress: [{to: [{ipBlock: {cidr: 8.8.0.0\/16, except: [8.8.4.0\/24]}}], ports: [{port: 443}]}]/' ccp/policies.yaml >out.yaml
mkdir outside && cat ccp/world.yaml out.yaml >outside/all.yaml
out() { policy explain --cluster ccp=outside stars/frontend "$@"; }
ok "a block that holds it" out 8.8.8.8 443
says "allowed by stars/frontend-policy: egress rule 1, to ipBlock 8.8.0.0/16" "is the one that lets it"
ok "its exceptions" out 8.8.4.4 443
says "denied" "do not"
exits 1 "two addresses outside are nobody's question" both explain 8.8.8.8 8.8.4.4 53

# ---- what is wrong
exits 1 "a source that is not there" policy map --cluster x=nowhere
exits 1 "a folder without objects" policy map --cluster x=one.d
says "holds no Kubernetes object" "says so"
exits 1 "a cluster twice" policy map --cluster x=one --cluster x=one
exits 1 "a cluster without a source" policy map --cluster x
exits 1 "an unknown form" policy map --cluster x=one --output pdf
exits 1 "a CIDR of no cluster" policy map --cluster x=one --pod-cidr y=10.0.0.0/8
exits 1 "no command of policies" "$ISTHMUS" policy
says "isthmus policy explain " "and they are listed"
exits 0 "the help of all" "$ISTHMUS" --help
says "policy map " "has them too"
exits 0 "their list is help too" "$ISTHMUS" policy --help
exits 0 "and that of one" "$ISTHMUS" help policy map
says "--federate " "with its options"
exits 1 "help of what is nobody's" "$ISTHMUS" help nonsense
exits 1 "no cluster at all" policy map
says "--cluster NAME=SOURCE" "with what to write"
printf 'kind: Pod\nmetadata: {name: [}\n' >broken.yaml
exits 1 "broken YAML" policy map --cluster x=broken.yaml
says "broken.yaml:2" "with its place"
printf 'apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: z, namespace: stars}\n' >one/z.yaml
ok "a policy that is not modelled is warned of" policy map --cluster one=one
says "CiliumNetworkPolicy z is not modelled" "by name"
mkdir conf.d && printf 'pipelines:\n  p:\n    steps:\n      s: {plugin: k8s-netpol, with: {kubeconfigs: {x: "${steps.gone.y}"}}}\n' >conf.d/p.yaml
ok "a configuration beside it is none of its business" both map --expect picture

# ---- sets of others, by the command
if [ -d "${ISTHMUS_TEST_DATA:-}/netpol" ]; then
    sets=0 wrong=0
    for set in "$ISTHMUS_TEST_DATA"/netpol/*/; do
        sets=$((sets + 1))
        policy map --cluster "one=$set/manifests" --expect "$set/expected.txt" >>"$TMP/sets" 2>&1 || wrong=$((wrong + 1))
    done
    ok "each of $sets published sets connects as its authors expect" test "$sets" -gt 40 -a "$wrong" = 0
else
    CASES=$((CASES + 1))
    echo "ok $CASES - published sets connect as their authors expect # SKIP ISTHMUS_TEST_DATA is not set"
fi
cd / || exit 1
finish
