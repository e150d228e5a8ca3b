sluice inspect "$SAMPLES/04-photos-upright/model"
echo "-- JSON"
sluice inspect "$SAMPLES/02-tabular-trees/model" --json | grep -oE '"(cost|devices|nodes|parameters)"'
