#!/usr/bin/env python3
"""Writes scikit-learn pipelines exported by skl2onnx, with what ONNX Runtime makes of them, as cases for run_cases:

    make_ort_sklearn.py DIR

- estimators: one of each kind, classifiers with two and three classes and with text labels
- preprocessing: scalers, encoders, imputers, decompositions
- table: ColumnTransformers over text and number columns, an input of shape [N,1] for each
- text: CountVectorizer and TfidfVectorizer in front of classifiers

Needs: pip install onnx onnxruntime numpy scikit-learn skl2onnx
"""
import pathlib
import shutil
import sys
import warnings

import numpy as np
from make_ort_cases import run, write
from skl2onnx import to_onnx
from skl2onnx.common.data_types import (DoubleTensorType, FloatTensorType, Int64TensorType,  # noqa: F401
                                        StringTensorType)
from sklearn import (calibration, cluster, compose, datasets, decomposition, discriminant_analysis, ensemble,
                     feature_extraction, feature_selection, gaussian_process, impute, linear_model,
                     mixture, multiclass, multioutput, naive_bayes, neighbors, neural_network, pipeline, preprocessing, svm,
                     tree)

OPSETS = {"": 18, "ai.onnx.ml": 3}


def save(folder, model, inputs, tolerance=1e-4, types=None, options=None):
    """Exports, runs, writes; what this pair of versions cannot export is said, not written."""
    types = types or [("x", FloatTensorType([None, next(iter(inputs.values())).shape[1]]))]
    try:
        exported = to_onnx(model, initial_types=types, options=options, target_opset=OPSETS)
        outputs = run(exported, inputs)
    except Exception as error:  # noqa: BLE001  skl2onnx raises anything
        print(f"{folder.name}: not exported or not run: {type(error).__name__} {str(error)[:90]!r}")
        return
    write(folder, exported, inputs, outputs, tolerance)


def classifiers():
    yield "logistic", linear_model.LogisticRegression(max_iter=2000)
    yield "logistic_ovr", multiclass.OneVsRestClassifier(linear_model.LogisticRegression(max_iter=2000))
    yield "logistic_cv", linear_model.LogisticRegressionCV(cv=2, max_iter=2000)
    yield "linear_svc", svm.LinearSVC(max_iter=5000)
    for kernel in ("linear", "poly", "rbf", "sigmoid"):
        yield f"svc_{kernel}", svm.SVC(kernel=kernel)
        yield f"svc_{kernel}_probability", svm.SVC(kernel=kernel, probability=True, random_state=0)
    yield "svc_ovo", svm.SVC(decision_function_shape="ovo")
    yield "nu_svc", svm.NuSVC(nu=0.2)
    yield "sgd_hinge", linear_model.SGDClassifier(random_state=0)
    yield "sgd_log", linear_model.SGDClassifier(loss="log_loss", random_state=0)
    yield "sgd_huber", linear_model.SGDClassifier(loss="modified_huber", random_state=0)
    yield "perceptron", linear_model.Perceptron(random_state=0)
    yield "ridge", linear_model.RidgeClassifier()
    yield "passive_aggressive", linear_model.PassiveAggressiveClassifier(random_state=0)
    yield "knn", neighbors.KNeighborsClassifier(5)
    yield "knn_distance", neighbors.KNeighborsClassifier(3, weights="distance")
    yield "radius", neighbors.RadiusNeighborsClassifier(8.0)
    yield "gaussian_nb", naive_bayes.GaussianNB()
    yield "bernoulli_nb", naive_bayes.BernoulliNB()
    yield "mlp", neural_network.MLPClassifier((8,), random_state=0, max_iter=300)
    yield "lda", discriminant_analysis.LinearDiscriminantAnalysis()
    yield "qda", discriminant_analysis.QuadraticDiscriminantAnalysis(reg_param=0.1)
    yield "tree", tree.DecisionTreeClassifier(random_state=0, max_depth=5)
    yield "extra_tree", tree.ExtraTreeClassifier(random_state=0, max_depth=5)
    yield "forest", ensemble.RandomForestClassifier(12, random_state=0)
    yield "extra_trees", ensemble.ExtraTreesClassifier(12, random_state=0)
    yield "boosting", ensemble.GradientBoostingClassifier(n_estimators=12, random_state=0)
    yield "hist_boosting", ensemble.HistGradientBoostingClassifier(max_iter=12, random_state=0)
    yield "ada", ensemble.AdaBoostClassifier(n_estimators=10, random_state=0)
    yield "bagging", ensemble.BaggingClassifier(tree.DecisionTreeClassifier(max_depth=4), 6, random_state=0)
    voters = [("l", linear_model.LogisticRegression()), ("t", tree.DecisionTreeClassifier(max_depth=3)),
              ("b", naive_bayes.GaussianNB())]
    yield "voting_soft", ensemble.VotingClassifier(voters, voting="soft", flatten_transform=False)
    yield "voting_hard", ensemble.VotingClassifier(voters, voting="hard", flatten_transform=False)
    yield "stacking", ensemble.StackingClassifier(voters, cv=2)
    yield "calibrated_sigmoid", calibration.CalibratedClassifierCV(svm.LinearSVC(), cv=2)
    yield "calibrated_isotonic", calibration.CalibratedClassifierCV(naive_bayes.GaussianNB(), cv=2, method="isotonic")
    yield "ovo", multiclass.OneVsOneClassifier(linear_model.LogisticRegression())


def regressors():
    yield "linear", linear_model.LinearRegression()
    yield "ridge", linear_model.Ridge()
    yield "ridge_cv", linear_model.RidgeCV()
    yield "lasso", linear_model.Lasso()
    yield "lasso_lars", linear_model.LassoLars()
    yield "elastic_net", linear_model.ElasticNet()
    yield "bayesian_ridge", linear_model.BayesianRidge()
    yield "ard", linear_model.ARDRegression()
    yield "huber", linear_model.HuberRegressor(max_iter=1000)
    yield "theil_sen", linear_model.TheilSenRegressor(random_state=0, max_subpopulation=200)
    yield "ransac", linear_model.RANSACRegressor(random_state=0)
    yield "sgd", linear_model.SGDRegressor(random_state=0)
    yield "poisson", linear_model.PoissonRegressor()
    yield "tweedie", linear_model.TweedieRegressor(power=0)
    yield "quantile", linear_model.QuantileRegressor(alpha=0.1, solver="highs")
    for kernel in ("linear", "poly", "rbf", "sigmoid"):
        yield f"svr_{kernel}", svm.SVR(kernel=kernel)
    yield "nu_svr", svm.NuSVR()
    yield "linear_svr", svm.LinearSVR(random_state=0, max_iter=5000)
    yield "knn", neighbors.KNeighborsRegressor(4)
    yield "knn_distance", neighbors.KNeighborsRegressor(4, weights="distance")
    yield "radius", neighbors.RadiusNeighborsRegressor(9.0)
    yield "mlp", neural_network.MLPRegressor(hidden_layer_sizes=(8,), random_state=0, max_iter=500)
    yield "gaussian_process", gaussian_process.GaussianProcessRegressor(gaussian_process.kernels.RBF(3.0), alpha=1.0)
    yield "tree", tree.DecisionTreeRegressor(random_state=0, max_depth=5)
    yield "forest", ensemble.RandomForestRegressor(12, random_state=0)
    yield "boosting", ensemble.GradientBoostingRegressor(n_estimators=12, random_state=0)
    yield "hist_boosting", ensemble.HistGradientBoostingRegressor(max_iter=12, random_state=0)
    yield "ada", ensemble.AdaBoostRegressor(n_estimators=6, random_state=0)
    yield "bagging", ensemble.BaggingRegressor(tree.DecisionTreeRegressor(max_depth=4), 6, random_state=0)
    pair = [("l", linear_model.Ridge()), ("t", tree.DecisionTreeRegressor(max_depth=3))]
    yield "voting", ensemble.VotingRegressor(pair)
    yield "stacking", ensemble.StackingRegressor(pair, cv=2)
    yield "multi_output", multioutput.MultiOutputRegressor(linear_model.Ridge())


def others():
    yield "kmeans", cluster.KMeans(3, n_init=2, random_state=0)
    yield "mini_kmeans", cluster.MiniBatchKMeans(3, n_init=2, random_state=0)
    yield "isolation_forest", ensemble.IsolationForest(n_estimators=10, random_state=0)
    yield "lof", neighbors.LocalOutlierFactor(novelty=True)
    yield "one_class_svm", svm.OneClassSVM()
    yield "gaussian_mixture", mixture.GaussianMixture(3, random_state=0)
    yield "bayesian_mixture", mixture.BayesianGaussianMixture(n_components=3, random_state=0)


def transformers():
    p = preprocessing
    yield "standard", p.StandardScaler()
    yield "standard_mean", p.StandardScaler(with_std=False)
    yield "min_max", p.MinMaxScaler(clip=True)
    yield "robust", p.RobustScaler()
    yield "max_abs", p.MaxAbsScaler()
    for norm in ("l1", "l2", "max"):
        yield f"normalizer_{norm}", p.Normalizer(norm)
    yield "binarizer", p.Binarizer(threshold=0.3)
    yield "power_yeo_johnson", p.PowerTransformer()
    yield "quantile", p.QuantileTransformer(n_quantiles=20, random_state=0)
    for encode in ("ordinal", "onehot-dense"):
        yield f"k_bins_{encode}", p.KBinsDiscretizer(4, encode=encode, quantile_method="averaged_inverted_cdf")
    yield "polynomial", p.PolynomialFeatures(2)
    yield "function", p.FunctionTransformer()
    yield "pca", decomposition.PCA(2)
    yield "pca_whiten", decomposition.PCA(2, whiten=True)
    yield "truncated_svd", decomposition.TruncatedSVD(2, random_state=0)
    yield "incremental_pca", decomposition.IncrementalPCA(2)
    yield "kernel_pca", decomposition.KernelPCA(2, kernel="rbf")
    yield "random_projection", __import__("sklearn.random_projection").random_projection.GaussianRandomProjection(
        2, random_state=0)
    yield "variance_threshold", feature_selection.VarianceThreshold(0.5)
    yield "imputer_mean", impute.SimpleImputer()
    yield "imputer_median", impute.SimpleImputer(strategy="median")
    yield "imputer_constant", impute.SimpleImputer(strategy="constant", fill_value=-1, add_indicator=False)
    yield "imputer_knn", impute.KNNImputer()
    yield "feature_union", pipeline.FeatureUnion([("s", p.StandardScaler()), ("p", decomposition.PCA(2))])


def estimators(root):
    three, two, numbers = datasets.load_iris(), datasets.load_breast_cancer(), datasets.load_diabetes()
    names = np.array(["klein", "groß, rund", 'so "genannt"'])
    data = {"two": (two.data[:300, :6], two.target[:300]), "three": (three.data, three.target),
            "text_label": (three.data, names[three.target])}
    for kind, (x, y) in data.items():
        for name, estimator in classifiers():
            if kind == "text_label" and name in ("hist_boosting", "ada"):
                continue  # what skl2onnx writes for these two takes numbers for labels
            alone = name == "linear_svc"  # skl2onnx cannot export it behind another step
            model = (estimator if alone else pipeline.make_pipeline(preprocessing.StandardScaler(), estimator)).fit(x, y)
            has_scores = hasattr(model, "predict_proba")
            save(root / "classifiers" / f"{kind}_{name}", model, {"x": x.astype(np.float32)},
                 options={id(model): {"zipmap": False}} if has_scores else None)
    x = numbers.data * 10
    for name, estimator in regressors():
        y = np.stack([numbers.target, -numbers.target], 1) if name == "multi_output" else numbers.target
        model = pipeline.make_pipeline(preprocessing.StandardScaler(), estimator).fit(x, y)
        save(root / "regressors" / name, model, {"x": x[:200].astype(np.float32)})
    for name, estimator in others():
        x = preprocessing.StandardScaler().fit_transform(three.data).astype(np.float32)
        save(root / "others" / name, estimator.fit(x), {"x": x})
    for zipmap in (True, "columns"):
        model = linear_model.LogisticRegression(max_iter=2000).fit(three.data, names[three.target])
        save(root / "classifiers" / f"zipmap_{zipmap}".lower(), model, {"x": three.data.astype(np.float32)},
             options={id(model): {"zipmap": zipmap}})


def preprocessors(root, rng):
    x = datasets.load_iris().data
    for name, transformer in transformers():
        data = x.copy()
        if name == "imputer_knn":  # iris has many equal distances, and which of them comes first hangs on rounding
            data += np.random.default_rng(1).normal(0, 0.02, data.shape)
        if name.startswith(("imputer", "missing")):
            data[rng.random(data.shape) < 0.1] = np.nan
        transformer.fit(data.astype(np.float32).astype(np.float64))
        save(root / "transformers" / name, transformer, {"x": data.astype(np.float32)})
    double = preprocessing.StandardScaler().fit(x)
    save(root / "transformers" / "standard_double", double, {"x": x}, types=[("x", DoubleTensorType([None, 4]))])
    ints = rng.integers(0, 5, (60, 3))
    for name, encoder in (("one_hot_int", preprocessing.OneHotEncoder(handle_unknown="ignore")),
                          ("ordinal_int", preprocessing.OrdinalEncoder())):
        save(root / "transformers" / name, encoder.fit(ints), {"x": ints.astype(np.int64)},
             types=[("x", Int64TensorType([None, 3]))])


def table(root, rng):
    rows = 200
    cities = ["Köln", "São Paulo", 'the "Big" Apple', "a,b", "", "東京"]
    columns = {"sex": rng.choice(["male", "female"], rows), "city": rng.choice(cities, rows),
               "age": rng.normal(40, 10, rows).astype(np.float32), "visits": rng.integers(0, 9, rows)}
    columns["age"][rng.random(rows) < 0.1] = np.nan
    x = np.empty((rows, 4), object)
    for i, values in enumerate(columns.values()):
        x[:, i] = values
    label = np.where((x[:, 0] == "male") & (x[:, 1] != "Köln") | (np.nan_to_num(columns["age"]) > 45), "ja", "nein")
    inputs = {name: x[:, i:i + 1].astype(object if i < 2 else np.float32 if i == 2 else np.int64)
              for i, name in enumerate(columns)}
    inputs["city"][3, 0] = "nowhere"  # unknown to every encoder
    types = [("sex", StringTensorType([None, 1])), ("city", StringTensorType([None, 1])),
             ("age", FloatTensorType([None, 1])), ("visits", Int64TensorType([None, 1]))]
    numeric = pipeline.make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler())
    encoders = {
        "one_hot": preprocessing.OneHotEncoder(handle_unknown="ignore"),
        "one_hot_first": preprocessing.OneHotEncoder(handle_unknown="ignore", drop="first"),
        "ordinal": preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        "imputed": pipeline.make_pipeline(impute.SimpleImputer(strategy="most_frequent", missing_values=""),
                                          preprocessing.OneHotEncoder(handle_unknown="ignore")),
        "target": preprocessing.TargetEncoder(random_state=0),
    }
    finals = {"logistic": linear_model.LogisticRegression(max_iter=1000),
              "forest": ensemble.RandomForestClassifier(8, random_state=0),
              "svc": svm.SVC(probability=True, random_state=0)}
    for encoder_name, encoder in encoders.items():
        for final_name, final in finals.items():
            columns_of = compose.ColumnTransformer(
                [("text", encoder, [0, 1]), ("numbers", numeric, [2]), ("count", preprocessing.StandardScaler(), [3])],
                sparse_threshold=0)
            model = pipeline.Pipeline([("columns", columns_of), ("final", final)])
            try:
                model.fit(x, label)
            except (TypeError, ValueError) as error:
                print(f"{encoder_name}: not fitted: {str(error)[:90]!r}")
                continue
            save(root / "table" / f"{encoder_name}_{final_name}", model, inputs, types=types,
                 options={id(model): {"zipmap": False}})
    labels = preprocessing.LabelEncoder().fit(x[:, 0])
    save(root / "table" / "label_encoder", labels, {"x": inputs["sex"]}, types=[("x", StringTensorType([None, 1]))])


TEXTS = ["Das Wetter ist heute schön, sagt der Bericht.", "the model calls for more memory", "Memory, memory and more",
         "a b c d e f", "", "heute schon wieder Regen!", "no-one knows; ask the model", "123 456 the 123", "UPPER lower UpPer",
         "one  two   three\tfour", "schön schön schön", "x"]


def text(root):
    label = np.array(["wetter", "other"])[[0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1]]
    x = np.array(TEXTS, object).reshape(-1, 1)
    e = feature_extraction.text
    vectorizers = {
        "count": e.CountVectorizer(), "count_binary": e.CountVectorizer(binary=True), "tfidf": e.TfidfVectorizer(),
        "bigrams": e.TfidfVectorizer(ngram_range=(1, 2)), "only_bigrams": e.CountVectorizer(ngram_range=(2, 2)),
        "cased": e.TfidfVectorizer(lowercase=False), "sublinear": e.TfidfVectorizer(sublinear_tf=True),
        "no_idf": e.TfidfVectorizer(use_idf=False, norm="l1"), "pattern": e.TfidfVectorizer(token_pattern="[a-z]+"),
        "chars": e.CountVectorizer(analyzer="char", ngram_range=(1, 2)),
    }
    finals = {"": linear_model.LogisticRegression(), "_nb": naive_bayes.MultinomialNB(),
              "_sgd": linear_model.SGDClassifier(loss="log_loss", random_state=0), "_forest": ensemble.RandomForestClassifier(5, random_state=0)}
    for name, vectorizer in vectorizers.items():
        for final_name, final in finals.items():
            if final_name and name not in ("count", "tfidf"):
                continue
            model = pipeline.make_pipeline(vectorizer, final).fit(x[:, 0], label)
            options = {id(vectorizer): {"locale": "C.UTF-8"}}  # ONNX Runtime asks the system for it
            save(root / "text" / (name + final_name), model, {"x": x}, types=[("x", StringTensorType([None, 1]))],
                 options=options | {id(model): {"zipmap": False}})
    split = e.TfidfVectorizer()
    model = pipeline.make_pipeline(split, linear_model.LogisticRegression()).fit(x[:, 0], label)
    save(root / "text" / "separators", model, {"x": x}, types=[("x", StringTensorType([None, 1]))],
         options={id(model): {"zipmap": False}, id(split): {"locale": "C.UTF-8", "separators": [" ", "[.]", ",", ";", "!", "\\t"]}})
    mixed = np.empty((len(TEXTS), 4), object)
    mixed[:, 0], mixed[:, 1] = x[:, 0], x[::-1, 0]
    mixed[:, 2], mixed[:, 3] = np.arange(len(TEXTS)) / 7, np.arange(len(TEXTS)) % 3
    columns = compose.ColumnTransformer([("a", e.TfidfVectorizer(), 0), ("b", e.CountVectorizer(binary=True), 1), ("n", preprocessing.StandardScaler(), [2, 3])],
                                        sparse_threshold=0)
    model = pipeline.make_pipeline(columns, linear_model.LogisticRegression()).fit(mixed, label)
    numbers = mixed[:, 2:].astype(np.float32)
    save(root / "text" / "two_columns_and_numbers", model, {"a": mixed[:, :1], "b": mixed[:, 1:2], "n": numbers},
         types=[("a", StringTensorType([None, 1])), ("b", StringTensorType([None, 1])), ("n", FloatTensorType([None, 2]))],
         options={id(model): {"zipmap": False}} | {
             id(columns.named_transformers_[v]): {"locale": "C.UTF-8"} for v in "ab"})
    for name, reduce in (("svd", decomposition.TruncatedSVD(3, random_state=0)),
                         ("chi2", feature_selection.SelectKBest(feature_selection.chi2, k=4))):
        words = e.TfidfVectorizer()
        model = pipeline.make_pipeline(words, reduce, linear_model.LogisticRegression()).fit(x[:, 0], label)
        save(root / "text" / name, model, {"x": x}, types=[("x", StringTensorType([None, 1]))],
             options={id(model): {"zipmap": False}, id(words): {"locale": "C.UTF-8"}})


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    warnings.simplefilter("ignore")
    root, rng = pathlib.Path(sys.argv[1]), np.random.default_rng(20240601)
    shutil.rmtree(root, ignore_errors=True)
    estimators(root)
    preprocessors(root, rng)
    table(root, rng)
    text(root)
    print(f"{sum(1 for _ in root.glob('*/*'))} cases in {root}")


if __name__ == "__main__":
    main()
