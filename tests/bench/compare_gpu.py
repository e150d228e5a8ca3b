#!/usr/bin/env python3
"""sluice on a GPU beside PyTorch on the same card, in the same run:

    compare_gpu.py --bench model_bench --sluice sluice [--batch N] [--seconds S] [--rounds N] [--models DIR] [--out FILE] [PATTERN]

For each model of compare_ort.py: golden data from PyTorch or ONNX Runtime on the CPU in float32, `sluice verify` on the
cpu and on the GPU in each precision, then records a second of sluice (model_bench: copies in and out included) and of
PyTorch (torch.compile, inputs copied from pinned memory, outputs copied back, batches in flight), in turn, medians of the
rounds. Prints a table last; what could not run says why.

Needs: torch, torchvision, transformers, onnx, numpy; a GPU."""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time
import warnings

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import compare_ort  # the models

PRECISIONS = {"resnet50": ["fp32", "tf32", "fp16", "bf16"], "mobilenet_v2": ["fp32", "fp16"], "minilm-128": ["fp32", "fp16", "bf16"],
              "bert-base-128": ["fp32", "tf32", "fp16", "bf16"], "trees-500x8": ["fp32"], "mlp-28": ["fp32", "fp16"]}


def torch_model(name):
    """The module and its inputs for a batch, as compare_ort.py exported them; None where PyTorch is no peer."""
    import torch
    import torchvision
    import transformers
    torch.manual_seed(7)
    if name in ("resnet50", "mobilenet_v2"):
        return getattr(torchvision.models, name)(weights=None).eval(), lambda n: [torch.randn(n, 3, 224, 224)]
    if name in ("minilm-128", "bert-base-128"):
        options = compare_ort.MINILM if name.startswith("minilm") else {}
        model = transformers.BertModel(transformers.BertConfig(**options)).eval()

        def ids(n):
            x = torch.randint(5, 1000, (n, 128))
            return [x, torch.ones_like(x), torch.zeros_like(x)]
        return model, ids
    if name == "mlp-28":
        nn = torch.nn
        return (nn.Sequential(nn.Linear(28, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1), nn.Sigmoid()).eval(),
                lambda n: [torch.randn(n, 28)])
    return None, None


def run_torch(name, precision, batch, seconds):
    """Records a second, in a process of its own: compiled, three batches in flight on streams of their own."""
    import torch
    module, make = torch_model(name)
    if module is None:
        return {"error": "no peer in PyTorch"}
    kind = {"fp16": torch.float16, "bf16": torch.bfloat16}.get(precision, torch.float32)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.benchmark = True
    module = module.to("cuda", kind)
    vision = name in ("resnet50", "mobilenet_v2")
    if vision:
        module = module.to(memory_format=torch.channels_last)
    compiled = torch.compile(module, mode="max-autotune")
    inputs = [t.pin_memory() for t in make(batch)]
    streams = [torch.cuda.Stream() for _ in range(3)]

    def one(stream):
        with torch.cuda.stream(stream), torch.inference_mode():
            x = [t.to("cuda", non_blocking=True) for t in inputs]
            if vision:
                x = [x[0].to(kind, memory_format=torch.channels_last)]
            elif name == "mlp-28":
                x = [x[0].to(kind)]
            y = compiled(*x)
            y = y if isinstance(y, torch.Tensor) else y[0]
            return y.float().to("cpu", non_blocking=True)
    for i in range(6):
        one(streams[i % 3])
    torch.cuda.synchronize()
    rates, count, keep = [], 0, [None] * 3
    for _ in range(5):
        begun, rows = time.perf_counter(), 0
        while time.perf_counter() - begun < seconds / 5:
            slot = count % 3
            streams[slot].synchronize()
            keep[slot] = one(streams[slot])
            rows, count = rows + batch, count + 1
        torch.cuda.synchronize()
        rates.append(rows / (time.perf_counter() - begun))
    return {"rate": statistics.median(rates)}


def write_golden(folder, name):
    """test_data_set_0 beside the model: 4 records through ONNX Runtime or the reference evaluator, in float32 on the CPU."""
    import numpy as np
    import onnx
    from onnx import numpy_helper
    data = folder / "test_data_set_0"
    if data.exists():
        return
    path = str(folder / "model.onnx")
    try:
        import onnxruntime as ort
        session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
        run, inputs = (lambda feed: session.run(None, feed)), [(i.name, i.shape, i.type) for i in session.get_inputs()]
        outputs = [o.name for o in session.get_outputs()]
    except ImportError:
        return
    rng, feed = np.random.default_rng(1), {}
    for key, shape, kind in inputs:
        shape = [4 if k == 0 else d for k, d in enumerate(shape)]
        feed[key] = (np.ones(shape, np.int64) if "mask" in key else np.zeros(shape, np.int64) if "type" in key
                     else rng.integers(5, 1000, shape)) if "int64" in kind else rng.standard_normal(shape).astype(np.float32)
    data.mkdir()
    for i, (key, value) in enumerate(feed.items()):
        (data / f"input_{i}.pb").write_bytes(numpy_helper.from_array(value, key).SerializeToString())
    for i, (key, value) in enumerate(zip(outputs, run(feed))):
        (data / f"output_{i}.pb").write_bytes(numpy_helper.from_array(np.asarray(value), key).SerializeToString())
    del onnx


def verify(options, path, precision):
    done = subprocess.run([str(options.sluice), "verify", str(path), "--device", "cuda", "--precision", precision],
                          capture_output=True, text=True)
    text = (done.stdout + done.stderr).strip().splitlines()
    return {"status": done.returncode, "text": text[-1][:200] if text else ""}


def main():
    if len(sys.argv) > 1 and sys.argv[1] == "--torch":
        return print(json.dumps(run_torch(sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]))))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pattern", nargs="?", default="")
    parser.add_argument("--bench", type=pathlib.Path, required=True)
    parser.add_argument("--sluice", type=pathlib.Path, required=True)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", type=pathlib.Path, default=pathlib.Path("/tmp/sluice-models"))
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    import torch
    report = {"card": torch.cuda.get_device_name(), "torch": torch.__version__, "batch": options.batch, "models": {}}
    lines = []
    for name, make, _ in compare_ort.MODELS:
        if name not in PRECISIONS or options.pattern not in name:
            continue
        path = options.models / name / "model.onnx"
        try:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                make(path)
            write_golden(path.parent, name)
        except Exception as err:  # a package that is missing there costs one model
            lines.append(f"| {name} | | | | | not exported: {type(err).__name__}: {str(err)[:120]} |")
            continue
        for precision in PRECISIONS[name]:
            checked = verify(options, path, precision)
            batch = options.batch * (64 if name in ("trees-500x8", "mlp-28") else 1)
            ours, theirs = [], []
            for _ in range(options.rounds):
                ours.append(compare_ort.ask([str(options.bench), str(path), precision, str(batch), "1", str(options.seconds), "cuda"]))
                theirs.append(compare_ort.ask([sys.executable, __file__, "--torch", name, precision, str(batch), str(options.seconds)]))
                if "error" in ours[-1] or "error" in theirs[-1]:
                    break
            rate = [statistics.median(r["rate"] for r in side if "rate" in r) if any("rate" in r for r in side) else None
                    for side in (ours, theirs)]
            errors = [r["error"] for r in (ours[-1], theirs[-1]) if "error" in r]
            report["models"][f"{name} {precision}"] = {"verify": checked, "sluice": rate[0], "torch": rate[1], "errors": errors}
            ratio = f"{rate[0] / rate[1]:.2f}" if rate[0] and rate[1] else "-"
            show = [f"{r:.4g}" if r else "-" for r in rate]
            lines.append(f"| {name} | {precision} | {show[0]} | {show[1]} | {ratio} | "
                         f"{'within' if checked['status'] == 0 else checked['text']}{'; ' + '; '.join(errors) if errors else ''} |")
            print(lines[-1], flush=True)
    table = [f"{report['card']}, PyTorch {report['torch']}, batches of {options.batch}", "",
             "| model | precision | sluice /s | PyTorch /s | ratio | verify against float32 on the CPU |", "|---|---|---|---|---|---|"] + lines
    print("\n".join(table))
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")
        options.out.with_suffix(".md").write_text("\n".join(table) + "\n")


if __name__ == "__main__":
    main()
