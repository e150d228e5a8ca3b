"""Golden outputs of the samples from an independent runtime: ONNX Runtime behind Pillow.

tests/golden/samples/NAME.txt: one line a record, "shard<TAB>index<TAB>raw outputs". For the trees a line more for each
record, "leaf<TAB>index<TAB>leaf of every tree"; for images the CRC-32 of the u8 tensor that reaches the model's
normalisation, so that decoding and the model can be judged apart."""
import csv
import gzip
import io
import json
import tarfile
import zlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from PIL import Image

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "tests/golden/samples"
OUT.mkdir(parents=True, exist_ok=True)


def unpack(path):
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def run(model, name, x, output=None):
    session = ort.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    return session.run([output] if output else None, {name: x})[0]


def numbers(row):
    return "\t".join(repr(float(np.float32(v))) for v in row)


def write(name, lines):
    (OUT / f"{name}.txt").write_text("\n".join(lines) + "\n")
    print(name, len(lines), "lines")


def tabular():
    base = HERE / "01-tabular-mlp"
    config = json.loads((base / "model/transform.json").read_text())
    steps = config["inputs"]["features"]
    mean, std = (np.asarray(steps[1]["tensor.normalize"][k]) for k in ("mean", "std"))
    lines = []
    for shard in sorted((base / "input").iterdir()):
        rows = list(csv.DictReader(io.StringIO(unpack(shard).decode(), newline="")))
        x = np.asarray([[np.float32(r[c]) for c in steps[0]["columns"]] for r in rows])
        y = run(base / "model/model.onnx", "features", ((x - mean) / std).astype(np.float32))
        lines += [f"{shard.name}\t{i}\t{numbers(r)}" for i, r in enumerate(y)]
    write("01-tabular-mlp", lines)


def leaves(model, x):
    """The node each row ends in, tree by tree, walked by hand from the ONNX attributes."""
    node = next(n for n in onnx.load(model).graph.node if n.op_type.startswith("TreeEnsemble"))
    a = {t.name: onnx.helper.get_attribute_value(t) for t in node.attribute}
    index = {(t, n): k for k, (t, n) in enumerate(zip(a["nodes_treeids"], a["nodes_nodeids"]))}
    out = []
    for row in x:
        found = []
        for tree in sorted(set(a["nodes_treeids"])):
            k = index[(tree, 0)]
            while a["nodes_modes"][k] != b"LEAF":
                assert a["nodes_modes"][k] == b"BRANCH_LEQ"
                left = row[a["nodes_featureids"][k]] <= np.float32(a["nodes_values"][k])
                k = index[(tree, a["nodes_truenodeids" if left else "nodes_falsenodeids"][k])]
            found.append(a["nodes_nodeids"][k])
        out.append(found)
    return out


def trees():
    base, lines = HERE / "02-tabular-trees", []
    for shard in sorted((base / "input").iterdir()):
        rows = list(csv.reader(io.StringIO(unpack(shard).decode())))
        x = np.asarray([[np.float32(v) for v in r[1:31]] for r in rows])
        y = run(base / "model/model.onnx", "X", x, "probabilities")
        for i, (r, found) in enumerate(zip(y, leaves(base / "model/model.onnx", x))):
            lines.append(f"{shard.name}\t{i}\t{numbers(r)}")
            lines.append("leaf\t%d\t%s" % (i, "\t".join(map(str, found))))
    write("02-tabular-trees", lines)


def digits():
    base, lines = HERE / "03-digits-cnn", []
    for shard in sorted((base / "input").iterdir()):
        with tarfile.open(fileobj=io.BytesIO(unpack(shard))) as tar:
            images = [Image.open(io.BytesIO(tar.extractfile(m).read())).convert("L") for m in tar if m.name.endswith(".png")]
        u8 = np.asarray([np.asarray(i) for i in images])
        y = run(base / "model/model.onnx", "pixels", ((u8.astype(np.float32) / 255 - 0.5) / 0.5)[:, None].astype(np.float32))
        lines += [f"{shard.name}\t{i}\t{numbers(r)}\t{zlib.crc32(u8[i].tobytes()):08x}" for i, r in enumerate(y)]
    write("03-digits-cnn", lines)


def photos():
    base, lines = HERE / "04-photos-upright", []
    steps = json.loads((base / "model/transform.json").read_text())["inputs"]["pixels"]
    side, norm = steps[2]["image.center_crop"]["size"], steps[3]["tensor.normalize"]
    for path in sorted((base / "input").rglob("*.jpg"), key=lambda p: str(p.relative_to(base / "input")).encode()):
        image = Image.open(path).convert("RGB")
        w, h = image.size
        size = (side, int(side * h / w)) if w < h else (int(side * w / h), side)
        if min(w, h) != side:
            image = image.resize(size, Image.BILINEAR)
        left, top = int(round((image.size[0] - side) / 2.0)), int(round((image.size[1] - side) / 2.0))
        u8 = np.asarray(image.crop((left, top, left + side, top + side)))
        x = ((u8.astype(np.float64) / 255 - norm["mean"]) / norm["std"]).astype(np.float32).transpose(2, 0, 1)[None]
        y = run(base / "model/model.onnx", "pixels", x)[0]
        lines.append(f"{path.relative_to(base / 'input')}\t0\t{numbers(y)}\t{zlib.crc32(u8.tobytes()):08x}")
    write("04-photos-upright", lines)


tabular()
trees()
digits()
photos()
