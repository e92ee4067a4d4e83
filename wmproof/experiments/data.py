"""The images of an experiment: sampled, resized, or drawn for a rehearsal."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from wmproof.errors import InputError
from wmproof.experiments.setting import DataSpec
from wmproof.training.data import load
from wmproof.training.reproducible import permutation
from wmproof.training.sources import Augmentation, PixelDataset

_SHAPES = {
    "digits": ((1, 8, 8), 10),
    "parity": ((1, 8, 8), 2),
    "fashion-mnist": ((1, 28, 28), 10),
    "cifar10": ((3, 32, 32), 10),
    "cifar100": ((3, 32, 32), 100),
    "stl10": ((3, 96, 96), 10),
    "imagenet": ((3, 224, 224), 1000),
}
_REHEARSAL_IMAGES = 8


@dataclass(frozen=True)
class TaskData:
    """A task to learn."""

    training: Dataset[Any]
    test: Dataset[Any]
    """training and test: as `wmproof.training.mark` takes them."""
    shape: tuple[int, int, int]
    """Channels, height and width."""
    classes: int

    def __post_init__(self) -> None:
        if self.classes < 2:
            raise InputError(f"a task of {self.classes} classes cannot be learned")


def classes_of(spec: DataSpec) -> int:
    """Return how many classes a data set has, without its files.

    InputError if there is no such data set.
    """
    return _known(spec)[1]


def _known(spec: DataSpec) -> tuple[tuple[int, int, int], int]:
    if spec.name not in _SHAPES:
        raise InputError(f"there is no data set {spec.name!r}", where="data")
    return _SHAPES[spec.name]


def load_data(spec: DataSpec, folder: Path | None, seed: int, *, rehearsal: bool) -> TaskData:
    """Load what a specification names.

    InputError if there is no such data set, or it is not there.

    Parameters
    ----------
    folder : Path or None
        As `wmproof.training.data.load`; for 'imagenet' the folder with `train` and `val`.
    seed : int
        Of the sample.
    rehearsal : bool
        Draw random images of the data set's shape and classes instead.
    """
    _known(spec)
    if rehearsal:
        return _draw(spec, seed)
    if spec.name == "imagenet":
        from wmproof.experiments.imagenet import load_imagenet

        return TaskData(*load_imagenet(folder), *_SHAPES["imagenet"])
    source = "digits" if spec.name == "parity" else spec.name
    data = load(source, folder)
    training = _sample(data.train_images, data.train_labels, spec.training, seed, "training")
    test = _sample(data.test_images, data.test_labels, spec.test, seed, "test")
    parts = [_adapt(spec, images, labels) for images, labels in (training, test)]
    classes = 2 if spec.name == "parity" else data.classes
    augmentation = _scaled(data.augmentation, data.shape[1], spec.side)
    return TaskData(
        PixelDataset(*parts[0], augmentation), PixelDataset(*parts[1]), _shape(parts[0][0]), classes
    )


Pixels = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


def _sample(
    images: np.ndarray[Any, Any],
    labels: np.ndarray[Any, Any],
    count: int | None,
    seed: int,
    part: str,
) -> Pixels:
    if count is None or count >= len(labels):
        return images, labels
    chosen = permutation(len(labels), seed, f"sample {part}")[:count].numpy()
    return images[chosen], labels[chosen]


def _adapt(spec: DataSpec, images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> Pixels:
    if spec.name == "parity":
        images, labels = np.rot90(images, axes=(2, 3)), labels % 2
    if spec.side is not None and images.shape[2:] != (spec.side, spec.side):
        images = resize(images, spec.side)
    return np.ascontiguousarray(images), labels


def resize(images: np.ndarray[Any, Any], side: int) -> np.ndarray[Any, Any]:
    """Resize uint8 images (N, C, H, W) to a square, bilinearly and with antialiasing."""
    parts = [
        torch.nn.functional.interpolate(
            torch.from_numpy(np.ascontiguousarray(part)).float(),
            (side, side),
            mode="bilinear",
            antialias=True,
        )
        for part in np.array_split(images, -(-len(images) // 500))
    ]
    return torch.cat(parts).round().clamp(0, 255).to(torch.uint8).numpy()


def _scaled(augmentation: Augmentation, before: int, side: int | None) -> Augmentation:
    shift = augmentation.shift if side is None else augmentation.shift * side // before
    return Augmentation(shift, augmentation.flip)


def _shape(images: np.ndarray[Any, Any]) -> tuple[int, int, int]:
    _, channels, height, width = images.shape
    return channels, height, width


def _draw(spec: DataSpec, seed: int) -> TaskData:
    (channels, *sides), classes = _SHAPES[spec.name]
    height, width = sides if spec.side is None else (spec.side, spec.side)
    generator = np.random.default_rng(seed)
    parts = [
        PixelDataset(
            generator.integers(0, 256, (_REHEARSAL_IMAGES, channels, height, width), np.uint8),
            generator.integers(0, classes, _REHEARSAL_IMAGES),
        )
        for _ in range(2)
    ]
    return TaskData(parts[0], parts[1], (channels, height, width), classes)
