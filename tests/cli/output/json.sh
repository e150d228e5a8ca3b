# one object on stdout, its counts add up
sluice run -q --json "$SAMPLES/01-tabular-mlp/model" "$SAMPLES/01-tabular-mlp/input" out
