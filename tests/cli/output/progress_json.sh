sluice run "$SAMPLES/01-tabular-mlp/model" "$SAMPLES/01-tabular-mlp/input" out --progress json 2>&1 | grep '^{'
