# filters and joins, killed again and again: the bytes are those of a run that nobody disturbed
exec 2>&1
mkdir id3 && cp "$SAMPLES/../tests/golden/containers/json_documents_array/model.onnx" id3/ && model=id3
mkdir in
awk 'BEGIN { for (i = 0; i < 120000; i++) print "id-" i (i % 997 ? "," : ",x") i ",2," i * 2 }' >in/a.csv
job() { exec sluice run -q "$model" in "$1" --input-filter '$[1:]' --join-source Input --output-filter '$[0,-1]' --checkpoint 0.01 --rejects-ok --progress none; }
(job want) || echo "failed: $?"
kills=0
for wait in 0.06 0.08 0.10 0.12 0.14 0.16; do
    (job out) & pid=$!
    sleep $wait
    kill -9 $pid 2>/dev/null && kills=$((kills + 1))
    wait $pid 2>/dev/null
done 2>/dev/null
(job out) || echo "failed: $?"
cmp want/a.csv.out out/a.csv.out && cmp want/_sluice/rejects.jsonl out/_sluice/rejects.jsonl && echo same
[ $kills -gt 0 ] && echo killed
grep -c . out/_sluice/rejects.jsonl; head -n 2 out/a.csv.out
