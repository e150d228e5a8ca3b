#!/usr/bin/env python3
"""Writes cases of operators on texts and categories, which ONNX Runtime computes, for run_cases:

    make_ort_strings.py DIR

The node suite has few cases of ai.onnx.ml: here are mappings between all dtypes with defaults and NaN keys, one-hot
encoders, support vector machines of every kernel and post_transform, linear models, n-grams in all modes, tokenizers,
and texts through the operators that move elements.

Needs: pip install onnx onnxruntime numpy
"""
import itertools
import pathlib
import shutil
import sys

import numpy as np
from make_ort_cases import run, write
from onnx import TensorProto, helper, numpy_helper

ML = "ai.onnx.ml"
CODES = {np.dtype(object): TensorProto.STRING, np.dtype(np.float32): TensorProto.FLOAT,
         np.dtype(np.float64): TensorProto.DOUBLE, np.dtype(np.int64): TensorProto.INT64,
         np.dtype(np.int32): TensorProto.INT32, np.dtype(bool): TensorProto.BOOL}


def text(*values):
    return np.array(values, object)


class Cases:
    def __init__(self, root):
        self.root, self.failed = root, 0

    def add(self, group, name, op, inputs, outputs, domain="", opset=20, ml=3, tolerance=None, constants=(), **attrs):
        """`outputs`: dtypes. `constants`: names of inputs that the model holds."""
        attrs = {k: v for k, v in attrs.items() if v is not None}
        node = helper.make_node(op, list(inputs), [f"y{i}" for i in range(len(outputs))], domain=domain, **attrs)
        ports = [helper.make_tensor_value_info(k, CODES[v.dtype], [f"{k}_{d}" for d in range(v.ndim)])
                 for k, v in inputs.items() if k not in constants]
        results = [helper.make_tensor_value_info(f"y{i}", t, None) for i, t in enumerate(outputs)]
        held = [numpy_helper.from_array(inputs[k], k) for k in constants]
        graph = helper.make_graph([node], op, ports, results, held)
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid(ML, ml), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
        fed = {k: v for k, v in inputs.items() if k not in constants}
        try:
            values = run(model, fed)
        except Exception as error:  # noqa: BLE001
            self.failed += 1
            print(f"{group}/{name}: {type(error).__name__} {str(error)[:160]!r}")
            return
        write(self.root / group / name, model, fed, values, tolerance)


def encoders(c):
    words, whole = text("Köln", "a", "", "b", "a ", "zz"), np.array([3, -1, 7, 9, 3, 2**40], np.int64)
    real = np.array([0.5, np.nan, -0.0, 3, 0.1, np.inf], np.float32)
    numbers = np.nan_to_num(real, nan=3)
    keys = {"strings": (words, ["a", "Köln", ""]), "int64s": (whole, [3, 2**40, 7]), "floats": (numbers, [0.5, 3, 0])}
    values = {"strings": (["x", "y", "ü"], TensorProto.STRING), "int64s": ([5, 6, -7], TensorProto.INT64),
              "floats": ([0.5, 1e9, -2], TensorProto.FLOAT)}
    for (k, (x, key)), (v, (value, dtype)) in itertools.product(keys.items(), values.items()):
        for default in ({}, {"default_string": "none", "default_int64": -9, "default_float": -1.5}):
            c.add("LabelEncoder", f"{k}_{v}_{len(default)}", "LabelEncoder", {"x": x.reshape(2, 3)}, [dtype], ML,
                  **{f"keys_{k}": key, f"values_{v}": value}, **default)
    tensor = helper.make_tensor
    c.add("LabelEncoder", "double", "LabelEncoder", {"x": real.astype(np.float64)}, [TensorProto.DOUBLE], ML, ml=4,
          keys_tensor=tensor("k", TensorProto.DOUBLE, [2], [0.5, float("nan")]),
          values_tensor=tensor("v", TensorProto.DOUBLE, [2], [1, 2]),
          default_tensor=tensor("d", TensorProto.DOUBLE, [1], [0.25]))
    c.add("LabelEncoder", "string_to_tensor", "LabelEncoder", {"x": words}, [TensorProto.INT64], ML, ml=4,
          keys_tensor=tensor("k", TensorProto.STRING, [2], [b"a", "Köln".encode()]),
          values_tensor=tensor("v", TensorProto.INT64, [2], [1, 2]),
          default_tensor=tensor("d", TensorProto.INT64, [1], [-5]))
    for x, dtype in ((words, TensorProto.INT64), (np.array([0, 2, 9, -1], np.int64), TensorProto.STRING)):
        c.add("LabelEncoder", f"classes_{dtype}", "LabelEncoder", {"x": x}, [dtype], ML, ml=1,
              classes_strings=["b", "a", "Köln"], default_int64=-3, default_string="other")
        cats = {"cats_strings": ["b", "a", "Köln"], "cats_int64s": [2, 0, 40]}
        c.add("CategoryMapper", f"to_{dtype}", "CategoryMapper", {"x": x}, [dtype], ML, **cats, default_int64=-3,
              default_string="other")
        c.add("CategoryMapper", f"to_{dtype}_default", "CategoryMapper", {"x": x}, [dtype], ML, **cats)
    for name, x in (("string", words), ("int64", whole), ("float", real[[0, 3, 2]]), ("double", real[[3, 0]].astype(np.float64)),
                    ("int32", np.array([3, 1, 0], np.int32))):
        for shape in ((-1,), (-1, 1), (1, -1)):
            cats = {"cats_strings": ["a", "Köln", "q"]} if name == "string" else {"cats_int64s": [0, 3, 7]}
            c.add("OneHotEncoder", f"{name}_{len(shape)}_{shape[0]}", "OneHotEncoder", {"x": x.reshape(shape)},
                  [TensorProto.FLOAT], ML, **cats, zeros=1)


def machines(c, rng):
    width, each = 3, 4
    x = rng.normal(size=(40, width)).astype(np.float32)
    for kernel, classes, post, proba, labels in itertools.product(
            ("LINEAR", "POLY", "RBF", "SIGMOID"), (2, 3, 4), ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"), (0, 1), (0, 1)):
        if post != "NONE" and kernel not in ("LINEAR", "RBF"):
            continue
        pairs = classes * (classes - 1) // 2
        floats = lambda *shape: [float(v) for v in rng.normal(size=shape).astype(np.float32).ravel()]  # noqa: E731
        names = ["ja", "nein, nie", "viel leicht", "ü"][:classes]
        c.add("SVMClassifier", f"{kernel}_{classes}_{post}_{proba}_{labels}", "SVMClassifier", {"x": x},
              [TensorProto.STRING if labels else TensorProto.INT64, TensorProto.FLOAT], ML, tolerance=1e-4,
              kernel_type=kernel, kernel_params=[0.3, 0.2, 3.0], post_transform=post,
              support_vectors=floats(classes * each, width), vectors_per_class=[each] * classes,
              coefficients=floats(classes - 1, classes * each), rho=floats(pairs),
              prob_a=[-abs(v) for v in floats(pairs)] if proba else None, prob_b=floats(pairs) if proba else None,
              **({"classlabels_strings": names} if labels else {"classlabels_ints": [7, 3, 5, 1][:classes]}))
    for kernel, one_class in itertools.product(("LINEAR", "POLY", "RBF", "SIGMOID"), (0, 1)):
        for dtype in (np.float32, np.float64, np.int64):
            c.add("SVMRegressor", f"{kernel}_{one_class}_{np.dtype(dtype).name}", "SVMRegressor",
                  {"x": (x * 3).astype(dtype)}, [TensorProto.FLOAT], ML, tolerance=1e-4, kernel_type=kernel,
                  kernel_params=[0.3, 0.2, 2.0], one_class=one_class, n_supports=5, rho=[0.1],
                  support_vectors=[float(v) for v in rng.normal(size=5 * width)],
                  coefficients=[float(v) for v in rng.normal(size=5)])
    c.add("SVMRegressor", "no_vectors", "SVMRegressor", {"x": x}, [TensorProto.FLOAT], ML, coefficients=[0.5, -1.0, 2.0],
          rho=[0.25], n_supports=0)
    linear(c, rng, x, width)


def linear(c, rng, x, width):
    posts = ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT")
    for classes, post, multi, dtype in itertools.product((2, 3, 5), posts, (0, 1), (np.float32, np.int64, np.float64)):
        if post == "PROBIT" and classes == 2:
            continue  # ONNX Runtime leaves one of two scores unset
        lines = 1 if classes == 2 and not multi else classes
        if post == "PROBIT":
            coefficients, x_used = [0.01] * (lines * width), np.abs(x)
            rho = [0.2] * lines
        else:
            coefficients, x_used = [float(v) for v in rng.normal(size=lines * width)], x * 3
            rho = [float(v) for v in rng.normal(size=lines)]
        c.add("LinearClassifier", f"{classes}_{post}_{multi}_{np.dtype(dtype).name}", "LinearClassifier",
              {"x": x_used.astype(dtype)}, [TensorProto.INT64, TensorProto.FLOAT], ML,
              tolerance=3e-2 if post == "PROBIT" else 1e-4, coefficients=coefficients, intercepts=rho, multi_class=multi,
              post_transform=post, classlabels_ints=list(range(10, 10 + classes)))
    for targets, post in itertools.product((1, 3), posts):
        c.add("LinearRegressor", f"{targets}_{post}", "LinearRegressor", {"x": np.abs(x) / 9 + 0.05}, [TensorProto.FLOAT], ML,
              tolerance=3e-2 if post == "PROBIT" else 1e-4, coefficients=[0.3, 0.4, 0.2] * targets,
              intercepts=[0.1] * targets, targets=targets, post_transform=post)


def features(c, rng):
    for dtype in (np.float32, np.float64, np.int64, np.int32):
        name = np.dtype(dtype).name
        x = (rng.normal(size=(5, 4)) * 5).round().astype(dtype)
        x[2] = 0
        c.add("Scaler", name, "Scaler", {"x": x}, [TensorProto.FLOAT], ML, offset=[1.0, -2, 0, 0.5], scale=[2.0, 1, 0.1, 3])
        c.add("Scaler", name + "_one", "Scaler", {"x": x}, [TensorProto.FLOAT], ML, offset=[1.5], scale=[0.3])
        for norm in ("MAX", "L1", "L2"):
            c.add("Normalizer", f"{name}_{norm}", "Normalizer", {"x": x}, [TensorProto.FLOAT], ML, norm=norm)
        c.add("FeatureVectorizer", name, "FeatureVectorizer", {"x": x, "z": x[:, :2]}, [TensorProto.FLOAT], ML,
              inputdimensions=[4, 2])
        c.add("ArrayFeatureExtractor", name, "ArrayFeatureExtractor", {"x": x, "i": np.array([3, 0, 3], np.int64)},
              [CODES[x.dtype]], ML)
        if dtype == np.float32:
            c.add("Binarizer", name, "Binarizer", {"x": x}, [TensorProto.FLOAT], ML, threshold=1.0)
    words = text("a", "b", "ü", "", "d", "e").reshape(2, 3)
    c.add("ArrayFeatureExtractor", "string", "ArrayFeatureExtractor", {"x": words, "i": np.array([2, 0], np.int64)},
          [TensorProto.STRING], ML)
    x = np.array([[1, np.nan, 3], [np.nan, 0, 7]], np.float32)
    c.add("Imputer", "nan", "Imputer", {"x": x}, [TensorProto.FLOAT], ML, imputed_value_floats=[9.0, 8, 7],
          replaced_value_float=float("nan"))
    c.add("Imputer", "value", "Imputer", {"x": x}, [TensorProto.FLOAT], ML, imputed_value_floats=[9.0],
          replaced_value_float=7.0)
    c.add("Imputer", "int64", "Imputer", {"x": np.array([[1, 2], [3, 1]], np.int64)}, [TensorProto.INT64], ML,
          imputed_value_int64s=[5, 6], replaced_value_int64=1)


def grams(c, rng):
    words = text("a", "b", "c", "a", "b", "x", "a", "c", "c", "b", "a", "b").reshape(2, 6)
    numbers = np.array([{"a": 1, "b": 2, "c": 3, "x": 9}[w] for w in words.ravel()], np.int64).reshape(2, 6)
    pool, counts, columns = ["a", "b", "a", "b", "b", "c", "a", "b", "c"], [0, 2, 6], [2, 0, 1, 4, 3]
    as_int = [{"a": 1, "b": 2, "c": 3}[w] for w in pool]
    weights = [0.5, 2.0, 1.5, 3.0, 0.25]
    for mode, low, high, skip in itertools.product(("TF", "IDF", "TFIDF"), (1, 2, 3), (1, 2, 3), (0, 1, 5)):
        if low > high:
            continue
        for weighted, data in itertools.product((0, 1), ("strings", "int64s")):
            x = words if data == "strings" else numbers
            c.add("TfIdfVectorizer", f"{mode}_{low}{high}{skip}_{weighted}_{data}", "TfIdfVectorizer", {"x": x},
                  [TensorProto.FLOAT], mode=mode, min_gram_length=low, max_gram_length=high, max_skip_count=skip,
                  ngram_counts=counts, ngram_indexes=columns, weights=weights if weighted else None,
                  **{f"pool_{data}": pool if data == "strings" else as_int})
    documents = text("the cat sat", "", "  two  spaces ", "Straße & 9 x", "a,b;c", "ünï cödé", "...")
    for name, attrs in {"words": {"tokenexp": "[a-zA-Z0-9_]+"}, "any": {"tokenexp": "\\w+|[^\\w\\s]+"},
                        "pairs": {"tokenexp": "..?"}, "long": {"tokenexp": "[a-z]+", "mincharnum": 3},
                        "char": {"separators": [""]}, "spaces": {"separators": [" "]},
                        "many": {"separators": [" ", ",", ";", "[.]"]}}.items():
        for mark, shape in itertools.product((0, 1), ((-1,), (-1, 1))):
            attrs = {"mincharnum": 1, "pad_value": "#", **attrs}
            c.add("Tokenizer", f"{name}_{mark}_{len(shape)}", "Tokenizer", {"x": documents.reshape(shape)},
                  [TensorProto.STRING], "com.microsoft", constants=["x"], mark=mark, **attrs)


def texts(c):
    x = text("MiXed", "", "ÄÖÜ ß", "éè", "plain", "Zürich", "ǅ", "İ").reshape(2, 4)
    flat = x.ravel()
    for action, stop in itertools.product(("NONE", "LOWER", "UPPER"), (None, ["plain", "MIXED"])):
        for sensitive in (0, 1):
            c.add("StringNormalizer", f"{action}_{bool(stop)}_{sensitive}", "StringNormalizer", {"x": flat[:6]},
                  [TensorProto.STRING], case_change_action=action, is_case_sensitive=sensitive, stopwords=stop,
                  locale="C.UTF-8")
    string, i64 = [TensorProto.STRING], lambda *v: np.array(v, np.int64)
    c.add("moves", "Gather", "Gather", {"x": x, "i": i64(1, 0, 1)}, string, axis=1)
    c.add("moves", "Reshape", "Reshape", {"x": x, "s": i64(4, -1)}, string, constants=["s"])
    c.add("moves", "Concat", "Concat", {"x": x, "z": x[:1]}, string, axis=0)
    c.add("moves", "Transpose", "Transpose", {"x": x}, string, perm=[1, 0])
    c.add("moves", "Slice", "Slice", {"x": x, "a": i64(1), "b": i64(4)}, string, constants=["a", "b"])
    c.add("moves", "Tile", "Tile", {"x": x, "r": i64(2, 1)}, string, constants=["r"])
    c.add("moves", "Expand", "Expand", {"x": x[:, :1], "s": i64(2, 3)}, string, constants=["s"])
    c.add("moves", "Where", "Where", {"c": np.array([[True], [False]]), "x": x, "z": x[:, ::-1].copy()}, string)
    c.add("moves", "Equal", "Equal", {"x": x, "z": x[:, ::-1].copy()}, [TensorProto.BOOL])
    c.add("moves", "Split", "Split", {"x": x}, string * 2, axis=1, num_outputs=2)
    c.add("moves", "Squeeze", "Squeeze", {"x": x[:1], "a": i64(0)}, string, constants=["a"])
    c.add("moves", "Identity", "Identity", {"x": x}, string)
    c.add("moves", "GatherElements", "GatherElements", {"x": x, "i": i64(0, 3, 2, 1).reshape(2, 2)}, string, axis=1)
    for dtype, values in ((np.float32, ["1", "-2.5", "3e4", "nan", "inf", "0.1"]), (np.float64, ["1", "-2.5e-3", "0.1"]),
                          (np.int64, ["7", "-12", "0"]), (np.int32, ["7", "-12", "0"])):
        c.add("Cast", f"to_{np.dtype(dtype).name}", "Cast", {"x": text(*values)}, [CODES[np.dtype(dtype)]],
              to=CODES[np.dtype(dtype)])
    for x in (np.array([1, -2.5, 0.1, 1e9, 1e-7, 123456.789, np.nan, np.inf, -np.inf], np.float32),
              np.array([1, -2.5, 0.1, 1e9, 1 / 3], np.float64), np.array([7, -12, 2**40], np.int64), np.array([True, False])):
        c.add("Cast", f"from_{x.dtype.name}", "Cast", {"x": x}, string, to=TensorProto.STRING)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    root, rng = pathlib.Path(sys.argv[1]), np.random.default_rng(20240701)
    shutil.rmtree(root, ignore_errors=True)
    c = Cases(root)
    encoders(c)
    machines(c, rng)
    features(c, rng)
    grams(c, rng)
    texts(c)
    print(f"{sum(1 for _ in root.glob('*/*'))} cases in {root}, {c.failed} that ONNX Runtime does not run")


if __name__ == "__main__":
    main()
