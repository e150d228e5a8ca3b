# on a terminal: no lines, and no bar for a job of less than a second
command -v script >/dev/null || { echo "SKIP: no script"; exit; }
export TERM=xterm
script -qec "sluice run $SAMPLES/01-tabular-mlp/model $SAMPLES/01-tabular-mlp/input out" /dev/null | tr -d '\r' | grep -E 'progress|\[#|records '
