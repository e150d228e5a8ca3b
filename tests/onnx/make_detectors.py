#!/usr/bin/env python3
"""Exports torchvision's detectors with weights that find something, and what ONNX Runtime finds:

    make_detectors.py DIR [PATTERN]

writes DIR/NAME/{model.onnx,transform.json,test_data_set_0/...}. Random weights give all boxes one score, so each layer
is scaled until its output spreads, and seeds are tried until no two scores are so near each other that rounding could
turn their order. SET=detectors tests/onnx/models.sh compares. Needs: pip install torch torchvision onnx onnxruntime
"""
import json
import pathlib
import shutil
import sys
import warnings

import numpy as np
import onnxruntime
import torch
import torchvision
from onnx import numpy_helper

MODELS = {  # side of the image, most boxes
    "ssdlite320_mobilenet_v3_large": (320, 40),
    "fasterrcnn_mobilenet_v3_large_320_fpn": (224, 20),
    "retinanet_resnet50_fpn": (224, 40),
    "fcos_resnet50_fpn": (224, 40),
}
NEAR = 2e-5
SEEDS = 20


def spread(module, goal):
    def scale(layer, _, out):
        deviation = out.std().item() if out.numel() > 1 else 0
        if deviation < 1e-9:
            return out
        layer.weight.data *= goal / deviation
        return out * (goal / deviation)

    torch.nn.init.normal_(module.weight)
    return module.register_forward_hook(scale)


def lively(name, side, most, seed):
    torch.manual_seed(seed)
    options = {} if name.startswith("fasterrcnn") else {"detections_per_img": most}
    if name.startswith("fasterrcnn"):
        options = {"box_detections_per_img": most}
    model = getattr(torchvision.models.detection, name)(weights=None, weights_backbone=None, num_classes=5, **options).eval()
    hooks = []
    for path, module in model.named_modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            scores = "cls" in path or ("classification" in path and "module_list" in path)
            moves = "bbox" in path or "regression" in path
            hooks.append(spread(module, 1.5 if scores else 0.3 if moves else 1.0))
    image = torch.rand(3, side, side)
    with torch.no_grad():
        model([image])
    for hook in hooks:
        hook.remove()
    return model, image


def are_apart(results):
    scores = next(r for r in results if r.dtype == np.float32 and r.ndim == 1)
    falling = np.sort(scores)[::-1]
    return len(scores) > 1 and np.min((falling[:-1] - falling[1:]) / falling[:-1]) > NEAR


def export(folder, name, side, most):
    for seed in range(SEEDS):
        model, image = lively(name, side, most, seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(model, ([image],), folder / "model.onnx", dynamo=False, opset_version=17, input_names=["image"])
        results = onnxruntime.InferenceSession(folder / "model.onnx").run(None, {"image": image.numpy()})
        if are_apart(results):
            break
    else:
        raise RuntimeError(f"{name}: no seed keeps the scores apart")
    data = folder / "test_data_set_0"
    data.mkdir(exist_ok=True)
    (data / "input_0.pb").write_bytes(numpy_helper.from_array(image.numpy()).SerializeToString())
    for i, y in enumerate(results):
        (data / f"output_{i}.pb").write_bytes(numpy_helper.from_array(y).SerializeToString())
    steps = ["image.decode", {"image.resize": {"size": [side, side]}}, {"tensor.normalize": {"mean": [0, 0, 0], "std": [1, 1, 1]}}]
    (folder / "transform.json").write_text(json.dumps({"batch": False, "inputs": {"image": steps}}, indent=2) + "\n")
    print(name, "seed", seed, [y.shape for y in results])


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    root, pattern = pathlib.Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""
    failed = 0
    for name, (side, most) in MODELS.items():
        folder = root / name
        if pattern not in name or (folder / "test_data_set_0").exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        try:
            export(folder, name, side, most)
        except Exception as e:  # the others are still of use
            print(name, "failed:", str(e)[:200], file=sys.stderr)
            shutil.rmtree(folder)
            failed = 1
    sys.exit(failed)


if __name__ == "__main__":
    main()
