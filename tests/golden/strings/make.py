#!/usr/bin/env python3
"""Writes two small text models, rows for them, and what ONNX Runtime makes of the rows, beside this file:

    table/  a scikit-learn pipeline over two text and two number columns, with text labels
    text/   tf-idf of words and pairs of words in front of a logistic regression

Needs: pip install onnx onnxruntime numpy scikit-learn skl2onnx
"""
import csv
import json
import pathlib
import sys

import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn import compose, impute, linear_model, pipeline, preprocessing
from sklearn.feature_extraction.text import TfidfVectorizer

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "onnx"))
from make_ort_cases import run  # noqa: E402

OPSETS = {"": 18, "ai.onnx.ml": 3}


def save(folder, exported, inputs):
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes(exported.SerializeToString())
    labels, scores = run(exported, inputs)
    with open(folder / "want.csv", "w", encoding="utf-8", newline="") as f:
        for label, row in zip(labels, scores):
            cells = ["\"" + str(label).replace("\"", "\"\"") + "\"" if set(label) & set(",\"") else str(label)]
            f.write(",".join(cells + [f"{x:.9g}" for x in row]) + "\n")


def table(rng, rows=60):
    cities = ["Köln", "São Paulo", 'the "Big" Apple', "a,b", "", "東京", " x "]
    age = np.round(rng.normal(40, 10, rows), 2).astype(np.float32)
    age[rng.random(rows) < 0.15] = np.nan
    x = np.empty((rows, 4), object)
    x[:, 0], x[:, 1], x[:, 2], x[:, 3] = (rng.choice(["male", "female"], rows), rng.choice(cities, rows), age,
                                          rng.integers(0, 9, rows))
    y = np.where((x[:, 0] == "male") & (x[:, 1] != "Köln") | (np.nan_to_num(age) > 45), 'so "ja"', "nein, nie")
    columns = compose.ColumnTransformer([
        ("text", preprocessing.OneHotEncoder(handle_unknown="ignore"), [0, 1]),
        ("number", pipeline.make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler()), [2]),
        ("count", preprocessing.StandardScaler(), [3])])
    model = pipeline.make_pipeline(columns, linear_model.LogisticRegression()).fit(x, y)
    exported = to_onnx(model, initial_types=[
        ("sex", StringTensorType([None, 1])), ("city", StringTensorType([None, 1])),
        ("age", FloatTensorType([None, 1])), ("visits", Int64TensorType([None, 1]))],
        options={id(model): {"zipmap": False}}, target_opset=OPSETS)
    x[5, 1] = "Nirgendwo"  # no category
    x[6, 0] = 'he said "no",\nand left'  # with a line end inside quotes, and no category
    save(HERE / "table", exported, {"sex": x[:, :1], "city": x[:, 1:2], "age": x[:, 2:3].astype(np.float32),
                                    "visits": x[:, 3:].astype(np.int64)})
    cells = [[r[0], r[1], "" if r[2] != r[2] else repr(float(np.float32(r[2]))), str(r[3])] for r in x]
    with open(HERE / "table" / "rows.csv", "w", encoding="utf-8", newline="") as f:
        csv.writer(f, lineterminator="\r\n").writerows(cells)
    with open(HERE / "table" / "named.csv", "w", encoding="utf-8", newline="") as f:
        writer = csv.writer(f, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerow(["visits", "id", "city", "sex", "age"])
        writer.writerows([r[3], f"id-{i}", r[1], r[0], r[2]] for i, r in enumerate(cells))
    (HERE / "table" / "transform.json").write_text('{"csv": {"empty_is_nan": true}}\n')


TEXTS = ["Das Wetter ist heute schön, sagt der Bericht.", "The model calls for more memory", "Memory, memory and more",
         "a b c d e f", "", "Heute schon wieder Regen!", "no-one knows; ask the model", "123 456 the 123",
         "the WEATHER report", "one  two   three\tfour", "schön schön schön", "x", 'she said "the model"',
         "two lines\nin one text", "Ärger im Wetter", "MORE RAM"]


def text():
    y = np.array(["wetter", "other"])[[0, 1, 1, 1, 1, 0, 1, 1, 0, 1, 0, 1, 1, 1, 0, 1]]
    x = np.array(TEXTS, object).reshape(-1, 1)
    words = TfidfVectorizer(ngram_range=(1, 2))
    model = pipeline.make_pipeline(words, linear_model.LogisticRegression(C=100)).fit(x[:, 0], y)
    exported = to_onnx(model, initial_types=[("text", StringTensorType([None, 1]))], target_opset=OPSETS,
                       options={id(model): {"zipmap": False}, id(words): {"locale": "C.UTF-8"}})
    save(HERE / "text", exported, {"text": x})
    with open(HERE / "text" / "rows.jsonl", "w", encoding="utf-8") as f:
        for i, line in enumerate(TEXTS):
            f.write(json.dumps(line, ensure_ascii=i % 2 == 0) + "\n")
    with open(HERE / "text" / "rows.csv", "w", encoding="utf-8", newline="") as f:
        csv.writer(f, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([t] for t in TEXTS)


if __name__ == "__main__":
    table(np.random.default_rng(7))
    text()
