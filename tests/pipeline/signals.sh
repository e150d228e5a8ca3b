#!/usr/bin/env bash
# signals.sh: SIGTERM and SIGINT end a job soon, resumable, with 75; a second job on the same output is told who holds it;
# a job over several cores, batch sizes and workers gives the same bytes; progress never changes the result.
. "$(dirname "$0")/common.sh"
MODEL=$SAMPLES/01-tabular-mlp/model
mkdir -p "$WORK/in"
for i in 1 2 3 4; do breast_cancer_csv 40000 "$i" >"$WORK/in/part-$i.csv"; done
sed -i '500s/,[^,]*,/,x,/' "$WORK/in/part-2.csv"
run() { "$SLUICE_BIN" run "$MODEL" "$WORK/in" "$@" --rejects-ok --progress none -q; }
check "the undisturbed run" run "$WORK/want"
tree "$WORK/want" >"$WORK/want.tree"

stopped() { # SIGNAL: the job ends within 10 s with 75, and the same command finishes it
    local pid status begun
    rm -rf "$WORK/out"
    "$SLUICE_BIN" run "$MODEL" "$WORK/in" "$WORK/out" --rejects-ok --progress none --workers 1 --batch-size 32 -q &
    pid=$!
    for _ in $(seq 200); do
        [ -e "$WORK/out/_sluice/parts/part-1.csv.out" ] && break
        sleep 0.005
    done
    begun=$(date +%s%N)
    kill -"$1" $pid
    wait $pid
    status=$?
    [ $(($(date +%s%N) - begun)) -lt 10000000000 ] || { echo "took more than 10 s"; return 1; }
    # a job that was done before the signal came is no failure of the signal
    [ $status -eq 75 ] || [ -e "$WORK/out/_SUCCESS" ] || { echo "status $status"; return 1; }
    run "$WORK/out" || return 1
    tree "$WORK/out" | diff "$WORK/want.tree" -
}
for signal in TERM INT TERM INT TERM; do check "stopped by SIG$signal and resumed" stopped $signal; done

locked() {
    local status
    mkdir -p "$WORK/held/_sluice"
    exec 9>"$WORK/held/_sluice/lock"
    echo "process 1 on host elsewhere since 2026-01-01T00:00:00Z" >"$WORK/held/_sluice/lock"
    flock 9
    run "$WORK/held" 2>"$WORK/stderr"
    status=$?
    exec 9>&-
    [ $status -eq 75 ] && grep -q "in use by process 1 on host elsewhere" "$WORK/stderr"
}
check "a held output is named with its holder" locked

for flags in "--workers 1" "--workers 2 --batch-size 1" "--workers 7 --batch-size 33" "--batch-size 1000" "--workers 16"; do
    rm -rf "$WORK/out"
    # shellcheck disable=SC2086
    check "$flags: it runs" run "$WORK/out" $flags
    check "$flags: the same bytes" diff "$WORK/want.tree" <(tree "$WORK/out")
done
for progress in bar plain json; do
    rm -rf "$WORK/out"
    check "--progress $progress" "$SLUICE_BIN" run "$MODEL" "$WORK/in" "$WORK/out" --rejects-ok --progress $progress
    check "--progress $progress: the same bytes" diff "$WORK/want.tree" <(tree "$WORK/out")
done
rm -rf "$WORK/out"
"$SLUICE_BIN" run "$MODEL" "$WORK/in" "$WORK/out" --rejects-ok --json -q --limit 1000 >"$WORK/json"
check "--limit scores that many" grep -q '"records": 1000, "scored": 1000, "rejected": 0' "$WORK/json"
finish
