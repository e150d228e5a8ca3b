# 0 and false are no
run() { rm -rf out; sluice run "$SAMPLES/01-tabular-mlp/model" "$SAMPLES/01-tabular-mlp/input" out; echo "= $?"; }
export SLUICE_PROGRESS=none
SLUICE_QUIET=1 run
SLUICE_QUIET=false SLUICE_JSON=0 run 2>&1 | grep -c 'status *0'
