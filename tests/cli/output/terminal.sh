# on a terminal: no lines, and no bar for a job of less than a second
script -qec true /dev/null >/dev/null 2>&1 || { echo "SKIP: no script, or no terminal to be had"; exit; }
export TERM=xterm
script -qec "sluice run $SAMPLES/01-tabular-mlp/model $SAMPLES/01-tabular-mlp/input out" /dev/null | tr -d '\r' | grep -E 'progress|\[#|records '
