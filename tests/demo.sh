#!/usr/bin/env bash
# The Stars walk-through against the lab, from nothing to the picture. Called by `./autogen.sh demo`.
set -euo pipefail
cd "$(dirname "$(realpath "$0")")/.."
BUILD=${BUILD:-$PWD/build}
DIR=${DEMO_DIR:-$PWD/.demo}
isthmus=$BUILD/core/isthmus

run() {
    printf '\n$ isthmus %s\n' "$*"
    "$isthmus" -C conf.d "$@"
}

if [ -e "$DIR" ]; then
    "$isthmus" lab down --dir "$DIR" 2>/dev/null || true
    rm -rf "$DIR"
fi
printf '$ isthmus lab up --dir %s\n' "$DIR"
"$isthmus" lab up --dir "$DIR"
# shellcheck disable=SC1091
. "$DIR/env"

run validate stars
run plan stars
run apply stars --yes
run verify stars
printf '\nAnd again: nothing is left to do.\n'
run plan stars --detailed-exitcode

cat <<END

The lab is still up. To look around:
  . $DIR/env
  export PATH=$BUILD/core:\$PATH
  kubectl --context aws get svc -A          the mirrored services
  kubectl --context ccp get networkpolicy -n stars -o yaml
  ssh -i \$ISTHMUS_ROUTER_KEY -p \$ISTHMUS_ROUTER_PORT ec2-user@\$ISTHMUS_ROUTER_ADDRESS show dmvpn
  isthmus -C conf.d destroy stars           take it all away again
  isthmus lab down --dir $DIR
END
