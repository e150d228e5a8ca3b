# outputs that are no numbers are counted, and the first is named
cp -r "$SAMPLES/01-tabular-mlp/model" model
sed -i 's/"header": true/"header": true, "nonfinite": true/' model/transform.json
{ sed -n 1,3p "$SAMPLES/01-tabular-mlp/input/part-0.csv"
  sed -n 4,5p "$SAMPLES/01-tabular-mlp/input/part-0.csv" | sed 's/[^,]*/nan/2'; } >in.csv
sluice run model in.csv out --progress none 2>&1 | grep 'not finite'
grep nonfinite out/_sluice/summary.json
sluice run model "$SAMPLES/01-tabular-mlp/input/part-1.csv" other --progress none 2>&1 | grep 'not finite' || echo none
