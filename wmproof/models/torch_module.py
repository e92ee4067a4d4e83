"""A torch module as a classifier."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wmproof.core.images import as_images
from wmproof.core.triggers import Shape
from wmproof.models.function import read_answers, read_scores

if TYPE_CHECKING:
    import torch


class TorchClassifier:
    """Wrap an `nn.Module`.

    Parameters
    ----------
    module : torch.nn.Module
        Takes float32 pixels 0 to 255 (not divided), shape (n, *input_shape), like the ONNX files
        that wmproof exports: a normalisation belongs inside. Returns scores (n, classes).
    input_shape : tuple of int
        (H, W) or (C, H, W).
    classes : int, optional
        How many classes there are.
    batch : int
        Images in one call.

    Notes
    -----
    The module runs where its parameters are, in evaluation mode, and is put back into the mode
    that it was in.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        input_shape: Shape,
        classes: int | None = None,
        *,
        batch: int = 256,
    ) -> None:
        self._module = module
        self.input_shape = tuple(input_shape)
        self.classes = classes
        self._batch = batch

    def classify(self, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the class of each image, see `Classifier.classify`.

        Raises
        ------
        InputError
            The images are not uint8, or the module returns something else than scores or classes.
        """
        answers = [read_answers(*part, self.classes) for part in self._asked(images)]
        return np.concatenate([np.empty(0, dtype=np.int64), *answers])

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float64] | None:
        """Return the scores of each image, or None if the module gives classes.

        Raises
        ------
        InputError
            As `classify`.
        """
        parts = [read_scores(*part, self.classes) for part in self._asked(images)]
        known = [part for part in parts if part is not None]
        return np.concatenate(known) if known and len(known) == len(parts) else None

    def _asked(self, images: NDArray[np.uint8]) -> Iterator[tuple[NDArray[Any], int]]:
        """Give what the module answers, and for how many images, batch by batch."""
        import torch

        images = as_images(images)
        first = next(self._module.parameters(), None)
        device = torch.device("cpu") if first is None else first.device
        training = self._module.training
        self._module.eval()
        try:
            with torch.inference_mode():
                for start in range(0, len(images), self._batch):
                    part = np.array(images[start : start + self._batch])
                    output = self._module(torch.from_numpy(part).to(device).float())
                    yield output.cpu().numpy(), len(part)
        finally:
            self._module.train(training)
