#!/usr/bin/env bash
# The command line as people type it: where options may stand, what is said to a typing error, and that the table,
# the help, the man page and the completion agree.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
export HOME=$TMP XDG_CACHE_HOME=$TMP/cache
cat >"$TMP/one.yaml" <<X
pipelines:
  p:
    steps:
      a: {plugin: test-file, with: {dir: $TMP/a}}
      b: {plugin: test-file, with: {dir: $TMP/b, content: "\${steps.a.id}"}}
X
i() { timeout 20 "$ISTHMUS" "$@"; }

exits 0 "--help says how it is used" i --help
says "usage: isthmus" "on standard output"
exits 1 "nothing at all is an error" i
exits 0 "version" i version
exits 0 "--version" i --version
exits 1 "an unknown command" i aply
says "did you mean \`apply\`?" "suggests the nearest"
exits 1 "an unknown second word" i plugin lst
says "did you mean \`plugin list\`?" "suggests the nearest"
exits 1 "a group alone" i state
says "needs a second word" "says what is missing"
cd "$TMP" || exit 1
exits 0 "state where ISTHMUS_STATE says, without a configuration" env ISTHMUS_STATE="$TMP/alone.db" "$ISTHMUS" state list
exits 1 "-C is read all the same" env ISTHMUS_STATE="$TMP/alone.db" "$ISTHMUS" state list -C nowhere
exits 1 "an unknown option" i plan --jbos 3
says "did you mean --jobs?" "suggests the nearest"
exits 1 "an option of another command" i version --yes
says "does not take the option --yes" "is refused"
exits 1 "an option without its value" i validate -C
says "needs a value" "is refused"
exits 1 "a value for a switch" i plan --yes=1
exits 1 "an option twice" i -C "$TMP" -C "$TMP" validate
says "given twice" "is refused"
for jobs in 0 65 x ''; do
    exits 1 "--jobs '$jobs'" i plan --jobs "$jobs"
done
exits 1 "an unknown format" i validate --output xml
says "expected text, json or jsonl" "says which there are"
exits 1 "too many words" i validate p q
exits 1 "too few words" i plugin show

exits 0 "options before the command" i -C "$TMP/one.yaml" --output text validate p
exits 0 "options behind it" i validate p -C "$TMP/one.yaml" --output text
exits 0 "options on both sides, joined to their values" i "-C$TMP/one.yaml" validate --output=text p -v
says "valid: 2 steps in 1 pipeline" "the pipeline is valid"
exits 1 "words behind -- are no options" i -C "$TMP/one.yaml" validate -- --help
says "unknown pipeline \`--help\`" "but words"

exits 0 "validate as JSON" i -C "$TMP/one.yaml" validate --output json
says '"valid": true' "says that it is valid"
exits 1 "validate as JSON, with an error" i -C "$TMP/one.yaml" validate --output json --set pipelines.p.steps.a.with.x=1
says '"valid": false' "says that it is not"
for what in version "config show" "graph p" "validate p"; do
    # shellcheck disable=SC2086 # several words
    i -C "$TMP/one.yaml" --output jsonl $what >"$TMP/lines"
    ok "--output jsonl: every line of $what is an object" test "$(grep -cv '^{.*}$' "$TMP/lines")" = 0
done
exits 0 "graph" i -C "$TMP/one.yaml" graph p
says '"a" -> "b";' "shows what needs what"
says 'label="a\n' "a label on one line"
exits 0 "config show" i -C "$TMP/one.yaml" config show --origin
says "# $TMP/one.yaml:5" "shows where it stands"

exits 0 "the same as JSON" i -C "$TMP/one.yaml" --output jsonl config show --origin
says "\"origin\":{\"file\":\"$TMP/one.yaml\",\"line\":" "tells file and line of each value"
i -C "$TMP/one.yaml" config show >"$TMP/shown.yaml"
exits 0 "what config show prints is configuration again" i -C "$TMP/shown.yaml" validate

# The table, and what is made of it.
mapfile -t commands < <(i --help | sed -n '/^commands:/,/^$/s/^  \([a-z]*\( [a-z]*\)\{0,1\}\) .*/\1/p' | sed 's/ *$//')
[ ${#commands[@]} -gt 20 ]
pass_or_fail $? "the help lists the commands"
i help --man >"$TMP/isthmus.1"
i help --completion bash >"$TMP/completion"
for command in "${commands[@]}"; do
    [ "$command" = lab ] && continue
    # shellcheck disable=SC2086
    exits 0 "isthmus $command --help" i $command --help
    says "usage: isthmus $command" "says how it is used"
    grep -q "^\.SS isthmus $command" "$TMP/isthmus.1"
    pass_or_fail $? "the man page has $command"
done
if command -v man >/dev/null && command -v groff >/dev/null; then
    LC_ALL=C.UTF-8 man --warnings -E UTF-8 -l -Tutf8 -Z "$TMP/isthmus.1" >/dev/null 2>"$TMP/out"
    [ ! -s "$TMP/out" ]
    pass_or_fail $? "the man page renders without a warning"
fi
ok "the completion is bash" bash -n "$TMP/completion"
complete_words() { # what follows the words typed so far
    # shellcheck disable=SC1091
    (. "$TMP/completion" && COMP_WORDS=(isthmus "$@") COMP_CWORD=$# && _isthmus && echo "${COMPREPLY[*]}")
}
complete_words va >"$TMP/out"
says "validate" "completes a command"
complete_words state "" >"$TMP/out"
says "unlock" "completes a second word"
complete_words plan --det >"$TMP/out"
says "--detailed-exitcode" "completes an option"

exits 0 "plugin new writes where --dir says" i plugin new my-thing --dir "$TMP/new"
ok "a folder of its name" test -f "$TMP/new/my-thing/my-thing.c"
exits 0 "also before the words" i --dir "$TMP/new" plugin new my-other
ok "and there too" test -f "$TMP/new/my-other/my-other.c"
if [ -x "$BUILD/sdk/lab/isthmus-lab" ]; then
    exits 1 "an option of the lab before its word" i --dir "$TMP/no-lab" lab log
    says "$TMP/no-lab" "reaches the lab"
    exits 1 "and between the two" i lab --dir "$TMP/no-lab" log
    says "cannot read $TMP/no-lab" "does too"
    exits 1 "-C there is the same option: the last one counts" i -C "$TMP/one.yaml" lab --dir "$TMP/no-lab" log
    says "cannot read $TMP/no-lab" "and names the lab"
    exits 1 "no folder at all" i lab log
    says "--dir DIR is needed" "is asked for"
    exits 1 "a word that the lab does not know" i lab --dir "$TMP/no-lab" lgo
    says "unknown command lgo" "is named"
fi

# ---- a file that is called as a pipeline is
echo "not a plan" >"$TMP/p"
exits 0 "a pipeline's name goes before a file's" env ISTHMUS_STATE="$TMP/named.db" timeout 20 "$ISTHMUS" -C "$TMP/one.yaml" apply p --yes
ok "and is applied" test -e "$TMP/a"
exits 1 "./p is the file" env ISTHMUS_STATE="$TMP/named.db" timeout 20 "$ISTHMUS" -C "$TMP/one.yaml" apply ./p
says "this is no plan" "which is no plan"
mv "$TMP/p" "$TMP/q"
exits 1 "a file that no pipeline is called as is a plan" env ISTHMUS_STATE="$TMP/named.db" timeout 20 "$ISTHMUS" -C "$TMP/one.yaml" apply q
says "this is no plan" "as it was"
finish
