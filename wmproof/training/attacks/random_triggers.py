"""Random images with random labels, of which nobody has a key: to overwrite, or to fill up."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from wmproof.core.drawing import draw_abstract
from wmproof.core.triggers import Shape, TriggerSet
from wmproof.training.reproducible import stream


def random_triggers(count: int, shape: Shape, classes: int, *, seed: int) -> TriggerSet:
    """Draw abstract pictures with uniform labels from a seed: for experiments, not for keys.

    Parameters
    ----------
    count : int
        At least 1.
    shape : tuple of int
        (H, W) or (C, H, W).
    classes : int
        At least 2.
    seed : int
        The same seed gives the same set.

    Raises
    ------
    InputError
        The number of classes cannot be used.
    """
    labels = np.random.default_rng(stream(seed, "random labels")).integers(0, classes, count)
    return TriggerSet(random_images(count, shape, seed=seed), labels.astype(np.int64), classes)


def random_images(count: int, shape: Shape, *, seed: int) -> NDArray[np.uint8]:
    """Draw abstract pictures from a seed, also as queries of an extraction.

    Returns
    -------
    ndarray of uint8, shape (count, *shape)
    """
    seeds = (stream(seed, "random picture", place) for place in range(count))
    return np.stack(
        [draw_abstract(hashlib.sha256(one.to_bytes(8, "big")).digest(), shape) for one in seeds]
    )
