# a record whose data asks for what cannot be is rejected alone
golden=$SAMPLES/../tests/golden/detector
sluice run -q --max-rejects 1 "$golden/best.onnx" "$golden/input.csv" out
status=$?
cat out/input.csv.out out/_sluice/rejects.jsonl
exit $status
