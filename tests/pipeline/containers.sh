#!/usr/bin/env bash
# containers.sh: the committed inputs of tests/golden/containers, which the reference implementations wrote, give the
# committed outputs; also beside the same input cut off, which costs its own output alone.
. "$(dirname "$0")/common.sh"
CASES=$SLUICE_TESTS_DIR/golden/containers
run() { "$SLUICE_BIN" run -q --progress none --max-rejects 100% --rejects-ok "$@"; }
same() { diff -r "$1" "$2" --exclude=_sluice --exclude=_SUCCESS; }

for dir in "$CASES"/*/; do
    name=$(basename "$dir")
    [ -e "$dir/model.onnx" ] || continue
    mapfile -t args <"$dir/args"
    rm -rf "$WORK/out" "$WORK/in"
    check "$name" run "${args[@]}" "$dir" "$dir/in" "$WORK/out"
    check "$name: the same bytes" same "$dir/want" "$WORK/out"
    cp -r "$dir/in" "$WORK/in"
    rm -rf "$WORK/out"
    for f in "$dir"/in/*; do
        head -c "$(($(stat -c %s "$f") * 2 / 3))" "$f" >"$WORK/in/0cut_$(basename "$f")"
    done
    run "${args[@]}" "$dir" "$WORK/in" "$WORK/out" >"$WORK/log" 2>&1
    status=$?
    rm -f "$WORK"/out/0cut_*
    check "$name beside one that is cut off: status $status" test $status -eq 0 -o $status -eq 65
    check "$name beside one that is cut off" same "$dir/want" "$WORK/out"
done
# ---- outputs that have a head and a tail: whole, of no records, with a reject in place, and after kills
NPY=$CASES/npy_little_f4_C
mkdir "$WORK/rows"
cp "$NPY/in/a.npy" "$WORK/rows"
check "npy out" run --accept application/x-npy "$NPY" "$WORK/rows" "$WORK/npy"
rows() { tail -c $((5 * 3 * 4)) "$1"; }
check "the rows of an npy are the rows of the other" cmp <(rows "$WORK/rows/a.npy") <(rows "$WORK/npy/a.npy.out")
check "its header is NumPy's" test "$(head -c 108 "$WORK/npy/a.npy.out" | tail -c 98 | tr -d ' ')" = "{'descr':'<f4','fortran_order':False,'shape':(5,3,),}"
mkdir "$WORK/again"
cp "$WORK/npy/a.npy.out" "$WORK/again/a.npy"
check "what it wrote it reads" run "$NPY" "$WORK/again" "$WORK/csv"
check "and it is the same" cmp "$NPY/want/a.npy.out" "$WORK/csv/a.npy.out"

mkdir "$WORK/texts"
printf '1,2,3\nx,5,6\n7,8,9\n' >"$WORK/texts/a.csv"
: >"$WORK/texts/b.csv"
check "json out" run --accept application/json "$NPY/model.onnx" "$WORK/texts" "$WORK/json"
printf '[{"y0": [1, 2, 3]}\n,{"error": "column 0: '"'x'"' is not a number"}\n,{"y0": [7, 8, 9]}\n]\n' >"$WORK/want.json"
check "json is an array" cmp "$WORK/want.json" "$WORK/json/a.csv.out"
check "of no records, too" test "$(cat "$WORK/json/b.csv.out")" = "[]"
for accept in application/json application/x-npy; do
    for i in 1 2 3 4 5 6 7 8; do
        seq -f "%g,2,x$i" 1 400 | sed '7~13!s/x.*/3/' >"$WORK/texts/c$i.csv"
    done
    rm -rf "$WORK/whole" "$WORK/killed"
    check "$accept at once" run --accept $accept "$NPY/model.onnx" "$WORK/texts" "$WORK/whole"
    for at in 0.02 0.03 0.05 0.08 0.12; do
        (timeout -s KILL $at "$SLUICE_BIN" run -q --progress none --checkpoint 0.001 --batch-size 1 --max-rejects 100% --rejects-ok \
            --accept $accept "$NPY/model.onnx" "$WORK/texts" "$WORK/killed" &
            wait $!) >/dev/null 2>&1
    done
    check "$accept after kills" run --checkpoint 0.001 --batch-size 1 --accept $accept "$NPY/model.onnx" "$WORK/texts" "$WORK/killed"
    check "$accept: the same bytes" same "$WORK/whole" "$WORK/killed"
done
finish
