# a flag beats the environment
plan() { sluice plan "$SAMPLES/01-tabular-mlp/model" "$SAMPLES/01-tabular-mlp/input" "$@" | grep '^batch  '; }
SLUICE_BATCH_SIZE=64 plan
SLUICE_BATCH_SIZE=64 plan --batch-size 32
SLUICE_BATCH_SIZE= plan --batch-size 16
