#!/usr/bin/env bash
# run.sh [SECONDS] [TARGET]: clang's libFuzzer over each target, beginning with its corpus; what it finds is left in
# build/fuzz. Needs clang with its sanitizers; not a part of `make test`, which replays the corpus.
set -eu
cd "$(dirname "$0")/../.."
SECONDS_EACH=${1:-60}
CLANG=${CLANG:-clang}
command -v "$CLANG" >/dev/null || { echo "make fuzz needs clang (CLANG=...)" >&2; exit 69; }
FLAGS="-g -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined"
# a build folder of its own: these objects carry the fuzzer's coverage
make -s -j"$(nproc)" VARIANT=fuzz CC="$CLANG" CFLAGS="$FLAGS" build/fuzz/libsluice.a
libs="$(pkg-config --libs libarchive zlib libdeflate libzstd jansson libturbojpeg libpng libwebp libcrypto libutf8proc) -lcsv -ldnnl -ldl -lpthread -lm"
failed=0
for target in tests/fuzz/fuzz_*.c; do
    name=$(basename "$target" .c)
    name=${name#fuzz_}
    [ "${2:-$name}" = "$name" ] || continue
    make -s VARIANT=fuzz CC="$CLANG" CFLAGS="$FLAGS" "build/fuzz/tests/fuzz/fuzz_$name.o"
    # shellcheck disable=SC2086
    "$CLANG" -g -fsanitize=fuzzer,address,undefined -o "build/fuzz/fuzz_$name" "build/fuzz/tests/fuzz/fuzz_$name.o" \
        build/fuzz/libsluice.a $libs
    mkdir -p "build/fuzz/corpus/$name" "build/fuzz/found/$name"
    echo "== $name, $SECONDS_EACH s"
    "build/fuzz/fuzz_$name" -max_total_time="$SECONDS_EACH" -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="build/fuzz/found/$name/" "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name" || failed=1
done
exit $failed
