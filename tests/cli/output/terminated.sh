# SIGTERM: 75, and the same command finishes
{ cat "$SAMPLES/01-tabular-mlp/input/part-0.csv"; } >rows
tail -n +2 rows >more
for _ in $(seq 12); do cat more more >twice && mv twice more; done
mkdir in && cat rows more >in/rows.csv && rm rows more
sluice run -q "$SAMPLES/01-tabular-mlp/model" in out --workers 1 &
job=$!
while [ ! -s out/_sluice/journal ]; do sleep 0.01; done
kill -TERM $job
wait $job
echo "= $?"
[ ! -e out/_SUCCESS ] && sluice run -q "$SAMPLES/01-tabular-mlp/model" in out
echo "= $?"
[ -e out/_SUCCESS ] && echo "$(($(wc -l <in/rows.csv) - 1 - $(wc -l <out/rows.csv.out))) lines are missing"
