#!/usr/bin/env python3
"""Real architectures in very small, for the test that passes keep values equal:

    make_small.py DIR

writes DIR/NAME-{script,dynamo}.onnx, some 30 KB each: one or two layers of a few channels, random weights from a fixed
seed, exported by both of torch's exporters for a fixed batch of 2. tests/golden/plans has what torch 2.15,
torchvision 0.29, transformers 5.23 and timm 1.0 made of it.

Needs: pip install torch torchvision transformers timm onnx onnxscript
"""
import pathlib
import sys
import warnings

import torch
import transformers
from torch import nn

warnings.filterwarnings("ignore")


class Residual(nn.Module):
    """ResNet's bottleneck with a projection, and MobileNet's inverted residual with squeeze and excite."""

    def __init__(self):
        super().__init__()
        from torchvision.models.mobilenetv3 import InvertedResidual, InvertedResidualConfig
        from torchvision.models.resnet import Bottleneck
        norm = nn.BatchNorm2d
        side = nn.Sequential(nn.Conv2d(3, 16, 1, bias=False), norm(16))
        self.blocks = nn.Sequential(
            Bottleneck(3, 4, downsample=side), Bottleneck(16, 4),
            *[InvertedResidual(InvertedResidualConfig(16, 3, 24, 16, True, kind, 1, 1, 1), norm)
              for kind in ("HS", "RE")])
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        return self.head(self.blocks(x).mean((2, 3)))


class Curves(nn.Module):
    """Convolutions with activations that exporters spell out."""

    def __init__(self):
        super().__init__()
        kinds = [nn.SiLU(), nn.Hardswish(), nn.Hardsigmoid(), nn.Mish(), nn.GELU(), nn.GELU(approximate="tanh"),
                 nn.ReLU6(), nn.ELU(), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*[nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), k) for k in kinds])

    def forward(self, x):
        for layer in self.layers:
            x = x + layer(x) * 0.5
        return x


def timm_model(name, **options):
    import timm
    return timm.create_model(name, pretrained=False, num_classes=4, **options)


def heads(torch_heads):
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=torch_heads, activation="gelu")
    return nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)


class Tokens(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, ids, mask):
        return self.model(input_ids=ids, attention_mask=mask).last_hidden_state


def text(kind, **options):
    config = getattr(transformers, kind + "Config")(vocab_size=40, max_position_embeddings=16, **options)
    return Tokens(getattr(transformers, kind + "Model")(config))


def swin():
    from torchvision.models.swin_transformer import SwinTransformer
    return SwinTransformer([2, 2], 8, [2], [2], [4, 4], mlp_ratio=2, num_classes=4)


def convnext():
    from torchvision.models.convnext import CNBlockConfig, ConvNeXt
    return ConvNeXt([CNBlockConfig(8, None, 2)], num_classes=4)


def densenet():
    from torchvision.models import DenseNet
    return DenseNet(4, (2, 2), 8, num_classes=4)


def vit():
    from torchvision.models import VisionTransformer
    return VisionTransformer(16, 8, 1, 2, 16, 32, num_classes=4)


IMAGE = lambda channels, size: (torch.randn(2, channels, size, size),)
IDS = (torch.tensor([[3, 5, 7, 9, 2, 0], [8, 6, 4, 2, 1, 11]]), torch.tensor([[1, 1, 1, 1, 1, 0], [1] * 6]))
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
MODELS = {
    "residual": (Residual, IMAGE(3, 8)),
    "curves": (Curves, IMAGE(4, 5)),
    "densenet": (densenet, IMAGE(3, 32)),
    "convnext": (convnext, IMAGE(3, 16)),
    "swin": (swin, IMAGE(3, 16)),
    "vit": (vit, IMAGE(3, 16)),
    "vit_timm": (lambda: timm_model("vit_tiny_patch16_224", img_size=16, patch_size=8, embed_dim=16, depth=1,
                                    num_heads=2), IMAGE(3, 16)),
    "encoder": (lambda: heads(True), (torch.randn(2, 5, 16),)),
    "bert": (lambda: text("Bert", **SMALL), IDS),
    "distilbert": (lambda: text("DistilBert", dim=16, n_layers=1, n_heads=2, hidden_dim=24), IDS),
    "gpt2": (lambda: text("GPT2", n_embd=16, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0), IDS),
    "llama": (lambda: text("Llama", num_key_value_heads=1, **SMALL), IDS),
}


def export(path, model, inputs, dynamo):
    options = {"dynamo": True, "external_data": False} if dynamo else {"dynamo": False, "opset_version": 15}
    names = [f"x{i}" for i in range(len(inputs))]
    torch.onnx.export(model, inputs, path, input_names=names, output_names=["y"], **options)


def strip(path):
    """Without what only tells where in the source a node came from."""
    import onnx
    model = onnx.load(path)
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    del model.graph.value_info[:]
    del model.metadata_props[:]
    for value in list(model.graph.input) + list(model.graph.output) + list(model.graph.initializer):
        del value.metadata_props[:]
    onnx.save(model, path)


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for name, (make, inputs) in MODELS.items():
        for dynamo in (False, True):
            path = out / f"{name}-{'dynamo' if dynamo else 'script'}.onnx"
            torch.manual_seed(7)
            try:
                model = make().eval()
                for parameter in model.parameters():  # fresh biases are 0, scales 1, and hide what is wrong
                    parameter.data.add_(torch.randn_like(parameter), alpha=0.1)
                for module in model.modules():
                    if isinstance(module, nn.BatchNorm2d):
                        module.running_mean.normal_(0, 0.1)
                        module.running_var.uniform_(0.5, 1.5)
                export(str(path), model, inputs, dynamo)
                strip(str(path))
                print(path.name, path.stat().st_size)
            except Exception as error:  # an exporter may not know an operator yet: the others still count
                print(f"{path.name}: {type(error).__name__}: {str(error).splitlines()[0][:120]}")


main()
