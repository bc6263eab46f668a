#!/usr/bin/env bash
# The walk-through with a Linux host in the router's place: one word of the pipeline is another, and everything that
# stars.sh sees holds; what somebody does to the host by hand is told, and mended.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/router-lib.sh"
need_namespaces
start_lab
CONF=$TMP/conf.d
cp -r "$SRC/conf.d" "$CONF"
sed -i 's/^        plugin: csr-dmvpn$/        plugin: frr-dmvpn/' "$CONF/stars.yaml"
one_word() { [ "$(diff "$SRC/conf.d/stars.yaml" "$CONF/stars.yaml" | grep -c '^[<>]')" = 2 ]; }
ok "one line of the pipeline is another" one_word

lab snapshot >"$TMP/before"
ok "validate" isthmus validate stars
ok "the first plan" isthmus plan stars
says "router (frr-dmvpn): deferred" "tells of the endpoint"
no_writes() { [ "$(writes)" = 0 ]; }
ok "has written nothing" no_writes
ok "apply" isthmus apply stars --yes
before=$(writes)
exits 0 "a second plan is empty" isthmus plan stars --detailed-exitcode
nothing_more() { [ "$(writes)" = "$before" ]; }
ok "and has written nothing" nothing_more
ok "verify" isthmus verify stars
says "client -> frontend -> backend" "shows the picture"
secret_forms >"$TMP/forms"
no_secret_in() { ! grep -raF -f "$TMP/forms" -- "$@"; }
ok "no secret is in the state" no_secret_in "$ISTHMUS_STATE"*
ok "destroy" isthmus destroy stars --yes
gone() { lab snapshot >"$TMP/now" && diff "$TMP/before" "$TMP/now"; }
ok "leaves the lab as it was" gone
no_host() { ! ls -d "$TMP"/lab/host-* 2>/dev/null; }
ok "and no host" no_host
finish
