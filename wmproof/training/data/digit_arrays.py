"""The hand-written digits that come with scikit-learn, as arrays: no torch is needed."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wmproof.errors import InputError

_TEST_EVERY = 4
CLASSES = 10


class DigitArrays(NamedTuple):
    """1348 training and 449 test images, uint8 (N, 1, 8, 8), and their digits, int64 (N,)."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]


def digit_arrays() -> DigitArrays:
    """Load the digits; every fourth image, beginning with the fourth, is for testing.

    A pixel p of 0 to 16 becomes floor((255 p + 8) / 16), that is 255 p / 16 rounded half up:
    0 to 0, 8 to 128, 16 to 255.

    InputError if scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits as bundled
    except ImportError as error:
        raise InputError(
            "the digits come with scikit-learn, which is not installed",
            remedy="pip install 'wmproof[demo]'",
        ) from error
    digits = bundled()
    raw = digits.images.astype(np.int64).reshape(-1, 1, 8, 8)
    images = ((255 * raw + 8) // 16).astype(np.uint8)
    labels = digits.target.astype(np.int64)
    testing = np.arange(len(labels)) % _TEST_EVERY == _TEST_EVERY - 1
    return DigitArrays(images[~testing], labels[~testing], images[testing], labels[testing])
