# inputs and outputs that cannot be
exec 2>&1
run() { sluice run -q "$SAMPLES/01-tabular-mlp/model" "$@"; echo "= $?"; }
mkdir in empty
cp "$SAMPLES/01-tabular-mlp/input/part-0.csv" in
touch file
echo "- input"; run nowhere out; run empty out
echo "- output"; run in in/out; run in in; run in ./in/../in/; run in file; run in /dev/null/out
echo "- limits"; run in out --memory-limit 1M; run in out --device cuda; run in out --device cuda:3
[ ! -e out ] && echo "nothing was written"
