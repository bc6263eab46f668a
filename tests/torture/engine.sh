#!/usr/bin/env bash
# The engine over test files: drift, deferral, steps that go or change their plugin, plan files, faults of
# plugins, cancelling, destroying.
# shellcheck source=../integration/lib.sh
. "$(dirname "$0")/../integration/lib.sh"
# shellcheck source=files.sh
. "$(dirname "$0")/files.sh"
export ISTHMUS_PLUGIN_PATH=$BUILD/tests/torture/.libs

# Whether it is JSON can be told where something reads JSON.
JSON='cat'
! command -v python3 >/dev/null || JSON='python3 -m json.tool'

says_not() { # says_not "text" "says what"
    ! grep -qF -- "$1" "$TMP/out"
    pass_or_fail $? "$2"
}

fresh() { # a new world and state
    ist destroy p --yes >/dev/null 2>&1
    rm -rf "$WORLD" "$TMP"/state.db* "$CONF"/*.yaml
    mkdir -p "$WORLD"
}

two_steps() {
    write_conf <<'END'
vars: {text: one, more: {}}
pipelines:
  p:
    steps:
      a:
        plugin: test-file
        with: {dir: "@WORLD@/a", count: 2, content: "${var.text}"}
      b:
        plugin: test-file
        with: {dir: "@WORLD@/b", content: "${steps.a.id}", secret: "${steps.a.minted}"}
END
}

one_step() { # one_step "inputs after dir"
    write_conf <<END
pipelines:
  p:
    steps:
      a:
        plugin: test-file
        with: {dir: "@WORLD@/a"$1}
      other:
        plugin: test-file
        with: {dir: "@WORLD@/other"}
      user:
        plugin: test-file
        with: {dir: "@WORLD@/user"}
        needs: [a]
END
}

begin() { # begin WORDS...: in the background; PID, and what it says in $TMP/run
    "$ISTHMUS" -C "$CONF" "$@" >"$TMP/run" 2>&1 &
    PID=$!
}
some() { [ "$(files "$1")" -gt 0 ]; }

# ---- plan, deferral, drift
two_steps
exits 2 "a first plan has changes" ist plan p --detailed-exitcode
says "b (test-file): deferred: a is created first" "what needs a step that is created is deferred"
ok "a plan makes nothing" test "$(files a)" = 0
exits 1 "apply asks, and without anybody to ask it stops" ist apply p </dev/null
says "--yes" "it says how to go on"
exits 0 "apply --yes makes all" ist apply p --yes
exits 0 "then nothing differs" ist plan p --detailed-exitcode
says "No changes" "and it says so"
one=$(find "$WORLD/a" -type f | head -1)
sed -i '$s/one/drifted/' "$one"
exits 2 "a file that somebody changed is drift" ist plan p --detailed-exitcode
says 'content: "drifted" -> "one"' "the plan shows what it was and what it becomes"
says "0 to create, 1 to update" "and nothing else"
exits 0 "apply mends it" ist apply p --yes
ok "as it was" grep -q one "$one"
exits 2 "apply --detailed-exitcode tells of changes" ist apply p --yes --set text=two --detailed-exitcode
exits 0 "and of none" ist apply p --yes --set text=two --detailed-exitcode
exits 1 "an unknown step is an error" ist plan p --only bb
says 'did you mean' "with a suggestion"

# ---- what is mended does not hide what differs after it
fresh
write_conf <<'END'
pipelines:
  p:
    steps:
      a: {plugin: test-file, with: {dir: "@WORLD@/a", count: 2}}
      b: {plugin: test-file, needs: [a], with: {dir: "@WORLD@/b"}}
      c: {plugin: test-file, needs: [b], with: {dir: "@WORLD@/c"}}
END
ist apply p --yes >/dev/null 2>&1
rm "$(find "$WORLD/a" -type f | head -1)"
exits 2 "a part that is gone is created anew" ist plan p --detailed-exitcode
says "Plan: 1 to create, 0 to update, 0 to replace, 0 to delete." "that is all of the plan"
sed -i '$s/hello/drifted/' "$WORLD"/c/*
exits 2 "what differs further on" ist plan p --detailed-exitcode
says "Plan: 1 to create, 1 to update, 0 to replace, 0 to delete." "is planned beside it"
exits 0 "and apply mends both at once" ist apply p --yes
exits 0 "nothing differs then" ist plan p --detailed-exitcode

# ---- questions, where somebody can answer
fresh
two_steps
answer() { # answer "text" command...: on a terminal of its own
    local text=$1
    shift
    (printf '%b' "$text"; sleep 1) | timeout 120 script -qec "'$ISTHMUS' -C '$CONF' $*" /dev/null
}
exits 1 "no is an answer" answer 'n\n' apply p
says "Make these changes?" "apply asked"
ok "nothing was made" test "$(files a)" = 0
exits 0 "yes is another" answer 'yes\n' apply p
ok "all was made" test "$(files a)$(files b)" = 21
find "$WORLD/a" -type f -delete
exits 0 "a deferred step that would update asks when its turn comes" answer 'y\ny\n' apply p
says "b could not be planned before" "by name"
exits 1 "destroy asks" answer 'n\n' destroy p
ok "and leaves all" test "$(files a)$(files b)" = 21

# ---- --only
fresh
two_steps
exits 1 "--only of a step whose needs are not there fails" ist apply p --yes --only b
ok "and made nothing" test "$(files b)" = 0
exits 0 "--only makes one step" ist apply p --yes --only a
ok "and no other" test "$(files a)$(files b)" = 20
exits 0 "then the one that needs it" ist apply p --yes --only b
exits 0 "and all is there" ist plan p --detailed-exitcode

# ---- deferred steps may only create
fresh
two_steps
ist apply p --yes >/dev/null 2>&1
find "$WORLD/a" -type f -delete
exits 3 "a deferred step that would update is refused" ist apply p --yes
says "--allow-deferred" "the hint names the option"
exits 0 "in the next plan it is seen, and made" ist apply p --yes
find "$WORLD/a" -type f -delete
exits 0 "--allow-deferred makes it at once" ist apply p --yes --allow-deferred
exits 0 "nothing differs then" ist plan p --detailed-exitcode

# ---- a step that is gone
write_conf <<'END'
vars: {text: one}
pipelines:
  p:
    steps:
      a:
        plugin: test-file
        with: {dir: "@WORLD@/a", count: 2, content: "${var.text}"}
END
exits 2 "a step gone from the configuration is planned as destroy" ist plan p --detailed-exitcode
says "gone from the configuration" "the plan says why"
exits 0 "apply destroys it" ist apply p --yes
ok "its file is gone, the others stay" test "$(files a)$(files b)" = 20
exits 0 "nothing differs then" ist plan p --detailed-exitcode

# ---- for_each and when
fresh
write_conf <<'END'
vars: {regions: {eu: 1, us: 2}, on: true}
pipelines:
  p:
    steps:
      net:
        plugin: test-file
        for_each: ${var.regions}
        with: {dir: "@WORLD@/net-${each.key}", count: "${each.value}"}
      extra:
        plugin: test-file
        when: ${var.on}
        with: {dir: "@WORLD@/extra"}
END
exits 0 "for_each makes a step for each key" ist apply p --yes
ok "with what each says" test "$(files net-eu)$(files net-us)$(files extra)" = 121
sed -i 's/eu: 1, us: 2/us: 2/' "$CONF/p.yaml"
exits 0 "a key that is gone" ist apply p --yes --set on=false
ok "destroys its step, and so does when: false" test "$(files net-eu)$(files net-us)$(files extra)" = 020
exits 0 "nothing differs then" ist plan p --set on=false --detailed-exitcode

# ---- prevent_destroy
fresh
write_conf <<'END'
pipelines:
  p:
    steps:
      a: {plugin: test-file, prevent_destroy: true, with: {dir: "@WORLD@/a"}}
      b: {plugin: test-file, with: {dir: "@WORLD@/b"}}
END
ist apply p --yes >/dev/null 2>&1
exits 1 "prevent_destroy stops destroy" ist destroy p --yes
says "prevent_destroy" "it says so"
ok "before anything is removed" test "$(files a)$(files b)" = 11
exits 1 "and a replace" ist plan p --set pipelines.p.steps.a.with.kind=fancy
write_conf <<'END'
pipelines:
  p:
    steps:
      b: {plugin: test-file, with: {dir: "@WORLD@/b"}}
END
exits 1 "and a step that is taken out of the configuration" ist apply p --yes
ok "its file stays" test "$(files a)" = 1
write_conf <<'END'
pipelines:
  p:
    steps:
      a: {plugin: test-file, prevent_destroy: false, with: {dir: "@WORLD@/a"}}
      b: {plugin: test-file, with: {dir: "@WORLD@/b"}}
END
exits 0 "without it apply keeps that" ist apply p --yes
exits 0 "and destroy goes through" ist destroy p --yes

# ---- another plugin on a live step
fresh
two_steps
ist apply p --yes >/dev/null 2>&1
old=$(find "$WORLD/a" -type f | sort)
sed -i '0,/plugin: test-file/s//plugin: test-other/' "$CONF/p.yaml"
exits 2 "another plugin on a live step is a replace" ist plan p --detailed-exitcode
says "plugin test-file becomes test-other" "the plan says so"
exits 0 "apply destroys with the old and makes with the new" ist apply p --yes --allow-deferred
ok "as many files" test "$(files a)" = 2
ok "and others" test "$old" != "$(find "$WORLD/a" -type f | sort)"
exits 0 "nothing differs then" ist plan p --detailed-exitcode

# ---- plan files
fresh
two_steps
exits 0 "a plan goes to a file" ist plan p -o "$TMP/plan.json"
ok "that only the user can read" test "$(stat -c %a "$TMP/plan.json")" = 600
exits 0 "and is applied without a question" ist apply "$TMP/plan.json"
ok "all is made" test "$(files a)$(files b)" = 21
exits 1 "a second time it is refused" ist apply "$TMP/plan.json"
says "state has changed" "because the state is another"
ist plan p -o "$TMP/plan.json" >/dev/null 2>&1
sed -i '$s/one/drifted/' "$(find "$WORLD/a" -type f | head -1)"
exits 1 "a plan is refused when the world has changed" ist apply "$TMP/plan.json"
says "would now change other things" "because the fresh plan differs"
ist plan p -o "$TMP/plan.json" >/dev/null 2>&1
sed -i 's/"update"/"delete"/' "$TMP/plan.json"
exits 1 "a plan that was edited is refused" ist apply "$TMP/plan.json"
ist plan p -o "$TMP/plan.json" >/dev/null 2>&1
sed -i 's/text: one/text: two/' "$CONF/p.yaml"
exits 1 "a plan is refused when the configuration has changed" ist apply "$TMP/plan.json"
says "has changed since" "it says what"
sed -i 's/text: two/text: one/' "$CONF/p.yaml"
echo '{"isthmus_plan": 1' >"$TMP/broken.json"
exits 1 "a broken plan is an error" ist apply "$TMP/broken.json"
fresh
write_conf <<'END'
pipelines:
  p:
    steps:
      a: {plugin: test-file, with: {dir: "@WORLD@/a", count: 10, fault: hang, fault_once: "@WORLD@/once"}}
END
ist plan p -o "$TMP/plan.json" >/dev/null 2>&1
begin apply "$TMP/plan.json"
eventually test -e "$WORLD/once"
kill -9 $PID
wait $PID 2>/dev/null
exits 0 "a run that a plan began may be taken up again" ist apply "$TMP/plan.json"
ok "to the same end" test "$(files a)" = 10

# ---- faults
fresh
fresh
one_step ', fault: fail, fault_in: plan'
ist apply p </dev/null >"$TMP/out" 2>&1
pass_or_fail $(($? != 1)) "where a step cannot be planned, the others are not made unasked either"
says "nobody to ask" "it says so"
[ ! -e "$WORLD/other" ]
pass_or_fail $? "nothing was made"
one_step ', fault: fail'
exits 3 "a step that fails fails the run in part" ist apply p --yes
says "failed as it was told to" "its own words are shown"
says "skipped: user" "what needs it is skipped"
ok "the others are made" test "$(files other)$(files user)" = 10
# A sanitizer takes terabytes of address space: no limit can be put on it.
faults='crash junk close memory'
! head -20 "$BUILD/config.log" | grep -q -e '--enable-sanitizers' || faults='crash junk close'
for fault in $faults; do
    fresh
    one_step ", fault: $fault, fault_once: \"@WORLD@/once\""
    exits 0 "a plugin that does ($fault) once is begun anew" ist apply p --yes
    ok "and all is made ($fault)" test "$(files a)$(files other)$(files user)" = 111
done
fresh
one_step ', count: 3, crash_at: 1'
exits 3 "a plugin that crashes again and again fails its step alone" ist apply p --yes
says "again and again" "the report says so"
ok "the others are made" test "$(files other)" = 1
one_step ', count: 3'
exits 0 "once mended it goes on" ist apply p --yes
ok "with nothing twice" test "$(files a)" = 3
fresh
one_step ', fault: crash, fault_in: observe'
exits 3 "a plugin that crashes in observe costs its step" ist apply p --yes
ok "the others are made" test "$(files other)" = 1
fresh
one_step ', fault: again, fault_once: "@WORLD@/once"'
exits 0 "IST_AGAIN begins anew, observing first" ist apply p --yes
fresh
one_step ', fault: question'
exits 3 "what cannot be told is a question" ist apply p --yes
fresh
one_step ', fault: flood, fault_in: plan'
exits 3 "a plugin that floods is stopped" ist apply p --yes
ok "the others are made" test "$(files other)" = 1
fresh
one_step ', fault: hang'
sed -i 's|user:|never:\n        plugin: test-file\n        with: {dir: "@WORLD@/never"}\n      user:|; 0,/plugin: test-file/s//plugin: test-file\n        timeout: 1s/' "$CONF/p.yaml"
sed -i "s|@WORLD@|$WORLD|" "$CONF/p.yaml"
printf 'isthmus:\n  state: %s\n  grace: 200ms\n' "$TMP/state.db" >"$CONF/isthmus.yaml"
exits 3 "a plugin that hangs is ended by the timeout of its step" ist apply p --yes
says "did not end" "the report says so"
ok "the others are made" test "$(files other)" = 1

# ---- the disk is full
fresh
two_steps
ist apply p --yes >/dev/null 2>&1
full() { (ulimit -f 80; ist apply p --yes --set pipelines.p.steps.a.with.count=300); }
full >"$TMP/out" 2>&1
code=$?
pass_or_fail $((code == 0)) "a state that cannot be written stops the step"
says "state" "the error names the state"
exits 0 "with room again it goes on" ist apply p --yes --set pipelines.p.steps.a.with.count=300
ok "to the end, with nothing twice" test "$(files a)" = 300

# ---- cancelling
fresh
one_step ', count: 30, delay_ms: 1000'
begin apply p --yes
eventually some a
kill -INT $PID
wait $PID
code=$?
cp "$TMP/run" "$TMP/out"
pass_or_fail $((code != 130)) "Ctrl-C once ends the run with 130"
says_not "error" "without an error"
ok "what was made is known, and the rest was not begun" test "$(files a)" -lt 30
exits 0 "the same command goes on" ist apply p --yes --set pipelines.p.steps.a.with.delay_ms=0
ok "to the end, with nothing twice" test "$(files a)" = 30
fresh
one_step ', fault: hang, fault_once: "@WORLD@/once"'
begin apply p --yes
eventually test -e "$WORLD/once"
workers=$(pgrep -P $PID)
kill -INT $PID
ok "Ctrl-C is heard" eventually grep -q 'nothing new begins' "$TMP/run"
ok "a plugin that does not listen keeps the run waiting" kill -0 $PID
kill -INT $PID
wait $PID
code=$?
pass_or_fail $((code != 130)) "Ctrl-C twice kills it"
for worker in $workers; do eventually ended "$worker" || break; done
pass_or_fail $? "no worker is left"

# What was stopped says so, and never that all was proved, planned or done.
stopped() { # stopped WORDS...: once it waits, as it was told to
    begin "$@"
    eventually grep -q 'begins to wait' "$TMP/run"
    kill -INT $PID
    wait $PID
    code=$?
    tail -1 "$TMP/run" >"$TMP/out"
    pass_or_fail $((code != 130)) "Ctrl-C in $1 ends it with 130"
}
fresh
one_step ''
ist apply p --yes >/dev/null 2>&1
one_step ', fault: wait, fault_in: verify'
ist apply p --yes >/dev/null 2>&1
stopped verify p --jobs 1
says "Interrupted: " "verify says that it was stopped"
says "were not made, or not all." "and that checks are missing"
one_step ', fault: wait, fault_in: plan'
stopped plan p -v
says " of 3 steps planned; nothing was changed." "plan says how far it came"
stopped apply p --yes -v
says " of 3 steps planned; nothing was changed." "so does apply"
one_step ', fault: wait, fault_in: destroy'
ist apply p --yes >/dev/null 2>&1
stopped destroy p --yes
says "Interrupted: " "destroy says that it was stopped"
says "not finished; the same command goes on from here." "and that it can go on"
ist destroy p --yes --forget a >/dev/null 2>&1 # which would wait again

# ---- the lock
fresh
one_step ', fault: wait, fault_once: "@WORLD@/once"'
begin apply p --yes
eventually test -e "$WORLD/once"
exits 1 "a second run is refused while one works" ist apply p --yes
says "isthmus apply p (pid $PID)" "it says who holds the lock"
exits 0 "status shows the lock" ist status p
says "locked by: isthmus apply p" "with its holder"
exits 1 "unlock does not take it from the living" ist state unlock --yes
kill -INT $PID
wait $PID

# ---- destroy
fresh
two_steps
ist apply p --yes >/dev/null 2>&1
touch "$WORLD/a/stranger"
echo 'pipelines: {p: {steps: {}}}' >"$CONF/p.yaml"
exits 0 "destroy goes by what was recorded, not by the configuration" ist destroy p --yes
ok "and leaves alone what is not its own" test "$(find "$WORLD" -type f ! -name '.*')" = "$WORLD/a/stranger"
exits 0 "a second destroy has nothing to do" ist destroy p --yes
says "Nothing to destroy: nothing of pipeline p is applied." "and says so"
two_steps
ist apply p --yes >/dev/null 2>&1
ids=$(find "$WORLD" -type f | sort)
ist destroy p --yes >/dev/null 2>&1
exits 0 "destroy followed by apply" ist apply p --yes
ok "makes fresh files" test "$ids" != "$(find "$WORLD" -type f | sort)"
one_step ', fault: fail, fault_in: destroy'
fresh
one_step ', fault: fail, fault_in: destroy'
ist apply p --yes >/dev/null 2>&1
exits 3 "a step that cannot be destroyed is reported" ist destroy p --yes
ok "the others are gone" test "$(files a)$(files other)$(files user)" = 100
exits 0 "--forget lets go of it" ist destroy p --yes --forget a
ok "and leaves what it made" test "$(files a)" = 1
ok "state knows nothing of it" test -z "$(ist state list)"

# ---- verify, status, state
fresh
two_steps
exits 1 "verify of what was never applied fails" ist verify p
ist apply p --yes >/dev/null 2>&1
exits 0 "verify passes" ist verify p
says "3 checks passed" "and counts"
sed -i '$s/one/drifted/' "$(find "$WORLD/a" -type f | head -1)"
exits 1 "verify fails after drift" ist verify p
says "holds something else" "with the evidence"
exits 0 "json is one document" sh -c "'$ISTHMUS' -C '$CONF' plan p --output json | $JSON"
says '"action": "update"' "with the changes"
exits 0 "jsonl is an object a line" sh -c "'$ISTHMUS' -C '$CONF' plan p --output jsonl | while read -r l; do echo \"\$l\" | $JSON || exit 1; done"
exits 0 "state show" ist state show p b
says '"$ref": "steps.a.minted"' "keeps the reference of a secret, not its value"
exits 0 "state mv" ist state mv p b c
exits 0 "state export" ist state export "$TMP/export.json"
exits 0 "state rm" ist state rm p c --yes
exits 1 "a step that is not there" ist state show p c
printf 'isthmus:\n  state: %s\n' "$TMP/other.db" >"$CONF/isthmus.yaml"
exits 0 "state import into a new state" ist state import "$TMP/export.json" --yes
ok "has the step again" sh -c "'$ISTHMUS' -C '$CONF' state show p c | grep -q test-file"
exits 0 "history" ist state history
says "verify" "lists the runs"
exits 0 "unlock says that nothing is locked" ist state unlock
says "not locked" "in words"

# ---- watch
fresh
two_steps
ist apply p --yes >/dev/null 2>&1
begin watch p
watched() { ist status p --output json >"$TMP/status" 2>/dev/null && [ "$(grep -c '"watch": "watching"' "$TMP/status")" = 2 ]; }
eventually watched
exits 0 "status shows the watch" ist status p
says "watched by: pid $PID" "with its process"
one=$(find "$WORLD/a" -type f | head -1)
sed -i '$s/one/drifted/' "$one"
ok "the watch puts back what was changed" eventually grep -q one "$one"
ok "it has one worker for each step" test "$(pgrep -P $PID | wc -l)" = 2
pgrep -P $PID | xargs kill -STOP
sed -i '$s/one/drifted/' "$one"
exits 0 "apply leaves what is watched to the watch" ist apply p --yes
says "left to the watch" "and says so"
ok "it did not write" grep -q drifted "$one"
pgrep -P $PID | xargs kill -CONT
ok "the watch did" eventually grep -q one "$one"
exits 1 "a second watch is refused" ist watch p
worker=$(pgrep -P $PID | head -1)
replaced() { ended "$worker" && [ "$(pgrep -P $PID | wc -l)" = 2 ]; }
kill -9 "$worker"
ok "a worker that dies is replaced" eventually replaced
kill -INT $PID
wait $PID
code=$?
pass_or_fail $((code != 0)) "Ctrl-C ends it well"
exits 0 "nobody watches then" ist status p
says "watched by: nobody" "status says so"
finish
