#!/usr/bin/env bash
# layers.sh [ROOT]: reads the includes and fails where a layer sees what it must not; source file names must be unique.
# Without ROOT it checks the tree, then plants violations in a copy and must see each.
set -u
HERE=$(cd "$(dirname "$0")/.." && pwd)

# layer: what it may include besides itself (prefixes of the path in #include "...")
ALLOWED='
include        sluice/
src/support    sluice/
transforms     sluice/
src/ops        sluice/ support/
src/graph      sluice/ support/ ops/op.h
src/archive    sluice/ support/
src/decode     sluice/ support/ archive/block.h
src/feed       sluice/ support/
src/infer      sluice/ support/ ops/op.h graph/plan.h feed/slot.h feed/ring.h
src/output     sluice/ support/ feed/slot.h decode/chain.h graph/plan.h
src/job        sluice/ support/ archive/ decode/ feed/ ops/op.h graph/ infer/device.h infer/executor.h output/output.h
src/cli        sluice/ support/ cli/ infer/device.h
src/main.c     sluice/ support/ cli/
'

layer_of() {
    case $1 in
    include/*) echo include ;;
    transforms/*) echo transforms ;;
    src/main.c) echo src/main.c ;;
    *) echo "$1" | cut -d/ -f1,2 ;;
    esac
}

check_tree() {
    local root=$1 bad=0 file layer own path ok p
    while IFS=: read -r file path; do
        layer=$(layer_of "$file")
        own=${layer#src/}/
        [ "$layer" = transforms ] && own='transforms/'
        ok=no
        for p in $own $(echo "$ALLOWED" | awk -v l="$layer" '$1 == l { $1 = ""; print }'); do
            case $path in "$p"*) ok=yes ;; esac
        done
        # the two devices never see each other
        case $file:$path in
        src/infer/cpu/*:infer/cuda/* | src/infer/cuda/*:infer/cpu/* | src/infer/*.[ch]:infer/cpu/* | src/infer/*.[ch]:infer/cuda/*)
            case $file in src/infer/cpu/*) [[ $path == infer/cpu/* ]] || ok=no ;; src/infer/cuda/*) [[ $path == infer/cuda/* ]] || ok=no ;; *) ok=no ;; esac ;;
        esac
        if [ $ok = no ]; then
            echo "$file includes \"$path\", which $layer must not see"
            bad=1
        fi
    done < <(cd "$root" && grep -rnoE '^#[[:space:]]*include "[^"]+"' include src transforms --include='*.c' --include='*.h' --include='*.cu' --include='*.cuh' |
        sed -E 's/^([^:]+):[0-9]+:#[[:space:]]*include "([^"]+)"/\1:\2/')
    local twice
    twice=$(cd "$root" && find src transforms include -name '*.[ch]' -printf '%f %p\n' | grep -vE ' (include/sluice/)' | awk '{ n[$1]++; where[$1] = where[$1] " " $2 } END { for (f in n) if (n[f] > 1) print f ":" where[f] }')
    if [ -n "$twice" ]; then
        echo "file names that are not unique: $twice"
        bad=1
    fi
    return $bad
}

if [ $# -gt 0 ]; then
    check_tree "$1"
    exit
fi

passed=0 failed=0
say() { if [ "$1" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $2"; fi; }
check_tree "$HERE"
say $? "the tree"
COPY=$(mktemp -d)
trap 'rm -rf "$COPY"' EXIT
plant() { # FILE LINE: the check must see it
    rm -rf "$COPY"/*
    cp -r "$HERE/include" "$HERE/src" "$HERE/transforms" "$COPY"
    mkdir -p "$(dirname "$COPY/$1")"
    echo "$2" >>"$COPY/$1"
    if check_tree "$COPY" >/dev/null; then say 1 "planted in $1 and not seen: $2"; else say 0; fi
}
plant src/support/buf.c '#include "feed/ring.h"'
plant src/ops/op_table.c '#include "graph/graph.h"'
plant src/archive/shard.c '#include "decode/chain.h"'
plant transforms/columns.c '#include "support/text.h"'
plant src/infer/cpu/cpu_device.c '#include "infer/cuda/cuda_device.h"'
plant src/infer/executor.c '#include "infer/cpu/cpu_step.h"'
plant src/graph/plan.h '#include "infer/device.h"'
plant src/feed/buf.c 'int twice;'
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
