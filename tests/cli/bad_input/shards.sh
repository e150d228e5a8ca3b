# shards that end too early: not published, the others are
exec 2>&1
mlp=$SAMPLES/01-tabular-mlp/model
mkdir in tars
cp "$SAMPLES/01-tabular-mlp/input/part-0.csv" in
gzip -9 -n -c "$SAMPLES/01-tabular-mlp/input/part-0.csv" | head -c 3000 >in/cut.csv.gz
sluice run -q "$mlp" in out; echo "= $?"
(cd out && find . -name '*.out' -o -name _SUCCESS)
head -c 100000 "$SAMPLES/03-digits-cnn/input/digits-0.tar" >tars/cut.tar
cp "$SAMPLES/03-digits-cnn/input/digits-1.tar.gz" tars
sluice run -q "$SAMPLES/03-digits-cnn/model" tars tarred; echo "= $?"
(cd tarred && find . -name '*.out' -o -name _SUCCESS)
