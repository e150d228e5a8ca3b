# a detector: as many boxes as each record has, and none is no reject; as ONNX Runtime has them
golden=$SAMPLES/../tests/golden/detector
sluice run -q --accept application/jsonlines "$golden/model.onnx" "$golden/input.csv" out
cmp out/input.csv.out "$golden/expected.jsonl" && sed -n 3p out/input.csv.out
