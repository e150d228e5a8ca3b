#!/usr/bin/env bash
# run.sh [VARIANT]: numbers parsed by one core; a CSV of 1,000,000 rows and 28 columns through an MLP, each stage alone
# beside the whole; then peak memory for 100,000 and 5,000,000 rows against what the plan said. ROWS=N changes the rows.
set -eu
cd "$(dirname "$0")/../.."
VARIANT=${1:-release}
SLUICE=build/$VARIANT/sluice
MODEL=tests/golden/bench/mlp28
ROWS=${ROWS:-1000000}
DATA=build/bench
mkdir -p "$DATA"
generate() { # ROWS FILE
    [ -s "$2" ] && [ "$(wc -l <"$2")" -eq "$1" ] && return
    awk -v rows="$1" 'BEGIN {
        srand(1)
        for (i = 0; i < 2000; i++) { line = ""; for (c = 0; c < 28; c++) line = line (c ? "," : "") sprintf("%.6f", rand() * 4 - 2); l[i] = line }
        for (r = 0; r < rows; r++) print l[int(rand() * 2000)]
    }' >"$2"
}
echo "machine: $(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
mkdir -p "$DATA/in"
generate "$ROWS" "$DATA/in/rows.csv"
"build/$VARIANT/tests/bench/parse_rate"
echo "input: $ROWS rows, $(($(stat -c %s "$DATA/in/rows.csv") / 1000000)) MB"
"build/$VARIANT/tests/bench/stages" "$MODEL" "$DATA/in" "$DATA/out" 5
for rows in 100000 5000000; do
    generate $rows "$DATA/rows-$rows.csv"
    planned=$("$SLUICE" plan "$MODEL" "$DATA/rows-$rows.csv" --json | sed -n 's/.*"memory_total_bytes": \([0-9]*\).*/\1/p')
    "$SLUICE" run "$MODEL" "$DATA/rows-$rows.csv" "$DATA/out-$rows" --overwrite --progress none -q --json |
        sed -n 's/.*"memory_peak_bytes": \([0-9]*\).*/\1/p' | while read -r peak; do
        awk -v r=$rows -v p="$peak" -v n="$planned" 'BEGIN { printf "memory: %d rows: peak %.1f MB, plan said %.1f MB (%+.1f %%)\n", r, p / 1e6, n / 1e6, 100 * (p - n) / n }'
    done
    rm -f "$DATA/rows-5000000.csv"
done
