"""Any Python callable as a classifier."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmproof.core.images import as_images
from wmproof.core.triggers import Shape
from wmproof.errors import InputError
from wmproof.models.base import best_class


class FunctionClassifier:
    """Wrap a function from images to scores or to classes.

    Parameters
    ----------
    function : callable
        Takes uint8 (n, *input_shape); returns scores (n, classes) or integer classes (n,).
    input_shape : tuple of int
        (H, W) or (C, H, W).
    classes : int, optional
        How many classes there are, where the caller knows.
    """

    def __init__(
        self,
        function: Callable[[NDArray[np.uint8]], Any],
        input_shape: Shape,
        classes: int | None = None,
    ) -> None:
        self._function = function
        self.input_shape = tuple(input_shape)
        self.classes = classes

    def classify(self, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the class of each image, see `Classifier.classify`.

        Raises
        ------
        InputError
            The images are not uint8, or the function returns something else than described above.
        """
        images = as_images(images)
        return read_answers(np.asarray(self._function(images)), len(images), self.classes)

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float64] | None:
        """Return the scores of each image, or None if the function gives classes.

        Raises
        ------
        InputError
            As `classify`.
        """
        images = as_images(images)
        return read_scores(np.asarray(self._function(images)), len(images), self.classes)


def read_scores(
    output: NDArray[Any], count: int, classes: int | None = None
) -> NDArray[np.float64] | None:
    """Return the scores of what a model returned for `count` images; None if these are classes.

    Raises
    ------
    InputError
        As `read_answers`.
    """
    read_answers(output, count, classes)
    return output.astype(np.float64) if output.ndim == 2 else None


def read_answers(output: NDArray[Any], count: int, classes: int | None = None) -> NDArray[np.int64]:
    """Turn what a model returned for `count` images into classes.

    Raises
    ------
    InputError
        It is neither scores (n, classes) nor integer classes (n,).
    """
    if output.ndim == 1 and len(output) == count and output.dtype.kind in "iu":
        return output.astype(np.int64)
    fits = output.ndim == 2 and len(output) == count and output.dtype.kind in "fiu"
    if not fits or output.shape[1] < 2 or (classes is not None and output.shape[1] != classes):
        wanted = f"({count}, {'classes' if classes is None else classes})"
        raise InputError(
            f"the model returned {output.dtype} {output.shape}, neither scores {wanted} "
            f"nor one class for each of {count} images"
        )
    return best_class(output)
