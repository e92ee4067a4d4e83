"""ImageNet from a folder, and torchvision's ResNet-18, for the largest setting of the paper."""

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import Dataset

from wmproof.errors import InputError

_CLASSES = 1000
_SIDE = 224


def load_imagenet(folder: Path | None) -> tuple[Dataset[Any], Dataset[Any]]:
    """Read `train` and `val`, each with one folder a class, as uint8 images of 3x224x224.

    Training images are random crops that are mirrored by halves, others the centre of 256.

    InputError if a folder is missing, or does not have 1000 classes.
    """
    if folder is None:
        raise InputError("ImageNet needs the folder that holds `train` and `val`")
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    training = [transforms.RandomResizedCrop(_SIDE), transforms.RandomHorizontalFlip()]
    testing = [transforms.Resize(256), transforms.CenterCrop(_SIDE)]
    parts = []
    for name, steps in (("train", training), ("val", testing)):
        try:
            transform = transforms.Compose([*steps, transforms.PILToTensor()])
            part = ImageFolder(str(folder / name), transform)
        except (OSError, RuntimeError) as error:
            raise InputError(
                f"does not hold ImageNet: {str(error).splitlines()[0].rstrip('.')}",
                where=str(folder / name),
                remedy="Name the folder with `train` and `val`, one folder a class in each",
            ) from error
        if len(part.classes) != _CLASSES:
            raise InputError(
                f"holds {len(part.classes)} classes, not {_CLASSES}", where=str(folder / name)
            )
        parts.append(part)
    return parts[0], parts[1]


def build_resnet18(classes: int, seed: int) -> nn.Module:
    """Build torchvision's ResNet-18, with the stem for large images and fresh weights."""
    from torchvision.models import resnet18

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: nn.Module = resnet18(num_classes=classes)
    return network
