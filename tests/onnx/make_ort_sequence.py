#!/usr/bin/env python3
"""Writes cases of the recurrent operators, attention and the operators of transformers, computed by ONNX Runtime, in the
form run_cases reads:

    make_ort_sequence.py DIR [PATTERN]

Most are nodes of the domain com.microsoft as ONNX Runtime's transformer optimiser and optimum write them.

Needs: pip install onnx onnxruntime numpy
"""
import itertools
import pathlib
import sys

import numpy as np
from onnx import TensorProto, helper

from make_ort_cases import run, write

MS = "com.microsoft"
DTYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "float64": TensorProto.DOUBLE,
          "int32": TensorProto.INT32, "int64": TensorProto.INT64, "bool": TensorProto.BOOL}


class Cases:
    def __init__(self, root, pattern):
        self.root, self.pattern, self.rng = root, pattern, np.random.default_rng(20261123)
        self.count, self.names = 0, {}

    def f(self, *dims):
        return self.rng.normal(size=dims).astype(np.float32)

    def i(self, low, high, *dims, dtype=np.int32):
        return self.rng.integers(low, high, dims).astype(dtype)

    def add(self, op, inputs, outputs=1, domain=MS, opset=17, tolerance=1e-5, label="", constants=(), **attrs):
        """`inputs`: arrays or None; `outputs`: a count or a list of booleans; `constants`: inputs that are initializers."""
        case = f"{op}_{label}" if label else op
        number = self.names[case] = self.names.get(case, 0) + 1
        case = f"{case}_{number:02}"
        if self.pattern not in case:
            return
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
            values = run(model, fed)
        except Exception as error:  # a combination that ONNX Runtime's CPU kernels lack
            print(f"{case}: {str(error)[:200]}", file=sys.stderr)
            return
        for port, value in zip(graph.output, values):
            port.type.CopyFrom(helper.make_tensor_value_info("", DTYPES[str(value.dtype)], value.shape).type)
        del model.graph.output[:]
        model.graph.output.extend(graph.output)
        write(self.root / op / case, model, fed, values, tolerance)
        self.count += 1


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
        c.add(op, inputs, 3 if op == "LSTM" else 2, domain="", label=direction + ("_full" if full else ""), **attrs)


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
        c.add(op, [x, w, bias, c.i(0, 2, b, s, s)], num_heads=heads, unidirectional=causal, label="raw3",
              tolerance=lost)
        c.add(op, [x, w, bias, None, None, c.f(1, heads, s, s)], num_heads=heads, unidirectional=causal, label="bias")
        c.add(op, [x, w, bias, raw, None, c.f(b, 1, s, s)], num_heads=heads, unidirectional=causal, label="bias")
        c.add(op, [x, w, bias, None, past], 2, num_heads=heads, unidirectional=causal, label="past")
        c.add(op, [x, w, bias, c.i(0, 2, b, 9), past], 2, num_heads=heads, unidirectional=causal, label="past")
        c.add(op, [x, w, bias, c.i(0, 2, b, 1, 16, 16), past], 2, num_heads=heads, unidirectional=causal, label="past4")
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
    c.add(op, [q, k, v, bias, c.i(0, 2, b, t)], num_heads=heads, label="raw")
    c.add(op, [q, k, v, None, c.i(0, 2, b, t)], num_heads=heads, mask_filter_value=-3.0, label="raw")
    c.add(op, [q, k, v, None, c.i(0, 2, b, s, t)], num_heads=heads, label="raw3")
    c.add(op, [q, k, v, None, None, c.f(b, heads, s, t)], num_heads=heads, label="score_bias")
    c.add(op, [q, k, c.f(b, t, heads * 5)], num_heads=heads, label="sizes")
    c.add(op, [q, c.f(b, heads, t, size), c.f(b, heads, t, size), bias], num_heads=heads, label="ready")
    c.add(op, [q, c.f(b, heads, t, size), c.f(b, heads, t, size)], num_heads=heads, label="ready")
    c.add(op, [q, c.f(b, t, heads, 2, size)], num_heads=heads, label="packed_kv")
    c.add(op, [c.f(b, s, heads, 3, size)], num_heads=heads, label="packed_qkv")
    c.add(op, [c.f(b, s, heads, 3, size), None, None, bias], num_heads=heads, label="packed_qkv")
    c.add(op, [sq, sk, sv, bias, None, None, pk, pv], 4, num_heads=heads, label="qk")


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
    call(3, 4, [7, 7], 7, label="more", do_rotary=1)
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
    call(5, 0, [5, 5], 5, label="norm", do_rotary=1, norms=(c.f(size), c.f(size)))
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


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    c = Cases(pathlib.Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
    for family in (recurrent, attention, multi_head, group_query, rotary):
        family(c)
    print(f"{c.count} cases in {c.root}")


if __name__ == "__main__":
    main()
