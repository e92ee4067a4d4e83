"""Training data as a stream of batches: from memory, or from any torch data set."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from wmproof.errors import InputError
from wmproof.training.normalization import Normalization
from wmproof.training.reproducible import seeded_globals, stream
from wmproof.training.sampling import augment

_SAMPLE_FOR_STATISTICS = 4096


@dataclass(frozen=True)
class Augmentation:
    """What may be done to a training image without changing its class."""

    shift: int = 0
    """Largest move in each direction, in pixels."""
    flip: bool = False
    """Mirroring left and right is allowed."""


class PixelDataset(Dataset[tuple[Tensor, int]]):
    """Images in memory, batched without a loader and augmented on the device.

    InputError if a shape, dtype or length is wrong.

    Parameters
    ----------
    images : np.ndarray
        uint8 (N, C, H, W) or (N, H, W).
    labels : np.ndarray
        Integers (N,), from 0.
    augmentation : Augmentation
        Used in training only, and only if the recipe says so.
    """

    def __init__(
        self,
        images: np.ndarray[Any, Any],
        labels: np.ndarray[Any, Any],
        augmentation: Augmentation | None = None,
    ) -> None:
        self.images = pixels_tensor(images)
        self.labels = torch.as_tensor(np.asarray(labels).astype(np.int64))
        self.augmentation = augmentation or Augmentation()
        if len(self.labels) != len(self.images) or self.labels.ndim != 1 or not len(self.labels):
            raise InputError(f"{len(self.images)} images have {len(self.labels)} labels")
        if int(self.labels.min()) < 0:
            raise InputError(f"labels start at 0, not at {int(self.labels.min())}")

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.images[index], int(self.labels[index])


def pixels_tensor(images: np.ndarray[Any, Any]) -> Tensor:
    """Take uint8 images (N, H, W) or (N, C, H, W) as a tensor (N, C, H, W), rows (N, D) as is."""
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim not in (2, 3, 4):
        raise InputError(
            "images must be uint8 (N, H, W) or (N, C, H, W), or rows (N, D), "
            f"not {images.dtype} {images.shape}"
        )
    # A copy: arrays of frozen objects are read-only, and torch wants writable memory.
    tensor = torch.from_numpy(np.array(images))
    return tensor.unsqueeze(1) if tensor.ndim == 3 else tensor


class Source(Protocol):
    """What the training loop reads from."""

    def __len__(self) -> int: ...

    def batches(self, order: Sequence[Tensor], first_step: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images (n, C, H, W), uint8 or normalised float32, and labels (n,) a batch."""

    def digest(self) -> str:
        """Tell this training set from others, as far as that is cheap."""


class MemorySource:
    """A `PixelDataset` that lies on the device as a whole."""

    def __init__(
        self, dataset: PixelDataset, device: torch.device, seed: int, *, augmented: bool
    ) -> None:
        self._images = dataset.images.to(device)
        self._labels = dataset.labels.to(device)
        self._augmentation = dataset.augmentation if augmented else Augmentation()
        self._seed = seed

    def __len__(self) -> int:
        return len(self._labels)

    def batches(self, order: Sequence[Tensor], first_step: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of an order, augmented by the stream of their step."""
        shift, flip = self._augmentation.shift, self._augmentation.flip
        for step, indices in enumerate(order, start=first_step):
            chosen = indices.to(self._labels.device)
            images = self._images[chosen]
            if shift or flip:
                images = augment(images, shift, flip=flip, seed=self._seed, step=step)
            yield images, self._labels[chosen]

    def digest(self) -> str:
        """Hash all pixels and labels."""
        digest = hashlib.sha256(repr((tuple(self._images.shape), self._augmentation)).encode())
        digest.update(self._images.cpu().numpy().tobytes())
        digest.update(self._labels.cpu().numpy().tobytes())
        return digest.hexdigest()


class LoaderSource:
    """Any map-style data set of (image, label) pairs, read by torch's loader.

    Images may be uint8 tensors or arrays (C, H, W), PIL images, or float tensors (C, H, W) that
    are normalised already. Random transforms draw from a stream of their own for each item, so
    that neither the number of workers nor an interruption changes what they do.
    """

    def __init__(
        self, dataset: Dataset[Any], device: torch.device, seed: int, workers: int, classes: int
    ) -> None:
        self._dataset = dataset
        self._classes = classes
        self._device = device
        self._seed = seed
        self._workers = workers

    def __len__(self) -> int:
        return len(cast("Any", self._dataset))

    def batches(self, order: Sequence[Tensor], first_step: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of an order, loaded by the workers."""
        named = [
            [(int(index), stream(self._seed, "item", step, place)) for place, index in enumerate(b)]
            for step, b in enumerate(order, start=first_step)
        ]
        loader: DataLoader[Any] = DataLoader(
            _SeededItems(self._dataset, self._classes),
            batch_sampler=cast("Any", named),
            num_workers=self._workers,
            pin_memory=self._device.type == "cuda",
        )
        for images, labels in loader:
            yield images.to(self._device), labels.to(self._device)

    def digest(self) -> str:
        """Name the kind and the length: reading every item could take longer than training."""
        return f"{type(self._dataset).__qualname__} of {len(self)}"


class _SeededItems(Dataset[tuple[Tensor, int]]):
    def __init__(self, dataset: Dataset[Any], classes: int) -> None:
        self._dataset = dataset
        self._classes = classes

    def __getitem__(self, named: tuple[int, int]) -> tuple[Tensor, int]:
        index, seed = named
        with seeded_globals(seed):
            image, label = as_pair(self._dataset[index], index)
        if not 0 <= label < self._classes:
            raise InputError(
                f"has class {label}, the model has {self._classes} classes, counted from 0",
                where=f"item {index}",
            )
        return image, label


def as_pair(item: Any, index: int) -> tuple[Tensor, int]:
    """Read one item of a foreign data set as an image tensor (C, H, W) and a label.

    InputError if it is something else.
    """
    try:
        image, label = item
        label = int(label)
    except (TypeError, ValueError) as error:
        raise InputError("is not a pair of an image and a class", where=f"item {index}") from error
    if not isinstance(image, Tensor):
        image = _from_array(np.array(image))
    if image.ndim != 3 or image.dtype not in (torch.uint8, torch.float32):
        raise InputError(
            f"is not a uint8 or float32 image (C, H, W) but {image.dtype} {tuple(image.shape)}",
            where=f"item {index}",
        )
    return image, label


def _from_array(array: np.ndarray[Any, Any]) -> Tensor:
    """Take a PIL image's array (H, W) or (H, W, C), or an array that is (C, H, W) already."""
    if array.ndim == 2:
        array = array[None]
    elif array.ndim == 3 and array.shape[2] in (1, 3, 4) and array.shape[0] not in (1, 3, 4):
        array = array.transpose(2, 0, 1)
    return torch.from_numpy(np.ascontiguousarray(array))


def check_dataset(dataset: Dataset[Any]) -> None:
    """Raise InputError where a data set has no length, or nothing in it."""
    if not hasattr(dataset, "__len__") or not len(cast("Any", dataset)):
        raise InputError(
            "the data set is empty or has no length", remedy="Use a map-style data set"
        )


def source_of(
    dataset: Dataset[Any],
    device: torch.device,
    seed: int,
    *,
    workers: int,
    augmented: bool,
    classes: int,
) -> Source:
    """Choose the source for a data set.

    InputError if the data set has a class that the model does not have.
    """
    if isinstance(dataset, PixelDataset):
        highest = int(dataset.labels.max())
        if highest >= classes:
            raise InputError(
                f"the training set has class {highest}, and the model only has {classes} classes, "
                "counted from 0"
            )
        return MemorySource(dataset, device, seed, augmented=augmented)
    return LoaderSource(dataset, device, seed, workers, classes)


def read_all(dataset: Dataset[Any]) -> tuple[Tensor, Tensor]:
    """Read a data set whole: images (N, C, H, W) and labels (N,)."""
    if isinstance(dataset, PixelDataset):
        return dataset.images, dataset.labels
    items = [as_pair(dataset[i], i) for i in range(len(cast("Any", dataset)))]
    return torch.stack([image for image, _ in items]), torch.tensor([label for _, label in items])


def measure_normalization(dataset: Dataset[Any]) -> Normalization:
    """Measure mean and deviation of each channel over up to 4096 evenly spaced images.

    InputError if the images are floating point: then only the caller knows what was done to the
    pixels.
    """
    count = len(cast("Any", dataset))
    chosen = range(0, count, -(-count // _SAMPLE_FOR_STATISTICS))
    images = torch.stack([as_pair(dataset[i], i)[0] for i in chosen])
    if images.dtype != torch.uint8:
        raise InputError(
            "the data set holds floating-point images",
            remedy="Say by `normalization` how they were made from pixels, for the triggers",
        )
    deviation, mean = torch.std_mean(images.double(), dim=(0, 2, 3), correction=0)
    # A channel that never changes carries nothing; any scale does.
    return Normalization(
        tuple(round(float(m), 4) for m in mean),
        tuple(max(round(float(s), 4), 1.0) for s in deviation),
    )
