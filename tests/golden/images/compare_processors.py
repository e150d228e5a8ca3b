#!/usr/bin/env python3
"""Hugging Face's image processors against what sluice derives from the preprocessor_config.json they save:

    compare_processors.py SLUICE

Each class is run with its defaults on pictures of several shapes, on Pillow and on torchvision; the model is an Identity,
so that the pixels go out as they came. Printed: the largest difference in levels of a pixel (1/255), and how many values
are more than one level off.

With transformers 5.23, Pillow 13.0 and torchvision's newest, 14 pictures each: not one value differs from Pillow's for any
of the 15; torchvision rounds its filters otherwise (1 level) and resizes tall pictures in the order of older Pillows (up
to 6 levels, in less than 1 of 10,000 values).

Needs: pip install transformers torch torchvision pillow onnx numpy scikit-learn
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import onnx
import transformers
from PIL import Image
from sklearn.datasets import load_sample_images

NAMES = ("ViT", "ConvNext", "CLIP", "Bit", "DeiT", "MobileNetV1", "MobileNetV2", "Levit", "Beit", "Siglip", "PoolFormer",
         "Segformer", "Pvt", "EfficientNet", "DPT")
SHAPES = ((640, 427), (427, 640), (301, 223), (150, 400), (224, 224), (97, 61), (1000, 251))


def identity(path):
    dims = ["batch", "channels", "height", "width"]
    value = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, dims) for n in ("pixel_values", "y")]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["pixel_values"], ["y"])], "g", value[:1], value[1:])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), path)


def compare(sluice, folder, processor, images):
    folder.mkdir()
    processor.save_pretrained(folder)
    identity(folder / "model.onnx")
    subprocess.run([sluice, "run", str(folder), str(images), str(folder / "out"), "-q"], check=True)
    std = np.array(processor.image_std if processor.do_normalize else [1, 1, 1]).reshape(3, 1, 1)
    if getattr(processor, "include_top", False):
        std = std * std
    worst = far = count = 0
    for path in sorted(images.iterdir()):
        want = np.asarray(processor(Image.open(path), return_tensors="np")["pixel_values"][0])
        text = (folder / "out" / (path.name + ".out")).read_text()
        got = np.array(json.loads(text) if text[0] in "[{" else text.split(","), np.float32).reshape(want.shape)
        off = np.abs(got - want) * std * 255
        worst, far, count = max(worst, off.max()), far + int((off > 1.01).sum()), count + off.size
    return f"{worst:.2f} | {far} of {count}"


def main():
    warnings.filterwarnings("ignore")
    print("| processor | Pillow: levels off | beyond one level | torchvision: levels off | beyond one level |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as root:
        root = pathlib.Path(root)
        images = root / "images"
        images.mkdir()
        for n, photo in enumerate(load_sample_images().images):
            for size in SHAPES:
                Image.fromarray(photo).resize(size, Image.BICUBIC).save(images / f"{n}-{size[0]}x{size[1]}.png")
        for name in NAMES:
            options = {"size": {"shortest_edge": 224}} if name == "ConvNext" else {}
            cells = []
            for backend in ("Pil", ""):
                kind = getattr(transformers, f"{name}ImageProcessor{backend}")
                cells.append(compare(sys.argv[1], root / (name + backend), kind(**options), images))
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
