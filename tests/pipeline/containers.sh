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
finish
