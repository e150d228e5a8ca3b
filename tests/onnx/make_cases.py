#!/usr/bin/env python3
"""Writes the ONNX backend node cases of the installed `onnx` package as
DIR/<operator>/<case>/{model.onnx,test_data_set_0/{input,output}_N.pb}, which run_cases reads. A file `tolerance`
beside the model is a relative tolerance of its own.

    make_cases.py DIR            all of them
    make_cases.py DIR NAME...    only these cases (how tests/golden/onnx was made)
    make_cases.py --models DIR   the package's models with their data instead: DIR/<set>/<case>, the sets light,
                                 simple, pytorch-operator and pytorch-converted

Needs: pip install onnx numpy
"""
import pathlib
import re
import shutil
import sys

import numpy as np
import onnx
import onnx.backend.test
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases


# Cases whose expected outputs were typed in with four digits.
ROUNDED = {"test_averagepool_2d_ceil_last_window_starts_on_pad", "test_roialign_aligned_false", "test_roialign_aligned_true"}


def operator_of(case, operators):
    """The operator a case is about; a function's expansion counts for the function."""
    nodes = [n.op_type for n in case.model.graph.node]
    base = re.sub(r"_expanded(_ver\d+)?$", "", case.name)
    return operators.get(base) or (nodes[0] if len(set(nodes)) == 1 else nodes[-1])


def as_proto(value, name, info):
    if isinstance(value, onnx.TensorProto):
        proto = onnx.TensorProto()
        proto.CopyFrom(value)
    elif info.type.HasField("tensor_type"):
        proto = numpy_helper.from_array(value)
        wanted = info.type.tensor_type.elem_type
        if wanted in (onnx.TensorProto.BFLOAT16,) and proto.data_type != wanted:
            return None
    else:
        return None
    proto.name = name
    return proto


def write(case, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(case.model.SerializeToString())
    if case.name in ROUNDED:
        (folder / "tolerance").write_text("0.001\n")
    for number, (inputs, outputs) in enumerate(case.data_sets):
        data = folder / f"test_data_set_{number}"
        data.mkdir(exist_ok=True)
        for kind, values, infos in (("input", inputs, case.model.graph.input),
                                    ("output", outputs, case.model.graph.output)):
            for i, (value, info) in enumerate(zip(values, infos)):
                proto = as_proto(value, info.name, info)
                if proto is not None:
                    (data / f"{kind}_{i}.pb").write_bytes(proto.SerializeToString())


def write_light(path, folder):
    """A model whose weights ConstantOfShape makes; its one input counts up, as in the package's own runner."""
    data = folder / "test_data_set_0"
    data.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, folder / "model.onnx")
    model = onnx.load(path)
    made = {i.name for i in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in made]
    for number, port in enumerate(inputs):
        dims = [d.dim_value for d in port.type.tensor_type.shape.dim]
        count = int(np.prod(dims))
        value = (np.arange(count).reshape(dims) / count).astype(np.float32)
        (data / f"input_{number}.pb").write_bytes(numpy_helper.from_array(value, port.name).SerializeToString())
    for number in range(len(model.graph.output)):
        shutil.copy(f"{path.with_suffix('')}_output_{number}.pb", data / f"output_{number}.pb")


def write_models(root):
    data = pathlib.Path(onnx.backend.test.__file__).parent / "data"
    count = 0
    for path in sorted((data / "light").glob("*.onnx")):
        write_light(path, root / "light" / path.stem)
        count += 1
    for name in ("simple", "pytorch-operator", "pytorch-converted"):
        for path in sorted((data / name).iterdir()):
            shutil.copytree(path, root / name / path.name, dirs_exist_ok=True)
            count += 1
    print(f"{count} models in {root}, onnx {onnx.__version__}")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if sys.argv[1] == "--models":
        return write_models(pathlib.Path(sys.argv[2]))
    root, wanted = pathlib.Path(sys.argv[1]), set(sys.argv[2:])
    cases = collect_testcases(None)
    operators = {}
    for case in cases:
        names = {n.op_type for n in case.model.graph.node}
        if "_expanded" not in case.name and len(names) == 1:
            operators[case.name] = names.pop()
    count = 0
    for case in cases:
        if not wanted or case.name in wanted:
            write(case, root / operator_of(case, operators) / case.name)
            count += 1
    print(f"{count} cases in {root}, onnx {onnx.__version__}")


if __name__ == "__main__":
    main()
