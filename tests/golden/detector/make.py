#!/usr/bin/env python3
"""Writes two ends of detectors, records for them, and what ONNX Runtime makes of each record:

    make.py

model.onnx: 60 numbers are 10 boxes of 4 corners and 2 scores; the boxes, classes and scores that NonMaxSuppression
keeps. best.onnx: the first of them, which is an error where there is none. shared.onnx: the best score of the
whole batch, added to every record. unbatched/model.onnx: the same as model.onnx
without a batch dimension. Needs: pip install numpy onnx onnxruntime
"""
import json
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import parser

HERE = pathlib.Path(__file__).resolve().parent
BODY = """r = Reshape(x, to) box, sc = Split<axis = 2>(r, parts) s = Transpose<perm = [0, 2, 1]>(sc)
  k = NonMaxSuppression(box, s, most, overlap, least) at = Gather<axis = 1>(k, image_and_box) boxes = GatherND(box, at)
  class = Gather<axis = 1>(k, one) score = GatherND(s, k) """
GIVEN = """int64[3] to = {-1, 10, 6}, int64[2] parts = {4, 2}, int64[1] most = {3}, float[1] overlap = {0.5}, float[1] least = {0.6},
  int64[2] image_and_box = {0, 2}, int64 one = {1}, int64[1] zero = {0}"""


def model(name, outputs, more="", x="n,60"):
    text = f'<ir_version: 9, opset_import: ["" : 17]> g (float[{x}] x) => ({outputs}) <{GIVEN}> {{ {BODY} {more} }}'
    made = parser.parse_model(text)
    onnx.checker.check_model(made)
    (HERE / name).write_bytes(made.SerializeToString())
    return onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])


def text(x):
    """As sluice writes it: the shortest decimal that is the same float."""
    if x.ndim:
        return "[" + ", ".join(text(y) for y in x) + "]"
    return str(x) if x.dtype.kind == "i" else np.format_float_positional(x, unique=True, trim="-")


def main():
    session = model("model.onnx", "float[k,4] boxes, int64[k] class, float[k] score")
    model("unbatched/model.onnx", "float[k,4] boxes, int64[k] class, float[k] score", x="60")
    model("shared.onnx", "float[n,60] y", "top = Gather(score, zero) y = Add(x, top)")
    model("best.onnx", "float[1,4] best", "best = Gather(boxes, zero)")
    rng = np.random.default_rng(5)
    x = np.round(rng.uniform(0, 1, (6, 10, 6)), 3).astype(np.float32)
    x[:, :, 2:4] += x[:, :, 0:2]
    x[2, :, 4:] = 0.5
    x[4, 3:, 4:] = 0
    (HERE / "input.csv").write_text("".join(",".join(text(v) for v in row.ravel()) + "\n" for row in x))
    x = np.loadtxt(HERE / "input.csv", delimiter=",").astype(np.float32)
    with open(HERE / "expected.jsonl", "w") as out:
        for row in x:
            results = session.run(None, {"x": row[None]})
            out.write("{" + ", ".join(f'{json.dumps(o.name)}: {text(y)}' for o, y in zip(session.get_outputs(), results)) + "}\n")


if __name__ == "__main__":
    main()
