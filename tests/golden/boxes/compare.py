#!/usr/bin/env python3
"""The transform `boxes.nms` beside torchvision.ops.batched_nms: random boxes through `sluice run` and models that return
what they get.

    compare.py SLUICE [RECORDS]

YOLOv5's rows with objectness, YOLOv8's columns, SSD's corners with scores of their own and a background class, DETR's
softmax without suppression. Prints how many boxes were compared and how many differ. Needs: pip install torch torchvision
onnx numpy."""
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torchvision.ops import batched_nms

BOXES, CLASSES = 60, 5


def corners(box, form):
    x, y, w, h = box.T
    return np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 1) if form == "cxcywh" else box


def expected(box, scores, options):
    """scores: probabilities, [boxes, classes], the background as -1."""
    best, score = scores.argmax(1), scores.max(1)
    keep = np.flatnonzero(score > np.float32(options.get("score", 0.25)))
    box, best, score = (torch.from_numpy(np.ascontiguousarray(v[keep])) for v in (box, best, score))
    order = batched_nms(box, score, best, options.get("iou", 0.45))[:options.get("max", 300)]
    return torch.cat([box[order], score[order, None], best[order, None].float()], 1).numpy()


def cases(rng, records):
    center = np.concatenate([rng.uniform(0, 100, (records, BOXES, 2)), rng.uniform(5, 40, (records, BOXES, 2))], 2)
    center = center.astype(np.float32)
    raw = rng.normal(0, 2, (records, BOXES, CLASSES)).astype(np.float32)
    sigmoid = (1 / (1 + np.exp(-raw))).astype(np.float32)
    soft = torch.softmax(torch.from_numpy(raw), 2).numpy()
    objectness = rng.uniform(0, 1, (records, BOXES, 1)).astype(np.float32)
    square = np.stack([corners(b, "cxcywh") for b in center])
    yield ("yolov5", {"y": np.concatenate([center, objectness, sigmoid], 2)}, {"objectness": 1},
           [expected(corners(c, "cxcywh"), s * o, {}) for c, s, o in zip(center, sigmoid, objectness)])
    yield ("yolov8", {"y": np.concatenate([center, sigmoid], 2).transpose(0, 2, 1)}, {"layout": "columns", "iou": 0.3, "max": 7},
           [expected(corners(c, "cxcywh"), s, {"iou": 0.3, "max": 7}) for c, s in zip(center, sigmoid)])
    hidden = soft.copy()
    hidden[:, :, 0] = -1
    yield ("ssd", {"y": square, "z": raw}, {"format": "xyxy", "scores": "z", "activation": "softmax", "background": 0},
           [expected(b, s, {}) for b, s in zip(square, hidden)])
    last = soft.copy()
    last[:, :, -1] = -1
    yield ("detr", {"y": center, "z": raw}, {"scores": "z", "activation": "softmax", "background": CLASSES - 1, "iou": 1,
                                            "score": 0.5},
           [expected(corners(c, "cxcywh"), s, {"iou": 1, "score": 0.5}) for c, s in zip(center, last)])


def model(folder, tensors, step):
    info = lambda name, a: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *a.shape[1:]])
    nodes = [helper.make_node("Reshape", ["in_" + k, "shape_" + k], [k]) for k in tensors]
    flat = [helper.make_tensor_value_info("in_" + k, TensorProto.FLOAT, ["batch", a[0].size]) for k, a in tensors.items()]
    shapes = [numpy_helper.from_array(np.asarray([-1, *a.shape[1:]]), "shape_" + k) for k, a in tensors.items()]
    graph = helper.make_graph(nodes, "same", flat, [info(k, a) for k, a in tensors.items()], shapes)
    folder.mkdir()
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "model.onnx")
    inputs = {"in_" + k: [{"field": k}] for k in tensors}
    (folder / "transform.json").write_text(json.dumps({"inputs": inputs, "outputs": [{"from": "y"}, {"boxes.nms": step}]}))


def main():
    sluice, records = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    total = 0
    for name, tensors, step, want in cases(np.random.default_rng(4), records):
        with tempfile.TemporaryDirectory() as temporary:
            root = pathlib.Path(temporary)
            model(root / "model", tensors, step)
            lines = [json.dumps({k: a[r].ravel().tolist() for k, a in tensors.items()}) for r in range(records)]
            (root / "rows.jsonl").write_text("\n".join(lines) + "\n")
            subprocess.run([sluice, "run", root / "model", root / "rows.jsonl", root / "out", "-q", "--accept",
                            "application/jsonlines"], check=True)
            got = [np.asarray(next(iter(json.loads(line).values())), np.float32).reshape(-1, 6)
                   for line in (root / "out/rows.jsonl.out").read_text().splitlines()]
        differ = sum(g.shape != w.shape or not np.allclose(g, w, rtol=1e-5, atol=1e-4) for g, w in zip(got, want))
        print(f"{name}: {records} records, {sum(map(len, want))} boxes, {differ} records differ")
        total += differ
    return total != 0


if __name__ == "__main__":
    sys.exit(main())
