# shellcheck shell=bash
# A configuration over the test plugin, whose resources are files: what the tests of the engine share.
# Sourced after lib.sh. CONF is the configuration's folder, WORLD holds the files.
CONF=$TMP/conf.d
WORLD=$TMP/world
export XDG_CACHE_HOME=$TMP/cache
mkdir -p "$CONF" "$WORLD" "$XDG_CACHE_HOME"

# write_conf [FILE]: standard input becomes the pipeline file; @WORLD@ is put in.
write_conf() {
    printf 'isthmus:\n  state: %s\n' "$TMP/state.db" >"$CONF/isthmus.yaml"
    sed "s|@WORLD@|$WORLD|g" >"$CONF/${1:-p.yaml}"
}

ist() { # with -C DIR first: that configuration
    local dir=$CONF
    [ "$1" != -C ] || { dir=$2; shift 2; }
    timeout 60 "$ISTHMUS" -C "$dir" "$@"
}

# What is in the world, without what chance chose: ids become the names of what has them, tokens go.
world() {
    local f id
    : >"$TMP/ids.sed"
    for f in "$WORLD"/*/[0-9a-f]*; do
        [ -f "$f" ] || continue
        id=${f##*/}
        printf 's|%s|<%s %s>|g\n' "$id" "$(basename "$(dirname "$f")")" "$(sed -n 's/^resource: //p' "$f")" >>"$TMP/ids.sed"
    done
    for f in "$WORLD"/*/[0-9a-f]*; do
        [ -f "$f" ] || continue
        printf '%s: ' "$(basename "$(dirname "$f")")"
        sed '/^token: /d' "$f" | tr '\n' ' '
        echo
    done | sed -f "$TMP/ids.sed" | sort
}

# The files of a folder of the world.
files() { find "$WORLD/$1" -type f ! -name '.*' 2>/dev/null | wc -l; }

same_world() { # same_world EXPECTED-FILE
    world >"$TMP/now"
    diff "$1" "$TMP/now"
}
