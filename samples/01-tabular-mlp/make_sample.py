"""Breast-cancer data as CSV shards, and a multilayer perceptron trained on part of it."""
import csv
import io
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import numpy as np
from common import helper, initializer, save_model, write_gz, write_json, write_text
from sklearn.datasets import load_breast_cancer
from sklearn.neural_network import MLPClassifier

HERE = Path(__file__).resolve().parent
data = load_breast_cancer()
names = [str(n).replace(" ", "_") for n in data.feature_names]
labels = [str(n) for n in data.target_names]
order = np.random.default_rng(1).permutation(len(data.data))
train = order[:340]

mean, std = data.data[train].mean(0), data.data[train].std(0)
x = ((data.data - mean) / std).astype(np.float32)
mlp = MLPClassifier((32, 16), max_iter=400, alpha=1e-2, random_state=1).fit(x[train], data.target[train])

nodes, weights, value = [], [], "features"
for i, (w, b) in enumerate(zip(mlp.coefs_, mlp.intercepts_)):
    if i == len(mlp.coefs_) - 1:  # one logit: two, so that softmax gives both classes
        w, b = np.concatenate([-w / 2, w / 2], 1), np.concatenate([-b / 2, b / 2])
    weights += [initializer(f"w{i}", w), initializer(f"b{i}", b)]
    out = "logits" if i == len(mlp.coefs_) - 1 else f"h{i}"
    nodes.append(helper.make_node("Gemm", [value, f"w{i}", f"b{i}"], [out], f"dense{i}"))
    value = out
    if out != "logits":
        nodes.append(helper.make_node("Relu", [out], [f"r{i}"], f"relu{i}"))
        value = f"r{i}"
save_model(HERE / "model/model.onnx", nodes, [("features", ["batch", 30])], [("logits", ["batch", 2])], weights)

write_text(HERE / "model/labels.txt", "".join(f"{n}\n" for n in labels))
write_json(HERE / "model/transform.json", {
    "csv": {"header": True},
    "inputs": {"features": [{"columns": names}, {"tensor.normalize": {"mean": [float(v) for v in mean], "std": [float(v) for v in std]}}]},
    "outputs": [{"from": "logits"}, "tensor.softmax", {"tensor.top_k": {"k": 2, "labels": "labels.txt"}}]})


def rows(part, quote_header=False, end="\n"):
    out = io.StringIO()
    header = ["id"] + names + ["diagnosis"]
    out.write((",".join(f'"{n}"' for n in header) if quote_header else ",".join(header)) + end)
    writer = csv.writer(out, lineterminator=end)
    for i in part:
        writer.writerow([int(i)] + [repr(float(v)) for v in data.data[i]] + [labels[data.target[i]]])
    return out.getvalue()


rest = order[340:]
write_text(HERE / "input/part-0.csv", rows(rest[:80]))
write_text(HERE / "input/part-1.csv", rows(rest[80:150], quote_header=True, end="\r\n"))
write_gz(HERE / "input/part-2.csv.gz", rows(rest[150:]).encode())
print("accuracy on the rows it never saw:", mlp.score(x[rest], data.target[rest]))
