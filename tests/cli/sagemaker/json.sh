# the same on JSON: SageMakerOutput in the input's object, or beside it; hostile documents cost themselves
exec 2>&1
mkdir m in && cp "$SAMPLES/../tests/golden/containers/json_documents_array/model.onnx" m/
echo "{\"inputs\": {\"x\": []}}" >m/transform.json

cat >in/a.jsonl <<'X'
{"id": 1, "SageMakerOutput": "old", "v": [1, 2, 3]}
{"v":[4,5,6],"id":"two \u00e9"}
{"id": 3, "v": [1, 2]}
{"id": 4}
{"id": 5, "v": [1, 2, 3]
{"id": 6, "v": [1, 2, 3], "v": [1, 2, 3]}
[1,2,3]
{}
X
run() { sluice run -q m in "$@" --accept application/jsonlines --max-rejects 100%; echo "= $?"; }
run joined --input-filter '$.v' --join-source Input; cat joined/a.jsonl.out
run chosen --input-filter "\$['v'][0,1,-1]" --join-source Input --output-filter "\$['id','SageMakerOutput']"; cat chosen/a.jsonl.out
run deep --input-filter '$.v' --join-source Input --output-filter '$.SageMakerOutput.y0[-1]'; cat deep/a.jsonl.out
printf '[1,2,3]\n' >in/a.jsonl
run arrays --join-source Input; cat arrays/a.jsonl.out
echo "- one document"
rm in/a.jsonl; printf '{"instances": [{"v":\n[1,2,3]}, {"v": [4,5,6]}]}' >in/a.json
sluice run -q m in doc --input-filter '$.v' --join-source Input --accept application/json; echo "= $?"; cat doc/a.json.out
sluice run -q m in lines --input-filter '$.v' --accept application/json --assemble-with Line; echo "= $?"; cat lines/a.json.out
