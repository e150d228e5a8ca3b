#!/usr/bin/env bash
# ptxas.sh [-v] [ARCH ...]: every shipped kernel through nvcc and ptxas for each target (75 80 86 89 90): it compiles,
# spills no register, and keeps to what a block of that GPU has (255 registers a thread, 48 KiB of static shared memory).
# -v prints registers and shared memory of each kernel. Skipped where there is no nvcc.
#
# What did not change since is not compiled again (build/ptxas). A kernel that spills is planted and must be seen.
set -u
cd "$(dirname "$0")/../.." || exit
VERBOSE=0
[ "${1:-}" = -v ] && VERBOSE=1 && shift
NVCC=${NVCC:-$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null)}
ARCHS=${*:-${ARCHS:-75 80 86 89 90}}
FILES=$(ls src/infer/cuda/kernels/*.cu)
if [ -z "$NVCC" ]; then
    echo "0 passed, 0 failed, $(echo "$FILES" | wc -l) skipped"
    exit 0
fi
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
KEPT=build/ptxas
mkdir -p $KEPT
NEWEST=$(ls -t src/infer/cuda/kernels/*.h src/infer/cuda/kernels/*.cuh include/sluice/*.cuh tests/kernels/ptxas.sh | head -n 1)
export NVCC WORK KEPT NEWEST

one() { # FILE ARCH: "FILE ARCH KERNEL REGISTERS SPILLS SHARED" a kernel, or "FILE ARCH FAILED"
    local log
    log=$KEPT/$(basename "$1" .cu).$2
    if ! [ "$log.txt" -nt "$1" ] || ! [ "$log.txt" -nt "$NEWEST" ]; then
        if "$NVCC" -std=c++17 -O3 -arch="sm_$2" -Iinclude -Isrc -cubin -Xptxas -v -o "$WORK/$$.cubin" "$1" >"$log.$$" 2>&1; then
            mv "$log.$$" "$log.txt"
        else
            echo "$1 $2 FAILED"
            cat "$log.$$" >&2
            rm -f "$log.$$" "$log.txt"
            return
        fi
    fi
    grep -E "warning" "$log.txt" | grep -v "^ptxas info" | sed "s|^|$1 sm_$2: |" >&2
    awk -v file="$1" -v arch="$2" '
        /Compiling entry function|Function properties for/ { for (i = 1; i <= NF; i++) if ($i ~ /_Z/) { gsub(/\047/, "", $i); name = $i } }
        /spill stores/ { for (i = 1; i <= NF; i++) if ($i == "spill") spills += $(i - 2) }
        /Used [0-9]+ registers/ {
            shared = 0
            for (i = 2; i <= NF; i++) if ($i ~ /^smem/) shared = $(i - 2)
            match($0, /Used [0-9]+/)
            print file, arch, name, substr($0, RSTART + 5, RLENGTH - 5), spills + 0, shared
            spills = 0
        }' "$log.txt"
}
export -f one

cat >"$WORK/planted_spill.cu" <<'PLANTED'
#include "sluice/kernel.cuh"
SL_KERNEL_BOUNDS(1024, 2) void planted(const float *x, float *y) {
    float v[96];
#pragma unroll
    for (int i = 0; i < 96; i++)
        v[i] = x[i * 1024 + threadIdx.x];
    sl_sync();
#pragma unroll
    for (int i = 0; i < 96; i++)
        y[(i * 7 % 96) * 1024 + threadIdx.x] = v[95 - i] * v[i];
}
int launch(const float *x, float *y);
int launch(const float *x, float *y) {
    return SL_LAUNCH(planted, 1, 1024, 0, 0, x, y);
}
PLANTED
{
    echo "$WORK/planted_spill.cu 90"
    for file in $FILES; do for arch in $ARCHS; do echo "$file $arch"; done; done
} | xargs -P "${JOBS:-2}" -L1 bash -c 'one "$1" "$2"' _ >"$WORK/all"
rm -f $KEPT/planted_spill.*
grep 'planted_spill' "$WORK/all" | awk '{ if ($(NF - 1) > 0) ok = 1 } END { exit !ok }'
PLANTED=$?
grep -v 'planted_spill' "$WORK/all" >"$WORK/table"
c++filt -p <"$WORK/table" >"$WORK/names" 2>/dev/null || cp "$WORK/table" "$WORK/names"
sort -o "$WORK/names" "$WORK/names"
[ $VERBOSE = 1 ] && awk '
    BEGIN { printf "%-44s %5s %9s %6s %7s\n", "kernel", "arch", "registers", "spills", "shared" }
    NF >= 6 { name = $3; for (i = 4; i <= NF - 3; i++) name = name $i
        printf "%-44s %5s %9s %6s %7s\n", substr(name, 1, 44), $2, $(NF - 2), $(NF - 1), $NF }' "$WORK/names"
awk -v planted=$PLANTED '
    BEGIN { if (planted) { print "FAILED: the planted spill is not seen"; failed++ } else passed++ }
    $NF == "FAILED" { print "FAILED: " $1 " does not compile for sm_" $2; failed++; next }
    $(NF - 1) > 0 { print "FAILED: " $3 " in " $1 " spills " $(NF - 1) " bytes on sm_" $2; failed++; next }
    $NF > 49152 { print "FAILED: " $3 " in " $1 " has " $NF " bytes of static shared memory"; failed++; next }
    { passed++ }
    END { printf "%d passed, %d failed, 0 skipped\n", passed, failed; exit failed > 0 || passed == 0 }' "$WORK/names"
