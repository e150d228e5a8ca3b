#!/usr/bin/env python3
"""A tiny encoder in sentence-transformers' layout, texts of all lengths, and the embedding ONNX Runtime and NumPy give
each of them alone and unpadded. tests/pipeline/buckets.sh runs them. Needs torch, transformers, tokenizers, onnxruntime."""
import json
import pathlib
import random

import numpy as np
import onnxruntime
import torch
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel

HERE = pathlib.Path(__file__).parent
LONGEST = 128

tokenizer_file = HERE.parent / "text" / "bert-uncased" / "tokenizer.json"
tokenizer = Tokenizer.from_file(str(tokenizer_file))
tokenizer.no_padding()
tokenizer.enable_truncation(LONGEST)

torch.manual_seed(7)
encoder = BertModel(BertConfig(vocab_size=tokenizer.get_vocab_size(), hidden_size=16, num_hidden_layers=2,
                               num_attention_heads=2, intermediate_size=32, max_position_embeddings=LONGEST,
                               initializer_range=0.5, attn_implementation="eager"), add_pooling_layer=False).eval()


class Encoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = encoder

    def forward(self, ids, mask, types):
        return self.encoder(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state


names = ["input_ids", "attention_mask", "token_type_ids"]
ids = torch.ones(2, 9, dtype=torch.int64)
axes = {name: {0: "batch", 1: "sequence"} for name in [*names, "last_hidden_state"]}
torch.onnx.export(Encoder(), (ids, ids, ids * 0), str(HERE / "model.onnx"), input_names=names,
                  output_names=["last_hidden_state"], dynamic_axes=axes, dynamo=False, opset_version=17)

random.seed(5)
words = sorted(w for w in tokenizer.get_vocab() if w.isalpha())
texts = [" ".join(random.choices(words, k=n)) for n in [*range(1, 140, 3), *random.choices(range(1, 30), k=250)]]
random.shuffle(texts)
(HERE / "texts.txt").write_text("\n".join(texts) + "\n")

session = onnxruntime.InferenceSession(str(HERE / "model.onnx"), providers=["CPUExecutionProvider"])
for mode in "mean", "first", "last", "mean_sqrt":
    with open(HERE / f"{mode}.csv", "w") as out:
        for text in texts:
            row = np.array([tokenizer.encode(text).ids], dtype=np.int64)
            x = session.run(None, {names[0]: row, names[1]: np.ones_like(row), names[2]: np.zeros_like(row)})[0][0]
            y = {"mean": x.mean(0), "first": x[0], "last": x[-1], "mean_sqrt": x.sum(0) / np.sqrt(len(x))}[mode]
            out.write(",".join(f"{v:.6g}" for v in y / np.linalg.norm(y)) + "\n")
print(len(texts), "texts,", json.dumps(sorted(len(tokenizer.encode(t).ids) for t in texts)[:: len(texts) // 10]))
