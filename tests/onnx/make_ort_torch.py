#!/usr/bin/env python3
"""Cases of small torch modules through both of torch's exporters, with the outputs that ONNX Runtime computed, in the form
run_cases reads:

    make_ort_torch.py DIR

What an operator's specification leaves open shows in what exporters write: scales with a fraction, inputs of another
rank. A module that an exporter refuses is left out; without torch there are no cases.

Needs: pip install onnx onnxruntime numpy torch onnxscript
"""
import pathlib
import shutil
import sys
import tempfile
import warnings

import onnx
import onnxruntime
from make_ort_cases import run, write

try:
    import torch
    from torch import nn
    from torch.nn import functional as F
except ImportError:
    sys.exit(0)


class Function(nn.Module):
    def __init__(self, function, **options):
        super().__init__()
        self.function, self.options = function, options

    def forward(self, *inputs):
        return self.function(*inputs, **self.options)


def put(x):
    y = x.clone()
    y[:, 1:3, ::2] = 0.5
    return y


def unpool(x):
    return F.max_unpool2d(*F.max_pool2d(x, 2, 2, return_indices=True), 2, 2)


def resizes(image):
    for mode in ("nearest", "bilinear", "bicubic"):
        for corners in (None,) if mode == "nearest" else (True, False):
            for size in (dict(scale_factor=1.7), dict(size=(7, 31))):
                yield (f"interpolate_{mode}_{corners}_{next(iter(size))}",
                       Function(F.interpolate, mode=mode, align_corners=corners, **size), (image,), 17)
    for mode in ("bilinear", "bicubic"):
        yield f"antialias_{mode}", Function(F.interpolate, size=(5, 6), mode=mode, antialias=True), (image,), 20
    yield "trilinear", Function(F.interpolate, scale_factor=2, mode="trilinear"), (torch.randn(2, 3, 4, 5, 6),), 17
    yield "linear", Function(F.interpolate, scale_factor=2, mode="linear"), (torch.randn(2, 3, 9),), 17


def grids(image):
    grid = torch.rand(2, 5, 6, 2) * 2.6 - 1.3
    for mode in ("bilinear", "nearest", "bicubic"):
        for padding in ("zeros", "border", "reflection"):
            yield (f"grid_sample_{mode}_{padding}",
                   Function(F.grid_sample, mode=mode, padding_mode=padding, align_corners=False), (image, grid), 17)
    yield "affine_grid", Function(lambda theta: F.affine_grid(theta, [2, 4, 9, 8], align_corners=False)), (torch.randn(2, 2, 3),), 20


def convolutions():
    yield ("unet", nn.Sequential(nn.Conv2d(4, 16, 3, 2, 1), nn.ReLU(), nn.ConvTranspose2d(16, 8, 2, 2),
                                 nn.Conv2d(8, 8, 3, 1, 1), nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
                                 nn.ConvTranspose2d(8, 3, 3, 2, 1, 1)), (torch.randn(2, 4, 32, 32),), 17)
    yield "transposed_1d", nn.ConvTranspose1d(4, 6, 5, 3, 2, output_padding=1, groups=2), (torch.randn(2, 4, 20),), 17
    yield "transposed_3d", nn.ConvTranspose3d(4, 6, 3, 2, 1, dilation=2), (torch.randn(2, 4, 5, 6, 7),), 17


def indices(image):
    row, at, new = torch.randn(2, 5), torch.tensor([[0, 2], [4, 1]]), torch.randn(2, 2)
    yield "scatter", Function(lambda x, i, u: x.scatter(1, i, u)), (row, at, new), 17
    yield "scatter_add", Function(lambda x, i, u: x.scatter_add(1, i, u)), (row, at, new), 17
    yield "index_put", Function(put), (image,), 17
    yield "max_unpool", Function(unpool), (torch.randn(2, 3, 8, 8),), 17
    yield "roll", Function(torch.roll, shifts=(2, 3), dims=(2, 3)), (image,), 17
    yield "fold", Function(F.fold, output_size=(8, 9), kernel_size=(2, 3), stride=(2, 3)), (torch.randn(2, 12, 12),), 20
    yield "unfold", Function(F.unfold, kernel_size=(2, 3), padding=1), (image,), 17


def algebra(image):
    yield "einsum_two", Function(lambda a, b: torch.einsum("bchw,bkhw->bck", a, b)), (image, torch.randn(2, 5, 12, 15)), 17
    yield ("einsum_three", Function(lambda a, b, c: torch.einsum("bi,ij,bj->b", a, b, c)),
           (torch.randn(2, 5), torch.randn(5, 6), torch.randn(2, 6)), 17)
    yield "det", Function(torch.det), (torch.randn(2, 3, 3),), 17
    window = torch.hann_window(32)
    for center in (False, True):
        yield (f"stft_{center}", Function(torch.stft, n_fft=32, hop_length=8, window=window, return_complex=False,
                                          center=center), (torch.randn(2, 200),), 17)
    yield "rfft", Function(lambda x: torch.view_as_real(torch.fft.rfft(x))), (torch.randn(2, 30),), 17


def export(module, inputs, opset, dynamo):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.onnx"
        if dynamo:
            torch.onnx.export(module, inputs, path, dynamo=True, verbose=False, external_data=False)
        else:
            torch.onnx.export(module, inputs, path, dynamo=False, verbose=False, opset_version=opset)
        return onnx.load(path)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    root, count = pathlib.Path(sys.argv[1]), 0
    shutil.rmtree(root, ignore_errors=True)
    warnings.filterwarnings("ignore")
    torch.manual_seed(20261123)
    image = torch.randn(2, 4, 12, 15)
    for name, module, inputs, opset in (*resizes(image), *grids(image), *convolutions(), *indices(image), *algebra(image)):
        for kind in ("torchscript", "dynamo"):
            try:
                model = export(module.eval(), inputs, opset, kind == "dynamo")
            except Exception as error:  # each exporter has its own gaps, and its own exceptions for them
                print(f"left out: {kind} {name}: {str(error).splitlines()[0][:100]}")
                continue
            feeds = {port.name: value.numpy() for port, value in zip(model.graph.input, inputs)}
            write(root / kind / name, model, feeds, run(model, feeds), 2e-4)
            count += 1
    print(f"{count} cases in {root}, torch {torch.__version__}, onnxruntime {onnxruntime.__version__}")


if __name__ == "__main__":
    main()
