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


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    c = Cases(pathlib.Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
    recurrent(c)
    print(f"{c.count} cases in {c.root}")


if __name__ == "__main__":
    main()
