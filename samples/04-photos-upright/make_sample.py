"""Crops of real photographs, turned by 0, 90, 180 or 270 degrees, and a CNN that tells which way up they are.

The labels are free and honest. The model is tested on photographs it never saw, not on other crops of the same ones."""
import io
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import numpy as np
import skimage
import sklearn
from common import conv, helper, initializer, pool, save_model, train_cnn, write_json, write_text
from PIL import Image

HERE = Path(__file__).resolve().parent
SK, SI = Path(sklearn.__file__).parent / "datasets/images", Path(skimage.__file__).parent / "data"
# trained on scikit-image's photographs, tested on scikit-learn's: a split made before anything was measured
TRAIN = [SI / n for n in ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg", "camera.png")]
TEST = [SK / "china.jpg", SK / "flower.jpg"]
MEAN, STD, SIDE = [0.45, 0.44, 0.42], [0.27, 0.26, 0.27], 48
rng = np.random.default_rng(5)


def crop(photo, rng, low=0.55):
    w, h = photo.size
    side = int(min(w, h) * rng.uniform(low, 1))
    x, y = rng.integers(0, w - side + 1), rng.integers(0, h - side + 1)
    return photo.crop((x, y, x + side, y + side))


photos = [Image.open(p).convert("RGB") for p in TRAIN]
pixels, turns = [], []
for n in range(1800):
    c = crop(photos[n % len(photos)], rng)
    if rng.random() < 0.5:
        c = c.transpose(Image.FLIP_LEFT_RIGHT)
    turn = int(rng.integers(4))
    c = c.resize((SIDE, SIDE), Image.BILINEAR).rotate(90 * turn)
    pixels.append(np.asarray(c))
    turns.append(turn)
x = ((np.asarray(pixels).astype(np.float32) / 255 - MEAN) / STD).transpose(0, 3, 1, 2).astype(np.float32)
y = np.asarray(turns, np.int32)
he = lambda *shape: (rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)
init = {}
for i, (a, b) in enumerate([(3, 8), (8, 8)]):
    init[f"w{i}"], init[f"scale{i}"], init[f"b{i}"] = he(b, a, 3, 3), np.ones(b, np.float32), np.zeros(b, np.float32)
init["w3"], init["b3"] = he(4, 8 * 9) * 0.3, np.zeros(4, np.float32)


def features(p, x):
    import jax
    for i in range(2):
        x = pool(jax.nn.relu(conv(x, p[f"w{i}"], np.zeros(p[f"b{i}"].shape, np.float32)) * p[f"scale{i}"][None, :, None, None] + p[f"b{i}"][None, :, None, None]))
    return jax.lax.reduce_window(x, 0.0, jax.lax.add, (1, 1, 4, 4), (1, 1, 4, 4), "VALID") / 16


def forward(p, x):
    h = features(p, x)
    return h.reshape(h.shape[0], -1) @ p["w3"].T + p["b3"]


def batch(step):
    i = rng.integers(0, len(x), 64)
    noise = rng.standard_normal((64, 3, 1, 1)).astype(np.float32) * 0.5
    gain = np.exp(rng.standard_normal((64, 1, 1, 1)) * 0.2).astype(np.float32)
    return x[i] * gain + noise + rng.standard_normal(x[i].shape).astype(np.float32) * 0.1, y[i]


p = train_cnn(batch, init, forward, 700, decay=3e-3)
nodes, weights, value = [], [], "pixels"
for i in range(2):  # as exporters leave it: convolution, then batch normalisation with its own statistics
    n = len(p[f"b{i}"])
    weights += [initializer(f"w{i}", p[f"w{i}"]), initializer(f"scale{i}", p[f"scale{i}"]), initializer(f"b{i}", p[f"b{i}"]),
                initializer(f"mean{i}", np.zeros(n)), initializer(f"var{i}", np.full(n, 1 - 1e-5))]
    nodes += [helper.make_node("Conv", [value, f"w{i}"], [f"c{i}"], f"conv{i}", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
              helper.make_node("BatchNormalization", [f"c{i}", f"scale{i}", f"b{i}", f"mean{i}", f"var{i}"], [f"n{i}"], f"norm{i}"),
              helper.make_node("Relu", [f"n{i}"], [f"r{i}"], f"relu{i}"),
              helper.make_node("MaxPool", [f"r{i}"], [f"p{i}"], f"pool{i}", kernel_shape=[2, 2], strides=[2, 2])]
    value = f"p{i}"
nodes += [helper.make_node("AveragePool", [value], ["average"], "average", kernel_shape=[4, 4], strides=[4, 4]),
          helper.make_node("Flatten", ["average"], ["flat"], "flatten"),
          helper.make_node("Gemm", ["flat", "w3", "b3"], ["logits"], "dense", transB=1)]
weights += [initializer("w3", p["w3"]), initializer("b3", p["b3"])]
save_model(HERE / "model/model.onnx", nodes, [("pixels", ["batch", 3, SIDE, SIDE])], [("logits", ["batch", 4])], weights)
write_text(HERE / "model/labels.txt", "0\n90\n180\n270\n")
write_json(HERE / "model/transform.json", {
    "inputs": {"pixels": ["image.decode", {"image.resize": {"shorter": SIDE}}, {"image.center_crop": {"size": SIDE}},
                          {"tensor.normalize": {"mean": MEAN, "std": STD}}]},
    "outputs": [{"from": "logits"}, "tensor.softmax", {"tensor.top_k": {"k": 2, "labels": "labels.txt"}}]})

right = count = 0
for path in TEST:
    photo = Image.open(path).convert("RGB")
    for n in range(9):
        c = crop(photo, rng, 0.75)
        c.thumbnail((112, 112))
        c = c.crop((0, 0, c.size[0], c.size[1] - 7 * (n % 3)))  # not all of them square
        for turn in range(4):
            jpeg = io.BytesIO()
            turned = c.rotate(90 * turn, expand=True)
            turned.save(jpeg, "JPEG", quality=85, progressive=n % 2 == 1)
            out = HERE / f"input/{path.stem}/{n}-{90 * turn}.jpg"
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_bytes(jpeg.getvalue())
            seen = Image.open(io.BytesIO(jpeg.getvalue())).convert("RGB")
            w, h = seen.size
            seen = seen.resize((SIDE, int(SIDE * h / w)) if w < h else (int(SIDE * w / h), SIDE), Image.BILINEAR)
            left, top = int(round((seen.size[0] - SIDE) / 2.0)), int(round((seen.size[1] - SIDE) / 2.0))
            seen = seen.crop((left, top, left + SIDE, top + SIDE))
            z = ((np.asarray(seen).astype(np.float32) / 255 - MEAN) / STD).transpose(2, 0, 1)[None].astype(np.float32)
            right += int(np.asarray(forward(p, z)).argmax()) == turn
            count += 1
print(f"accuracy on crops of photographs it never saw: {right / count:.3f} of {count}")
