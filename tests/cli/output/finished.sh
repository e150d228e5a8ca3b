# the same command again has nothing to do
job="sluice run $SAMPLES/01-tabular-mlp/model $SAMPLES/01-tabular-mlp/input out"
$job -q && $job
