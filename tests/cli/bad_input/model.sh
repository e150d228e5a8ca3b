# models that cannot be used: a line each, 78 (66 when there is none), and nothing is written
exec 2>&1
mlp=$SAMPLES/01-tabular-mlp/model
run() { sluice run -q "$1" "$SAMPLES/01-tabular-mlp/input" out; echo "= $?"; }
mkdir m
echo "- none"; run nowhere; run m
echo "- not a model"; echo 'this is text and no model at all' >m/model.onnx; run m
echo "- empty"; : >m/model.onnx; run m
echo "- Git-LFS"
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 12345\n' 0 >m/model.onnx; run m
echo "- cut off"; head -c 700 "$mlp/model.onnx" >m/model.onnx; run m
echo "- operators"; sed 's/Relu/Rolu/g; s/Gemm/Gumm/g' "$mlp/model.onnx" >m/model.onnx; run m
echo "- transform.json"
cp "$mlp/model.onnx" "$mlp/labels.txt" m
sed 's/tensor.softmax/tensor.sofmax/' "$mlp/transform.json" >m/transform.json; run m
echo '{"inputs": {' >m/transform.json; run m
echo '{"inputs": {"features": [{"columns": [0, 1, 2]}]}}' >m/transform.json; run m
echo '{"inputs": {"pixels": []}}' >m/transform.json; run m
rm m/labels.txt; cp "$mlp/transform.json" m; run m
[ ! -e out ] && echo "nothing was written"
