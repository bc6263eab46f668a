# A strict reader of the text format 0.0.4 of Prometheus: says each thing that is wrong, and fails when there is any.
# Lines end with \n; HELP and TYPE come once for a name, before its samples, which stand together; no sample twice;
# counters end in _total, and only they; labels are names with values in quotes, escaped; values are numbers.
function wrong(why) { print "line " NR ": " why ": " $0; bad = 1 }
function name_ok(name) { return name ~ /^[a-zA-Z_:][a-zA-Z0-9_:]*$/ }
function labels_ok(text,    n) {
    while (text != "") {
        if (!match(text, /^[a-zA-Z_][a-zA-Z0-9_]*="([^"\\\n]|\\\\|\\"|\\n)*"/)) return 0
        n = substr(text, 1, index(text, "=") - 1)
        if (n in seen_label) return 0
        seen_label[n] = 1
        text = substr(text, RLENGTH + 1)
        if (text == "") return 1
        if (substr(text, 1, 1) != ",") return 0
        text = substr(text, 2)
        if (text == "") return 0
    }
    return 1
}
/^# HELP / {
    if (!name_ok($3)) wrong("no name")
    if ($3 in help) wrong("a second HELP")
    if ($0 ~ /\\[^\\n]/) wrong("an escape that is none")
    help[$3] = 1; current = $3; next
}
/^# TYPE / {
    if ($3 != current) wrong("TYPE of another name than HELP")
    if ($3 in type) wrong("a second TYPE")
    if ($4 !~ /^(counter|gauge)$/) wrong("no type")
    if (($4 == "counter") != ($3 ~ /_total$/)) wrong("a counter ends in _total, and nothing else does")
    type[$3] = $4; next
}
/^#/ || /^$/ { wrong("neither HELP, TYPE nor a sample"); next }
{
    if (!match($0, /^[a-zA-Z_:][a-zA-Z0-9_:]*/)) { wrong("no name"); next }
    name = substr($0, 1, RLENGTH); rest = substr($0, RLENGTH + 1)
    if (name != current) wrong("a sample away from its HELP")
    if (!(name in type)) wrong("a sample before its TYPE")
    delete seen_label
    if (substr(rest, 1, 1) == "{") {
        end = 0
        quoted = 0
        for (i = 2; i <= length(rest) && !end; i++) {
            c = substr(rest, i, 1)
            if (c == "\\") i++
            else if (c == "\"") quoted = !quoted
            else if (c == "}" && !quoted) end = i
        }
        if (!end || !labels_ok(substr(rest, 2, end - 2))) wrong("labels that are none")
        key = name substr(rest, 1, end); rest = substr(rest, end + 1)
    } else key = name
    if (key in samples) wrong("a second sample")
    samples[key] = 1; count++
    if (rest !~ /^ ([-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?|NaN|[-+]Inf)$/) wrong("no number")
}
END {
    for (name in help) if (!(name in type)) { print "no TYPE for " name; bad = 1 }
    if (!count) { print "no sample"; bad = 1 }
    exit bad
}
