"""The cases of make.py: for each format, files by its reference implementation and the lines expected for them.

A family is a generator of Case; with `small` it gives the few, small and always equal cases that are committed."""

import csv
import gzip
import io
import json
import os
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass, field

import numpy as np

FAMILIES = []


@dataclass
class Case:
    name: str
    inputs: dict
    files: dict
    want: dict
    values: int
    args: list = field(default_factory=list)
    transform: dict = None
    status: int = 0


def family(title, reference):
    def register(f):
        f.title, f.reference = title, reference
        FAMILIES.append(f)
        return f
    return register


def number(x):
    """As sluice writes it: the shortest text that reads back, a whole number without a point."""
    if isinstance(x, (bool, np.bool_)):
        return "1" if x else "0"
    if isinstance(x, (int, np.integer)):
        return str(int(x))
    x = np.float32(x) if isinstance(x, np.float16) else x
    text = repr(x.item() if isinstance(x, np.float64) else x) if isinstance(x, float) else str(x)
    return text[:-2] if text.endswith(".0") else text


def row_line(*rows):
    return ",".join(number(x) for row in rows for x in np.asarray(row).reshape(-1))


def random_array(rng, dtype, shape):
    r = np.random.default_rng(rng.getrandbits(32))
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return r.integers(0, 2, shape).astype(dtype)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return r.integers(info.min, info.max, shape, dtype=dtype.newbyteorder("="), endpoint=True).astype(dtype)
    x = r.standard_normal(shape) * 10.0 ** r.integers(-3, 4, shape)
    with np.errstate(over="ignore"):
        return x.astype(dtype)


def save_npy(array, version=None):
    out = io.BytesIO()
    np.lib.format.write_array(out, array, version=version, allow_pickle=False)
    return out.getvalue()


NAMES = {"f4": "float32", "f8": "float64", "f2": "float16", "i1": "int8", "i2": "int16", "i4": "int32", "i8": "int64",
         "u1": "uint8", "u2": "uint16", "u4": "uint32", "u8": "uint64", "b1": "bool"}


@family(".npy", "NumPy")
def npy(rng, small):
    codes = ["<f4", ">f8", "|u1", ">i2"] if small else [e + c for c in NAMES for e in "<>"]
    for i, code in enumerate(codes):
        for shape in ([(5, 3)] if small else [(1, 1), (7,), (300, 4), (0, 3), (33, 2, 3, 4)]):
            for order in "CF":
                for version in [(1, 0)] if small or shape != (7,) else [(1, 0), (2, 0), (3, 0)]:
                    a = np.asarray(random_array(rng, code, shape), order=order)
                    row = list(shape[1:]) or [1]
                    name = f"{code[0].replace('<', 'little_').replace('>', 'big_').replace('|', '')}{code[1:]}_{order}"
                    if not small:
                        name += f"_{'x'.join(map(str, shape))}_{version[0]}"
                    yield Case(name, {"x": (NAMES[code[1:]], row)}, {"a.npy": save_npy(a, version)},
                               {"a.npy": [row_line(r) for r in a]}, a.size)
    if small:
        return
    for to, codes in {"float32": ["u1", "i2", "b1", "f2"], "float64": ["f4", "i4", "u4"], "int64": ["i4", "u1", "f4"]}.items():
        for code in codes:
            a = random_array(rng, "<" + code, (200, 3))
            a = np.trunc(a) if to == "int64" and code == "f4" else a
            yield Case(f"{code}_as_{to}", {"x": (to, [3])}, {"a.npy": save_npy(a)},
                       {"a.npy": [row_line(r.astype(to)) for r in a]}, a.size)
    for order in "CF":
        a = np.asarray(random_array(rng, "f4", (40000, 50)), order=order)
        yield Case(f"large_{order}", {"x": ("float32", [50])}, {"a.npy": save_npy(a)},
                   {"a.npy": [row_line(r) for r in a]}, a.size)


@family(".npz", "NumPy")
def npz(rng, small):
    for save in (np.savez, np.savez_compressed):
        for count in [2] if small else [1, 2, 5, 64]:
            for rows in [4] if small else [1, 700]:
                arrays, inputs = {}, {}
                for i in range(count):
                    code = rng.choice(["<f4", "<f8", "<i8", ">f4", "|u1", ">i4"])
                    shape = (rows, *rng.choice([(), (3,), (2, 2)]))
                    order = "C" if save is np.savez_compressed else rng.choice("CF")
                    arrays[f"x{i}"] = np.asarray(random_array(rng, code, shape), order=order)
                    inputs[f"x{i}"] = (NAMES[code[1:]], list(shape[1:]) or [1])
                out = io.BytesIO()
                shuffled = list(arrays)
                rng.shuffle(shuffled)
                save(out, **{name: arrays[name] for name in shuffled})
                lines = [row_line(*(a[r] for a in arrays.values())) for r in range(rows)]
                yield Case(f"{save.__name__}_{count}" + ("" if small else f"_{rows}"), inputs, {"a.npz": out.getvalue()},
                           {"a.npz": lines}, sum(a.size for a in arrays.values()))


def json_text(rng, value, depth=0):
    """One of the many texts of a value: blanks anywhere, keys in any order, characters escaped or not."""
    gap = lambda: rng.choice(["", "", "", " ", "\n", "\r\n\t"])
    if isinstance(value, dict):
        body = ",".join(gap() + json_text(rng, k) + gap() + ":" + json_text(rng, v) for k, v in value.items())
        return gap() + "{" + body + gap() + "}" + gap()
    if isinstance(value, list):
        return gap() + "[" + ",".join(json_text(rng, v) for v in value) + gap() + "]" + gap()
    return gap() + json.dumps(value, ensure_ascii=rng.random() < 0.5) + gap()


@family("JSON", "Python's json")
def json_documents(rng, small):
    for kind in ["array", "instances", "inputs", "objects", "lists"]:
        for count in [3] if small else [0, 1, 40, 3000]:
            rows = [[round(rng.uniform(-9, 9), rng.randrange(8)) for _ in range(3)] for _ in range(count)]
            noise = {"note": 'a "quoted" \\ [text] {with} brackets', "deep": [[{"instances": [1, 2]}]], "n": None}
            named = [dict(list({"a": r[0], "b": r[1], "c": r[2]}.items()) + ([("d", noise)] if rng.random() < 0.3 else []))
                     for r in rows]
            for n in named:
                keys = list(n)
                rng.shuffle(keys)
                for k in keys:
                    n[k] = n.pop(k)
            if kind == "array":
                text = json_text(rng, named)
            elif kind in ("instances", "inputs"):
                members = [("signature_name", "x"), (kind, named), ("parameters", noise)]
                rng.shuffle(members)
                text = json_text(rng, dict(members))
            elif kind == "objects":
                text = "".join(json_text(rng, n) for n in named)
            else:
                text = json_text(rng, rows)
            transform = None if kind == "lists" else {"inputs": {"x": [{"columns": ["a", "b", "c"]}]}}
            assert kind == "objects" or json.loads(text) is not None
            yield Case(kind + ("" if small else f"_{count}"), {"x": ("float32", [3])}, {"a.json": text.encode()},
                       {"a.json": [row_line(np.float32(r)) for r in rows]}, 3 * count, transform=transform)


def random_text(rng, most=60):
    """Of many scripts, quotes and blanks; never blank itself."""
    pools = ["abc xyz,;", "\"'\\\t[]{}", "äöüßéñ", "привет", "日本語中文", "🙂🚀", "\u200d\u0301"]
    text = "".join(rng.choice(rng.choice(pools)) for _ in range(rng.randrange(1, most)))
    return text if text.strip(" \t") else text + "."


def text_cell(text):
    return '"' + text.replace('"', '""') + '"' if not text or any(c in text for c in ',"\r\n') else text


@family("text lines", "Python's str.split")
def text_lines(rng, small):
    for end in ["\n", "\r\n"]:
        for count in [4] if small else [1, 100, 5000]:
            texts = [random_text(rng) for _ in range(count)]
            last = rng.choice(["", end])
            data = end.join(texts) + last
            yield Case(f"{len(end)}" + ("" if small else f"_{count}"), {"t": ("str", [1])}, {"a.txt": data.encode()},
                       {"a.txt": [text_cell(t) for t in texts]}, count, args=["--content-type", "text/plain"])


def random_samples(rng, count):
    """Keys with their members; a member's bytes are a .npy row, a text, or noise that nobody asks for."""
    samples = []
    for i in range(count):
        row = random_array(rng, rng.choice(["<f4", ">f8", "<i2"]), (3,))
        members = [("npy", save_npy(row)), ("txt", random_text(rng).encode())]
        members += [(f"extra{k}", rng.randbytes(rng.randrange(50))) for k in range(rng.randrange(3))]
        rng.shuffle(members)
        samples.append((f"{rng.choice(['', 'd/', 'd/e/'])}{i:05d}", row, members))
    return samples


SAMPLE_INPUTS = {"x": ("float32", [3]), "t": ("str", [1])}
SAMPLE_CHAINS = {"inputs": {"x": [{"field": "npy"}, "tensor.decode"], "t": [{"field": "txt"}]}}


def sample_lines(samples):
    return [row_line(np.float32(row)) + "," + text_cell(dict(members)["txt"].decode()) for _, row, members in samples]


class Pipe(io.RawIOBase):
    """What cannot seek: zipfile writes sizes behind the data then."""

    def __init__(self):
        self.data = bytearray()

    def writable(self):
        return True

    def write(self, data):
        self.data += data
        return len(data)

    def getvalue(self):
        return bytes(self.data)


@family("zip", "Python's zipfile")
def zip_archives(rng, small):
    for method in [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]:
        for streamed in [False, True]:
            for count in [3] if small else [1, 50, 2000]:
                samples, out = random_samples(rng, count), Pipe() if streamed else io.BytesIO()
                with zipfile.ZipFile(out, "w", method) as z:
                    for key, _, members in samples:
                        for name, data in members:
                            info = zipfile.ZipInfo(f"{key}.{name}", (2020, 1, 1, 0, 0, 0))
                            info.compress_type = method
                            with z.open(info, "w", force_zip64=rng.random() < 0.2) as f:
                                f.write(data)
                    z.comment = b"PK" * rng.randrange(30)
                yield Case(f"{method}_{int(streamed)}" + ("" if small else f"_{count}"), SAMPLE_INPUTS,
                           {"a.zip": out.getvalue()}, {"a.zip": sample_lines(samples)}, 4 * count,
                           transform=SAMPLE_CHAINS)


@family("tar", "Python's tarfile")
def tar_archives(rng, small):
    for form in [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]:
        for packed in ["", ":gz"] if small else ["", ":gz", ":bz2", ":xz"]:
            for count in [2] if small else [1, 300]:
                samples, out = random_samples(rng, count), io.BytesIO()
                suffix = packed.replace(":", ".")
                with tarfile.open(fileobj=out, mode="w" + packed, format=form) as t:
                    for key, _, members in samples:
                        for name, data in members:
                            long = "x" * 120 + "/" if form != tarfile.USTAR_FORMAT and key.endswith("1") else ""
                            info = tarfile.TarInfo(f"{long}{key}.{name}")
                            info.size = len(data)
                            t.addfile(info, io.BytesIO(data))
                yield Case(f"{form}{suffix.replace('.', '_')}" + ("" if small else f"_{count}"), SAMPLE_INPUTS,
                           {"a.tar" + suffix: out.getvalue()}, {"a.tar" + suffix: sample_lines(samples)}, 4 * count,
                           transform=SAMPLE_CHAINS)


def write_tfrecord(rows):
    from tfrecord.writer import TFRecordWriter
    with tempfile.TemporaryDirectory() as work:
        path = os.path.join(work, "a")
        writer = TFRecordWriter(path)
        for row in rows:
            writer.write(row)
        writer.close()
        with open(path, "rb") as f:
            return f.read()


@family("TFRecord, tf.train.Example", "tfrecord (PyPI) with protobuf")
def tfrecord_examples(rng, small):
    for count in [3] if small else [0, 1, 5000]:
        for packed in [""] if small else ["", ".gz"]:
            rows, lines = [], []
            for _ in range(count):
                x = [float(np.float32(rng.uniform(-9, 9))) for _ in range(4)]
                ids = [rng.choice([0, 1, -1, 127, 128, 2**62, -(2**63), rng.getrandbits(40)]) for _ in range(3)]
                text = random_text(rng)
                row = {"x": (x, "float"), "ids": (ids, "int"), "text": (text.encode(), "byte"),
                       "noise": (rng.randbytes(rng.randrange(40)), "byte"), "empty": ([], "float")}
                keys = list(row)
                rng.shuffle(keys)
                rows.append({k: row[k] for k in keys})
                lines.append(row_line(np.float32(x)) + "," + row_line(np.array(ids)) + "," + text_cell(text))
            data = write_tfrecord(rows)
            yield Case("examples" + ("" if small else f"_{count}{packed.replace('.', '_')}"),
                       {"x": ("float32", [4]), "ids": ("int64", [3]), "text": ("str", [1])},
                       {"a.tfrecord" + packed: gzip.compress(data, mtime=0) if packed else data},
                       {"a.tfrecord" + packed: lines}, 8 * count)


@family("TFRecord with images", "tfrecord (PyPI) and raw pixels in PNG")
def tfrecord_images(rng, small):
    import struct
    import zlib
    count = 2 if small else 200
    rows, lines = [], []
    for _ in range(count):
        pixels = np.frombuffer(rng.randbytes(2 * 2 * 3), np.uint8).reshape(2, 2, 3)
        chunk = lambda kind, body: (struct.pack(">I", len(body)) + kind + body +
                                    struct.pack(">I", zlib.crc32(kind + body)))
        png = (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0)) +
               chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in pixels))) + chunk(b"IEND", b""))
        rows.append({"image/encoded": (png, "byte"), "image/class/label": (rng.randrange(1000), "int")})
        lines.append(row_line(pixels))
    chain = {"inputs": {"x": [{"field": "image/encoded"}, "image.decode", {"image.center_crop": {"size": 2}}]}}
    yield Case("png", {"x": ("uint8", [2, 2, 3])}, {"a.tfrecord": write_tfrecord(rows)}, {"a.tfrecord": lines}, 12 * count,
               transform=chain)


@family("RecordIO-protobuf", "sagemaker.amazon.common")
def recordio_protobuf(rng, small):
    from sagemaker.amazon import common
    for dtype in ["float32", "float64", "int32"]:
        for sparse in [False, True]:
            for count in [3] if small else [1, 1500]:
                rows = random_array(rng, dtype, (count, 7))
                rows = rows.astype(np.int64) if dtype == "int32" else rows  # which it writes as int32
                out = io.BytesIO()
                if sparse:
                    import scipy.sparse
                    rows = rows * np.array([[rng.random() < 0.4 for _ in range(7)] for _ in range(count)]).astype(rows.dtype)
                    common.write_spmatrix_to_sparse_tensor(out, scipy.sparse.csr_matrix(rows), np.arange(count) * 1.0)
                else:
                    common.write_numpy_to_dense_tensor(out, rows, np.arange(count) * 1.0 if rng.random() < 0.5 else None)
                yield Case(f"{dtype}_{int(sparse)}" + ("" if small else f"_{count}"), {"x": (dtype, [7])},
                           {"a.pbr": out.getvalue()}, {"a.pbr": [row_line(r + 0) for r in rows]}, 7 * count)


@family("libsvm", "scikit-learn's dump_svmlight_file")
def libsvm(rng, small):
    import scipy.sparse
    from sklearn.datasets import dump_svmlight_file
    for base in [0, 1]:
        for qid in [False, True]:
            for count in [3] if small else [1, 2000]:
                mask = np.array([[rng.random() < 0.4 for _ in range(9)] for _ in range(count)])
                rows, out = random_array(rng, "float64", (count, 9)) * mask, io.BytesIO()
                dump_svmlight_file(scipy.sparse.csr_matrix(rows), np.arange(count) - 1, out, zero_based=base == 0,
                                   comment=rng.choice([None, 'a "comment" 1:2']),
                                   query_id=np.arange(count) if qid else None)
                read = rows + 0.0
                for r, line in enumerate(x for x in out.getvalue().decode().splitlines() if not x.startswith("#")):
                    for key, value in (p.split(":") for p in line.split() if ":" in p and not p.startswith("qid")):
                        read[r, int(key) - base] = float(value)  # it writes 16 digits
                args = ["--content-type", f"text/libsvm;base={base}"] if base else []
                yield Case(f"{base}_{int(qid)}" + ("" if small else f"_{count}"), {"x": ("float64", [9])},
                           {"a.svm": out.getvalue()}, {"a.svm": [row_line(r) for r in read]}, 9 * count, args=args)


@family("CSV dialects", "Python's csv, strict")
def csv_dialects(rng, small):
    for suffix, delimiter in [("csv", ","), ("tsv", "\t"), ("csv", ";"), ("csv", "|")]:
        for quote in ['"', "'", ""] if not small else ['"', "'"]:
            for end in ["\n", "\r\n"]:
                for comment in ["", "#"]:
                    for header in [False, True]:
                        if small and ((comment == "") == header or (len(end) == 1) == (delimiter in ",|")):
                            continue
                        count = 4 if small else rng.choice([1, 30, 2000])
                        out = io.StringIO()
                        style = dict(delimiter=delimiter, lineterminator=end, strict=True)
                        if quote:
                            style.update(quotechar=quote, doublequote=True, quoting=csv.QUOTE_MINIMAL)
                        else:
                            style.update(quoting=csv.QUOTE_NONE, quotechar=None)
                        rows = []
                        for _ in range(count):
                            text = random_text(rng)
                            if not quote or rng.random() < 0.5:
                                text = "".join(c for c in text if c not in ",;|\t\"'\r\n#") or "x"
                            elif rng.random() < 0.3:
                                text += rng.choice([delimiter, quote, delimiter + quote]) + "end"
                            rows.append([float(np.float32(rng.uniform(-9, 9))), text])
                        if header:
                            csv.writer(out, **style).writerow(["x", "t"])
                        for i, row in enumerate(rows):
                            if comment and rng.random() < 0.2:
                                out.write(comment + " a 'comment' \"with\" , quotes" + end)
                            csv.writer(out, **style).writerow(row)
                        text = out.getvalue()
                        if not comment:
                            back = list(csv.reader(io.StringIO(text, newline=""), **style))[header:]
                            assert [b[1] for b in back] == [r[1] for r in rows]
                        mark = rng.choice(["", "\ufeff"])
                        dialect = {"header": header}
                        if delimiter == ";" or delimiter == "|":
                            dialect["delimiter"] = delimiter
                        if quote != '"':
                            dialect["quote"] = quote
                        if comment:
                            dialect["comment"] = comment
                        chain = {"inputs": {"x": [{"columns": [0]}], "t": [{"columns": [1]}]}, "csv": dialect}
                        kind = {'"': "double", "'": "single", "": "none"}[quote]
                        name = f"{suffix}_{ord(delimiter)}_{kind}_{len(end)}_{int(bool(comment))}{int(header)}"
                        yield Case(name, {"x": ("float32", [1]), "t": ("str", [1])},
                                   {"a." + suffix: (mark + text).encode()},
                                   {"a." + suffix: [number(np.float32(r[0])) + "," + text_cell(r[1]) for r in rows]},
                                   2 * count, transform=chain)


@family("WebDataset", "webdataset's TarWriter and its own reader")
def webdataset_shards(rng, small):
    import webdataset
    for count in [2] if small else [1, 400]:
        samples, path = random_samples(rng, count), tempfile.mktemp(suffix=".tar")
        with webdataset.TarWriter(path, encoder=False, mtime=0.0) as w:
            for key, _, members in samples:
                w.write({"__key__": key, **dict(members)})
        back = list(webdataset.WebDataset(path, shardshuffle=False))
        assert [b["__key__"] for b in back] == [key for key, _, _ in samples]
        lines = []
        for b in back:
            row = np.load(io.BytesIO(b["npy"]))
            lines.append(row_line(np.float32(row)) + "," + text_cell(b["txt"].decode()))
        with open(path, "rb") as f:
            data = f.read()
        os.remove(path)
        yield Case("tar" + ("" if small else f"_{count}"), SAMPLE_INPUTS, {"a.tar": data}, {"a.tar": lines}, 4 * count,
                   transform=SAMPLE_CHAINS)
