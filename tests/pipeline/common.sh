# common.sh: what the pipeline tests share. Sourced by bash with SLUICE_BIN and SLUICE_TESTS_DIR set (tests/run.sh does).
set -u
: "${SLUICE_TESTS_DIR:=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}"
: "${SLUICE_BIN:=$SLUICE_TESTS_DIR/../build/release/sluice}"
SAMPLES=$SLUICE_TESTS_DIR/../samples
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
passed=0 failed=0 skipped=0

# check WHAT COMMAND...: one test; prints only what failed.
check() {
    local what=$1
    shift
    if "$@" >"$WORK/check.log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $what"
        sed 's/^/    /' "$WORK/check.log" | tail -n 15
    fi
}

finish() {
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ]
    exit
}

# Hashes of what must be the same after any number of interruptions: outputs, rejects, _SUCCESS.
tree() {
    (cd "$1" && find . -type f ! -path './_sluice/journal' ! -path './_sluice/lock' ! -path './_sluice/summary.json' -print0 |
        sort -z | xargs -0 -r sha256sum)
}

# close TOLERANCE WANT GOT: the same files and fields; numbers within TOLERANCE, of the largest of their line but 1 at least.
close() {
    local tolerance=$1 file
    diff <(cd "$2" && find . -name '*.out' | sort) <(cd "$3" && find . -name '*.out' | sort) || return 1
    find "$2" -name '*.out' -printf '%P\n' >"$WORK/files"
    [ -s "$WORK/files" ] || { echo "no outputs"; return 1; }
    while read -r file; do
        awk -F, -v tolerance="$tolerance" -v file="$file" '
            NR == FNR { want[FNR] = $0; lines = FNR; next }
            {
                n = split(want[FNR], w, ",")
                most = 1
                for (i = 1; i <= n; i++)
                    if (w[i] + 0 == w[i] && (w[i] < 0 ? -w[i] : w[i]) > most) most = w[i] < 0 ? -w[i] : w[i]
                bad = n != NF
                for (i = 1; i <= NF && !bad; i++) {
                    number = $i ~ /^-?[0-9.]+(e[-+]?[0-9]+)?$/
                    d = number ? $i - w[i] : $i != w[i]
                    bad = (d < 0 ? -d : d) > tolerance * most
                }
                if (bad) { printf "%s:%d: %s is not %s\n", file, FNR, $0, want[FNR]; failed = 1 }
            }
            END { if (lines != FNR) { print file ": other lines"; failed = 1 } exit failed }' "$2/$file" "$3/$file" || return 1
    done <"$WORK/files"
}

# breast_cancer_csv ROWS SEED: the first sample's rows, again and again with other ids and values a little off.
breast_cancer_csv() {
    local rows=$1 seed=$2 source
    source=$(find "$SAMPLES/01-tabular-mlp/input" -name '*.csv' | sort | head -n 1)
    tr -d '\r"' <"$source" | awk -F, -v OFS=, -v rows="$rows" -v seed="$seed" '
        NR == 1 { print; next }
        { line[++n] = $0 }
        END {
            srand(seed)
            for (r = 0; r < rows; r++) {
                $0 = line[1 + r % n]
                $1 = r
                $2 = sprintf("%.4f", $2 * (0.95 + rand() / 10))
                print
            }
        }'
}
