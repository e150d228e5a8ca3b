# rows of several records that nothing tells apart
golden=$SAMPLES/../tests/golden/detector
sluice run -q --batch-size 4 "$golden/model.onnx" "$golden/input.csv" out
