#!/usr/bin/env python3
"""Writes cases of the quantised operators that ONNX Runtime computed, in the form run_cases reads:

    make_ort_quant.py DIR

All levels must be equal. Where ONNX Runtime takes short cuts in float (QLinearAdd, pools, softmax, ...) a tie may
one day fall to the other side; on these numbers none does. Needs: pip install onnx onnxruntime numpy
"""
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

MS = "com.microsoft"


def run(model, inputs):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def write(folder, op, arrays, fed, domain="", model_opset=21, outputs=1, **attrs):
    """`arrays` in the operator's order, None for one left out; `fed`: indices that are inputs, the rest constants."""
    names = ["" if a is None else f"i{i}" for i, a in enumerate(arrays)]
    node = helper.make_node(op, names, [f"y{i}" for i in range(outputs)], domain=domain, **attrs)
    constants = [numpy_helper.from_array(a, f"i{i}") for i, a in enumerate(arrays) if a is not None and i not in fed]
    ports = [helper.make_tensor_value_info(f"i{i}", helper.np_dtype_to_tensor_dtype(arrays[i].dtype), arrays[i].shape)
             for i in fed]
    infos = [helper.make_empty_tensor_value_info(f"y{i}") for i in range(outputs)]
    graph = helper.make_graph([node], op, ports, infos, constants)
    opsets = [helper.make_opsetid("", model_opset), helper.make_opsetid(MS, 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    results = run(model, {f"i{i}": arrays[i] for i in fed})
    for i, y in enumerate(results):
        model.graph.output[i].CopyFrom(
            helper.make_tensor_value_info(f"y{i}", helper.np_dtype_to_tensor_dtype(y.dtype), y.shape))
    data = folder / "test_data_set_0"
    data.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    for k, i in enumerate(fed):
        (data / f"input_{k}.pb").write_bytes(numpy_helper.from_array(arrays[i]).SerializeToString())
    for i, y in enumerate(results):
        (data / f"output_{i}.pb").write_bytes(numpy_helper.from_array(y).SerializeToString())


class Maker:
    def __init__(self, root):
        self.root, self.rng, self.count = root, np.random.default_rng(11), 0

    def levels(self, dtype, *dims):
        info = np.iinfo(dtype)
        return self.rng.integers(info.min, info.max + 1, dims).astype(dtype)

    def scale(self, *dims, around=0.02):
        return np.asarray(self.rng.uniform(around / 2, around * 2, dims)).astype(np.float32)

    def zero(self, dtype, *dims):
        info = np.iinfo(dtype)
        return np.asarray(self.rng.integers(info.min // 2, info.max // 2, dims)).astype(dtype)

    def add(self, op, arrays, fed, **how):
        write(self.root / op / f"{op.lower()}_{self.count:03}", op, arrays, fed, **how)
        self.count += 1


def products(m):
    u8, s8 = np.uint8, np.int8
    for a, b, y in ((u8, u8, u8), (u8, s8, u8), (s8, s8, s8)):
        for shape, other in (((5, 37), (37, 19)), ((2, 3, 64), (64, 33)), ((2, 4, 8), (2, 8, 4))):
            for columns in (False, True) if len(other) == 2 else (False,):
                n = (other[-1],) if columns else ()
                bs, bz = m.scale(*n), np.zeros(n, b) if columns else m.zero(b)
                x, w = m.levels(a, *shape), m.levels(b, *other)
                m.add("QLinearMatMul", [x, m.scale(), m.zero(a), w, bs, bz, m.scale(around=0.3), m.zero(y)], [0])
                m.add("MatMulInteger", [x, w, m.zero(a), bz], [0])
                if a == u8:
                    bias = m.rng.normal(size=other[-1:]).astype(np.float32)
                    m.add("MatMulIntegerToFloat", [x, w, m.scale(), bs, m.zero(a), bz, bias], [0], domain=MS)
                    real = m.rng.normal(size=shape).astype(np.float32)
                    m.add("DynamicQuantizeMatMul", [real, w, bs, bz, bias], [0], domain=MS)
    for trans in (0, 1):
        for quantised in (False, True):
            w = m.levels(s8, 24, 17)
            arrays = [m.levels(u8, 6, 24), m.scale(), m.zero(u8), w.T.copy() if trans else w, m.scale(17),
                      np.zeros(17, s8), m.rng.integers(-5000, 5000, 17).astype(np.int32)]
            arrays += [m.scale(around=0.2), m.zero(u8)] if quantised else []
            m.add("QGemm", arrays, [0], domain=MS, transB=trans, alpha=1.0 if quantised else 0.5)


def convolutions(m):
    u8, s8 = np.uint8, np.int8
    for a, w in ((u8, u8), (u8, s8), (s8, s8)):
        for groups, kernel, attrs in ((1, (3, 3), dict(pads=[1, 1, 1, 1])), (2, (3, 2), dict(strides=[2, 1])),
                                      (4, (3, 3), dict(dilations=[2, 1], pads=[2, 0, 1, 1])),
                                      (1, (1, 1), dict(strides=[2, 2]))):
            x, weights = m.levels(a, 2, 4, 9, 8), m.levels(w, 8, 4 // groups, *kernel)
            for channels in (False, True):
                ws = m.scale(8) if channels else m.scale()
                wz = np.zeros(8, w) if channels else m.zero(w)
                bias = m.rng.integers(-9000, 9000, 8).astype(np.int32) if channels else None
                m.add("QLinearConv", [x, m.scale(), m.zero(a), weights, ws, wz, m.scale(around=0.2), m.zero(a), bias],
                      [0], group=groups, **attrs)
            if a == u8 and w == u8:
                m.add("ConvInteger", [x, weights, m.zero(a), m.zero(w)], [0], group=groups, **attrs)


def through(m):
    for dtype in (np.uint8, np.int8):
        x, y = m.levels(dtype, 2, 3, 8, 8), m.levels(dtype, 2, 3, 8, 8)
        xs, xz, ys, yz, zs, zz = m.scale(), m.zero(dtype), m.scale(), m.zero(dtype), m.scale(around=0.05), m.zero(dtype)
        how = dict(domain=MS)
        for op in ("QLinearAdd", "QLinearMul"):
            for b in (y, y[:, :, :1, :1].copy(), y[:1, :1, :1, 0].copy()):
                m.add(op, [x, xs, xz, b, ys, yz, zs, zz], [0], **how)
        m.add("QLinearLeakyRelu", [x, xs, xz, ys, yz], [0], alpha=0.1, **how)
        m.add("QLinearSigmoid", [x, xs, xz, np.float32(1 / 256), dtype(0)], [0], **how)
        for axis, opset in ((-1, 13), (1, 13), (1, 11)):
            m.add("QLinearSoftmax", [x, xs, xz, np.float32(1 / 256), np.array(np.iinfo(dtype).min, dtype)], [0], axis=axis,
                  opset=13 if opset == 13 else 11, **how)
        for pads in ([0, 0, 0, 0], [1, 1, 1, 1]):
            for padded in (0, 1):
                m.add("QLinearAveragePool", [x, xs, xz, ys, yz], [0], kernel_shape=[3, 2], strides=[2, 1], pads=pads,
                      count_include_pad=padded, **how)
        m.add("QLinearGlobalAveragePool", [x, xs, xz, ys, yz], [0], channels_last=0, **how)
        m.add("QLinearWhere", [m.rng.random((2, 3, 8, 8)) < 0.5, x, xs, xz, y, ys, yz, zs, zz], [0, 1], **how)
        m.add("QLinearConcat", [zs, zz, x, xs, xz, y, ys, yz], [2, 5], axis=1, **how)


def quantisers(m):
    x = (m.rng.normal(size=(3, 5, 6)) * 3).astype(np.float32)
    for dtype in (np.uint8, np.int8, np.uint16, np.int16):
        for axis in (None, 0, 1, -1):
            n = () if axis is None else (x.shape[axis],)
            how = {} if axis is None else dict(axis=axis)
            scale, zero = m.scale(*n), m.zero(dtype, *n)
            m.add("QuantizeLinear", [x, scale, zero], [0], **how)
            m.add("DequantizeLinear", [m.levels(dtype, *x.shape), scale, zero], [0], **how)
            m.add("QuantizeLinear", [x.astype(np.float16), scale.astype(np.float16), zero], [0], **how)
            m.add("DequantizeLinear", [m.levels(dtype, *x.shape), scale.astype(np.float16), zero], [0], **how)
    ties = (np.arange(-40, 40) / 2).astype(np.float32)
    for scale in (1.0, 0.5, 0.1, 0.25):
        m.add("QuantizeLinear", [ties, np.float32(scale), np.uint8(7)], [0])
    m.add("DequantizeLinear", [m.rng.integers(-2**31, 2**31, (4, 9)).astype(np.int32), m.scale(9)], [0], axis=1)
    for block in (2, 4):
        n = (3, -(-8 // block), 6)
        y = (m.rng.normal(size=(3, 8, 6)) * 3).astype(np.float32)
        m.add("QuantizeLinear", [y, m.scale(*n), m.zero(np.int8, *n)], [0], axis=1, block_size=block)
        m.add("DequantizeLinear", [m.levels(np.int8, 3, 8, 6), m.scale(*n), m.zero(np.int8, *n)], [0], axis=1,
              block_size=block)
    for data in (x, np.abs(x), -np.abs(x), np.zeros(4, np.float32)):
        m.add("DynamicQuantizeLinear", [data], [0], outputs=3)


def weights_of_few_bits(m):
    for bits, k, n, block in ((4, 64, 24, 16), (4, 80, 7, 32), (8, 64, 12, 32), (4, 40, 5, 16)):
        blocks = -(-k // block)
        packed = m.levels(np.uint8, n, blocks, block * bits // 8)
        a = m.rng.normal(size=(3, k)).astype(np.float32)
        scales = m.scale(n * blocks)
        for zeros in (None, m.levels(np.uint8, n * -(-blocks * bits // 8))):
            for bias in (None, m.rng.normal(size=n).astype(np.float32)):
                last = 6 if bias is not None else 4 if zeros is not None else 3
                m.add("MatMulNBits", [a, packed, scales, zeros, None, bias][:last], [0], domain=MS, K=k, N=n, bits=bits,
                      block_size=block)


def casts(m):
    x = np.array([0.478925, -3.14159, 1e-7, 1e20, np.nan, np.inf, -np.inf, 3, -0.0, 16777216], np.float32)
    for value in (x, x.astype(np.float64) / 3, np.array([True, False]), np.array([-5, 7], np.int64)):
        m.add("Cast", [value], [0], to=TensorProto.STRING)
    texts = np.array(["1.5", " 2 ", "INF", "+inf", "-INF", "NaN", "1e-3", ".5", "5.", "007", "-0.25", "1.e2"], object)
    for to in (TensorProto.FLOAT, TensorProto.DOUBLE):
        m.add("Cast", [texts], [0], to=to)
    m.add("Cast", [np.array(["1", " 2", "-3", "100.5"], object)], [0], to=TensorProto.INT64)


def main():
    maker = Maker(pathlib.Path(sys.argv[1]))
    for part in (products, convolutions, through, quantisers, weights_of_few_bits, casts):
        part(maker)


main()
