#!/usr/bin/env bash
# run.sh [PYTHON]: the whole ONNX backend node suite, and cases that ONNX Runtime computed, on the references and on
# the cpu device; tables by operator. PYTHON has onnx, onnxruntime, scikit-learn, skl2onnx, onnxmltools, lightgbm and xgboost, and torch for some (default: python3). Cases are kept in build/onnx.
# What stays refused, by name: training (Adam, Adagrad, Momentum, Dropout with a ratio, Gradient), random numbers
# (Bernoulli), sequences and optionals, opsets before 7, and ImageDecoder, whose work the image transforms do before the
# model.
#   tests/onnx/run.sh             the table, and why each refused case was refused in build/onnx/table.txt
#   PACK=1 tests/onnx/run.sh      also writes tests/golden/onnx/cases.tar.gz
set -eu
cd "$(dirname "$0")/../.."
PYTHON=${1:-python3}
OUT=build/onnx
make -s build/release/libsluice.a
mkdir -p $OUT
cc -std=c11 -D_GNU_SOURCE -O2 -Iinclude -Isrc -I. -Itests/unit -o $OUT/run_cases tests/onnx/run_cases.c tests/unit/onnx_case.c \
    build/release/libsluice.a $(pkg-config --libs jansson libcrypto) -ldnnl -lgomp -lpthread -lm
[ -d $OUT/cases ] || "$PYTHON" tests/onnx/make_cases.py $OUT/cases 2>/dev/null
[ -d $OUT/package ] || "$PYTHON" tests/onnx/make_cases.py --models $OUT/package 2>/dev/null
SETS="cases package ort"
for script in tests/onnx/make_ort_*.py; do # one a family: make_ort_sequence.py fills $OUT/ort_sequence
    name=$(basename "$script" .py)
    name=${name#make_}
    [ "$name" = ort_cases ] && name=ort || SETS="$SETS $name"
    [ -d $OUT/$name ] || "$PYTHON" "$script" $OUT/$name 2>/dev/null
done
status=0
for name in $SETS; do $OUT/run_cases -v $OUT/$name || status=1; done >$OUT/table.txt
grep -v '^    refused' $OUT/table.txt
echo "on the cpu device: what failed, and the sums"
for name in $SETS; do $OUT/run_cases -d $OUT/$name || status=1; done >$OUT/table_device.txt
grep -E '^    |^all' $OUT/table_device.txt
if [ -n "${PACK:-}" ]; then
    mkdir -p tests/golden/onnx
    for name in $SETS; do $OUT/run_cases -l $OUT/$name; done | "$PYTHON" tests/onnx/pack_cases.py tests/golden/onnx/cases.tar.gz
fi
exit $status
