#!/usr/bin/env python3
"""Writes cases whose expected outputs ONNX Runtime computed, in the form run_cases reads:

    make_ort_cases.py DIR

- samples: every samples/*/model/model.onnx on random rows
- trees: random ensembles over all modes, missing values, aggregates, post_transforms and class counts
- sklearn: trained estimators through skl2onnx

Needs: pip install onnx onnxruntime numpy scikit-learn skl2onnx
"""
import pathlib
import shutil
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

REPO = pathlib.Path(__file__).resolve().parents[2]


def run(model, inputs):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def write(folder, model, inputs, outputs, tolerance=None):
    data = folder / "test_data_set_0"
    data.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    if tolerance:
        (folder / "tolerance").write_text(f"{tolerance}\n")
    for i, port in enumerate(model.graph.input):
        (data / f"input_{i}.pb").write_bytes(numpy_helper.from_array(inputs[port.name]).SerializeToString())
    for i, value in enumerate(outputs):
        if isinstance(value, np.ndarray):
            (data / f"output_{i}.pb").write_bytes(numpy_helper.from_array(value).SerializeToString())


def samples(root, rng):
    for path in sorted(REPO.glob("samples/*/model/model.onnx")):
        model = onnx.load(path)
        inputs = {}
        for port in model.graph.input:
            dims = [d.dim_value or 64 for d in port.type.tensor_type.shape.dim]
            inputs[port.name] = rng.normal(size=dims).astype(np.float32)
        write(root / "samples" / path.parts[-3], model, inputs, run(model, inputs))


def random_tree(rng, tree, depth, features, modes, nodes, leaves):
    """Appends one tree; ids are given out depth first."""
    count = 0

    def grow(level):
        nonlocal count
        node, count = count, count + 1
        if level == depth or (level and rng.random() < 0.2):
            nodes.append((tree, node, 0, 0.0, "LEAF", 0, 0, 0))
            leaves.append((tree, node))
            return node
        at = len(nodes)
        nodes.append(None)
        yes, no = grow(level + 1), grow(level + 1)
        nodes[at] = (tree, node, int(rng.integers(features)), np.float32(rng.integers(-3, 4) / 2),
                     str(rng.choice(modes)), yes, no, int(rng.random() < 0.5))
        return node

    grow(0)


def tree_model(rng, classes, post, modes, missing, positive, one_class, base, aggregate=None, trees=7):
    nodes, leaves, features = [], [], 5
    for tree in range(trees):
        random_tree(rng, tree, 4, features, modes, nodes, leaves)
    weights = []
    for tree, node in leaves:
        targets = [one_class] if one_class is not None else range(classes)
        for target in targets:
            weight = rng.random() if positive else rng.normal()
            weights.append((tree, node, target, np.float32(weight / trees)))
    attrs = dict(zip(("nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_values", "nodes_modes",
                      "nodes_truenodeids", "nodes_falsenodeids", "nodes_missing_value_tracks_true"),
                     map(list, zip(*nodes))))
    attrs["nodes_values"] = [float(v) for v in attrs["nodes_values"]]
    if not missing:
        del attrs["nodes_missing_value_tracks_true"]
    kind = "target" if aggregate else "class"
    for name, column in zip(("treeids", "nodeids", "ids", "weights"), zip(*weights)):
        attrs[f"{kind}_{name}"] = [float(x) if name == "weights" else int(x) for x in column]
    if base:
        attrs["base_values"] = [float(x) for x in rng.normal(size=base)]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", features])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, None)
    if aggregate:
        node = helper.make_node("TreeEnsembleRegressor", ["x"], ["scores"], domain="ai.onnx.ml", n_targets=classes,
                                aggregate_function=aggregate, post_transform=post, **attrs)
        outputs = [scores]
    else:
        node = helper.make_node("TreeEnsembleClassifier", ["x"], ["label", "scores"], domain="ai.onnx.ml",
                                classlabels_int64s=list(range(classes)), post_transform=post, **attrs)
        outputs = [helper.make_tensor_value_info("label", TensorProto.INT64, None), scores]
    graph = helper.make_graph([node], "trees", [x], outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)],
                              ir_version=8)
    data = rng.normal(size=(200, features)).astype(np.float32)
    data[rng.random(data.shape) < 0.3] = 0.5  # thresholds hit exactly
    data[rng.random(data.shape) < 0.05] = np.nan
    return model, {"x": data}


def trees(root, rng):
    leq, every = ["BRANCH_LEQ"], ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]
    count = 0
    for post in ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"):
        tolerance = 3e-2 if post == "PROBIT" else 2e-5  # ONNX Runtime's probit loses digits around 0.5
        for classes in (2, 3, 5):
            for positive in (False, True):
                if post == "PROBIT" and classes == 2:
                    continue  # ONNX Runtime leaves the second score unset
                for one_class in ((None, 0, 1) if classes == 2 else (None,)):
                    for base in (0, classes):
                        modes = every if count % 2 else leq
                        model, inputs = tree_model(rng, classes, post, modes, count % 3 == 0, positive, one_class, base)
                        write(root / "trees" / f"classifier_{count:03}_{post}_{classes}_{positive}_{one_class}_{base}",
                              model, inputs, run(model, inputs), tolerance)
                        count += 1
        for aggregate in ("SUM", "AVERAGE", "MIN", "MAX"):
            for targets in (1, 3):
                for base in (0, targets):
                    model, inputs = tree_model(rng, targets, post, every if count % 2 else leq, count % 3 == 0, False,
                                               None, base, aggregate)
                    write(root / "trees" / f"regressor_{count:03}_{post}_{aggregate}_{targets}_{base}", model, inputs,
                          run(model, inputs), tolerance)
                    count += 1


def sklearn_models(root, rng):
    from sklearn import datasets, ensemble, linear_model, naive_bayes, neural_network, pipeline, preprocessing, tree
    from sklearn.impute import SimpleImputer
    from skl2onnx import to_onnx

    two, three = datasets.load_breast_cancer(), datasets.load_iris()
    numbers = datasets.load_diabetes()
    estimators = {
        "logistic": linear_model.LogisticRegression(max_iter=5000),
        "sgd": linear_model.SGDClassifier(random_state=0),
        "tree": tree.DecisionTreeClassifier(random_state=0, max_depth=6),
        "forest": ensemble.RandomForestClassifier(random_state=0, n_estimators=20),
        "extra_trees": ensemble.ExtraTreesClassifier(random_state=0, n_estimators=20),
        "boosting": ensemble.GradientBoostingClassifier(random_state=0, n_estimators=20),
        "hist_boosting": ensemble.HistGradientBoostingClassifier(random_state=0, max_iter=20),
        "mlp": neural_network.MLPClassifier((16,), random_state=0, max_iter=200),
        "bayes": naive_bayes.GaussianNB(),
    }
    regressors = {
        "linear": linear_model.LinearRegression(),
        "forest": ensemble.RandomForestRegressor(random_state=0, n_estimators=20),
        "boosting": ensemble.GradientBoostingRegressor(random_state=0, n_estimators=20),
        "hist_boosting": ensemble.HistGradientBoostingRegressor(random_state=0, max_iter=20),
        "mlp": neural_network.MLPRegressor(hidden_layer_sizes=(16,), random_state=0, max_iter=200),
    }
    for kind, data, group in (("two", two, estimators), ("three", three, estimators), ("number", numbers, regressors)):
        for name, estimator in group.items():
            model = pipeline.make_pipeline(SimpleImputer(), preprocessing.StandardScaler(), estimator)
            x = data.data.astype(np.float32)
            model.fit(x, data.target)
            for zipmap in ((True, False) if kind != "number" else (False,)):
                options = {id(model): {"zipmap": zipmap}} if kind != "number" else None
                try:
                    exported = to_onnx(model, x[:1], options=options, target_opset={"": 18, "ai.onnx.ml": 3})
                except (TypeError, ValueError, RuntimeError) as error:  # pairs of versions that do not go together
                    print(f"{kind} {name}: skl2onnx cannot export it ({str(error)[:60]}...)")
                    continue
                inputs = {exported.graph.input[0].name: x}
                outputs = [v for v in run(exported, inputs)]
                write(root / "sklearn" / f"{kind}_{name}{'_zipmap' if zipmap else ''}", exported, inputs, outputs, 1e-4)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    root, rng = pathlib.Path(sys.argv[1]), np.random.default_rng(20240501)
    shutil.rmtree(root, ignore_errors=True)
    samples(root, rng)
    trees(root, rng)
    sklearn_models(root, rng)
    print(f"{sum(1 for _ in root.glob('*/*'))} cases in {root}, onnxruntime {onnxruntime.__version__}")


if __name__ == "__main__":
    main()
