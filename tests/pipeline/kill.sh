#!/usr/bin/env bash
# kill.sh [COUNT] [SEED]: SIGKILL at random moments, then the same command again, until it is done. The output tree must
# be the same, byte for byte, as that of a run nobody disturbed, and no output may ever stand incomplete under its final
# name. COUNT kills in all (20 in the test suite; `make torture` does 200).
. "$(dirname "$0")/common.sh"
COUNT=${1:-20}
SEED=${2:-$((RANDOM * 32768 + RANDOM))}
RANDOM=$SEED
MODEL=$SAMPLES/01-tabular-mlp/model
echo "seed $SEED"

mkdir -p "$WORK/in/sub"
for i in 1 2 3; do breast_cancer_csv 30000 "$i" >"$WORK/in/part-$i.csv"; done
breast_cancer_csv 20000 4 | gzip -1 >"$WORK/in/sub/part-4.csv.gz"
breast_cancer_csv 0 5 >"$WORK/in/empty.csv"
# rejects must keep their place too: a ragged row and a word where a number belongs, here and there
awk -F, -v OFS=, 'NR % 997 == 0 { NF = 5 } NR % 1499 == 0 { $7 = "abc" } { print }' "$WORK/in/part-2.csv" >"$WORK/x" &&
    mv "$WORK/x" "$WORK/in/part-2.csv"

job() { "$SLUICE_BIN" run "$MODEL" "$WORK/in" "$1" --rejects-ok --checkpoint 0.02 --progress none -q; }
killable_job() { exec "$SLUICE_BIN" run "$MODEL" "$WORK/in" "$1" --rejects-ok --checkpoint 0.02 --progress none -q; }

start=$(date +%s%N)
check "the undisturbed run" job "$WORK/want"
took_us=$((($(date +%s%N) - start) / 1000))
tree "$WORK/want" >"$WORK/want.tree"
check "it wrote something" grep -q 'part-1.csv.out' "$WORK/want.tree"

# What stands under a final name is whole, at any time.
finals_are_whole() {
    local file
    while IFS= read -r file; do
        cmp -s "$1/$file" "$WORK/want/$file" || { echo "$file is not whole"; return 1; }
    done < <(cd "$1" && find . -name '*.out' -not -path './_sluice/*')
}

# One job, killed a few times at moments of its own, then left alone.
killed=0 resumed=0
disturbed() {
    local out=$1 kills=$2 k pid status
    rm -rf "$out"
    for ((k = 0; k < kills; k++)); do
        killable_job "$out" >"$WORK/job.log" 2>&1 &
        pid=$!
        sleep "$(awk -v r=$RANDOM -v t=$took_us 'BEGIN { printf "%.6f", r / 32768 * t / 1e6 }')"
        kill -9 $pid 2>/dev/null && killed=$((killed + 1))
        wait $pid 2>/dev/null
        finals_are_whole "$out" || return 1
        grep -q "^checkpoint\|^done" "$out/_sluice/journal" 2>/dev/null && resumed=$((resumed + 1))
    done
    job "$out"
    status=$?
    [ $status -eq 0 ] || { echo "the last run ended with $status"; return 1; }
    tree "$out" | diff "$WORK/want.tree" - && rm -rf "$out"
}

left=$COUNT
while [ "$left" -gt 0 ]; do
    kills=$((1 + RANDOM % 4))
    [ $kills -gt "$left" ] && kills=$left
    check "killed $kills times (seed $SEED, $left left)" disturbed "$WORK/out" $kills
    left=$((left - kills))
done
echo "$killed of $COUNT kills met a running job, $resumed left something to resume"
check "a finished job does nothing" job "$WORK/want"
tree "$WORK/want" >"$WORK/again.tree"
check "and changes nothing" cmp "$WORK/want.tree" "$WORK/again.tree"
finish
