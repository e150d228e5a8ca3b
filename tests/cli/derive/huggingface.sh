sample="$SAMPLES/04-photos-upright"
mkdir hf own
cp "$sample/model/model.onnx" hf/
cp "$sample"/model/* own/
echo '{"image_processor_type": "CLIPImageProcessor", "do_center_crop": true, "crop_size": 48, "size": {"shortest_edge": 48},
  "resample": 2, "image_mean": [0.45, 0.44, 0.42], "image_std": [0.27, 0.26, 0.27]}' >hf/preprocessor_config.json
awk 'BEGIN { printf "{\"id2label\": {" } { printf "%s\"%d\": \"%s\"", n ? ", " : "", n++, $0 } END { print "}}" }' \
    "$sample/model/labels.txt" >hf/config.json
echo "-- the derived transforms"
sluice plan hf "$sample/input" 2>&1 | sed -n '/derived/,/^[a-z]/p' | grep -v '^device\|^shards\|^input '
echo "-- the same labels and scores as with the sample's own transform.json, but for how half a pixel is rounded"
sed -i 's/"k": 2/"k": 4/; s/"size": 48/"size": 48, "offset": "down"/' own/transform.json
sluice run hf "$sample/input" a -q
sluice run own "$sample/input" b -q
(cd a && find . -name '*.out' | sort | xargs cat) >a.txt
(cd b && find . -name '*.out' | sort | xargs cat) >b.txt
cmp a.txt b.txt && wc -l <a.txt
echo "-- a model in onnx/, as on the hub"
mkdir hf/onnx && mv hf/model.onnx hf/onnx/
sluice run hf "$sample/input" c -q && diff -r -x _sluice a c && echo same
echo "-- what no step does"
for change in 's/CLIPImage/NewImage/' 's/"resample": 2/"resample": 9/' 's/"resample": 2/"do_pad": true/' 's/: 48/: "48"/'; do
    sed "$change" hf/preprocessor_config.json >changed && mkdir -p bad && cp -r hf/onnx hf/config.json bad/
    cp changed bad/preprocessor_config.json
    sluice plan bad 2>&1
    echo "exit $?"
done
echo "-- labels that have a hole"
sed -i 's/"1":/"7":/' hf/config.json
sluice plan hf "$sample/input" 2>&1
echo "exit $?"
