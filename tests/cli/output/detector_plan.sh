# a plan says what depends on the record, the most it can be, and why the batch is one
golden=$SAMPLES/../tests/golden/detector
sluice plan "$golden/model.onnx" "$golden/input.csv" | grep -E '^batch|at most|jsonlines'
sluice plan "$golden/best.onnx" "$golden/input.csv" | grep '^batch'
