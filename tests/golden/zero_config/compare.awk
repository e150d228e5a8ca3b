# compare.awk -v tolerance=T WANT HAVE: line by line, texts alike and numbers within the tolerance
function words(line, list,    n, i, parts, texts) {
    n = 0
    while (match(line, /"[^"]*"|[-+0-9.eE]+|true|false|null/)) {
        list[++n] = substr(line, RSTART, RLENGTH)
        line = substr(line, RSTART + RLENGTH)
    }
    return n
}
FNR == NR { want[FNR] = $0; count = FNR; next }
{
    n = words(want[FNR], a)
    m = words($0, b)
    for (i = 1; n == m && i <= n; i++) {
        number = a[i] !~ /^["tfn]/
        difference = a[i] - b[i]
        if (number ? !(difference <= tolerance && -difference <= tolerance) || b[i] !~ /^[-+0-9.]/ : a[i] != b[i])
            n = -1
        else if (number)
            numbers++
    }
    if (FNR > count || n != m) {
        if (!bad)
            print "line " FNR " differs: want " want[FNR] ", have " $0
        bad++
    }
    lines = FNR
}
END {
    if (lines != count)
        print "want " count " lines, have " lines + 0
    print lines - bad + 0 " lines, " numbers + 0 " numbers"
}
