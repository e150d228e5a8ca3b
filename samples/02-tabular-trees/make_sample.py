"""The same data through gradient-boosted trees, as CSV and as JSON Lines."""
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import numpy as np
import onnx
from common import write_json, write_text
from skl2onnx import to_onnx
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier

HERE = Path(__file__).resolve().parent
data = load_breast_cancer()
labels = [str(n) for n in data.target_names]
order = np.random.default_rng(1).permutation(len(data.data))
train, rest = order[:340], order[340:]
x = data.data.astype(np.float32)
trees = GradientBoostingClassifier(n_estimators=80, max_depth=3, random_state=1).fit(x[train], data.target[train])
model = to_onnx(trees, x[:1], options={"zipmap": False}, target_opset={"": 17, "ai.onnx.ml": 3})
model.producer_name = "skl2onnx"
onnx.checker.check_model(model)
(HERE / "model").mkdir(parents=True, exist_ok=True)
onnx.save(model, HERE / "model/model.onnx")
write_text(HERE / "model/labels.txt", "".join(f"{n}\n" for n in labels))
write_json(HERE / "model/transform.json", {
    "inputs": {"X": [{"columns": list(range(1, 31))}]},
    "outputs": [{"from": "probabilities"}, {"tensor.top_k": {"k": 2, "labels": "labels.txt"}}]})
write_json(HERE / "model-jsonl/transform.json", {
    "inputs": {"X": [{"field": "features"}]},
    "outputs": [{"from": "probabilities"}, {"tensor.top_k": {"k": 2, "labels": "labels.txt"}}]})
write_text(HERE / "model-jsonl/labels.txt", "".join(f"{n}\n" for n in labels))
onnx.save(model, HERE / "model-jsonl/model.onnx")

row = lambda i: ",".join([str(int(i))] + [repr(float(v)) for v in data.data[i]] + [labels[data.target[i]]]) + "\n"
write_text(HERE / "input/part-0.csv", "".join(row(i) for i in rest[:120]))
write_text(HERE / "input/part-1.csv", "".join(row(i) for i in rest[120:]))
record = lambda i: json.dumps({"id": int(i), "features": [float(v) for v in data.data[i]], "diagnosis": labels[data.target[i]]}) + "\n"
write_text(HERE / "input-jsonl/part-0.jsonl", "".join(record(i) for i in rest[:120]))
print("accuracy on the rows it never saw:", trees.score(x[rest], data.target[rest]))
