"""A torch module as a classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wmproof.models.base import check_pixels
from wmproof.models.function import read_answers
from wmproof.triggers import Shape

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
        import torch

        check_pixels(images)
        first = next(self._module.parameters(), None)
        device = torch.device("cpu") if first is None else first.device
        training = self._module.training
        self._module.eval()
        answers = [np.empty(0, dtype=np.int64)]
        try:
            with torch.inference_mode():
                for start in range(0, len(images), self._batch):
                    part = np.array(images[start : start + self._batch])
                    output = self._module(torch.from_numpy(part).to(device).float())
                    answers.append(read_answers(output.cpu().numpy(), len(part), self.classes))
        finally:
            self._module.train(training)
        return np.concatenate(answers)
