# One plugin run alone against the lab; for tests that source lib.sh.

# run NAME OP: one operation with $TMP/NAME.yaml; the JSON is in $TMP/json, that and what it said in $TMP/ran
run() {
    timeout 100 "$ISTHMUS" plugin run --output json --state "$TMP/$1.state" -i "$TMP/$1.yaml" "$1" "$2" >"$TMP/json" 2>"$TMP/err"
    local status=$?
    cat "$TMP/json" "$TMP/err" >"$TMP/ran"
    cat "$TMP/ran"
    return $status
}
refuses() { # refuses TEXT NAME OP
    ! run "$2" "$3" && grep -qF -- "$1" "$TMP/ran"
}
