#!/usr/bin/env bash
# run.sh [VARIANT] [PATTERN]: every test program and script of a variant, two at a time. A line each; the whole output of
# those that fail; last of all "N passed, N failed, N skipped". A test ends with such a line of its own; one without it
# counts as failed.
set -u
cd "$(dirname "$0")/.." || exit
VARIANT=${1:-release}
PATTERN=${2:-}
export SLUICE_TESTS_DIR=$PWD/tests
export SLUICE_BIN=$PWD/build/$VARIANT/sluice
export SLUICE_GOLDEN_IMAGES=$PWD/tests/golden/images
export SLUICE_VARIANT=$VARIANT
export LC_ALL=C
JOBS=${JOBS:-$(nproc)}
LOGS=build/$VARIANT/logs
rm -rf "$LOGS" && mkdir -p "$LOGS"
case $VARIANT in # a sanitizer sees more when check does not fork
asan | tsan) export CK_FORK=no ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 ;;
esac
TIMEOUT=${TIMEOUT:-300}

list() { # by the sources: what an old build left behind is not run
    local t
    for t in tests/{unit,device,fault,pipeline,kernels}/test_*.c; do
        # the SIMT model's fibers are one thread to ThreadSanitizer: minutes, and nothing it could see
        [ "$VARIANT $t" = 'tsan tests/device/test_rows.c' ] && continue
        # these write where late copies read, to see that it shows
        case $VARIANT/$t in tsan/*/test_cuda_mock*.c | tsan/*/test_cuda_planted_*.c) continue ;; esac
        [ -e "$t" ] && echo "build/$VARIANT/${t%.c}"
    done
    for t in tests/fuzz/fuzz_*.c; do
        t=${t##*/fuzz_}
        echo "build/$VARIANT/tests/fuzz/replay_${t%.c} tests/fuzz/corpus/${t%.c}"
    done
    ls tests/cli/*.sh tests/pipeline/*.sh 2>/dev/null | grep -v '/common.sh$'
    [ "$VARIANT" = release ] && ls tests/layers.sh tests/headers.sh tests/lint.sh tests/kernels/ptxas.sh
}

one() { # COMMAND...: runs it, leaves NAME.log and NAME.result
    local name status begun counts seconds limit
    name=$(basename "$1" .sh)
    case $1 in */cli/*) name=cli_$name ;; */pipeline/*.sh) name=pipeline_$name ;; esac
    begun=$(date +%s%N)
    case $name in ptxas) limit=1800 ;; *) limit=$TIMEOUT ;; esac # every kernel for every target: minutes of nvcc
    timeout -k 5 "$limit" "$@" >"$LOGS/$name.log" 2>&1 </dev/null
    status=$?
    seconds=$(awk -v ns=$(($(date +%s%N) - begun)) 'BEGIN { printf "%.1f", ns / 1e9 }')
    counts=$(grep -aE '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$LOGS/$name.log" | tail -n 1)
    if [ -z "$counts" ]; then
        counts="0 passed, 1 failed, 0 skipped"
    elif [ $status -ne 0 ] && [[ $counts == *", 0 failed,"* ]]; then
        counts="${counts/, 0 failed,/, 1 failed,}"
    fi
    echo "$counts" >"$LOGS/$name.result"
    local words
    words=$(printf '%-36s %s  %s s' "$name" "$counts" "$seconds")
    [[ $counts == *", 0 failed,"* ]] || words+=$(printf '\n---- %s (status %s) ----\n%s\n----' "$name" $status "$(tail -n 60 "$LOGS/$name.log")")
    printf '%s\n' "$words" # in one piece: others are at work beside
}
export -f one
export LOGS TIMEOUT

list | grep -E "$PATTERN" | xargs -d '\n' -P "$JOBS" -I{} bash -c 'one $1' _ {}

cat "$LOGS"/*.result | awk -v variant="$VARIANT" '
    { passed += $1; failed += $3; skipped += $5 }
    END {
        printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
        exit failed > 0 || passed == 0
    }'
