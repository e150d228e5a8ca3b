#!/usr/bin/env python3
"""make.py: writes small models here as their libraries write them, their inputs, and what the library's own pipeline
makes of these: scikit-learn with skl2onnx, transformers' image-classification and text-classification, and
sentence-transformers. tests/cli/derive/zero_config.sh runs sluice on them with no transform.json. Needs torch,
transformers, sentence-transformers, scikit-learn, skl2onnx, pandas; `make.py sentences` also optimum-onnx 0.1, which
wants transformers before 5."""
import json
import os
import random
import shutil
import sys

import numpy as np
import pandas as pd
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
PHOTOS = os.path.join(HERE, "../../../samples/04-photos-upright/input/flower")


def folder(name):
    path = os.path.join(HERE, name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path + "/model")
    return path


def write_lines(path, rows):
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


# --- scikit-learn ---


def table(count, seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({
        "age": rng.integers(18, 90, count).astype(float),
        "city": rng.choice(["Oslo", "Bergen", "Tromsø", "Åre, Sweden", 'the "Hague"'], count),
        "income": np.round(rng.normal(40, 12, count), 2),
        "plan": rng.choice(["basic", "plus", "pro"], count),
        "visits": rng.integers(0, 40, count).astype(float),
    })
    score = frame.age / 30 + (frame.plan == "pro") - frame.income / 25 + frame.visits / 20 + (frame.city == "Oslo") + rng.normal(0, 0.4, count)
    for name in ("age", "income"):
        frame.loc[rng.random(count) < 0.1, name] = np.nan
    return frame, score


NUMBERS, TEXTS = ["age", "income", "visits"], ["city", "plan"]


def mixed(model):
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = Pipeline([("impute", SimpleImputer(strategy="median")), ("scale", StandardScaler())])
    columns = ColumnTransformer([("numbers", numbers, NUMBERS), ("texts", OneHotEncoder(handle_unknown="ignore"), TEXTS)])
    return Pipeline([("columns", columns), ("model", model)])


def save_sklearn(name, pipeline, initial, options, frame, header):
    from skl2onnx import to_onnx

    path = folder(name)
    kinds = {id(pipeline): options} if options is not None else None
    onnx = to_onnx(pipeline, initial_types=initial, options=kinds, target_opset={"": 17, "ai.onnx.ml": 3})
    with open(path + "/model/model.onnx", "wb") as f:
        f.write(onnx.SerializeToString())
    os.makedirs(path + "/input")
    frame.to_csv(path + "/input/rows.csv", index=False, header=header)
    data = frame if header else frame.to_numpy(np.float32)
    names = [v.name for v in onnx.graph.output]
    rows = [{names[0]: getattr(label, "item", lambda: label)()} for label in pipeline.predict(data)]
    if hasattr(pipeline, "predict_proba"):
        for row, scores in zip(rows, pipeline.predict_proba(data).tolist()):
            row[names[1]] = scores if options else dict(zip(map(str, pipeline.classes_), scores))
    write_lines(path + "/expected.jsonl", rows)


def scikit_learn():
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train, score = table(600, 1)
    test, _ = table(60, 2)
    test.loc[5, "city"] = "nobody listed it"
    two, three = (score > score.median()).astype(int), pd.qcut(score, 3, labels=["low", "middle", "high"]).astype(str)
    plain, plain_test = train[NUMBERS].fillna(30).to_numpy(np.float32), test[NUMBERS].fillna(30)
    one = [("float_input", FloatTensorType([None, 3]))]
    each = [(c, FloatTensorType([None, 1]) if c in NUMBERS else StringTensorType([None, 1])) for c in train.columns]
    trees = {"n_estimators": 12, "max_depth": 4, "random_state": 3}
    # the forest's seed: skl2onnx rounds thresholds to float32, and with most seeds a row falls on the other side of one
    cases = [
        ("floats_gradient_boosting", make_pipeline(StandardScaler(), GradientBoostingClassifier(**trees)), two, one, {"zipmap": False}),
        ("floats_logistic_zipmap", make_pipeline(StandardScaler(), LogisticRegression()), three, one, None),
        ("floats_forest_regressor", make_pipeline(StandardScaler(), RandomForestRegressor(**trees)), score, one, None),
        ("columns_logistic", mixed(LogisticRegression()), two, each, {"zipmap": False}),
        ("columns_logistic_zipmap", mixed(LogisticRegression()), three, each, None),
        ("columns_gradient_boosting_zipmap", mixed(GradientBoostingClassifier(**trees)), two, each, None),
        ("columns_forest", mixed(RandomForestClassifier(**{**trees, "random_state": 5})), three, each, {"zipmap": False}),
    ]
    for name, pipeline, target, initial, options in cases:
        by_column = initial is each
        pipeline.fit(train if by_column else plain, target)
        save_sklearn("sklearn_" + name, pipeline, initial, options, test if by_column else plain_test, by_column)


# --- transformers and sentence-transformers ---


class Picked(torch.nn.Module):
    """One output of a model, so that the exporter sees plain tensors."""

    def __init__(self, model, names, key):
        super().__init__()
        self.model, self.names, self.key = model, names, key

    def forward(self, *inputs):
        return self.model(**dict(zip(self.names, inputs)))[self.key]


def export(model, names, inputs, key, path, axes=None):
    torch.onnx.export(Picked(model, names, key).eval(), inputs, path, input_names=names, output_names=[key],
                      dynamic_axes={n: {0: "batch_size", **(axes or {})} for n in names} | {key: {0: "batch_size", **(axes or {} if key == "last_hidden_state" else {})}},
                      opset_version=17, dynamo=False)


LABELS = {0: "daisy", 1: "oak leaf", 2: "tulip", 3: "weed", 4: "rose", 5: "moss"}


def image_models():
    from transformers import (CLIPImageProcessor, ConvNextConfig, ConvNextForImageClassification, ConvNextImageProcessor, ResNetConfig,
                              ResNetForImageClassification, ViTConfig, ViTForImageClassification, ViTImageProcessor)

    half = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    yield ("vit", ViTForImageClassification(ViTConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
                                                      image_size=32, patch_size=8, id2label=LABELS, initializer_range=0.3)),
           ViTImageProcessor(size={"height": 32, "width": 32}, **half), 32)
    yield ("resnet", ResNetForImageClassification(ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", id2label=LABELS)),
           ConvNextImageProcessor(size={"shortest_edge": 40}, crop_pct=0.875), 40)


def images():
    from PIL import Image
    from transformers import AutoImageProcessor, pipeline

    pictures = sorted(os.listdir(PHOTOS))
    for name, model, processor, size in image_models():
        torch.manual_seed(7)
        for p in model.parameters():
            torch.nn.init.normal_(p, 0.0, 0.4) if p.dim() > 1 else None
        path = folder("image_" + name)
        model.config._attn_implementation = "eager"
        model.eval().config.save_pretrained(path + "/model")
        processor.save_pretrained(path + "/model")
        export(model, ["pixel_values"], (torch.rand(2, 3, size, size),), "logits", path + "/model/model.onnx")
        # torchvision's resize depends on the CPU it runs on: Pillow's is the one that was there first
        processor = AutoImageProcessor.from_pretrained(path + "/model", backend="pil")
        pipe = pipeline("image-classification", model=model, image_processor=processor, device="cpu")
        write_lines(path + "/expected.jsonl", [{"logits": pipe(Image.open(os.path.join(PHOTOS, file)))} for file in pictures])


SENTENCES = [
    "", "The quick brown fox jumps over the lazy dog.", "A cat sits on the mat.", "Naïve café, ÉCOLE and résumé!",
    "How much wood would a woodchuck chuck if a woodchuck could chuck wood?", "12.5 % of 3,400 items",
    "漢字 and kana カナ", "one", "e-mail: someone@example.org", "  spaces   everywhere  ", "unknownwordsgohere zzzzqqq",
    "the lazy cat " * 20, "Don't stop; it's fine.", "GOOD", "bad, really bad", "the dog is good and the cat is bad",
]


def tokenizer_of(kind):
    """A small tokenizer of the kind that the model is known with."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    if kind == "wordpiece":
        names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        t.normalizer, t.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=names, show_progress=False)
        pad, unk, cls, sep, mask = names
    else:
        names = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        t = Tokenizer(models.BPE())
        t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=names, show_progress=False,
                                      initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
        cls, pad, sep, unk, mask = names
    t.train_from_iterator(SENTENCES, trainer)
    special = (sep, t.token_to_id(sep)), (cls, t.token_to_id(cls))
    t.post_processor = processors.BertProcessing(*special) if kind == "wordpiece" else processors.RobertaProcessing(*special)
    return PreTrainedTokenizerFast(tokenizer_object=t, pad_token=pad, unk_token=unk, cls_token=cls, sep_token=sep, mask_token=mask,
                                   model_max_length=40)


SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
         "max_position_embeddings": 48, "initializer_range": 0.4}


def sentences():
    """Needs optimum-onnx, with which SentenceTransformer(backend="onnx") writes onnx/model.onnx itself."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers import models as M
    from transformers import BertConfig, BertModel

    for name, mode, dense, normalize in (("mean", "mean", False, True), ("cls", "cls", False, False), ("max", "max", False, True),
                                         ("dense", "mean", True, True)):
        torch.manual_seed(7)
        path = folder("sentences_" + name)
        tokenizer = tokenizer_of("wordpiece")
        tokenizer.save_pretrained(path + "/bert")
        BertModel(BertConfig(vocab_size=len(tokenizer), **SMALL)).save_pretrained(path + "/bert")
        modules = [M.Transformer(path + "/bert"), M.Pooling(16, pooling_mode=mode)]
        modules += [M.Dense(16, 8)] if dense else []
        modules += [M.Normalize()] if normalize else []
        model = SentenceTransformer(modules=modules, device="cpu")
        model.save_pretrained(path + "/model", create_model_card=False)
        SentenceTransformer(path + "/model", backend="onnx", device="cpu").save_pretrained(path + "/model", create_model_card=False)
        os.remove(path + "/model/model.safetensors") if os.path.exists(path + "/model/model.safetensors") else None
        shutil.rmtree(path + "/bert")
        write_lines(path + "/input.jsonl", [{"inputs": text} for text in SENTENCES])
        write_lines(path + "/expected.jsonl", [{"last_hidden_state": row} for row in model.encode(SENTENCES, show_progress_bar=False).tolist()])


if __name__ == "__main__":
    random.seed(3)
    torch.manual_seed(3)
    for part in sys.argv[1:] or ["scikit_learn", "images", "sentences"]:
        globals()[part]()
