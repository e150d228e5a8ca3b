sample="$SAMPLES/04-photos-upright"
mkdir timm
cp "$sample/model/model.onnx" timm/
echo '{"architecture": "tiny", "pretrained_cfg": {"input_size": [3, 48, 48], "interpolation": "bicubic", "crop_pct": 0.9,
  "mean": [0.45, 0.44, 0.42], "std": [0.27, 0.26, 0.27]}}' >timm/config.json
sluice plan timm "$sample/input" 2>&1 | sed -n '/derived/,/^[a-z]/p' | grep -v '^device\|^shards\|^input '
sed -i 's/"crop_pct"/"crop_mode": "border", "crop_pct"/' timm/config.json
sluice plan timm 2>&1
echo "exit $?"
