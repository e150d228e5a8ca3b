#!/usr/bin/env python3
"""text_speed.py PROGRAM FILE DIR...: Hugging Face tokenizers, on one thread, beside PROGRAM (build/release/tests/bench/
text_ids), over FILE with the tokenizer.json of each DIR: interleaved, the best of five rounds each."""
import os
import subprocess
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
from tokenizers import Tokenizer  # noqa: E402

program, path = sys.argv[1:3]
with open(path, encoding="utf-8", newline="\n") as f:
    lines = [line.rstrip("\n") for line in f]
nbytes = os.path.getsize(path)
for folder in sys.argv[3:]:
    hf = Tokenizer.from_file(folder + "/tokenizer.json")
    hf.enable_truncation(512)
    hf.no_padding()
    theirs = ours = 1e9
    for _ in range(3):
        begun = time.perf_counter()
        for i in range(0, len(lines), 1000):
            hf.encode_batch_fast(lines[i : i + 1000])
        theirs = min(theirs, time.perf_counter() - begun)
        out = subprocess.run([program, folder, path, "time", "512"], capture_output=True, text=True, check=True).stdout
        ours = min(ours, float(out.split(" tokens, ")[1].split(" s")[0]))
    print("| %s | %.1f | %.1f | %.1fx |" % (folder.rstrip("/").split("/")[-1], nbytes / 1e6 / theirs, nbytes / 1e6 / ours, theirs / ours), flush=True)
