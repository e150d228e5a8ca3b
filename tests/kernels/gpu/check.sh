#!/usr/bin/env bash
# check.sh [RESULTS]: everything that only a GPU can show, in one run: from a build (make gpu-check) or from an unpacked
# bundle (make bundle) on a machine with nothing but a driver. In this order, so that each step may rely on those before it:
#   1 wrappers   every name of kernel.cuh against the PTX manual's definition
#   2 kernels    every kernel against the operators' references
#   3 sanitizer  compute-sanitizer's memcheck, racecheck, initcheck and synccheck, where it is installed
#   4 models     the samples and the golden models: cpu against cuda, in fp32, fp16 and bf16
#   5 timings    every kernel's share of the card's measured peak; whole models beside PyTorch, where it is installed
# Writes RESULTS/gpu.json, gpu.md, kernels.json, models.json and a log a step; ends with the table and with 0 only if every
# step that ran passed. STEPS="1 2" runs some; QUICK=1 leaves out 3 and the peers.
set -u
HERE=$(cd "$(dirname "$0")" && pwd)
if [ -d "$HERE/bin" ]; then # an unpacked bundle
    BIN=$HERE/bin TESTS=$HERE/bin TREE=$HERE
    # shellcheck disable=SC2154
    export LD_LIBRARY_PATH=$HERE/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
else
    TREE=$(cd "$HERE/../../.." && pwd)
    BIN=$TREE/build/release TESTS=$TREE/build/release/gpu
fi
RESULTS=${1:-$TREE/build/gpu-check}
STEPS=${STEPS:-1 2 3 4 5}
MODEL_BENCH=$BIN/model_bench
[ -x "$MODEL_BENCH" ] || MODEL_BENCH=$TREE/build/release/tests/bench/model_bench
card=$("$TESTS/gpu_bench" --card) || exit 69
driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | head -n 1)
: "${driver:=of unknown version}"
mkdir -p "$RESULTS"
cd "$TREE" || exit 1
table=() failed=0

note() { # STEP WHAT RESULT DETAIL
    table+=("| $1 | $2 | $3 | $4 |")
    printf '%-10s %-34s %-7s %s\n' "$1" "$2" "$3" "$4"
    [ "$3" != FAILED ] || failed=$((failed + 1))
}
wants() { case " $STEPS " in *" $1 "*) true ;; *) false ;; esac; }
last_line() { tail -n 1 "$1" | tr '|' '/' | cut -c1-120; }
attempt() { # STEP WHAT LOG COMMAND...
    local step=$1 what=$2 log=$RESULTS/$3 status=0
    shift 3
    timeout "${LIMIT:-300}" "$@" >"$log" 2>&1 || status=$?
    if [ $status -eq 0 ]; then note "$step" "$what" passed "$(last_line "$log")"; else note "$step" "$what" FAILED "status $status: $(last_line "$log")"; fi
}

echo "sluice on $card, driver $driver"
wants 1 && attempt wrappers conformance conformance.log "$TESTS/test_conformance"
if wants 2; then
    for test in "$TESTS"/test_*; do
        name=$(basename "$test")
        [ "$name" = test_conformance ] || attempt kernels "${name#test_}" "$name.log" "$test"
    done
fi
if wants 3 && [ -z "${QUICK:-}" ]; then
    sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer /usr/local/cuda/compute-sanitizer/compute-sanitizer 2>/dev/null | head -n 1)
    if [ -z "$sanitizer" ]; then
        note sanitizer compute-sanitizer skipped "not installed"
    else
        for tool in memcheck racecheck initcheck synccheck; do
            # Check's tests in one process: the tool follows it without its forks
            CK_FORK=no attempt sanitizer "$tool" "$tool.log" "$sanitizer" --tool "$tool" --error-exitcode 1 "$TESTS/test_softmax"
            for test in gemm conv attention; do
                for program in "$TESTS"/test_"$test"*; do
                    [ -x "$program" ] && CK_FORK=no attempt sanitizer "$tool $(basename "$program")" "$tool-$(basename "$program").log" \
                        "$sanitizer" --tool "$tool" --error-exitcode 1 "$program"
                done
            done
        done
    fi
fi
if wants 4; then
    for sample in samples/[0-9]*/; do
        name=$(basename "$sample")
        for precision in fp32 fp16 bf16; do
            cpu=$RESULTS/run/$name-cpu gpu=$RESULTS/run/$name-$precision
            [ -d "$cpu" ] || "$BIN/sluice" run "$sample/model" "$sample/input" "$cpu" --device cpu --rejects-ok -q >/dev/null 2>&1
            attempt models "$name $precision runs" "$name-$precision.log" "$BIN/sluice" run "$sample/model" "$sample/input" "$gpu" \
                --device cuda --precision $precision --rejects-ok --overwrite -q
            attempt models "$name $precision as the cpu" "$name-$precision-same.log" "$TREE/tests/kernels/gpu/same.sh" "$cpu" "$gpu" $precision
        done
    done
    for model in tests/golden/plans/*.onnx tests/golden/models/*.onnx; do
        for precision in fp32 fp16; do
            # the model's answer on the cpu is the golden data of the gpu
            attempt models "$(basename "$model" .onnx) $precision" "$(basename "$model" .onnx)-$precision.log" \
                "$TESTS/model_pair" "$model" $precision
        done
    done
fi
if wants 5; then
    LIMIT=900 attempt timings kernels kernels.log "$TESTS/gpu_bench" --json "$RESULTS/kernels.json"
    if [ -z "${QUICK:-}" ] && python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
        LIMIT=1800 attempt timings "models beside PyTorch" models.log python3 tests/bench/compare_gpu.py --bench "$MODEL_BENCH" \
            --sluice "$BIN/sluice" --out "$RESULTS/models.json"
    else
        note timings "models beside PyTorch" skipped "no PyTorch with a GPU, or QUICK"
    fi
fi
{
    echo "# sluice on $card, driver $driver, $("$BIN/sluice" --version | head -n 1)"
    printf '\n| step | what | result | |\n|---|---|---|---|\n'
    printf '%s\n' "${table[@]}"
    for log in kernels models; do
        [ -s "$RESULTS/$log.log" ] && printf '\n## %s\n\n```\n%s\n```\n' "$log" "$(cat "$RESULTS/$log.log")"
    done
} >"$RESULTS/gpu.md"
{
    printf '{"card": "%s", "driver": "%s", "failed": %d, "steps": [' "$card" "$driver" "$failed"
    printf '%s\n' "${table[@]}" | awk -F' [|] ' '{ gsub(/[\\"]/, "", $0); sub(/^[|] /, "", $1); sub(/ [|]$/, "", $4)
        printf "%s\n  {\"step\": \"%s\", \"what\": \"%s\", \"result\": \"%s\", \"detail\": \"%s\"}", NR > 1 ? "," : "", $1, $2, $3, $4 }'
    printf '\n]}\n'
} >"$RESULTS/gpu.json"
cat "$RESULTS/gpu.md"
[ "$failed" -eq 0 ]
