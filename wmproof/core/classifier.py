"""What a model is to wmproof: something that answers `classify`."""

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from wmproof.core.triggers import Shape


@runtime_checkable
class Classifier(Protocol):
    """A model that puts images into classes."""

    @property
    def input_shape(self) -> Shape:
        """The shape of one image, (H, W) or (C, H, W)."""

    @property
    def classes(self) -> int | None:
        """How many classes it knows; None where it does not say."""

    def classify(self, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the class of each image: uint8 (n, *input_shape) to int64 (n,).

        -1 stands for no answer (a score that is not a number), which is never a hit.
        """


@runtime_checkable
class ScoredClassifier(Classifier, Protocol):
    """A classifier that also says how much is for each class."""

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float64] | None:
        """Return the scores of each image: uint8 (n, *input_shape) to float64 (n, classes).

        None where the model gives classes and no scores.
        """


@runtime_checkable
class LogitsClassifier(Classifier, Protocol):
    """A classifier that knows better than its scores what is added up over a group of images."""

    def logits(self, images: NDArray[np.uint8]) -> NDArray[np.float64] | NDArray[np.int64]:
        """Return float64 (n, classes), whatever the model makes of them at its end.

        Or int64 (n,) where the model gives classes and no scores.
        """
