#!/usr/bin/env python3
"""Same class in bf16? Each classifier of make_models.py on many records: how often sluice's top class in bf16 is the one
ONNX Runtime gives in fp32, and how often PyTorch's in bf16 is the one it gives itself in fp32, as a Markdown table:

    agreement.py DIR [--records N] [PATTERN]

DIR is make_models.py's. Images are crops of the two photographs that scikit-learn ships, at random places, sizes, colours
and with noise; the weights are random, so classes lie closer together than in trained models. magika is a trained model,
its records are stretches of the files in this repository.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

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


def torch_agrees(name, records):
    """PyTorch's own: bf16 against fp32, the same architecture with random weights."""
    import torch
    torch.manual_seed(7)
    plain = make_models.vision(name)()[0].eval()
    make_models.enliven(plain)
    rounded = make_models.vision(name)()[0].eval()
    rounded.load_state_dict(plain.state_dict())
    rounded, same = rounded.to(torch.bfloat16), 0
    with torch.no_grad():
        for k in range(0, len(records), CHUNK):
            x = torch.from_numpy(records[k:k + CHUNK])
            same += int((plain(x).argmax(1) == rounded(x.to(torch.bfloat16)).float().argmax(1)).sum())
    return same / len(records)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dir")
    parser.add_argument("pattern", nargs="?", default="")
    parser.add_argument("--records", type=int, default=1000)
    args = parser.parse_args()
    print("| model | records | classes seen | sluice fp32 | sluice bf16 | PyTorch bf16 |\n|---|---|---|---|---|---|")
    images = None
    for name in VISION + ("magika",):
        model = pathlib.Path(args.dir).resolve() / (name if name == "magika" else name + "-script") / "model.onnx"
        if args.pattern not in name or not model.exists():
            continue
        session = make_models.session_of(model)
        inputs = session.get_inputs()[0]
        if name == "magika":
            records = stretches(args.records, inputs.shape)
        else:
            images = records = photographs(args.records) if images is None else images
        scores = np.concatenate([session.run(None, {inputs.name: records[k:k + CHUNK]})[0]
                                 for k in range(0, len(records), CHUNK)])
        cells = [f"{100 * sluice_agrees(model, inputs.name, records, scores, p):.1f} %" for p in ("fp32", "bf16")]
        cells.append("-" if name == "magika" else f"{100 * torch_agrees(name, records):.1f} %")
        print(f"| {name} | {len(records)} | {len(set(scores.argmax(1)))} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
