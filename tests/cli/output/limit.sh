# the first five; inputs after them are empty
sluice run -q -n 5 "$SAMPLES/01-tabular-mlp/model" "$SAMPLES/01-tabular-mlp/input" out && wc -l out/*.out
