#!/usr/bin/env python3
"""make_corpus.py FILE: lines in as many languages as this machine has translations for: the texts of all .mo files below
/usr/share/locale, and the manual pages. No line twice; in random order."""
import glob
import gzip
import random
import struct
import sys

seen, languages = set(), {}


def add(language, text):
    for line in text.split("\n"):
        line = line.strip("\r")
        if len(line) > 1 and line not in seen:
            seen.add(line)
            languages.setdefault(language, []).append(line)


def read_mo(path, language):
    with open(path, "rb") as f:
        data = f.read()
    if data[:4] != b"\xde\x12\x04\x95":
        return
    count, ids, texts = struct.unpack("<III", data[8:20])
    for i in range(count):
        for base, of in ((ids, "en"), (texts, language)):
            nbytes, at = struct.unpack("<II", data[base + 8 * i : base + 8 * i + 8])
            try:
                for text in data[at : at + nbytes].decode("utf-8").split("\0"):
                    add(of, text)
            except UnicodeDecodeError:
                continue


for name in sorted(glob.glob("/usr/share/locale/*/LC_MESSAGES/*.mo")):
    read_mo(name, name.split("/")[4])
for name in sorted(glob.glob("/usr/share/man/man*/*.gz") + glob.glob("/usr/share/man/*/man*/*.gz")):
    folder = name.split("/")[4]
    try:
        with gzip.open(name) as f:
            add("en" if folder.startswith("man") else folder.split(".")[0], f.read().decode("utf-8"))
    except (OSError, EOFError, UnicodeDecodeError):
        continue
lines = [line for of in languages.values() for line in of]
random.seed(1)
random.shuffle(lines)
with open(sys.argv[1], "w", encoding="utf-8", newline="\n") as f:
    f.writelines(line + "\n" for line in lines)
print("%d lines, %d languages, %d of them with 1,000 lines or more" % (len(lines), len(languages), sum(len(v) >= 1000 for v in languages.values())))
