#!/usr/bin/env python3
"""Cases of the spatial, signal, indexing and linear-algebra operators on random shapes, with the outputs that ONNX
Runtime computed, in the form run_cases reads:

    make_ort_spatial.py DIR

A node that ONNX Runtime refuses is left out. Where it departs from the ONNX reference (noted at the place), the form
in question is not generated.

Needs: pip install onnx onnxruntime numpy
"""
import pathlib
import shutil
import sys
import zlib

import numpy as np
import onnxruntime
from make_ort_cases import run, write
from onnx import TensorProto, helper, numpy_helper

F, I = np.float32, np.int64


class Cases:
    def __init__(self, root):
        self.root, self.count, self.left_out = root, 0, 0

    def add(self, op, label, inputs, outputs=1, opset=20, domain="", fixed=(), tolerance=None, **attrs):
        """inputs: arrays, or None for one left out; `fixed`: which are constants of the model."""
        names = ["" if x is None else f"x{i}" for i, x in enumerate(inputs)]
        ports = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
                 for i, (n, x) in enumerate(zip(names, inputs)) if x is not None and i not in fixed]
        constants = [numpy_helper.from_array(inputs[i], names[i]) for i in fixed if inputs[i] is not None]
        results = [f"y{i}" for i in range(outputs)]
        node = helper.make_node(op, names, results, domain=domain, **attrs)
        graph = helper.make_graph([node], op, ports, [helper.make_tensor_value_info(r, 0, None) for r in results],
                                  constants)
        for result in graph.output:
            result.ClearField("type")
        imports = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
        model = helper.make_model(graph, opset_imports=imports, ir_version=10 if opset < 24 else 11)
        feeds = {n: x for i, (n, x) in enumerate(zip(names, inputs)) if x is not None and i not in fixed}
        try:
            values = run(model, feeds)
        except Exception as error:
            self.left_out += 1
            print(f"left out: {op} {label}: {str(error)[:150]!r}")
            return
        for result, value in zip(model.graph.output, values):
            result.type.tensor_type.elem_type = helper.np_dtype_to_tensor_dtype(value.dtype)
        write(self.root / op / f"{self.count:04}_{label}", model, feeds, values, tolerance)
        self.count += 1


def ints(rng, low, high, n):
    return [int(v) for v in rng.integers(low, high + 1, n)]


def normal(rng, shape, dtype=F):
    return rng.normal(size=shape).astype(dtype)


def conv_transpose(cases, rng):
    for i in range(60):
        n, groups = 1 + i % 3, int(rng.integers(1, 4))
        a, b, dims = int(rng.integers(1, 4)), int(rng.integers(1, 4)), ints(rng, 1, 6, n)
        kernel, strides, dilations = ints(rng, 1, 4, n), ints(rng, 1, 3, n), ints(rng, 1, 2, n)
        x, w = normal(rng, [2, groups * a, *dims]), normal(rng, [groups * a, b, *kernel])
        attrs = dict(group=groups, strides=strides, dilations=dilations, kernel_shape=kernel)
        full = [(d - 1) * s + (k - 1) * v + 1 for d, s, k, v in zip(dims, strides, kernel, dilations)]
        form = i % 5
        if form == 0:
            attrs["pads"] = [int(rng.integers(0, max(1, (f - 1) // 2 + 1))) for f in full] * 2
        elif form == 1:
            attrs["output_padding"] = [int(rng.integers(0, s)) for s in strides]
        elif form == 2:
            attrs["output_shape"] = [int(rng.integers(1, f + 3)) for f in full]
        elif form == 3:
            attrs["auto_pad"] = ("SAME_UPPER", "SAME_LOWER", "VALID")[i // 5 % 3]
        else:
            attrs.update(auto_pad="SAME_UPPER", output_shape=[int(rng.integers(1, f + 1)) for f in full])
        bias = normal(rng, [groups * b]) if i % 2 else None
        inputs = [x, w] + ([bias] if bias is not None else [])
        cases.add("ConvTranspose", f"{n}d_{form}", inputs, opset=11 if i % 4 else 22, fixed=(1, 2)[:len(inputs) - 1],
                  tolerance=1e-4, **attrs)


def deform_conv(cases, rng):
    for i in range(12):
        groups, offsets = int(rng.integers(1, 3)), int(rng.integers(1, 3))
        a, b, dims = offsets * int(rng.integers(1, 3)), int(rng.integers(1, 4)), ints(rng, 4, 8, 2)
        kernel, strides, dilations, pads = ints(rng, 1, 3, 2), ints(rng, 1, 2, 2), ints(rng, 1, 2, 2), ints(rng, 0, 2, 4)
        out = [(d + pads[j] + pads[j + 2] - (kernel[j] - 1) * dilations[j] - 1) // strides[j] + 1
               for j, d in enumerate(dims)]
        if min(out) < 1:
            continue
        count = offsets * kernel[0] * kernel[1]
        inputs = [normal(rng, [2, groups * a, *dims]), normal(rng, [groups * b, a, *kernel]),
                  normal(rng, [2, 2 * count, *out]) * 2, normal(rng, [groups * b]) if i % 2 else None,
                  normal(rng, [2, count, *out]) if i % 3 else None]
        while inputs[-1] is None:
            inputs.pop()
        cases.add("DeformConv", "2d", inputs, opset=19, tolerance=1e-4, strides=strides, dilations=dilations, pads=pads,
                  group=groups, offset_group=offsets, kernel_shape=kernel)


def resize(cases, rng):
    places = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize",
              "half_pixel_symmetric"]
    rounds = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
    empty = np.zeros(0, F)
    for i in range(160):
        mode, place = ("nearest", "linear", "cubic")[i % 3], places[i // 3 % 6]
        opset = (11, 13, 18, 19)[int(rng.integers(4))]
        if place == "half_pixel_symmetric":
            opset = 19
        dims = [int(rng.integers(1, 3)), int(rng.integers(1, 4)), *ints(rng, 1, 9, 2)]
        if mode == "linear" and i % 4 == 0:
            dims = dims[2:] if i % 8 else [dims[0], dims[1], *ints(rng, 1, 5, 3)]
        n = min(len(dims), 2 if mode != "linear" or len(dims) < 5 else 3)
        sizes = dims[:-n] + ints(rng, 1, 14, n)
        if place == "tf_crop_and_resize":  # ONNX Runtime does not crop an axis whose size stays
            sizes = [s + (s == d) * (k >= len(dims) - n) for k, (s, d) in enumerate(zip(sizes, dims))]
        attrs = dict(mode=mode, coordinate_transformation_mode=place)
        if mode == "nearest":
            attrs["nearest_mode"] = rounds[int(rng.integers(4))]
        elif mode == "cubic":
            attrs["cubic_coeff_a"] = [-0.75, -0.5][i % 2]
            attrs["exclude_outside"] = int(i % 4 == 2)
        roi = empty
        if place == "tf_crop_and_resize":
            roi = np.array([0] * (len(dims) - n) + list(rng.uniform(-0.2, 0.5, n)) + [1] * (len(dims) - n) +
                           list(rng.uniform(0.5, 1.2, n)), F)
            attrs["extrapolation_value"] = 7.5
        x = normal(rng, dims)
        by_sizes = i % 2 == 0
        # scales are ratios of whole sizes: with a fraction left over, ONNX Runtime takes the rounded size in align_corners
        # (here only what enlarges does) and tf_crop_and_resize, the reference the fraction
        scales = np.array([s / d for s, d in zip(sizes, dims)], F)
        if place in ("half_pixel", "asymmetric") and i % 5 == 0:
            scales[-n:] = rng.uniform(0.5, 2.7, n).astype(F)
            scales[-n:] = np.maximum(scales[-n:], 1.001 / np.array(dims[-n:], F))
        elif place == "align_corners" and i % 5 == 1:
            scales[-n:] = rng.uniform(1, 2.7, n).astype(F)
            by_sizes = False
        elif any(int(np.float32(s) * np.float32(d)) != z for s, d, z in zip(scales, dims, sizes)):
            by_sizes = True
        inputs = [x, roi, empty, np.array(sizes, I)] if by_sizes else [x, roi, scales]
        cases.add("Resize", f"{mode}_{place}", inputs, opset=opset, fixed=(1, 2, 3)[:len(inputs) - 1], tolerance=1e-4,
                  **attrs)
    for i in range(24):
        mode = ("linear", "cubic")[i % 2]
        dims = [1, 2, *ints(rng, 4, 12, 2)]
        sizes = dims[:2] + ints(rng, 2, 20, 2)
        cases.add("Resize", f"antialias_{mode}", [normal(rng, dims), empty, empty, np.array(sizes, I)], opset=18,
                  fixed=(1, 2, 3), tolerance=1e-4, mode=mode, antialias=1, exclude_outside=i // 2 % 2)
    for policy in ("stretch", "not_larger", "not_smaller"):
        for mode in ("nearest", "linear"):
            cases.add("Resize", f"{policy}_{mode}", [normal(rng, [1, 2, 5, 7]), None, None, np.array([8, 9], I)], opset=19,
                      fixed=(3,), tolerance=1e-4, mode=mode, axes=[2, 3], keep_aspect_ratio_policy=policy)
    for dtype in (np.uint8, np.int8, np.int32):
        x = rng.integers(0, 100, [1, 2, 5, 6]).astype(dtype)
        cases.add("Resize", f"nearest_{x.dtype}", [x, empty, np.array([1, 1, 2, 1.5], F)], opset=13, fixed=(1, 2),
                  mode="nearest")
    for i in range(12):
        mode = ("nearest", "linear")[i % 2]
        scales = np.array([1, 1, *rng.choice([1, 1.5, 2, 3, 2.4], 2)], F)
        x = normal(rng, [2, 2, *ints(rng, 1, 7, 2)])
        cases.add("Upsample", mode, [x, scales], opset=9, fixed=(1,), tolerance=1e-4, mode=mode)
        cases.add("Upsample", mode, [x], opset=7, tolerance=1e-4, mode=mode, scales=[float(s) for s in scales])
        if i % 2 == 0:
            scales = np.array([1, 1, *rng.choice([0.5, 0.6, 1.7, 2], 2)], F)
        cases.add("Resize", f"old_{mode}", [x, scales], opset=10, fixed=(1,), tolerance=1e-4, mode=mode)


def grid_sample(cases, rng):
    for i in range(54):
        corners, padding = i % 2, ("zeros", "border", "reflection")[i // 2 % 3]
        mode = ("linear", "nearest", "cubic")[i // 6 % 3]
        deep = mode != "cubic" and i >= 36
        dims = ints(rng, 2, 6, 3 if deep else 2)
        out = ints(rng, 1, 6, len(dims))
        x = normal(rng, [2, int(rng.integers(1, 4)), *dims])
        grid = rng.uniform(-1.6, 1.6, [2, *out, len(dims)]).astype(F)
        old = i % 4 == 1 and not deep
        name = {"linear": "bilinear", "nearest": "nearest", "cubic": "bicubic"}[mode] if old else mode
        cases.add("GridSample", f"{mode}_{padding}_{corners}", [x, grid], opset=16 if old else 20 if i % 3 else 22,
                  tolerance=1e-4, mode=name, padding_mode=padding, align_corners=corners)
        if old:
            cases.add("GridSample", f"ms_{mode}_{padding}_{corners}", [x, grid], domain="com.microsoft", tolerance=1e-4,
                      mode=name, padding_mode=padding, align_corners=corners)
    for i in range(8):
        dims = ints(rng, 2, 6, 2 + i % 2)
        cases.add("AffineGrid", f"{len(dims)}d", [normal(rng, [2, len(dims), len(dims) + 1]), np.array([2, 3, *dims], I)],
                  fixed=(1,), tolerance=1e-4, align_corners=i // 2 % 2)


def regions(cases, rng):
    for i in range(24):
        h, w = ints(rng, 4, 12, 2)
        x, count = normal(rng, [2, 3, h, w]), int(rng.integers(1, 6))
        corner = rng.uniform(-2, 8, [count, 2])
        rois = np.concatenate([corner, corner + rng.uniform(0, 9, [count, 2])], 1).astype(F)
        attrs = dict(output_height=int(rng.integers(1, 5)), output_width=int(rng.integers(1, 5)),
                     sampling_ratio=int(rng.integers(0, 4)), spatial_scale=float(F(rng.uniform(0.5, 1.5))))
        if i % 3:
            attrs["coordinate_transformation_mode"] = ("half_pixel", "output_half_pixel")[i % 2]
        attrs["mode"] = ("avg", "max")[i // 2 % 2]
        index = rng.integers(0, 2, count).astype(I)
        opset = 16
        if i % 6 == 3:
            attrs.pop("coordinate_transformation_mode", None)
            opset = 10
        # the largest of opset 10 in ONNX Runtime is not of weighed corners
        cases.add("RoiAlign", attrs["mode"], [x, rois, index], opset=opset, tolerance=1e-4, **attrs)
    for i in range(10):
        h, w = ints(rng, 4, 12, 2)
        count = int(rng.integers(1, 6))
        corner = rng.integers(0, 6, [count, 2])
        rois = np.concatenate([rng.integers(0, 2, [count, 1]), corner, corner + rng.integers(0, 7, [count, 2])], 1).astype(F)
        cases.add("MaxRoiPool", "2d", [normal(rng, [2, 3, h, w]), rois], pooled_shape=ints(rng, 1, 4, 2),
                  spatial_scale=(1.0, 0.5)[i % 2])
    for i in range(10):
        count = int(rng.integers(1, 5))
        corner = rng.uniform(-0.2, 0.6, [count, 2])
        rois = np.concatenate([corner, corner + rng.uniform(0, 0.7, [count, 2])], 1).astype(F)
        cases.add("CropAndResize", f"{i % 2}", [normal(rng, [2, 3, *ints(rng, 3, 9, 2)]), rois,
                                                rng.integers(0, 2, count).astype(np.int32),
                                                np.array(ints(rng, 1, 5, 2), np.int32)], domain="com.microsoft", fixed=(3,),
                  tolerance=1e-4, mode=("bilinear", "nearest")[i % 2], extrapolation_value=3.0)


def pools(cases, rng):
    for i in range(20):  # MaxPool with its indices, and back
        n = 1 + i % 3
        kernel, strides = ints(rng, 1, 3, n), ints(rng, 1, 3, n)
        x = rng.permutation(2 * 3 * 7 ** n).reshape([2, 3] + [7] * n).astype(F)
        cases.add("MaxPool", f"indices_{n}d", [x], outputs=2, opset=12, kernel_shape=kernel, strides=strides,
                  dilations=ints(rng, 1, 2, n), pads=[int(rng.integers(0, k)) for k in kernel] * 2, ceil_mode=i // 3 % 2,
                  storage_order=0)
        size = [(7 - k) // k + 1 for k in kernel]
        whole = [s * k for s, k in zip(size, kernel)]
        index = np.stack([rng.permutation(6 * int(np.prod(whole)))[:6 * int(np.prod(size))]])
        cases.add("MaxUnpool", f"{n}d", [normal(rng, [2, 3, *size]), index.reshape([2, 3, *size]).astype(I)], opset=11,
                  kernel_shape=kernel, strides=kernel)
    for i in range(20):
        n = 1 + i % 3
        kernel, strides = ints(rng, 1, 4, n), ints(rng, 1, 3, n)
        attrs = dict(kernel_shape=kernel, strides=strides, pads=[int(rng.integers(0, k)) for k in kernel] * 2,
                     ceil_mode=i // 3 % 2)
        x = normal(rng, [2, 3] + ints(rng, 4, 9, n))
        cases.add("AveragePool", f"{n}d", [x], opset=19, count_include_pad=i % 2, **attrs)
        cases.add("LpPool", f"{n}d", [x], opset=18, tolerance=1e-4, p=1 + i % 3, **attrs)
        cases.add("GlobalLpPool", f"{n}d", [x], opset=2, tolerance=1e-4, p=1 + i % 3)
    for i in range(12):
        n = 1 + i % 2
        image, block = ints(rng, 4, 7, n), ints(rng, 1, 3, n)
        strides, dilations, pads = ints(rng, 1, 2, n), ints(rng, 1, n, n), ints(rng, 0, 2, n) * 2
        # dilations in one dim: ONNX Runtime departs from the reference
        steps = [(m + 2 * p - d * (b - 1) - 1) // s + 1
                 for m, p, d, b, s in zip(image, pads, dilations, block, strides)]
        if min(steps) < 1:
            continue
        cases.add("Col2Im", f"{n}d", [normal(rng, [2, 3 * int(np.prod(block)), int(np.prod(steps))]), np.array(image, I),
                                      np.array(block, I)], opset=18, fixed=(1, 2), tolerance=1e-4, strides=strides,
                  dilations=dilations, pads=pads)


def scatter(cases, rng):
    for i in range(50):
        rank = 1 + i % 4
        dims = ints(rng, 1, 5, rank)
        dtype = (F, np.int32, I, np.float64, np.uint8)[i % 5]
        reduction = ("none", "add", "mul", "min", "max")[i // 2 % 5]
        axis = int(rng.integers(-rank, rank))
        shape = [int(rng.integers(0 if i % 7 == 0 else 1, d + 1)) for d in dims]
        index = rng.integers(-dims[axis], dims[axis], shape).astype(I if i % 2 else np.int32)
        if reduction == "none":  # each place once: the order of writes is nobody's
            index = np.broadcast_to(np.arange(shape[axis]).reshape([-1 if d == axis % rank else 1 for d in range(rank)]),
                                    shape).astype(I)
        data, updates = (rng.normal(size=s).astype(dtype) if dtype in (F, np.float64) else
                         rng.integers(0, 9, s).astype(dtype) for s in (dims, shape))
        cases.add("ScatterElements", f"{rank}d_{reduction}_{data.dtype}", [data, index, updates], opset=18, axis=axis,
                  reduction=reduction)
        depth = int(rng.integers(1, rank + 1))
        outer = ints(rng, 0 if i % 9 == 0 else 1, 3, int(rng.integers(1, 3)))
        index = np.stack([rng.integers(-d, d, outer) for d in dims[:depth]], -1).astype(I)
        if reduction == "none":
            outer = [1]
            index = np.array([[int(rng.integers(-d, d)) for d in dims[:depth]]], I)
        shape = outer + dims[depth:]
        updates = rng.normal(size=shape).astype(dtype) if dtype in (F, np.float64) else rng.integers(0, 9, shape).astype(dtype)
        cases.add("ScatterND", f"{rank}d_{reduction}_{data.dtype}", [data, index, updates], opset=18, reduction=reduction)
    for i in range(10):
        batch, length, steps = 3, int(rng.integers(4, 8)), int(rng.integers(1, 4))
        past, update = normal(rng, [batch, 2, length, 4]), normal(rng, [batch, 2, steps, 4])
        where = rng.integers(0, length - steps + 1 if i % 2 else length, batch).astype(I)
        cases.add("TensorScatter", f"{i % 2}", [past, update, where], opset=24, mode=("circular", "linear")[i % 2])
    for i in range(12):
        dims = ints(rng, 1, 6, 2 + i % 3)
        batch = i % 2
        cases.add("ReverseSequence", f"{batch}", [normal(rng, dims), rng.integers(1, dims[1 - batch] + 1, dims[batch]).astype(I)],
                  opset=10, batch_axis=batch, time_axis=1 - batch)
    for i in range(24):
        rank = 2 + i % 3
        dims, batch = ints(rng, 1, 4, rank), i % 2
        depth = int(rng.integers(1, rank - batch + 1))
        outer = dims[:batch] + ints(rng, 1, 3, int(rng.integers(1, 3)))
        index = np.stack([rng.integers(-d, d, outer) for d in dims[batch:batch + depth]], -1).astype(I)
        cases.add("GatherND", f"{rank}d", [normal(rng, dims), index], opset=13, batch_dims=batch)


def algebra(cases, rng):
    equations = ["ij,jk->ik", "ij,jk", "bij,bjk->bik", "...ij,...jk->...ik", "bhid,bhjd->bhij", "ii->i", "ii", "iij->j",
                 "i,j->ij", "i,i->", "ij->ji", "ij->", "ijk->kj", "bqhd,bkhd->bhqk", "bhqk,bkhd->bqhd", "a,b,c->abc",
                 "ij,jk,kl->il", "...ij->...ji", "...,...->...", "ijj->i", "i...->...", "...i,...i->...", "ba,ca->bc",
                 "ab , bc -> ac", "Ab,bC->AC", "bi,ij,bj->b", "abc,cd,def->abef", "...ii->...i", "nctkv,kvw->nctw"]
    for i, equation in enumerate(equations):
        for dots in ((0, 1, 2) if "..." in equation else (0,)):
            size, inputs = {}, []
            for term in equation.replace(" ", "").split("->")[0].split(","):
                letters = term.replace("...", "".join("01"[:dots]))
                inputs.append(normal(rng, [size.setdefault(c, int(rng.integers(1, 5))) for c in letters]))
            cases.add("Einsum", f"{i}_{dots}", inputs, opset=12, tolerance=1e-4, equation=equation)
    cases.add("Einsum", "broadcast", [normal(rng, [1, 3, 4]), normal(rng, [5, 4, 2])], opset=12, tolerance=1e-4,
              equation="...ij,...jk->...ik")
    cases.add("Einsum", "empty_sum", [normal(rng, [2, 0]), normal(rng, [0, 3])], opset=12, equation="ij,jk->ik")
    cases.add("Einsum", "int", [rng.integers(-9, 9, [2, 3]), rng.integers(-9, 9, [3, 4])], opset=12, equation="ij,jk->ik")
    for i in range(10):
        n = int(rng.integers(1, 7))
        cases.add("Det", f"{n}", [normal(rng, [n, n] if i % 2 else [2, 3, n, n])], opset=11, tolerance=1e-4)
    for i in range(16):
        dims = ints(rng, 1, 5, 1 + i % 3)
        x = normal(rng, dims) if i % 2 else rng.integers(-3, 4, dims)
        cases.add("CumSum", f"{x.dtype}", [x, np.array(int(rng.integers(-len(dims), len(dims))), I)], opset=14, fixed=(1,),
                  exclusive=i // 2 % 2, reverse=i // 4 % 2)
    for i in range(16):
        dims = [2, int(rng.integers(2, 6)), *ints(rng, 1, 4, i % 3)]
        labels = rng.integers(0, dims[1], dims[:1] + dims[2:]).astype(I if i % 2 else np.int32)
        inputs = [normal(rng, dims), labels] + ([rng.uniform(0.1, 2, dims[1]).astype(F)] if i % 3 else [])
        attrs = dict(reduction=("none", "sum", "mean")[i // 2 % 3])
        if i % 5 == 0:
            attrs["ignore_index"] = 1
        cases.add("NegativeLogLikelihoodLoss", attrs["reduction"], inputs, opset=13, tolerance=1e-4, **attrs)
        cases.add("SoftmaxCrossEntropyLoss", attrs["reduction"], inputs, outputs=1 + i % 2, opset=13, tolerance=1e-4, **attrs)
    for axes in ([0, 2, 3], [2, 3], [1, 2, 3], [0, 1, 2, 3]):
        cases.add("MeanVarianceNormalization", str(len(axes)), [normal(rng, [2, 3, 4, 5])], opset=13, tolerance=1e-4, axes=axes)
    for i in range(6):
        dims = ints(rng, 1, 6, 3)
        cases.add("CenterCropPad", "3d", [normal(rng, dims), np.array(ints(rng, 1, 8, 2), I)], opset=18, fixed=(1,),
                  axes=[int(v) for v in rng.permutation(3)[:2]])
    for direction in ("LEFT", "RIGHT"):
        for dtype in (np.uint8, np.uint16, np.uint32, np.uint64):
            cases.add("BitShift", f"{direction}_{np.dtype(dtype)}", [rng.integers(0, 200, [4, 5]).astype(dtype),
                                                                   rng.integers(0, 8, [5]).astype(dtype)], opset=11,
                      direction=direction)


def signal(cases, rng):
    for i in range(32):
        n = (1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 30, 31)[i % 12]
        inverse, one_sided = i % 3 == 1, i % 4 == 2
        one_sided = one_sided and not inverse  # its inverse came to ONNX after ONNX Runtime's
        parts = 1 if one_sided or (not inverse and i % 2) else 2
        x = normal(rng, [2, n, 3, parts])
        length = None if i % 5 else np.array(max(1, n + int(rng.integers(-3, 4))), I)
        attrs = dict(inverse=int(inverse), onesided=int(one_sided))
        # lengths other than the signal's: ONNX Runtime pads a real signal only
        if length is not None and parts == 2:
            length = None
        cases.add("DFT", f"{n}", [x] + ([length] if length is not None else []), opset=17, fixed=(1,)[:length is not None],
                  tolerance=1e-4, axis=1, **attrs)
        cases.add("DFT", f"{n}", [x, length, np.array(1, I)], opset=20, fixed=(1, 2), tolerance=1e-4, **attrs)
    for i in range(16):
        frame, step = int(rng.integers(2, 17)), int(rng.integers(1, 9))
        length = frame + int(rng.integers(0, 30))
        window = rng.uniform(0.1, 1, frame).astype(F) if i % 2 else None
        size = np.array(frame, I) if window is None or i % 4 == 1 else None
        inputs = [normal(rng, [2, length, 1]), np.array(step, I), window] + ([size] if size is not None else [])
        if i % 3 == 0:  # as torch's exporter writes it
            inputs[0] = inputs[0][..., 0]
        cases.add("STFT", f"{frame}", inputs, opset=17, fixed=(1, 3)[:len(inputs) - 2], tolerance=1e-4,
                  onesided=i // 2 % 2)
    for op in ("HannWindow", "HammingWindow", "BlackmanWindow"):
        for size in (3, 7, 16):
            for periodic in (0, 1):
                cases.add(op, f"{size}_{periodic}", [np.array(size, I)], opset=17, fixed=(0,), periodic=periodic)
    for bins, length, rate, low, high in ((8, 16, 8192, 0, 4096), (20, 512, 16000, 20, 7600), (40, 400, 16000, 0, 8000)):
        cases.add("MelWeightMatrix", f"{bins}", [np.array(bins, I), np.array(length, I), np.array(rate, I), np.array(low, F),
                                                np.array(high, F)], opset=17, fixed=(0, 1, 2, 3, 4), tolerance=1e-4)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    root = pathlib.Path(sys.argv[1])
    shutil.rmtree(root, ignore_errors=True)
    cases = Cases(root)
    for family in (conv_transpose, deform_conv, resize, grid_sample, regions, pools, scatter, algebra, signal):
        family(cases, np.random.default_rng(zlib.crc32(family.__name__.encode())))
    print(f"{cases.count} cases in {root}, {cases.left_out} left out, onnxruntime {onnxruntime.__version__}")


if __name__ == "__main__":
    main()
