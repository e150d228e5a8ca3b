#!/usr/bin/env python3
"""make.py SMALL_DIR | make.py --compare SLUICE: input files of every container by the reference implementation of
each (NumPy, Python's csv, json, tarfile, zipfile, ...), with what a run of sluice must write for them.

SMALL_DIR: writes the small cases, which are committed: CASE/{model.onnx, transform.json, args, in/..., want/...}.
--compare: makes many random cases, larger ones among them, runs sluice on each and counts. Every value goes through
an Identity model and comes back as text, so what is compared is the whole way, bit for bit."""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper

import formats

DTYPES = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "float16": TensorProto.FLOAT16,
          "int8": TensorProto.INT8, "int16": TensorProto.INT16, "int32": TensorProto.INT32,
          "int64": TensorProto.INT64, "uint8": TensorProto.UINT8, "uint16": TensorProto.UINT16,
          "uint32": TensorProto.UINT32, "uint64": TensorProto.UINT64, "bool": TensorProto.BOOL,
          "str": TensorProto.STRING}


def write_model(path, inputs):
    """inputs: {name: (dtype, shape of a row)}; one Identity each."""
    nodes, ins, outs = [], [], []
    for i, (name, (dtype, shape)) in enumerate(inputs.items()):
        nodes.append(helper.make_node("Identity", [name], [f"y{i}"]))
        ins.append(helper.make_tensor_value_info(name, DTYPES[dtype], ["N", *shape]))
        outs.append(helper.make_tensor_value_info(f"y{i}", DTYPES[dtype], ["N", *shape]))
    graph = helper.make_graph(nodes, "identity", ins, outs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)


def put_case(case, directory):
    os.makedirs(os.path.join(directory, "in"))
    os.makedirs(os.path.join(directory, "want"))
    write_model(os.path.join(directory, "model.onnx"), case.inputs)
    if case.transform:
        with open(os.path.join(directory, "transform.json"), "w") as f:
            json.dump(case.transform, f)
    with open(os.path.join(directory, "args"), "w") as f:
        f.write("".join(a + "\n" for a in case.args))
    for name, data in case.files.items():
        with open(os.path.join(directory, "in", name), "wb") as f:
            f.write(data)
    for name, lines in case.want.items():
        with open(os.path.join(directory, "want", name + ".out"), "w", newline="") as f:
            f.write("".join(line + "\n" for line in lines))


def same_line(have, want):
    """Numbers by value (the shortest text of a number is not unique in its form), texts by their bytes."""
    if have == want:
        return True
    a, b = have.split(","), want.split(",")
    try:
        return len(a) == len(b) and all(x == y or float(x) == float(y) for x, y in zip(a, b))
    except ValueError:
        return False


def run_case(sluice, case):
    with tempfile.TemporaryDirectory() as work:
        put_case(case, os.path.join(work, "case"))
        root, out = os.path.join(work, "case"), os.path.join(work, "out")
        command = [sluice, "run", "-q", "--progress", "none", "--max-rejects", "100%", "--rejects-ok", *case.args,
                   root, os.path.join(root, "in"), out]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != case.status:
            return f"status {done.returncode}, expected {case.status}: {done.stderr.strip()[:300]}"
        for name, lines in case.want.items():
            path = os.path.join(out, name + ".out")
            if not os.path.exists(path):
                return f"no output '{name}.out': {done.stderr.strip()[:300]}"
            with open(path, newline="") as f:
                have = f.read().split("\n")[:-1]
            if len(have) != len(lines):
                return f"{len(have)} records, expected {len(lines)}: {done.stderr.strip()[:200]}"
            for i, (x, y) in enumerate(zip(have, lines)):
                if not same_line(x, y):
                    return f"record {i} of {name} is '{x[:120]}', expected '{y[:120]}'"
    return None


def compare(sluice, seed, only):
    bad = 0
    print("| format | reference | files | records | values | different |")
    print("|---|---|---|---|---|---|")
    for family in formats.FAMILIES:
        if only and only not in family.__name__:
            continue
        files = records = values = wrong = 0
        rng = random.Random(f"{seed} {family.__name__}")
        for case in family(rng, False):
            files += len(case.want)
            records += sum(len(lines) for lines in case.want.values())
            values += case.values
            why = run_case(sluice, case)
            if why:
                wrong += 1
                print(f"{family.__name__} {case.name}: {why}", file=sys.stderr)
        bad += wrong
        print(f"| {family.title} | {family.reference} | {files:,} | {records:,} | {values:,} | {wrong} |", flush=True)
    return bad


def main():
    p = argparse.ArgumentParser()
    p.add_argument("directory", nargs="?")
    p.add_argument("--compare", metavar="SLUICE")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--only")
    args = p.parse_args()
    if args.compare:
        sys.exit(compare(os.path.abspath(args.compare), args.seed, args.only) > 0)
    for family in formats.FAMILIES:
        if args.only and args.only not in family.__name__:
            continue
        for case in family(random.Random(f"{args.seed} {family.__name__}"), True):
            where = os.path.join(args.directory, f"{family.__name__}_{case.name}")
            shutil.rmtree(where, ignore_errors=True)
            put_case(case, where)


main()
