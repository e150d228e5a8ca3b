#!/usr/bin/env python3
"""Writes cases of tree ensembles whose expected outputs ONNX Runtime computed, in the form run_cases reads:

    make_ort_trees.py DIR

- lightgbm, xgboost: trained models through onnxmltools: binary, multi-class, regression, ranking, categorical splits,
  missing values
- ensemble: random TreeEnsemble nodes of ai.onnx.ml 5, float and double, with set membership (of integers: ONNX Runtime
  has no other)

Needs: pip install onnx onnxruntime numpy scikit-learn skl2onnx onnxmltools lightgbm xgboost
"""
import pathlib
import sys
import warnings

import numpy as np
import onnx
from onnx import helper, numpy_helper

from make_ort_cases import run, write

warnings.filterwarnings("ignore")
ROWS = 300


def data(rng, classes, missing=0.0, features=12):
    from sklearn.datasets import make_classification

    x, y = make_classification(n_samples=2000, n_features=features, n_informative=8, n_classes=max(classes, 2),
                               random_state=1)
    x = x.astype(np.float32)
    if missing:
        x[rng.random(x.shape) < missing] = np.nan
    return x, y


def categories(rng, x):
    x = x.copy()
    for column in (0, 5):
        x[:, column] = rng.integers(0, 20, len(x))
    return x


def save(root, kind, name, convert, x):
    from onnxmltools.convert.common.data_types import FloatTensorType

    try:
        model = convert(FloatTensorType([None, x.shape[1]]))
    except Exception as error:  # pairs of versions that do not go together
        print(f"{kind} {name}: onnxmltools cannot convert it ({str(error)[:80]}...)")
        return
    inputs = {model.graph.input[0].name: x}
    write(root / kind / name, model, inputs, run(model, inputs), 1e-5)


def lightgbm_models(root, rng):
    import lightgbm
    from onnxmltools import convert_lightgbm

    def each(name, estimator, x, y, **fit):
        estimator.fit(x, y, **fit)
        for zipmap in ((True, False) if hasattr(estimator, "predict_proba") else (False,)):
            save(root, "lightgbm", f"{name}{'_zipmap' if zipmap else ''}",
                 lambda t: convert_lightgbm(estimator, initial_types=[("input", t)], zipmap=zipmap, target_opset=15),
                 x[:ROWS])

    common = {"n_estimators": 40, "verbose": -1, "n_jobs": 1, "random_state": 0}
    for missing in (0.0, 0.1):
        for classes in (2, 4):
            x, y = data(rng, classes, missing)
            end = f"_{classes}{'_missing' if missing else ''}"
            each("classifier" + end, lightgbm.LGBMClassifier(**common), x, y)
            each("zero_missing" + end, lightgbm.LGBMClassifier(zero_as_missing=True, **common), x, y)
            c = categories(rng, x)
            each("categorical" + end, lightgbm.LGBMClassifier(min_data_per_group=5, cat_smooth=1, **common), c, y,
                 categorical_feature=[0, 5])
        x, y = data(rng, 2, missing)
        target = np.nan_to_num(x).sum(axis=1) + y
        end = "_missing" if missing else ""
        each("regressor" + end, lightgbm.LGBMRegressor(**common), x, target)
        each("ranker" + end, lightgbm.LGBMRanker(**common), x, y, group=[100] * 20)
        each("forest" + end, lightgbm.LGBMClassifier(boosting_type="rf", bagging_freq=1, bagging_fraction=0.6, **common),
             x, y)
        for objective in ("poisson", "tweedie", "mae", "quantile"):
            each(objective + end, lightgbm.LGBMRegressor(objective=objective, **common), x, np.abs(target))


def xgboost_models(root, rng):
    import xgboost
    from onnxmltools import convert_xgboost

    def each(name, estimator, x, y, **fit):
        estimator.fit(x, y, **fit)
        save(root, "xgboost", name,
             lambda t: convert_xgboost(estimator, initial_types=[("input", t)], target_opset=15), x[:ROWS])

    common = {"n_estimators": 40, "n_jobs": 1, "random_state": 0, "max_depth": 5}
    for missing in (0.0, 0.1):
        end = "_missing" if missing else ""
        for classes in (2, 4):
            x, y = data(rng, classes, missing)
            each(f"classifier_{classes}{end}", xgboost.XGBClassifier(**common), x, y)
            each(f"forest_{classes}{end}", xgboost.XGBRFClassifier(**common), x, y)
        x, y = data(rng, 2, missing)
        target = np.nan_to_num(x).sum(axis=1) + y
        each("regressor" + end, xgboost.XGBRegressor(**common), x, target)
        each("ranker" + end, xgboost.XGBRanker(**common), x, y, group=[100] * 20)
        each("poisson" + end, xgboost.XGBRegressor(objective="count:poisson", **common), x, np.round(np.abs(target)))
        each("logistic" + end, xgboost.XGBRegressor(objective="reg:logistic", **common), x, y)
        each("deep" + end, xgboost.XGBClassifier(n_estimators=10, max_depth=14, n_jobs=1, min_child_weight=0), x, y)


def ensemble_node(rng, dtype, targets, aggregate, post, modes, trees=9, depth=5, features=6):
    nodes, leaves, members, roots = [], [], [], []

    def leaf():
        leaves.append((int(rng.integers(targets)), rng.normal()))
        return len(leaves) - 1

    def grow(level):
        at = len(nodes)
        mode = int(rng.choice(modes))
        split = float(rng.integers(-4, 25)) / 2 + (0.1 if rng.random() < 0.5 else 0)
        nodes.append([int(rng.integers(features)), mode, split, 0, 0, 0, 0, int(rng.random() < 0.5)])
        if mode == 6:
            members.append((at, rng.choice(12, rng.integers(1, 5), replace=False) + 1.0))
        for side in (0, 1):
            ends = level == depth or (level and rng.random() < 0.25)
            child = leaf() if ends else grow(level + 1)
            nodes[at][3 + side], nodes[at][5 + side] = child, int(ends)
        return at

    for _ in range(trees):
        roots.append(grow(0))
    column = list(zip(*nodes))
    attrs = dict(n_targets=targets, aggregate_function=aggregate, post_transform=post, tree_roots=roots,
                 nodes_featureids=column[0], nodes_truenodeids=column[3], nodes_falsenodeids=column[4],
                 nodes_trueleafs=column[5], nodes_falseleafs=column[6], nodes_missing_value_tracks_true=column[7],
                 leaf_targetids=[t for t, _ in leaves],
                 nodes_modes=numpy_helper.from_array(np.array(column[1], np.uint8), "modes"),
                 nodes_splits=numpy_helper.from_array(np.array(column[2], dtype), "splits"),
                 leaf_weights=numpy_helper.from_array(np.array([w for _, w in leaves], dtype), "weights"))
    if members:
        values = np.concatenate([np.append(v, np.nan) for _, v in sorted(members, key=lambda m: m[0])])
        attrs["membership_values"] = numpy_helper.from_array(values.astype(dtype), "members")
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    node = helper.make_node("TreeEnsemble", ["x"], ["y"], domain="ai.onnx.ml", **attrs)
    graph = helper.make_graph([node], "trees", [helper.make_tensor_value_info("x", kind, ["n", features])],
                              [helper.make_tensor_value_info("y", kind, ["n", targets])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 5)],
                              ir_version=8)
    x = rng.integers(-6, 26, size=(200, features)) / 2
    x[rng.random(x.shape) < 0.2] += 0.1
    x[rng.random(x.shape) < 0.05] = np.nan
    return model, {"x": x.astype(dtype)}


def ensembles(root, rng):
    modes = {"leq": [0], "comparisons": [0, 1, 2, 3], "all": [0, 1, 2, 3, 4, 5, 6], "members": [6]}
    for dtype in (np.float32, np.float64):
        for kind, choice in modes.items():
            for targets in (1, 3):
                for aggregate in range(4):
                    for post in range(5):
                        model, inputs = ensemble_node(rng, dtype, targets, aggregate, post, choice)
                        # ONNX Runtime 1.32 takes 1 for LOGISTIC and 2 for SOFTMAX, the other way round
                        theirs = onnx.ModelProto.FromString(model.SerializeToString())
                        for attr in theirs.graph.node[0].attribute:
                            if attr.name == "post_transform" and post in (1, 2):
                                attr.i = 3 - post
                        name = f"{np.dtype(dtype).name}_{kind}_{targets}_{aggregate}_{post}"
                        write(root / "ensemble" / name, model, inputs, run(theirs, inputs), 3e-2 if post == 4 else 2e-5)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    root, rng = pathlib.Path(sys.argv[1]), np.random.default_rng(20261124)
    ensembles(root, rng)
    lightgbm_models(root, rng)
    xgboost_models(root, rng)


if __name__ == "__main__":
    main()
