#!/usr/bin/env bash
# headers.sh: every public header compiles alone, as C11 and as C++17, with warnings as errors; so do those that the
# device and the kernels share.
set -u
cd "$(dirname "$0")/.." || exit
passed=0 failed=0 skipped=0
for header in include/sluice/*.h src/infer/cuda/kernels.h src/infer/cuda/kernels/*.h; do
    name=${header#*/}
    if printf '#include "%s"\n' "$name" | ${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -Werror -Iinclude -Isrc -x c -fsyntax-only -; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
    if ! command -v "${CXX:-c++}" >/dev/null 2>&1; then
        skipped=$((skipped + 1))
    elif printf '#include "%s"\n' "$name" | ${CXX:-c++} -std=c++17 -Wall -Wextra -Wpedantic -Werror -Iinclude -Isrc -x c++ -fsyntax-only -; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
