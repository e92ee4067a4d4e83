"""The form in which every data set arrives."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from wmproof.errors import InputError
from wmproof.training.sources import Augmentation, PixelDataset


@dataclass(frozen=True)
class ImageData:
    """Images and classes, split into what is learned from and what is measured on.

    Parameters
    ----------
    name : str
        Of the data set.
    train_images, test_images : np.ndarray
        uint8 (N, C, H, W).
    train_labels, test_labels : np.ndarray
        int64 (N,), in [0, classes).
    class_names : tuple[str, ...]
        One a class.
    augmentation : Augmentation
        What keeps the class of a training image.

    Raises
    ------
    InputError
        Shapes, dtypes or labels do not fit together.
    """

    name: str
    train_images: np.ndarray[Any, Any]
    train_labels: np.ndarray[Any, Any]
    test_images: np.ndarray[Any, Any]
    test_labels: np.ndarray[Any, Any]
    class_names: tuple[str, ...]
    augmentation: Augmentation

    def __post_init__(self) -> None:
        parts = (
            (self.train_images, self.train_labels, "training images"),
            (self.test_images, self.test_labels, "test images"),
        )
        for images, labels, part in parts:
            if images.dtype != np.uint8 or images.ndim != 4 or not len(images):
                raise InputError(f"are {images.dtype} {images.shape}", where=f"{self.name}: {part}")
            if len(labels) != len(images) or labels.min() < 0 or labels.max() >= self.classes:
                raise InputError(
                    f"have {len(labels)} labels of {labels.min()} to {labels.max()} for "
                    f"{len(images)} images of {self.classes} classes",
                    where=f"{self.name}: {part}",
                )
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            raise InputError(
                f"are {self.train_images.shape[1:]} and {self.test_images.shape[1:]}",
                where=f"{self.name}: images",
            )

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        _, channels, height, width = self.train_images.shape
        return channels, height, width

    def training_set(self) -> PixelDataset:
        """Give the training part as a torch data set."""
        return PixelDataset(self.train_images, self.train_labels, self.augmentation)

    def test_set(self) -> PixelDataset:
        """Give the test part as a torch data set."""
        return PixelDataset(self.test_images, self.test_labels)
