#!/usr/bin/env bash
# bundle.sh FILE.tar.xz: what check.sh needs on a machine with only a driver: the program, the kernels' tests and benches,
# the shared libraries they use (all but glibc's own), the samples and the golden models. xz sees the same kernels in each
# program once. To use: tar xJf FILE.tar.xz && sluice-gpu/check.sh RESULTS
set -eu
cd "$(dirname "$0")/../../.."
OUT=$(realpath -m "${1:-build/sluice-gpu.tar.xz}")
BUILD=build/release
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
to=$work/sluice-gpu
mkdir -p "$to/bin" "$to/lib" "$to/tests/kernels" "$to/tests/golden" "$to/tests/bench"
for program in $BUILD/sluice $BUILD/tests/bench/model_bench $BUILD/gpu/*; do
    strip -o "$to/bin/$(basename "$program")" "$program"
done
for program in "$to"/bin/*; do ldd "$program"; done | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
    grep -vE '/(libc|libm|libpthread|libdl|librt|ld-linux[^/]*)\.so' | while read -r library; do
    cp -L "$library" "$to/lib/"
done
cp -r samples "$to/samples"
cp -r tests/kernels/gpu "$to/tests/kernels/gpu"
cp -r tests/golden/plans tests/golden/models tests/golden/onnx "$to/tests/golden/"
cp tests/bench/compare_gpu.py tests/bench/compare_ort.py "$to/tests/bench/"
cp tests/kernels/gpu/check.sh "$to/check.sh"
mkdir -p "$(dirname "$OUT")"
tar -C "$work" -cf - sluice-gpu | xz -T1 -6 --lzma2=dict=64MiB >"$OUT"
size=$(stat -c %s "$OUT")
echo "$OUT: $((size / 1000000)) MB, glibc $(ldd --version | sed -n '1s/.* //p') or later"
[ "$size" -lt 60000000 ] || { echo "bundle.sh: more than 60 MB" >&2; exit 1; }
