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

# Who reaches whom, as a table, out of what verify printed; and the path that the picture shows.
table() {
    awk '
        / picture: [^ ]+ -> [^ ]+ / {
            from = $3; to = $5; how = $6; sub(",", "", how)
            if (!(from in row)) { row[from] = 1; rows[++n] = from }
            if (!(to in column)) { column[to] = 1; columns[++m] = to }
            cell[from, to] = how
        }
        / picture: picture / { sub(/.* picture: picture +/, ""); path = $0 }
        END {
            printf "\nFrom \\ to      "
            for (j = 1; j <= m; j++) printf "%-12s", columns[j]
            for (i = 1; i <= n; i++) {
                printf "\n%-15s", rows[i]
                for (j = 1; j <= m; j++) printf "%-12s", (rows[i], columns[j]) in cell ? cell[rows[i], columns[j]] : "."
            }
            printf "\n\nThe picture: %s\n", path
        }' "$1"
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
run verify stars | tee "$DIR/verify"
table "$DIR/verify"
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
