# a job that could not begin says so in JSON too
sluice run -q --json "$SAMPLES/01-tabular-mlp/model" nowhere out
