#!/usr/bin/env python3
"""Same class in bf16? Classifiers on many records: how often the top class in bf16 is the one ONNX Runtime gives in
fp32, as a Markdown table:

    agreement.py DIR [--records N] [--also MODEL.onnx ...] [PATTERN]

magika (DIR is make_models.py's) is a trained model; its records are stretches of the files in this repository. Other
trained classifiers of images that are at hand are given with --also.
torchvision's architectures have random weights, with the last bias set so that classes depend on the image; there the
best two of 1,000 classes often lie closer together than bf16 can tell apart, so PyTorch's own bf16 stands beside, for the
same weights. Images are crops of the two photographs that scikit-learn ships, at random places, sizes and colours, with
noise.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile
import warnings

import numpy as np

import make_models

ROOT = pathlib.Path(__file__).resolve().parents[2]
SLUICE = ROOT / "build" / "release" / "sluice"
CHUNK = 25
VISION = ("resnet50", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "efficientnet_b0", "densenet121",
          "vit_b_16", "convnext_tiny", "swin_t")


def photographs(count, size=224):
    from PIL import Image
    from sklearn.datasets import load_sample_images
    rng, out = np.random.default_rng(3), np.empty((count, 3, size, size), np.float32)
    photos = [Image.fromarray(i) for i in load_sample_images().images]
    for n in range(count):
        photo = photos[n % len(photos)]
        side = int(rng.integers(64, min(photo.size)))
        x, y = (int(rng.integers(0, photo.size[k] - side + 1)) for k in (0, 1))
        crop = np.asarray(photo.resize((size, size), box=(x, y, x + side, y + side)), np.float32) / 255
        crop = crop * rng.uniform(0.5, 1.3, 3) + rng.normal(0, 0.02, crop.shape)
        crop = (crop - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        out[n] = crop.transpose(2, 0, 1)
    return out


def stretches(count, shape):
    rng, files = np.random.default_rng(3), []
    for path in sorted(ROOT.rglob("*")):
        if path.is_file() and ".git/" not in str(path) and 4096 < path.stat().st_size < 1 << 22:
            files.append(path)
    out = np.empty((count, *shape[1:]), np.int32)
    for n in range(count):
        data = files[n % len(files)].read_bytes()
        size = int(np.prod(shape[1:]))
        at = int(rng.integers(0, max(1, len(data) - size)))
        row = np.full(size, 256, np.int32)  # magika's padding
        part = np.frombuffer(data[at:at + size], np.uint8)
        row[:len(part)] = part
        out[n] = row.reshape(shape[1:])
    return out


def sluice_agrees(model, name, records, classes, precision):
    """Golden data of ORT's scores, a chunk a data set; verify counts the top classes."""
    from onnx import numpy_helper
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "model.onnx").symlink_to(model)
        for k in range(0, len(records), CHUNK):
            data = folder / f"test_data_set_{k // CHUNK}"
            data.mkdir()
            for kind, value, label in (("input", records[k:k + CHUNK], name), ("output", classes[k:k + CHUNK], "scores")):
                (data / f"{kind}_0.pb").write_bytes(numpy_helper.from_array(value, label).SerializeToString())
        out = subprocess.run([SLUICE, "verify", str(model), str(folder), "--precision", precision, "--json"],
                             capture_output=True, text=True)
        outputs = json.loads(out.stdout)["outputs"]
        return sum(o["top1_same"] for o in outputs) / sum(o["rows"] for o in outputs)


def make_vision(name, images, folder):
    """The model in PyTorch, and its path as ONNX."""
    import torch
    torch.manual_seed(7)
    model = make_models.vision(name)()[0].eval()
    make_models.enliven(model)
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    with torch.no_grad():  # statistics that are those of images, else nothing of the image is left at the end
        for m in norms:
            m.momentum = None
            m.train()
        for k in range(0, 128, 32):
            model(torch.from_numpy(images[k:k + 32]))
    model.eval()
    last = [m for m in model.modules() if isinstance(m, torch.nn.Linear)][-1]
    with torch.no_grad():
        last.bias -= model(torch.from_numpy(images[:32])).mean(0)
    path = pathlib.Path(folder) / f"{name}.onnx"
    torch.onnx.export(model, (torch.from_numpy(images[:2]),), str(path), opset_version=17, dynamo=False,
                      input_names=["pixel_values"], output_names=["logits"],
                      dynamic_axes={"pixel_values": {0: "batch"}, "logits": {0: "batch"}})
    return model, path


def torch_agrees(model, records, scores):
    import torch
    model, same = model.to(torch.bfloat16), 0
    with torch.no_grad():
        for k in range(0, len(records), CHUNK):
            got = model(torch.from_numpy(records[k:k + CHUNK]).to(torch.bfloat16)).float().numpy()
            same += int((got.argmax(1) == scores[k:k + CHUNK].argmax(1)).sum())
    return same / len(records)


def line(name, path, records, model=None):
    session = make_models.session_of(path)
    label = session.get_inputs()[0].name
    scores = np.concatenate([session.run(None, {label: records[k:k + CHUNK]})[0] for k in range(0, len(records), CHUNK)])
    cells = [f"{100 * sluice_agrees(path, label, records, scores, p):.1f} %" for p in ("fp32", "bf16")]
    cells.append(f"{100 * torch_agrees(model, records, scores):.1f} %" if model else "-")
    print(f"| {name} | {len(records)} | {len(set(scores.argmax(1)))} | " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dir")
    parser.add_argument("pattern", nargs="?", default="")
    parser.add_argument("--records", type=int, default=1000)
    parser.add_argument("--also", nargs="*", default=[], type=pathlib.Path)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    print("| model | records | classes seen | sluice fp32 | sluice bf16 | PyTorch bf16 |\n|---|---|---|---|---|---|")
    magika = pathlib.Path(args.dir).resolve() / "magika" / "model.onnx"
    if args.pattern in "magika" and magika.exists():
        line("magika", magika, stretches(args.records, make_models.session_of(magika).get_inputs()[0].shape))
    names = [n for n in VISION if args.pattern in n]
    images = photographs(args.records) if names or args.also else None
    for path in args.also:
        shape = make_models.session_of(path).get_inputs()[0].shape
        crop = images[:, :, :shape[2] if isinstance(shape[2], int) else 224, :shape[3] if isinstance(shape[3], int) else 224]
        line(path.stem, path.resolve(), images.transpose(0, 2, 3, 1).copy() if shape[-1] == 3 else crop.copy())
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            model, path = make_vision(name, images, folder)
            line(name, path, images, model)


if __name__ == "__main__":
    main()
