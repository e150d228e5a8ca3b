# ten lines, all on stderr
sluice run "$SAMPLES/01-tabular-mlp/model" "$SAMPLES/01-tabular-mlp/input" out --progress none
