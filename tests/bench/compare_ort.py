#!/usr/bin/env python3
"""sluice's engine beside ONNX Runtime, on the same machine in the same run:

    compare_ort.py [--seconds S] [--rounds N] [--models DIR] [--out FILE] [PATTERN]

For each model, both are run in turn, N rounds of S seconds, each in a process of its own; printed are the medians. ONNX
Runtime gets batches of 8 and all cores; sluice gets batches of 8 / cores, one a core, so that as many records are in flight
(tabular models: batches of 8, one a core).
Time to the first result is from the start of the process (Python and its imports included), peak memory the process's.
The models are exported into DIR (default: build/onnx/bench) where they are not there yet.

Needs: pip install torch torchvision transformers onnx onnxruntime numpy lightgbm onnxmltools scikit-learn; make bench
builds model_bench.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
import warnings

BATCH = 8
ROOT = pathlib.Path(__file__).resolve().parents[2]


# ---- ONNX Runtime, in a process of its own ----

def run_ort(path, batch, seconds, begun):
    import numpy as np
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    rng, feed = np.random.default_rng(0), {}
    for i in session.get_inputs():
        shape = [batch if k == 0 else d for k, d in enumerate(i.shape)]
        if "int64" in i.type:
            feed[i.name] = (np.ones(shape, np.int64) if "mask" in i.name else np.zeros(shape, np.int64)
                            if "type" in i.name else rng.integers(5, 1000, shape))
        else:
            feed[i.name] = rng.uniform(-1, 1, shape).astype(np.float32)
    session.run(None, feed)
    first = (time.time() - begun) * 1e3
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        before = time.perf_counter()
        session.run(None, feed)
        times.append(time.perf_counter() - before)
    status = open("/proc/self/status").read()  # getrusage counts what the parent had, too
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    print(json.dumps({"rate": batch / statistics.median(times), "first_ms": first, "peak_mib": peak}))


# ---- the models ----

def export_vision(path, name):
    import torch
    import torchvision
    torch.manual_seed(7)
    torch.onnx.export(getattr(torchvision.models, name)(weights=None).eval(), (torch.randn(2, 3, 224, 224),), str(path),
                      input_names=["pixel_values"], output_names=["logits"], opset_version=17, dynamo=False,
                      dynamic_axes={"pixel_values": {0: "batch"}, "logits": {0: "batch"}})


def export_text(path, **options):
    import torch
    import transformers
    torch.manual_seed(7)
    model = transformers.BertModel(transformers.BertConfig(**options)).eval()
    names = ["input_ids", "attention_mask", "token_type_ids"]

    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, *args):
            return self.model(**dict(zip(names, args))).last_hidden_state
    ids = torch.randint(5, 1000, (2, 128))
    torch.onnx.export(Encoder(), (ids, torch.ones_like(ids), torch.zeros_like(ids)), str(path), input_names=names,
                      output_names=["hidden"], opset_version=17, dynamo=False,
                      dynamic_axes={n: {0: "batch"} for n in names + ["hidden"]})


def export_quantized(path, source):
    import numpy as np
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self):
            rng = np.random.default_rng(3)
            self.rows = iter([{"pixel_values": rng.uniform(-1, 1, (2, 3, 224, 224)).astype(np.float32)} for _ in range(4)])

        def get_next(self):
            return next(self.rows, None)
    ready = path.with_name("ready.onnx")
    quant_pre_process(str(source), str(ready))
    quantize_static(str(ready), str(path), Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
    ready.unlink()


def export_trees(path, trees=500, depth=8, columns=28):
    import lightgbm
    import numpy as np
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType
    rng = np.random.default_rng(5)
    x = rng.normal(size=(20000, columns)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] + np.sin(x[:, 2] * 3) + x[:, 3:8].sum(1) + rng.normal(size=len(x)) > 0).astype(int)
    model = lightgbm.LGBMClassifier(n_estimators=trees, max_depth=depth, num_leaves=2 ** depth, min_child_samples=5, verbose=-1)
    model.fit(x, y)
    path.write_bytes(onnxmltools.convert_lightgbm(model, initial_types=[("x", FloatTensorType([None, columns]))],
                                                  zipmap=False, target_opset=15).SerializeToString())


def export_mlp(path):
    import torch
    torch.manual_seed(7)
    nn = torch.nn
    model = nn.Sequential(nn.Linear(28, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1), nn.Sigmoid())
    torch.onnx.export(model.eval(), (torch.randn(2, 28),), str(path), input_names=["x"], output_names=["y"],
                      opset_version=17, dynamo=False, dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}})


MINILM = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
# name, how to make it, precisions with the ratio that is asked for
MODELS = [
    ("resnet50", lambda p: export_vision(p, "resnet50"), {"fp32": 1.05, "bf16": 1.8}),
    ("resnet50-qdq", lambda p: export_quantized(p, p.parents[1] / "resnet50" / "model.onnx"), {"int8": 1.1}),
    ("mobilenet_v2", lambda p: export_vision(p, "mobilenet_v2"), {"fp32": 1.1}),
    ("minilm-128", lambda p: export_text(p, **MINILM), {"fp32": 1.05, "bf16": 1.7}),
    ("bert-base-128", lambda p: export_text(p), {"fp32": 1.05, "bf16": 1.7}),
    ("trees-500x8", export_trees, {"fp32": 3.0}),
    ("mlp-28", export_mlp, {"fp32": None}),
]


# ---- side by side ----

def ask(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["failed"])[-1][:200]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure(model, precision, options, batch, tabular):
    cores = len(os.sched_getaffinity(0))
    ours, theirs = [], []
    rows, threads = (batch, cores) if tabular else (max(1, batch // cores), min(cores, batch))
    for _ in range(options.rounds):
        ours.append(ask([str(options.bench), str(model), precision, str(rows), str(threads), str(options.seconds)]))
        theirs.append(ask([sys.executable, __file__, "--ort", str(model), str(batch), str(options.seconds), str(time.time())]))
        for result in (ours[-1], theirs[-1]):
            if "error" in result:
                return result
    middle = {k: (statistics.median(r[k] for r in ours), statistics.median(r[k] for r in theirs))
              for k in ("rate", "first_ms", "peak_mib")}
    return {"ours": {k: v[0] for k, v in middle.items()}, "ort": {k: v[1] for k, v in middle.items()},
            "speedup": middle["rate"][0] / middle["rate"][1], "first": middle["first_ms"][0] / middle["first_ms"][1],
            "memory": middle["peak_mib"][0] / middle["peak_mib"][1]}


def main():
    if len(sys.argv) > 1 and sys.argv[1] == "--ort":
        return run_ort(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pattern", nargs="?", default="")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--models", type=pathlib.Path, default=ROOT / "build/onnx/bench")
    parser.add_argument("--bench", type=pathlib.Path, default=ROOT / "build/release/tests/bench/model_bench")
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    import onnxruntime
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    report = {"cpu": cpu, "cores": len(os.sched_getaffinity(0)), "onnxruntime": onnxruntime.__version__,
              "batch": options.batch, "rounds": options.rounds, "seconds": options.seconds, "models": {}}
    print(f"{cpu}, {report['cores']} cores, onnxruntime {onnxruntime.__version__}, {options.batch} records in flight, "
          f"medians of {options.rounds} rounds of {options.seconds:g} s\n")
    print("| model | precision | sluice /s | ORT /s | ratio | asked | first result ms | ORT ms | ratio | peak MiB | ORT MiB | ratio |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for name, make, precisions in MODELS:
        if options.pattern not in name:
            continue
        path = options.models / name / "model.onnx"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            make(path)
        for precision, asked in precisions.items():
            r = measure(path, precision, options, options.batch, name.startswith(("trees", "mlp")))
            report["models"][f"{name} {precision}"] = dict(r, asked=asked)
            if "error" in r:
                print(f"| {name} | {precision} | {r['error']} |", flush=True)
                continue
            o, t = r["ours"], r["ort"]
            print(f"| {name} | {precision} | {o['rate']:.4g} | {t['rate']:.4g} | **{r['speedup']:.2f}** | {asked or chr(45)} | "
                  f"{o['first_ms']:.0f} | {t['first_ms']:.0f} | {r['first']:.2f} | {o['peak_mib']:.0f} | {t['peak_mib']:.0f} | "
                  f"{r['memory']:.2f} |", flush=True)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
