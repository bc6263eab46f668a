#!/usr/bin/env bash
# Runs a test program and puts one thing right: cmocka (1.1.5) calls a skipped case "not ok".
set -o pipefail
"$@" | sed -u 's/^not ok \([0-9][0-9]*\) # SKIP \(.*\)/ok \1 - \2 # SKIP/'
