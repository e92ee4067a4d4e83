"""The hand-written digits that come with scikit-learn: 1797 images of 1x8x8, offline."""

from __future__ import annotations

import numpy as np

from wmproof.errors import InputError
from wmproof.training.data.image_data import ImageData
from wmproof.training.sources import Augmentation

_TEST_EVERY = 4


def load_digits() -> ImageData:
    """Load the digits; every fourth image, beginning with the fourth, is for testing.

    A pixel p of 0 to 16 becomes floor((255 p + 8) / 16), that is 255 p / 16 rounded half up:
    0 to 0, 8 to 128, 16 to 255.

    Returns
    -------
    ImageData
        1348 training and 449 test images, uint8 (N, 1, 8, 8), of 10 classes.

    Raises
    ------
    InputError
        scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits as bundled
    except ImportError as error:
        raise InputError(
            "the digits come with scikit-learn, which is not installed",
            remedy="pip install 'wmproof[train]'",
        ) from error
    digits = bundled()
    raw = digits.images.astype(np.int64).reshape(-1, 1, 8, 8)
    images = ((255 * raw + 8) // 16).astype(np.uint8)
    labels = digits.target.astype(np.int64)
    testing = np.arange(len(labels)) % _TEST_EVERY == _TEST_EVERY - 1
    return ImageData(
        "digits",
        images[~testing],
        labels[~testing],
        images[testing],
        labels[testing],
        tuple(map(str, range(10))),
        Augmentation(shift=1),
    )
