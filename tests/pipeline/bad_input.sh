#!/usr/bin/env bash
# bad_input.sh: each kind of bad input gets one clear line, the right exit status, and costs nothing else: good records
# around a bad one score exactly as without it.
. "$(dirname "$0")/common.sh"
MLP=$SAMPLES/01-tabular-mlp/model
DIGITS=$SAMPLES/03-digits-cnn/model
PHOTOS=$SAMPLES/04-photos-upright
breast_cancer_csv 200 1 >"$WORK/good.csv"

# expect STATUS PATTERN COMMAND...: the status, exactly one line of error that matches, and nothing on stdout.
expect() {
    local status=$1 pattern=$2 got
    shift 2
    "$@" >"$WORK/stdout" 2>"$WORK/stderr"
    got=$?
    [ $got -eq "$status" ] || { echo "status $got, expected $status"; cat "$WORK/stderr"; return 1; }
    grep -q "^sluice: error: " "$WORK/stderr" || { echo "no error line"; cat "$WORK/stderr"; return 1; }
    grep -qE "$pattern" "$WORK/stderr" || { echo "no line like: $pattern"; cat "$WORK/stderr"; return 1; }
    [ ! -s "$WORK/stdout" ] || { echo "stdout is not empty"; return 1; }
}
run() { "$SLUICE_BIN" run --progress none "$@"; }
fresh() { rm -rf "$WORK/in" "$WORK/out" "$WORK/m"; mkdir -p "$WORK/in"; }

# ---- the model
fresh
cp "$WORK/good.csv" "$WORK/in"
check "missing model" expect 66 "cannot open model '$WORK/nothing'" run "$WORK/nothing" "$WORK/in" "$WORK/out"
mkdir "$WORK/m"
check "directory without a model" expect 66 "has no 'model.onnx'" run "$WORK/m" "$WORK/in" "$WORK/out"
echo 'this is text and no model at all' >"$WORK/m/model.onnx"
check "not an ONNX file" expect 78 "model.onnx'" run "$WORK/m" "$WORK/in" "$WORK/out"
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 12345\n' 0 >"$WORK/m/model.onnx"
check "Git-LFS pointer" expect 78 "Git-LFS pointer" run "$WORK/m" "$WORK/in" "$WORK/out"
head -c 700 "$MLP/model.onnx" >"$WORK/m/model.onnx"
check "model cut off" expect 78 "model.onnx'" run "$WORK/m" "$WORK/in" "$WORK/out"
sed 's/Relu/Rolu/g; s/Gemm/Gumm/g' "$MLP/model.onnx" >"$WORK/m/model.onnx"
check "unsupported operators, all at once" expect 78 "Rolu" run "$WORK/m" "$WORK/in" "$WORK/out"
check "and the other one" grep -q "Gumm" "$WORK/stderr"
check "by node name" grep -q "relu0" "$WORK/stderr"
cp "$MLP/model.onnx" "$MLP/labels.txt" "$WORK/m"
sed 's/"mean radius",//; s/"mean_radius",//' "$MLP/transform.json" >"$WORK/m/transform.json"
check "shapes of transform and model differ, both named" expect 78 "29.*30|30.*29" run "$WORK/m" "$WORK/in" "$WORK/out"
sed 's/tensor.softmax/tensor.sofmax/' "$MLP/transform.json" >"$WORK/m/transform.json"
check "misspelt transform" expect 78 "tensor.softmax" run "$WORK/m" "$WORK/in" "$WORK/out"
echo '{"inputs": {' >"$WORK/m/transform.json"
check "broken transform.json" expect 78 "transform.json.*line 2|line" run "$WORK/m" "$WORK/in" "$WORK/out"
check "nothing was written" test ! -e "$WORK/out"

# ---- places
check "missing input" expect 66 "cannot open input" run "$MLP" "$WORK/nowhere" "$WORK/out"
mkdir "$WORK/in/empty"
check "empty input directory" expect 66 "holds no files" run "$MLP" "$WORK/in/empty" "$WORK/out"
rmdir "$WORK/in/empty"
check "output inside input" expect 73 "lies inside input" run "$MLP" "$WORK/in" "$WORK/in/out"
check "output is the input" expect 73 "lies inside" run "$MLP" "$WORK/in" "$WORK/in/../in"
touch "$WORK/file"
check "output is a file" expect 73 "output" run "$MLP" "$WORK/in" "$WORK/file"
if [ "$(id -u)" -ne 0 ]; then
    mkdir -m 000 "$WORK/closed"
    check "unreadable input directory" expect 77 "closed" run "$MLP" "$WORK/closed" "$WORK/out"
    chmod 700 "$WORK/closed"
else
    skipped=$((skipped + 1))
fi
check "unknown option" expect 64 "did you mean '--batch-size'" run "$MLP" "$WORK/in" "$WORK/out" --batchsize 4
check "unknown verb" expect 64 "did you mean 'run'" "$SLUICE_BIN" rum a b c
check "cuda that is not there never falls back" expect 69 "cuda" run "$MLP" "$WORK/in" "$WORK/out" --device cuda
check "a memory limit that is too small" expect 71 "limit" run "$MLP" "$WORK/in" "$WORK/out" --memory-limit 1M

# ---- records
run -q "$MLP" "$WORK/in" "$WORK/want" || exit 1
lines_around() { # BAD-LINE: the others are as without it
    sed "${1}d" "$WORK/out/good.csv.out" | cmp - <(sed "${1}d" "$WORK/want/good.csv.out") &&
        [ "$(sed -n "${1}p" "$WORK/out/good.csv.out")" = ERROR ]
}
one_bad() { # WHAT CODE AWK-PROGRAM: record 9 (line 11 of the file) is bad
    fresh
    awk -F, -v OFS=, "NR == 11 { $3 } { print }" "$WORK/good.csv" >"$WORK/in/good.csv"
    run -q "$MLP" "$WORK/in" "$WORK/out"
    check "$1: status 3" [ $? -eq 3 ]
    check "$1: the others score as before" lines_around 10
    check "$1: listed once, with its place" grep -q "\"record\": 9,.*\"code\": \"$2\"" "$WORK/out/_sluice/rejects.jsonl"
    check "$1: alone" [ "$(wc -l <"$WORK/out/_sluice/rejects.jsonl")" -eq 1 ]
    slice=$(sed -n 's/.*"offset": \([0-9]*\), "length": \([0-9]*\).*/\1 \2/p' "$WORK/out/_sluice/rejects.jsonl")
    check "$1: offset and length give its bytes" cmp <(tail -c +$((${slice% *} + 1)) "$WORK/in/good.csv" | head -c "${slice#* }") \
        <(sed -n 11p "$WORK/in/good.csv" | tr -d '\n')
}
one_bad "ragged row" ragged-row 'NF = 12'
one_bad "text where a number belongs" not-a-number '$5 = "abc"'
one_bad "empty field" missing-value '$5 = ""'

fresh
awk 'NR % 5 == 2 { print "x"; next } { print }' "$WORK/good.csv" >"$WORK/in/good.csv"
check "garbage ends the job" expect 65 "too many rejects" run "$MLP" "$WORK/in" "$WORK/out"
check "unless it is allowed" run -q "$MLP" "$WORK/in" "$WORK/out" --max-rejects 50% --rejects-ok

# ---- shards
fresh
cp "$WORK/good.csv" "$WORK/in"
gzip -c "$WORK/good.csv" | head -c 3000 >"$WORK/in/cut.csv.gz"
check "truncated gzip" expect 65 "cut.csv.gz.*byte 3000" run "$MLP" "$WORK/in" "$WORK/out"
check "the other shard is done" cmp "$WORK/out/good.csv.out" "$WORK/want/good.csv.out"
check "nothing stands for the broken one" test ! -e "$WORK/out/cut.csv.gz.out"
check "no _SUCCESS" test ! -e "$WORK/out/_SUCCESS"
gzip -c "$WORK/good.csv" >"$WORK/in/cut.csv.gz"
check "mended, the same command finishes" run -q "$MLP" "$WORK/in" "$WORK/out"
check "and gives all of it" cmp "$WORK/out/cut.csv.gz.out" "$WORK/want/good.csv.out"
check "_SUCCESS stands" test -e "$WORK/out/_SUCCESS"

fresh
cp "$SAMPLES/03-digits-cnn/input/digits-0.tar" "$WORK/in/whole.tar"
run -q "$DIGITS" "$WORK/in" "$WORK/digits" || exit 1
head -c 100000 "$WORK/in/whole.tar" >"$WORK/in/cut.tar"
check "truncated tar" expect 65 "cut.tar" run "$DIGITS" "$WORK/in" "$WORK/out"
check "the other tar is done" cmp "$WORK/out/whole.tar.out" "$WORK/digits/whole.tar.out"
rm -rf "$WORK/out"
run -q "$DIGITS" "$WORK/in" "$WORK/out" --allow-truncated
check "allowed: status 3" [ $? -eq 3 ]
n=$(($(wc -l <"$WORK/out/cut.tar.out") - 1))
check "allowed: whole records before the cut score as before" cmp <(head -n $n "$WORK/out/cut.tar.out") \
    <(head -n $n "$WORK/digits/whole.tar.out")

for kind in truncated garbage; do
    fresh
    cp "$PHOTOS"/input/china/*.jpg "$WORK/in"
    rm -rf "$WORK/photos"
    run -q "$PHOTOS/model" "$WORK/in" "$WORK/photos" || exit 1
    name=$(cd "$WORK/in" && ls | sed -n 2p)
    if [ $kind = truncated ]; then head -c 900 "$WORK/in/$name" >"$WORK/x"; else head -c 900 /dev/zero | tr '\0' 'x' >"$WORK/x"; fi
    mv "$WORK/x" "$WORK/in/$name"
    run -q "$PHOTOS/model" "$WORK/in" "$WORK/out" --max-rejects 50%
    check "$kind JPEG: status 3" [ $? -eq 3 ]
    check "$kind JPEG: its place holds ERROR" [ "$(cat "$WORK/out/$name.out")" = ERROR ]
    rm "$WORK/out/$name.out" "$WORK/photos/$name.out"
    check "$kind JPEG: the others score as before" diff <(tree "$WORK/out" | grep '\.out$') <(tree "$WORK/photos" | grep '\.out$')
done

# ---- jobs
fresh
cp "$WORK/good.csv" "$WORK/in"
run -q "$MLP" "$WORK/in" "$WORK/out"
check "a finished job with other settings" expect 78 "'accept' was 'text/csv'" run "$MLP" "$WORK/in" "$WORK/out" --accept application/jsonlines
check "--overwrite begins anew" run -q "$MLP" "$WORK/in" "$WORK/out" --accept application/jsonlines --overwrite
check "JSON Lines came out" grep -q '^{"' "$WORK/out/good.csv.out"
touch "$WORK/in/good.csv"
check "a changed input is noticed" expect 78 "'good.csv' changed" run "$MLP" "$WORK/in" "$WORK/out" --accept application/jsonlines
finish
