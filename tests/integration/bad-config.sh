#!/usr/bin/env bash
# Every file of bad-config/ is wrong in its own way and says in its first line how: `# expect LINE:COLUMN text`.
# `# args ...` and `# env NAME=VALUE` below it go to the command. Each must end with exit 1, the place and the text.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
export HOME=$TMP XDG_CACHE_HOME=$TMP/cache
unset ISTHMUS_NOT_SET
export LC_ALL=C

header() { # header FILE WORD: sets REPLY to the rest of its comment line "# WORD rest"
    local line
    REPLY=
    while IFS= read -r line && [[ $line == '# '* ]]; do
        [[ $line != "# $2 "* ]] || REPLY=${line#"# $2 "}
    done <"$1"
}

refused() { # refused FILE
    local file=$1 expect place text args=() env=()
    header "$file" expect
    expect=$REPLY
    place=${expect%% *}
    text=${expect#* }
    header "$file" args
    read -ra args <<<"$REPLY"
    header "$file" env
    read -ra env <<<"$REPLY"
    env "${env[@]}" timeout 20 "$ISTHMUS" -C "$file" validate "${args[@]}" >"$TMP/said" 2>&1
    local status=$?
    cat "$TMP/said"
    [ $status = 1 ] || { echo "exit $status, expected 1"; return 1; }
    [ "$place" = 0:0 ] || grep -aqF "$file:$place: error: " "$TMP/said" || { echo "expected at $place"; return 1; }
    grep -aF "${place#0:0}" "$TMP/said" | grep -aqF -- "$text" || { echo "expected: $text"; return 1; }
}

if [ ! -f "$BUILD/plugins/test-file/test-file.la" ]; then skip_all "the plugin test-file is not built here"; fi
for file in "$SRC"/tests/integration/bad-config/*.yaml; do
    name=${file##*/}
    header "$file" expect
    ok "refuses ${name%.yaml}: $REPLY" refused "$file"
done
exits 1 "refuses a folder that is not there" "$ISTHMUS" -C "$TMP/nowhere" validate
says "cannot read the configuration" "and says so"
mkdir "$TMP/empty"
exits 1 "refuses a folder without configuration" "$ISTHMUS" -C "$TMP/empty" validate
says 'no *.yaml file' "and says so"
finish
