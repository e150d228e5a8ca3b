#!/usr/bin/env python3
"""compare.py PROGRAM FILE DIR...: the ids of every line of FILE, by Hugging Face tokenizers and by PROGRAM
(build/release/tests/bench/text_ids), for the tokenizer.json of each DIR. Prints a row of the table in README.md for each,
and the first lines that differ."""
import subprocess
import sys

from tokenizers import Tokenizer

LENGTH = 512


def compare(program, path, folder):
    hf = Tokenizer.from_file(folder + "/tokenizer.json")
    hf.enable_truncation(LENGTH)
    hf.no_padding()
    ours = subprocess.Popen([program, folder, path, "ids", str(LENGTH)], stdout=subprocess.PIPE, text=True, encoding="utf-8")
    lines = equal = tokens = shown = 0
    with open(path, encoding="utf-8", newline="\n") as f:
        while True:
            batch = [line.rstrip("\n") for _, line in zip(range(20000), f)]
            if not batch:
                break
            for text, e in zip(batch, hf.encode_batch_fast(batch)):
                got = ours.stdout.readline().rstrip("\n")
                ids = e.ids
                lines += 1
                tokens += len(ids)
                if got == " ".join(map(str, ids)):
                    equal += 1
                elif shown < 5:
                    shown += 1
                    print("differs: %r\n  theirs %s\n  ours   %s" % (text[:300], " ".join(map(str, ids[:60])), got[:300]))
    print("| %s | %d | %d | %d |" % (folder.rstrip("/").split("/")[-1], lines, tokens, lines - equal), flush=True)
    return lines == equal


if __name__ == "__main__":
    ok = [compare(sys.argv[1], sys.argv[2], folder) for folder in sys.argv[3:]]
    sys.exit(0 if all(ok) else 1)
