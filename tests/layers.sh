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
src/graph      sluice/ support/ ops/op.h ops/rules.h ops/element.h ops/fuse.h ops/half.h ops/quant.h
src/archive    sluice/ support/
src/decode     sluice/ support/ archive/block.h
src/feed       sluice/ support/
src/infer      sluice/ support/ ops/op.h ops/einsum.h ops/fourier.h ops/fuse.h ops/grid_sample.h ops/half.h ops/ml_scores.h ops/move.h ops/nbits.h ops/quant.h ops/recurrent.h ops/reduce.h ops/resize.h ops/rules.h ops/tree.h ops/window.h graph/plan.h feed/slot.h feed/ring.h
src/output     sluice/ support/ feed/slot.h decode/chain.h graph/plan.h
src/job        sluice/ support/ archive/ decode/ feed/ ops/op.h ops/difference.h graph/ infer/device.h infer/executor.h output/output.h
src/cli        sluice/ support/ cli/ infer/device.h
src/main.c     sluice/ support/ cli/
'

check_tree() {
    (cd "$1" && grep -rnoE '^#[[:space:]]*include "[^"]+"' include src transforms --include='*.c' --include='*.h' --include='*.cu' --include='*.cuh' |
        sed -E 's/^([^:]+):[0-9]+:#[[:space:]]*include "([^"]+)"/\1 \2/' | ALLOWED=$ALLOWED awk '
        function layer_of(file, part) {
            if (file ~ /^include\//) return "include"
            if (file ~ /^transforms\//) return "transforms"
            if (file == "src/main.c") return file
            split(file, part, "/")
            return part[1] "/" part[2]
        }
        BEGIN {
            n = split(ENVIRON["ALLOWED"], line, "\n")
            for (i = 1; i <= n; i++) {
                k = split(line[i], word, " ")
                own = word[1]
                sub(/^src\//, "", own)
                may[word[1]] = own "/"
                for (j = 2; j <= k; j++) may[word[1]] = may[word[1]] " " word[j]
            }
        }
        {
            layer = layer_of($1)
            ok = 0
            k = split(may[layer], prefix, " ")
            for (j = 1; j <= k; j++) if (index($2, prefix[j]) == 1) ok = 1
            # the two devices never see each other, and nobody sees into them
            if ($2 ~ /^infer\/cpu\// && $1 !~ /^src\/infer\/cpu\//) ok = 0
            if ($2 ~ /^infer\/cuda\// && $1 !~ /^src\/infer\/cuda\//) ok = 0
            if (!ok) { print $1 " includes \"" $2 "\", which " layer " must not see"; bad = 1 }
        }
        END { exit bad }') || return 1
    # "..." is what the table is about; <...> would get around it
    ! (cd "$1" && grep -rnE '^#[[:space:]]*include <(sluice|archive|cli|decode|feed|graph|infer|job|ops|output|support)/' include src transforms) || return 1
    local twice
    twice=$(cd "$1" && find src transforms -name '*.[ch]' -printf '%f %p\n' |
        awk '{ n[$1]++; where[$1] = where[$1] " " $2 } END { for (f in n) if (n[f] > 1) print f ":" where[f] }')
    [ -z "$twice" ] || { echo "file names that are not unique: $twice"; return 1; }
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
    rm -rf "${COPY:?}"/*
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
plant src/support/buf.c '#include <feed/ring.h>'
plant src/feed/tasks.c '#  include "archive/shard.h"'
plant src/decode/chain.c '#include "archive/shard.h"'
plant src/output/part.c '#include "job/job.h"'
plant include/sluice/tensor.h '#include "support/mem.h"'
plant src/feed/buf.c 'int twice;'
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
