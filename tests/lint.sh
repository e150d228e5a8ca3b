#!/usr/bin/env bash
# lint.sh: the heap has one door; nothing unfinished; cppcheck finds no error; the layout is clang-format's (each where
# the tool is there).
set -u
cd "$(dirname "$0")/.." || exit
passed=0 failed=0 skipped=0
none() { # WHAT OUTPUT
    if [ -z "$2" ]; then passed=$((passed + 1)); else failed=$((failed + 1)); printf 'FAILED: %s\n%s\n' "$1" "$2"; fi
}
none "the heap has one door (support/mem.c)" \
    "$(grep -rnE '(^|[^_a-zA-Z>.])(malloc|calloc|realloc|reallocarray|strdup|strndup|asprintf|free) ?\(' src transforms --include='*.c' --include='*.h' | grep -vE '^src/support/mem\.c:|: *(/?\*|//)|^include/' | head)"
none "nothing is unfinished" "$(grep -rnE '\b(TODO|FIXME|XXX|HACK)\b' src transforms include tests samples run.sh Makefile --include='*' -I | grep -v '^tests/lint.sh' | head)"
none "no locale is set" "$(grep -rnE '\bsetlocale *\(' src transforms --include='*.c' | head)"
# what a GPU has beyond C stands in sluice/kernel*.cuh alone
raw() { # FOLDER...
    grep -rnE '\b(asm|__asm__)\b|__shfl|__ballot|__syncthreads|__syncwarp|<<<|__shared__|__global__|cudaLaunchKernel|cooperative_groups|\bwmma\b' "$@" --include='*.cu' --include='*.cuh' |
        grep -vE '^include/sluice/kernel(_cuda)?\.cuh:|^[^:]*:[0-9]+: *(/?\*|//)' | head
}
none "kernels go through sluice/kernel.cuh" "$(raw src include tests/kernels)"
PLANTED=$(mktemp -d)
for line in 'asm volatile("nop;");' '__syncthreads();' 'v = __shfl_xor_sync(~0u, v, 1);' 'kernel<<<1, 32>>>(x);' '__shared__ float x[32];'; do
    echo "$line" >"$PLANTED/planted.cu"
    none "a planted '$line' is seen" "$([ -n "$(raw "$PLANTED")" ] || echo "it is not")"
done
rm -rf "$PLANTED"
if command -v cppcheck >/dev/null 2>&1; then
    none "cppcheck finds no error" "$(cppcheck --quiet --std=c11 --language=c -Iinclude -Isrc --error-exitcode=0 --inline-suppr --suppress=missingIncludeSystem -j 2 src transforms 2>&1 | grep -E ': error:' | head)"
else
    skipped=$((skipped + 1))
fi
if command -v clang-format >/dev/null 2>&1 && clang-format --version | grep -q 'version 14'; then
    none "clang-format" "$(find src transforms include tests/kernels \( -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh' \) -print0 | xargs -0 clang-format --dry-run 2>&1 | grep 'warning:' | cut -d: -f1 | sort -u | head)"
else
    skipped=$((skipped + 1))
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
