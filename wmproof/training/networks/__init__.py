"""The small zoo of the command line, for any image shape, class count and width.

All networks are built from convolutions, batch normalisation, ReLU, maximum pooling, one global
average and fully connected layers, so that their ONNX graphs hold nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from wmproof.errors import InputError

if TYPE_CHECKING:
    from torch import nn

DEFAULT_WIDTHS = {"mlp": 256, "lenet5": 6, "vgg11": 64, "resnet18": 64}
NETWORKS = tuple(DEFAULT_WIDTHS)


def build(
    name: str, shape: tuple[int, int, int], classes: int, *, width: int | None = None, seed: int = 0
) -> nn.Module:
    """Build one network of the zoo with freshly drawn weights.

    Parameters
    ----------
    name : str
        One of `NETWORKS`.
    shape : tuple[int, int, int]
        Channels, height and width of the images, each at least 1.
    classes : int
        Number of logits, at least 2.
    width : int, optional
        Units of the first layer; the others scale with it. `DEFAULT_WIDTHS` if absent.
    seed : int
        Seed of the weights; the caller's random state is left as it was.

    Returns
    -------
    nn.Module
        Maps float32 images (N, C, H, W) to logits (N, classes).

    Raises
    ------
    InputError
        The name is unknown, or a size makes no sense for this network.
    """
    if name not in DEFAULT_WIDTHS:
        raise InputError(f"there is no network {name!r}", remedy=f"Choose of {', '.join(NETWORKS)}")
    width = DEFAULT_WIDTHS[name] if width is None else width
    if width < 1 or classes < 2 or min(shape) < 1:
        raise InputError(
            f"{name} cannot have width {width}, {classes} classes and images of shape {shape}"
        )
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _constructor(name)(shape, classes, width)


def _constructor(name: str) -> Callable[[tuple[int, int, int], int, int], nn.Module]:
    from wmproof.training.networks.lenet import LeNet5
    from wmproof.training.networks.mlp import MLP
    from wmproof.training.networks.resnet import ResNet18
    from wmproof.training.networks.vgg import VGG11

    return {"mlp": MLP, "lenet5": LeNet5, "vgg11": VGG11, "resnet18": ResNet18}[name]
