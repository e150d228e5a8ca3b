"""scikit-learn's handwritten digits as PNG in WebDataset tar shards, and a small CNN."""
import io
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import numpy as np
from common import conv, helper, initializer, pool, save_model, tar_bytes, train_cnn, write_gz, write_json, write_text
from PIL import Image
from sklearn.datasets import load_digits

HERE = Path(__file__).resolve().parent
digits = load_digits()
pixels = np.round(digits.images * 255 / 16).astype(np.uint8)
order = np.random.default_rng(3).permutation(len(pixels))
train, rest = order[:1200], order[1200:]
rng = np.random.default_rng(4)
x = ((pixels.astype(np.float32) / 255 - 0.5) / 0.5)[:, None]
he = lambda *shape: (rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)
init = {"w0": he(16, 1, 3, 3), "b0": np.zeros(16, np.float32), "w1": he(32, 16, 3, 3), "b1": np.zeros(32, np.float32),
        "w2": he(10, 128), "b2": np.zeros(10, np.float32)}


def forward(p, x):
    import jax
    h = pool(jax.nn.relu(conv(x, p["w0"], p["b0"])))
    h = pool(jax.nn.relu(conv(h, p["w1"], p["b1"])))
    return h.reshape(h.shape[0], -1) @ p["w2"].T + p["b2"]


def batch(step):
    i = rng.choice(train, 128)
    return x[i], digits.target[i].astype(np.int32)


p = train_cnn(batch, init, forward, 1500)
nodes = []
for i, name in enumerate(["pixels", "p0"]):
    nodes += [helper.make_node("Conv", [name, f"w{i}", f"b{i}"], [f"c{i}"], f"conv{i}", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
              helper.make_node("Relu", [f"c{i}"], [f"r{i}"], f"relu{i}"),
              helper.make_node("MaxPool", [f"r{i}"], [f"p{i}"], f"pool{i}", kernel_shape=[2, 2], strides=[2, 2])]
nodes += [helper.make_node("Flatten", ["p1"], ["flat"], "flatten"),
          helper.make_node("Gemm", ["flat", "w2", "b2"], ["logits"], "dense", transB=1)]
save_model(HERE / "model/model.onnx", nodes, [("pixels", ["batch", 1, 8, 8])], [("logits", ["batch", 10])],
           [initializer(k, v) for k, v in p.items()])
write_json(HERE / "model/transform.json", {
    "inputs": {"pixels": [{"image.decode": {"mode": "L"}}, {"image.resize": {"size": [8, 8]}}, {"tensor.normalize": {"mean": [0.5], "std": [0.5]}}]},
    "outputs": {"digit": [{"from": "logits"}, "tensor.argmax"], "probability": [{"from": "logits"}, "tensor.softmax"]}})


def members(part):
    for i in part:
        png = io.BytesIO()
        Image.fromarray(pixels[i]).save(png, "PNG")
        yield f"{i:06d}.png", png.getvalue()
        yield f"{i:06d}.json", json.dumps({"label": int(digits.target[i])}).encode()


half = len(rest) // 2
(HERE / "input").mkdir(parents=True, exist_ok=True)
(HERE / "input/digits-0.tar").write_bytes(tar_bytes(members(rest[:half // 2])))
write_gz(HERE / "input/digits-1.tar.gz", tar_bytes(members(rest[half // 2:])))
print("accuracy on digits it never saw:", float((np.asarray(forward(p, x[rest])).argmax(1) == digits.target[rest]).mean()))
