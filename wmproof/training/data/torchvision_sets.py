"""CIFAR-10, CIFAR-100 and STL-10 through torchvision, with their published splits."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from wmproof.errors import InputError
from wmproof.training.data.image_data import ImageData
from wmproof.training.sources import Augmentation


def load_torchvision(name: str, folder: Path, *, download: bool = False) -> ImageData:
    """Load one of 'cifar10', 'cifar100' and 'stl10'.

    Parameters
    ----------
    name : str
        Which one.
    folder : Path
        The root that torchvision expects: with cifar-10-batches-py, cifar-100-python or
        stl10_binary in it.
    download : bool
        Let torchvision fetch what is missing.

    Raises
    ------
    InputError
        Files are missing or damaged, or torchvision is not installed.
    """
    with fetched(folder, download=download):
        from torchvision import datasets

        if name == "stl10":
            training, testing = (
                datasets.STL10(str(folder), split=split, download=download)
                for split in ("train", "test")
            )
        else:
            kind = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]
            training, testing = (
                kind(str(folder), train=train, download=download) for train in (True, False)
            )
    shift = 12 if name == "stl10" else 4
    return ImageData(
        name,
        *_arrays(training),
        *_arrays(testing),
        tuple(training.classes),
        Augmentation(shift=shift, flip=True),
    )


def _arrays(dataset: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Take CIFAR's (N, H, W, 3) and STL-10's (N, 3, H, W) alike."""
    images = np.asarray(dataset.data)
    if images.shape[1] != 3:
        images = images.transpose(0, 3, 1, 2)
    labels = dataset.labels if hasattr(dataset, "labels") else dataset.targets
    return np.ascontiguousarray(images), np.asarray(labels, dtype=np.int64)


@contextlib.contextmanager
def fetched(folder: Path, *, download: bool) -> Iterator[None]:
    """Turn torchvision's errors into one that says what to do."""
    try:
        yield
    except ImportError as error:
        raise InputError(
            "this data set needs torchvision, which is not installed",
            remedy="pip install 'wmproof[train]'",
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError) as error:
        raise InputError(
            f"does not hold the data set: {str(error).splitlines()[0].rstrip('.')}"
            if str(error)
            else "does not hold the data set",
            where=str(folder),
            remedy="See that the network is there"
            if download
            else "Name the folder that holds it, or ask for a download",
        ) from error
