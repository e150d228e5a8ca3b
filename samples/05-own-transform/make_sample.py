"""Wine cultivars by logistic regression over quantiles, which no transform of sluice's own computes."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import numpy as np
import onnx
from common import write_json, write_text
from skl2onnx import to_onnx
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer

HERE = Path(__file__).resolve().parent
data = load_wine()
labels = [str(n) for n in data.target_names]
order = np.random.default_rng(2).permutation(len(data.data))
train, rest = order[:100], order[100:]
x = data.data.astype(np.float32)
pipeline = make_pipeline(QuantileTransformer(n_quantiles=20), LogisticRegression(C=10)).fit(x[train], data.target[train])
quantiles, regression = (step for _, step in pipeline.steps)
model = to_onnx(regression, x[:1], options={"zipmap": False}, target_opset={"": 17, "ai.onnx.ml": 3})
model.producer_name = "skl2onnx"
onnx.checker.check_model(model)
(HERE / "model").mkdir(parents=True, exist_ok=True)
onnx.save(model, HERE / "model/model.onnx")
write_text(HERE / "model/labels.txt", "".join(f"{n}\n" for n in labels))
write_text(HERE / "model/quantiles.csv",
           "".join(",".join(repr(float(v)) for v in column) + "\n" for column in quantiles.quantiles_.T))
write_json(HERE / "model/transform.json", {
    "inputs": {"X": [{"columns": list(range(13))}, {"quantiles.so": {"table": "quantiles.csv"}}]},
    "outputs": [{"from": "probabilities"}, {"tensor.top_k": {"k": 3, "labels": "labels.txt"}}]})
write_text(HERE / "input/wines.csv",
           "".join(",".join(repr(float(v)) for v in x[i]) + f",{labels[data.target[i]]}\n" for i in rest))

# What scikit-learn's own pipeline says of them, the best first.
golden = HERE.parent.parent / "tests/golden/samples/05-own-transform.csv"
lines = []
for row in pipeline.predict_proba(x[rest]):
    best = np.argsort(-row, kind="stable")
    lines.append(",".join(f"{labels[k]},{row[k]:.7g}" for k in best))
write_text(golden, "\n".join(lines) + "\n")
print("accuracy on the rows it never saw:", pipeline.score(x[rest], data.target[rest]))
