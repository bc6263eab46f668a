#!/usr/bin/env bash
# Whose an object is: what Isthmus made stays its own when somebody takes the labels off, another object under the same
# name is somebody else's. And a Service that somebody opens on every node is closed again.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/drift-lib.sh"

unlabel() { # unlabel CLUSTER [-n NAMESPACE] KIND NAME
    "$1" label "${@:2}" isthmus.dev/owner- isthmus.dev/step- app.kubernetes.io/managed-by-
}
slice() { cloud -n stars get endpointslice -o name | head -1; }

# ---- the label goes, the object stays ours ----
drift "the label of an applied Deployment" "isthmus.dev/step" - unlabel onprem -n stars deployment frontend
drift "of a Namespace" "isthmus.dev/step" - unlabel cloud namespace client
drift "of a mirrored Service" "isthmus.dev/owner" - unlabel cloud -n stars service frontend
drift "of a slice" "isthmus.dev/owner" - unlabel cloud -n stars "$(slice)"
drift "of a Namespace that came with a Service" "isthmus.dev/owner" - unlabel cloud namespace stars
drift "of a policy between the clusters" "isthmus.dev/owner" "allow-ui" unlabel onprem -n stars networkpolicy allow-ui

unlabel cloud -n stars service backend >/dev/null
isthmus plan stars >"$TMP/out" 2>&1
says "0 to create, 1 to update, 0 to replace, 0 to delete" "a label that went is one change, and nothing else"
isthmus apply stars --yes >/dev/null 2>&1

# ---- a Service is opened ----
open_it() { "$1" -n stars patch service "$2" --type merge -p '{"spec":{"type":"NodePort"}}'; }
drift "an applied Service becomes a NodePort" "spec.type" - open_it onprem frontend
drift "a mirrored one does" "spec.type" - open_it cloud frontend
drift "a mirrored one gets an external address" "spec.externalIPs" - \
    cloud -n stars patch service backend --type merge -p '{"spec":{"externalIPs":["198.51.100.7"]}}'
drift "a mirrored one gets affinity" "spec.sessionAffinity" - \
    cloud -n stars patch service backend --type merge -p '{"spec":{"sessionAffinity":"ClientIP"}}'

# ---- the same name, another object ----
theirs() { # theirs CLUSTER NAMESPACE NAME: deletes a Service and makes one that nobody of Isthmus made
    "$1" -n "$2" delete service "$3" >/dev/null &&
        "$1" -n "$2" create service clusterip "$3" --tcp=80:80 >/dev/null
}
theirs cloud stars frontend
exits 0 "a mirrored Service that somebody made anew is left alone" isthmus apply stars --yes
says "Service stars/frontend of aws is left alone: it was not made by this step" "and that is said"
kept() { [ -z "$(cloud -n stars get service frontend -o 'jsonpath={.metadata.labels.isthmus\.dev/owner}')" ]; }
ok "it is as it was" kept
theirs onprem stars backend
exits 1 "an applied one stops the plan" isthmus plan stars
says "was not made by Isthmus" "which says why"
says "uid" "and how it is known"

# ---- a step gets another name ----
onprem -n stars delete service backend >/dev/null
cloud -n stars delete service frontend >/dev/null
isthmus apply stars --yes --allow-deferred >"$TMP/out" 2>&1
pass_or_fail $? "all is back"
cp -r "$SRC/conf.d" "$TMP/conf"
CONF=$TMP/conf
sed -i 's/^      app:/      apps:/; s/needs: \[app\]/needs: [apps]/; s/^      services:/      mirror:/; s/needs: \[services\]/needs: [mirror]/
    s/^      federation:/      across:/; s/needs: \[federation\]/needs: [across]/' "$CONF/stars.yaml"
isthmus plan stars >"$TMP/out" 2>&1
says "if it is called mirror now, first \`isthmus state mv stars services mirror\`" "the plan tells what that would do, and what to do first"
says "if app has another name now, \`isthmus state mv PIPELINE app apps\`" "so does the error of a step that meets what it made"
for move in "app apps" "services mirror" "federation across"; do
    # shellcheck disable=SC2086 # two words
    ok "state mv $move" isthmus state mv stars $move
done
exits 2 "what a step made is its own under the new name" isthmus plan stars --detailed-exitcode
says " 0 to create" "nothing is made anew"
says " 0 to replace, 0 to delete" "nothing is taken away"
lacks_keeper() { ! isthmus plan stars 2>&1 | grep "left alone"; }
ok "nothing is left alone" lacks_keeper
ok "apply writes the new name on it" isthmus apply stars --yes --allow-deferred
exits 0 "and then nothing is left" isthmus plan stars --detailed-exitcode
ok "and the whole picture holds" isthmus verify stars
# Without `state mv` the one goes and the other comes: it is kept from what the first still has, and freed of it.
sed -i 's/^      across:/      beyond:/; s/needs: \[across\]/needs: [beyond]/' "$CONF/stars.yaml"
ok "a step that is renamed without that is made anew" isthmus apply stars --yes
exits 0 "in one run" isthmus plan stars --detailed-exitcode
ok "and the picture holds" isthmus verify stars

# ---- destroy goes by what was made ----
onprem -n stars delete service backend >/dev/null
isthmus apply stars --yes --allow-deferred >"$TMP/out" 2>&1
pass_or_fail $? "all is back, but for the one"
theirs onprem stars backend
unlabel onprem -n stars deployment frontend >/dev/null
unlabel onprem namespace stars >/dev/null
unlabel onprem -n client service client >/dev/null
unlabel onprem namespace client >/dev/null
unlabel onprem -n stars networkpolicy frontend-policy >/dev/null
ok "destroy" isthmus destroy stars --yes
says "Service stars/backend in ccp is not the one that this step made" "says what it leaves"
gone() {
    ! onprem -n stars get deployment frontend && ! onprem -n stars get networkpolicy frontend-policy &&
        ! onprem get namespace client
}
ok "what lost its labels went" gone
stays() { onprem -n stars get service backend; }
ok "what somebody made stays, with the namespace around it" stays
finish
