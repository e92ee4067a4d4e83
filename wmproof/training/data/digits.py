"""The hand-written digits that come with scikit-learn: 1797 images of 1x8x8, offline."""

from wmproof.training.data.digit_arrays import CLASSES, digit_arrays
from wmproof.training.data.image_data import ImageData
from wmproof.training.sources import Augmentation


def load_digits() -> ImageData:
    """Load the digits as `digit_arrays` splits them.

    Returns
    -------
    ImageData
        1348 training and 449 test images, uint8 (N, 1, 8, 8), of 10 classes.

    Raises
    ------
    InputError
        scikit-learn is not installed.
    """
    names = tuple(map(str, range(CLASSES)))
    return ImageData("digits", *digit_arrays(), names, Augmentation(shift=1))
