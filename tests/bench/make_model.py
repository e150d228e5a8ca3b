"""tests/golden/bench/mlp28: 28 columns through 64, 32 and 2 units; random weights, since only its speed is looked at."""
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OUT = Path(__file__).resolve().parent.parent / "golden/bench/mlp28"
OUT.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(28)
nodes, weights, value, sizes = [], [], "features", [28, 64, 32, 2]
for i, (a, b) in enumerate(zip(sizes, sizes[1:])):
    weights += [numpy_helper.from_array((rng.standard_normal((a, b)) / np.sqrt(a)).astype(np.float32), f"w{i}"),
                numpy_helper.from_array(np.zeros(b, np.float32), f"b{i}")]
    out = "scores" if i == len(sizes) - 2 else f"h{i}"
    nodes.append(helper.make_node("Gemm", [value, f"w{i}", f"b{i}"], [out], f"dense{i}"))
    value = out
    if out != "scores":
        nodes.append(helper.make_node("Relu", [out], [f"r{i}"], f"relu{i}"))
        value = f"r{i}"
info = lambda n, w: helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", w])
model = helper.make_model(helper.make_graph(nodes, "mlp28", [info("features", 28)], [info("scores", 2)], weights),
                          producer_name="sluice-bench", opset_imports=[helper.make_opsetid("", 17)])
model.ir_version = 8
onnx.checker.check_model(model, full_check=True)
onnx.save(model, OUT / "model.onnx")
(OUT / "transform.json").write_text(json.dumps({"inputs": {"features": [{"columns": list(range(28))}]},
                                                "outputs": [{"from": "scores"}, "tensor.softmax"]}) + "\n")
