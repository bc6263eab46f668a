# Makes C of text files: a line {"name", "text"}, for each.
FNR == 1 {
    if (open)
        print "},"
    open = 1
    name = FILENAME
    sub(/.*\//, "", name)
    printf "{\"%s\",\n", name
}
{
    gsub(/\\/, "&&")
    gsub(/"/, "\\\"")
    gsub(/\t/, "\\t")
    printf "\"%s\\n\"\n", $0
}
END { print "}," }
