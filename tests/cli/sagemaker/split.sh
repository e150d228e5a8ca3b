# how inputs are cut, and words that do not go together
exec 2>&1
mkdir id3 && cp "$SAMPLES/../tests/golden/containers/json_documents_array/model.onnx" id3/ && model=id3
golden=$SAMPLES/../tests/golden/containers
mkdir in
printf '1,2,3\n"1",2,"3\n"\n4,5,6\n' >in/a.csv
try() { sluice run -q "$@"; echo "= $?"; }
try "$model" in whole --max-rejects 9; cat whole/a.csv.out
echo "- Line: a line end inside quotes ends a record"
try "$model" in lines --max-rejects 9 --split-type Line --assemble-with Line --batch-strategy SingleRecord; cat lines/a.csv.out
echo "- what a splitter says of an input without a type"
mkdir rec && cp "$golden"/recordio_protobuf_float32_0*/in/* rec/x
try "$golden"/recordio_protobuf_float32_0*/model.onnx rec r --split-type RecordIO
cmp r/x.out "$golden"/recordio_protobuf_float32_0*/want/*.out && echo same
echo "- refused"
try "$model" in o --split-type Lines
try "$model" in o --split-type None --batch-strategy SingleRecord
try "$model" rec o --split-type Line --content-type application/x-recordio-protobuf
try "$model" in o --join-source Output
try "$model" in o --join-source Input --accept application/jsonlines
try "$model" in o --join-source Input --accept application/x-npy
try "$model" in o --join-source Input --csv-delimiter tab
try "$model" in o --join-source Input --split-type Line --assemble-with None
try "$model" in o --input-filter '$.a'
try "$model" in o --output-filter '$.a'
try "$model" in o --output-filter '$[0,5:]'
