"""What a model is to wmproof: something that answers `classify`."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from wmproof._arguments import require_type
from wmproof.errors import InputError
from wmproof.triggers import Shape, TriggerSet, format_shape

NO_ANSWER = -1


@runtime_checkable
class Classifier(Protocol):
    """A model that puts images into classes.

    Attributes
    ----------
    input_shape : tuple of int
        The shape of one image, (H, W) or (C, H, W).
    classes : int or None
        How many classes it knows; None where it does not say.
    """

    @property
    def input_shape(self) -> Shape:
        """The shape of one image."""
        ...

    @property
    def classes(self) -> int | None:
        """How many classes there are, where the model says."""
        ...

    def classify(self, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the class of each image: uint8 (n, *input_shape) to int64 (n,).

        -1 stands for no answer (a score that is not a number), which is never a hit.
        """
        ...


def fit_images(images: NDArray[np.uint8], input_shape: Shape) -> NDArray[np.uint8]:
    """Give images the shape that a model takes.

    HxW and 1xHxW are the same picture; anything else must agree.

    Raises
    ------
    InputError
        The shapes differ.
    """
    if _without_single_channel(images.shape[1:]) != _without_single_channel(input_shape):
        raise InputError(
            f"the model takes images of {format_shape(input_shape)} and these are "
            f"{format_shape(images.shape[1:])}",
            remedy="Use a model and a key of one shape (channels first)",
        )
    return images.reshape(len(images), *input_shape)


def check_pixels(images: NDArray[np.uint8]) -> None:
    """Raise InputError unless the pixels are bytes: a cast would turn 0.0 to 1.0 into black."""
    dtype = getattr(images, "dtype", None)
    if dtype != np.uint8:
        found = type(images).__name__ if dtype is None else dtype
        raise InputError(f"images are arrays of uint8 pixels, 0 to 255, and not of {found}")


def _without_single_channel(shape: Shape) -> Shape:
    return shape[1:] if len(shape) == 3 and shape[0] == 1 else shape


def classify_triggers(model: Classifier, triggers: TriggerSet) -> NDArray[np.int64]:
    """Ask a model about triggers: Classify(t_i, M) of section 3.

    Returns
    -------
    ndarray of int64, shape (l,)

    Raises
    ------
    InputError
        The model is for another image shape or another number of classes, or it answers nonsense.
    """
    require_type(
        model,
        Classifier,
        "the model",
        remedy="Open a file with open_model; wrap others in TorchClassifier or FunctionClassifier",
    )
    if model.classes is not None and model.classes != triggers.classes:
        raise InputError(
            f"the model knows {model.classes} classes and the key is for {triggers.classes}",
            remedy="Use the model that the key was made for",
        )
    answers = np.asarray(model.classify(fit_images(triggers.images, model.input_shape)))
    if answers.shape != (len(triggers),) or answers.dtype.kind not in "iu":
        raise InputError(
            f"the model answered with {answers.dtype} {answers.shape} "
            f"and not with one class for each of {len(triggers)} images"
        )
    return answers.astype(np.int64)


def best_class(scores: NDArray[Any]) -> NDArray[np.int64]:
    """Turn scores (n, classes) into answers: the highest, the lowest index at a tie, -1 for NaN."""
    answers: NDArray[np.int64] = scores.argmax(axis=1).astype(np.int64)
    answers[np.isnan(scores).any(axis=1)] = NO_ANSWER
    return answers
