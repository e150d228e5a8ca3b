# what cannot be, where records share a batch: it says what would lose only the one
golden=$SAMPLES/../tests/golden/detector
sed -n 3p "$golden/input.csv" >none.csv
sluice run -q --batch-size 4 "$golden/shared.onnx" none.csv out
