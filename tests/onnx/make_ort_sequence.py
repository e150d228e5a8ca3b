#!/usr/bin/env python3
"""Writes cases of the recurrent operators, attention and the operators of transformers, computed by ONNX Runtime, in the
form run_cases reads:

    make_ort_sequence.py DIR [PATTERN]

Most are nodes of the domain com.microsoft as ONNX Runtime's transformer optimiser and optimum write them.

Needs: pip install onnx onnxruntime numpy
"""
import itertools
import math
import pathlib
import sys

import numpy as np
from onnx import TensorProto, helper

from make_ort_cases import run, write

MS = "com.microsoft"
DTYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "float64": TensorProto.DOUBLE,
          "int8": TensorProto.INT8, "int32": TensorProto.INT32, "int64": TensorProto.INT64, "bool": TensorProto.BOOL}


class Cases:
    def __init__(self, root, pattern):
        self.root, self.pattern, self.rng = root, pattern, np.random.default_rng(20261123)
        self.count, self.names = 0, {}

    def f(self, *dims):
        return self.rng.normal(size=dims).astype(np.float32)

    def i(self, low, high, *dims, dtype=np.int32):
        return self.rng.integers(low, high, dims).astype(dtype)

    def mask(self, *dims):
        """Each line lets its first key through."""
        mask = self.i(0, 2, *dims)
        mask[..., 0] = 1
        return mask

    def add(self, op, inputs, outputs=1, domain=MS, opset=17, tolerance=1e-5, label="", constants=(), known=None,
            **attrs):
        """`inputs`: arrays or None; `outputs`: a count or a list of booleans; `constants`: inputs that are initializers;
        `known`: the outputs, where ONNX Runtime has no CPU kernel to compute them."""
        case = f"{op}_{label}" if label else op
        number = self.names[case] = self.names.get(case, 0) + 1
        case = f"{case}_{number:02}"
        if self.pattern not in case:
            return None
        names = [f"i{k}" if x is not None else "" for k, x in enumerate(inputs)]
        wanted = [True] * outputs if isinstance(outputs, int) else outputs
        made = [f"o{k}" if w else "" for k, w in enumerate(wanted)]
        attrs = {k: v for k, v in attrs.items() if v is not None}
        node = helper.make_node(op, names, made, name=op, domain=domain, **attrs)
        given = {n: x for n, x in zip(names, inputs) if n}
        ports = [helper.make_tensor_value_info(n, DTYPES[str(x.dtype)], x.shape) for n, x in given.items()
                 if int(n[1:]) not in constants]
        held = [helper.make_tensor(n, DTYPES[str(x.dtype)], x.shape, x.tobytes(), raw=True) for n, x in given.items()
                if int(n[1:]) in constants]
        graph = helper.make_graph([node], "case", ports, [helper.make_tensor_value_info(n, 0, None) for n in made if n],
                                  initializer=held)
        for port in graph.output:
            port.type.Clear()
        model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", opset),
                                                                      helper.make_opsetid(MS, 1)])
        fed = {p.name: given[p.name] for p in ports}
        try:
            values = known if known is not None else run(model, fed)
        except Exception as error:  # a combination that ONNX Runtime's CPU kernels lack
            print(f"{case}: {str(error)[:200]}", file=sys.stderr)
            return None
        for port, value in zip(graph.output, values):
            port.type.CopyFrom(helper.make_tensor_value_info("", DTYPES[str(value.dtype)], value.shape).type)
        del model.graph.output[:]
        model.graph.output.extend(graph.output)
        write(self.root / op / case, model, fed, values, tolerance)
        self.count += 1
        return values


def recurrent(c):
    steps, batch, size, hidden = 5, 3, 4, 6
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}
    lens = np.array([5, 2, 3], np.int32)
    sets = {
        "LSTM": [None, ["Sigmoid", "Relu", "Tanh"], ["HardSigmoid", "ScaledTanh", "Softsign"], ["Affine", "LeakyRelu", "Elu"],
                 ["Sigmoid", "ThresholdedRelu", "Softplus"]],
        "GRU": [None, ["Sigmoid", "Relu"], ["HardSigmoid", "ScaledTanh"], ["Affine", "LeakyRelu"]],
        "RNN": [None, ["Relu"], ["Elu"], ["HardSigmoid"]],
    }
    alphas = {"HardSigmoid": 0.3, "ScaledTanh": 0.9, "Affine": 0.4, "LeakyRelu": 0.05, "Elu": 0.7, "ThresholdedRelu": 0.2}
    betas = {"HardSigmoid": 0.4, "ScaledTanh": 0.8, "Affine": 0.1}
    for op, direction, full, chosen in itertools.product(
            gates, ("forward", "reverse", "bidirectional"), (False, True), range(5)):
        if chosen >= len(sets[op]):
            continue
        n = 2 if direction == "bidirectional" else 1
        names = sets[op][chosen]
        attrs = {"hidden_size": hidden, "direction": direction}
        if names:
            attrs["activations"] = names * n
            attrs["activation_alpha"] = [alphas[a] for a in names * n if a in alphas]
            attrs["activation_beta"] = [betas[a] for a in names * n if a in betas]
            attrs = {k: v for k, v in attrs.items() if v}
        g = gates[op]
        inputs = [c.f(steps, batch, size), c.f(n, g * hidden, size) * 0.5, c.f(n, g * hidden, hidden) * 0.5]
        if full:
            inputs += [c.f(n, 2 * g * hidden), lens, c.f(n, batch, hidden)]
            if op == "LSTM":
                inputs += [c.f(n, batch, hidden), c.f(n, 3 * hidden) * 0.5]
            if chosen % 2:
                attrs["clip"] = 0.7
        if op == "GRU" and chosen != 1:
            attrs["linear_before_reset"] = 1
        if op == "LSTM" and chosen == 1:
            attrs["input_forget"] = 1
        for held in ((), (1, 2, 3)) if chosen == 0 or full else ((),):  # devices pack weights that are constants
            c.add(op, inputs, 3 if op == "LSTM" else 2, domain="", label=direction + ("_full" if full else ""),
                  constants=held, **attrs)
        if op == "GRU" and chosen == 0:
            del attrs["linear_before_reset"]
            c.add(op, inputs, 2, domain="", label=direction + "_reset", constants=(1, 2, 3), **attrs)
        if op == "LSTM" and chosen == 0 and full:
            c.add(op, inputs[:7], 3, domain="", label=direction + "_no_peepholes", constants=(1, 2, 3), **attrs)


def attention(c):
    """com.microsoft Attention: masks in every form, past rows, biases."""
    b, s, heads, size, columns = 3, 5, 2, 8, 12
    x, w, bias = c.f(b, s, columns), c.f(columns, 3 * heads * size) * 0.3, c.f(3 * heads * size)
    past = c.f(2, b, heads, 4, size)
    lens = np.array([5, 2, 3], np.int32)
    raw = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 1, 1, 1, 0]], np.int32)
    op = "Attention"
    lost = 1e-3  # where all of a query's keys are masked, scores around -10000 lose digits in ONNX Runtime's floats
    for causal in (0, 1):
        c.add(op, [x, w, bias], num_heads=heads, unidirectional=causal)
        c.add(op, [x, w], num_heads=heads, unidirectional=causal, scale=0.2)
        c.add(op, [x, w, bias, lens], num_heads=heads, unidirectional=causal, label="lens")
        c.add(op, [x, w, bias, np.concatenate([lens, [1, 0, 2]]).astype(np.int32)], num_heads=heads,
              unidirectional=causal, label="ends", tolerance=lost)
        c.add(op, [x, w, bias, raw], num_heads=heads, unidirectional=causal, label="raw")
        c.add(op, [x, w, bias, raw], num_heads=heads, unidirectional=causal, mask_filter_value=-50.0, label="raw")
        c.add(op, [x, w, bias, c.mask(b, s, s)], num_heads=heads, unidirectional=causal, label="raw3")
        c.add(op, [x, w, bias, None, None, c.f(1, heads, s, s)], num_heads=heads, unidirectional=causal, label="bias")
        c.add(op, [x, w, bias, raw, None, c.f(b, 1, s, s)], num_heads=heads, unidirectional=causal, label="bias")
        c.add(op, [x, w, bias, None, past], 2, num_heads=heads, unidirectional=causal, label="past")
        c.add(op, [x, w, bias, c.mask(b, 9), past], 2, num_heads=heads, unidirectional=causal, label="past")
        c.add(op, [x, w, bias], 2, num_heads=heads, unidirectional=causal, label="present")
    c.add(op, [x, c.f(columns, 16 + 16 + 6) * 0.3, c.f(38)], num_heads=heads, qkv_hidden_sizes=[16, 16, 6], label="sizes")


def multi_head(c):
    b, s, t, heads, size = 2, 4, 6, 2, 8
    n = heads * size
    op, q, k, v, bias = "MultiHeadAttention", c.f(b, s, n), c.f(b, t, n), c.f(b, t, n), c.f(3 * n)
    sq, sk, sv = c.f(b, s, n), c.f(b, s, n), c.f(b, s, n)
    pk, pv = c.f(b, heads, 3, size), c.f(b, heads, 3, size)
    for causal in (0, 1):
        c.add(op, [sq, sk, sv], num_heads=heads, unidirectional=causal)
        c.add(op, [sq, sk, sv, bias], num_heads=heads, unidirectional=causal, label="bias")
        c.add(op, [sq, sk, sv, bias, None, None, pk, pv], 3, num_heads=heads, unidirectional=causal, label="past")
        c.add(op, [sq, sk, sv, None, None, c.f(1, 1, s, s + 3), pk, pv], 3, num_heads=heads, unidirectional=causal,
              label="past")
    c.add(op, [q, k, v], num_heads=heads, scale=0.3, label="cross")
    c.add(op, [q, k, v, bias, np.array([6, 2], np.int32)], num_heads=heads, label="lens")
    c.add(op, [q, k, v, bias, c.mask(b, t)], num_heads=heads, label="raw")
    c.add(op, [q, k, v, None, c.mask(b, t)], num_heads=heads, mask_filter_value=-3.0, label="raw")
    c.add(op, [q, k, v, None, c.mask(b, s, t)], num_heads=heads, label="raw3")
    c.add(op, [q, k, v, None, None, c.f(b, heads, s, t)], num_heads=heads, label="score_bias")
    c.add(op, [q, k, c.f(b, t, heads * 5)], num_heads=heads, label="sizes")
    c.add(op, [q, c.f(b, heads, t, size), c.f(b, heads, t, size), bias], num_heads=heads, label="ready")
    c.add(op, [q, c.f(b, heads, t, size), c.f(b, heads, t, size)], num_heads=heads, label="ready")
    # packed is for GPUs in ONNX Runtime: known from the same numbers apart
    kv, qkv = c.f(b, t, heads, 2, size), c.f(b, s, heads, 3, size)

    def apart(packed, k):
        return packed[:, :, :, k].reshape(b, -1, n).copy()

    known = c.add(op, [q, apart(kv, 0), apart(kv, 1)], num_heads=heads, label="apart_kv")
    c.add(op, [q, kv], num_heads=heads, label="packed_kv", known=known)
    for more in ([], [bias]):
        known = c.add(op, [apart(qkv, 0), apart(qkv, 1), apart(qkv, 2)] + more, num_heads=heads, label="apart_qkv")
        c.add(op, [qkv, None, None] + more, num_heads=heads, label="packed_qkv", known=known)


def group_query(c):
    b, heads, kv, size = 2, 4, 2, 16
    op = "GroupQueryAttention"
    cos, sin = c.f(32, size // 2), c.f(32, size // 2)

    def call(s, past, lens, total, packed=False, caches=True, label="", sink=None, bias=False, positions=None, norms=None,
             outputs=3, **attrs):
        q, k, v = c.f(b, s, heads * size), c.f(b, s, kv * size), c.f(b, s, kv * size)
        if packed:
            q, k, v = np.concatenate([q, k, v], 2), None, None
        inputs = [q, k, v, c.f(b, kv, past, size), c.f(b, kv, past, size), np.array(lens, np.int32) - 1,
                  np.array(total, np.int32)]
        inputs += [cos, sin] if caches else [None, None]
        inputs += [positions, c.f(1, 1, s, total) if bias else None, sink]
        if norms is not None:
            inputs += [None, None, *norms]
        c.add(op, inputs, outputs, num_heads=heads, kv_num_heads=kv, label=label, constants=(6,), **attrs)

    call(5, 0, [5, 5], 5, caches=False, label="prompt")
    call(5, 0, [5, 3], 5, caches=False, label="prompt")
    for packed in (False, True):
        for rotary in (0, 1):
            for interleaved in (0, 1):
                call(5, 0, [5, 3], 5, packed, label="prompt", do_rotary=rotary, rotary_interleaved=interleaved)
                call(1, 7, [8, 5], 8, packed, label="token", do_rotary=rotary, rotary_interleaved=interleaved)
    call(5, 0, [5, 5], 5, label="window", local_window_size=2)
    call(1, 7, [8, 6], 8, label="window", local_window_size=3)
    call(5, 0, [5, 4], 5, label="softcap", softcap=1.5, scale=0.5)
    call(5, 0, [5, 4], 5, label="smooth", smooth_softmax=1)
    call(5, 0, [5, 4], 5, label="sink", sink=c.f(heads))
    call(5, 0, [5, 5], 5, label="bias", bias=True)
    call(1, 7, [8, 8], 8, label="bias", bias=True)
    # ONNX Runtime reads only the first position of a prompt, and counts on from it
    call(5, 0, [5, 5], 5, label="positions", do_rotary=1, positions=np.arange(4, 9, dtype=np.int64)[None].repeat(b, 0))
    call(1, 7, [8, 6], 8, label="positions", do_rotary=1, positions=np.array([[9], [3]], np.int64))
    call(5, 0, [5, 5], 5, label="both_ways", causal=0)
    call(5, 0, [5, 5], 5, label="qk", outputs=4, qk_output=1)
    call(5, 0, [5, 5], 5, label="qk", outputs=4, qk_output=2)


def rotary(c):
    cos, sin = c.f(20, 4), c.f(20, 4)
    spots, one = c.i(0, 20, 2, 5, dtype=np.int64), np.array([3], np.int64)
    for positions, interleaved in itertools.product((spots, one), (0, 1)):
        c.add("RotaryEmbedding", [c.f(2, 5, 24), positions, cos, sin], interleaved=interleaved)
        c.add("RotaryEmbedding", [c.f(2, 3, 5, 8), positions, cos, sin], interleaved=interleaved, label="heads")
        c.add("RotaryEmbedding", [c.f(2, 5, 30), positions, cos, sin], interleaved=interleaved, num_heads=3,
              rotary_embedding_dim=8, label="part")


def group_norm_of(x, gamma, beta, groups, last, silu, epsilon):
    """GroupNorm by its formula: ONNX Runtime has it for GPUs only."""
    x = x.astype(np.float64)
    images = x.transpose(0, 3, 1, 2) if last else x
    n, channels = images.shape[:2]
    parts = images.reshape(n, groups, -1)
    parts = (parts - parts.mean(2, keepdims=True)) / np.sqrt(parts.var(2, keepdims=True) + epsilon)
    y = parts.reshape(images.shape) * gamma[:, None, None] + beta[:, None, None]
    y = y / (1 + np.exp(-y)) if silu else y
    return (y.transpose(0, 2, 3, 1) if last else y).astype(np.float32)


def norms(c):
    b, s, n = 2, 3, 8
    x, gamma, beta, bias = c.f(b, s, n), c.f(n), c.f(n), c.f(n)
    for skip in (c.f(b, s, n), c.f(1, s, n), c.f(s, n)):
        c.add("SkipLayerNormalization", [x, skip, gamma, beta, bias], [1, 0, 0, 1], epsilon=1e-5)
        c.add("SkipLayerNormalization", [x, skip, gamma], epsilon=1e-3)
        c.add("SkipLayerNormalization", [x, skip, gamma, beta], epsilon=1e-12)
        c.add("SkipSimplifiedLayerNormalization", [x, skip, gamma, bias], [1, 0, 0, 1], epsilon=1e-5)
        c.add("SkipSimplifiedLayerNormalization", [x, skip, gamma], epsilon=1e-6)
    c.add("SkipLayerNormalization", [c.f(5, n), c.f(5, n), gamma, beta], label="rows")
    c.add("SimplifiedLayerNormalization", [x, gamma], domain="", axis=-1, epsilon=1e-5, stash_type=1)
    c.add("SimplifiedLayerNormalization", [x, c.f(s, n)], domain="", axis=1)
    ids, kinds, positions = c.i(0, 20, b, 5), c.i(0, 2, b, 5), c.i(0, 6, b, 5)
    words, places, segments = c.f(20, n), c.f(6, n), c.f(2, n)
    mask = np.array([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0]], np.int32)
    op = "EmbedLayerNormalization"
    c.add(op, [ids, kinds, words, places, segments, gamma, beta, mask], 2, epsilon=1e-5)
    c.add(op, [ids, None, words, places, None, gamma, beta, mask, positions], [1, 1, 1], epsilon=1e-5)
    c.add(op, [ids, kinds, words, places, segments, gamma, beta, None, positions[:1]], [1, 0, 1])
    c.add(op, [ids, kinds, words, places, segments, gamma, beta], [1, 1, 0])
    for last, activation in itertools.product((0, 1), (0, 1)):
        image = c.f(2, 3, 3, 8) if last else c.f(2, 8, 3, 3)
        c.add("GroupNorm", [image, gamma, beta], groups=4, channels_last=last, activation=activation, epsilon=1e-3,
              known=[group_norm_of(image, gamma, beta, 4, last, activation, 1e-3)])
        flat = c.f(2, 8)
        for skip, wide in ((c.f(*image.shape), None), (flat, flat[:, None, None] if last else flat[:, :, None, None])):
            total = image + (skip if wide is None else wide) + (bias if last else bias[:, None, None])
            c.add("SkipGroupNorm", [image, gamma, beta, skip, bias], 2, groups=2, channels_last=last,
                  activation=activation, known=[group_norm_of(total, gamma, beta, 2, last, activation, 1e-5), total])


def biases(c):
    x, bias = c.f(3, 4, 10), c.f(10)
    c.add("FastGelu", [x])
    c.add("FastGelu", [x, bias])
    c.add("BiasGelu", [x, bias])
    c.add("Gelu", [x])
    c.add("QuickGelu", [x])
    c.add("QuickGelu", [x], alpha=0.6)
    # without a CPU kernel in ONNX Runtime, and so by their formulas
    skip, wide = c.f(3, 4, 10), (x + bias).astype(np.float64)
    c.add("BiasAdd", [x, bias, skip], known=[x + bias + skip])
    erf = np.vectorize(math.erf)
    c.add("BiasSplitGelu", [x, bias], known=[(wide[..., :5] * wide[..., 5:] * 0.5 *
                                              (1 + erf(wide[..., 5:] / math.sqrt(2)))).astype(np.float32)])
    for inner, shape in ((0, (1, 3, 4, 5)), (1, (2, 1, 1, 5)), (0, (1, 1, 4, 5)), (1, (2, 3, 1, 5))):
        data, added = c.f(2, 3, 4, 5), c.f(*shape)
        powers = np.exp((data + added).astype(np.float64))
        c.add("BiasSoftmax", [data, added], axis=3, is_inner_broadcast=inner,
              known=[(powers / powers.sum(-1, keepdims=True)).astype(np.float32)])


def products(c):
    for ta, tb, alpha in itertools.product((0, 1), (0, 1), (1.0, 0.3)):
        a, b = c.f(*((2, 5, 4) if ta else (2, 4, 5))), c.f(*((2, 6, 5) if tb else (2, 5, 6)))
        c.add("FusedMatMul", [a, b], transA=ta, transB=tb, alpha=alpha)
        c.add("FusedMatMul", [a, b[0]], transA=ta, transB=tb, alpha=alpha)
        c.add("TransposeMatMul", [a, b], transA=ta, transB=tb, alpha=alpha)
        plain = alpha * (a.swapaxes(1, 2) if ta else a) @ (b.swapaxes(1, 2) if tb else b)
        c.add("FusedMatMulActivation", [a, b], transA=ta, transB=tb, alpha=alpha, activation="Relu",
              known=[np.maximum(plain, 0)])
        for name in ("Relu", "LeakyRelu", "Tanh", "Sigmoid"):
            c.add("FusedGemm", [a[0], b[0], c.f(6)], transA=ta, transB=tb, alpha=alpha, beta=0.5, activation=name,
                  activation_alpha=0.2 if name == "LeakyRelu" else None)
    for ta, tb, ba, bb in itertools.product((0, 1), repeat=4):
        if ba or bb:  # [2, 3, 4, 5] times [2, 3, 5, 6], the rows in front of the batch
            a, b = c.f(2, 3, *((5, 4) if ta else (4, 5))), c.f(2, 3, *((6, 5) if tb else (5, 6)))
            a = a.transpose(2, 0, 1, 3).copy() if ba else a
            b = b.transpose(2, 0, 1, 3).copy() if bb else b
            c.add("FusedMatMul", [a, b], transA=ta, transB=tb, transBatchA=ba, transBatchB=bb, label="batch")
    c.add("FusedMatMul", [c.f(5), c.f(5, 6)], label="vector")
    c.add("FusedMatMul", [c.f(2, 4, 5), c.f(5)], label="vector", alpha=2.0)
    x, w, b, z = c.f(2, 4, 7, 7), c.f(6, 4, 3, 3), c.f(6), c.f(2, 6, 7, 7)
    for name, params in (("Relu", None), ("LeakyRelu", [0.1]), ("Tanh", None), ("Sigmoid", None), ("Clip", [-0.5, 0.9]),
                         ("HardSigmoid", [0.3, 0.4]), ("HardSwish", None)):
        c.add("FusedConv", [x, w, b], activation=name, activation_params=params, pads=[1, 1, 1, 1], kernel_shape=[3, 3])
        c.add("FusedConv", [x, w, b, z], activation=name, activation_params=params, pads=[1, 1, 1, 1],
              kernel_shape=[3, 3], label="sum")
    c.add("FusedConv", [x, c.f(8, 2, 3, 3)], activation="Relu", group=2, strides=[2, 2], dilations=[2, 2])
    c.add("Inverse", [c.f(3, 4, 4)], tolerance=1e-3)
    c.add("ExpandDims", [c.f(3, 4), np.array(1, np.int32)], constants=(1,))
    c.add("ExpandDims", [c.f(3, 4), np.array(-1, np.int32)], constants=(1,))
    c.add("Trilu", [c.f(3, 5), np.array(1, np.int64)], upper=0)
    c.add("GatherND", [c.f(3, 5, 2), c.i(0, 3, 4, 2, dtype=np.int64)])
    data = c.i(-9, 9, 3, 4, 2, dtype=np.int8)
    c.add("ReduceSumInteger", [data], axes=[1], keepdims=0, known=[data.astype(np.int32).sum(1, dtype=np.int32)])


def newer(c):
    """ONNX's own operators of transformers, as ONNX Runtime computes them: a second opinion beside ONNX's cases."""
    image = c.f(2, 8, 3, 3)
    c.add("GroupNormalization", [image, c.f(4), c.f(4)], domain="", opset=18, num_groups=4, epsilon=1e-3)
    c.add("GroupNormalization", [image, c.f(8), c.f(8)], domain="", opset=21, num_groups=2)
    c.add("RMSNormalization", [c.f(2, 3, 8), c.f(8)], domain="", opset=23, epsilon=1e-5)
    q, k, v = c.f(2, 4, 5, 8), c.f(2, 2, 7, 8), c.f(2, 2, 7, 6)
    for causal in (0, 1):
        c.add("Attention", [q, k, v], domain="", opset=23, is_causal=causal, label="onnx")
        c.add("Attention", [q, k, v, c.f(5, 7)], domain="", opset=23, is_causal=causal, label="onnx_mask")
        c.add("Attention", [c.f(2, 5, 16), c.f(2, 7, 16), c.f(2, 7, 16)], domain="", opset=23, q_num_heads=2,
              kv_num_heads=2, is_causal=causal, softcap=2.0, label="onnx_flat")
    mask = c.i(0, 2, 2, 4, 5, 7).astype(bool)
    mask[..., 0] = True
    c.add("Attention", [q, k, v, mask], domain="", opset=23, label="onnx_bool")
    c.add("Attention", [q, k, v, None, c.f(2, 2, 3, 8), c.f(2, 2, 3, 6)], 3, domain="", opset=23, label="onnx_past")
    cos, sin = c.f(20, 4), c.f(20, 4)
    for interleaved in (0, 1):
        c.add("RotaryEmbedding", [c.f(2, 3, 5, 8), cos, sin, c.i(0, 20, 2, 5, dtype=np.int64)], domain="", opset=23,
              interleaved=interleaved, label="onnx")


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    c = Cases(pathlib.Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
    for family in (recurrent, attention, multi_head, group_query, rotary, norms, biases, products, newer):
        family(c)
    print(f"{c.count} cases in {c.root}")


if __name__ == "__main__":
    main()
