#!/usr/bin/env python3
"""The transform `features` beside scikit-learn, NumPy and pandas: a table of many rows through `sluice run` and a model
that returns what it gets.

    compare.py SLUICE [ROWS]

SimpleImputer with indicator, StandardScaler, MinMaxScaler, OneHotEncoder, OrdinalEncoder, FeatureHasher, numpy.digitize
and pandas' dates; CSV and JSON Lines. Prints how many numbers were compared and how many differ. Needs: pip install
scikit-learn pandas onnx numpy."""
import csv
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import pandas as pd
from onnx import TensorProto, helper
from sklearn.feature_extraction import FeatureHasher
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler

CITIES = ["Rome", "Zürich", "São Paulo", "a,b", 'say "hi"', "東京", "x" * 40, "O'Brien", "", "New\tTown"]
SIZES = ["S", "M", "L", "XL"]


def table(rows, rng):
    days = pd.to_datetime(rng.integers(-3000 * 86400, 30000 * 86400, rows), unit="s")
    return pd.DataFrame({
        "age": np.where(rng.random(rows) < 0.1, np.nan, np.round(rng.normal(40, 15, rows), 3)),
        "income": np.round(rng.lognormal(10, 1, rows), 2), "height": rng.integers(140, 210, rows).astype(float),
        "sex": rng.choice(["male", "female", "other"], rows), "size": rng.choice(SIZES + ["?"], rows),
        "city": rng.choice(CITIES, rows), "day": days.strftime("%Y-%m-%d"), "when": days.strftime("%d/%m/%Y %H:%M:%S")})


def expected(t):
    imputer = SimpleImputer(strategy="mean", add_indicator=True).fit(t[["age"]])
    age = imputer.transform(t[["age"]])
    standard = StandardScaler().fit(age[:, :1])
    least = MinMaxScaler().fit(t[["height"]])
    edges = np.quantile(t["income"], [0.2, 0.5, 0.9])
    hot = OneHotEncoder(categories=[["female", "male"]], handle_unknown="ignore", sparse_output=False).fit(t[["sex"]])
    order = OrdinalEncoder(categories=[SIZES], handle_unknown="use_encoded_value", unknown_value=-1).fit(t[["size"]])
    hashed = FeatureHasher(16).transform([{"city": c} if c else {} for c in t["city"]]).toarray()
    day, when = pd.to_datetime(t["day"]), pd.to_datetime(t["when"], format="%d/%m/%Y %H:%M:%S")
    columns = [standard.transform(age[:, :1]), age[:, 1:], least.transform(t[["height"]]), hot.transform(t[["sex"]]),
               order.transform(t[["size"]]), hashed, np.digitize(t["income"], edges)[:, None],
               np.eye(4)[np.digitize(t["income"], edges, right=True)],
               np.stack([day.dt.year, day.dt.month, day.dt.day, day.dt.day_of_week, day.dt.day_of_year], 1),
               np.stack([when.dt.hour, when.dt.minute, when.dt.second,
                         (when - pd.Timestamp(0)).dt.total_seconds() / 86400], 1)]
    mean, deviation = float(standard.mean_[0]), float(standard.scale_[0])
    steps = [{"column": "age", "impute": float(imputer.statistics_[0]), "indicator": 1, "standardize": [mean, deviation]},
             {"column": "height", "min_max": [float(least.data_min_[0]), float(least.data_max_[0])]},
             {"column": "sex", "one_hot": ["female", "male"]}, {"column": "size", "ordinal": SIZES, "unknown": -1},
             {"column": "city", "hash": 16}, {"column": "income", "bucket": edges.tolist()},
             {"column": "income", "bucket": edges.tolist(), "side": "right", "encode": "one_hot"},
             {"column": "day", "date": "iso", "parts": ["year", "month", "day", "weekday", "day_of_year"]},
             {"column": "when", "date": "%d/%m/%Y %H:%M:%S", "parts": ["hour", "minute", "second", "days"]}]
    return np.concatenate(columns, 1).astype(np.float32), steps


def model(folder, width, steps, header):
    info = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "same", [info("x")], [info("y")])
    folder.mkdir()
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "model.onnx")
    config = {"inputs": {"x": [{"features": steps}]}, "outputs": [{"from": "y"}]}
    (folder / "transform.json").write_text(json.dumps(dict(config, csv={"header": True}) if header else config))


def main():
    sluice, rows = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20000
    t = table(rows, np.random.default_rng(3))
    want, steps = expected(t)
    differ = 0
    with tempfile.TemporaryDirectory() as temporary:
        root = pathlib.Path(temporary)
        for kind in ("csv", "jsonl"):
            model(root / kind, want.shape[1], steps, kind == "csv")
            data = root / f"rows.{kind}"
            if kind == "csv":
                t.to_csv(data, index=False, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
            else:
                data.write_text("".join(json.dumps({k: None if isinstance(v, float) and np.isnan(v) else v for k, v in r.items()},
                                                   ensure_ascii=False) + "\n" for r in t.to_dict("records")))
            subprocess.run([sluice, "run", root / kind, data, root / f"out-{kind}", "-q"], check=True)
            got = np.loadtxt(root / f"out-{kind}" / f"rows.{kind}.out", delimiter=",", dtype=np.float32)
            wrong = ~np.isclose(got, want, rtol=1e-6, atol=1e-6)
            print(f"{kind}: {rows} rows, {want.size} numbers, {wrong.sum()} differ")
            for r, c in np.argwhere(wrong)[:5]:
                print(f"  row {r} column {c}: {got[r, c]!r}, expected {want[r, c]!r}")
            differ += int(wrong.sum())
    return differ != 0


if __name__ == "__main__":
    sys.exit(main())
