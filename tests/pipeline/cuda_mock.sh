#!/usr/bin/env bash
# cuda_mock.sh: whole jobs on device 'cuda', on the mock runtime and the model of a GPU (tests/device/README.md): every
# sample beside the cpu's outputs in all precisions; the same bytes for any batch size, number of GPUs, order of copies,
# with and without graphs; and every fault of the machine, after which the job resumes to the bytes of an undisturbed one.
. "$(dirname "$0")/common.sh"
MOCK=$SLUICE_BIN-mock
[ -x "$MOCK" ] || { echo "no $MOCK"; exit 1; }
export SLUICE_MOCK
GOOD="strict=1"
SLUICE_MOCK=$GOOD

job() { # SAMPLE OUT FLAGS...
    local sample=$1 out=$2
    shift 2
    "$MOCK" run "$SAMPLES/$sample/model" "$SAMPLES/$sample/input" "$out" --progress none -q "$@"
}

# ---- the samples, cpu beside cuda ----

declare -A LIMIT=([01-tabular-mlp]=64 [02-tabular-trees]=229 [03-digits-cnn]=40 [04-photos-upright]=8)
[ "${SLUICE_VARIANT:-release}" = release ] || LIMIT[04-photos-upright]=2
sample_close() { # SAMPLE PRECISION TOLERANCE
    rm -rf "$WORK/cuda"
    job "$1" "$WORK/cuda" --device cuda --precision "$2" --limit "${LIMIT[$1]}" --batch-size 8 || return 1
    close "$3" "$WORK/cpu-$1" "$WORK/cuda"
}
for sample in "${!LIMIT[@]}"; do
    check "$sample: cpu" job "$sample" "$WORK/cpu-$sample" --device cpu --limit "${LIMIT[$sample]}"
    check "$sample: cuda in fp32" sample_close "$sample" fp32 1e-5
    check "$sample: cuda in tf32" sample_close "$sample" tf32 2e-3
    check "$sample: cuda in fp16" sample_close "$sample" fp16 2e-2
    check "$sample: cuda in bf16" sample_close "$sample" bf16 5e-2
done

# ---- golden models ----

pair() {
    local model
    for model in "$SLUICE_TESTS_DIR"/golden/plans/*.onnx; do
        "$(dirname "$MOCK")/model-pair-mock" "$model" "$1" || { echo "$model"; return 1; }
    done
}
SLUICE_MOCK= # it ends without giving back
for precision in fp32 tf32 fp16 bf16; do check "golden models in $precision" pair $precision; done
SLUICE_MOCK=$GOOD

# ---- the same bytes, however it runs ----

SAMPLE=01-tabular-mlp
check "the undisturbed job" job $SAMPLE "$WORK/want" --device cuda --batch-size 16
tree "$WORK/want" >"$WORK/want.tree"
same() { # MOCK FLAGS...
    SLUICE_MOCK="$GOOD $1"
    shift
    rm -rf "$WORK/out"
    job $SAMPLE "$WORK/out" "$@" || return 1
    SLUICE_MOCK=$GOOD
    tree "$WORK/out" | diff "$WORK/want.tree" -
}
for rows in 1 7 33 1000; do check "batches of $rows: the same bytes" same "" --device cuda --batch-size $rows; done
check "two GPUs: the same bytes" same "devices=2" --device cuda:0,1 --batch-size 5
check "four GPUs, the last two: the same bytes" same "devices=4" --device cuda:3,2 --batch-size 3
check "copies at once: the same bytes" same "eager=1 delay=0" --device cuda --batch-size 16
for seed in 2 3 4 5; do
    check "seed $seed, long delays: the same bytes" same "seed=$seed delay=500 devices=2" --device cuda:0,1 --batch-size 16 --workers $seed
done
SLUICE_CUDA_GRAPHS=0 check "without graphs: the same bytes" same "" --device cuda --batch-size 16
check "on an older GPU: the same bytes" same "arch=80" --device cuda --batch-size 16

# ---- faults of the machine ----

# fault MOCK STATUS TEXT FLAGS...: ends so and says so, leaves nothing half done; then the job resumes on a good GPU.
fault() {
    local status want=$2 text=$3
    SLUICE_MOCK="$GOOD $1"
    shift 3
    rm -rf "$WORK/out"
    job $SAMPLE "$WORK/out" "$@" 2>"$WORK/stderr"
    status=$?
    SLUICE_MOCK=$GOOD
    [ $status -eq "$want" ] || { echo "status $status is not $want"; cat "$WORK/stderr"; return 1; }
    grep -qF -- "$text" "$WORK/stderr" || { echo "not said: $text"; cat "$WORK/stderr"; return 1; }
    [ ! -e "$WORK/out/_SUCCESS" ] || { echo "_SUCCESS after a fault"; return 1; }
    resumed
}
resumed() {
    job $SAMPLE "$WORK/out" --device cuda --batch-size 16 || return 1
    tree "$WORK/out" | diff "$WORK/want.tree" -
}
CUDA="--device cuda --batch-size 16"
# shellcheck disable=SC2086
{
    check "no driver" fault "driver=0" 69 "there is no NVIDIA driver" $CUDA
    check "the driver is too old: both versions" fault "driver=11040 runtime=12020" 69 \
        "the driver supports CUDA 11.4, this build needs 12.2" $CUDA
    check "no GPU" fault "devices=0" 69 "there is no NVIDIA GPU" $CUDA
    CUDA_VISIBLE_DEVICES='' check "all GPUs are hidden" fault "devices=0" 69 "CUDA_VISIBLE_DEVICES='' hides every GPU" $CUDA
    check "a GPU that is not there" fault "devices=2" 64 "bad device list 'cuda:2': there are 2, from 0" --device cuda:2
    check "the GPU is too old" fault "arch=61" 69 "its compute capability is 6.1" $CUDA
    check "no kernels for this GPU" fault "arch=100 images=90" 69 "no kernels for this GPU" $CUDA
    check "pinned memory" fault "pinned=1000" 71 "cannot pin" $CUDA
    check "a GPU that somebody holds" fault "fail_call=1 fail_error=46" 69 "another process holds the GPU" $CUDA
    check "a driver that does not fit its module" fault "fail_call=1 fail_error=803" 69 "reboot, or restart the container" $CUDA
    for graphs in 1 0; do
        export SLUICE_CUDA_GRAPHS=$graphs
        for launch in 4 12 25 40; do
            check "kernel $launch faults, graphs $graphs" fault "fault_launch=$launch" 80 "an illegal memory access" $CUDA
        done
    done
    # of the first batch: a later one may be told of by the one before it, whose outputs were lost with it
    check "the step is named" fault "fault_launch=4" 80 "step 'dense0'" $CUDA
    check "the records are named" fault "fault_launch=22" 80 "its records: shard 'part-" $CUDA
    unset SLUICE_CUDA_GRAPHS
    for launch in 4 12 25 40; do
        check "kernel $launch of the second GPU is lost" fault "devices=2 fault_device=1 fault_launch=$launch fault_error=719" \
            80 "GPU 1" --device cuda:0,1 --batch-size 4
    done
}

# A batch size that does not fit is refused, and what is said to fit does.
fits() {
    fault "memory=20000" 71 "not enough memory on" --device cuda --batch-size 1000 || return 1
    local rows
    rows=$(sed -n 's/.*--batch-size \([0-9]*\) fits.*/\1/p' "$WORK/stderr")
    [ "${rows:-0}" -ge 1 ] || { echo "no batch size is said to fit"; return 1; }
    same "memory=20000" --device cuda --batch-size "$rows"
}
check "memory of the GPU, and what fits" fits

# Call N of the runtime fails, for every 7th N (STEP=1: for all; tests/device/test_cuda_faults.c has all in the device);
# the job ends in words and resumes.
each_call() { # ERROR FIRST
    local n=$2 calls fired=0 status
    rm -rf "$WORK/out"
    SLUICE_MOCK="$GOOD report=1"
    job $SAMPLE "$WORK/out" --device cuda --batch-size 32 2>"$WORK/stderr" || return 1
    calls=$(sed -n 's/^mock: \([0-9]*\) calls.*/\1/p' "$WORK/stderr")
    while [ $n -le "$calls" ]; do
        SLUICE_MOCK="$GOOD fail_call=$n fail_error=$1"
        rm -rf "$WORK/out"
        job $SAMPLE "$WORK/out" --device cuda --batch-size 32 2>"$WORK/stderr"
        status=$?
        SLUICE_MOCK=$GOOD
        case $status in
        0) ;; # what failed gave something back
        69 | 71 | 80)
            fired=$((fired + 1))
            grep -qE '^sluice: error: (cannot|GPU 0 refused) ' "$WORK/stderr" || { echo "call $n: $status"; cat "$WORK/stderr"; return 1; }
            ;;
        *) echo "call $n: status $status"; cat "$WORK/stderr"; return 1 ;;
        esac
        resumed || { echo "call $n: other bytes"; return 1; }
        n=$((n + ${STEP:-7}))
    done
    [ $fired -gt 20 ] || { echo "only $fired calls failed the job"; return 1; }
}
check "calls fail, one in each job" each_call 999 1
check "calls are out of memory, one in each job" each_call 2 4

# A kernel that does not end: a second signal does, and the job is as it was.
hangs() {
    local pid status
    rm -rf "$WORK/out"
    # its threads are there when it leaves, which is no leak
    TSAN_OPTIONS="${TSAN_OPTIONS:-}:report_thread_leaks=0" SLUICE_MOCK="hang_launch=25" "$MOCK" run "$SAMPLES/$SAMPLE/model" "$SAMPLES/$SAMPLE/input" "$WORK/out" --progress none -q \
        --device cuda --batch-size 16 &
    pid=$!
    sleep 0.5
    kill -TERM $pid
    sleep 0.2
    kill -TERM $pid
    wait $pid
    status=$?
    [ $status -eq 75 ] || { echo "status $status"; return 1; }
    resumed
}
check "a kernel that does not end" hangs
finish
