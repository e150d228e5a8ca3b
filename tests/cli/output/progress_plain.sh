# no terminal: key=value lines, the last one at the end
sluice run "$SAMPLES/01-tabular-mlp/model" "$SAMPLES/01-tabular-mlp/input" out 2>&1 | grep ^progress
