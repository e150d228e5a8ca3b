#!/usr/bin/env bash
# cases.sh [--freeze] [PATTERN]: each FOLDER/NAME.sh here is a case, run in an empty directory with `sluice` on the path
# and $SAMPLES. Beside it stands what is expected: NAME.exit (0 where there is none), NAME.stdout and NAME.stderr (empty
# where there is none). A line there is the line itself or a shell pattern, "..." alone stands for any lines. A case that prints "SKIP: why"
# is skipped. --freeze writes the files of cases that have none: read them before they are committed.
set -u
HERE=$(cd "$(dirname "$0")" && pwd)
SLUICE_BIN=${SLUICE_BIN:-$HERE/../../build/release/sluice}
export SAMPLES=$HERE/../../samples LC_ALL=C
freeze=
[ "${1:-}" = --freeze ] && freeze=1 && shift
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
mkdir "$TMP/bin"
ln -s "$(realpath "$SLUICE_BIN")" "$TMP/bin/sluice"
export PATH=$TMP/bin:$PATH
passed=0 failed=0 skipped=0

# matches EXPECTED ACTUAL: line by line; "..." takes lines until the next expected one fits.
matches() {
    local want have i=0 any='' line
    mapfile -t want <"$1"
    mapfile -t have <"$2"
    for line in "${have[@]}"; do
        while [ $i -lt ${#want[@]} ] && [ "${want[i]}" = ... ]; do any=1 i=$((i + 1)); done
        # shellcheck disable=SC2053
        if [ $i -lt ${#want[@]} ] && [[ $line == "${want[i]}" || $line == ${want[i]} ]]; then
            any='' i=$((i + 1))
        elif [ -z "$any" ]; then
            return 1
        fi
    done
    while [ $i -lt ${#want[@]} ] && [ "${want[i]}" = ... ]; do i=$((i + 1)); done
    [ $i -eq ${#want[@]} ]
}

stream() { # NAME stdout|stderr: says and shows what differs
    local file=$1.$2
    [ -e "$file" ] || file=/dev/null
    matches "$file" "$TMP/$2" && return
    echo "$2 differs:"
    diff "$file" "$TMP/$2" | sed 's/^/    /' | head -n 40
    return 1
}

for file in "$HERE"/*/*.sh; do
    name=${file%.sh}
    short=${name#"$HERE/"}
    [[ $short == *${1:-}* ]] || continue
    mkdir "$TMP/work"
    (cd "$TMP/work" && env -u NO_COLOR TERM=dumb timeout -k 5 120 bash "$file" >"$TMP/stdout" 2>"$TMP/stderr" </dev/null)
    status=$?
    rm -rf "$TMP/work"
    # what depends on where we are does not belong into what is expected
    sed -i "s|$SAMPLES|SAMPLES|g; s|$TMP/work|WORK|g" "$TMP/stdout" "$TMP/stderr"
    if grep -q "^SKIP: " "$TMP/stdout"; then
        echo "skipped: $short: $(sed -n 's/^SKIP: //p' "$TMP/stdout")"
        skipped=$((skipped + 1))
        continue
    fi
    if [ -n "$freeze" ] && [ -z "$(ls "$name".{stdout,stderr,exit} 2>/dev/null)" ]; then
        for s in stdout stderr; do [ ! -s "$TMP/$s" ] || cp "$TMP/$s" "$name.$s"; done
        [ $status -eq 0 ] || echo $status >"$name.exit"
        echo "frozen: $short"
    fi
    expected=0
    [ -e "$name.exit" ] && read -r expected <"$name.exit"
    complaint=$([ $status -eq "$expected" ] || echo "status $status, expected $expected"; stream "$name" stdout; stream "$name" stderr)
    if [ -z "$complaint" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED: %s\n%s\n' "$short" "$complaint"
    fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ] && [ $((passed + skipped)) -gt 0 ]
