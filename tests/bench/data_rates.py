#!/usr/bin/env python3
"""data_rates.py [--build build/release] [--texts FILE --tokenizer DIR] [--pictures DIR] [--rounds 3]: what one core makes
of input, beside the library that people know: JPEG (TurboJPEG's own decode, Pillow), rows of numbers in CSV and JSON
(strtof), gzip (zlib, libdeflate), WordPiece (Hugging Face tokenizers). Peers run in the same process as ours or right
after it, round by round, pinned to one core; medians. Writes tests/bench/results/data-rates.{json,md}. Needs Pillow,
NumPy, tokenizers, and `make bench` or the programs of tests/bench."""
import argparse
import datetime
import glob
import gzip
import json
import os
import random
import statistics
import subprocess
import tempfile
import time

from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
SIZES = [(256, 256), (500, 375), (640, 480), (1024, 768), (2048, 1536)]


def call(program, *args):
    out = subprocess.run([program, *args], capture_output=True, text=True)
    if out.returncode:
        raise SystemExit(f"{program}: {out.stderr.strip()}")
    return out.stdout


def medians(rows):
    return {k: statistics.median(r[k] for r in rows) for k in rows[0]}


def make_pictures(photos, folder, size, count):
    """Crops of photographs, brought to a size and stored as cameras and web sites do: quality 90, chroma halved."""
    draw = random.Random(size[0])
    for i in range(count):
        photo = photos[i % len(photos)]
        share = draw.uniform(0.7, 1.0) * min(photo.width / size[0], photo.height / size[1])
        w, h = int(size[0] * share), int(size[1] * share)
        x, y = draw.randint(0, photo.width - w), draw.randint(0, photo.height - h)
        photo.crop((x, y, x + w, y + h)).resize(size, Image.LANCZOS).save(f"{folder}/{i}.jpg", quality=90)


def pillow_rate(files):
    begun = time.process_time()
    for path in files:
        with Image.open(path) as picture:
            picture.convert("RGB").resize((224, 224), Image.BILINEAR).tobytes()
    return len(files) / (time.process_time() - begun)


def jpeg(args, work):
    photos = [Image.open(f).convert("RGB") for f in sorted(glob.glob(args.pictures + "/*"))] if args.pictures else []
    if not photos:
        from sklearn.datasets import load_sample_images

        photos = [Image.fromarray(x) for x in load_sample_images().images]
    table = {}
    for size in SIZES:
        folder = f"{work}/{size[0]}"
        os.mkdir(folder)
        make_pictures(photos, folder, size, 24 if size[0] < 1500 else 8)
        files = sorted(glob.glob(folder + "/*.jpg"))
        rows = []
        for _ in range(args.rounds):
            row = json.loads(call(args.build + "/tests/bench/jpeg_rate", *files))
            row["pillow"] = pillow_rate(files)
            rows.append(row)
        table["%dx%d" % size] = medians(rows)
    return table


def numbers(args):
    rows = [json.loads(call(args.build + "/tests/bench/parse_rate", "json")) for _ in range(args.rounds)]
    return {style: medians([r[style] for r in rows]) for style in rows[0]}


def zipped(args, work):
    draw, table = random.Random(1), {}
    kinds = {
        "csv": lambda: ",".join("%.6f" % draw.uniform(-2, 2) for _ in range(28)) + "\n",
        "json": lambda: json.dumps({"id": draw.randrange(10**6), "text": draw.choice(["good", "bad", "none"]) * 3}) + "\n",
    }
    for kind, line in kinds.items():
        files = []
        for i in range(3):
            files.append(f"{work}/{kind}{i}.gz")
            with gzip.open(files[-1], "wt", compresslevel=6) as f:
                f.writelines(line() for _ in range(30000))
        table[kind] = medians([json.loads(call(args.build + "/tests/bench/gzip_rate", *files)) for _ in range(args.rounds)])
    return table


def wordpiece(args):
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from tokenizers import Tokenizer

    theirs, rows = Tokenizer.from_file(args.tokenizer + "/tokenizer.json"), []
    theirs.enable_truncation(512)
    theirs.no_padding()
    with open(args.texts, encoding="utf-8", newline="\n") as f:
        lines = [line.rstrip("\n") for line in f]
    for _ in range(args.rounds):
        begun = time.process_time()
        for i in range(0, len(lines), 1000):
            theirs.encode_batch_fast(lines[i : i + 1000])
        took = time.process_time() - begun
        said = call(args.build + "/tests/bench/text_ids", args.tokenizer, args.texts, "time", "512")
        rows.append({"tokenizers": os.path.getsize(args.texts) / 1e6 / took,
                     "sluice": os.path.getsize(args.texts) / 1e6 / float(said.split(" tokens, ")[1].split(" s")[0])})
    return medians(rows)


def markdown(r):
    put = ["# What one core makes of input\n", "`tests/bench/data_rates.py`, %s, %s, %d cores shared with others (load %.1f at the start), one pinned; medians."
           % (r["date"], r["cpu"], r["cores"], r["load"]), "\"asked\" is what the comparison is judged by.\n",
           "## JPEG: pictures a second\n", "Photographs at quality 90, 4:2:0. The ratio is decode, resize to 224 (as Pillow, to the byte) over TurboJPEG's decode "
           "alone; asked: 0.9.\n", "| size | TurboJPEG, decode alone | decode, resize | ratio | shorter 256, crop 224 | ratio | `scale_to` 224, resize | ratio | off by, levels | "
           "Pillow, decode and resize |", "|---|---|---|---|---|---|---|---|---|---|"]
    for size, v in r["jpeg"].items():
        alone = v["tjDecompress"]
        put.append("| %s | %.0f | %.0f | **%.2f** | %.0f | %.2f | %.0f | %.2f | mean %.2f, most %d | %.0f |" % (
            size, alone, v["resize_224"], v["resize_224"] / alone, v["shorter_256_crop_224"], v["shorter_256_crop_224"] / alone,
            v["scaled_resize_224"], v["scaled_resize_224"] / alone, v["scaled_mean_levels"], v["scaled_most_levels"], v["pillow"]))
    put += ["\n## Rows of numbers: GB/s\n", "100 numbers a row into floats; asked: csv 1, json 0.5.\n", "| numbers | bytes each | csv | json | strtof |", "|---|---|---|---|---|"]
    for style, v in r["numbers"].items():
        put.append("| %s | %.1f | **%.2f** | **%.2f** | %.2f |" % (style, v["bytes"], v["csv"], v["json"], v["strtof"]))
    put += ["\n## gzip: MB/s of unpacked bytes\n", "Asked: libdeflate's rate where a member fits the memory.\n",
            "| content | zlib | libdeflate | ours, streaming | ours, whole members | to libdeflate |", "|---|---|---|---|---|---|"]
    for kind, v in r["gzip"].items():
        put.append("| %s | %.0f | %.0f | %.0f | %.0f | **%.2f** |" % (kind, v["zlib"], v["libdeflate"], v["sluice_streaming"], v["sluice_whole_members"],
                                                                v["sluice_whole_members"] / v["libdeflate"]))
    if "wordpiece" in r:
        v = r["wordpiece"]
        put += ["\n## WordPiece: MB/s of text\n", "%s; asked: 2.\n" % r["wordpiece_of"], "| tokenizers | ours | ratio |", "|---|---|---|",
                "| %.1f | %.1f | **%.1f** |" % (v["tokenizers"], v["sluice"], v["sluice"] / v["tokenizers"])]
    return "\n".join(put) + "\n"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--build", default="build/release")
    p.add_argument("--pictures", help="a folder of photographs; without it scikit-learn's two")
    p.add_argument("--texts")
    p.add_argument("--tokenizer")
    p.add_argument("--rounds", type=int, default=3)
    args = p.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    r = {"date": datetime.date.today().isoformat(), "cpu": cpu, "cores": os.cpu_count(), "load": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as work:
        r["jpeg"], r["numbers"], r["gzip"] = jpeg(args, work), numbers(args), zipped(args, work)
    if args.texts and args.tokenizer:
        r["wordpiece"] = wordpiece(args)
        r["wordpiece_of"] = "%.1f MB of text in many languages, tokenizer '%s'" % (
            os.path.getsize(args.texts) / 1e6, os.path.basename(args.tokenizer.rstrip("/")))
    with open(HERE + "/results/data-rates.json", "w") as f:
        json.dump(r, f, indent=1)
        f.write("\n")
    with open(HERE + "/results/data-rates.md", "w") as f:
        f.write(markdown(r))
    print(markdown(r))


if __name__ == "__main__":
    main()
